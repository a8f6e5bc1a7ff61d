//! The [fingerprint](crate::fingerprint) of the table. Slots come first, in the order of their
//! paths: that is where calls get their numbers.

use super::deletes::Gathered;
use super::denied::{Denied, Probing};
use super::entry::{Doing, Entry, Hold, Ordinal, Remote};
use super::hints::Hints;
use super::push::Pushes;
use super::seal::{NEVER, Seals};
use super::slot::{Disagreed, Slot};
use super::unlink::Unlinks;
use super::witnesses::Witnesses;
use super::{Files, Job};
use crate::fingerprint::Print;
use crate::id::CommitSeq;

/// What the numbers in entries are relative to.
#[derive(Clone, Copy)]
pub(crate) struct Origin {
    /// The newest traversal.
    pub(crate) traversal: u32,
    /// The epoch of the feed.
    pub(crate) epoch: u32,
    /// The last commit that is durable.
    pub(crate) durable: CommitSeq,
}

impl Origin {
    pub(crate) fn ordinal(self, print: &mut Print, at: Ordinal) {
        print.plain(&(self.epoch - at.epoch.min(self.epoch), at.n));
    }

    fn remote(self, print: &mut Print, remote: &Remote) {
        match remote {
            Remote::Unknown(_) => print.plain(&0u8),
            Remote::Absent(_) => print.plain(&1u8),
            Remote::File { revision, hash, .. } => print.plain(&(2u8, revision, hash)),
        }
        self.ordinal(print, remote.at());
    }
}

impl Files {
    pub(crate) fn print(&self, print: &mut Print, origin: Origin) {
        let Self {
            mode,
            max_delete,
            reads_at_once,
            slots,
            counts: _,
            based: _,
            jobs,
            scan,
            hints,
            pushes,
            unlinks,
            // These follow from slots and jobs.
            to_look: _,
            to_fetch: _,
            to_place: _,
            to_store: _,
            busy: _,
            retry: _,
            disk_ops: _,
            reads: _,
            to_remove,
            deletes,
            gathered,
            tombstones,
            replay,
            unreadable,
            witnesses,
            denied,
            removals: _,
            bulk_read,
            without_modes: _,
            disk_paused,
            disk_troubles,
            stopping,
            cycles: _,
            seals,
            bytes: _,
            // Their difference to what the watchdog saw is the lane's.
            progress: _,
            answers: _,
            ask_feed,
            applied: _,
        } = self;
        for (path, slot) in slots {
            print.plain(path);
            slot.print(print, origin, seals);
        }
        print.any_order(jobs, |print, (call, job)| {
            print.call(*call);
            match job {
                Job::Clean => print.plain(&0u8),
                Job::Look(path) => print.plain(&(1u8, path)),
                Job::Read(path) => print.plain(&(2u8, path)),
                Job::ReadMany(paths) => print.plain(&(3u8, paths)),
                Job::Place(path) => print.plain(&(4u8, path)),
                Job::Remove(path, did) => print.plain(&(5u8, path, did)),
                Job::SetMode(path) => print.plain(&(8u8, path)),
                Job::Drop => print.plain(&6u8),
                Job::Scan(number, dir) => print.plain(&(9u8, scan.is_of(*number), dir)),
                Job::Stage(path, hash) => print.plain(&(10u8, path, hash)),
                Job::Root => print.plain(&11u8),
                Job::Seal(number) => {
                    print.plain(&7u8);
                    seals.print_number(print, *number);
                }
            }
        });
        print.plain(&(mode, max_delete, reads_at_once, to_remove, deletes, unreadable));
        scan.print(print);
        hints.print(print);
        pushes.print(print);
        unlinks.print(print);
        gathered.print(print);
        print.maybe(*replay, |print, at| origin.ordinal(print, at));
        print.maybe(tombstones.as_ref(), |print, deleted| {
            for (path, at) in deleted {
                print.plain(path);
                origin.ordinal(print, *at);
            }
        });
        print.plain(&(bulk_read, disk_troubles, stopping, ask_feed));
        witnesses.print(print);
        denied.print(print);
        print.maybe(*disk_paused, Print::until);
        seals.print(print);
    }
}

