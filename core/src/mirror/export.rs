//! The first half of a first bootstrap: one atomic export, consumed as a stream.
//!
//! An export is the fastest way to get everything and the easiest to get stuck with: it can
//! not be resumed, so one that is cut off by a watchdog and begun again never ends. Here it
//! has its own time, well below the watchdog's; it is begun once; and whatever arrived is kept
//! when it yields to the tree.

use super::names::Name;
use super::{AGAIN, Mirror, PATIENCE, State};
use crate::decision::{Decision, Yield};
use crate::effect::Request;
use crate::engine::Cx;
use crate::event::{Answer, Fetched, Outcome};
use crate::fault::Fault;
use crate::files::Files;
use crate::gate::Class;
use crate::row::Position;
use crate::row::TraversalRow;
use crate::timers::Why;

/// Files of an export that may be on their way to the disk at once.
const CREDIT: u32 = 512;

/// A plain 5xx or a broken link says little about the export: it is tried so often.
const TRIES: u32 = 3;

/// From how many known files on half of them is suspicious.
pub(super) const KNOWN_FLOOR: u64 = 10;

impl Mirror {
    pub(super) fn begin_export(&mut self, cx: &mut Cx<'_>, files: &mut Files) {
        let traversal = self.next_traversal();
        files.snapshot_open(true);
        self.change(cx, |row| {
            row.export_begun = true;
            row.traversal = Some(traversal);
        });
        self.state = State::ExportParked { mark: cx.mark() };
    }

    pub(super) fn next_traversal(&mut self) -> TraversalRow {
        self.gone_names.clear();
        let id = self.row.traversal.as_ref().map_or(0, |traversal| traversal.id) + 1;
        TraversalRow { id, tag: self.horizon(), open: true, ..TraversalRow::default() }
    }

    pub(super) fn ask_export(&mut self, cx: &mut Cx<'_>) {
        let within = self.config.export_time();
        cx.note(Decision::ExportBegun { within });
        let request = Request::Export { path: self.config.base.clone() };
        let call = cx.ask(Class::Bulk, request, within, CREDIT);
        self.state = State::Exporting { call, files: 0, credit: CREDIT };
    }

    pub(super) fn export_part(&mut self, cx: &mut Cx<'_>, files: &mut Files, got: Fetched) {
        self.answers += 1;
        let Some(traversal) = self.row.traversal.clone() else { return };
        let first = match self.judge_name(cx, &got.path, traversal.id) {
            Name::Good(path) => {
                files.exported(cx, &path, got, traversal.tag);
                files.saw(cx, &path, traversal.id)
            }
            Name::Refused { first } => {
                files.drop_blob(cx, got.blob);
                first
            }
            Name::Foreign => return files.drop_blob(cx, got.blob),
        };
        self.progress += 1;
        if let State::Exporting { files, credit, .. } = &mut self.state {
            *files += u64::from(first);
            *credit = credit.saturating_sub(1);
        }
    }

    /// Lets the export send as much more as the disk took: what is staged and not placed counts
    /// as on its way, so that a disk that stands still stops the download too.
    pub fn grant(&mut self, cx: &mut Cx<'_>, files: &Files) {
        if let State::Exporting { call, credit, .. } = &mut self.state {
            let staged = u32::try_from(files.staged()).unwrap_or(u32::MAX);
            let more = CREDIT.saturating_sub(credit.saturating_add(staged));
            // In handfuls, unless there is nothing left.
            if more >= CREDIT / 4 || *credit == 0 {
                *credit += more;
                cx.more(*call, more);
            }
        }
    }

