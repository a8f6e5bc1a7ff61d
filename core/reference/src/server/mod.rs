//! One workspace: its files, its feed, and the routes of its API as typed values.

mod content;
mod feed;
mod history;
mod identity;
mod merge;
mod op;
mod refusal;
mod rules;
mod sample;
mod view;
mod write;

pub use content::{Content, Encoding, File, hash};
pub use feed::{Direction, EventsQuery, Forgot};
pub use history::{Change, Origin};
pub use identity::Identity;
pub use merge::{Merge, Merged};
pub use op::{Fate, Op, OpStatus};
pub use refusal::{Refusal, RetryAfter};
pub use rules::WriteSettings;
pub use sample::sample_file;
pub use view::{BULK_MAX, BulkItem, TreeQuery, View};
pub use write::{Accepted, BulkError, BulkWrite, BulkWritten, IfMatch};

use std::collections::BTreeMap;
use std::sync::Arc;

use identity::Identities;
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
    /// What it makes of writes.
    pub writes: WriteSettings,
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
            writes: WriteSettings::default(),
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
    identities: Identities,
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
    ///
    /// Nobody asked for it through the API: it is what the workspace begins with, or what a
    /// provider changed. So it has no operation, and no rule of the settings stops it.
    pub fn put(&mut self, path: &str, content: Content, at: Wall) -> String {
        self.record(normal(path).into(), Some(content), at, Origin::default());
        format!("rev_{}", self.tip())
    }

    /// Deletes a file, as nobody asked for it through the API either. Returns whether there
    /// was one.
    pub fn delete(&mut self, path: &str, at: Wall) -> bool {
        self.replay(path, None, at, Origin::default())
    }

    /// Makes a change that was made before, as a store of changes has it. Returns whether there
    /// was anything to change: what is not there can not be deleted.
    pub fn replay(
        &mut self,
        path: &str,
        content: Option<Content>,
        at: Wall,
        origin: Origin,
    ) -> bool {
        let path: Arc<str> = normal(path).into();
        let changes = content.is_some() || self.files.contains_key(&path);
        if changes {
            self.record(path, content, at, origin);
        }
        changes
    }

    /// Forgets the newest changes: everything is as it was after the first `events` events. For
    /// a change that could not be made durable and was told to nobody.
    pub fn rewind(&mut self, events: u64) {
        while self.tip() > events {
            self.identities.forget(self.history.last());
            let Some(change) = self.history.pop() else { return };
            history::set(&mut self.files, &change, &change.before);
        }
    }

    fn record(&mut self, path: Arc<str>, content: Option<Content>, at: Wall, origin: Origin) {
        let number = self.tip() + 1;
        let after = content.map(|content| File { number, content, at });
        let before = match &after {
            Some(file) => self.files.insert(path.clone(), file.clone()),
            None => self.files.remove(&path),
        };
        if let Some(identity) = &origin.identity {
            self.identities.keep(identity, number);
        }
        self.history.push(Change { path, before, after, at, origin });
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
