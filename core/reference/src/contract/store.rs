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
    /// Whether the last commit was made in this boot.
    pub boot: Boot,
    /// How the last run ended.
    pub last: LastExit,
    /// All rows, in any order.
    pub rows: Vec<StoredRow>,
}

/// What a store may hold: its rows, and the boot in which its last commit was made.
type State = (RowTable, Option<u32>);

/// Walks a store through 24 runs that are killed or end well.
///
/// The boot of a run is stored with its first commit and not when the store is opened: what a
/// power cut tore is in doubt until a commit says so, over any number of kills before it. For
/// the same reason a run that commits nothing leaves it at how the last one ended, if that was
/// not well.
///
/// # Errors
///
/// What was done, and the first difference.
pub fn check_walk(seed: u64, store: &mut impl TestStore) -> Result<(), String> {
    let mut choices = Choices::new(seed);
    // After the last acknowledged commit, or any later one.
    let mut possible: Vec<State> = vec![(RowTable::default(), None)];
    let (mut last, mut boot) = (LastExit::Never, 0);
    let mut done = Vec::new();
    for run in 1..=24 {
        boot += choices.below(4) as u32 / 3;
        let opened = store.open(boot);
        done.push(format!("run {run} begins in boot {boot}"));
        if (opened.run, opened.last) != (run, last) {
            let said = (opened.run, opened.last);
            return Err(format!("{done:#?}\nit says {said:?}, should say {last:?}"));
        }
        let mut rows = opened.rows;
        rows.sort_by(|a, b| (a.unit, &a.kind, &a.key).cmp(&(b.unit, &b.kind, &b.key)));
        let same = opened.boot == Boot::Same;
        let is_so = |(table, of): &&State| table.rows() == rows && same == (*of == Some(boot));
        let Some(state) = possible.iter().find(is_so) else {
            let said = (opened.boot, rows);
            return Err(format!("{done:#?}\nit says {said:#?}, should be one of {possible:#?}"));
        };
        possible = vec![state.clone()];
        let (mut seq, mut acknowledged) = (0, 0);
        for _ in 0..choices.below(8) {
            seq += 1;
            let changes: Vec<Change> =
                (0..choices.below(5)).map(|_| change(&mut choices)).collect();
            done.push(format!("commit {seq}: {changes:?}"));
            let mut table = possible[possible.len() - 1].0.clone();
            table.apply(&changes);
            possible.push((table, Some(boot)));
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
        if choices.below(3) == 0 {
            if seq > acknowledged {
                store.acknowledged(CommitSeq(seq));
            }
            possible.drain(..possible.len() - 1);
            store.exit();
            if seq > 0 || last == LastExit::Never {
                last = LastExit::Clean;
            }
        } else {
            store.kill();
            last = LastExit::Unclean;
        }
        done.push(format!("it ends: {last:?}"));
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
