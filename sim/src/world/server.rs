//! The workspace server, and the lies that it can be made to tell.

use landfall_core::event::{Answer, Outcome, Part};
use landfall_core::effect::Request;
use landfall_core::fault::{Blame, Fault};
use landfall_core::id::{EventId, Revision};
use landfall_core::path::RemotePath;
use landfall_core::time::{Ms, Tick};
use landfall_core::wire::{FeedEvent, TreeEntry};

use super::disk::Content;
use super::truth::{Truth, Version};
use crate::faults::{Kind, Plan, mix};

/// What the server sends for one request, before the link has its say.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Items of the body, in order.
    pub pieces: Vec<Piece>,
    /// How it ends.
    pub end: End,
    /// Before the first byte.
    pub think: Ms,
    /// Between two items.
    pub pace: Ms,
}

/// One item of a body.
#[derive(Clone, Debug)]
pub enum Piece {
    /// A file.
    File(Sent),
    /// Anything that the machine is told as it is.
    Part(Part),
}

/// A file on the wire.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Its path.
    pub path: RemotePath,
    /// Its revision.
    pub revision: Revision,
    /// Its bytes.
    pub content: Content,
}

/// The end of a reply.
#[derive(Clone, Debug)]
pub enum End {
    /// A file is the answer.
    Read(Sent),
    /// Another last word.
    Word(Outcome),
}

/// How a server can differ from another.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Entries in a page.
    pub page: usize,
    /// Whether `fs/bulk-read` is there.
    pub bulk: bool,
    /// Whether listings say how many files there are.
    pub totals: bool,
    /// Whether listings and events say hashes.
    pub hashes: bool,
}

/// A server: the truth, and what it has let out so far.
#[derive(Clone, Debug)]
pub struct Server {
    /// What it has.
    pub truth: Truth,
    shape: Shape,
    /// The newest feed position that was handed out. Nothing older is ever listed.
    handed: u64,
}

/// A listing that hides fewer unknown files than this could be hidden itself by the files that
/// others make meanwhile.
const HIDDEN_MIN: usize = 10;

/// What a listing or an export hides.
#[derive(Clone, Copy, Debug)]
enum Lie {
    No,
    /// Everything.
    Empty { bits: u64, unknown: bool },
    /// Some files, or whole directories.
    Short { bits: u64, unknown: bool },
}

impl Lie {
    fn pick(empty: Option<u64>, short: Option<u64>) -> Self {
        match (empty, short) {
            (Some(bits), _) => Lie::Empty { bits, unknown: false },
            (None, Some(bits)) => Lie::Short { bits, unknown: false },
            (None, None) => Lie::No,
        }
    }

    fn hides(&self, dir: &str, path: &RemotePath, known: &dyn Fn(&RemotePath) -> bool) -> bool {
        let (hidden, unknown) = match *self {
            Lie::No => return false,
            Lie::Empty { unknown, .. } => (true, unknown),
            Lie::Short { bits, unknown } => {
                let rest = &path.as_str()[dir.trim_end_matches('/').len() + 1..];
                // Half of them hide whole directories.
                let name = match rest.split_once('/') {
                    Some((first, _)) if bits & 1 == 0 => first,
                    _ => rest,
                };
                (mix(bits ^ hash_of(name)) % 100 <= bits % 100, unknown)
            }
        };
        hidden && (unknown || known(path))
    }

    fn bits(&self) -> u64 {
        match self {
            Lie::No => 0,
            Lie::Empty { bits, .. } | Lie::Short { bits, .. } => *bits,
        }
    }
}

/// Who asks, for the addresses of faults.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Hash of the request.
    pub entity: u32,
    /// Which time.
    pub attempt: u32,
    /// When it arrives.
    pub at: Tick,
}

impl Server {
    /// An empty workspace.
    pub fn new(shape: Shape) -> Self {
        Self {
            truth: Truth::default(),
            shape,
            handed: 0,
        }
    }

