//! A directory that had a life before us: what is in it, and whether another client keeps it.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use landfall_core::config::Bootstrap;
use landfall_core::path::CONTROL_DIR;
use reqwest::Url;
use sha2::{Digest, Sha256};

/// How a first bootstrap of this directory begins: by the tree if there is any file in it, and
/// where that can not be told.
pub fn bootstrap(root: &Path) -> Bootstrap {
    match has_file(root) {
        Ok(false) => Bootstrap::Export,
        Ok(true) | Err(_) => Bootstrap::Tree,
    }
}

/// Looks no further than the first file, and not into control directories or through links.
fn has_file(root: &Path) -> io::Result<bool> {
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_file() {
                return Ok(true);
            }
            if kind.is_dir() && entry.file_name() != CONTROL_DIR {
                open.push(entry.path());
            }
        }
    }
    Ok(false)
}

/// The lease of the npm client on a directory, taken so that it does not start there while we
/// run. Let go of with the process.
#[derive(Debug)]
pub struct NpmLease {
    _file: File,
}

/// What became of the lease.
#[derive(Debug)]
pub enum Taken {
    /// That client was never here: there is nothing to take.
    None,
    /// It is ours now.
    Ours(NpmLease),
    /// That client is running.
    Theirs,
}

impl NpmLease {
    /// Takes the lease for a workspace of a server in a directory, given by its real path.
    /// `caches` is the user's cache directory. Clients before 0.10.69 have no lease.
    pub fn take(caches: &Path, base_url: &str, workspace: &str, root: &Path) -> io::Result<Taken> {
        let mut key = Sha256::new();
        for part in [canonical(base_url).as_bytes(), &[0], workspace.as_bytes(), &[0]] {
            key.update(part);
        }
        key.update(root.as_os_str().as_encoded_bytes());
        let name = format!("{}.lock", landfall_core::hash::ContentHash(key.finalize().into()));
        let path = caches.join("relayfile").join("mount-leases").join(name);
        let file = match File::options().read(true).write(true).open(path) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Taken::None),
            other => other?,
        };
        match file.try_lock() {
            Ok(()) => Ok(Taken::Ours(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(Taken::Theirs),
            Err(TryLockError::Error(why)) => Err(why),
        }
    }
}

/// The address of a server as the lease has it: without a user, a fragment, a default port and
/// a `/` at the end.
fn canonical(base_url: &str) -> String {
    let Ok(mut url) = Url::parse(base_url) else { return base_url.to_owned() };
    // Both fail only for addresses that can not have a user in the first place.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    url.as_str().trim_end_matches('/').to_owned()
}

/// The user's cache directory: `$XDG_CACHE_HOME`, or `~/.cache`.
pub fn cache_dir() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| value != OsStr::new(""));
    set("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(set("HOME")?).join(".cache")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_mirror_count_as_files() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        assert_eq!(bootstrap(root), Bootstrap::Export);
        fs::create_dir_all(root.join(".relay/outbox")).unwrap();
        fs::write(root.join(".relay/state.json"), "{}").unwrap();
        fs::create_dir_all(root.join("deep/er")).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("/etc", root.join("deep/link")).unwrap();
        assert_eq!(bootstrap(root), Bootstrap::Export);
        fs::write(root.join("deep/er/a.md"), "a").unwrap();
        assert_eq!(bootstrap(root), Bootstrap::Tree);
        assert_eq!(bootstrap(&root.join("nowhere")), Bootstrap::Tree);
    }

    #[test]
    fn a_lease_is_found_under_the_name_that_the_npm_client_gives_it() {
        // Seen on a disk: server http://127.0.0.1:18999, workspace w.
        let seen = "052b1b8cfbecb5ede26ebd988384c7ce34c5ea504db6a3b4dbc8af9422afea34.lock";
        let root = Path::new("/tmp/npmtry/run/m-0.10.69");
        let caches = tempfile::tempdir().unwrap();
        let url = "HTTP://user@127.0.0.1:18999/";
        let take = || NpmLease::take(caches.path(), url, "w", root).unwrap();
        assert!(matches!(take(), Taken::None));
        let leases = caches.path().join("relayfile/mount-leases");
        fs::create_dir_all(&leases).unwrap();
        let theirs = File::create(leases.join(seen)).unwrap();
        theirs.lock().unwrap();
        assert!(matches!(take(), Taken::Theirs));
        theirs.unlock().unwrap();
        let ours = take();
        assert!(matches!(ours, Taken::Ours(_)));
        assert!(matches!(theirs.try_lock(), Err(TryLockError::WouldBlock)), "{ours:?}");
    }
}
