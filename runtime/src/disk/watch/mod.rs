//! The watcher: hears what people do to the files of a mirror, from inotify.
//!
//! It tells what it hears and decides nothing: every hint is looked at. What it could not hear,
//! because a queue ran over or the system has no watch left, it tells as [`Hint::Lost`], and
//! again and again while that goes on, so that scans take its place.
//!
//! | heard | hint |
//! |---|---|
//! | a file came by a rename, and we placed it just so | none |
//! | a file was made or written | `Written` |
//! | a writer closed it | `Closed` |
//! | it came by a rename | `Arrived` |
//! | it went by a rename, or was deleted | `Left` |
//! | a directory came | it is watched, with all below it; then `Directory` |
//! | a directory went by a rename, with files that nobody named | `Lost` |
//! | a name that the server can not have | none: it is [kept](super::strangers), to be told |
//! | the rules of what is ignored changed, the root went, the queue ran over | `Lost` |

use std::collections::HashSet;
use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use landfall_core::event::{Event, Hint};
use landfall_core::id::UnitId;
use landfall_core::path::RemotePath;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::inotify::{ReadFlags, Reader};
use rustix::io::Errno;
use tokio::sync::mpsc::UnboundedSender;

use super::ignores;
use super::strangers::Strangers;
use super::tree::{Tree, join, split, stamp};
use watches::{Unwatched, Watches};

mod later;
mod watches;

pub(super) use later::Later;

/// While something can not be heard, everything is scanned this often.
const SCAN: Duration = Duration::from_secs(30);

/// After an echo, more follow: as many as come in this time are heard together.
const ECHOES: Duration = Duration::from_millis(1);

/// Of what the system tells, so much is taken at once.
const BUFFER: usize = 64 * 1024;

