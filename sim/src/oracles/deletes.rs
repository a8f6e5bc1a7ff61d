//! Nothing is deleted on the strength of one listing.
//!
//! When the machine moves a file to the trash, somebody must really have deleted it, and the
//! machine must have been told: by the feed, or by two complete listings at least 30 s apart
//! that both cover the path and leave it out.

use std::collections::{BTreeMap, BTreeSet};

use landfall_core::effect::{Aside, DiskOp, Effect, Request};
use landfall_core::event::{Answer, Event, Outcome, Part};
use landfall_core::fault::Fault;
use landfall_core::id::CallId;
use landfall_core::path::RemotePath;
use landfall_core::time::{Ms, Tick};

use landfall_core::wire::FeedEvent;

use super::Ruling;
use crate::map::Map;
use crate::world::server::{End, Piece};
use crate::world::truth::Truth;

/// Two listings this far apart are two.
const APART: Ms = Ms::secs(30);

/// A file that is told of and answered with 404 for this long is gone.
const LAG: Ms = Ms::mins(5);

/// What the machine was told about files that are not there.
#[derive(Debug, Default)]
pub(super) struct Deletes {
    /// The newest event of the feed that deleted a path.
    told: Map<String, u64>,
    /// Answers on their way.
    pages: BTreeMap<CallId, Page>,
    /// Since when reads of a path answer that it is not there, and when one last did.
    missing: Map<String, (Tick, Tick)>,
    reads: BTreeMap<CallId, String>,
    /// Calls that the machine gave up: it does not hear what comes of them.
    given_up: BTreeSet<CallId>,
    /// Listings that arrived whole.
    arrived: Vec<(Tick, Page)>,
}

/// A listing page, or an export.
#[derive(Debug)]
struct Page {
    dir: String,
    depth: usize,
    after: String,
    /// The last path that it covers; `None`: it covers all that follow.
    upto: Option<String>,
    shown: BTreeSet<String>,
    /// Directories. One of the name of a file does not show the file.
    dirs: BTreeSet<String>,
}

impl Deletes {
    pub(super) fn gone(&mut self) {
        self.pages.clear();
        self.given_up.clear();
    }

    pub(super) fn served(&mut self, call: CallId, request: &Request, pieces: &[Piece], end: &End) {
        let End::Word(Outcome::Ok(answer)) = end else {
            return;
        };
        let (dir, depth, after) = match request {
            Request::Tree { path, depth, cursor } => {
                (path, *depth as usize, cursor.clone().unwrap_or_default())
            }
            Request::Export { path } => (path, usize::MAX, String::new()),
            _ => return,
        };
        let upto = match answer {
            Answer::Listed { next, .. } => next.clone(),
            _ => None,
        };
        let (mut shown, mut dirs) = (BTreeSet::new(), BTreeSet::new());
        for piece in pieces {
            match piece {
                Piece::File(sent) => {
                    shown.insert(sent.path.clone());
                }
                Piece::Part(Part::Entries(entries)) => {
                    for entry in entries {
                        let set = if entry.kind == "dir" { &mut dirs } else { &mut shown };
                        set.insert(entry.path.clone());
                    }
                }
                Piece::Part(_) => {}
            }
        }
        let dir = dir.strip_suffix('/').unwrap_or(dir).to_owned();
        self.pages.insert(call, Page { dir, depth, after, upto, shown, dirs });
    }

