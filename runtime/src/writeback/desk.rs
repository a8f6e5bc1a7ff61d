//! Where the mount takes orders in, and keeps the records of dead letters as they are.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use landfall_core::decision::Decision;
use landfall_core::effect::Change;
use landfall_core::event::{Event, Hint, LastExit, Order};
use landfall_core::id::{CommandId, CommitSeq, UnitId};
use landfall_core::row::StoredRow;
use landfall_core::time::Wall;
use tokio::time::{Instant, sleep_until};

use super::orders::{Answer, Orders, Wish};
use super::records::Records;

/// How often orders are looked for.
const LOOK: Duration = Duration::from_millis(500);

/// The same while somebody waits for an answer.
const BUSY: Duration = Duration::from_millis(50);

/// An order about a letter that is on its way anyway is never answered by the machine. After
/// this it counts as carried out.
const LONGEST: Duration = Duration::from_secs(60);

/// An order that was given to the machine.
#[derive(Debug)]
struct Open {
    name: String,
    wish: Wish,
    answer: Answer,
    /// What nothing was heard of yet.
    left: BTreeSet<CommandId>,
    since: Instant,
    /// The last commit when all was heard: what was done is durable with it.
    mark: Option<CommitSeq>,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Desk {
    unit: UnitId,
    orders: Orders,
    records: Records,
    open: Vec<Open>,
    committed: CommitSeq,
    durable: CommitSeq,
    next: Instant,
}

impl Desk {
    /// The desk of a mirror whose database has these rows.
    pub fn new(root: &Path, unit: UnitId, rows: &[StoredRow], last: LastExit) -> Self {
        Self {
            unit,
            orders: Orders::of(root),
            records: Records::new(root, rows, last),
            open: Vec::new(),
            committed: CommitSeq(0),
            durable: CommitSeq(0),
            next: Instant::now(),
        }
    }

    /// Waits until it is time to [look](Self::look).
    pub async fn wait(&self) {
        sleep_until(self.next).await;
    }

    /// The machine decided something.
    pub fn saw(&mut self, decision: &Decision) {
        let (command, list): (_, fn(&mut Answer) -> &mut Vec<CommandId>) = match decision {
            Decision::LetterAgain { command, .. } => (command, |answer| &mut answer.sent),
            Decision::NothingToSend { command, .. } => (command, |answer| &mut answer.nothing),
            Decision::Discarded { command, .. } => (command, |answer| &mut answer.discarded),
            _ => return,
        };
        for open in &mut self.open {
            if open.left.remove(command) {
                list(&mut open.answer).push(command.clone());
            }
        }
    }

    /// A commit is on its way.
    pub fn commit(&mut self, seq: CommitSeq, changes: &[Change]) {
        self.committed = self.committed.max(seq);
        self.records.commit(seq, changes);
    }

    /// Commits up to this one are durable.
    pub fn stored(&mut self, upto: CommitSeq) {
        self.durable = self.durable.max(upto);
        self.records.stored(upto);
    }

    /// Ends what is done, and answers what the machine is to be told. `in_step` says whether
    /// everything is, and is asked only where somebody wants to know.
    pub fn look(&mut self, now: Wall, in_step: impl FnOnce() -> bool) -> Vec<Event> {
        self.records.tend();
        let waiting = self.orders.waiting();
        // Whoever gave an order may take it back.
        self.open.retain(|open| waiting.iter().any(|(name, _)| *name == open.name));
        self.end_what_is_done(now, in_step);
        let mut events = Vec::new();
        for (name, wish) in waiting {
            let is_known = self.open.iter().any(|open| open.name == name);
            if !is_known && self.orders.is_open(&name) {
                self.take(name, wish, &mut events);
            }
        }
        let pause = if self.open.is_empty() { LOOK } else { BUSY };
        self.next = Instant::now() + pause;
        events
    }

    fn take(&mut self, name: String, wish: Wish, events: &mut Vec<Event>) {
        let unit = self.unit;
        let mut answer = Answer::default();
        let mut left = BTreeSet::new();
        match &wish {
            Wish::Retry { commands } | Wish::Discard { commands } => {
                for command in commands.clone() {
                    if !self.records.has(&command) {
                        answer.gone.push(command);
                        continue;
                    }
                    left.insert(command.clone());
                    let order = match &wish {
                        Wish::Discard { .. } => Order::Discard(command),
                        _ => Order::Retry(Some(command)),
                    };
                    events.push(Event::Told { unit, order });
                }
            }
            Wish::Look { path } => {
                events.push(Event::Heard { unit, hint: Hint::Arrived(path.clone()) });
            }
            Wish::Settle { .. } => events.push(Event::Heard { unit, hint: Hint::Lost }),
        }
        self.open.push(Open { name, wish, answer, left, since: Instant::now(), mark: None });
    }

