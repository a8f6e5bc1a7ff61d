//! The store port: rows in SQLite, in commits that become durable in order.
//!
//! One thread owns the connection. At a start another one decodes the rows that it reads. Then it
//! takes every commit that waits into one transaction, so a disk that is slow to sync makes commits
//! larger and not later. A commit that fails is tried again until it succeeds. While the disk is
//! full, or can not be written, the store says so to the machine, which waits; a store that says
//! nothing is given up by the machine.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use landfall_core::effect::Change;
use landfall_core::event::{Boot, Event, LastExit};
use landfall_core::id::{CommitSeq, StoreId, UnitId};
use landfall_core::row::{Loaded, StoredRow};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params, params_from_iter};
use thiserror::Error;
use tokio::sync::mpsc::UnboundedSender;

use crate::seldom::Seldom;

/// The file, below the mirror's control directory.
pub const FILE: &str = "state.db";

/// How long a commit that failed waits.
const AGAIN: Duration = Duration::from_millis(250);

/// How often a commit that fails is told of. Well below the machine's patience.
const SAY: Duration = Duration::from_secs(10);

/// Sets a value of the store itself.
const SET: &str = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)";

/// All rows.
const ALL: &str = "SELECT unit, kind, key, schema, json FROM rows";

/// The rows of one kind. A mirror is one workspace, so its only unit is 0.
const OF_KIND: &str = "SELECT unit, kind, key, schema, json FROM rows WHERE unit = 0 AND kind = ?1";

/// Rows that are handed over at once while a store is opened.
const CHUNK: usize = 128;

/// So often are they read before somebody takes them.
const AHEAD: usize = 4;

/// How long the mark of a clean end may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why a store could not be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// SQLite said so.
    #[error(
        "the state database {path} can not be used: {why}. If the disk is full, free some space; if the file is damaged, move it away and start again: files that are in place are recognised"
    )]
    Sqlite {
        /// The database.
        path: String,
        /// What SQLite said.
        why: rusqlite::Error,
    },
}

/// What a store knew when it was opened.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// Its rows. They are read while they are taken, and never all in memory. Commits wait until
    /// all of them were taken, or this is dropped.
    pub rows: Rows,
    /// How often it was opened, this time included.
    pub run: u32,
    /// Whether the computer was restarted since the last run.
    pub boot: Boot,
    /// How the last run ended.
    pub last: LastExit,
}

/// The rows of a store, some at a time.
pub type Rows = mpsc::IntoIter<Result<Vec<Loaded>, StoreError>>;

/// A store that takes commits.
#[derive(Debug)]
pub struct Store {
    jobs: mpsc::Sender<Job>,
    /// Nothing is ever sent: it hangs up when the thread ends.
    ended: mpsc::Receiver<()>,
}

enum Job {
    Commit(CommitSeq, Vec<Change>),
    /// The run ended well, and everything before is durable.
    Clean,
}

impl Job {
    /// The newest first.
    fn changes(&self) -> impl Iterator<Item = &Change> {
        let changes = match self {
            Job::Commit(_, changes) => &changes[..],
            Job::Clean => &[],
        };
        changes.iter().rev()
    }
}

impl Store {
    /// Opens the store and counts the start.
    pub fn open(
        path: &Path,
        boot_id: Option<&str>,
        id: StoreId,
        events: UnboundedSender<Event>,
    ) -> Result<Opened, StoreError> {
        let failed = |why| StoreError::Sqlite { path: path.display().to_string(), why };
        let no_thread = |why| failed(rusqlite::Error::ToSqlConversionFailure(Box::new(why)));
        let mut db = Connection::open(path).map_err(failed)?;
        let (run, boot, last) = begin(&mut db, boot_id).map_err(failed)?;
        let (stored, to_decode) = mpsc::sync_channel(AHEAD);
        let (chunks, rows) = mpsc::sync_channel(AHEAD);
        let (to_use, used) = mpsc::channel();
        let decoder = thread::Builder::new()
            .name("decode".into())
            .spawn(move || decode(to_decode, &chunks, &to_use))
            .map_err(no_thread)?;
        let file = path.display().to_string();
        let (jobs, queue) = mpsc::channel();
        // Stored with the first commit: what a power cut tore is in doubt until a commit says
        // so, and a kill before that must not make it trusted.
        let boot_id = boot_id.unwrap_or_default().to_owned();
        let (running, ended) = mpsc::channel();
        thread::Builder::new()
            .name("store".into())
            .spawn(move || {
                let _running: mpsc::Sender<()> = running;
                if let Err(why) = send_rows(&db, &stored, &used) {
                    let _ = stored.send(Err(StoreError::Sqlite { path: file, why }));
                }
                drop((stored, used));
                // What it did not hand over, no commit may write over.
                if decoder.join().is_ok() {
                    work(db, &boot_id, last, queue, id, events);
                }
            })
            .map_err(no_thread)?;
        Ok(Opened { store: Store { jobs, ended }, rows: rows.into_iter(), run, boot, last })
    }

