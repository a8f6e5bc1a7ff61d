//! Everything that can happen next, and what it does.

use landfall_core::effect::{DiskOp, Request};
use landfall_core::event::{Boot, Event, LastExit, Stop};
use landfall_core::files::entry::Remote;
use landfall_core::time::Ms;

use super::rules::Wrong;
use super::world::{PERSON, TORN, Tiny};

/// One thing that can happen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// A request is answered, as of this event, with this.
    Answer { ask: usize, at: u8, with: With },
    /// An operation of the disk is carried out and answered.
    Do { op: usize, with: Fate },
    /// The oldest commit becomes durable, or all of them.
    Store { all: bool },
    /// Nothing is under way, so time jumps to the next wake-up.
    Wake,
    /// Time jumps although requests are under way: they are slow.
    Slow,
    /// For five minutes no request is answered.
    Outage,
    /// The other client changes a file, or deletes it.
    Edit { file: usize, delete: bool },
    /// A person saves a file in the mirror, or deletes it.
    Person { file: usize, delete: bool },
    /// The server lets a file not be read from now on.
    Deny { file: usize },
    /// `kill -9`. What is under way is lost.
    Kill,
    /// The power fails, and this is left of what was not sealed.
    Power(Left),
    /// SIGTERM.
    Term,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum With {
    Well,
    /// The body ends before its end.
    Cut,
    Link,
    /// 429 with `Retry-After: 5`.
    Throttled,
    /// It is never answered.
    Silent,
    /// Nothing is shown; `count`: and the server counts what is there.
    Empty {
        count: bool,
    },
    /// One file is not shown.
    Short {
        file: usize,
        count: bool,
    },
    /// 404: the cursor is not known, there is no feed, or the file is not there yet.
    NotFound,
    /// The feed starts again at its oldest event.
    Oldest,
    /// A replica that lags answers with the version before.
    Stale,
}

/// What becomes of an operation of the disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    Well,
    Full,
    Denied,
    /// A person saves the file between the check and the exchange.
    Window,
}

/// What a power cut leaves of a file that was not sealed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Left {
    Before,
    Torn,
    All,
}

impl Tiny {
    /// Everything that can happen next, always in the same order.
    pub fn actions(&self, into: &mut Vec<Action>) {
        into.clear();
        for ask in 0..self.asks.len() {
            self.answers(ask, into);
        }
        for op in 0..self.ops.len() {
            into.push(Action::Do { op, with: Fate::Well });
            self.fates(op, into);
        }
        if self.commits.len() > 1 {
            into.push(Action::Store { all: false });
        }
        if !self.commits.is_empty() {
            into.push(Action::Store { all: true });
        }
        if self.is_idle() && self.machine.next_wake().is_some() {
            into.push(Action::Wake);
        }
        let left = &self.left;
        if left.net > 0 {
            if self.ops.is_empty() && self.commits.is_empty() && !self.asks.is_empty() {
                into.push(Action::Slow);
            }
            if self.out_until <= self.now {
                into.push(Action::Outage);
            }
        }
        for file in 0..2 {
            let there = self.at(file, self.tip()).is_some_and(|(_, bytes)| bytes.is_some());
            if left.edits > 0 {
                into.push(Action::Edit { file, delete: false });
                if there {
                    into.push(Action::Edit { file, delete: true });
                }
            }
            if left.people > 0 && self.scene.is_good(file) {
                into.push(Action::Person { file, delete: false });
                if self.here[file].is_some() {
                    into.push(Action::Person { file, delete: true });
                }
            }
            if left.lies > 0 && !self.denied[file] && self.is_known(file) {
                into.push(Action::Deny { file });
            }
        }
        if left.ends > 0 {
            into.push(Action::Kill);
            let unsealed = (0..2).any(|file| self.here[file] != self.sealed[file]);
            into.push(Action::Power(Left::Before));
            if unsealed {
                into.push(Action::Power(Left::Torn));
                into.push(Action::Power(Left::All));
            }
            if !self.rules.stopping {
                into.push(Action::Term);
            }
        }
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.asks.is_empty() && self.ops.is_empty() && self.commits.is_empty()
    }

    /// Whether a durable row knows a file to be there: only then may a listing leave it out.
    fn is_known(&self, file: usize) -> bool {
        let row = self.rows.entries[file].as_ref();
        row.is_some_and(|row| matches!(row.remote, Remote::File { .. }))
    }

