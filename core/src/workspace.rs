//! One workspace: its lanes over one table of files.

use crate::config::WorkspaceConfig;
use alloc::string::ToString;

use crate::decision::{Brake, Decision, Knob};
use crate::effect::Exit;
use crate::engine::{Cx, Engine};
use crate::event::{Boot, Hint, LastExit, Order, Outcome, Part};
use crate::files::entry::Ordinal;
use crate::files::{Files, Standing};
use crate::fingerprint::Print;
use crate::id::{CallId, CommitSeq, UnitId};
use crate::machine::Lane;
use crate::mirror::{Mirror, State};
use crate::path::{RemotePath, stays_home};
use crate::row::{Cut, RowError, StoredRow, Value};
use crate::status::WorkspaceStatus;
use crate::time::{Ms, Now, Tick, Wall};
use crate::timers::Why;
use crate::writeback::Writeback;

mod heard;
mod status;

use heard::Ears;

/// So many refusals of the credentials end `--once`: they were taken anew after the first.
const ONCE_REFUSALS: u32 = 2;

/// What nobody on the server's side told of is made there when the first listing is complete, or
/// after this.
const HEAR_FIRST: Ms = Ms::secs(10);

/// A path that is set aside is tried so often before `--once` ends without it.
const ONCE_TRIES: u32 = 3;

/// See the [module](self).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Workspace {
    config: WorkspaceConfig,
    files: Files,
    mirror: Mirror,
    writeback: Writeback,
    /// What nobody told of waits until then.
    hear_until: Tick,
    in_step: bool,
    in_step_at: Option<Wall>,
    unreadable_rows: u64,
    stopping: bool,
    /// The brake of the lane when it was stopped: its end does not take it off.
    brake_at_stop: Option<Brake>,
    ears: Ears,
}

impl Lane for Workspace {
    fn load(&mut self, value: Value) {
        match value {
            // Stored by an earlier version, which let it travel.
            Value::Entry(path, _) if path.below(&self.config.base).is_some_and(stays_home) => {}
            Value::Entry(path, row) => self.files.load(path, row),
            Value::Intent(..) | Value::Receipt(..) | Value::Letter(..) => {
                self.writeback.load(value);
            }
            other => self.mirror.load(other),
        }
    }

    fn unreadable(&mut self, row: &StoredRow, why: &RowError) {
        self.unreadable_rows += 1;
        match (row.kind.as_str(), RemotePath::parse(&row.key)) {
            ("entry", Ok(path)) => self.files.unreadable(path),
            // The next listing, and it is the next thing to come, shows it again.
            ("frontier" | "refused", _) => {}
            // A kind that is not known is of a newer version, which alone knows what it means.
            (kind, _) => {
                let (kind, why) = (kind.to_string(), why.to_string());
                self.mirror.state = State::Braked(Brake::Unreadable { kind, why });
            }
        }
    }

    fn start(&mut self, cx: &mut Cx<'_>, boot: Boot, last: LastExit) {
        if let Some(brake) = self.unreadable_brake() {
            return cx.note(Decision::Braked(brake.clone()));
        }
        self.note_clamps(cx);
        self.in_step_at = self.mirror.row.in_step_at;
        let files = self.files.len();
        // A root that is lost is left without a seal, in good order.
        let unsealed = self.files.seals.next() > self.mirror.row.sealed;
        let power_was_cut = boot == Boot::Other && (last == LastExit::Unclean || unsealed);
        let keep = self.writeback.blobs();
        let rows_unread = self.unreadable_rows > 0;
        let sealed = self.mirror.row.sealed;
        self.files.seals.start(sealed, power_was_cut && rows_unread);
        let cut = power_was_cut.then(|| Cut { sealed, next: self.files.seals.next() });
        let cuts = self.mirror.loaded(cx, rows_unread, cut);
        let suspects = self.files.start(cx, &cuts, !self.config.once, keep);
        self.hear_until = cx.now.tick + HEAR_FIRST;
        let resumed = last != LastExit::Never;
        cx.note(Decision::Started { files, resumed, suspects });
        self.writeback.start(cx, &mut self.files);
        self.mirror.start(cx, &mut self.files);
    }

    fn part(&mut self, cx: &mut Cx<'_>, call: CallId, part: Part) {
        let of_stream = self.mirror.stream().call() == Some(call);
        self.ears.part(cx.now.wall, &part, of_stream);
        if self.mirror.owns(call) {
            self.mirror.part(cx, &mut self.files, call, part);
        } else if self.files.owns(call) {
            self.files.part(cx, call, part);
        } else if self.writeback.owns(call) {
            let at = self.ordinal_of(cx, call);
            self.writeback.part(cx, &mut self.files, call, part, at);
        } else if let Some(blob) = part.blob() {
            self.files.drop_blob(cx, blob);
        }
    }

