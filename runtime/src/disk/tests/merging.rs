//! What both sides changed, on a real file system.

use super::*;

const BASE: &str = "# Plan\n\none\ntwo\nthree\nfour\n";
const MINE: &str = "# Plan\n\nONE\ntwo\nthree\nfour\n";
const THEIRS: &str = "# Plan\n\none\ntwo\nthree\nFOUR\n";
const BOTH: &str = "# Plan\n\nONE\ntwo\nthree\nFOUR\n";

impl Lab {
    /// A mirror that is written here, and that has placed a base.
    fn two_way(base: &str) -> Self {
        let mut lab = Self::new();
        lab.disk = Disk::open_two_way(lab.dir.path(), "/").unwrap();
        lab.place("/d/a.md", base, None, false);
        lab
    }

    fn merge(&mut self, base: &str, theirs: &str, mine: &str) -> Outcome {
        let blob = self.stage(theirs);
        self.perform(DiskOp::Place {
            path: remote("/d/a.md"),
            blob,
            expect: Some(hash(mine)),
            keep: true,
            base: Some(hash(base)),
            writable: true,
        })
    }

    /// What is below the control directory, but for the bases.
    fn aside(&self) -> Vec<String> {
        self.control().into_iter().filter(|name| !name.starts_with("bases/")).collect()
    }

    fn copy(&self, dir: &str, text: &str) -> String {
        format!("{dir}/d/a.md.{}.local", hash(text).short())
    }
}

/// What was kept, and what came of a merge.
fn placed(outcome: Outcome) -> (Option<ContentHash>, Option<ContentHash>) {
    match outcome {
        Outcome::Ok(Answer::Placed { kept, merged, .. }) => (kept, merged),
        other => panic!("{other:?}"),
    }
}

#[test]
fn changes_that_go_together_are_both_in_the_file() {
    let mut lab = Lab::two_way(BASE);
    lab.write("/d/a.md", MINE);
    let outcome = lab.merge(BASE, THEIRS, MINE);
    assert_eq!(placed(outcome), (None, Some(hash(BOTH))));
    assert_eq!(lab.read("/d/a.md"), BOTH);
    // What was here is not lost, and nobody has to look at it.
    assert_eq!(lab.aside(), [lab.copy("conflicts/resolved", MINE)]);
}

#[test]
fn the_stamp_of_a_merged_file_proves_what_is_there() {
    let mut lab = Lab::two_way(BASE);
    lab.write("/d/a.md", MINE);
    let Outcome::Ok(Answer::Placed { stamp, .. }) = lab.merge(BASE, THEIRS, MINE) else { panic!() };
    let look = DiskOp::Look { path: remote("/d/a.md"), known: None, writable: None };
    let found = Found::File { hash: hash(BOTH), stamp };
    assert_eq!(lab.perform(look), Outcome::Ok(Answer::Looked(found)));
}

#[test]
fn what_was_sent_is_a_base_too() {
    let mut lab = Lab::two_way("something else\n");
    lab.write("/d/a.md", BASE);
    let call = CallId { run: 2, unit: UnitId(0), n: 3 };
    let sent = DiskOp::Stage { path: remote("/d/a.md"), expect: hash(BASE) };
    let Outcome::Ok(Answer::Staged { blob, .. }) = lab.disk.perform(call, sent) else { panic!() };
    lab.perform(DiskOp::Drop { blob });
    lab.write("/d/a.md", MINE);
    assert_eq!(placed(lab.merge(BASE, THEIRS, MINE)).1, Some(hash(BOTH)));
    // And so is what both sides have after a merge.
    let (mine, theirs) = (BOTH.replace("two", "TWO"), THEIRS.replace("# Plan", "# The plan"));
    lab.write("/d/a.md", &mine);
    assert!(placed(lab.merge(THEIRS, &theirs, &mine)).1.is_some());
    assert_eq!(lab.read("/d/a.md"), BOTH.replace("two", "TWO").replace("# Plan", "# The plan"));
}

#[test]
fn changes_of_the_same_lines_are_a_conflict() {
    let mut lab = Lab::two_way(BASE);
    let mine = BASE.replace("four", "vier");
    lab.write("/d/a.md", &mine);
    assert_eq!(placed(lab.merge(BASE, THEIRS, &mine)), (Some(hash(&mine)), None));
    assert_eq!(lab.read("/d/a.md"), THEIRS);
    assert_eq!(lab.aside(), [lab.copy("conflicts", &mine)]);
}

#[test]
fn without_a_copy_of_the_base_it_is_a_conflict() {
    let mut lab = Lab::two_way("something else\n");
    lab.write("/d/a.md", MINE);
    assert_eq!(placed(lab.merge(BASE, THEIRS, MINE)), (Some(hash(MINE)), None));
    assert_eq!(lab.read("/d/a.md"), THEIRS);
}

#[test]
fn a_mirror_that_is_not_written_here_keeps_no_bases_and_merges_nothing() {
    let mut lab = Lab::new();
    lab.place("/d/a.md", BASE, None, false);
    lab.write("/d/a.md", MINE);
    assert_eq!(placed(lab.merge(BASE, THEIRS, MINE)), (Some(hash(MINE)), None));
    assert_eq!(lab.control(), [lab.copy("conflicts", MINE)]);
}

#[test]
fn bytes_that_are_no_text_are_never_merged() {
    let (mine, theirs) = (MINE.replace("two", "t\0wo"), THEIRS.replace("two", "t\0wo"));
    for (mine, theirs) in [(MINE, &*theirs), (&*mine, THEIRS)] {
        let mut lab = Lab::two_way(BASE);
        lab.write("/d/a.md", mine);
        assert_eq!(placed(lab.merge(BASE, theirs, mine)), (Some(hash(mine)), None));
        assert_eq!(lab.read("/d/a.md"), theirs);
    }
}

#[test]
fn what_was_saved_since_it_was_looked_at_is_a_conflict() {
    let mut lab = Lab::two_way(BASE);
    let newer = MINE.replace("two", "saved a moment ago");
    lab.write("/d/a.md", &newer);
    assert_eq!(placed(lab.merge(BASE, THEIRS, MINE)), (Some(hash(&newer)), None));
    assert_eq!(lab.read("/d/a.md"), THEIRS);
    assert_eq!(lab.aside(), [lab.copy("conflicts", &newer)]);
}

#[test]
fn what_is_in_the_way_is_left_alone_and_their_bytes_wait() {
    let mut lab = Lab::two_way(BASE);
    fs::remove_file(lab.file("/d/a.md")).unwrap();
    let outcome = lab.merge(BASE, THEIRS, MINE);
    assert_eq!(outcome, Outcome::Ok(Answer::Occupied(Found::Absent)));
    assert_eq!(lab.disk.stage.held().into_values().collect::<Vec<_>>(), [hash(THEIRS)]);
}

#[test]
fn where_one_side_has_the_changes_of_the_other_nothing_is_doubled() {
    let more = BOTH.replace("two", "TWO");
    for (mine, theirs) in [(MINE, &*more), (&*more, THEIRS), (MINE, MINE)] {
        let mut lab = Lab::two_way(BASE);
        lab.write("/d/a.md", mine);
        placed(lab.merge(BASE, theirs, mine));
        let all = if mine == theirs { MINE } else { &more };
        assert_eq!(lab.read("/d/a.md"), all);
    }
}