    pub(super) fn export_done(
        &mut self,
        cx: &mut Cx<'_>,
        files: &mut Files,
        kept: u64,
        outcome: Outcome,
    ) {
        let why = match outcome {
            Outcome::Ok(Answer::Exported) => {
                let known = files.based().max(files.len());
                match kept {
                    0 => Yield::Empty,
                    n if known >= KNOWN_FLOOR && n * 2 < known => Yield::Short { files: n, known },
                    _ => return self.ask_count(cx, kept),
                }
            }
            Outcome::Ok(_) => Yield::Failed(Fault::Malformed),
            Outcome::Failed { why: Fault::Timeout, .. } => Yield::TimeUp(self.config.export_time()),
            Outcome::Failed { why, .. } => match why {
                // The gate waits, and then the export is asked for again.
                Fault::Throttled | Fault::Unauthorized => return self.ask_export(cx),
                Fault::Link | Fault::Server(_) | Fault::Status(_)
                    if kept == 0 && self.export_tries + 1 < TRIES =>
                {
                    self.export_tries += 1;
                    let wait = AGAIN.delay(self.export_tries, &(cx.engine.seed, "export"));
                    self.state = State::ExportAgain;
                    return cx.wake_at(Why::Page, cx.now.tick + wait);
                }
                why => {
                    if why.is_whole_disk() {
                        files.pause_disk(cx, why.clone());
                    }
                    Yield::Failed(why)
                }
            },
        };
        self.yield_to_tree(cx, files, why);
    }

    /// The export is over and not enough. The tree goes on from what arrived.
    pub(super) fn yield_to_tree(&mut self, cx: &mut Cx<'_>, files: &mut Files, why: Yield) {
        let kept = files.based();
        cx.note(Decision::ExportYields { why, kept });
        self.begin_walk(cx, files);
    }

    fn ask_count(&mut self, cx: &mut Cx<'_>, files: u64) {
        let request = Request::Tree { path: self.config.base.clone(), depth: 1, cursor: None };
        let call = cx.ask(Class::Bulk, request, PATIENCE, CREDIT);
        self.state = State::Counting { call, files };
    }

    pub(super) fn count_done(
        &mut self,
        cx: &mut Cx<'_>,
        files: &mut Files,
        kept: u64,
        outcome: Outcome,
    ) {
        let total = match outcome {
            Outcome::Ok(Answer::Listed { total, .. }) => total,
            // Then the listing itself will have to be asked for until it is there.
            _ => None,
        };
        match total {
            None => self.yield_to_tree(cx, files, Yield::Uncounted { files: kept }),
            Some(total)
                if self.left_by_export(files, kept) < total
                    || self.at == Some(Position::NoFeed) =>
            {
                self.judge_count(cx, files, kept, total);
            }
            Some(total) => {
                self.state = State::Counted { files: kept, total, asked: false };
                self.ask_feed(cx);
            }
        }
    }

    /// The feed told all that it has.
    pub(super) fn counted(&mut self, cx: &mut Cx<'_>, files: &mut Files) {
        match self.state {
            State::Counted { files: kept, total, asked: true } => {
                self.judge_count(cx, files, kept, total);
                if self.state == State::Following {
                    self.at_tip = true;
                    self.schedule_poll(cx);
                }
            }
            State::Counted { .. } => self.ask_feed(cx),
            _ => {}
        }
    }

    /// What was deleted since it was exported may not be counted any more, and must not make up for
    /// a file that the export left out.
    fn left_by_export(&self, files: &Files, kept: u64) -> u64 {
        let id = self.row.traversal.as_ref().map_or(0, |traversal| traversal.id);
        kept.saturating_sub(files.told_deletes_of(id) + self.gone_names.len() as u64)
    }

    fn judge_count(&mut self, cx: &mut Cx<'_>, files: &mut Files, kept: u64, total: u64) {
        let kept = self.left_by_export(files, kept);
        if kept < total {
            return self.yield_to_tree(cx, files, Yield::BelowTotal { files: kept, total });
        }
        cx.note(Decision::ExportBelieved { files: kept, total });
        self.change(cx, |row| {
            if let Some(traversal) = &mut row.traversal {
                traversal.seen = kept;
                traversal.total = Some(total);
            }
        });
        self.finish(cx, files);
    }
}
