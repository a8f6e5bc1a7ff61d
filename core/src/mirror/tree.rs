//! The resumable traversal: bounded-depth pages, a frontier of directories, and a checkpoint
//! with every page.
//!
//! A page is taken in as it arrives: its entries become rows of the table of files, and the
//! reads that follow are that table's own work. So there is no prefix of a page to lose: when
//! a page is cut off or slow, what it brought is durable, and asking for it again costs one
//! request and no download.

use alloc::string::String;
use alloc::vec::Vec;

use super::names::Name;
use super::{AGAIN, Mirror, PATIENCE, State};
use crate::decision::{Brake, Decision};
use crate::effect::Request;
use crate::engine::Cx;
use crate::event::{Answer, Outcome};
use crate::fault::Fault;
use crate::files::Files;
use crate::files::entry::Remote;
use crate::gate::Class;
use crate::hash::ContentHash;
use crate::id::{CallId, Revision};
use crate::path::Shown;
use crate::row::{FrontierRow, Of, Value};
use crate::timers::Why;
use crate::wire::TreeEntry;

/// Levels that one page covers. A deeper listing makes a server enumerate everything below a
/// directory before its first byte.
pub const DEPTH: u32 = 3;

/// Directories that may wait. More is a brake: something is wrong with that tree.
pub const FRONTIER_MAX: usize = 50_000;

/// Parts of a page that may be under way at once.
const CREDIT: u32 = 8;

impl Mirror {
    /// Lists everything from the root.
    pub(super) fn begin_walk(&mut self, cx: &mut Cx<'_>, files: &mut Files) {
        // Also after an export: what the tree shows is counted by itself.
        let traversal = self.next_traversal();
        let rows_unread = self.rows_unread;
        files.snapshot_open(true);
        cx.note(Decision::TraversalBegun { id: traversal.id, resumed: false });
        self.change(cx, |row| {
            row.unread.take_if(|_| !rows_unread);
            row.traversal = Some(traversal);
            row.relist = None;
        });
        cx.no_wake(Why::Relist);
        self.drop_frontier(cx);
        self.push_dir(cx, self.config.base.clone());
        self.page_tries = 0;
        self.state = State::Walking { call: None };
        self.ask_page(cx);
    }

    pub(super) fn ask_page(&mut self, cx: &mut Cx<'_>) {
        let Some((_, (dir, row))) = self.frontier.first_key_value() else { return };
        let request = Request::Tree { path: dir.clone(), depth: DEPTH, cursor: row.cursor.clone() };
        let call = cx.ask(Class::Bulk, request, PATIENCE, CREDIT);
        self.page_moved = false;
        self.state = State::Walking { call: Some(call) };
    }

    pub(super) fn page_part(
        &mut self,
        cx: &mut Cx<'_>,
        files: &mut Files,
        call: CallId,
        entries: Vec<TreeEntry>,
    ) {
        cx.more(call, 1);
        cx.extend(call, PATIENCE);
        let Some((_, (dir, front))) = self.frontier.first_key_value() else { return };
        let (dir, reached) = (dir.clone(), front.reached.clone());
        let Some(traversal) = self.row.traversal.clone() else { return };
        let mut last = None;
        let mut seen = traversal.seen;
        for entry in entries {
            last = Some(entry.path.clone());
            let is_dir = match entry.kind.as_str() {
                "dir" => true,
                "file" => false,
                _ => continue,
            };
            if is_dir && levels_below(&dir, &entry.path) != Some(DEPTH as usize) {
                continue;
            }
            let path = match self.judge_name(cx, &entry.path, traversal.id) {
                Name::Good(path) => path,
                Name::Foreign => continue,
                Name::Refused { .. } if is_dir => continue,
                Name::Refused { first } => {
                    // The server counts it, so we do.
                    seen += u64::from(first);
                    continue;
                }
            };
            if is_dir {
                self.push_dir(cx, entry.path);
                continue;
            }
            let hash = entry.content_hash.as_deref().and_then(ContentHash::parse);
            let revision = Revision(entry.revision.into());
            files.observe(cx, &path, Remote::File { revision, hash, at: traversal.tag });
            seen += u64::from(files.saw(cx, &path, traversal.id));
        }
        // Only what goes beyond an earlier attempt at this page is progress.
        if last > reached {
            self.page_moved = true;
            self.progress += 1;
            self.change_front(cx, |row| row.reached = last);
        }
        self.change(cx, |row| {
            if let Some(traversal) = &mut row.traversal {
                traversal.seen = seen;
            }
        });
    }

    pub(super) fn page_done(&mut self, cx: &mut Cx<'_>, files: &mut Files, outcome: Outcome) {
        self.state = State::Walking { call: None };
        match outcome {
            Outcome::Ok(Answer::Listed { next, total }) => {
                self.page_complete(cx, files, next, total)
            }
            Outcome::Ok(_) => self.page_again(cx, Fault::Malformed),
            Outcome::Failed { why, .. } => self.page_failed(cx, files, why),
        }
    }

