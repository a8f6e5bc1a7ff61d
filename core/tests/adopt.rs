//! A first bootstrap into a directory that has files, told as stories: the mirror of another
//! client is taken over and not downloaded again.

mod lab;

use lab::*;
use landfall_core::config::{Bootstrap, WorkspaceConfig};
use landfall_core::effect::{DiskOp, Effect};
use landfall_core::time::Ms;
use landfall_core::wire::TreeEntry;

/// A directory in which another client, or a person, left these files.
fn found(files: &[(&str, u8)]) -> Lab {
    let mut lab =
        Lab::with(WorkspaceConfig { bootstrap: Bootstrap::Tree, ..WorkspaceConfig::default() });
    for (path, n) in files {
        lab.put(path, hash(*n));
    }
    lab.start()
}

#[test]
fn what_the_listing_proves_is_adopted_and_only_the_rest_is_fetched() {
    // Must show: no export; two files adopted without a read; the one that is older than the
    // server's is read, and its bytes are kept; the one that the server does not know stays.
    let mut lab = found(&[("/a", 1), ("/b", 2), ("/mine", 8), ("/stale", 9)]);
    lab.answer("tip", tip(100));
    lab.page(&[listed("/a", 1), listed("/b", 2), listed("/stale", 3)], None, Some(3));
    lab.read("/stale", 3);
    lab.quiet_feed();
    lab.wait(Ms::secs(3));
    assert_eq!((lab.sent("export"), lab.sent("read")), (0, 1));
    assert!(lab.told("there are files here already"));
    assert_eq!(lab.disk["/stale"], hash(3));
    assert_eq!(lab.conflicts, [("/stale".to_string(), hash(9))]);
    assert_eq!(lab.disk["/mine"], hash(8));
    assert!(lab.status().in_step, "{}\n{:?}", lab.story, lab.status());
    insta::assert_snapshot!(lab.story);
}

#[test]
fn a_kill_in_the_middle_of_it_leads_to_no_export_either() {
    let mut lab = found(&[("/a", 1), ("/b", 2)]);
    lab.answer("tip", tip(100));
    lab.page(&[listed("/a", 1)], Some("/a"), Some(2));
    lab.kill();
    lab.page(&[listed("/b", 2)], None, Some(2));
    lab.quiet_feed();
    lab.wait(Ms::secs(3));
    assert_eq!((lab.sent("export"), lab.sent("read")), (0, 0));
    assert_eq!(lab.story.matches("there are files here already").count(), 1);
    assert!(lab.status().in_step, "{}\n{:?}", lab.story, lab.status());
}

#[test]
fn where_a_listing_has_no_hashes_a_read_proves_it_and_nothing_is_replaced() {
    let mut lab = found(&[("/a", 1)]);
    lab.answer("tip", tip(100));
    let bare = TreeEntry { content_hash: None, size: None, ..listed("/a", 1) };
    lab.page(&[bare], None, Some(1));
    lab.read("/a", 1);
    lab.quiet_feed();
    lab.wait(Ms::secs(3));
    let placed = |effect: &Effect| matches!(effect, Effect::Disk { op: DiskOp::Place { .. }, .. });
    assert!(!lab.effects.iter().any(placed), "{}", lab.story);
    assert!(lab.conflicts.is_empty() && lab.status().in_step, "{}", lab.story);
}

#[test]
fn a_feed_that_is_lost_later_is_an_ordinary_listing() {
    let mut lab = found(&[("/a", 1)]);
    lab.answer("tip", tip(100));
    lab.page(&[listed("/a", 1)], None, Some(1));
    lab.quiet_feed();
    lab.wait(Ms::secs(40));
    lab.answer("events", refused(410, "gone", ""));
    lab.answer("tip", tip(200));
    lab.page(&[listed("/a", 1)], None, Some(1));
    assert_eq!(lab.sent("export"), 0);
    assert_eq!(lab.story.matches("there are files here already").count(), 1);
}