    fn answers(&self, ask: usize, into: &mut Vec<Action>) {
        let asked = &self.asks[ask];
        let tip = self.tip();
        // What an export shows is settled when it begins.
        let from = if asked.rest.is_some() { tip } else { asked.sent_at };
        let feed = matches!(asked.request, Request::Tip | Request::Events { .. });
        for at in from..=tip {
            into.push(Action::Answer { ask, at, with: With::Well });
        }
        let mut push = |with| into.push(Action::Answer { ask, at: tip, with });
        if self.left.net > 0 {
            push(With::Link);
            push(With::Throttled);
            push(With::Silent);
            if !feed {
                push(With::Cut);
            }
        }
        if self.left.lies == 0 || asked.rest.is_some() {
            return;
        }
        let all_known = (0..2).all(|file| {
            self.is_known(file) || self.at(file, tip).is_none_or(|(_, bytes)| bytes.is_none())
        });
        match &asked.request {
            Request::Tip => {
                push(With::NotFound);
                push(With::Oldest);
            }
            Request::Events { after, .. } => {
                push(With::NotFound);
                if after.is_some() {
                    push(With::Oldest);
                }
            }
            // A mirror that only pulls sends none.
            Request::PushMany { .. }
            | Request::Push(_)
            | Request::PushDelete { .. }
            | Request::Op { .. } => {}
            Request::Export { .. } => {
                push(With::Empty { count: true });
                // A file that is deleted meanwhile would make up for one that is not shown.
                if self.left.edits == 0 {
                    push(With::Short { file: 0, count: true });
                    push(With::Short { file: 1, count: true });
                }
            }
            Request::Tree { .. } => {
                // What was seen before and deleted since would make up for what is not shown.
                let row = self.newest_mirror().and_then(|row| row.traversal.as_ref());
                if all_known || row.is_none_or(|row| row.seen == 0) {
                    push(With::Empty { count: true });
                }
                if all_known {
                    push(With::Empty { count: false });
                }
                for file in (0..2).filter(|file| self.is_known(*file)) {
                    push(With::Short { file, count: true });
                    if all_known {
                        push(With::Short { file, count: false });
                    }
                }
            }
            Request::Read { path } => {
                let file = self.file(path.as_str());
                let lately = |limit: Ms| self.now < self.changed_at + limit;
                if file.is_some_and(|file| self.is_stale_possible(file)) && lately(Ms::secs(100)) {
                    push(With::Stale);
                }
                if lately(Ms::mins(4)) {
                    push(With::NotFound);
                }
            }
            Request::ReadMany { .. } | Request::Stream { .. } => {}
        }
    }

    fn is_stale_possible(&self, file: usize) -> bool {
        let Some((n, _)) = self.at(file, self.tip()) else { return false };
        self.at(file, n - 1).is_some_and(|(_, bytes)| bytes.is_some())
    }

    fn fates(&self, op: usize, into: &mut Vec<Action>) {
        let what = &self.ops[op].op;
        let mut push = |with| into.push(Action::Do { op, with });
        if self.left.disk > 0 {
            if matches!(what, DiskOp::Place { .. } | DiskOp::Seal) {
                push(Fate::Full);
            }
            if !matches!(what, DiskOp::Clean { .. } | DiskOp::Drop { .. } | DiskOp::Seal) {
                push(Fate::Denied);
            }
        }
        let window = matches!(what, DiskOp::Place { expect: Some(_), .. } | DiskOp::Remove { .. });
        if window && self.left.people > 0 {
            push(Fate::Window);
        }
    }

