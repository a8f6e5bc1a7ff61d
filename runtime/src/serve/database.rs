//! The workspace in SQLite, so that it outlives the process.
//!
//! What is stored is the log of changes and nothing else: files, revisions, event ids, operations
//! and remembered identities follow from it, so no two tables can disagree, and a write costs what
//! it adds. A start reads all of it, as all of it is in memory anyway. A change is stored once: the
//! fate of its operation has to be decided before it is.

use std::path::{Path, PathBuf};

use landfall_core::time::{Ms, Wall};
use landfall_reference::server::{Content, Encoding, Fate, Identity, Origin, Server, Settings};
use rusqlite::{Connection, ErrorCode, Row, params};
use thiserror::Error;

/// Tells our files from those of other programs: `LFsv` in ASCII.
const APPLICATION: i32 = 0x4c46_7376;

/// Counts the shapes that the table had.
const SCHEMA: i32 = 2;

/// From the first shape to the second: where a change came from.
const ORIGINS: &str = "
    ALTER TABLE changes ADD COLUMN author TEXT;
    ALTER TABLE changes ADD COLUMN identity_kind TEXT;
    ALTER TABLE changes ADD COLUMN identity_key TEXT;
    ALTER TABLE changes ADD COLUMN identity_ttl INTEGER;
    ALTER TABLE changes ADD COLUMN fate INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE changes ADD COLUMN late INTEGER NOT NULL DEFAULT 0;
";

/// A database that keeps a workspace. One process at a time can have it.
#[derive(Debug)]
pub struct Database {
    db: Connection,
    path: PathBuf,
    /// Changes that it has.
    stored: u64,
}

/// Why a workspace can not be kept.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// Another process keeps a workspace there.
    #[error("{0} is in use by another process. Stop that one, or choose another file with --db")]
    InUse(PathBuf),
    /// It is something else.
    #[error("{0} does not hold a workspace of this version. Choose another file with --db")]
    Foreign(PathBuf),
    /// A change is missing, so that nothing after it can be trusted.
    #[error("{path} is damaged: it has {found} after {before} changes. Restore it from a copy")]
    Gap {
        /// The database.
        path: PathBuf,
        /// The number of the change that was found.
        found: u64,
        /// Changes that were read before it.
        before: u64,
    },
    /// SQLite said so.
    #[error("the database {path} can not be used: {why}. Is the disk full, or not writable?")]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        why: rusqlite::Error,
    },
}