    fn page_complete(
        &mut self,
        cx: &mut Cx<'_>,
        files: &mut Files,
        next: Option<String>,
        total: Option<u64>,
    ) {
        self.answers += 1;
        let Some((_, (dir, front))) = self.frontier.first_key_value() else { return };
        let is_base = *dir == self.config.base;
        if next.is_some() && next == front.cursor {
            // It would go round for ever.
            return self.page_again(cx, Fault::Malformed);
        }
        let hollow = !is_base && front.cursor.is_none() && front.reached.is_none();
        self.page_tries = 0;
        if is_base && total.is_some() {
            self.change(cx, |row| {
                if let Some(traversal) = &mut row.traversal {
                    traversal.total = total;
                }
            });
        }
        if next.is_some() {
            self.progress += 1;
            self.change_front(cx, |row| *row = FrontierRow { cursor: next, ..row.with_order() });
            return self.ask_page(cx);
        }
        if hollow {
            self.change(cx, |row| {
                if let Some(traversal) = &mut row.traversal {
                    traversal.hollow += 1;
                }
            });
        }
        self.pop_dir(cx, files);
    }

    fn page_failed(&mut self, cx: &mut Cx<'_>, files: &mut Files, why: Fault) {
        let Some((_, (dir, front))) = self.frontier.first_key_value() else { return };
        let dir = dir.clone();
        let is_base = dir == self.config.base;
        match why {
            Fault::BadRequest if front.cursor.is_some() => {
                cx.note(Decision::CursorForgotten { dir });
                self.change_front(cx, |row| *row = row.with_order());
                self.page_again(cx, why);
            }
            // Deleted since its parent was listed. What was below it is missing then.
            Fault::NotFound if !is_base => {
                cx.note(Decision::DirectoryGone { dir });
                self.pop_dir(cx, files);
            }
            // Not ours to see, so what is missing below it proves nothing.
            Fault::Forbidden if !is_base => {
                cx.note(Decision::DirectoryGone { dir });
                self.change(cx, |row| {
                    if let Some(traversal) = &mut row.traversal {
                        traversal.partial = true;
                    }
                });
                self.pop_dir(cx, files);
            }
            why => self.page_again(cx, why),
        }
    }

    /// Asks for the same page again, a little later. The gate paces what the server is to
    /// blame for; the delay here is for the page.
    pub(super) fn page_again(&mut self, cx: &mut Cx<'_>, why: Fault) {
        self.page_tries = if self.page_moved { 1 } else { self.page_tries.saturating_add(1) };
        let Some((_, (dir, _))) = self.frontier.first_key_value() else { return };
        let dir = alloc::format!("{}", Shown(dir));
        let wait = AGAIN.delay(self.page_tries, &(cx.engine.seed, cx.unit, "page"));
        let kept = self.row.traversal.as_ref().map_or(0, |traversal| traversal.seen);
        cx.note(Decision::PageAgain { dir, why, wait, kept });
        self.state = State::Walking { call: None };
        cx.wake_at(Why::Page, cx.now.tick + wait);
    }

    fn push_dir(&mut self, cx: &mut Cx<'_>, dir: String) {
        if !self.dirs.insert(dir.clone()) {
            return;
        }
        let order = self.frontier.last_key_value().map_or(0, |(order, _)| order + 1);
        let row = FrontierRow { order, ..FrontierRow::default() };
        cx.put(Value::Frontier(dir.clone(), row.clone()));
        self.frontier.insert(order, (dir, row));
    }

    fn pop_dir(&mut self, cx: &mut Cx<'_>, files: &mut Files) {
        self.progress += 1;
        if let Some((_, (dir, _))) = self.frontier.pop_first() {
            cx.delete(Of::Frontier(dir.clone()));
            self.dirs.remove(&dir);
        }
        if self.frontier.is_empty() {
            return self.finish(cx, files);
        }
        if self.frontier.len() > FRONTIER_MAX {
            let brake = Brake::Frontier { directories: self.frontier.len() as u64 };
            cx.note(Decision::Braked(brake.clone()));
            // The next start lists from the root again: the tree may have been mended.
            self.drop_frontier(cx);
            files.snapshot_open(false);
            self.change(cx, |row| {
                if let Some(traversal) = &mut row.traversal {
                    traversal.open = false;
                }
            });
            self.state = State::Braked(brake);
            return;
        }
        self.ask_page(cx);
    }

    pub(super) fn drop_frontier(&mut self, cx: &mut Cx<'_>) {
        for (_, (dir, _)) in core::mem::take(&mut self.frontier) {
            cx.delete(Of::Frontier(dir));
        }
        self.dirs.clear();
    }

    fn change_front(&mut self, cx: &mut Cx<'_>, change: impl FnOnce(&mut FrontierRow)) {
        if let Some(mut first) = self.frontier.first_entry() {
            let (dir, row) = first.get_mut();
            change(row);
            cx.put(Value::Frontier(dir.clone(), row.clone()));
        }
    }
}

impl FrontierRow {
    /// The same place in the queue, and nothing listed yet.
    fn with_order(&self) -> Self {
        Self { order: self.order, ..Self::default() }
    }
}

/// How many levels `path` lies below `dir`.
fn levels_below(dir: &str, path: &str) -> Option<usize> {
    let dir = dir.strip_suffix('/').unwrap_or(dir);
    let rest = path.strip_prefix(dir)?.strip_prefix('/')?;
    Some(rest.split('/').count())
}