impl Slot {
    fn print(&self, print: &mut Print, origin: Origin, seals: &Seals) {
        let Self {
            entry,
            standing,
            due,
            removal,
            unsealed_at_boot,
            disagreed,
            deleted,
            at_odds,
            lags,
            alone,
            mode_refused,
            mark,
            cold,
            touched,
            undone,
            let_go,
            resend,
            // Only whether the scan under way saw it matters.
            scan: _,
            // It follows from the rest.
            queued: _,
        } = self;
        entry.print(print, origin, seals);
        print.plain(&(
            *standing as u8,
            unsealed_at_boot,
            alone,
            mode_refused,
            cold,
            touched,
            (undone, let_go, resend, deleted, at_odds),
        ));
        print.maybe(*due, Print::until);
        print.maybe(*removal, |print, seal| seals.print_number(print, seal));
        print.maybe(disagreed.as_ref(), |print, Disagreed { revision, since, tries }| {
            print.plain(&(revision, tries));
            print.since(*since);
        });
        print.maybe(*lags, |print, (since, last)| {
            print.since(since);
            print.since(last);
        });
        print.plain(&mark.0.saturating_sub(origin.durable.0));
    }
}

impl Entry {
    fn print(&self, print: &mut Print, origin: Origin, seals: &Seals) {
        let Self {
            base,
            local,
            proof,
            placing,
            remote,
            doing,
            hold,
            seen,
            missed,
            lineage,
            astray,
        } = self;
        print.plain(&(base, local, placing, lineage, astray));
        print.maybe(proof.as_ref(), |print, proof| {
            print.plain(&(proof.hash, proof.stamp));
            seals.print_number(print, proof.seal);
        });
        origin.remote(print, remote);
        print.maybe(doing.as_ref(), |print, doing| match doing {
            Doing::Looking { call } => {
                print.plain(&0u8);
                print.call(*call);
            }
            Doing::Fetching { call } => {
                print.plain(&1u8);
                print.call(*call);
            }
            Doing::Staged { blob, version } => {
                print.plain(&(2u8, version));
                print.blob(*blob);
            }
            Doing::Placing { call, blob, version } => {
                print.plain(&(3u8, version));
                print.call(*call);
                print.blob(*blob);
            }
            Doing::Removing { call } => {
                print.plain(&4u8);
                print.call(*call);
            }
            Doing::Staging { call } => {
                print.plain(&5u8);
                print.call(*call);
            }
            Doing::Pushing => print.plain(&6u8),
        });
        print.maybe(hold.as_ref(), |print, hold| match hold {
            Hold::Aside { tries, why, again } => {
                print.plain(&(tries, why));
                print.stored(*again);
            }
            Hold::MaxDelete => print.plain(&0u8),
            Hold::Unsent { what, why } => print.plain(&(what, why)),
        });
        // A traversal asks only whether it was the one that saw a path.
        print.plain(&(*seen == origin.traversal, missed.is_some()));
    }
}

impl Hints {
    fn print(&self, print: &mut Print) {
        let Self { since, queue: _, rescan } = self;
        for (path, (first, due)) in since {
            print.plain(path);
            print.since(*first);
            print.until(*due);
        }
        print.maybe(*rescan, Print::until);
    }
}

impl Pushes {
    fn print(&self, print: &mut Print) {
        // The sets follow from the entries.
        let Self { to_push: _, unheard: _, heard_all, staged, staging: _ } = self;
        print.plain(heard_all);
        for (path, staged) in staged {
            print.plain(&(path, staged.hash, staged.size));
            print.blob(staged.blob);
        }
    }
}

impl Unlinks {
    fn print(&self, print: &mut Print) {
        let Self { missing, since, twice, ready, asking, root_lost, gathered, lately } = self;
        print.plain(&(missing, twice, ready, asking, root_lost));
        for (path, at) in since {
            print.plain(path);
            print.since(*at);
        }
        gathered.print(print);
        for (hash, at) in lately {
            print.plain(hash);
            print.since(*at);
        }
    }
}

impl Witnesses {
    fn print(&self, print: &mut Print) {
        let Self { asked, accused, refuted } = self;
        print.plain(&(asked, accused, refuted));
    }
}

impl Denied {
    fn print(&self, print: &mut Print) {
        // The paths follow from the entries.
        let Self { paths: _, wave, heard, probes, last, at_once, tries, probing } = self;
        print.plain(&(wave, heard, probes, last, at_once, tries));
        match probing {
            Probing::Waiting(at) => print.until(*at),
            Probing::Asked { given, since } => {
                print.plain(given);
                print.since(*since);
            }
        }
    }
}

impl Gathered {
    fn print(&self, print: &mut Print) {
        let Self { since, lately } = self;
        print.maybe(*since, |print, (first, last, waiting)| {
            print.since(first);
            print.since(last);
            print.plain(&waiting);
        });
        for (at, gone, known) in lately {
            print.since(*at);
            print.plain(&(gone, known));
        }
        print.plain(&lately.len());
    }
}

impl Seals {
    /// The number of a seal: only how far it is from the last one taken matters.
    fn print_number(&self, print: &mut Print, number: u64) {
        print.plain(&match number {
            NEVER => NEVER,
            number => number.saturating_sub(self.sealed()),
        });
    }
}