/// Hears until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    tree: Arc<Tree>,
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Watches the whole tree, and goes on with that on a thread of its own.
    pub(super) fn start(
        root: &Path,
        tree: Arc<Tree>,
        unit: UnitId,
        events: UnboundedSender<Event>,
    ) -> io::Result<Self> {
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        tree.ignores.read(&tree.root);
        tree.echoes.listen(true);
        let mut ears = Ears {
            watches: Watches::new(root.to_owned(), tree.clone()),
            tree: tree.clone(),
            unit,
            events,
            written: HashSet::new(),
            lost: false,
            echoed: false,
            scan_at: None,
        };
        ears.arm_all();
        let stopped = stop.clone();
        let thread =
            std::thread::Builder::new().name("watch".into()).spawn(move || ears.hear(&stopped))?;
        Ok(Self { tree, stop, thread: Some(thread) })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.tree.echoes.listen(false);
        let told = rustix::io::write(&self.stop, &1u64.to_ne_bytes());
        if let (Ok(_), Some(thread)) = (told, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

/// One thing that the system told.
struct Heard {
    watch: i32,
    flags: ReadFlags,
    /// `None` if it is about the root itself.
    name: Option<CString>,
}

struct Ears {
    watches: Watches,
    tree: Arc<Tree>,
    unit: UnitId,
    events: UnboundedSender<Event>,
    /// Told as written since the last wait: a large file is written in many steps.
    written: HashSet<RemotePath>,
    /// Something was missed since the last wait.
    lost: bool,
    /// What we placed was heard since the last wait.
    echoed: bool,
    /// When the next scan takes the place of what can not be heard.
    scan_at: Option<Instant>,
}

impl Ears {
    fn hear(mut self, stop: &OwnedFd) {
        loop {
            if std::mem::take(&mut self.lost) {
                self.tell(Hint::Lost);
            }
            if std::mem::take(&mut self.echoed) {
                std::thread::sleep(ECHOES);
            }
            self.written.clear();
            match self.wait(stop) {
                Ok(true) => {}
                Ok(false) => return,
                Err(why) => {
                    tracing::error!(
                        "the watcher ended, and changes are found by scans alone: {why}"
                    );
                    return self.tell(Hint::Lost);
                }
            }
            if self.events.is_closed() {
                return;
            }
            for heard in self.read() {
                self.take(&heard);
            }
            if self.scan_at.is_some_and(|at| at <= Instant::now()) {
                self.arm_all_and_lose();
            }
        }
    }

    /// Waits until there is something to do. `false` if that is to stop.
    fn wait(&self, stop: &OwnedFd) -> io::Result<bool> {
        let mut fds = vec![PollFd::new(stop, PollFlags::IN)];
        if let Some(inotify) = self.watches.inotify() {
            fds.push(PollFd::new(inotify, PollFlags::IN));
        }
        let rest = self.scan_at.map(|at| at.saturating_duration_since(Instant::now()));
        let rest = rest.map(|rest| Timespec { tv_sec: rest.as_secs() as i64 + 1, tv_nsec: 0 });
        match poll(&mut fds, rest.as_ref()) {
            Ok(_) => Ok(fds[0].revents().is_empty()),
            Err(Errno::INTR) => Ok(true),
            Err(why) => Err(why.into()),
        }
    }

    /// What was heard. Taken as a whole, because what follows changes what is watched.
    fn read(&self) -> Vec<Heard> {
        let Some(inotify) = self.watches.inotify() else { return Vec::new() };
        let mut buffer = [MaybeUninit::uninit(); BUFFER];
        let mut reader = Reader::new(inotify.as_fd(), &mut buffer);
        let mut heard = Vec::new();
        while let Ok(event) = reader.next() {
            let name = event.file_name().map(ToOwned::to_owned);
            heard.push(Heard { watch: event.wd(), flags: event.events(), name });
            if reader.is_buffer_empty() {
                break;
            }
        }
        heard
    }

    fn take(&mut self, Heard { watch, flags, name }: &Heard) {
        if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            tracing::warn!(
                "more happened in the mirror than could be heard: everything is scanned"
            );
            return self.arm_all_and_lose();
        }
        let Some(dir) = self.watches.dir(*watch) else { return };
        if flags.contains(ReadFlags::IGNORED) {
            return self.watches.is_over(*watch);
        }
        let Some(name) = name else {
            // It is about the root itself.
            self.lost = true;
            return;
        };
        let local = join(dir, &name.to_string_lossy());
        let is_dir = flags.contains(ReadFlags::ISDIR);
        let goes = ReadFlags::MOVED_FROM | ReadFlags::DELETE;
        let is_saved = flags.intersects(ReadFlags::CLOSE_WRITE | ReadFlags::MOVED_TO | goes);
        if local == ignores::FILE && is_saved {
            self.tree.ignores.read(&self.tree.root);
            self.arm_all_and_lose();
        }
        if self.tree.ignores.is_ignored(&local, is_dir) {
            return;
        }
        let remote = name.to_str().ok().and_then(|_| self.tree.remote(&local));
        let Some(path) = remote else {
            if let Err(Some(stranger)) = Strangers::judge("", name.to_bytes()) {
                let (dir, _) = split(&local);
                match flags.intersects(goes) {
                    true => self.tree.strangers.went(dir, &stranger),
                    false => self.tree.strangers.came(dir, stranger),
                }
            }
            return;
        };
        if is_dir {
            return self.take_dir(&local, path, *flags);
        }
        let hint = if flags.contains(ReadFlags::CLOSE_WRITE) {
            Hint::Closed(path)
        } else if flags.contains(ReadFlags::MOVED_TO) {
            if self.is_echo(&local) {
                self.echoed = true;
                return;
            }
            Hint::Arrived(path)
        } else if flags.intersects(goes) {
            self.tree.echoes.forget(&local);
            Hint::Left(path)
        } else if self.written.insert(path.clone()) {
            Hint::Written(path)
        } else {
            return;
        };
        self.tell(hint);
    }

    fn is_echo(&self, local: &str) -> bool {
        let found = || self.tree.root.symlink_metadata(local).ok();
        self.tree.echoes.take(local, || found().map(|metadata| stamp(&metadata)))
    }

    fn take_dir(&mut self, local: &str, path: RemotePath, flags: ReadFlags) {
        if flags.contains(ReadFlags::MOVED_FROM) {
            self.watches.forget(local);
            self.tree.echoes.forget_all();
            self.lost = true;
        } else if flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
            // First, so that nothing happens between the scan and the watch.
            self.arm(local);
            self.tell(Hint::Directory(path));
        }
    }

    fn arm_all_and_lose(&mut self) {
        self.tree.echoes.forget_all();
        self.arm_all();
        self.lost = true;
    }

    /// Watches everything, also what could not be watched before.
    fn arm_all(&mut self) {
        let was_deaf = self.scan_at.take().is_some();
        match self.watches.arm("") {
            Err(why) => self.is_deaf(&why, was_deaf),
            Ok(()) if was_deaf => tracing::info!("everything in the mirror is heard again"),
            Ok(()) => {}
        }
    }

    /// Watches a directory and all below it.
    fn arm(&mut self, local: &str) {
        if let Err(why) = self.watches.arm(local) {
            self.is_deaf(&why, self.scan_at.is_some());
        }
    }

    /// Something can not be heard: scans take its place.
    fn is_deaf(&mut self, why: &Unwatched, was_deaf: bool) {
        self.scan_at.get_or_insert_with(|| Instant::now() + SCAN);
        if !was_deaf {
            tracing::warn!(
                "not everything in the mirror can be heard, so it is scanned every {SCAN:?}: {why}"
            );
            self.lost = true;
        }
    }

    fn tell(&self, hint: Hint) {
        // Nobody listens any more only when the process ends.
        let _ = self.events.send(Event::Heard { unit: self.unit, hint });
    }
}

#[cfg(test)]
mod tests;
