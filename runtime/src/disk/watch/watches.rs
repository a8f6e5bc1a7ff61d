//! Which directories are watched.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init, remove_watch};
use rustix::io::Errno;
use thiserror::Error;

use super::super::pulse::beat;
use super::super::tree::{Tree, join};

/// Why a directory is not watched.
#[derive(Debug, Error)]
pub(super) enum Unwatched {
    /// The system has no watch left for this user.
    #[error(
        "{0} directories are watched and the system allows no more. Raise the limit with \
         `sysctl fs.inotify.max_user_watches=524288`"
    )]
    Watches(usize),
    /// It has no watcher left.
    #[error(
        "the system allows this user no more watchers. Raise the limit with \
         `sysctl fs.inotify.max_user_instances=1024`"
    )]
    Instances,
    /// Something else.
    #[error("{0}: {1}")]
    Other(String, Errno),
}

/// The watched directories, by their paths below the root. The root is the empty path.
pub(super) struct Watches {
    root: PathBuf,
    tree: Arc<Tree>,
    inotify: Option<OwnedFd>,
    dirs: HashMap<i32, String>,
    by_dir: BTreeMap<String, i32>,
}

impl Watches {
    pub fn new(root: PathBuf, tree: Arc<Tree>) -> Self {
        Self { root, tree, inotify: None, dirs: HashMap::new(), by_dir: BTreeMap::new() }
    }

    pub fn inotify(&self) -> Option<&OwnedFd> {
        self.inotify.as_ref()
    }

    /// The directory of a watch.
    pub fn dir(&self, watch: i32) -> Option<&str> {
        self.dirs.get(&watch).map(String::as_str)
    }

    /// Watches a directory, and all below it. A directory is watched before it is read, so that
    /// none is made in between and missed.
    pub fn arm(&mut self, local: &str) -> Result<(), Unwatched> {
        let mut to_arm = vec![local.to_owned()];
        while let Some(local) = to_arm.pop() {
            beat();
            if !self.arm_one(&local)? {
                continue;
            }
            // One that went meanwhile has nothing in it.
            let Ok(entries) = std::fs::read_dir(self.root.join(&local)) else { continue };
            for entry in entries.flatten() {
                if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    continue;
                }
                let Ok(name) = entry.file_name().into_string() else { continue };
                let below = join(&local, &name);
                if self.tree.remote(&below).is_some() && !self.tree.ignores.is_ignored(&below, true)
                {
                    to_arm.push(below);
                }
            }
        }
        Ok(())
    }

    /// `false` if it is not there any more.
    fn arm_one(&mut self, local: &str) -> Result<bool, Unwatched> {
        let inotify = match &mut self.inotify {
            Some(inotify) => inotify,
            none => none.insert(begin()?),
        };
        let mut flags = WatchFlags::CREATE
            | WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVE
            | WatchFlags::DELETE
            | WatchFlags::ONLYDIR
            | WatchFlags::DONT_FOLLOW
            | WatchFlags::EXCL_UNLINK;
        if local.is_empty() {
            flags |= WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF;
        }
        let watch = match add_watch(&*inotify, self.root.join(local), flags) {
            Ok(watch) => watch,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(false),
            // Nobody who runs as this user can see what is in it.
            Err(Errno::ACCESS) => return Ok(false),
            Err(Errno::NOSPC) => return Err(Unwatched::Watches(self.dirs.len())),
            Err(why) => return Err(Unwatched::Other(local.to_owned(), why)),
        };
        if let Some(before) = self.dirs.insert(watch, local.to_owned())
            && before != local
        {
            self.by_dir.remove(&before);
        }
        self.by_dir.insert(local.to_owned(), watch);
        Ok(true)
    }

    /// A directory went elsewhere, with all below it.
    pub fn forget(&mut self, local: &str) {
        let below = format!("{local}/");
        let after = self.by_dir.range::<str, _>((Bound::Included(&*below), Bound::Unbounded));
        let mut gone: Vec<String> = after
            .take_while(|(dir, _)| dir.starts_with(&below))
            .map(|(dir, _)| dir.clone())
            .collect();
        gone.push(local.to_owned());
        for dir in gone {
            let Some(watch) = self.by_dir.remove(&dir) else { continue };
            self.dirs.remove(&watch);
            if let Some(inotify) = &self.inotify {
                // If it is gone altogether, so is its watch.
                let _ = remove_watch(inotify, watch);
            }
        }
    }

    /// The system ended a watch, because its directory is gone.
    pub fn is_over(&mut self, watch: i32) {
        if let Some(dir) = self.dirs.remove(&watch)
            && self.by_dir.get(&dir) == Some(&watch)
        {
            self.by_dir.remove(&dir);
        }
    }
}

fn begin() -> Result<OwnedFd, Unwatched> {
    init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).map_err(|why| match why {
        Errno::MFILE => Unwatched::Instances,
        why => Unwatched::Other("inotify".into(), why),
    })
}
