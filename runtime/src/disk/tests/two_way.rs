//! What only a mirror that is written needs of its disk.

use super::*;

const CALL: CallId = CallId { run: 1, unit: UnitId(0), n: 1 };

#[test]
fn a_root_that_went_or_was_replaced_is_no_root() {
    let outer = tempfile::tempdir().unwrap();
    let (root, elsewhere) = (outer.path().join("root"), outer.path().join("elsewhere"));
    fs::create_dir(&root).unwrap();
    let disk = Disk::open(&root, "/").unwrap();
    let ask = || {
        let rooted = disk.perform(CALL, DiskOp::Root);
        // What is not there is not made durable.
        let is_sealed = disk.perform(CALL, DiskOp::Seal) == Outcome::Ok(Answer::Sealed);
        assert_eq!(is_sealed, rooted == Outcome::Ok(Answer::Rooted));
        rooted
    };
    let lost = Outcome::Failed { blame: Blame::Lane, why: Fault::RootLost, retry_after: None };
    assert_eq!(ask(), Outcome::Ok(Answer::Rooted));
    fs::rename(&root, &elsewhere).unwrap();
    assert_eq!(ask(), lost, "it went");
    fs::create_dir_all(root.join(CONTROL_DIR)).unwrap();
    assert_eq!(ask(), lost, "another has its place");
    fs::remove_dir_all(&root).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &root).unwrap();
    assert_eq!(ask(), Outcome::Ok(Answer::Rooted), "a link leads to it");
    fs::rename(elsewhere.join(CONTROL_DIR), outer.path().join("control")).unwrap();
    assert_eq!(ask(), lost, "its control directory went");
}

#[test]
fn a_scan_of_a_mirror_that_is_written_tells_of_what_stays_here_only_that_it_is_there() {
    let lab = Lab::new();
    for path in ["/.git/config", "/a.md", "/.a.md.swp", "/build/x", "/.landfallignore"] {
        lab.write(path, "build\n");
    }
    let names = |disk: &Disk| {
        let outcome = disk.perform(CALL, DiskOp::Scan { dir: None });
        let Outcome::Ok(Answer::Scanned(entries)) = outcome else { panic!("{outcome:?}") };
        let name = |(path, seen)| (RemotePath::to_string(&path), seen != Seen::Kept);
        let mut names: Vec<_> = entries.into_iter().map(name).collect();
        names.sort();
        names
    };
    let two_way = Disk::open_two_way(lab.dir.path(), "/").unwrap();
    // Nothing at all is told of /.git, which no server has.
    let all =
        [("/.a.md.swp", false), ("/.landfallignore", true), ("/a.md", true), ("/build", false)];
    assert_eq!(names(&two_way), all.map(|(name, shown)| (name.to_string(), shown)));
    assert_eq!(names(&lab.disk).len(), 5);
    // One that could not be read is asked for again, and then a person ignores it.
    let build = DiskOp::Scan { dir: Some(remote("/build")) };
    assert_eq!(two_way.perform(CALL, build), Outcome::Ok(Answer::Scanned(Vec::new())));
}

#[test]
fn a_long_name_that_a_person_made_is_kept_and_one_of_the_server_is_shortened() {
    let mut lab = Lab::new();
    let (ours, theirs) = (format!("/{}.md", "o".repeat(240)), format!("/{}.md", "t".repeat(240)));
    lab.write(&ours, "ours");
    lab.place(&theirs, "theirs", None, false);
    assert!(!lab.file(&theirs).exists());
    let Outcome::Ok(Answer::Scanned(seen)) = lab.perform(DiskOp::Scan { dir: None }) else {
        panic!("it can be scanned")
    };
    let is_shown = |(path, seen): &(RemotePath, Seen)| (path.as_str() == ours, *seen != Seen::Kept);
    assert_eq!(seen.iter().map(is_shown).collect::<Vec<_>>(), [(true, true), (false, false)]);
    // What is looked at, replaced and copied is the file that the person made.
    lab.place(&ours, "newer", Some("ours"), false);
    assert_eq!(lab.read(&ours), "newer");
    // A file of the server keeps its short name, whatever is made beside it.
    lab.write(&theirs, "somebody's");
    let look = DiskOp::Look { path: remote(&theirs), known: None, writable: None };
    let Outcome::Ok(Answer::Looked(Found::File { hash: found, .. })) = lab.perform(look) else {
        panic!("it is here")
    };
    assert_eq!(found, hash("theirs"));
    // A directory is no different.
    let dir = "d".repeat(230);
    lab.write(&format!("/{dir}/a.md"), "a");
    lab.place(&format!("/{dir}/b.md"), "b", None, false);
    assert_eq!(lab.read(&format!("/{dir}/b.md")), "b");
}

#[test]
fn names_that_can_not_travel_are_known_as_long_as_they_are_there() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::open_two_way(dir.path(), "/").unwrap();
    let no_text = std::ffi::OsStr::from_bytes(b"caf\xe9.txt");
    fs::create_dir_all(dir.path().join("docs/build")).unwrap();
    fs::write(dir.path().join(".landfallignore"), "build/\n").unwrap();
    for name in ["docs/a\\b.md", "docs/fine.md", "docs/build/x\\y", "~tmp\\z.swp"] {
        fs::write(dir.path().join(name), "x").unwrap();
    }
    fs::write(dir.path().join("docs").join(no_text), "x").unwrap();
    let scan = |path: Option<&str>| {
        let dir = path.map(remote);
        let outcome = disk.perform(CALL, DiskOp::Scan { dir });
        assert!(matches!(outcome, Outcome::Ok(Answer::Scanned(_))), "{outcome:?}");
        let told = disk.strangers().told();
        assert_eq!(told.count, told.first.len());
        told.first.into_iter().map(|stranger| (stranger.path, stranger.why)).collect::<Vec<_>>()
    };
    let said = |path: &str, why: &str| (path.to_owned(), why.to_owned());
    assert_eq!(scan(None), []);
    let both = [
        said("docs/a\\b.md", "it has a backslash"),
        said("docs/caf\u{fffd}.txt", "it is not UTF-8"),
    ];
    assert_eq!(scan(Some("/docs")), both);
    assert_eq!(scan(None), both);
    fs::rename(dir.path().join("docs/a\\b.md"), dir.path().join("docs/a-b.md")).unwrap();
    assert_eq!(scan(Some("/docs")), both[1..]);
    fs::remove_dir_all(dir.path().join("docs")).unwrap();
    assert_eq!(scan(None), []);
}
