//! The no-progress watchdog.
//!
//! It tells a stall from an outage. Only a server that answers well while nothing moves is a
//! stall; it is counted, shown, and retried more slowly. An outage is waited for: deadlines end
//! its calls, the gate paces new ones, and it never ends the process or the traversal.

use super::{Mirror, State};
use crate::decision::Decision;
use crate::decision::Yield;
use crate::engine::Cx;
use crate::files::{Files, Standing};
use crate::policy::Backoff;
use crate::time::Ms;
use crate::timers::Why;

/// How long a traversal that stalled waits.
const STALLED: Backoff = Backoff { base: Ms::mins(1), cap: Ms::mins(10) };

impl Mirror {
    pub(super) fn watch(&mut self, cx: &mut Cx<'_>) {
        let at = self.moved_at + self.config.watchdog.max(Ms::secs(1));
        if cx.wakes_at(Why::Watchdog) != Some(at) {
            cx.wake_at(Why::Watchdog, at.max(cx.now.tick + Ms(1)));
        }
    }

    /// The computer slept: that nothing moved meanwhile says nothing.
    pub fn woke(&mut self, slept: Ms) {
        self.moved_at = self.moved_at + slept;
        self.progressed_at = self.progressed_at + slept;
    }

    /// Looks after each step whether anything moved.
    pub fn look_for_progress(&mut self, cx: &mut Cx<'_>, files: &Files) {
        let progress = self.progress + files.progress;
        let quiet = self.is_quiet(files);
        if progress == self.seen_progress && !quiet {
            return;
        }
        if progress != self.seen_progress {
            self.progressed_at = cx.now.tick;
        }
        self.seen_progress = progress;
        self.seen_answers = self.answers + files.answers;
        self.moved_at = cx.now.tick;
        if self.row.stalls > 0 {
            self.change(cx, |row| row.stalls = 0);
        }
    }

    fn is_quiet(&self, files: &Files) -> bool {
        matches!(self.state, State::Following | State::Braked(_))
            && files.standing(Standing::Working) == 0
    }

    pub(super) fn watchdog(&mut self, cx: &mut Cx<'_>, files: &mut Files) {
        let limit = self.config.watchdog.max(Ms::secs(1));
        let idle = cx.now.tick - self.moved_at;
        if self.is_quiet(files) {
            self.moved_at = cx.now.tick;
            return self.watch(cx);
        }
        if idle < limit {
            return self.watch(cx);
        }
        let answered = self.answers + files.answers > self.seen_answers;
        self.seen_answers = self.answers + files.answers;
        self.moved_at = cx.now.tick;
        let mut wait = Ms(0);
        if answered {
            self.change(cx, |row| row.stalls = row.stalls.saturating_add(1));
            wait = STALLED.delay(self.row.stalls, &(cx.engine.seed, cx.unit));
        }
        cx.note(Decision::WatchdogFired { idle, answered, wait });
        if answered {
            match self.state.clone() {
                State::Exporting { call, .. } | State::Counting { call, .. } => {
                    cx.cancel(call);
                    self.yield_to_tree(cx, files, Yield::TimeUp(idle));
                }
                State::Counted { .. } => self.yield_to_tree(cx, files, Yield::TimeUp(idle)),
                State::Walking { call } => {
                    call.into_iter().for_each(|call| cx.cancel(call));
                    self.state = State::Walking { call: None };
                    cx.wake_at(Why::Page, cx.now.tick + wait);
                }
                _ => {}
            }
        }
        self.watch(cx);
    }
}
