//! The whole table, and its algebra.

use alloc::vec::Vec;

use super::entry::{Entry, Hold, Local, Odd, Ordinal, Remote, Stamp, Version};
use super::plan::{Action, Rule, SyncMode, plan};
use crate::hash::ContentHash;
use crate::id::Revision;

const MODES: [SyncMode; 3] = [SyncMode::Mirror, SyncMode::PullOnly, SyncMode::WriteOnly];
const AT: Ordinal = Ordinal { epoch: 0, n: 5 };
const STAMP: Stamp = Stamp { size: 1, mtime_ns: 1, ctime_ns: 1, inode: 1, writable: true };

fn hash(n: u8) -> ContentHash {
    ContentHash([n; 32])
}

fn version(n: u8) -> Version {
    Version { revision: Revision(alloc::format!("rev_{n}").into()), hash: hash(n) }
}

fn file(n: u8) -> Local {
    Local::File { hash: hash(n), stamp: STAMP, suspect: false }
}

fn read_only_file(n: u8) -> Local {
    let stamp = Stamp { writable: false, ..STAMP };
    Local::File { hash: hash(n), stamp, suspect: false }
}

fn remote(n: u8, hashed: bool) -> Remote {
    Remote::File { revision: version(n).revision, hash: hashed.then_some(hash(n)), at: AT }
}

/// Every state of an entry: three versions are enough to tell equal from different.
fn entries() -> Vec<Entry> {
    let bases = [None, Some(version(1))];
    let locals = [
        Local::Unknown,
        Local::Absent,
        file(1),
        file(2),
        read_only_file(1),
        read_only_file(2),
        Local::File { hash: hash(2), stamp: STAMP, suspect: true },
        Local::Odd(Odd::Symlink),
    ];
    let remotes = [
        Remote::Unknown(AT),
        Remote::Absent(AT),
        remote(1, true),
        remote(1, false),
        remote(2, true),
        remote(2, false),
        remote(3, true),
        remote(3, false),
        // A revision that is used again for other bytes.
        Remote::File { revision: version(1).revision, hash: Some(hash(3)), at: AT },
        // The same bytes under another revision.
        Remote::File { revision: version(3).revision, hash: Some(hash(1)), at: AT },
    ];
    let mut entries = Vec::new();
    for base in &bases {
        for local in &locals {
            for remote in &remotes {
                for hold in [None, Some(Hold::MaxDelete)] {
                    entries.push(Entry {
                        base: base.clone(),
                        local: local.clone(),
                        remote: remote.clone(),
                        hold,
                        ..Entry::new()
                    });
                }
            }
        }
    }
    entries
}

fn cell(entry: &Entry) -> alloc::string::String {
    alloc::format!("{:?} | {:?} | {:?}", entry.base, entry.local, entry.remote)
}

#[test]
fn the_rules_in_words() {
    let entry = |base: Option<u8>, local: Local, remote: Remote| Entry {
        base: base.map(version),
        local,
        remote,
        ..Entry::new()
    };
    let pull = |e: Entry| plan(&e, SyncMode::PullOnly);
    let both = |e: Entry| plan(&e, SyncMode::Mirror);
    let gone = || Remote::Absent(AT);

    let (in_step, read_only) = ((Action::Rest, Rule::InStep), Action::SetMode { writable: false });
    assert_eq!(both(entry(Some(1), file(1), remote(1, true))), in_step);
    assert_eq!(pull(entry(Some(1), read_only_file(1), remote(1, true))), in_step);
    assert_eq!(pull(entry(Some(1), file(1), remote(1, true))), (read_only, Rule::Mode));
    assert_eq!(
        both(entry(Some(1), read_only_file(1), remote(1, true))),
        (Action::SetMode { writable: true }, Rule::Mode)
    );
    assert_eq!(pull(entry(Some(1), file(2), remote(1, true))), (Action::Rest, Rule::LocalOnly));
    assert_eq!(
        pull(entry(Some(1), file(1), remote(2, true))),
        (Action::Fetch { keep: false }, Rule::RemoteMoved)
    );
    assert_eq!(
        pull(entry(None, Local::Absent, remote(2, false))),
        (Action::Fetch { keep: false }, Rule::RemoteNew)
    );
    assert_eq!(pull(entry(None, file(2), remote(2, true))), (Action::Adopt, Rule::EqualBytes));
    assert_eq!(
        pull(entry(Some(1), file(2), remote(3, true))),
        (Action::Fetch { keep: true }, Rule::BothMoved)
    );
    assert_eq!(pull(entry(Some(1), file(1), gone())), (Action::Trash, Rule::RemoteDeleted));
    assert_eq!(pull(entry(Some(1), file(2), gone())), (Action::Rest, Rule::LocalOnly));
    assert_eq!(both(entry(Some(1), file(2), gone())), (Action::Push, Rule::EditOverDelete));
    assert_eq!(pull(entry(Some(1), file(2), remote(1, true))), (Action::Rest, Rule::LocalOnly));
    assert_eq!(both(entry(Some(1), file(2), remote(1, true))), (Action::Push, Rule::LocalMoved));
    assert_eq!(
        pull(entry(Some(1), Local::Absent, remote(1, true))),
        (Action::Fetch { keep: false }, Rule::LocalMissing)
    );
    assert_eq!(
        both(entry(Some(1), Local::Absent, remote(1, true))),
        (Action::PushDelete, Rule::LocalDeleted)
    );
    assert_eq!(
        both(entry(Some(1), Local::Absent, remote(2, true))),
        (Action::Fetch { keep: false }, Rule::DeleteUnderEdit)
    );
    assert_eq!(pull(entry(Some(1), Local::Absent, gone())), (Action::Forget, Rule::GoneOnBoth));
}

