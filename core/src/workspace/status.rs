//! What a workspace tells about itself.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Workspace;
use crate::engine::Engine;
use crate::files::Standing;
use crate::files::entry::Hold;
use crate::id::UnitId;
use crate::mirror::State;
use crate::status::{Phase, Verdict, WorkspaceStatus};
use crate::time::{Ms, Now};
use crate::timers::Wake;

/// How many paths are listed by name.
const LISTED: usize = 20;

impl Workspace {
    /// The state of this workspace.
    pub(super) fn tell(&self, unit: UnitId, now: Now, engine: &Engine) -> WorkspaceStatus {
        let standing = |standing| self.files.standing(standing);
        let set_aside: Vec<(String, String)> = self
            .files
            .all(Standing::Aside)
            .take(LISTED)
            .map(|(path, entry)| {
                let why = match &entry.hold {
                    Some(Hold::Aside { tries, why, .. }) => format!("{why}, tried {tries} times"),
                    _ => String::new(),
                };
                (path.to_string(), why)
            })
            .collect();
        let mut brakes = Vec::from_iter(self.files.brake());
        if let State::Braked(brake) = &self.mirror.state {
            brakes.push(brake.clone());
        }
        let waits = self.waits(unit, now, engine);
        let aside = standing(Standing::Aside);
        let (verdict, reason) = if let Some(brake) = brakes.first() {
            (Verdict::Halted, format!("the brake `{}` is on: {brake}", brake.name()))
        } else if self.unreadable_rows > 0 {
            (Verdict::Degraded, format!("{} stored rows can not be read", self.unreadable_rows))
        } else if self.mirror.unauthorized || self.files.unauthorized {
            (Verdict::Degraded, String::from("the server refuses the credentials"))
        } else if self.mirror.row.stalls > 0 {
            let reason = "the server answers, but nothing moves";
            (Verdict::Degraded, format!("{reason} ({} times)", self.mirror.row.stalls))
        } else if self.files.disk_paused().is_some() {
            (Verdict::Degraded, String::from("the disk is full or read-only"))
        } else if aside > 0 {
            (Verdict::Degraded, format!("{aside} files are set aside and tried again"))
        } else if standing(Standing::Blocked) > 0 {
            (Verdict::Degraded, String::from("something is in the way of a file"))
        } else if self.mirror.row.refused_names > 0 {
            let n = self.mirror.row.refused_names;
            (Verdict::Degraded, format!("{n} names from the server can not be placed"))
        } else if self.in_step {
            (Verdict::Ok, String::from("in step"))
        } else {
            let reason = waits.first().cloned().unwrap_or_else(|| String::from("working"));
            (Verdict::Ok, reason)
        };
        let next_wake = engine.timers.next().map(|(tick, _)| tick - now.tick);
        WorkspaceStatus {
            unit,
            verdict,
            reason,
            phase: self.phase(),
            complete: self.mirror.row.complete,
            in_step: self.in_step,
            in_step_at: self.in_step_at,
            files_total: self.files.len(),
            files_done: standing(Standing::InStep),
            bytes: self.files.bytes,
            set_aside,
            set_aside_count: aside,
            local_only: standing(Standing::OneSided),
            refused_names: self.mirror.row.refused_names,
            unreadable_rows: self.unreadable_rows,
            brakes,
            waits,
            next_wake,
        }
    }

    fn phase(&self) -> Phase {
        if self.stopping {
            return Phase::Stopping;
        }
        match self.mirror.state {
            State::Loading => Phase::Loading,
            State::Locating => Phase::Locating,
            State::ExportParked { .. } | State::Exporting { .. } | State::ExportAgain => {
                Phase::Exporting
            }
            State::Counting { .. } => Phase::Counting,
            State::Walking { .. } | State::Braked(_) => Phase::Walking,
            State::Following | State::Stopped => Phase::Following,
        }
    }

    fn waits(&self, unit: UnitId, now: Now, engine: &Engine) -> Vec<String> {
        let mut waits = Vec::new();
        if self.in_step {
            return waits;
        }
        if let Some((place, _)) = engine
            .gates
            .iter()
            .find_map(|(id, gate)| gate.paused_until(now.tick).map(|until| (until - now.tick, id)))
        {
            waits.push(format!("the server asked to wait, {place} more"));
        }
        if let Some(until) = self.files.disk_paused() {
            waits.push(format!("the disk is in trouble, {} more", until - now.tick));
        }
        match &self.mirror.state {
            State::Loading => waits.push(String::from("the start")),
            State::Locating => waits.push(String::from("where the feed stands")),
            State::ExportParked { .. } => waits.push(String::from("the store, before the export")),
            State::Exporting { files, .. } => {
                waits.push(format!("the export ({files} files so far)"));
            }
            State::ExportAgain => waits.push(String::from("another try at the export")),
            State::Counting { .. } => waits.push(String::from("the server's count of its files")),
            State::Walking { .. } => {
                waits.push(format!("the listing of {}", self.mirror.front().unwrap_or("/")));
            }
            State::Braked(brake) => waits.push(format!("a person: {brake}")),
            State::Following if !self.mirror.row.believed => {
                let due = engine.timers.get(Wake::Unit(unit, crate::timers::Why::Relist));
                let wait = due.map_or(Ms(0), |due| due - now.tick);
                waits.push(format!("a second listing, in {wait}, because the first is doubted"));
            }
            State::Following | State::Stopped => {}
        }
        let working = self.files.standing(Standing::Working);
        if working > 0 {
            let example = self.files.all(Standing::Working).next();
            let path = example.map(|(path, _)| path.to_string()).unwrap_or_default();
            let (disk, reads) = self.files.under_way();
            waits.push(format!(
                "{working} files, {path} first ({reads} reads and {disk} disk operations under way)"
            ));
        }
        for (path, why) in self.files.all(Standing::Aside).take(3).map(|(path, entry)| {
            (path, entry.hold.as_ref().map(|hold| format!("{hold}")).unwrap_or_default())
        }) {
            waits.push(format!("another try at {path}: {why}"));
        }
        if !self.files.seals.is_clean() {
            waits.push(String::from("a seal"));
        }
        if waits.is_empty() {
            waits.push(String::from("the tip of the feed"));
        }
        waits
    }
}
