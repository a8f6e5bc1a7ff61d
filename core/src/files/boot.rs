//! The start: what was stored comes back, and what a power cut may have torn is suspect.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::entry::{Entry, Hold, Proof, Remote, Stamp, Unsent};
use super::plan::{Action, plan};
use super::seal::NEVER;
use super::slot::Slot;
use super::{Files, Standing};
use crate::engine::Cx;
use crate::hash::ContentHash;
use crate::id::BlobId;
use crate::path::RemotePath;
use crate::row::{Cut, EntryRow, Value};

impl Files {
    /// A stored entry. Its disk side is unknown until it is looked at.
    pub fn load(&mut self, path: RemotePath, mut row: EntryRow) {
        // A person may have raised the limit, or lets the mirror write here now.
        row.hold.take_if(|hold| {
            matches!(hold, Hold::Unsent { why: Unsent::TooLarge | Unsent::BothMoved, .. })
        });
        if let Some(proof) = &row.proof {
            self.seals.loaded(proof.seal);
        }
        let entry = Entry::from_row(row);
        self.based += u64::from(entry.base.is_some());
        self.denied.note(&path, None, entry.hold.as_ref());
        match self.slots.insert(path, Box::new(Slot::new(entry))) {
            Some(old) => self.based -= u64::from(old.entry.base.is_some()),
            None => self.count(Standing::Working, 1),
        }
    }

    /// A stored entry that can not be read. Its row stays as it is, and so does the file.
    pub fn unreadable(&mut self, path: RemotePath) {
        self.unreadable.insert(path);
    }

    /// Starts with the loaded entries. Answers how many are suspect: what one of the cuts may
    /// have torn. `patient`: what failed in an earlier run waits for its time;
    /// else it is tried at once.
    pub fn start(
        &mut self,
        cx: &mut Cx<'_>,
        cuts: &[Cut],
        patient: bool,
        keep: Vec<BlobId>,
    ) -> u64 {
        self.issue_clean(cx, keep);
        let power_was_cut = !cuts.is_empty();
        let mut suspects = 0;
        let mut cold = false;
        let mut held = Vec::new();
        let mut waiting = Vec::new();
        let mut denied = Vec::new();
        let mut doubtful = Vec::new();
        let mut unsettled: Vec<RemotePath> = Vec::new();
        for (path, slot) in &mut self.slots {
            let proof = slot.entry.proof.as_ref();
            let torn = proof.is_some_and(|proof| cuts.iter().any(|cut| cut.tore(proof.seal)));
            slot.unsealed_at_boot = torn || slot.entry.placing.is_some() && power_was_cut;
            if power_was_cut
                && slot.entry.proof.is_none()
                && let Some(hash) = ours_without_proof(&slot.entry)
            {
                // A kill before the look must not hide that it may be torn.
                slot.unsealed_at_boot = true;
                slot.entry.proof = Some(Proof { hash, stamp: Stamp::default(), seal: 0 });
            }
            if let Some(proof) = &mut slot.entry.proof {
                slot.unsealed_at_boot |= proof.seal == NEVER;
                if slot.unsealed_at_boot && proof.seal != NEVER {
                    // No seal of this run may cover it before it was looked at.
                    proof.seal = NEVER;
                    doubtful.push((path.clone(), slot.entry.row()));
                }
            }
            suspects += u64::from(slot.unsealed_at_boot);
            // A stamp says enough of those, and the scan brings them all.
            slot.cold = slot.entry.proof.is_some()
                && slot.entry.placing.is_none()
                && !slot.unsealed_at_boot;
            cold |= slot.cold;
            // Most of them wait for the scan and for nothing else.
            let waits = slot.cold && slot.entry.hold.is_none();
            if !waits || plan(&slot.entry, self.mode).0 != Action::LookLocal {
                unsettled.push(path.clone());
            }
            match slot.entry.hold {
                Some(Hold::MaxDelete) => held.push(path.clone()),
                // Perhaps it may be written by now.
                Some(Hold::Unsent { why: Unsent::Denied, .. }) => denied.push(path.clone()),
                Some(Hold::Aside { again, .. }) if patient => {
                    waiting.push((path.clone(), again.due(cx.now)));
                }
                _ => {}
            }
        }
        if cold || self.mode.is_written_here() || self.slots.is_empty() {
            self.begin_scan(cx);
        }
        for (path, due) in waiting {
            self.wait(&path, due);
        }
        for (path, row) in doubtful {
            cx.put(Value::Entry(path, row));
        }
        for path in denied {
            self.update(cx, &path, |slot| slot.entry.hold = None);
        }
        // The brake is taken off by a higher limit, and then only for what it allows.
        if (held.len() as u64) <= self.max_delete.allowed(self.based) {
            for path in held {
                self.update(cx, &path, |slot| slot.entry.hold = None);
            }
        }
        for path in unsettled {
            self.settle(cx, &path);
        }
        suspects
    }
}

/// What may be at a path after a power cut that is ours although no row has its proof: it was
/// moved away and the power cut brought it back, it was being placed, or both sides never had
/// it.
fn ours_without_proof(entry: &Entry) -> Option<ContentHash> {
    let known = entry.base.as_ref().or(entry.placing.as_ref()).map(|version| version.hash);
    let told = match entry.remote {
        Remote::File { hash: Some(hash), .. } => hash,
        _ => ContentHash([0; 32]),
    };
    known.or(entry.astray.then_some(told))
}