    fn done(&mut self, cx: &mut Cx<'_>, call: CallId, outcome: Outcome) {
        self.ears.done(cx.now.wall, &outcome, self.in_step);
        if self.mirror.owns(call) {
            self.mirror.done(cx, &mut self.files, call, outcome);
        } else if self.files.owns(call) {
            if let Some(seal) = self.files.done(cx, call, outcome) {
                self.mirror.sealed(cx, seal);
            }
        } else if self.writeback.owns(call) {
            let at = self.ordinal_of(cx, call);
            self.writeback.done(cx, &mut self.files, call, outcome, at);
        } else if let Outcome::Ok(answer) = outcome {
            // Nobody waits for it any more, but what it staged has to go.
            if let Some(blob) = answer.blob() {
                self.files.drop_blob(cx, blob);
            }
        }
    }

    fn wake(&mut self, cx: &mut Cx<'_>, why: Why) {
        match why {
            Why::Retry => self.files.retry_due(cx),
            Why::Disk => self.files.disk_again(),
            Why::Hints => self.files.hints_due(cx),
            // These are looked at after each step.
            Why::Seal | Why::Patience | Why::Deletes | Why::Unlink | Why::Outbox => {}
            why => self.mirror.wake(cx, &mut self.files, why),
        }
    }

    fn stored(&mut self, cx: &mut Cx<'_>) {
        self.files.stored(cx);
        self.mirror.stored(cx);
        self.writeback.stored(cx, &mut self.files);
    }

    fn woke(&mut self, slept: Ms) {
        self.mirror.woke(slept);
    }

    fn heard(&mut self, cx: &mut Cx<'_>, hint: Hint) {
        self.files.heard(cx, hint);
    }

    fn told(&mut self, cx: &mut Cx<'_>, order: Order) {
        self.writeback.told(cx, &mut self.files, order);
    }

    /// Issues work, and draws the conclusions that need the whole picture.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        if self.unreadable_brake().is_some() {
            return;
        }
        if self.mirror.is_caught_up() && self.files.is_read_out() {
            self.files.end_cycle(cx);
        }
        if let Some(path) = self.files.take_refuted() {
            self.mirror.refuted(cx, path);
        }
        if core::mem::take(&mut self.files.ask_feed) {
            self.mirror.look_at_feed(cx);
        }
        let idle = self.mirror.is_caught_up() && self.files.standing(Standing::Working) == 0;
        let last = self.stopping && self.files.is_placed_out();
        if (last || self.config.once && idle) && !self.files.is_sealed_out() {
            // Somebody waits for the end.
            self.files.seals.want(cx.now.tick);
        }
        if self.mirror.is_caught_up() || cx.now.tick >= self.hear_until {
            self.files.heard_all(cx);
        }
        if self.config.mode.is_written_here() {
            self.writeback.pump(cx, &mut self.files, self.mirror.row.epoch);
        }
        if self.files.pump(cx) {
            self.mirror.seal_begun(&self.files);
        }
        self.mirror.grant(cx, &self.files);
        self.files.set_timers(cx);
        self.mirror.look_for_progress(cx, &self.files);
        self.look_whether_in_step(cx);
        self.ears.settled(cx.now.wall, self.mirror.stream(), self.mirror.row.complete);
        if self.config.once {
            let at = self.mirror.moved_on_at() + self.config.patience;
            match at > cx.now.tick && !self.stopping {
                true => cx.wake_at(Why::Patience, at),
                false => cx.no_wake(Why::Patience),
            }
        }
    }

    fn stop(&mut self, cx: &mut Cx<'_>) {
        self.stopping = true;
        if let State::Braked(brake) = &self.mirror.state {
            self.brake_at_stop = Some(brake.clone());
        }
        self.mirror.stop(cx);
        self.writeback.stop(cx);
        self.files.stop(cx);
    }

    fn in_flight(&self) -> u64 {
        let (disk, reads) = self.files.under_way();
        (disk + reads) as u64
    }

    fn is_quiet(&self) -> bool {
        self.files.is_quiet()
    }

    fn once_ends(&self, now: Tick, engine: &Engine) -> Option<Exit> {
        if !self.config.once || self.stopping {
            return None;
        }
        if self.refusals(engine) >= ONCE_REFUSALS {
            return Some(Exit::Unauthorized);
        }
        if matches!(self.mirror.state, State::Braked(_)) {
            return Some(Exit::Halted);
        }
        if self.in_step {
            // What the server failed to carry out is in step, and was not delivered. Neither was
            // an edit of what the server has changed, too, if nothing may be written here.
            let delivered =
                self.writeback.dead() == 0 && self.files.standing(Standing::BothSided) == 0;
            return Some(if delivered { Exit::InStep } else { Exit::Partial });
        }
        if self.is_at_rest() && self.files.all_tried(ONCE_TRIES) {
            let braked = self.files.brakes().next().is_some();
            return Some(if braked { Exit::Halted } else { Exit::Partial });
        }
        let idle = now - self.mirror.moved_on_at();
        (idle >= self.config.patience).then_some(Exit::Unavailable)
    }

    fn status(&self, unit: UnitId, now: Now, engine: &Engine) -> Option<WorkspaceStatus> {
        Some(self.tell(unit, now, engine))
    }
}

