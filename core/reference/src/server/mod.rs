//! One workspace: its files, its feed, and the routes of its API as typed values.

mod content;
mod feed;
mod history;
mod refusal;
mod sample;
mod view;

pub use content::{Content, Encoding, File, hash};
pub use feed::{Direction, EventsQuery, Forgot};
pub use history::Change;
pub use refusal::{Refusal, RetryAfter};
pub use sample::sample_file;
pub use view::{BULK_MAX, BulkItem, TreeQuery, View};

use std::collections::BTreeMap;
use std::sync::Arc;

use landfall_core::time::Wall;

/// The files of a workspace at one moment, in path order.
type Files = BTreeMap<Arc<str>, File>;

/// How this server differs from others of its kind.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Entries of a listing page, at least 1. Default 1,000.
    pub page: usize,
    /// Whether the route `fs/bulk-read` is there. Default false: the reference server has none.
    pub bulk_read: bool,
    /// Whether a listing counts the files of the subtree. Older servers do not. Default true.
    pub counts: bool,
    /// Whether entries carry hashes and sizes. Some implementations do not. Default true.
    pub hashes: bool,
    /// Whether the feed understands `direction=desc`. Older servers answer 400. Default true.
    pub descending: bool,
    /// What the feed does with a cursor that it does not know. Default: starts again.
    pub forgot: Forgot,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            page: 1000,
            bulk_read: false,
            counts: true,
            hashes: true,
            descending: true,
            forgot: Forgot::StartsAgain,
        }
    }
}

/// What a write expects to find, as `If-Match` says it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum IfMatch {
    /// `*`: anything.
    Any,
    /// `0`: nothing.
    Absent,
    /// A revision.
    Revision(String),
}

impl IfMatch {
    /// Reads the header: a revision bare, quoted or with `W/`, `0`, or `*`.
    pub fn parse(header: &str) -> Self {
        let bare = header.trim();
        let bare = bare.strip_prefix("W/").unwrap_or(bare).trim_matches('"');
        match bare {
            "*" => Self::Any,
            "0" => Self::Absent,
            revision => Self::Revision(revision.to_owned()),
        }
    }
}

/// One workspace.
///
/// Cloning copies no content. Two servers are equal if they have the same files, the same
/// feed and the same settings.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Server {
    files: Files,
    history: Vec<Change>,
    settings: Settings,
}

impl Server {
    /// An empty workspace.
    pub fn new(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// How it answers.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How it answers from now on.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// The workspace as it is.
    pub fn now(&self) -> View<'_> {
        View::borrowed(&self.files, &self.settings, self.tip())
    }

    /// The workspace as it was after its first `events` events; as it is, if there were fewer.
    ///
    /// Costs a walk over the events that came since, or over those before, whichever are fewer.
    pub fn as_of(&self, events: u64) -> View<'_> {
        if events >= self.tip() {
            return self.now();
        }
        let files = history::files_at(&self.files, &self.history, events as usize);
        View::owned(files, &self.settings, events)
    }

    /// The file at a path after the first `events` events. Does not build the whole view.
    pub fn file_at(&self, path: &str, events: u64) -> Option<&File> {
        history::file_at(&self.history, path, events as usize)
    }

    /// How many events there were. The newest is `evt_<tip>`.
    pub fn tip(&self) -> u64 {
        self.history.len() as u64
    }

    /// Everything that happened, oldest first. The n-th made `evt_<n>` and `rev_<n>`, from 1.
    pub fn history(&self) -> &[Change] {
        &self.history
    }

    /// Writes a file, whatever is there. Returns its revision.
    pub fn put(&mut self, path: &str, content: Content, at: Wall) -> String {
        let path: Arc<str> = normal(path).into();
        let number = self.tip() + 1;
        let file = File { number, content, at };
        let revision = file.revision();
        self.record(path, Some(file), at);
        revision
    }

    /// Deletes a file. Returns whether there was one.
    pub fn delete(&mut self, path: &str, at: Wall) -> bool {
        let path: Arc<str> = normal(path).into();
        let there = self.files.contains_key(&path);
        if there {
            self.record(path, None, at);
        }
        there
    }

    /// `PUT fs/file`: writes a file if what is there is what the writer expects.
    ///
    /// # Errors
    /// 404 for a revision of a file that is not there; 409 over a file that was to be created,
    /// or over another revision.
    pub fn put_if(
        &mut self,
        path: &str,
        content: Content,
        expect: &IfMatch,
        at: Wall,
    ) -> Result<String, Refusal> {
        self.check(path, expect)?;
        Ok(self.put(path, content, at))
    }

    /// `DELETE fs/file`: deletes a file if it is what the writer expects. Returns the revision
    /// of the deletion.
    ///
    /// # Errors
    /// 404 if there is no file, 409 if it has another revision.
    pub fn delete_if(&mut self, path: &str, expect: &IfMatch, at: Wall) -> Result<String, Refusal> {
        self.check(path, expect)?;
        if !self.delete(path, at) {
            return Err(Refusal::not_found());
        }
        Ok(format!("rev_{}", self.tip()))
    }

    /// Forgets the newest changes: everything is as it was after the first `events` events. For
    /// a change that could not be made durable and was told to nobody.
    pub fn rewind(&mut self, events: u64) {
        while self.tip() > events {
            let Some(change) = self.history.pop() else { return };
            history::set(&mut self.files, &change, &change.before);
        }
    }

    fn check(&self, path: &str, expect: &IfMatch) -> Result<(), Refusal> {
        match (self.files.get(normal(path).as_str()), expect) {
            (_, IfMatch::Any) | (None, IfMatch::Absent) => Ok(()),
            (None, IfMatch::Revision(_)) => Err(Refusal::not_found()),
            (Some(file), IfMatch::Revision(wanted)) if file.revision() == *wanted => Ok(()),
            (Some(file), IfMatch::Revision(wanted)) => {
                Err(Refusal::conflict(wanted, &file.revision()))
            }
            (Some(file), IfMatch::Absent) => Err(Refusal::conflict("0", &file.revision())),
        }
    }

    fn record(&mut self, path: Arc<str>, after: Option<File>, at: Wall) {
        let before = match &after {
            Some(file) => self.files.insert(path.clone(), file.clone()),
            None => self.files.remove(&path),
        };
        self.history.push(Change { path, before, after, at });
    }
}

/// The name under which the server keeps a path: one trailing `/` is trimmed, a missing leading
/// one is added, and nothing else is touched.
pub fn normal(path: &str) -> String {
    let trimmed = match path.strip_suffix('/') {
        Some(rest) if !rest.is_empty() => rest,
        _ => path,
    };
    if trimmed.starts_with('/') { trimmed.to_owned() } else { format!("/{trimmed}") }
}
