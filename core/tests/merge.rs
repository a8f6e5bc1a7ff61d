//! What both sides changed is merged where that is clean, and sent as an edit of what it was merged
//! with.
mod lab;
use lab::*;
use landfall_core::effect::{DiskOp, Effect};
use landfall_core::event::{Answer, Part};
use landfall_core::fault::{Blame, Fault};
use landfall_core::hash::ContentHash;
use landfall_core::time::Ms;

/// A file that both sides changed, and both changes go together.
fn both_changed() -> Lab {
    let mut lab = Lab::two_way(&[("/a", 1)]);
    lab.merges = Some(hash(14));
    lab.saves("/a", 9);
    lab.wait(Ms(20));
    refuse(&mut lab, "bulk /a v9 if rev_1");
    lab.wait(Ms(1));
    lab
}

/// The server has another version of /a than the one that was changed.
fn refuse(lab: &mut Lab, like: &str) {
    let call = lab.request(like);
    let (path, why) = ("/a".to_string(), Fault::Conflict);
    lab.part(call, Part::Refused { path, blame: Blame::Payload, why });
    lab.done(call, Answer::WroteMany);
}

/// What merges were asked for: of what is here, and with which base.
fn merges(lab: &Lab) -> Vec<(ContentHash, ContentHash)> {
    let merge = |effect: &Effect| match effect {
        Effect::Disk { op: DiskOp::Place { expect, base, .. }, .. } => (*expect).zip(*base),
        _ => None,
    };
    lab.effects.iter().filter_map(merge).collect()
}

/// It must show: what comes of a merge is at the path, nobody has to look at what was there, and
/// it is sent over the version that it was merged with and over no other.
#[test]
fn a_merge_is_sent_over_the_version_that_it_was_merged_with() {
    let mut lab = both_changed();
    lab.read("/a", 5);
    lab.wait(Ms::secs(1));
    assert_eq!(merges(&lab), [(hash(9), hash(1))]);
    assert_eq!(lab.disk["/a"], hash(14), "{}", lab.story);
    assert!(lab.told("merged /a") && lab.conflicts.is_empty(), "{}", lab.story);
    lab.wrote("bulk /a v14 if rev_5", &[("/a", "rev_6")]);
    lab.quiet_feed_if_asked();
    lab.wait(Ms::secs(3));
    assert!(lab.status().in_step, "{}", lab.story);
}

/// Somebody else was faster once more. What is merged then has the version of the first merge as
/// its base: with the old one, the first change of the other side would be merged twice.
#[test]
fn the_next_merge_has_the_version_of_the_last_one_as_its_base() {
    let mut lab = both_changed();
    lab.read("/a", 5);
    lab.wait(Ms::secs(1));
    refuse(&mut lab, "bulk /a v14 if rev_5");
    lab.wait(Ms(1));
    lab.merges = Some(hash(15));
    lab.read("/a", 6);
    lab.wait(Ms::secs(1));
    assert_eq!(merges(&lab), [(hash(9), hash(1)), (hash(14), hash(5))]);
    lab.wrote("bulk /a v15 if rev_6", &[("/a", "rev_7")]);
    assert_eq!(lab.disk["/a"], hash(15), "{}", lab.story);
}

/// Changes of the same lines: both are kept, and nothing is sent.
#[test]
fn what_does_not_go_together_is_a_conflict() {
    let mut lab = both_changed();
    lab.merges = None;
    lab.read("/a", 5);
    lab.wait(Ms::secs(3));
    assert_eq!(lab.conflicts, [("/a".to_string(), hash(9))], "{}", lab.story);
    assert_eq!((lab.disk["/a"], lab.sent("bulk")), (hash(5), 1), "{}", lab.story);
}

/// It must show: a kill before the merge is known to the store leads to the same merge again, of
/// the same base, and then it is sent.
#[test]
fn a_merge_that_was_not_remembered_is_made_again() {
    let mut lab = both_changed();
    lab.hold = Some(|effect| matches!(effect, Effect::Disk { op: DiskOp::Place { .. }, .. }));
    lab.read("/a", 5);
    lab.wait(Ms(1));
    lab.hold = Some(is_commit);
    lab.release();
    assert_eq!(lab.disk["/a"], hash(14), "{}", lab.story);
    lab.hold = None;
    lab.kill();
    lab.wait(Ms::secs(3));
    lab.quiet_feed_if_asked();
    lab.read("/a", 5);
    lab.wait(Ms::secs(3));
    assert_eq!(merges(&lab)[1..], [(hash(14), hash(1))], "{}", lab.story);
    assert!(lab.conflicts.is_empty(), "{}", lab.story);
    lab.request("bulk /a v14 if rev_5");
}

/// Two people made a file of the same name: there is no version that both began with.
#[test]
fn without_a_base_nothing_is_merged() {
    let mut lab = Lab::two_way(&[("/b", 2)]);
    lab.merges = Some(hash(14));
    lab.saves("/a", 9);
    lab.wait(Ms(20));
    refuse(&mut lab, "bulk /a v9 if 0");
    lab.wait(Ms(1));
    lab.read("/a", 5);
    lab.wait(Ms::secs(1));
    assert_eq!(merges(&lab), []);
    assert_eq!(lab.conflicts, [("/a".to_string(), hash(9))], "{}", lab.story);
}
