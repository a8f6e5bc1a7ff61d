//! One process per mirror.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

/// Held for the life of the process; the operating system lets go of it with the process, even
/// after a `kill -9`, so it can neither go stale nor be stolen.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a control directory; `None` if another process holds it.
    pub fn take(control: &Path) -> io::Result<Option<Self>> {
        let path = control.join("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(why)) => Err(why),
        }
    }

    /// Whether a process holds the lock of a control directory.
    pub fn is_held(control: &Path) -> bool {
        let Ok(file) = File::open(control.join("lock")) else { return false };
        // A shared lock does not keep a process that starts just now from taking it for long.
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }
}