    /// Answers.
    ///
    /// `known` says of which files the client has a durable row; it bounds the lies, see
    /// [`faults`](crate::faults).
    pub fn serve(
        &mut self,
        request: &Request,
        asked: Asked,
        plan: &mut Plan,
        known: &dyn Fn(&RemotePath) -> bool,
    ) -> Reply {
        if let Some(end) = refusal(asked, plan) {
            return Reply::word(end);
        }
        match request {
            Request::Tip => Reply::word(self.tip(asked, plan)),
            Request::Events { after, limit } => {
                Reply::word(self.events(after.as_ref(), *limit, asked, plan))
            }
            Request::Export { path } => self.export(path, asked, plan, known),
            Request::Tree {
                path,
                depth,
                cursor,
            } => self.tree(path, *depth, cursor.as_deref(), asked, plan, known),
            Request::Read { path } => match self.read(path, plan) {
                Ok(sent) => Reply {
                    end: End::Read(sent),
                    ..Reply::word(Outcome::Ok(Answer::Exported))
                },
                Err((blame, why)) => Reply::word(fail(blame, why)),
            },
            Request::ReadMany { .. } if !self.shape.bulk => {
                Reply::word(fail(Blame::Payload, Fault::NotFound))
            }
            Request::ReadMany { paths } => Reply {
                pieces: paths
                    .iter()
                    .map(|path| match self.read(path, plan) {
                        Ok(sent) => Piece::File(sent),
                        Err((blame, why)) => Piece::Part(Part::Refused {
                            path: path.as_str().to_owned(),
                            blame,
                            why,
                        }),
                    })
                    .collect(),
                ..Reply::word(Outcome::Ok(Answer::ReadMany))
            },
        }
    }

    fn tip(&mut self, asked: Asked, plan: &mut Plan) -> Outcome {
        if no_feed(asked, plan) {
            return fail(Blame::Payload, Fault::NotFound);
        }
        if self.truth.tip() > 0 && strikes(plan, Kind::OldestTip, asked).is_some() {
            return Outcome::Ok(Answer::Tip(Some(event_id(1))));
        }
        self.handed = self.truth.tip();
        let tip = (self.handed > 0).then(|| event_id(self.handed));
        Outcome::Ok(Answer::Tip(tip))
    }

    fn events(
        &mut self,
        after: Option<&EventId>,
        limit: u32,
        asked: Asked,
        plan: &mut Plan,
    ) -> Outcome {
        if no_feed(asked, plan) {
            return fail(Blame::Payload, Fault::NotFound);
        }
        let mut from = match after.map(EventId::number) {
            None => 0,
            Some(Some(n)) if n <= self.truth.tip() => n,
            // This server starts again at its oldest event.
            Some(_) => 0,
        };
        if after.is_some() {
            if let Some(bits) = strikes(plan, Kind::CursorUnknown, asked) {
                let why = if bits & 1 == 0 { Fault::NotFound } else { Fault::Gone };
                return fail(Blame::Payload, why);
            }
            if strikes(plan, Kind::FeedRestarts, asked).is_some() {
                from = 0;
            }
        }
        let upto = self.truth.tip().min(from + u64::from(limit));
        let events: Vec<FeedEvent> = (from + 1..=upto).map(|n| self.event(n)).collect();
        self.handed = self.handed.max(upto);
        let next = (!events.is_empty()).then(|| event_id(upto).0);
        Outcome::Ok(Answer::Events { events, next })
    }

    fn event(&self, n: u64) -> FeedEvent {
        let path = self.truth.path(n);
        let (kind, hash) = match path.map(|path| (self.truth.at(path, n), self.truth.at(path, n - 1))) {
            Some((Some(Version { content: Some(now), .. }), before)) => {
                let new = before.is_none_or(|v| v.content.is_none());
                let kind = if new { "file.created" } else { "file.updated" };
                (kind, Some(now.hash))
            }
            _ => ("file.deleted", None),
        };
        FeedEvent {
            event_id: event_id(n).0,
            kind: kind.to_owned(),
            path: path.map_or_else(String::new, |path| path.as_str().to_owned()),
            revision: format!("rev_{n}"),
            content_hash: hash.filter(|_| self.shape.hashes).map(|h| h.to_string()),
        }
    }