    /// It happens.
    pub fn act(&mut self, action: Action) -> Result<(), Wrong> {
        match action {
            Action::Answer { ask, at, with } => self.answer(ask, at, with),
            Action::Do { op, with } => self.carry_out(op, with),
            Action::Store { all } => self.stored(if all { usize::MAX } else { 1 }),
            Action::Outage => {
                self.left.net -= 1;
                self.out_until = self.now + Ms::mins(5);
                self.asks.clear();
                Ok(())
            }
            Action::Wake | Action::Slow => {
                self.left.net -= u8::from(action == Action::Slow);
                if let Some((at, _)) = self.machine.next_wake() {
                    self.now = self.now.max(at);
                }
                self.tell(Event::Wake)
            }
            Action::Edit { file, delete } => {
                self.left.edits -= 1;
                let n = self.tip() + 1;
                self.log.push((file, (!delete).then_some(n)));
                self.changed_at = self.now;
                Ok(())
            }
            Action::Person { file, delete } => {
                self.left.people -= 1;
                self.person(file, delete);
                self.nothing_lost()
            }
            Action::Deny { file } => {
                self.left.lies -= 1;
                self.denied[file] = true;
                Ok(())
            }
            Action::Kill => {
                self.left.ends -= 1;
                let boot = if self.committed { Boot::Same } else { Boot::Other };
                self.start(boot, LastExit::Unclean)
            }
            Action::Power(left) => {
                self.left.ends -= 1;
                for file in 0..2 {
                    if self.here[file] == self.sealed[file] {
                        continue;
                    }
                    self.here[file] = match left {
                        Left::Before => self.sealed[file],
                        Left::Torn => self.here[file].map(|_| TORN),
                        Left::All => self.here[file],
                    };
                    self.sealed[file] = self.here[file];
                    // What the cut took away may be behind what comes next.
                    let left = self.here[file].and_then(|bytes| self.newest_with(file, bytes));
                    self.rules.floor[file] = left.unwrap_or(0);
                }
                self.committed = false;
                self.start(Boot::Other, LastExit::Unclean)
            }
            Action::Term => {
                self.left.ends -= 1;
                self.rules.stopping = true;
                self.tell(Event::Stop(Stop::Graceful))
            }
        }
    }

    /// A person saves a file, or deletes it. What an editor saves is forced to the disk.
    pub fn person(&mut self, file: usize, delete: bool) {
        let before = self.here[file];
        self.rules.owed.retain(|owed| Some(owed.1) != before || owed.0 != file);
        self.rules.touched[file] = true;
        self.here[file] = None;
        if !delete {
            let bytes = PERSON + self.saved;
            self.saved += 1;
            self.rules.owed.push((file, bytes));
            self.here[file] = Some(bytes);
        }
        self.sealed[file] = self.here[file];
        for op in &mut self.ops {
            op.mark[file] = self.here[file];
        }
    }

    /// Lives on without any more trouble until both sides are equal and the machine says so.
    pub fn play_fair(&mut self) -> Result<(), Wrong> {
        self.denied = [false; 2];
        self.out_until = self.now;
        let end = self.now + WITHIN;
        for _ in 0..STEPS {
            if self.is_idle() && self.is_converged() {
                return Ok(());
            }
            let action = if !self.asks.is_empty() {
                Action::Answer { ask: 0, at: self.tip(), with: With::Well }
            } else if !self.ops.is_empty() {
                Action::Do { op: 0, with: Fate::Well }
            } else if !self.commits.is_empty() {
                Action::Store { all: true }
            } else if self.machine.next_wake().is_some_and(|(at, _)| at <= end) {
                Action::Wake
            } else {
                break;
            };
            self.act(action)?;
        }
        let status = self.machine.status(self.clock());
        let why = status.units.first().map(|unit| unit.reason.to_string()).unwrap_or_default();
        super::rules::wrong(
            crate::oracles::Oracle::Converges,
            format!("{WITHIN} after the last trouble it is not in step: {why}"),
        )
    }

    fn is_converged(&self) -> bool {
        let good = |file: &usize| self.scene.is_good(*file) && !self.rules.touched[*file];
        let equal =
            |file: usize| self.here[file] == self.at(file, self.tip()).and_then(|(_, bytes)| bytes);
        if !(0..2).filter(good).all(equal) {
            return false;
        }
        let status = self.machine.status(self.clock());
        let bad = (0..2).filter(|file| {
            !self.scene.is_good(*file)
                && !self.scene.is_control(*file)
                && self.at(*file, self.tip()).is_some_and(|(_, bytes)| bytes.is_some())
        });
        let bad = bad.count() as u64;
        status
            .units
            .iter()
            .all(|unit| unit.complete && unit.refused_names == bad && (unit.in_step || bad > 0))
    }
}

/// In this time after the last trouble it has to be in step: the longest wait of the machine
/// that is not an audit is ten minutes, and a few of them may follow one another.
const WITHIN: Ms = Ms::mins(60);
/// And in so many actions.
const STEPS: usize = 4_000;
