//! Deletes are counted before the first is carried out.
//!
//! A cycle of deletes ends where the feed reaches its tip or a traversal ends. Until then
//! they are only collected. If they are more than [`MaxDelete`](crate::config::MaxDelete)
//! allows, all of them are held and a person has to decide.

use alloc::vec::Vec;

use super::entry::Hold;
use super::{Files, Standing};
use crate::decision::{Brake, Decision};
use crate::engine::Cx;

impl Files {
    /// Ends the cycle: lets its deletes go, or holds them all.
    pub fn end_cycle(&mut self, cx: &mut Cx<'_>) {
        // A path that was not looked at yet may be one more delete: the count is not over.
        let looking = || self.jobs.values().any(|job| matches!(job, super::Job::Look(_)));
        if self.deletes.is_empty() || !self.to_look.is_empty() || looking() {
            return;
        }
        let deletes = self.deletes.len() as u64 + self.standing(Standing::Held);
        let allowed = self.max_delete.allowed(self.based);
        if deletes <= allowed {
            // Unique over runs, so that one cycle's trash is never mixed with another's.
            self.cycles = (u64::from(cx.engine.run) << 32) | ((self.cycles + 1) & 0xffff_ffff);
            self.to_remove.append(&mut self.deletes);
            return;
        }
        let brake = Brake::MaxDelete { deletes, allowed, known: self.based };
        cx.note(Decision::Braked(brake));
        let paths: Vec<_> = self.deletes.iter().cloned().collect();
        for path in paths {
            self.update(cx, &path, |slot| slot.entry.hold = Some(Hold::MaxDelete));
        }
    }

    /// The brake on deletes, if it is on.
    pub fn brake(&self) -> Option<Brake> {
        let deletes = self.standing(Standing::Held);
        (deletes > 0).then(|| Brake::MaxDelete {
            deletes,
            allowed: self.max_delete.allowed(self.based),
            known: self.based,
        })
    }
}
