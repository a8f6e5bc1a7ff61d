//! What is heard of what people do to files.

use std::fs;
use std::time::Duration;

use landfall_core::effect::DiskOp;
use landfall_core::event::{Answer, Outcome};
use landfall_core::id::{BlobId, CallId};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::disk::Disk;

struct Lab {
    dir: tempfile::TempDir,
    disk: Disk,
    events: UnboundedReceiver<Event>,
    _watcher: Option<Watcher>,
}

impl Lab {
    fn new(before: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        before(dir.path());
        let (sender, events) = unbounded_channel();
        let disk = Disk::open_two_way(dir.path(), "/base").unwrap();
        let watcher = disk.watch(UnitId(0), sender).unwrap();
        Self { dir, disk, events, _watcher: Some(watcher) }
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.dir.path().join(path), text).unwrap();
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.dir.path().join(path)
    }

    /// What is heard until this is. A file may be told as written more than once.
    fn until(&mut self, last: &Hint) -> Vec<Hint> {
        let begin = Instant::now();
        let mut heard = Vec::new();
        loop {
            match self.events.try_recv() {
                Ok(Event::Heard { hint, .. }) => {
                    let is_last = hint == *last;
                    if heard.last() != Some(&hint) {
                        heard.push(hint);
                    }
                    if is_last {
                        return heard;
                    }
                }
                Ok(other) => panic!("{other:?}"),
                Err(_) => std::thread::sleep(Duration::from_millis(2)),
            }
            assert!(begin.elapsed() < Duration::from_secs(10), "no {last:?} in {heard:?}");
        }
    }
}

fn at(path: &str) -> RemotePath {
    RemotePath::parse(&format!("/base/{path}")).unwrap()
}

#[test]
fn a_save_in_place_is_written_and_closed() {
    let mut lab = Lab::new(|root| fs::write(root.join("a.md"), "old").unwrap());
    lab.write("a.md", "new");
    assert_eq!(
        lab.until(&Hint::Closed(at("a.md"))),
        [Hint::Written(at("a.md")), Hint::Closed(at("a.md"))]
    );
}

#[test]
fn an_atomic_save_arrives_and_its_temporary_file_is_ignored() {
    let mut lab = Lab::new(|_| ());
    lab.write("a.md.tmp", "new");
    fs::rename(lab.path("a.md.tmp"), lab.path("a.md")).unwrap();
    fs::rename(lab.path("a.md"), lab.path("b.md")).unwrap();
    fs::remove_file(lab.path("b.md")).unwrap();
    let heard = lab.until(&Hint::Left(at("b.md")));
    let expected = [
        Hint::Arrived(at("a.md")),
        Hint::Left(at("a.md")),
        Hint::Arrived(at("b.md")),
        Hint::Left(at("b.md")),
    ];
    assert_eq!(heard, expected);
}

#[test]
fn what_the_process_places_is_no_news_but_what_becomes_of_it_is() {
    let mut lab = Lab::new(|_| ());
    let place = |lab: &Lab, name: &str, part: u32| {
        let call = CallId { run: 1, unit: UnitId(0), n: u64::from(part) };
        let blob = BlobId { call, part };
        let mut staged = lab.disk.stage.begin(blob).unwrap();
        std::io::Write::write_all(&mut staged, b"theirs").unwrap();
        staged.finish();
        let op = DiskOp::Place {
            path: at(name),
            blob,
            expect: None,
            keep: false,
            base: None,
            writable: true,
        };
        let outcome = lab.disk.perform(call, op);
        assert!(matches!(outcome, Outcome::Ok(Answer::Placed { .. })), "{outcome:?}");
    };
    // Nobody touches it.
    place(&lab, "a.md", 1);
    lab.write("first", "x");
    let heard = lab.until(&Hint::Closed(at("first")));
    assert_eq!(heard, [Hint::Written(at("first")), Hint::Closed(at("first"))]);
    // A person saves over it, moves it away, and moves it back.
    lab.write("a.md.tmp", "mine");
    fs::rename(lab.path("a.md.tmp"), lab.path("a.md")).unwrap();
    lab.until(&Hint::Arrived(at("a.md")));
    place(&lab, "b.md", 2);
    fs::rename(lab.path("b.md"), lab.path("c.md")).unwrap();
    fs::rename(lab.path("c.md"), lab.path("b.md")).unwrap();
    lab.write("second", "x");
    let heard = lab.until(&Hint::Closed(at("second")));
    let last = |hint| heard.iter().rposition(|heard| *heard == hint);
    assert!(last(Hint::Left(at("b.md"))).is_some(), "{heard:?}");
    assert!(last(Hint::Arrived(at("b.md"))) > last(Hint::Left(at("b.md"))), "{heard:?}");
    // A person is so fast that only their file is found.
    place(&lab, "d.md", 3);
    lab.write("d.md.tmp", "mine");
    fs::rename(lab.path("d.md.tmp"), lab.path("d.md")).unwrap();
    lab.until(&Hint::Arrived(at("d.md")));
}

#[test]
fn a_new_directory_is_heard_with_all_below_it() {
    let mut lab = Lab::new(|_| ());
    fs::create_dir_all(lab.path("d/e/f")).unwrap();
    lab.until(&Hint::Directory(at("d")));
    // Whatever was made before the directory above it was watched is found by its scan.
    std::thread::sleep(Duration::from_millis(50));
    lab.write("d/e/f/a.md", "new");
    lab.until(&Hint::Closed(at("d/e/f/a.md")));
}

