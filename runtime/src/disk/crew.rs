//! The threads that carry out disk operations.
//!
//! A few threads that stay are much cheaper than one for each operation: what is done to one
//! file takes less time than to wake a thread.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

/// How many there are. A disk that answers slowly is asked for this much at once.
const HANDS: usize = 8;

type Work = Box<dyn FnOnce() + Send>;

/// See the [module](self). Its threads start with the first operation and end with the last
/// handle.
#[derive(Clone, Debug, Default)]
pub(super) struct Crew {
    work: Arc<OnceLock<Sender<Work>>>,
}

impl Crew {
    /// Has something done, as soon as a thread is free.
    pub(super) fn give(&self, work: impl FnOnce() + Send + 'static) {
        // The threads take work as long as there is a sender, and this is one.
        let _ = self.work.get_or_init(start).send(Box::new(work));
    }
}

/// Work that comes at once, divided among the threads: each is woken at most once.
pub(super) fn shares<T>(mut work: Vec<T>) -> impl Iterator<Item = Vec<T>> {
    let size = work.len().div_ceil(HANDS).max(1);
    std::iter::from_fn(move || {
        let rest = work.split_off(work.len().min(size));
        let share = std::mem::replace(&mut work, rest);
        (!share.is_empty()).then_some(share)
    })
}

fn start() -> Sender<Work> {
    let (sender, queue) = channel();
    let queue = Arc::new(Mutex::new(queue));
    for n in 0..HANDS {
        let queue = queue.clone();
        let started = thread::Builder::new().name(format!("disk-{n}")).spawn(move || {
            while let Some(work) = next(&queue) {
                work();
            }
        });
        // The system may have no thread left; the others then do all of it.
        if let Err(why) = started
            && n == 0
        {
            tracing::error!("no thread for the disk can be started: {why}");
        }
    }
    sender
}

fn next(queue: &Mutex<Receiver<Work>>) -> Option<Work> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}