    fn export(
        &mut self,
        base: &str,
        asked: Asked,
        plan: &mut Plan,
        known: &dyn Fn(&RemotePath) -> bool,
    ) -> Reply {
        if strikes(plan, Kind::ExportTooLarge, asked).is_some() {
            return Reply::word(fail(Blame::Payload, Fault::TooLarge));
        }
        let mut upto = self.truth.tip();
        if let Some(bits) = strikes(plan, Kind::StaleExport, asked) {
            upto = self.stale(bits);
        }
        let mut lie = Lie::pick(
            strikes(plan, Kind::EmptyExport, asked),
            strikes(plan, Kind::ShortExport, asked),
        );
        self.bound(&mut lie, base, upto, known, plan);
        let slow = strikes(plan, Kind::SlowExport, asked);
        let mut files: Vec<(u64, Piece)> = self
            .truth
            .files_at(upto)
            .filter(|(path, ..)| path.is_below(base) && !lie.hides(base, path, known))
            .map(|(path, version, content)| (order(path, asked), sent(path, version, content)))
            .map(|(order, sent)| (order, Piece::File(sent)))
            .collect();
        // The order of an export is not promised.
        files.sort_by_key(|(order, _)| *order);
        let (think, pace) = match slow {
            // Either it trickles or it does not even begin.
            Some(bits) if bits & 1 == 0 => (Ms(0), Ms(1_000 + bits % 20_000)),
            Some(bits) => (Ms(20_000 + bits % 400_000), Ms(1)),
            None => (Ms(5), Ms(1)),
        };
        Reply {
            pieces: files.into_iter().map(|(_, piece)| piece).collect(),
            end: End::Word(Outcome::Ok(Answer::Exported)),
            think,
            pace,
        }
    }

