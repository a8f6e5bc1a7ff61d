//! The end of a traversal: is it believed, and what does it leave in doubt?
//!
//! Nothing is deleted on the strength of one listing, and an empty or short one is not even
//! believed about what it shows. Two complete traversals at least 30 s apart have to agree;
//! and a known file that both leave out is asked for by name before it counts as deleted.

use super::export::KNOWN_FLOOR;
use super::{Mirror, State};
use crate::decision::{Decision, Doubtful};
use crate::engine::Cx;
use crate::files::{Files, LeftOut};
use crate::path::RemotePath;
use crate::policy::Backoff;
use crate::row::{Doubt, Position};
use crate::time::{Ms, StoredDeadline};
use crate::timers::Why;

/// The least time between two traversals that are to confirm one another.
const CONFIRM_MIN: Ms = Ms::secs(30);

/// What is waited beyond that: 5 to 10 s the first time, because a person may wait for it.
const CONFIRM: Backoff = Backoff { base: Ms::secs(10), cap: Ms::mins(10) };

/// Between two traversals of a server whose feed says nothing.
const WITHOUT_FEED: Ms = Ms::mins(5);

/// Between two traversals that only make sure that the feed told everything.
const AUDIT: Ms = Ms::hours(24);

impl Mirror {
    /// Every directory was listed, or the export was complete.
    pub(super) fn finish(&mut self, cx: &mut Cx<'_>, files: &mut Files) {
        let Some(traversal) = self.row.traversal.clone() else { return };
        let seen = traversal.seen;
        // What the feed deleted meanwhile need not be shown.
        let known = files.based().saturating_sub(files.told_deletes());
        let position = self.at.clone().unwrap_or(Position::NoFeed);
        let before = self.row.doubt.clone();
        let apart = before.as_ref().is_some_and(|doubt| doubt.at.due(cx.now) <= cx.now.tick);
        let left_out = match traversal.partial {
            true => LeftOut::default(),
            false => files.left_out(cx, traversal.id, traversal.tag, apart),
        };
        let missing = left_out.doubtful;

        let suspicion = match traversal.total {
            _ if seen == 0 => Some(Doubtful::Empty),
            _ if known >= KNOWN_FLOOR && seen * 2 < known => Some(Doubtful::Short { seen, known }),
            // Files below a directory whose name is refused are counted and never seen: then
            // the second traversal misses as many.
            Some(total) if seen < total => Some(Doubtful::BelowTotal { seen, total }),
            _ if traversal.hollow > 0 => Some(Doubtful::Hollow { directories: traversal.hollow }),
            _ => None,
        };
        let counted = traversal.total.is_some_and(|total| seen >= total);
        let confirmed = match (&suspicion, &before) {
            (Some(now), Some(doubt)) => {
                let empty = *now == Doubtful::Empty;
                // Nothing is shown, and the feed moved, or the server itself counts files.
                let belied =
                    empty && (doubt.position != position || traversal.total.is_some_and(|n| n > 0));
                // What the feed deleted meanwhile was counted and could not be shown.
                let told = match now {
                    Doubtful::BelowTotal { seen, total } => total - seen <= files.told_deletes(),
                    _ => false,
                };
                // It hides more of what was known than the server says are gone, and only by
                // chance as many files as the first one.
                let other = match (now, &doubt.why) {
                    (
                        Doubtful::BelowTotal { total, .. },
                        Doubtful::BelowTotal { total: then, .. },
                    ) => left_out.anew > then.saturating_sub(*total),
                    _ => false,
                };
                apart && !belied && (told || !other && agree(now, &doubt.why, counted))
            }
            _ => false,
        };
        let believed = suspicion.is_none() || confirmed;
        files.snapshot_open(false);
        if !traversal.partial {
            self.forget_names_before(cx, traversal.id);
        }
        if believed {
            files.snapshot_believed(cx, traversal.tag);
            if !confirmed || missing == 0 {
                self.doubts = 0;
            }
            cx.note(match confirmed {
                true => Decision::ListingConfirmed { seen },
                false => Decision::ListingBelieved { seen },
            });
        }
        let doubtful = match suspicion {
            Some(why) if !believed => Some(why),
            _ if missing > 0 => Some(Doubtful::Missing { missing }),
            _ => None,
        };
        let mute = matches!(position, Position::Origin) && seen > 0;
        let again = match &doubtful {
            Some(why) => {
                self.doubts += 1;
                let again = self.confirm_in(cx);
                cx.note(Decision::ListingDoubted { why: *why, again });
                again
            }
            None if position == Position::NoFeed || mute => WITHOUT_FEED,
            None => AUDIT,
        };
        let wall = cx.now.wall;
        self.change(cx, |row| {
            row.believed |= believed;
            if let Some(traversal) = &mut row.traversal {
                traversal.open = false;
            }
            row.relist = Some(StoredDeadline { set: wall, length: again });
            row.doubt = doubtful.map(|why| Doubt {
                why,
                traversal: traversal.id,
                position,
                at: StoredDeadline { set: wall, length: CONFIRM_MIN },
            });
        });
        cx.wake_at(Why::Relist, cx.now.tick + again);
        self.progress += 1;
        self.state = State::Following;
        // What changed while it was listed is told by the feed: in step only after that.
        self.at_tip = matches!(self.at, Some(Position::NoFeed));
        self.poll_soon(cx);
    }

    /// A file that two listings left out is there. So the listings lied, and nothing else that
    /// they did not show proves anything either.
    pub fn refuted(&mut self, cx: &mut Cx<'_>, path: RemotePath) {
        let known = !self.row.believed && self.row.doubt.is_none();
        if known || !matches!(self.state, State::Following) || self.stopping {
            return;
        }
        self.doubts += 1;
        let again = self.confirm_in(cx);
        cx.note(Decision::ListingRefuted { path, again });
        let wall = cx.now.wall;
        self.change(cx, |row| {
            row.believed = false;
            row.doubt = None;
            row.relist = Some(StoredDeadline { set: wall, length: again });
        });
        cx.wake_at(Why::Relist, cx.now.tick + again);
    }

    /// Until the traversal that is to confirm the last one.
    fn confirm_in(&self, cx: &Cx<'_>) -> Ms {
        let salt = (cx.engine.seed, cx.unit, "confirm");
        Ms(CONFIRM_MIN.0 + CONFIRM.delay(self.doubts, &salt).0)
    }

    /// Lists everything again. A server that had no feed is asked first whether it has one.
    pub(super) fn relist(&mut self, cx: &mut Cx<'_>, files: &mut Files) {
        match self.at {
            Some(Position::NoFeed) | None => self.locate(cx),
            _ => self.begin_walk(cx, files),
        }
    }
}

/// Whether two traversals tell the same story. Two that are each wrong in their own way prove
/// nothing. `counted`: the second shows at least as many files as the server counts.
fn agree(now: &Doubtful, before: &Doubtful, counted: bool) -> bool {
    match (*now, *before) {
        (Doubtful::Empty, Doubtful::Empty) => true,
        (Doubtful::Short { seen, .. }, Doubtful::Short { seen: then, .. }) => {
            counted || seen == then
        }
        (
            Doubtful::BelowTotal { seen, total },
            Doubtful::BelowTotal { seen: seen_then, total: total_then },
        ) => total - seen == total_then - seen_then,
        (Doubtful::Hollow { directories }, Doubtful::Hollow { directories: then }) => {
            directories == then
        }
        _ => false,
    }
}
