//! An entry and what is only worth knowing while the process runs.

use super::Standing;
use super::entry::{Doing, Entry, Hold, Local, Remote};
use crate::id::{CommitSeq, Revision};
use crate::time::Tick;

/// An entry and what is only worth knowing while the process runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Slot {
    pub entry: Entry,
    pub standing: Standing,
    /// Nothing is tried before this tick.
    pub due: Option<Tick>,
    /// The seal that makes a removal survive a power cut. Until then the entry is kept, so
    /// that a file that comes back is known to be deleted.
    pub removal: Option<u64>,
    /// The file was not sealed when the power was cut: a difference is not an edit.
    pub unsealed_at_boot: bool,
    /// A read that did not agree with what feed and listings say.
    pub disagreed: Option<Disagreed>,
    /// The feed told of a delete that is not believed yet. Were there something newer, it would tell
    /// that soon; whatever a read gives before it does may come from a replica that lags.
    pub deleted: bool,
    /// Two snapshots of the same point of the feed show two versions. The feed tells which of them
    /// is older, if one of them is newer than that point; else it was a replica that lags.
    pub at_odds: bool,
    /// Since when the server tells of it and does not have it, and when it said so last. A new
    /// process begins to count anew, because no clock can be trusted across runs.
    pub lags: Option<(Tick, Tick)>,
    /// It was in a bulk read that failed as a whole: ask for it alone.
    pub alone: bool,
    /// A change of its mode took no effect.
    pub mode_refused: bool,
    /// The commit that its row was last changed by.
    pub mark: CommitSeq,
    /// Nobody looked at it since the start, and the scan will come by.
    pub cold: bool,
    /// Somebody may have done something to it meanwhile.
    pub touched: bool,
    /// The feed was lost since it told that this was deleted, and nobody looked at the disk yet. If
    /// it is gone, a run that was killed had carried that out.
    pub undone: bool,
    /// Its delete was counted, and may be carried out.
    pub let_go: bool,
    /// It is sent again, whatever the plan says.
    pub resend: bool,
    /// The last scan that saw it.
    pub scan: u32,
    /// It may be in a set of work. In none, where it is false.
    pub queued: bool,
}

/// Where a slot is found in the sets of work that have an order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queued {
    pub due: Option<Tick>,
    pub mark: CommitSeq,
}

/// A read that said something else than feed and listings do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Disagreed {
    pub revision: Revision,
    pub since: Tick,
    pub tries: u32,
}

impl Slot {
    /// It is in no set of work any more. Whoever calls this takes it out of the one it is in.
    pub fn leave_sets(&mut self) -> Option<Queued> {
        let was = core::mem::take(&mut self.queued);
        was.then_some(Queued { due: self.due, mark: self.mark })
    }

    /// The server has this. `past`: or it had it, for the feed tells its past.
    pub fn observe(&mut self, remote: Remote, past: bool) {
        // A listing without hashes takes nothing away from what is known.
        let remote = match (remote, &self.entry.remote) {
            (
                Remote::File { revision, hash: None, at },
                Remote::File { revision: known, hash, .. },
            ) if revision == *known => Remote::File { revision, hash: *hash, at },
            // What was read last ran ahead of the feed, perhaps also of this delete.
            (Remote::Absent(at), _) if self.disagreed.as_ref().is_some_and(|it| it.tries > 0) => {
                self.deleted = true;
                Remote::Unknown(at)
            }
            (remote, _) => remote,
        };
        let told = remote.at() > self.entry.remote.at();
        if told && core::mem::take(&mut self.at_odds) {
            self.due = None;
        }
        if !remote.is_same_file(&self.entry.remote) {
            if remote.revision().is_some() && !past {
                // A delete that was ours is long past.
                self.entry.lineage.retain(Option::is_some);
            }
            let was_there = self.entry.remote.revision().is_some();
            self.at_odds |= !told && was_there && remote.revision().is_some();
            // Something new deserves a try at once.
            self.due = None;
            self.cold = false;
            self.disagreed = None;
            if !matches!(remote, Remote::Unknown(_)) {
                self.deleted = false;
            }
            self.lags = None;
            if matches!(self.entry.hold, Some(Hold::Aside { .. })) {
                self.entry.hold = None;
            }
        }
        // It is there again, and is not just being moved away.
        let back = remote.revision().is_some();
        let removing = matches!(self.entry.doing, Some(Doing::Removing { .. }));
        if back && !removing && matches!(self.entry.local, Local::File { suspect: false, .. }) {
            self.entry.astray = false;
        }
        self.let_go = false;
        self.undone = false;
        self.entry.remote = remote;
        self.entry.missed = None;
    }

    pub fn new(entry: Entry) -> Self {
        Self {
            entry,
            standing: Standing::Working,
            due: None,
            removal: None,
            unsealed_at_boot: false,
            disagreed: None,
            deleted: false,
            at_odds: false,
            lags: None,
            alone: false,
            mode_refused: false,
            mark: CommitSeq::default(),
            cold: false,
            touched: false,
            undone: false,
            let_go: false,
            resend: false,
            scan: 0,
            queued: false,
        }
    }
}