    fn tree(
        &mut self,
        dir: &str,
        depth: u32,
        cursor: Option<&str>,
        asked: Asked,
        plan: &mut Plan,
        known: &dyn Fn(&RemotePath) -> bool,
    ) -> Reply {
        let mut upto = self.truth.tip();
        if let Some(bits) = strikes(plan, Kind::StaleListing, asked) {
            upto = self.stale(bits);
        }
        let mut lie = Lie::pick(
            strikes(plan, Kind::EmptyListing, asked),
            strikes(plan, Kind::ShortListing, asked),
        );
        self.bound(&mut lie, dir, upto, known, plan);
        let hashes = self.shape.hashes && strikes(plan, Kind::NoHashes, asked).is_none();
        let mut totals = self.shape.totals && strikes(plan, Kind::NoTotal, asked).is_none();
        let (mut total, mut shown) = (0, 0);
        let mut entries: Vec<TreeEntry> = Vec::new();
        let dir = dir.strip_suffix('/').unwrap_or(dir);
        for (path, version, content) in self.truth.files_at(upto) {
            if !path.is_below(dir) {
                continue;
            }
            total += 1;
            if lie.hides(dir, path, known) {
                continue;
            }
            shown += 1;
            let mut depth_left = depth;
            for (end, _) in path.as_str()[dir.len() + 1..].match_indices('/') {
                if depth_left == 0 {
                    break;
                }
                depth_left -= 1;
                let above = &path.as_str()[..dir.len() + 1 + end];
                let listed = entries.iter().rev().any(|e| e.kind == "dir" && e.path == above);
                if !listed {
                    entries.push(directory(above));
                }
            }
            if depth_left > 0 {
                entries.push(TreeEntry {
                    path: path.as_str().to_owned(),
                    kind: "file".to_owned(),
                    revision: format!("rev_{}", version.revision),
                    content_hash: hashes.then(|| content.hash.to_string()),
                    size: Some(content.size.div_ceil(3) * 4),
                });
            }
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        if shown < total && self.truth.files().all(|(path, ..)| known(path)) {
            // A lie is told with the true count, with one that fits it, or with none.
            match lie.bits() >> 32 & 3 {
                0 => {}
                1 => totals = false,
                _ => total = shown,
            }
        }
        if let Some(cursor) = cursor {
            entries.retain(|entry| entry.path.as_str() > cursor);
        }
        let more = entries.len() > self.shape.page;
        entries.truncate(self.shape.page);
        let next = entries.last().filter(|_| more).map(|last| last.path.clone());
        let mut pieces = Vec::new();
        while !entries.is_empty() {
            // Small items, so that a cut has somewhere to fall.
            let rest = entries.split_off(entries.len().min(4));
            pieces.push(Piece::Part(Part::Entries(entries)));
            entries = rest;
        }
        Reply {
            pieces,
            end: End::Word(Outcome::Ok(Answer::Listed {
                next,
                total: (totals && total > 0).then_some(total),
            })),
            think: Ms(2),
            pace: Ms(1),
        }
    }

    fn read(&self, path: &RemotePath, plan: &mut Plan) -> Result<Sent, (Blame, Fault)> {
        let Some((version, content)) = self.truth.now(path).and_then(|v| Some((v, v.content?)))
        else {
            return Err((Blame::Payload, Fault::NotFound));
        };
        let entity = hash_of(path.as_str()) as u32;
        if let Some(bits) = plan.strikes(Kind::Poisoned, entity, 0) {
            return Err(match bits % 3 {
                0 => (Blame::Lane, Fault::Server(500)),
                1 => (Blame::Payload, Fault::Status(422)),
                _ => (Blame::Lane, Fault::Malformed),
            });
        }
        Ok(sent(path, version, content))
    }

    /// A file of which the client has no row is hidden only together with many others, by a
    /// server that always says the true count: else nobody could ever notice.
    fn bound(
        &self,
        lie: &mut Lie,
        dir: &str,
        upto: u64,
        known: &dyn Fn(&RemotePath) -> bool,
        plan: &Plan,
    ) {
        if matches!(lie, Lie::No) {
            return;
        }
        let counts = self.shape.totals && !plan.is_on(Kind::NoTotal);
        let all = |_: &RemotePath| true;
        let unknown = self
            .truth
            .files_at(upto)
            .filter(|(path, ..)| path.is_below(dir) && lie.hides(dir, path, &all) && !known(path))
            .count();
        let may = counts && unknown > HIDDEN_MIN;
        match lie {
            Lie::No => {}
            Lie::Empty { unknown, .. } | Lie::Short { unknown, .. } => *unknown = may,
        }
    }

    fn stale(&self, bits: u64) -> u64 {
        let tip = self.truth.tip();
        let back = tip.saturating_sub(self.handed);
        tip - bits % (back + 1)
    }
}

impl Reply {
    fn word(outcome: Outcome) -> Self {
        Self {
            pieces: Vec::new(),
            end: End::Word(outcome),
            think: Ms(1),
            pace: Ms(1),
        }
    }
}

/// A refusal that does not depend on what is asked.
fn refusal(asked: Asked, plan: &mut Plan) -> Option<Outcome> {
    for kind in [
        Kind::Busy,
        Kind::RateLimited,
        Kind::QueueFull,
        Kind::ServerError,
        Kind::Overloaded,
    ] {
        let Some(bits) = strikes(plan, kind, asked) else {
            continue;
        };
        let (status, code, message) = match kind {
            Kind::Busy => (429, "workspace_busy", ""),
            Kind::RateLimited => (429, "rate_limited", ""),
            Kind::QueueFull => (429, "queue_full", ""),
            Kind::Overloaded => ([500, 503][bits as usize & 1], "", "Durable Object is overloaded"),
            _ => ([500, 502, 503][bits as usize % 3], "", "oops"),
        };
        let (blame, why) = Fault::classify(status, code, message);
        // From none over sensible ones to absurd ones.
        let after = [None, None, Some(0), Some(1), Some(5), Some(60), Some(99_999)];
        return Some(Outcome::Failed {
            blame,
            why,
            retry_after: after[(bits >> 8) as usize % after.len()].map(Ms::secs),
        });
    }
    None
}

fn strikes(plan: &mut Plan, kind: Kind, asked: Asked) -> Option<u64> {
    plan.strikes(kind, asked.entity, asked.attempt)
}

fn no_feed(asked: Asked, plan: &mut Plan) -> bool {
    let slot = (asked.at.0 / Ms::mins(10).0) as u32;
    plan.strikes(Kind::NoFeed, slot, 0).is_some()
}

fn fail(blame: Blame, why: Fault) -> Outcome {
    Outcome::Failed {
        blame,
        why,
        retry_after: None,
    }
}

fn event_id(n: u64) -> EventId {
    EventId(format!("evt_{n}"))
}

fn sent(path: &RemotePath, version: &Version, content: Content) -> Sent {
    Sent {
        path: path.clone(),
        revision: Revision(format!("rev_{}", version.revision)),
        content,
    }
}

fn directory(path: &str) -> TreeEntry {
    TreeEntry {
        path: path.to_owned(),
        kind: "dir".to_owned(),
        revision: "dir".to_owned(),
        content_hash: None,
        size: None,
    }
}

fn order(path: &RemotePath, asked: Asked) -> u64 {
    mix(hash_of(path.as_str()) ^ u64::from(asked.attempt))
}

/// The hash of a name, for addresses.
pub fn hash_of(name: &str) -> u64 {
    landfall_core::canon::Canon::of(&name)
}
