//! What the process itself places, so that the watcher does not tell it what it knows.
//!
//! A placement is a rename, and the watcher hears it like one of a person. A bootstrap would look
//! once more at each of its files. So what is about to be placed is noted here with its stamp, and
//! what the watcher finds there with the very same stamp is an echo. Whatever went away again is
//! none any more, and what was missed makes all of them doubtful.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use landfall_core::files::entry::Stamp;

/// So many are remembered. Some are never heard, such as those in a directory that is not
/// watched yet.
const MOST: usize = 4096;

/// What was not heard after so long came where nobody listened.
const FRESH: Duration = Duration::from_secs(10);

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Echoes {
    /// Whether somebody listens.
    heard: AtomicBool,
    /// By the path below the root. Looked up by name only, so its order shows nowhere.
    placed: Mutex<HashMap<String, (Stamp, Instant)>>,
}

impl Echoes {
    /// Somebody listens from now on, or nobody does.
    pub fn listen(&self, heard: bool) {
        self.heard.store(heard, Ordering::Relaxed);
        self.forget_all();
    }

    /// A file with this stamp is about to appear.
    pub fn expect(&self, local: &str, stamp: Stamp) {
        if !self.heard.load(Ordering::Relaxed) {
            return;
        }
        let mut placed = self.placed();
        if placed.len() >= MOST {
            placed.clear();
        }
        placed.insert(local.to_owned(), (stamp, Instant::now()));
    }

    /// It did not appear, or is gone again.
    pub fn forget(&self, local: &str) {
        self.placed().remove(local);
    }

    /// Something was missed.
    pub fn forget_all(&self) {
        self.placed().clear();
    }

    /// Whether a file that came by a rename is the one that was placed, as it was placed.
    pub fn take(&self, local: &str, now: impl FnOnce() -> Option<Stamp>) -> bool {
        let placed = self.placed().remove(local).filter(|(_, at)| at.elapsed() < FRESH);
        placed.is_some_and(|(placed, _)| now().is_some_and(|now| now.is_but_moved(&placed)))
    }

    fn placed(&self) -> MutexGuard<'_, HashMap<String, (Stamp, Instant)>> {
        self.placed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACED: Stamp = Stamp { size: 6, mtime_ns: 1, ctime_ns: 2, inode: 3, writable: true };
    const RENAMED: Stamp = Stamp { ctime_ns: 9, ..PLACED };

    fn heard() -> Echoes {
        let echoes = Echoes::default();
        echoes.listen(true);
        echoes.expect("a", PLACED);
        echoes
    }

    #[test]
    fn what_was_placed_is_an_echo_once() {
        let echoes = heard();
        assert!(echoes.take("a", || Some(RENAMED)));
        assert!(!echoes.take("a", || Some(RENAMED)), "a person moved it away and back");
        assert!(!echoes.take("b", || Some(RENAMED)));
    }

    #[test]
    fn what_was_not_heard_when_it_came_hides_nothing_later() {
        // It lay in a directory that nobody watched yet.
        for theirs in [
            Stamp { inode: 4, ..RENAMED },
            Stamp { mtime_ns: 8, ..RENAMED },
            Stamp { size: 7, ..RENAMED },
            Stamp { writable: false, ..RENAMED },
        ] {
            assert!(!heard().take("a", || Some(theirs)), "{theirs:?}");
        }
        assert!(!heard().take("a", || None));
        let left = heard();
        left.forget("a");
        assert!(!left.take("a", || Some(RENAMED)));
        let old = heard();
        old.placed().values_mut().for_each(|(_, at)| *at -= FRESH);
        assert!(!old.take("a", || Some(RENAMED)));
        let missed = heard();
        missed.forget_all();
        assert!(!missed.take("a", || Some(RENAMED)));
    }

    #[test]
    fn where_nobody_listens_nothing_is_remembered() {
        let echoes = heard();
        echoes.listen(false);
        echoes.expect("b", PLACED);
        assert!(echoes.placed().is_empty());
    }
}