    pub(super) fn heard(&mut self, now: Tick, event: &Event) {
        if let Event::Part { part: Part::Event { event, .. }, .. } = event
            && event.kind == "file.deleted"
        {
            self.tell(event);
        }
        match event {
            Event::Part { call, part: Part::File(file) } if !self.given_up.contains(call) => {
                self.missing.remove(&file.path);
            }
            Event::Part {
                part: Part::Refused { path, why: Fault::NotFound | Fault::Gone, .. },
                ..
            } => self.is_missing(now, path.clone()),
            _ => {}
        }
        let Event::Done { call, outcome } = event else {
            return;
        };
        match outcome {
            Outcome::Ok(Answer::Events { events, .. }) => {
                for event in events.iter().filter(|event| event.kind == "file.deleted") {
                    self.tell(event);
                }
            }
            Outcome::Ok(Answer::Read(file)) => {
                self.missing.remove(&file.path);
            }
            Outcome::Failed { why: Fault::NotFound | Fault::Gone, .. } => {
                if let Some(path) = self.reads.remove(call) {
                    self.is_missing(now, path);
                }
            }
            Outcome::Ok(Answer::Listed { .. } | Answer::Exported) => {
                if let Some(page) = self.pages.remove(call) {
                    self.arrived.push((now, page));
                }
            }
            _ => {}
        }
    }

    fn tell(&mut self, event: &FeedEvent) {
        let n = number(&event.event_id);
        let told = self.told.entry(event.path.clone()).or_default();
        *told = n.max(*told);
    }

    fn is_missing(&mut self, now: Tick, path: String) {
        self.missing.entry(path).or_insert((now, now)).1 = now;
    }

    pub(super) fn wanted(&mut self, effect: &Effect, truth: &Truth) -> Ruling {
        if let Effect::Ask { call, request: Request::Read { path }, .. } = effect {
            self.reads.insert(*call, path.as_str().to_owned());
        }
        if let Effect::Cancel { call } = effect {
            self.given_up.insert(*call);
        }
        let Effect::Disk { op: DiskOp::Remove { path, expect, to: Aside::Trash { .. } }, .. } =
            effect
        else {
            return Ok(0);
        };
        let made = truth
            .versions(path)
            .iter()
            .find(|v| v.content.is_some_and(|c| c.hash == *expect))
            .map(|v| v.n);
        let Some(made) = made else {
            return Err(wrong(path, "holds bytes that the server never had"));
        };
        let deleted = |v: &&crate::world::truth::Version| v.content.is_none() && v.n > made;
        if truth.versions(path).iter().find(deleted).is_none() {
            return Err(wrong(path, "was never deleted on the server"));
        }
        if self.told.get(path.as_str()).is_some_and(|n| *n > made) {
            return Ok(1);
        }
        if self.twice(path) {
            return Ok(1);
        }
        let missing = self.missing.get(path.as_str());
        if missing.is_some_and(|(since, last)| *last >= *since + LAG) {
            return Ok(1);
        }
        Err(wrong(
            path,
            "was told to be deleted neither by the feed nor by two listings 30 s apart",
        ))
    }

    /// Whether some listing that arrived leaves a path out.
    pub(super) fn left_out(&self, path: &RemotePath) -> bool {
        self.arrived.iter().any(|(_, page)| page.leaves_out(path))
    }

    fn twice(&self, path: &RemotePath) -> bool {
        let mut first = None;
        for (at, page) in &self.arrived {
            if page.leaves_out(path) {
                let first = *first.get_or_insert(*at);
                if *at >= first + APART {
                    return true;
                }
            }
        }
        false
    }
}

impl Page {
    fn leaves_out(&self, path: &RemotePath) -> bool {
        if !path.is_below(&self.dir) {
            return false;
        }
        let rest = &path.as_str()[self.dir.len() + 1..];
        // Deeper than the page goes, the directory speaks for what is in it.
        let (key, shown) = match rest.match_indices('/').nth(self.depth.saturating_sub(1)) {
            Some((end, _)) => (&path.as_str()[..self.dir.len() + 1 + end], &self.dirs),
            None => (path.as_str(), &self.shown),
        };
        key > self.after.as_str()
            && self.upto.as_deref().is_none_or(|upto| key <= upto)
            && !shown.contains(key)
    }
}

fn wrong(path: &RemotePath, what: &str) -> (String, String) {
    (path.to_string(), format!("{path} goes to the trash, and it {what}"))
}

pub(super) fn number(id: &str) -> u64 {
    id.strip_prefix("evt_").and_then(|n| n.parse().ok()).unwrap_or(0)
}