    fn end_what_is_done(&mut self, now: Wall, in_step: impl FnOnce() -> bool) {
        let (committed, durable) = (self.committed, self.durable);
        let mut in_step = Some(in_step);
        let mut settled = None;
        let (orders, records) = (&self.orders, &self.records);
        self.open.retain_mut(|open| {
            match &open.wish {
                Wish::Settle { until } if *until < now => {
                    orders.remove(&open.name);
                    return false;
                }
                Wish::Settle { .. } => {
                    let is =
                        *settled.get_or_insert_with(|| in_step.take().is_some_and(|ask| ask()));
                    open.answer.settled = is;
                    if !is {
                        return true;
                    }
                }
                Wish::Look { .. } => {}
                Wish::Retry { .. } | Wish::Discard { .. } => {
                    let over = open.left.iter().filter(|left| !records.has(left));
                    for command in over.cloned().collect::<Vec<_>>() {
                        open.left.remove(&command);
                        open.answer.gone.push(command);
                    }
                    if !open.left.is_empty() && open.since.elapsed() < LONGEST {
                        return true;
                    }
                }
            }
            if *open.mark.get_or_insert(committed) > durable {
                return true;
            }
            orders.answer(&open.name, &open.answer);
            orders.remove(&open.name);
            false
        });
    }

    /// The mount ends. What is not done stays for the next.
    pub fn end(&mut self) {
        self.records.tend();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use landfall_core::path::RemotePath;
    use landfall_core::row::{LetterRow, Row, Value};

    use super::*;

    const NOW: Wall = Wall(1_000);

    fn command(name: &str) -> CommandId {
        CommandId(name.into())
    }

    fn desk(root: &Path, letters: &[&str]) -> Desk {
        let path = RemotePath::parse("/a").unwrap();
        let rows: Vec<StoredRow> = letters
            .iter()
            .map(|name| {
                let (path, said) = (path.clone(), String::new());
                let (op, bytes, attempts, status, at) = (None, None, 5, 422, NOW);
                let row = LetterRow { path, op, bytes, attempts, status, said, at };
                Row { unit: UnitId(0), value: Value::Letter(command(name), row) }.encode()
            })
            .collect();
        Desk::new(root, UnitId(0), &rows, LastExit::Clean)
    }

    fn saw_again(desk: &mut Desk, name: &str) {
        let path = RemotePath::parse("/a").unwrap();
        desk.saw(&Decision::LetterAgain { path, command: command(name) });
    }

    #[tokio::test]
    async fn an_order_stays_until_it_was_carried_out_and_that_is_durable() {
        let dir = tempfile::tempdir().unwrap();
        let orders = Orders::of(dir.path());
        let commands = vec![command("c1"), command("old")];
        let name = orders.give(&Wish::Retry { commands }).unwrap();
        let mut desk = desk(dir.path(), &["c1"]);
        let told = Event::Told { unit: UnitId(0), order: Order::Retry(Some(command("c1"))) };
        assert_eq!(desk.look(NOW, || false), [told]);
        desk.commit(CommitSeq(3), &[]);
        assert!(desk.look(NOW, || false).is_empty() && orders.is_open(&name), "nothing was heard");
        saw_again(&mut desk, "c1");
        assert!(desk.look(NOW, || false).is_empty() && orders.is_open(&name), "not durable");
        desk.stored(CommitSeq(3));
        assert!(desk.look(NOW, || false).is_empty());
        assert!(!orders.is_open(&name));
        let answer = orders.take_answer(&name).unwrap();
        assert_eq!((answer.sent, answer.gone), (vec![command("c1")], vec![command("old")]));
    }

    #[tokio::test]
    async fn an_order_that_a_kill_left_is_given_again() {
        let dir = tempfile::tempdir().unwrap();
        let orders = Orders::of(dir.path());
        orders.give(&Wish::Discard { commands: vec![command("c1")] }).unwrap();
        assert_eq!(desk(dir.path(), &["c1"]).look(NOW, || false).len(), 1);
        assert_eq!(desk(dir.path(), &["c1"]).look(NOW, || false).len(), 1);
    }

    #[tokio::test]
    async fn who_waits_is_told_when_all_is_in_step_and_forgotten_when_gone() {
        let dir = tempfile::tempdir().unwrap();
        let orders = Orders::of(dir.path());
        let first = orders.give(&Wish::Settle { until: Wall(2_000) }).unwrap();
        let mut desk = desk(dir.path(), &[]);
        let lost = Event::Heard { unit: UnitId(0), hint: Hint::Lost };
        assert_eq!(desk.look(NOW, || true), [lost], "what it knew before the look is no answer");
        assert!(desk.look(NOW, || false).is_empty() && orders.is_open(&first));
        desk.look(NOW, || true);
        assert!(orders.take_answer(&first).unwrap().settled && !orders.is_open(&first));
        let late = orders.give(&Wish::Settle { until: Wall(2_000) }).unwrap();
        desk.look(NOW, || false);
        desk.look(Wall(3_000), || true);
        assert!(!orders.is_open(&late) && orders.take_answer(&late).is_none());
        let left = fs::read_dir(dir.path().join(".relay/orders")).unwrap().count();
        assert_eq!(left, 0);
    }
}
