//! The workspace server: the reference server, and the lies that it can be made to tell.

use std::collections::BTreeSet;

use landfall_core::effect::{Push, Request};
use landfall_core::event::{Answer, Outcome, Part};
use landfall_core::id::{EventId, Revision};
use landfall_core::path::RemotePath;
use landfall_core::time::{Ms, Tick, Wall};
use landfall_core::wire::{FeedEvent, Tree};
use landfall_reference::server as reference;
use landfall_reference::server::{Direction, EventsQuery, Forgot, Refusal, Settings, TreeQuery};

use super::disk::Content;
use super::truth::Truth;
use crate::faults::{Kind, Plan, mix};
use access::{Access, Load, forbidden};
use lie::{Hidden, Hides, Lie};
use refusal::refusal;

pub mod access;
mod lie;
mod refusal;
mod reply;
mod writes;

pub use writes::{How, Wrote};

pub use reply::{End, Piece, Reply, Sent};

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
    /// Whether it says what became of the writes that it accepted.
    pub receipts: bool,
}

/// A server, and what it has let out so far.
#[derive(Clone, Debug)]
pub struct Server {
    /// What happened, for those who judge.
    pub truth: Truth,
    remote: reference::Server,
    shape: Shape,
    /// Tokens and permissions.
    pub access: Access,
    /// What arrives, and how much of it is answered.
    pub load: Load,
    /// Files whose names nobody can place.
    hostile: BTreeSet<String>,
    /// Those that were deleted, and the event that tells it.
    hostile_gone: Vec<(u64, String)>,
    /// Writes of the mirror since they were last taken.
    pub wrote: Vec<Wrote>,
    /// The newest feed position that was handed out. Nothing older is ever listed.
    handed: u64,
    /// Cursors before this are forgotten without a word.
    forgotten: u64,
    hidden: Hidden,
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
        let settings = Settings {
            page: shape.page,
            bulk_read: shape.bulk,
            counts: shape.totals,
            hashes: shape.hashes,
            ..Settings::default()
        };
        Self {
            truth: Truth::default(),
            remote: reference::Server::new(settings),
            shape,
            access: Access::default(),
            load: Load::default(),
            hostile: BTreeSet::new(),
            hostile_gone: Vec::new(),
            wrote: Vec::new(),
            handed: 0,
            forgotten: 0,
            hidden: Hidden::default(),
        }
    }

    /// The other client writes a file, or deletes it. Returns the number of the event.
    pub fn change(
        &mut self,
        path: &RemotePath,
        content: Option<reference::Content>,
        at: Tick,
        wall: u64,
    ) -> u64 {
        let bytes = content.as_ref().map(Content::of);
        match content {
            Some(content) => {
                self.remote.put(path.as_str(), content, Wall(wall));
            }
            None => {
                self.remote.delete(path.as_str(), Wall(wall));
            }
        }
        let n = self.truth.change(path, bytes, at, false);
        assert_eq!(n, self.remote.tip(), "the server and its history agree");
        n
    }

    /// The other client makes a file whose name nobody can place, or deletes it. Returns the
    /// number of the event.
    pub fn change_hostile(
        &mut self,
        name: &str,
        content: Option<reference::Content>,
        wall: u64,
    ) -> u64 {
        let name = reference::normal(name);
        let n = self.truth.change_elsewhere();
        match content {
            Some(content) => {
                self.remote.put(&name, content, Wall(wall));
                self.hostile.insert(name);
            }
            None => {
                self.remote.delete(&name, Wall(wall));
                self.hostile.remove(&name);
                self.hostile_gone.push((n, name));
            }
        }
        assert_eq!(n, self.remote.tip(), "the server and its history agree");
        n
    }

    /// The names that nobody can place.
    pub fn hostile(&self) -> &BTreeSet<String> {
        &self.hostile
    }

    /// Names that nobody can place and that are gone, but that were hidden by another in the same
    /// directory when the point `since` of the feed was taken, or later. A listing shows of them
    /// only the directory, so whoever did not hear of the delete can not know.
    pub fn hostile_hidden(&self, since: u64) -> impl Iterator<Item = &String> {
        let is_hidden = move |(n, name): &(u64, String)| {
            let dir = directory(name);
            let mut others = self.hostile.iter().filter(|other| *other != name);
            let mut gone = self.hostile_gone.iter().filter(|(m, _)| m > n && *m > since);
            !self.hostile.contains(name)
                && (others.any(|other| directory(other) == dir)
                    || gone.any(|(_, other)| other != name && directory(other) == dir))
        };
        let hidden = self.hostile_gone.iter().filter(move |gone| is_hidden(gone));
        hidden.map(|(_, name)| name)
    }

    /// The bytes that a file has now.
    pub fn content(&self, path: &str) -> Option<reference::Content> {
        Some(self.remote.now().read(path).ok()?.content.clone())
    }

    /// Some version that a path once had.
    pub fn first_version(&self, path: &RemotePath) -> Option<reference::Content> {
        let first = self.truth.versions(path).iter().find(|v| v.content.is_some())?;
        let file = self.remote.file_at(path.as_str(), first.n)?;
        Some(file.content.clone())
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
        staged: &dyn Fn(&Push) -> Option<reference::Content>,
        wall: u64,
    ) -> Reply {
        let admitted = self.load.arrives(asked.at).and_then(|()| self.access.knows(asked.at));
        if let Some(refusal) = admitted.err().or_else(|| refusal(asked, plan)) {
            return Reply::word(refused(&refusal));
        }
        let answer = match request {
            Request::Tip => self.tip(asked, plan).map(Reply::answer),
            Request::Events { after, limit } => {
                self.events(after.as_ref(), *limit, asked, plan).map(Reply::answer)
            }
            Request::Stream { after } => self.stream(after.as_ref(), asked, plan),
            Request::Export { path } => self.export(path, asked, plan, known),
            Request::Tree { path, depth, cursor } => {
                self.tree(path, *depth, cursor.as_deref(), asked, plan, known)
            }
            Request::Read { path } => self.read(path, asked, plan),
            Request::ReadMany { paths } => self.read_many(paths, asked, plan),
            Request::PushMany { files } => self.push_many(files, asked, plan, staged, wall),
            Request::Push(file) => self.push_one(file, asked, plan, staged, wall),
            Request::PushDelete { command, path, base } => {
                self.push_delete(command, path, base, asked, plan, wall)
            }
            Request::Op { op } => self.op(op, asked, plan, wall),
        };
        answer.unwrap_or_else(|refusal| Reply::word(refused(&refusal)))
    }

    fn tip(&mut self, asked: Asked, plan: &mut Plan) -> Result<Answer, Refusal> {
        feed_there(asked, plan)?;
        let mut query = EventsQuery { limit: Some(1), ..EventsQuery::default() };
        if strikes(plan, Kind::OldestTip, asked).is_none() {
            query.direction = Direction::Descending;
            self.handed = self.remote.tip();
        }
        let events = self.remote.events(&query)?.events;
        Ok(Answer::Tip(events.into_iter().next().map(|event| EventId(event.event_id))))
    }

    fn events(
        &mut self,
        after: Option<&EventId>,
        limit: u32,
        asked: Asked,
        plan: &mut Plan,
    ) -> Result<Answer, Refusal> {
        feed_there(asked, plan)?;
        let query = EventsQuery {
            cursor: after.map(|id| id.0.clone()),
            limit: Some(limit),
            direction: Direction::Ascending,
        };
        if after.is_some() && strikes(plan, Kind::CursorSilent, asked).is_some() {
            self.forgotten = self.remote.tip();
        }
        if self.forgets(after) {
            return Ok(Answer::Events { events: Vec::new(), next: None });
        }
        let slot = (asked.at.0 / Ms::mins(10).0) as u32;
        let never = plan.strikes(Kind::CursorNever, slot, 0).is_some();
        let forgot = match (after, strikes(plan, Kind::CursorUnknown, asked)) {
            (None, _) => None,
            (Some(_), _) if never => Some(Forgot::Gone),
            (Some(_), Some(bits)) => Some([Forgot::NotFound, Forgot::Gone][bits as usize & 1]),
            (Some(_), None) => {
                strikes(plan, Kind::FeedRestarts, asked).map(|_| Forgot::StartsAgain)
            }
        };
        let mut page = match forgot {
            Some(forgot) => self.remote.events_forgotten(&query, forgot)?,
            None => self.remote.events(&query)?,
        };
        if let Some(bits) = strikes(plan, Kind::FeedShort, asked) {
            page.events.truncate(1 + bits as usize % 4);
            page.next_cursor = page.events.last().map(|event| event.event_id.clone());
        }
        let last = page.events.last().and_then(|event| EventId(event.event_id.clone()).number());
        self.handed = self.handed.max(last.unwrap_or(0));
        if !self.shape.hashes {
            page.events.iter_mut().for_each(|event| event.content_hash = None);
        }
        Ok(Answer::Events { events: page.events, next: page.next_cursor })
    }

    /// Whether what follows this event is not known any more.
    fn forgets(&self, after: Option<&EventId>) -> bool {
        after.and_then(EventId::number).is_some_and(|n| n < self.forgotten)
    }

    fn stream(
        &mut self,
        after: Option<&EventId>,
        asked: Asked,
        plan: &mut Plan,
    ) -> Result<Reply, Refusal> {
        feed_there(asked, plan)?;
        let slot = (asked.at.0 / Ms::mins(10).0) as u32;
        if plan.strikes(Kind::NoStream, slot, 0).is_some() {
            return Err(Refusal::no_route());
        }
        let now = self.remote.tip() + 1;
        let next = match after.and_then(EventId::number) {
            Some(n)
                if !self.forgets(after) && strikes(plan, Kind::StreamForgets, asked).is_none() =>
            {
                n + 1
            }
            _ => now,
        };
        let pieces = vec![Piece::Part(Part::Opened)];
        Ok(Reply { pieces, end: End::Stream { next }, think: Ms(1), pace: Ms(1) })
    }

    /// An event, as the stream tells it. What it tells was handed out.
    pub fn feed_event(&mut self, n: u64) -> Option<FeedEvent> {
        let mut event = self.remote.event(n)?;
        if !self.shape.hashes {
            event.content_hash = None;
        }
        self.handed = self.handed.max(n);
        Some(event)
    }

    /// The bytes that go with an event, if the file is still what the event says.
    pub fn inline(&self, n: u64) -> Option<Sent> {
        let event = self.remote.event(n)?;
        let file = self.remote.now().read(&event.path).ok()?.clone();
        let shown = file.revision() == event.revision && self.access.may_read(&event.path);
        shown.then(|| sent(&event.path, &file))
    }

    fn export(
        &mut self,
        base: &str,
        asked: Asked,
        plan: &mut Plan,
        known: &dyn Fn(&RemotePath) -> bool,
    ) -> Result<Reply, Refusal> {
        if strikes(plan, Kind::ExportTooLarge, asked).is_some() {
            return Err(Refusal::new(413, "payload_too_large", "export too large"));
        }
        let past = self.past(strikes(plan, Kind::StaleExport, asked));
        let mut lie = Lie::pick(
            strikes(plan, Kind::EmptyExport, asked),
            strikes(plan, Kind::ShortExport, asked),
            self.counts(plan),
        );
        let slow = strikes(plan, Kind::SlowExport, asked);
        let hidden = self.would_hide(&lie, base, past, None, None, known);
        lie.unknown &= self.hidden.may_hide(&hidden, false);
        if lie.unknown {
            self.hidden.hide(hidden);
            self.hidden.traversal_begins();
        }
        let mut view = self.remote.as_of(past);
        if lie.what.is_some() {
            view.retain(|path| !lie.hides(base, path, known));
        }
        if !self.access.denials.is_empty() {
            view.retain(|path| self.access.may_read(path));
        }
        let mut files: Vec<(u64, Piece)> = view
            .export(base)
            .map(|(path, file)| (order(path, asked), Piece::File(sent(path, file))))
            .collect();
        // The order of an export is not promised.
        files.sort_by_key(|(order, _)| *order);
        let (think, pace) = match slow {
            // Either it trickles or it does not even begin.
            Some(bits) if bits & 1 == 0 => (Ms(0), Ms(1_000 + bits % 20_000)),
            Some(bits) => (Ms(20_000 + bits % 400_000), Ms(1)),
            None => (Ms(5), Ms(1)),
        };
        let pieces = files.into_iter().map(|(_, piece)| piece).collect();
        Ok(Reply { pieces, think, pace, ..Reply::answer(Answer::Exported) })
    }

    fn tree(
        &mut self,
        dir: &str,
        depth: u32,
        cursor: Option<&str>,
        asked: Asked,
        plan: &mut Plan,
        known: &dyn Fn(&RemotePath) -> bool,
    ) -> Result<Reply, Refusal> {
        let past = self.past(strikes(plan, Kind::StaleListing, asked));
        let mut lie = Lie::pick(
            strikes(plan, Kind::EmptyListing, asked),
            strikes(plan, Kind::ShortListing, asked),
            self.counts(plan),
        );
        let no_hashes = strikes(plan, Kind::NoHashes, asked).is_some();
        let no_total = strikes(plan, Kind::NoTotal, asked).is_some();
        let query = TreeQuery {
            path: dir.to_owned(),
            depth: Some(depth),
            cursor: cursor.map(str::to_owned),
            exclude_mount_runtime: true,
        };
        if dir == "/" && cursor.is_none() {
            self.hidden.traversal_begins();
        }
        let mut page = self.shown_page(past, &query, known, None)?;
        let truly = page.total_files;
        if lie.what.is_none() && !self.hidden.is_empty() {
            let hidden = |path: &str| self.hidden.has(path, known);
            page = self.shown_page(past, &query, known, Some(&hidden))?;
            page.total_files = truly;
        }
        if lie.what.is_some() {
            let told = |lie: &Lie| {
                let hides = |path: &str| lie.hides(dir, path, known);
                let hidden = |path: &str| hides(path) || self.hidden.has(path, known);
                self.shown_page(past, &query, known, Some(&hidden))
            };
            page = told(&lie)?;
            let next = page.next_cursor.as_deref();
            let hidden = self.would_hide(&lie, dir, past, cursor, next, known);
            let all = dir == "/" && cursor.is_none() && matches!(lie.what, Some(Hides::All));
            lie.unknown &= self.hidden.may_hide(&hidden, all);
            page = told(&lie)?;
            if lie.unknown {
                self.hidden.hide(hidden);
            }
            // A lie is told with the true count, with one that fits it, or with none.
            let fits = self.truth.files().all(|(path, ..)| known(path));
            match lie.bits >> 32 & 3 {
                1 if fits => page.total_files = None,
                2 | 3 if fits => {}
                _ => page.total_files = truly,
            }
        }
        if no_total {
            page.total_files = None;
        }
        if no_hashes {
            page.entries.iter_mut().for_each(|entry| entry.content_hash = None);
        }
        let Tree { mut entries, next_cursor, total_files, .. } = page;
        let mut pieces = Vec::new();
        while !entries.is_empty() {
            // Small items, so that a cut has somewhere to fall.
            let rest = entries.split_off(entries.len().min(4));
            pieces.push(Piece::Part(Part::Entries(entries)));
            entries = rest;
        }
        let answer = Answer::Listed { next: next_cursor, total: total_files };
        Ok(Reply { pieces, ..Reply::answer(answer) })
    }

    /// A page of a listing, without what may not be seen and what is hidden.
    fn shown_page(
        &self,
        past: u64,
        query: &TreeQuery,
        known: &dyn Fn(&RemotePath) -> bool,
        hides: Option<&dyn Fn(&str) -> bool>,
    ) -> Result<Tree, Refusal> {
        let mut view = self.remote.as_of(past);
        if hides.is_none() && self.access.denials.is_empty() {
            return view.tree(query);
        }
        let is_hidden = |path: &str| hides.is_some_and(|hides| hides(path));
        // What the page before ended with stays, or the cursor would be refused.
        let cursor = query.cursor.as_deref().unwrap_or_default();
        view.retain(|path| {
            let at_cursor = !cursor.is_empty()
                && path
                    .strip_prefix(cursor)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            at_cursor || !is_hidden(path) && self.access.lists(path, known)
        });
        view.tree(query)
    }

    /// A file that was changed lately may not be there yet for those who ask.
    fn lags(&self, path: &RemotePath, asked: Asked, plan: &mut Plan) -> Result<(), Refusal> {
        let Some(version) = self.truth.now(path) else { return Ok(()) };
        // Two lags in a row would last longer than what counts as one.
        let before = self.truth.at(path, version.n - 1);
        if before.is_some_and(|before| before.at + Ms::mins(6) > version.at) {
            return Ok(());
        }
        let lag = plan.strikes(Kind::ReadLags, hash_of(path.as_str()) as u32, version.n as u32);
        match lag {
            Some(bits) if asked.at < version.at + Ms(1_000 + bits % 239_000) => {
                Err(Refusal::not_found())
            }
            _ => Ok(()),
        }
    }

    /// The point of the feed that a read of this path shows.
    fn read_at(&self, path: &RemotePath, asked: Asked, plan: &mut Plan) -> u64 {
        let tip = self.remote.tip();
        let Some(version) = self.truth.now(path) else { return tip };
        let before = version.n - 1;
        if self.truth.at(path, before).is_none_or(|v| v.content.is_none()) {
            return tip;
        }
        match plan.strikes(Kind::ReadStale, hash_of(path.as_str()) as u32, version.n as u32) {
            Some(bits) if asked.at < version.at + Ms(1_000 + bits % 99_000) => before,
            _ => tip,
        }
    }

    fn read(&self, path: &RemotePath, asked: Asked, plan: &mut Plan) -> Result<Reply, Refusal> {
        self.may_read(path)?;
        poisoned(path, plan)?;
        self.lags(path, asked, plan)?;
        let view = self.remote.as_of(self.read_at(path, asked, plan));
        let sent = sent(path.as_str(), view.read(path.as_str())?);
        Ok(Reply { end: End::Read(sent), ..Reply::answer(Answer::ReadMany) })
    }

    fn read_many(
        &self,
        paths: &[RemotePath],
        asked: Asked,
        plan: &mut Plan,
    ) -> Result<Reply, Refusal> {
        let names: Vec<String> = paths.iter().map(|path| path.as_str().to_owned()).collect();
        let view = self.remote.now();
        let items = view.bulk_read(&names)?;
        let mut pieces = Vec::with_capacity(items.len());
        for (path, (name, item)) in paths.iter().zip(items) {
            let at = self.read_at(path, asked, plan);
            let item = match self.remote.file_at(path.as_str(), at) {
                Some(stale) if at < self.remote.tip() => Ok(stale),
                _ => item,
            };
            let item = self
                .may_read(path)
                .and_then(|()| poisoned(path, plan))
                .and_then(|()| self.lags(path, asked, plan))
                .and(item);
            pieces.push(match item {
                Ok(file) => Piece::File(sent(&name, file)),
                Err(refusal) => {
                    let (blame, why) = refusal.classify();
                    Piece::Part(Part::Refused { path: name, blame, why })
                }
            });
        }
        Ok(Reply { pieces, ..Reply::answer(Answer::ReadMany) })
    }

    fn may_read(&self, path: &RemotePath) -> Result<(), Refusal> {
        if self.access.may_read(path.as_str()) { Ok(()) } else { Err(forbidden()) }
    }

    /// The point of the feed that a listing shows. With bits it is stale, but never older
    /// than what was handed out.
    fn past(&self, stale: Option<u64>) -> u64 {
        let tip = self.remote.tip();
        match stale {
            None => tip,
            Some(bits) => tip - bits % (tip.saturating_sub(self.handed) + 1),
        }
    }

    /// Whether this server always says how many files there are.
    fn counts(&self, plan: &Plan) -> bool {
        self.shape.totals && !plan.is_on(Kind::NoTotal)
    }

    /// The files that lie within the page and of which the client has no row, as far as they
    /// would be hidden.
    fn would_hide(
        &self,
        lie: &Lie,
        dir: &str,
        past: u64,
        after: Option<&str>,
        next: Option<&str>,
        known: &dyn Fn(&RemotePath) -> bool,
    ) -> Vec<RemotePath> {
        if !lie.unknown {
            return Vec::new();
        }
        self.truth
            .files_at(past)
            .map(|(path, ..)| path)
            .filter(|path| path.is_below(dir))
            .filter(|path| after.is_none_or(|after| path.as_str() > after))
            .filter(|path| next.is_none_or(|next| path.as_str() <= next))
            .filter(|path| !known(path) && lie.hides(dir, path.as_str(), known))
            .cloned()
            .collect()
    }
}