impl Workspace {
    /// A workspace that has not started.
    pub fn new(config: WorkspaceConfig, reads_at_once: u32) -> Self {
        Self {
            files: Files::new(config.mode, config.max_delete, reads_at_once),
            mirror: Mirror::new(config.clone()),
            writeback: Writeback::new(config.max_file, config.max_batch),
            hear_until: Tick(0),
            config,
            in_step: false,
            in_step_at: None,
            unreadable_rows: 0,
            stopping: false,
            brake_at_stop: None,
            ears: Ears::default(),
        }
    }

    /// For the [fingerprint](crate::fingerprint).
    pub(crate) fn print(&self, print: &mut Print, durable: CommitSeq) {
        let Self {
            config,
            files,
            mirror,
            writeback,
            hear_until,
            in_step,
            in_step_at: _,
            unreadable_rows: _,
            stopping,
            brake_at_stop,
            ears: _,
        } = self;
        let origin = mirror.origin(durable);
        files.print(print, origin);
        mirror.print(print, files, durable);
        writeback.print(print, origin);
        print.until(*hear_until);
        print.plain(&(config, in_step, stopping, brake_at_stop));
    }

    /// When what the server answers to a write took place.
    fn ordinal_of(&mut self, cx: &mut Cx<'_>, call: CallId) -> Ordinal {
        match self.writeback.is_write(call) {
            true => self.mirror.after_now(cx),
            false => Ordinal::default(),
        }
    }

    /// The brake that keeps this workspace from starting.
    fn unreadable_brake(&self) -> Option<&Brake> {
        match &self.mirror.state {
            State::Braked(brake @ Brake::Unreadable { .. }) => Some(brake),
            _ => None,
        }
    }

    /// Tries in a row for which the server refused the credentials.
    fn refusals(&self, engine: &Engine) -> u32 {
        engine.gates.get(&self.config.remote).map_or(0, |gate| gate.credentials().refusals())
    }

    fn note_clamps(&self, cx: &mut Cx<'_>) {
        let config = &self.config;
        let (from, to) = (config.export_timeout, config.export_time());
        if to < from {
            let capped = config.hard_cap.0 > 0 && config.hard_cap < config.watchdog;
            let because = if capped { Knob::HardCap } else { Knob::Watchdog };
            cx.note(Decision::Clamped { what: Knob::ExportTimeout, from, to, because });
        }
        let bounded = [
            (Knob::Interval, config.interval, config.poll_interval()),
            (Knob::Watchdog, config.watchdog, config.watchdog.max(Ms::secs(1))),
        ];
        for (what, from, to) in bounded {
            let because = if from < to { Knob::Minimum } else { Knob::Maximum };
            if from != to {
                cx.note(Decision::Clamped { what, from, to, because });
            }
        }
    }

    fn look_whether_in_step(&mut self, cx: &mut Cx<'_>) {
        if self.stopping {
            return;
        }
        if !self.is_at_rest() || self.files.is_root_lost() {
            self.in_step = false;
            return;
        }
        let troubled: u64 = [Standing::Aside, Standing::Held, Standing::HeldHere, Standing::Unsent]
            .into_iter()
            .map(|standing| self.files.standing(standing))
            .sum::<u64>()
            + self.files.unseen_count()
            + self.mirror.row.refused_names;
        let was = core::mem::replace(&mut self.in_step, troubled == 0);
        let fresh = self.in_step && !was;
        let wall = cx.now.wall;
        if self.in_step {
            self.in_step_at = Some(wall);
        }
        self.mirror.completed(cx, fresh.then_some(wall));
        if fresh {
            self.ears.heard.trouble = None;
            cx.note(Decision::InStep { files: self.files.based() });
        }
    }

    /// Nothing is known that could be done now, everything done is sealed, and the server tells
    /// what is new.
    fn is_at_rest(&self) -> bool {
        self.mirror.is_caught_up()
            && self.mirror.unanswered().is_none()
            && self.mirror.is_position_durable()
            && self.files.standing(Standing::Working) == 0
            && self.files.is_sealed_out()
            && self.writeback.is_empty()
            && self.files.is_unhinted()
    }
}
