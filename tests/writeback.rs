//! A mount that goes both ways: what people do to the files of a mirror reaches the server, as
//! they did it and once, whatever happens to the mount.

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use landfall::serve::{Route, Running};
use landfall_core::time::{Ms, Wall};
use landfall_reference::script::Script;
use landfall_reference::server::{Content, Server};
use support::http::{USUAL, ask};
use support::{Place, remote, serving, text};

/// Only what is done here, or asked for because of it, is heard of.
const DEAF: &[&str] = &["--sync-mode", "mirror", "--websocket=false", "--interval", "1h"];
const MIRROR: &[&str] = &["--sync-mode", "mirror"];

fn workspace() -> Server {
    let mut server = Server::default();
    server.put("/docs/a.md", Content::new(*b"# hello a\n"), Wall(1_000));
    server.put("/docs/deep/er/b.bin", Content::new(vec![0, 1, 0xff]), Wall(2_000));
    server.put("/c.txt", Content::new(*b"c"), Wall(3_000));
    server
}

/// A mount, killed when the test is over.
struct Mount(Child);

impl Mount {
    async fn start(place: &Place, server: &Running, more: &[&str]) -> Self {
        let before = place.log().matches("in step").count();
        let mount = Self(place.spawn(server, more));
        until(place, "it is in step", || place.log().matches("in step").count() > before).await;
        mount
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn until(place: &Place, what: &str, is: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is() {
        assert!(begin.elapsed() < Duration::from_secs(20), "not {what}:\n{}", place.log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn file(place: &Place, path: &str) -> PathBuf {
    place.mirror().join(path)
}

fn write(place: &Place, path: &str, bytes: impl AsRef<[u8]>) {
    let file = file(place, path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, bytes).unwrap();
}

/// Writes a file beside it, and renames it.
fn save(place: &Place, path: &str, bytes: &str) {
    write(place, &format!("{path}.new"), bytes);
    std::fs::rename(file(place, &format!("{path}.new")), file(place, path)).unwrap();
}

fn has(server: &Running, path: &str, bytes: &[u8]) -> bool {
    server.with(|server| server.now().read(path).is_ok_and(|file| file.content.bytes() == bytes))
}

/// How often each path was changed, as the feed tells it.
async fn changes(server: &Running) -> BTreeMap<String, usize> {
    let target = "/v1/workspaces/w/fs/events?limit=1000";
    let page = ask(server.address(), "GET", target, USUAL, "").await.json();
    let mut changes = BTreeMap::new();
    for event in page["events"].as_array().unwrap() {
        *changes.entry(event["path"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    changes
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_here_is_done_there_and_the_other_way_round() {
    let (place, server) = (Place::new(), serving(workspace()).await);
    let _mount = Mount::start(&place, &server, MIRROR).await;
    let both = async |what: &str| {
        until(&place, what, || {
            let mut here = place.files();
            here.retain(|path, _| !path.starts_with("/.git/") && !path.ends_with(".swp"));
            here == remote(&server)
        })
        .await;
    };

    write(&place, ".git/config", "stays here");
    write(&place, "docs/.a.md.swp", "stays here");
    write(&place, "new/dir/\u{e9} \"new\".md", "# new\n\t\"quoted\" \\ \u{1f600}");
    write(&place, "new/image.png", [0x89, b'P', 0, 0xff]);
    write(&place, "new/empty", "");
    write(&place, "c.txt", "edited in place");
    save(&place, "docs/a.md", "saved by a rename");
    both("everything that was written").await;
    assert!(has(&server, "/c.txt", b"edited in place"));
    assert!(has(&server, "/docs/a.md", b"saved by a rename"));

    server.with(|server| {
        server.put("/c.txt", Content::new(*b"edited there"), Wall(4_000));
        server.delete("/new/empty", Wall(5_000));
    });
    both("what was done there").await;
    assert_eq!(std::fs::read(file(&place, "c.txt")).unwrap(), b"edited there");

    std::fs::remove_file(file(&place, "new/image.png")).unwrap();
    std::fs::rename(file(&place, "docs"), file(&place, "papers")).unwrap();
    both("what was moved and deleted").await;
    let paths: Vec<String> = remote(&server).into_keys().collect();
    assert_eq!(
        paths,
        ["/c.txt", "/new/dir/\u{e9} \"new\".md", "/papers/a.md", "/papers/deep/er/b.bin"]
    );
    until(&place, "nothing on the stage", || place.strays().is_empty()).await;
    let conflicts = place.mirror().join(".relay/conflicts");
    assert!(!conflicts.exists(), "nothing was in conflict:\n{}", place.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_while_no_mount_ran_is_found() {
    let (place, server) = (Place::new(), serving(workspace()).await);
    Mount::start(&place, &server, DEAF).await.kill();
    write(&place, "c.txt", "edited");
    write(&place, "new.md", "new");
    std::fs::remove_file(file(&place, "docs/a.md")).unwrap();
    let _mount = Mount::start(&place, &server, DEAF).await;
    until(&place, "sent", || place.files() == remote(&server)).await;
    assert!(has(&server, "/c.txt", b"edited") && has(&server, "/new.md", b"new"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_edits_both_are_kept() {
    let (place, server) = (Place::new(), serving(workspace()).await);
    let _mount = Mount::start(&place, &server, DEAF).await;
    server.with(|server| server.put("/c.txt", Content::new(*b"theirs"), Wall(4_000)));
    write(&place, "c.txt", "mine");
    // Theirs is placed a moment before mine is a conflict copy.
    until(&place, "kept", || place.conflicts() == [b"mine".to_vec()]).await;
    assert_eq!(std::fs::read(file(&place, "c.txt")).unwrap(), b"theirs");
    assert!(has(&server, "/c.txt", b"theirs"));
    // The next edit is made of what is there now.
    write(&place, "c.txt", "both");
    until(&place, "sent", || has(&server, "/c.txt", b"both")).await;
}

const PLAN: &str = "# Plan\n\none\ntwo\nthree\nfour\nfive\n";

#[tokio::test(flavor = "multi_thread")]
async fn edits_of_different_lines_are_both_in_the_file() {
    let mut server = workspace();
    server.put("/plan.md", Content::new(PLAN.as_bytes()), Wall(4_000));
    let (place, server) = (Place::new(), serving(server).await);
    let mut mount = Mount::start(&place, &server, DEAF).await;
    let theirs = PLAN.replace("one", "ONE");
    server.with(|server| server.put("/plan.md", Content::new(theirs.as_bytes()), Wall(5_000)));
    write(&place, "plan.md", PLAN.replace("five", "FIVE"));
    let both = theirs.replace("five", "FIVE");
    until(&place, "merged", || has(&server, "/plan.md", both.as_bytes())).await;
    assert_eq!(std::fs::read_to_string(file(&place, "plan.md")).unwrap(), both);
    assert!(place.conflicts().is_empty(), "{}", place.log());
    assert_eq!(changes(&server).await["/plan.md"], 3, "two edits, and what came of them");

    // What was merged is what the next edits began with, also over a kill.
    mount.kill();
    let theirs = both.replace("# Plan", "# The plan");
    server.with(|server| server.put("/plan.md", Content::new(theirs.as_bytes()), Wall(6_000)));
    write(&place, "plan.md", both.replace("three", "THREE"));
    let _mount = Mount::start(&place, &server, DEAF).await;
    let both = theirs.replace("three", "THREE");
    until(&place, "merged", || has(&server, "/plan.md", both.as_bytes())).await;
    assert_eq!(std::fs::read_to_string(file(&place, "plan.md")).unwrap(), both);
    assert!(place.conflicts().is_empty(), "{}", place.log());
}

/// Two agents work on one file, each on a paragraph of its own, and neither waits for the other.
#[tokio::test(flavor = "multi_thread")]
async fn two_mounts_that_edit_one_file_lose_no_line() {
    const LINES: usize = 12;
    let start: String = ["mine", "-", "-", "-", "yours"].map(|line| format!("{line}\n")).concat();
    let mut server = workspace();
    server.put("/log.md", Content::new(start.as_bytes()), Wall(4_000));
    let server = serving(server).await;
    let places = [Place::new(), Place::new()];
    let _mounts = [
        Mount::start(&places[0], &server, MIRROR).await,
        Mount::start(&places[1], &server, MIRROR).await,
    ];
    let mut random = 7u64;
    for n in 0..LINES {
        for (place, who) in places.iter().zip(["mine", "yours"]) {
            let text = std::fs::read_to_string(file(place, "log.md")).unwrap();
            save(place, "log.md", &text.replacen(who, &format!("{who}\n{who} {n}"), 1));
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            tokio::time::sleep(Duration::from_millis(random >> 57)).await;
        }
    }
    let read = |place: &Place| std::fs::read_to_string(file(place, "log.md")).unwrap();
    until(&places[0], "in step", || {
        let [one, other] = places.each_ref().map(read);
        one == other && has(&server, "/log.md", one.as_bytes())
    })
    .await;
    let text = read(&places[0]);
    let copies = places.each_ref().map(Place::conflicts).concat();
    for who in ["mine", "yours"] {
        for n in 0..LINES {
            let line = format!("{who} {n}");
            let count = text.lines().filter(|there| *there == line).count();
            let kept = || copies.iter().any(|copy| String::from_utf8_lossy(copy).contains(&line));
            assert!(count == 1 || count == 0 && kept(), "{line} is there {count} times:\n{text}");
        }
    }
    let merged = places.iter().map(|place| place.log().matches("merged /log.md").count());
    assert!(merged.sum::<usize>() > 0, "{}", places[0].log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_there_never_wins_over_an_edit_here() {
    let (place, server) = (Place::new(), serving(workspace()).await);
    let _mount = Mount::start(&place, &server, DEAF).await;
    server.with(|server| server.delete("/c.txt", Wall(4_000)));
    write(&place, "c.txt", "mine");
    until(&place, "made again", || has(&server, "/c.txt", b"mine")).await;
    assert_eq!(std::fs::read(file(&place, "c.txt")).unwrap(), b"mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_of_a_push_makes_one_change_of_one_edit() {
    let (place, server) = (Place::new(), serving(workspace()).await);
    let mut mount = Mount::start(&place, &server, DEAF).await;
    let before = changes(&server).await;
    let slow = Script { delay: Ms::secs(60), ..Script::default() };
    let lost = Script { lost: true, ..Script::default() };
    let sent = || server.log().by_route().get(&Route::BulkWrite).copied().unwrap_or_default();
    for (n, script) in [slow, lost.clone(), lost].into_iter().enumerate() {
        let (sent_before, was_lost) = (sent(), script.lost);
        server.plan_next(Route::BulkWrite, script);
        write(&place, &format!("new/{n}.md"), format!("edit {n}"));
        write(&place, "c.txt", format!("edit {n}"));
        until(&place, "sent", || sent() > sent_before && server.planned() == 0).await;
        if was_lost {
            let done = || has(&server, "/c.txt", format!("edit {n}").as_bytes());
            until(&place, "done", done).await;
        }
        mount.kill();
        mount = Mount::start(&place, &server, DEAF).await;
        until(&place, "in step again", || place.files() == remote(&server)).await;
    }
    let mut after = changes(&server).await;
    for (path, n) in before {
        let now = after.get_mut(&path).unwrap();
        *now -= n;
    }
    after.retain(|_, n| *n > 0);
    let expected = [("/c.txt", 3), ("/new/0.md", 1), ("/new/1.md", 1), ("/new/2.md", 1)];
    let expected = expected.map(|(path, n)| (path.to_owned(), n));
    assert_eq!(after, BTreeMap::from(expected), "{}", place.log());
    until(&place, "nothing on the stage", || place.strays().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_server_gets_files_one_by_one() {
    let mut workspace = workspace();
    workspace.settings_mut().writes.bulk = false;
    let (place, server) = (Place::new(), serving(workspace).await);
    let _mount = Mount::start(&place, &server, MIRROR).await;
    write(&place, "c.txt", "edited");
    write(&place, "new/image.png", [0x89, b'P', 0, 0xff]);
    std::fs::remove_file(file(&place, "docs/a.md")).unwrap();
    until(&place, "sent", || place.files() == remote(&server)).await;
    assert!(has(&server, "/new/image.png", &[0x89, b'P', 0, 0xff]));
    assert!(server.log().by_route()[&Route::Put] >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_here_is_sent_once_and_nothing_is_fetched() {
    let (place, server) = (Place::new(), serving(workspace()).await);
    Mount::start(&place, &server, DEAF).await.kill();
    let run = |more: &[&str]| {
        let output = place.mount(&server, more).output().unwrap();
        (output.status.code(), text(&output))
    };
    write(&place, "c.txt", "edited");
    write(&place, "new.md", "new");
    std::fs::remove_file(file(&place, "docs/a.md")).unwrap();
    server.with(|server| server.put("/theirs.md", Content::new(*b"theirs"), Wall(4_000)));
    let (code, output) = run(&["--push-local-once", "--sync-mode", "mirror"]);
    assert_eq!(code, Some(0), "{output}");
    assert!(has(&server, "/c.txt", b"edited") && has(&server, "/new.md", b"new"));
    assert!(!remote(&server).contains_key("/docs/a.md") && !file(&place, "theirs.md").exists());

    write(&place, "c.txt", "edited again");
    let (code, output) = run(&["--flush-outbox-once", "--sync-mode", "mirror"]);
    assert_eq!((code, has(&server, "/c.txt", b"edited again")), (Some(0), true), "{output}");
    let (code, output) = run(&["--push-local-once", "--sync-mode", "pull-only"]);
    assert_eq!(code, Some(2), "{output}");
    assert!(output.contains("leave one of them out"), "{output}");

    // The next mount of both ways goes on from there.
    let _mount = Mount::start(&place, &server, MIRROR).await;
    until(&place, "equal", || place.files() == remote(&server)).await;
}