impl Database {
    /// Opens a database, or makes one.
    ///
    /// # Errors
    /// If it can not be used, is something else, or another process has it.
    pub fn open(path: &Path) -> Result<Self, DatabaseError> {
        let failed = |why: rusqlite::Error| match why.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy) => DatabaseError::InUse(path.to_owned()),
            Some(ErrorCode::NotADatabase) => DatabaseError::Foreign(path.to_owned()),
            _ => DatabaseError::Sqlite { path: path.to_owned(), why },
        };
        let db = Connection::open(path).map_err(failed)?;
        let (known, stored) = begin(&db).map_err(failed)?;
        match known {
            true => Ok(Self { db, path: path.to_owned(), stored }),
            false => Err(DatabaseError::Foreign(path.to_owned())),
        }
    }

    /// Whether nothing was ever written to its workspace.
    pub fn is_empty(&self) -> bool {
        self.stored == 0
    }

    /// The workspace as it was stored.
    ///
    /// # Errors
    /// If it can not be read, or lacks a change.
    pub fn load(&self, settings: Settings) -> Result<Server, DatabaseError> {
        self.replay(settings).map_err(|why| self.failed(why))?
    }

    fn replay(&self, settings: Settings) -> rusqlite::Result<Result<Server, DatabaseError>> {
        let mut server = Server::new(settings);
        let mut query = self.db.prepare(
            "SELECT number, path, at, content, base64, type, author, identity_kind, \
             identity_key, identity_ttl, fate, late FROM changes ORDER BY number",
        )?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let (found, before) = (row.get(0)?, server.tip());
            let (path, at) = (row.get::<_, String>(1)?, Wall(row.get(2)?));
            let content = match row.get::<_, Option<Vec<u8>>>(3)? {
                Some(bytes) if row.get(4)? => Some(Content::binary(bytes)),
                Some(bytes) => Some(Content::new(bytes)),
                None => None,
            };
            let content = match row.get::<_, Option<String>>(5)? {
                Some(kind) => content.map(|content| content.typed(kind)),
                None => content,
            };
            server.replay(&path, content, at, origin(row)?);
            if server.tip() != before + 1 || server.tip() != found {
                return Ok(Err(DatabaseError::Gap { path: self.path.clone(), found, before }));
            }
        }
        Ok(Ok(server))
    }

    /// Stores the changes of its own workspace that it does not have, all of them or none. They
    /// survive a power cut when this returns.
    ///
    /// # Errors
    /// If SQLite does not take them; then it has none of them.
    pub fn store(&mut self, server: &Server) -> Result<(), DatabaseError> {
        debug_assert!(server.tip() >= self.stored, "it is the workspace that was stored here");
        if server.tip() == self.stored {
            return Ok(());
        }
        self.insert(server).map_err(|why| self.failed(why))?;
        self.stored = server.tip();
        Ok(())
    }

    fn insert(&mut self, server: &Server) -> rusqlite::Result<()> {
        let tx = self.db.transaction()?;
        {
            let mut insert = tx.prepare_cached(
                "INSERT INTO changes (number, path, at, content, base64, type, author, \
                 identity_kind, identity_key, identity_ttl, fate, late) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?;
            // A slice, and not `skip`, which would walk over all that is stored.
            let news = server.history().get(self.stored as usize..).unwrap_or_default();
            for (change, number) in news.iter().zip(self.stored + 1..) {
                let content = change.after.as_ref().map(|file| &file.content);
                let Origin { by, identity, fate } = &change.origin;
                let identity = identity.as_ref();
                let (fate, late) = coded(*fate);
                insert.execute(params![
                    number,
                    &*change.path,
                    change.at.0,
                    content.map(Content::bytes),
                    content.map(|content| content.encoding() == Encoding::Base64),
                    content.and_then(Content::kind),
                    by.as_deref(),
                    identity.map(|identity| &*identity.kind),
                    identity.map(|identity| &*identity.key),
                    identity.map(|identity| whole(identity.ttl)),
                    fate,
                    late,
                ])?;
            }
        }
        tx.commit()
    }

    fn failed(&self, why: rusqlite::Error) -> DatabaseError {
        DatabaseError::Sqlite { path: self.path.clone(), why }
    }
}

/// Where the change of a row came from.
fn origin(row: &Row<'_>) -> rusqlite::Result<Origin> {
    let shared = |column: usize| row.get::<_, Option<String>>(column);
    let identity = match (shared(7)?, shared(8)?) {
        (Some(kind), Some(key)) => {
            Some(Identity { ttl: Ms(row.get(9)?), ..Identity::new(kind, key) })
        }
        _ => None,
    };
    let fate = match row.get(10)? {
        0 => Fate::Succeeds,
        1 => Fate::Late(Ms(row.get(11)?)),
        2 => Fate::Fails,
        3 => Fate::DeadLetters,
        unknown => return Err(rusqlite::Error::IntegralValueOutOfRange(10, unknown)),
    };
    Ok(Origin { by: shared(6)?.map(Into::into), identity, fate })
}

/// A fate as two numbers: which, and how late.
fn coded(fate: Fate) -> (u8, i64) {
    match fate {
        Fate::Succeeds => (0, 0),
        Fate::Late(more) => (1, whole(more)),
        Fate::Fails => (2, 0),
        Fate::DeadLetters => (3, 0),
    }
}

/// SQLite has no larger number. It is 292 million years.
fn whole(length: Ms) -> i64 {
    i64::try_from(length.0).unwrap_or(i64::MAX)
}