    /// Makes changes durable after all commits before. Answered by `Stored`.
    pub fn commit(&self, seq: CommitSeq, changes: Vec<Change>) {
        // The thread ends only with the store, so somebody is there to take it.
        let _ = self.jobs.send(Job::Commit(seq, changes));
    }

    /// Ends the store. With `clean`, everything is durable and the next start learns that this
    /// run ended well, unless it stored nothing after one that did not. Without it nothing is waited for: a disk that is full may never let
    /// the last commit through, and the next start finds out what is missing.
    pub fn close(self, clean: bool) {
        if !clean {
            return;
        }
        let _ = self.jobs.send(Job::Clean);
        drop(self.jobs);
        // The process that ends takes the thread with it.
        let _ = self.ended.recv_timeout(FAREWELL);
    }
}

/// While there are many commits, those of so long are synced together.
const GATHER: Duration = Duration::from_millis(5);

/// So many at once are many.
const MANY: usize = 8;

/// Reads all rows of a store that may be in use by a daemon, or by nobody.
pub fn read_only(path: &Path) -> Result<Vec<StoredRow>, StoreError> {
    read_where(path, ALL, None)
}

/// The same for the rows of one kind: those of files may be many.
pub fn read_kind(path: &Path, kind: &str) -> Result<Vec<StoredRow>, StoreError> {
    read_where(path, OF_KIND, Some(kind))
}

fn read_where(path: &Path, query: &str, kind: Option<&str>) -> Result<Vec<StoredRow>, StoreError> {
    let failed = |why| StoreError::Sqlite { path: path.display().to_string(), why };
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .and_then(|db| db.busy_timeout(Duration::from_secs(5)).map(|()| db))
        .map_err(failed)?;
    let mut query = db.prepare(query).map_err(failed)?;
    let rows = query.query_map(params_from_iter(kind), read_row).map_err(failed)?;
    rows.collect::<Result<_, _>>().map_err(failed)
}

fn begin(
    db: &mut Connection,
    boot_id: Option<&str>,
) -> Result<(u32, Boot, LastExit), rusqlite::Error> {
    db.busy_timeout(Duration::from_secs(5))?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    let tx = db.transaction()?;
    tx.execute_batch(
        "CREATE TABLE IF NOT EXISTS rows (
           unit INTEGER NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
           schema INTEGER NOT NULL, json TEXT NOT NULL,
           PRIMARY KEY (unit, kind, key)
         ) WITHOUT ROWID;
         CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;",
    )?;
    let meta = |name: &str| -> Result<Option<String>, rusqlite::Error> {
        tx.query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0)).optional()
    };
    let run: u32 = meta("run")?.and_then(|run| run.parse().ok()).unwrap_or(0);
    let boot = match (meta("boot")?, boot_id) {
        (Some(then), Some(now)) if then == now => Boot::Same,
        _ => Boot::Other,
    };
    let last = match (run, meta("clean")?.as_deref()) {
        (0, _) => LastExit::Never,
        (_, Some("1")) => LastExit::Clean,
        _ => LastExit::Unclean,
    };
    tx.execute(SET, params!["run", (run + 1).to_string()])?;
    tx.execute(SET, params!["clean", "0"])?;
    tx.commit()?;
    Ok((run + 1, boot, last))
}

/// Sends all rows, or as many as somebody wants.
fn send_rows(
    db: &Connection,
    to: &mpsc::SyncSender<Result<Vec<StoredRow>, StoreError>>,
    used: &mpsc::Receiver<Vec<StoredRow>>,
) -> Result<(), rusqlite::Error> {
    let mut query = db.prepare(ALL)?;
    let mut rows = query.query([])?;
    loop {
        let mut chunk = used.try_recv().unwrap_or_default();
        let mut n = 0;
        while n < CHUNK
            && let Some(row) = rows.next()?
        {
            match chunk.get_mut(n) {
                Some(into) => read_row_into(row, into)?,
                None => chunk.push(read_row(row)?),
            }
            n += 1;
        }
        chunk.truncate(n);
        if chunk.is_empty() || to.send(Ok(chunk)).is_err() {
            return Ok(());
        }
    }
}

