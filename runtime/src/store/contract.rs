//! The contract of the store port, kept by SQLite.

use landfall_core::effect::Change;
use landfall_core::event::Event;
use landfall_core::id::{CommitSeq, StoreId};
use landfall_core::row::{Loaded, MirrorRow, Row, Value};
use landfall_reference::contract::store::{Opened, TestStore, check_walk};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;

struct Real {
    dir: tempfile::TempDir,
    open: Option<(Store, UnboundedReceiver<Event>)>,
}

impl Real {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), open: None }
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join(FILE)
    }

    fn store(&mut self) -> (Store, UnboundedReceiver<Event>) {
        self.open.take().unwrap()
    }
}

impl TestStore for Real {
    fn open(&mut self, boot: u32) -> Opened {
        let (sender, events) = unbounded_channel();
        let opened =
            Store::open(&self.path(), Some(&format!("boot-{boot}")), StoreId(3), sender).unwrap();
        let super::Opened { store, rows, run, boot, last } = opened;
        let stored = |loaded| match loaded {
            Loaded::Row(row) => row.encode(),
            Loaded::Unreadable { row, .. } => row,
        };
        let rows = rows.flat_map(Result::unwrap).map(stored).collect();
        self.open = Some((store, events));
        Opened { run, boot, last, rows }
    }

    fn commit(&mut self, seq: CommitSeq, changes: Vec<Change>) {
        let (store, events) = self.store();
        store.commit(seq, changes);
        self.open = Some((store, events));
    }

    fn acknowledged(&mut self, last: CommitSeq) -> Vec<CommitSeq> {
        let (store, mut events) = self.store();
        let mut told = Vec::new();
        while told.last().is_none_or(|newest| *newest < last) {
            match events.blocking_recv() {
                Some(Event::Stored { store: StoreId(3), upto }) => told.push(upto),
                other => panic!("{other:?}"),
            }
        }
        self.open = Some((store, events));
        told
    }

    fn kill(&mut self) {
        let (Store { jobs, ended }, _) = self.store();
        drop(jobs);
        // In one process a new store must not open while the old one still writes.
        assert!(ended.recv().is_err());
    }

    fn exit(&mut self) {
        self.store().0.close(true);
    }
}

#[test]
fn a_store_keeps_what_it_acknowledged_through_any_run() {
    for seed in 0..6 {
        let walked = check_walk(seed, &mut Real::new());
        walked.unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
}

#[test]
fn rows_can_be_read_while_they_are_written() {
    let mut real = Real::new();
    real.open(1);
    let row = MirrorRow { sealed: 7, ..MirrorRow::default() };
    let row = Row { unit: UnitId(0), value: Value::Mirror(row) };
    real.commit(CommitSeq(1), vec![Change::Put(row.clone())]);
    real.acknowledged(CommitSeq(1));
    assert_eq!(read_only(&real.path()).unwrap(), [row.encode()]);
    real.kill();
    assert_eq!(read_only(&real.path()).unwrap(), [row.encode()]);
}

#[test]
fn a_row_of_another_version_stays_as_it_is() {
    let mut real = Real::new();
    real.open(1);
    real.kill();
    let db = Connection::open(real.path()).unwrap();
    let insert = "INSERT INTO rows VALUES (0, 'tomorrow', 'k', 99, '{\"new\":true}')";
    db.execute(insert, []).unwrap();
    drop(db);
    let opened = real.open(1);
    assert_eq!((opened.rows.len(), opened.rows[0].schema), (1, 99));
    real.exit();
    assert_eq!(real.open(1).rows, opened.rows);
}

/// It is told of at once, and what was durable before is said again as a sign of life.
#[test]
fn a_store_without_room_says_so_until_nobody_listens() {
    let dir = tempfile::tempdir().unwrap();
    let mut db = Connection::open(dir.path().join(FILE)).unwrap();
    begin(&mut db, None).unwrap();
    db.pragma_update(None, "max_page_count", 1).unwrap();
    let (jobs, queue) = mpsc::channel();
    let (sender, mut events) = unbounded_channel();
    let worker =
        thread::spawn(move || work(db, "boot", LastExit::Never, queue, StoreId(3), sender));
    let row = |n: u32| {
        let path = landfall_core::path::RemotePath::parse(&format!("/{n}")).unwrap();
        let value = Value::Entry(path, landfall_core::files::entry::Entry::new().row());
        Change::Put(Row { unit: UnitId(0), value })
    };
    jobs.send(Job::Commit(CommitSeq(1), (0..1000).map(row).collect())).unwrap();
    let told = events.blocking_recv();
    assert_eq!(told, Some(Event::Stored { store: StoreId(3), upto: CommitSeq(0) }));
    drop(events);
    worker.join().unwrap();
}
