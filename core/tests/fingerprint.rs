//! The fingerprint of a machine: the same for states with the same future, and only for them.

use landfall_core::Machine;
use landfall_core::config::{Config, GateConfig, WorkspaceConfig};
use landfall_core::effect::{DiskOp, Effect, Request};
use landfall_core::event::{Answer, Boot, Event, LastExit, Outcome};
use landfall_core::files::entry::Found;
use landfall_core::id::{CommitSeq, EventId, RemoteId, StoreId, UnitId};
use landfall_core::time::{Ms, Now, Tick, Wall};

/// One machine at one time, in one run, and its fingerprint after each step of a story.
struct Life {
    machine: Machine,
    now: Now,
    prints: Vec<u64>,
    wanted: Vec<Effect>,
}

impl Life {
    fn begin(tick: u64, run: u32) -> Self {
        let workspace = WorkspaceConfig { stream: false, ..WorkspaceConfig::default() };
        let config = Config {
            seed: 1,
            remotes: vec![(RemoteId(0), GateConfig::default())],
            workspaces: vec![(UnitId(0), workspace)],
        };
        let now = Now { tick: Tick(tick), wall: Wall(1_800_000_000_000 + tick) };
        let mut life =
            Self { machine: Machine::new(config), now, prints: Vec::new(), wanted: Vec::new() };
        life.tell(Event::Start { run, boot: Boot::Same, last: LastExit::Never });
        life
    }

    fn tell(&mut self, event: Event) {
        self.machine.step(self.now, event, &mut self.wanted);
        self.prints.push(self.machine.fingerprint(self.now));
    }

    /// Answers the one effect that this is about.
    fn answer(&mut self, is_it: impl Fn(&Effect) -> bool, answer: Answer) {
        let at = self.wanted.iter().position(is_it).expect("it was wanted");
        let (Effect::Ask { call, .. } | Effect::Disk { call, .. }) = self.wanted.remove(at) else {
            panic!("it has no answer");
        };
        self.tell(Event::Done { call, outcome: Outcome::Ok(answer) });
    }
}

fn asks(request: fn(&Request) -> bool) -> impl Fn(&Effect) -> bool {
    move |effect| matches!(effect, Effect::Ask { request: asked, .. } if request(asked))
}

fn story(tick: u64, run: u32) -> Life {
    let mut life = Life::begin(tick, run);
    life.answer(
        |effect| matches!(effect, Effect::Disk { op: DiskOp::Clean { .. }, .. }),
        Answer::Cleaned { removed: 0 },
    );
    life.tell(Event::Stored { store: StoreId(0), upto: CommitSeq(1) });
    life
}

#[test]
fn the_time_and_the_run_do_not_matter() {
    assert_eq!(story(5, 1).prints, story(7_000_000, 9).prints);
}

#[test]
fn a_number_that_only_counts_does_not_matter() {
    // Calls that came and went have used up numbers.
    let (mut few, mut many) = (story(5, 1), story(5, 1));
    for life in [&mut few, &mut many] {
        let tip = Answer::Tip(Some(EventId("evt_1".into())));
        life.answer(asks(|request| *request == Request::Tip), tip);
    }
    assert_eq!(few.machine.fingerprint(few.now), many.machine.fingerprint(many.now));
    // An answer for nobody changes nothing but what people are told.
    let call = landfall_core::id::CallId { run: 1, unit: UnitId(0), n: 999 };
    let outcome = Outcome::Ok(Answer::Looked(Found::Absent));
    many.machine.step(many.now, Event::Done { call, outcome }, &mut many.wanted);
    assert_eq!(few.machine.fingerprint(few.now), many.machine.fingerprint(many.now));
}

#[test]
fn each_step_that_changes_the_future_changes_it() {
    let mut life = story(5, 1);
    let tip = Answer::Tip(Some(EventId("evt_1".into())));
    life.answer(asks(|request| *request == Request::Tip), tip);
    let mut prints = life.prints.clone();
    prints.sort_unstable();
    prints.dedup();
    // The first commit is that of the position, so `Stored` found nothing to do before.
    assert_eq!(prints.len() + 1, life.prints.len(), "{:?}", life.prints);
}

#[test]
fn what_is_left_of_a_deadline_matters() {
    let life = story(5, 1);
    let later = Now { tick: life.now.tick + Ms::secs(1), ..life.now };
    assert_ne!(life.machine.fingerprint(life.now), life.machine.fingerprint(later));
}