#[test]
fn a_directory_that_is_renamed_is_heard_under_its_new_name_only() {
    let mut lab = Lab::new(|root| {
        fs::create_dir_all(root.join("d/e")).unwrap();
        fs::create_dir_all(root.join("de")).unwrap();
    });
    fs::rename(lab.path("d"), lab.path("new")).unwrap();
    let heard = lab.until(&Hint::Lost);
    assert!(heard.contains(&Hint::Directory(at("new"))), "{heard:?}");
    lab.write("new/e/a.md", "new");
    lab.until(&Hint::Closed(at("new/e/a.md")));
    lab.write("de/a.md", "its name begins the same");
    lab.until(&Hint::Closed(at("de/a.md")));
    fs::rename(lab.path("new"), lab.dir.path().join(".relay/out")).unwrap();
    lab.until(&Hint::Lost);
    lab.write(".relay/out/e/a.md", "outside");
    lab.write("last.md", "x");
    let heard = lab.until(&Hint::Closed(at("last.md")));
    assert_eq!(heard, [Hint::Written(at("last.md")), Hint::Closed(at("last.md"))]);
}

#[test]
fn what_stays_here_is_not_heard_and_rules_may_change() {
    let mut lab = Lab::new(|root| {
        for dir in [".git", "build/deep", "docs"] {
            fs::create_dir_all(root.join(dir)).unwrap();
        }
        fs::write(root.join(ignores::FILE), "build/\n").unwrap();
    });
    for path in [".git/index", "build/deep/a.o", ".relay/x", "docs/.a.md.swp", "docs/b\\c"] {
        lab.write(path, "x");
    }
    lab.write("docs/a.md", "x");
    let heard = lab.until(&Hint::Closed(at("docs/a.md")));
    assert_eq!(heard, [Hint::Written(at("docs/a.md")), Hint::Closed(at("docs/a.md"))]);
    lab.write(ignores::FILE, "docs\n");
    lab.until(&Hint::Lost);
    lab.write("build/deep/b.o", "x");
    lab.until(&Hint::Closed(at("build/deep/b.o")));
    lab.write("docs/a.md", "y");
    lab.write("last.md", "x");
    let heard = lab.until(&Hint::Closed(at("last.md")));
    assert_eq!(heard, [Hint::Written(at("last.md")), Hint::Closed(at("last.md"))]);
}

#[test]
fn a_name_that_can_not_travel_is_told_until_it_goes() {
    use std::os::unix::ffi::OsStrExt;
    for name in [&b"a\\b.md"[..], b"caf\xe9.md"] {
        let mut lab = Lab::new(|root| fs::create_dir(root.join("docs")).unwrap());
        let file = lab.path("docs").join(std::ffi::OsStr::from_bytes(name));
        fs::write(&file, "x").unwrap();
        lab.write("first.md", "x");
        let heard = lab.until(&Hint::Closed(at("first.md")));
        assert_eq!(heard, [Hint::Written(at("first.md")), Hint::Closed(at("first.md"))]);
        let told = lab.disk.strangers().told();
        let shown = format!("docs/{}", String::from_utf8_lossy(name));
        assert_eq!((told.count, told.first[0].path.as_str()), (1, shown.as_str()));
        fs::rename(&file, lab.path("docs/a-b.md")).unwrap();
        lab.until(&Hint::Arrived(at("docs/a-b.md")));
        assert_eq!(lab.disk.strangers().told().count, 0);
    }
}

#[test]
fn a_root_that_goes_is_something_missed() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("root");
    fs::create_dir(&root).unwrap();
    let disk = Disk::open_two_way(&root, "/").unwrap();
    let (sender, events) = unbounded_channel();
    let watcher = disk.watch(UnitId(0), sender).unwrap();
    fs::rename(&root, outer.path().join("elsewhere")).unwrap();
    let mut lab = Lab { dir: outer, disk, events, _watcher: Some(watcher) };
    lab.until(&Hint::Lost);
}

fn deaf() -> Lab {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::open_two_way(dir.path(), "/base").unwrap();
    let (sender, events) = unbounded_channel();
    disk.watch_later(UnitId(0), sender);
    Lab { dir, disk, events, _watcher: None }
}

fn call(n: u64) -> CallId {
    CallId { unit: UnitId(0), run: 1, n }
}

#[test]
fn ears_that_wait_open_before_the_first_file_is_looked_at() {
    let mut lab = deaf();
    lab.write("before.md", "nobody hears it, and the scan that is asked for shows it");
    let scanned = lab.disk.perform(call(1), DiskOp::Scan { dir: None });
    assert!(matches!(scanned, Outcome::Ok(Answer::Scanned(files)) if files.len() == 1));
    lab.disk.perform(call(2), DiskOp::Seal);
    assert!(lab.events.is_empty(), "nothing was to be done");

    let look = DiskOp::Look { path: at("before.md"), known: None, writable: None };
    lab.disk.perform(call(3), look.clone());
    assert_eq!(lab.until(&Hint::Lost), [Hint::Lost]);
    lab.write("after.md", "x");
    let heard = lab.until(&Hint::Closed(at("after.md")));
    assert_eq!(heard, [Hint::Written(at("after.md")), Hint::Closed(at("after.md"))]);

    lab.disk.perform(call(4), look);
    assert!(lab.events.is_empty(), "they open once");
}

#[test]
fn where_nothing_was_read_before_the_ears_opened_nothing_was_missed() {
    let mut lab = deaf();
    lab.write("a.md", "x");
    let look = DiskOp::Look { path: at("a.md"), known: None, writable: None };
    lab.disk.perform(call(1), look);
    lab.write("b.md", "y");
    assert_eq!(lab.until(&Hint::Closed(at("b.md")))[0], Hint::Written(at("b.md")));
}