/// Takes hold of the database. Answers whether it is one of ours, and how many changes it has.
fn begin(db: &Connection) -> rusqlite::Result<(bool, u64)> {
    // Held until the process ends, so that two servers can not count the same events twice.
    db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    db.execute_batch("BEGIN EXCLUSIVE")?;
    let number = |pragma: &str| db.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let tables: u32 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        db.execute_batch(
            "CREATE TABLE changes (
               number INTEGER PRIMARY KEY, path TEXT NOT NULL, at INTEGER NOT NULL,
               content BLOB, base64 INTEGER, type TEXT
             )",
        )?;
        db.pragma_update(None, "application_id", APPLICATION)?;
        db.pragma_update(None, "user_version", 1)?;
    }
    let ours = number("application_id")? == APPLICATION;
    if ours && number("user_version")? == 1 {
        db.execute_batch(ORIGINS)?;
        db.pragma_update(None, "user_version", SCHEMA)?;
    }
    let known = ours && number("user_version")? == SCHEMA;
    db.execute_batch("COMMIT")?;
    if !known {
        return Ok((false, 0));
    }
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    let stored = db.query_row("SELECT count(*) FROM changes", [], |row| row.get(0))?;
    Ok((true, stored))
}

#[cfg(test)]
mod tests {
    use landfall_reference::server::{BulkWrite, IfMatch, OpStatus};

    use super::*;

    fn reopened(path: &Path) -> Server {
        Database::open(path).unwrap().load(Settings::default()).unwrap()
    }