#[test]
fn nothing_destructive_follows_from_what_is_not_known() {
    for entry in entries() {
        let unknown = entry.local == Local::Unknown || matches!(entry.remote, Remote::Unknown(_));
        for mode in MODES {
            let (action, _) = plan(&entry, mode);
            let harmless = matches!(
                action,
                Action::Rest | Action::LookLocal | Action::LookRemote | Action::SetAside
            );
            assert!(!unknown || harmless, "{} -> {action:?}", cell(&entry));
        }
    }
}

#[test]
fn no_cell_loses_bytes() {
    for entry in entries() {
        for mode in MODES {
            let (action, rule) = plan(&entry, mode);
            // Local bytes may only go where the remote is known to have had them, or aside.
            let ours = match &entry.local {
                Local::File { hash, .. } => Some(*hash),
                _ => None,
            };
            let remote_had_it = ours.is_some() && ours == entry.base.as_ref().map(|b| b.hash);
            match action {
                Action::Trash => {
                    assert!(remote_had_it, "{} -> {rule:?}", cell(&entry));
                    assert!(matches!(entry.remote, Remote::Absent(_)), "{}", cell(&entry));
                }
                Action::Fetch { keep } => {
                    assert!(
                        keep || ours.is_none() || remote_had_it,
                        "{} -> {rule:?}",
                        cell(&entry)
                    );
                    assert_ne!(mode, SyncMode::WriteOnly, "{}", cell(&entry));
                }
                // A remote version may only be replaced or deleted by who has seen it.
                Action::Push | Action::PushDelete => {
                    assert_ne!(mode, SyncMode::PullOnly, "{}", cell(&entry));
                    let seen = match &entry.remote {
                        Remote::Absent(_) => true,
                        Remote::File { revision, hash, .. } => entry
                            .base
                            .as_ref()
                            .is_some_and(|b| b.revision == *revision || Some(b.hash) == *hash),
                        _ => false,
                    };
                    assert!(seen, "{} -> {rule:?}", cell(&entry));
                }
                Action::Adopt => {
                    let Remote::File { hash, .. } = &entry.remote else {
                        panic!("{}", cell(&entry))
                    };
                    assert!(hash.is_none_or(|hash| ours == Some(hash)), "{}", cell(&entry));
                }
                Action::Forget => assert_eq!(ours, None, "{}", cell(&entry)),
                _ => {}
            }
        }
    }
}

#[test]
fn carrying_out_the_plan_ends_in_rest() {
    for start in entries() {
        for mode in MODES {
            let mut entry = start.clone();
            let mut steps = Vec::new();
            loop {
                let (action, rule) = plan(&entry, mode);
                steps.push((action, rule));
                assert!(steps.len() < 8, "{} goes round: {steps:?}", cell(&start));
                match action {
                    Action::Rest | Action::Forget => break,
                    // The world behind the unknown: a file that nobody has seen, here and there.
                    Action::LookLocal => entry.local = file(2),
                    Action::LookRemote => entry.remote = remote(3, true),
                    Action::Adopt => {
                        let (Local::File { hash, .. }, Remote::File { revision, .. }) =
                            (&entry.local, &entry.remote)
                        else {
                            panic!("{}", cell(&entry))
                        };
                        entry.base = Some(Version { revision: revision.clone(), hash: *hash });
                    }
                    Action::Fetch { .. } => {
                        let Remote::File { revision, hash, at } = entry.remote.clone() else {
                            panic!("{}", cell(&entry))
                        };
                        let hash = hash.unwrap_or(ContentHash([9; 32]));
                        entry.local = Local::File { hash, stamp: STAMP, suspect: false };
                        entry.base = Some(Version { revision: revision.clone(), hash });
                        entry.remote = Remote::File { revision, hash: Some(hash), at };
                    }
                    Action::Trash | Action::SetAside => entry.local = Local::Absent,
                    Action::SetMode { writable } => {
                        let Local::File { stamp, .. } = &mut entry.local else {
                            panic!("{}", cell(&start))
                        };
                        assert_ne!(stamp.writable, writable, "{}", cell(&start));
                        stamp.writable = writable;
                    }
                    Action::Push => {
                        let Local::File { hash, .. } = entry.local else {
                            panic!("{}", cell(&entry))
                        };
                        let revision = Revision("rev_10".into());
                        entry.base = Some(Version { revision: revision.clone(), hash });
                        entry.remote = Remote::File { revision, hash: Some(hash), at: AT };
                    }
                    Action::PushDelete => entry.remote = Remote::Absent(AT),
                }
            }
        }
    }
}

#[test]
fn what_may_be_gone_is_asked_for_even_if_something_is_in_its_way() {
    let entry =
        Entry { local: Local::Odd(Odd::Directory), remote: Remote::Unknown(AT), ..Entry::new() };
    for mode in MODES {
        assert_eq!(plan(&entry, mode), (Action::LookRemote, Rule::RemoteUnknown));
    }
}
