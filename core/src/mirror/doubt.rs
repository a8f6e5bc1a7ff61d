//! A feed that says nothing may have nothing to say, or may not know our cursor any more: after
//! a restore from a backup or a compaction some servers answer an empty page, for ever.
//!
//! So where the stream tells of an event that the feed does not tell, where nothing came for a
//! while in place of a look at the feed, and where it seems to have told all of its past, its newest
//! event is compared with ours.

use crate::fingerprint::Print;
use crate::id::EventId;
use crate::row::Position;
use crate::time::{Ms, Tick};

/// Between two comparisons of a feed that says nothing.
const EVERY: Ms = Ms::mins(10);

/// So many empty pages in a row, although there is more, are a silence. One is nothing.
const SILENCES: u32 = 6;

/// So long a silence loses the feed. A replica may lag.
const SILENCE: Ms = Ms::mins(1);

/// So many times in a row an older event than ours has to be called the newest before a past that is
/// told counts as told to its end. A replica that lags may say so once.
const OLDER: u32 = 2;

/// See the [module](self).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Doubt {
    /// The newest event that somebody told of.
    beyond: Option<EventId>,
    /// Empty pages in a row since, and when the first of them came.
    silences: u32,
    silent_since: Option<Tick>,
    /// How often in a row an older event than ours was called the newest.
    older: u32,
    /// When the feed last told something, or had the newest event that we have.
    proven: Tick,
    pub asking: Asking,
}

/// What the feed is asked for, in place of what follows our event.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) enum Asking {
    /// For that.
    #[default]
    Nothing,
    /// For its newest event.
    Newest,
    /// For what follows the event that it called its newest, and that is older than ours.
    After(EventId),
}

impl Doubt {
    /// The feed told something, or has nothing that we do not have.
    pub fn proved(&mut self, now: Tick) {
        *self = Self { proven: now, asking: core::mem::take(&mut self.asking), ..Self::default() };
    }

    /// The next comparison is not before the time for it comes again.
    pub fn put_off(&mut self, now: Tick) {
        self.proven = now;
    }

    /// Somebody told of an event beyond ours.
    pub fn heard_of(&mut self, event: EventId) {
        self.beyond = Some(event);
    }

    /// Events came, up to this one. Answers whether there is more.
    pub fn told(&mut self, now: Tick, at: Option<&Position>) -> bool {
        let numbers = match (&self.beyond, at) {
            (Some(beyond), Some(Position::After(at))) => beyond.number().zip(at.number()),
            _ => None,
        };
        if numbers.is_some_and(|(beyond, at)| at < beyond) {
            (self.silences, self.silent_since) = (0, None);
            return true;
        }
        self.proved(now);
        false
    }

    /// An empty page came. Answers how often in a row, if there is more; else the next look may
    /// be a comparison. Where we have no event there is none to compare.
    pub fn silence(&mut self, now: Tick, at: Option<&Position>) -> Option<u32> {
        if self.beyond.is_none() {
            if now >= self.proven + EVERY && matches!(at, Some(Position::After(_))) {
                self.asking = Asking::Newest;
            }
            return None;
        }
        self.silences = self.silences.saturating_add(1);
        self.silent_since.get_or_insert(now);
        Some(self.silences)
    }

    /// An older event than ours was called the newest, and nothing follows ours. Answers whether
    /// that has to do.
    pub fn older(&mut self) -> bool {
        self.older = self.older.saturating_add(1);
        self.older >= OLDER
    }

    /// Whether the feed said nothing for too long.
    pub fn is_lost(&self, now: Tick) -> bool {
        let long = self.silent_since.is_some_and(|since| now - since >= SILENCE);
        long && self.silences >= SILENCES
    }

    /// For the [fingerprint](crate::fingerprint).
    pub fn print(&self, print: &mut Print) {
        let Self { beyond, silences, silent_since, older, proven, asking } = self;
        print.plain(&(beyond, silences, older, asking));
        print.maybe(*silent_since, Print::since);
        print.since(*proven);
    }
}