    #[test]
    fn a_workspace_comes_back_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.db");
        let mut server = Server::default();
        server.add_sample(7, 50, Wall(1_000));
        // Names and bytes that a careless store would change.
        server.put("/../nul\0/\u{1b}[2J", Content::new(Vec::new()), Wall(2_000));
        server.put("/utf-8 sent as base64", Content::binary(*b"text"), Wall(3_000));
        server.put("/typed", Content::new(*b"a").typed("text/x-odd"), Wall(4_000));
        server.delete("/typed", Wall(5_000));
        server.put("/typed", Content::new(vec![0xff]).typed("image/png"), Wall(6_000));
        Database::open(&path).unwrap().store(&server).unwrap();
        assert_eq!(reopened(&path), server);
    }

    /// A write with a name, by an agent.
    fn named(key: &str) -> Vec<BulkWrite> {
        vec![BulkWrite {
            path: format!("/{key}"),
            content: Some(Content::new(*b"text")),
            expect: IfMatch::Absent,
            identity: Some(Identity::new("mount-command", key)),
        }]
    }

    #[test]
    fn what_was_asked_for_is_known_after_a_restart_and_so_is_what_became_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.db");
        let mut server = Server::default();
        let by = "agent".into();
        let fates =
            [Fate::Succeeds, Fate::Late(Ms(7)), Fate::Fails, Fate::DeadLetters, Fate::Succeeds];
        for (fate, key) in fates.into_iter().zip(["a", "b", "c", "d", "e"]) {
            server.bulk_write(&by, named(key), None, Wall(1_000)).unwrap();
            assert!(server.doom(server.tip(), fate));
        }
        server.delete_if(&by, "/e", &IfMatch::Any, Wall(2_000)).unwrap();
        Database::open(&path).unwrap().store(&server).unwrap();
        let mut restarted = reopened(&path);
        assert_eq!(restarted, server);
        assert_eq!(restarted.ops(None, Wall(3_000)), server.ops(None, Wall(3_000)));
        let again = restarted.bulk_write(&by, named("e"), None, Wall(3_000)).unwrap();
        assert!(again.written[0].again, "though the file is gone by now");

        // More than SQLite can count is as good as for ever.
        server.doom(6, Fate::Late(Ms(u64::MAX)));
        let stuck = dir.path().join("stuck.db");
        Database::open(&stuck).unwrap().store(&server).unwrap();
        let stuck = reopened(&stuck).op("op_6", Wall(i64::MAX as u64)).unwrap();
        assert_eq!(stuck.status, OpStatus::Pending);
    }

    #[test]
    fn a_database_of_the_first_shape_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.db");
        let db = Connection::open(&path).unwrap();
        db.execute_batch(
            "CREATE TABLE changes (
               number INTEGER PRIMARY KEY, path TEXT NOT NULL, at INTEGER NOT NULL,
               content BLOB, base64 INTEGER, type TEXT
             );
             INSERT INTO changes VALUES (1, '/a', 1000, X'61', 0, 'text/x-odd');
             INSERT INTO changes VALUES (2, '/b', 2000, X'ff', 1, NULL);
             INSERT INTO changes VALUES (3, '/b', 3000, NULL, NULL, NULL);",
        )
        .unwrap();
        db.pragma_update(None, "application_id", APPLICATION).unwrap();
        db.pragma_update(None, "user_version", 1).unwrap();
        drop(db);
        let mut server = Server::default();
        server.put("/a", Content::new(*b"a").typed("text/x-odd"), Wall(1_000));
        server.put("/b", Content::binary(vec![0xff]), Wall(2_000));
        server.delete("/b", Wall(3_000));
        assert_eq!(reopened(&path), server);
        server.bulk_write(&"agent".into(), named("c"), None, Wall(4_000)).unwrap();
        Database::open(&path).unwrap().store(&server).unwrap();
        assert_eq!(reopened(&path), server);
    }

    #[test]
    fn a_write_costs_what_it_adds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.db");
        let mut server = Server::default();
        server.add_sample(7, 2_000, Wall(1_000));
        let mut database = Database::open(&path).unwrap();
        database.store(&server).unwrap();
        let before = database.db.total_changes();
        server.put("/new", Content::new(*b"new"), Wall(2_000));
        database.store(&server).unwrap();
        database.store(&server).unwrap();
        assert_eq!(database.db.total_changes() - before, 1);
    }

    #[test]
    fn changes_are_stored_all_or_none_and_a_server_can_take_them_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.db");
        let mut server = Server::default();
        server.put("/a", Content::new(*b"a"), Wall(1_000));
        let mut database = Database::open(&path).unwrap();
        database.store(&server).unwrap();
        let before = server.clone();
        let by = "somebody".into();
        server.put_if(&by, "/b", Content::new(*b"b"), &IfMatch::Absent, Wall(2_000)).unwrap();
        server.put("/a", Content::new(*b"again"), Wall(3_000));
        server.delete("/b", Wall(4_000));
        // The last of the three can not be written.
        database
            .db
            .execute_batch(
                "CREATE TEMP TRIGGER full BEFORE INSERT ON changes WHEN new.number = 4
                 BEGIN SELECT RAISE(ABORT, 'disk full'); END",
            )
            .unwrap();
        let why = database.store(&server).unwrap_err();
        assert!(why.to_string().contains("disk full"), "{why}");
        server.rewind(1);
        assert_eq!(server, before);
        drop(database);
        assert_eq!(reopened(&path), before);
    }

    #[test]
    fn what_is_in_use_foreign_or_has_a_gap_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.db");
        let mut server = Server::default();
        server.add_sample(7, 3, Wall(1_000));
        let mut database = Database::open(&path).unwrap();
        database.store(&server).unwrap();
        assert!(matches!(Database::open(&path), Err(DatabaseError::InUse(_))));
        database.db.execute("DELETE FROM changes WHERE number = 2", []).unwrap();
        let gap = database.load(Settings::default());
        assert!(matches!(gap, Err(DatabaseError::Gap { found: 3, before: 1, .. })), "{gap:?}");

        let text = dir.path().join("text");
        std::fs::write(&text, "a file of somebody, longer than a header of SQLite ".repeat(50))
            .unwrap();
        assert!(matches!(Database::open(&text), Err(DatabaseError::Foreign(_))));
        let other = dir.path().join("other.db");
        Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        assert!(matches!(Database::open(&other), Err(DatabaseError::Foreign(_))));
    }
}
