//! The contract of the store port.

use landfall_core::effect::Change;
use landfall_core::event::{Boot, LastExit};
use landfall_core::files::entry::{Entry, Ordinal, Remote};
use landfall_core::id::{CommitSeq, UnitId};
use landfall_core::path::RemotePath;
use landfall_core::row::{FrontierRow, MirrorRow, Row, RowTable, StoredRow, Value};

use super::Choices;

/// A store that is put through the contract. It begins closed and empty.
pub trait TestStore {
    /// A process starts in this boot of the computer.
    fn open(&mut self, boot: u32) -> Opened;
    /// Hands a commit over, and waits for nothing.
    fn commit(&mut self, seq: CommitSeq, changes: Vec<Change>);
    /// Waits until this commit is acknowledged, and answers every acknowledgement on the way.
    fn acknowledged(&mut self, upto: CommitSeq) -> Vec<CommitSeq>;
    /// The process dies. Commits that were not acknowledged may be lost.
    fn kill(&mut self);
    /// The process ends well.
    fn exit(&mut self);
}

/// What a store says when it is opened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Opened {
    /// How often it was opened, this time included.
    pub run: u32,
    /// Whether this is the boot of the last run.
    pub boot: Boot,
    /// How the last run ended.
    pub last: LastExit,
    /// All rows, in any order.
    pub rows: Vec<StoredRow>,
}

/// Walks a store through 24 runs that are killed or end well.
///
/// # Errors
///
/// What was done, and the first difference.
pub fn check_walk(seed: u64, store: &mut impl TestStore) -> Result<(), String> {
    let mut choices = Choices::new(seed);
    // What the rows may be: after the last acknowledged commit, or any later one.
    let mut possible = vec![RowTable::default()];
    let mut last = (LastExit::Never, 0);
    let mut done = Vec::new();
    for run in 1..=24 {
        let boot = last.1 + choices.below(4) as u32 / 3;
        let opened = store.open(boot);
        done.push(format!("run {run} begins in boot {boot}"));
        let wanted_boot = match (run, boot == last.1) {
            (1, _) | (_, false) => Boot::Other,
            (_, true) => Boot::Same,
        };
        let said = (opened.run, opened.boot, opened.last);
        if said != (run, wanted_boot, last.0) {
            return Err(format!("{done:#?}\nit says {said:?}, the last run was {last:?}"));
        }
        let mut rows = opened.rows;
        rows.sort_by(|a, b| (a.unit, &a.kind, &a.key).cmp(&(b.unit, &b.kind, &b.key)));
        let Some(table) = possible.iter().find(|table| table.rows() == rows) else {
            let wanted: Vec<_> = possible.iter().map(RowTable::rows).collect();
            return Err(format!("{done:#?}\nits rows are {rows:#?}, should be one of {wanted:#?}"));
        };
        possible = vec![table.clone()];
        let (mut seq, mut acknowledged) = (0, 0);
        for _ in 0..choices.below(8) {
            seq += 1;
            let changes: Vec<Change> =
                (0..choices.below(5)).map(|_| change(&mut choices)).collect();
            done.push(format!("commit {seq}: {changes:?}"));
            let mut next = possible[possible.len() - 1].clone();
            next.apply(&changes);
            possible.push(next);
            store.commit(CommitSeq(seq), changes);
            if choices.below(3) == 0 {
                let told = store.acknowledged(CommitSeq(seq));
                done.push(format!("acknowledged: {told:?}"));
                let rising = told.windows(2).all(|pair| pair[0] < pair[1])
                    && told.first().is_none_or(|first| first.0 > acknowledged);
                if !rising || told.last() != Some(&CommitSeq(seq)) {
                    return Err(format!("{done:#?}\nafter {acknowledged} it told {told:?}"));
                }
                acknowledged = seq;
                possible.drain(..possible.len() - 1);
            }
        }
        let exits = choices.below(3) == 0;
        if exits {
            if seq > acknowledged {
                store.acknowledged(CommitSeq(seq));
            }
            possible.drain(..possible.len() - 1);
            store.exit();
        } else {
            store.kill();
        }
        done.push(if exits { "it ends well".into() } else { "it is killed".to_owned() });
        last = (if exits { LastExit::Clean } else { LastExit::Unclean }, boot);
    }
    Ok(())
}

fn change(choices: &mut Choices) -> Change {
    const NAMES: [&str; 5] = ["/a", "/d/a", "/d/b", "/é", "/ with 'quotes' and\nlines"];
    let unit = UnitId(choices.below(2) as u16);
    let name = choices.one(&NAMES);
    let n = choices.below(4) as u64;
    let value = match (choices.below(4), RemotePath::parse(name)) {
        (0, _) => Value::Mirror(MirrorRow { sealed: n, ..MirrorRow::default() }),
        (1 | 2, Ok(path)) => {
            let remote = Remote::Absent(Ordinal { epoch: 0, n });
            Value::Entry(path, Entry { remote, ..Entry::new() }.row())
        }
        _ => Value::Frontier(name.into(), FrontierRow { order: n, ..FrontierRow::default() }),
    };
    let row = Row { unit, value };
    match choices.below(4) {
        0 => Change::Delete(row.key()),
        _ => Change::Put(row),
    }
}