/// Decodes rows while the next ones are read, until there are no more or nobody wants them. What
/// was decoded goes back and is used again: threads that free what others allocate wait for each
/// other.
fn decode(
    stored: mpsc::Receiver<Result<Vec<StoredRow>, StoreError>>,
    to: &mpsc::SyncSender<Result<Vec<Loaded>, StoreError>>,
    used: &mpsc::Sender<Vec<StoredRow>>,
) {
    for chunk in stored {
        let chunk = chunk.map(|rows| {
            let loaded = rows.iter().map(Loaded::from).collect();
            let _ = used.send(rows);
            loaded
        });
        if to.send(chunk).is_err() {
            return;
        }
    }
}

fn read_row(row: &rusqlite::Row<'_>) -> Result<StoredRow, rusqlite::Error> {
    let (kind, key, json) = Default::default();
    let mut read = StoredRow { unit: UnitId(0), kind, key, schema: 0, json };
    read_row_into(row, &mut read)?;
    Ok(read)
}

fn read_row_into(row: &rusqlite::Row<'_>, into: &mut StoredRow) -> Result<(), rusqlite::Error> {
    into.unit = UnitId(row.get(0)?);
    into.schema = row.get(3)?;
    for (column, text) in [(1, &mut into.kind), (2, &mut into.key), (4, &mut into.json)] {
        text.clear();
        text.push_str(row.get_ref(column)?.as_str()?);
    }
    Ok(())
}

fn work(
    mut db: Connection,
    boot_id: &str,
    last: LastExit,
    queue: mpsc::Receiver<Job>,
    store: StoreId,
    events: UnboundedSender<Event>,
) {
    let mut many = false;
    // A run that stores nothing settles nothing: what the last one left in doubt stays so.
    let mut settled = last != LastExit::Unclean;
    let mut durable = CommitSeq::default();
    while let Ok(first) = queue.recv() {
        let mut batch = vec![first];
        batch.extend(queue.try_iter());
        // While there are many, one sync of the disk serves all that come close together, and
        // nobody is woken for each. What comes alone does not wait.
        if many {
            thread::sleep(GATHER);
            batch.extend(queue.try_iter());
        }
        many = batch.len() >= MANY;
        settled |= batch.iter().any(|job| matches!(job, Job::Commit(..)));
        if !settled {
            batch.retain(|job| !matches!(job, Job::Clean));
        }
        let mut said = Seldom::default();
        while let Err(why) = write(&mut db, boot_id, &batch) {
            if events.is_closed() {
                return;
            }
            if said.tells(SAY, Instant::now()) {
                tracing::warn!("a commit failed and is tried again: {why}");
                if can_pass(&why) {
                    let _ = events.send(Event::Stored { store, upto: durable });
                }
            }
            thread::sleep(AGAIN);
        }
        let newest = batch.iter().rev().find_map(|job| match job {
            Job::Commit(seq, _) => Some(*seq),
            Job::Clean => None,
        });
        if let Some(upto) = newest {
            durable = upto;
            let _ = events.send(Event::Stored { store, upto });
        }
    }
}

/// Whether a commit may succeed once somebody made room.
fn can_pass(why: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DiskFull, ReadOnly, SystemIoFailure};
    matches!(why.sqlite_error_code(), Some(DiskFull | ReadOnly | SystemIoFailure))
}

fn write(db: &mut Connection, boot_id: &str, batch: &[Job]) -> Result<(), rusqlite::Error> {
    let tx = db.transaction()?;
    {
        let mut put = tx.prepare_cached(
            "INSERT OR REPLACE INTO rows (unit, kind, key, schema, json) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        let mut delete =
            tx.prepare_cached("DELETE FROM rows WHERE unit = ?1 AND kind = ?2 AND key = ?3")?;
        // What a later commit of the batch writes again is written once.
        let mut written = HashSet::new();
        for change in batch.iter().rev().flat_map(Job::changes) {
            match change {
                Change::Put(row) if written.insert(Cow::Owned(row.key())) => {
                    let row = row.encode();
                    put.execute(params![row.unit.0, row.kind, row.key, row.schema, row.json])?;
                }
                Change::Delete(key) if written.insert(Cow::Borrowed(key)) => {
                    delete.execute(params![key.unit.0, key.kind(), key.key()])?;
                }
                Change::Put(_) | Change::Delete(_) => {}
            }
        }
        if batch.iter().any(|job| matches!(job, Job::Commit(..))) {
            tx.execute(SET, ["boot", boot_id])?;
        }
        if batch.iter().any(|job| matches!(job, Job::Clean)) {
            tx.execute("UPDATE meta SET value = '1' WHERE name = 'clean'", [])?;
        }
    }
    tx.commit()
}

#[cfg(test)]
mod contract;