fn refused(refusal: &Refusal) -> Outcome {
    let (blame, why) = refusal.classify();
    Outcome::Failed { blame, why, retry_after: refusal.retry_after.as_ms() }
}

fn strikes(plan: &mut Plan, kind: Kind, asked: Asked) -> Option<u64> {
    plan.strikes(kind, asked.entity, asked.attempt)
}

fn feed_there(asked: Asked, plan: &mut Plan) -> Result<(), Refusal> {
    let slot = (asked.at.0 / Ms::mins(10).0) as u32;
    match plan.strikes(Kind::NoFeed, slot, 0) {
        Some(bits) if bits & 1 == 0 => {
            Err(Refusal::new(403, "forbidden", "missing required scope: fs:read"))
        }
        Some(_) => Err(Refusal::no_route()),
        None => Ok(()),
    }
}

/// A file that can not be read until the world heals.
fn poisoned(path: &RemotePath, plan: &mut Plan) -> Result<(), Refusal> {
    let entity = hash_of(path.as_str()) as u32;
    match plan.strikes(Kind::Poisoned, entity, 0) {
        None => Ok(()),
        Some(bits) if bits & 1 == 0 => Err(Refusal::new(500, "internal_error", "can not be read")),
        Some(_) => Err(Refusal::new(422, "unprocessable", "can not be decoded")),
    }
}

fn sent(path: &str, file: &reference::File) -> Sent {
    Sent {
        path: path.to_owned(),
        revision: Revision(file.revision().into()),
        content: Content::of(&file.content),
    }
}

fn order(path: &str, asked: Asked) -> u64 {
    mix(hash_of(path) ^ u64::from(asked.attempt))
}

/// The hash of a name, for addresses.
pub fn hash_of(name: &str) -> u64 {
    landfall_core::canon::Canon::of(&name)
}

fn directory(name: &str) -> &str {
    name.rfind('/').map_or("", |end| &name[..end])
}
