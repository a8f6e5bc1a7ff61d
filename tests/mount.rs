//! `landfall mount`, `status` and `why`, as a person and a supervisor meet them: real
//! processes, real sockets, exit codes.

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use landfall::serve::{Chaos, Route, Running};
use landfall_core::time::Wall;
use landfall_reference::faults::FaultPlan;
use landfall_reference::server::{Content, Server};
use support::{Place, remote, serving, text};
use tokio::time::timeout;

fn workspace() -> Server {
    let mut server = Server::default();
    server.put("/docs/a.md", Content::new(*b"# hello a\n"), Wall(1_000));
    server.put("/docs/deep/er/b.bin", Content::new(vec![0, 1, 0xff]), Wall(2_000));
    server.put("/c.txt", Content::new(*b"c"), Wall(3_000));
    server
}

/// Runs to the end; a mount that hangs fails the test. A listing that is doubted takes 40 s
/// until a second one confirms it.
async fn run(mut command: Command) -> (i32, String) {
    let ended = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = timeout(Duration::from_secs(120), ended).await.expect("it ends").unwrap();
    (output.status.code().unwrap_or(-1), text(&output))
}

/// Waits for a mount to say something in its log.
async fn says(place: &Place, what: &str) {
    let begin = Instant::now();
    while !place.log().contains(what) {
        assert!(begin.elapsed() < Duration::from_secs(60), "no `{what}` in:\n{}", place.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn terminate(child: &std::process::Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
}

fn is_read_only(place: &Place, file: &str) -> bool {
    let metadata = std::fs::metadata(place.path("mirror").join(file)).unwrap();
    metadata.permissions().readonly()
}

async fn mounted(place: &Place, server: &Running) {
    let (code, output) = run(place.mount(server, &["--once"])).await;
    assert_eq!(code, 0, "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn once_brings_everything_and_exits_0() {
    let (place, server) = (Place::new(), serving(workspace()).await);
    mounted(&place, &server).await;
    assert_eq!(place.files(), remote(&server));
    let before = server.log().records().len();
    mounted(&place, &server).await;
    assert_eq!(server.log().records().len(), before + 1, "nothing changed: one request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_has_the_files_is_adopted_and_not_downloaded() {
    let (place, server) = (Place::new(), serving(workspace()).await);
    std::fs::create_dir_all(place.path("mirror/docs/deep/er")).unwrap();
    for (path, bytes) in [
        ("mirror/docs/a.md", &b"# hello a\n"[..]),
        ("mirror/docs/deep/er/b.bin", &[0, 1, 0xff]),
        ("mirror/c.txt", b"older"),
    ] {
        std::fs::write(place.path(path), bytes).unwrap();
    }
    mounted(&place, &server).await;
    assert_eq!(place.files(), remote(&server));
    for path in ["docs/a.md", "docs/deep/er/b.bin", "c.txt"] {
        assert!(is_read_only(&place, path), "{path}: nothing is written back, adopted or placed");
    }
    let read: Vec<String> = server.log().deliveries().into_iter().map(|file| file.path).collect();
    assert_eq!(read, ["/c.txt"], "only what the listing does not prove");
    assert_eq!(server.log().by_route().get(&Route::Export), None);
    assert_eq!(place.conflicts(), [b"older".to_vec()], "nobody knows whose bytes those were");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_directory_is_mirrored_to_the_root() {
    let (place, server) = (Place::new(), serving(workspace()).await);
    let (code, output) = run(place.mount(&server, &["--once", "--remote-path", "/docs"])).await;
    assert_eq!(code, 0, "{output}");
    let names: Vec<String> = place.files().into_keys().collect();
    assert_eq!(names, ["/a.md", "/deep/er/b.bin"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_follows_and_stops_within_five_seconds() {
    let (place, server) = (Place::new(), serving(workspace()).await);
    let mut child = place.spawn(&server, &["--interval", "1s"]);
    says(&place, "in step: 3 files").await;
    server.with(|server| {
        server.put("/c.txt", Content::new(*b"changed"), Wall(4_000));
        server.put("/new.md", Content::new(*b"new"), Wall(5_000));
        server.delete("/docs/a.md", Wall(6_000));
    });
    let begin = Instant::now();
    while place.files() != remote(&server) {
        assert!(begin.elapsed() < Duration::from_secs(30), "{}", place.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let begin = Instant::now();
    terminate(&child);
    let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert!([Some(0), Some(143)].contains(&status.code()), "{status:?}");
    assert!(place.path("mirror/.relay/trash").exists(), "what was deleted is in the trash");
    let dir = place.mirror().display().to_string();
    let (code, output) = run(place.landfall(&["undo", "--local-dir", &dir])).await;
    assert_eq!((code, output.contains("restored docs/a.md")), (0, true), "{output}");
    assert_eq!(std::fs::read(place.path("mirror/docs/a.md")).unwrap(), b"# hello a\n");
    assert!(!is_read_only(&place, "docs/a.md"), "what comes back is the person's");
    let (code, output) = run(place.landfall(&["undo", "--local-dir", &dir, "--list"])).await;
    assert_eq!((code, output.as_str()), (0, "the trash is empty\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_in_the_middle_of_a_bootstrap_keeps_what_arrived() {
    let mut workspace = Server::default();
    workspace.add_sample(7, 1_000, Wall(1_000));
    let (place, server) = (Place::new(), serving(workspace).await);
    server.set_pace(landfall::serve::Pace { files: 200, bytes: 0 });
    let mut child = place.spawn(&server, &["--once"]);
    server.log().wait_for(|log| log.delivered() >= 300).await;
    let begin = Instant::now();
    terminate(&child);
    let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert_eq!(status.code(), Some(143), "work is left, and recorded");
    assert!(place.placed().len() >= 200, "{}", place.placed().len());
    assert!(place.strays().is_empty());
    server.set_pace(landfall::serve::Pace::default());
    mounted(&place, &server).await;
    assert_eq!(place.files(), remote(&server));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_mount_is_refused_with_11() {
    let (place, server) = (Place::new(), serving(workspace()).await);
    let mut child = place.spawn(&server, &[]);
    says(&place, "in step").await;
    let (code, output) = run(place.mount(&server, &["--once"])).await;
    assert_eq!(code, 11, "{output}");
    assert!(output.contains("another landfall keeps"), "{output}");
    child.kill().unwrap();
    child.wait().unwrap();
    mounted(&place, &server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_came_back_empty_is_refused_with_78() {
    let (place, server) = (Place::new(), serving(workspace()).await);
    mounted(&place, &server).await;
    std::fs::remove_dir_all(place.mirror()).unwrap();
    let (code, output) = run(place.mount(&server, &["--once"])).await;
    assert_eq!(code, 20, "a known root that is missing: {output}");
    std::fs::create_dir(place.mirror()).unwrap();
    let (code, output) = run(place.mount(&server, &["--once"])).await;
    assert_eq!(code, 78, "{output}");
    let dir = place.mirror().display().to_string();
    let (code, output) = run(place.landfall(&["forget", &dir])).await;
    assert_eq!(code, 0, "{output}");
    mounted(&place, &server).await;
    assert_eq!(place.files(), remote(&server));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_workspace_in_the_same_directory_is_refused_with_78() {
    let (place, server) = (Place::new(), serving(workspace()).await);
    mounted(&place, &server).await;
    let (code, output) = run(place.mount(&server, &["--once", "--workspace", "other"])).await;
    // clap takes an option once.
    assert_eq!(code, 2, "{output}");
    let (url, dir) = (server.base_url(), place.mirror().display().to_string());
    let args = ["mount", "--base-url", &url, "--workspace", "x", "--local-dir", &dir, "--once"];
    let (code, output) = run(place.landfall(&args)).await;
    assert_eq!(code, 78, "{output}");
    assert_eq!(place.files(), remote(&server), "nothing was touched");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_once_never_exits_0() {
    let (place, server) = (Place::new(), serving(workspace()).await);
    let plan = FaultPlan::all_on(1).only(&["poisoned-file".parse().unwrap()]);
    server.set_chaos(Chaos { plan, ..Chaos::default() });
    let (code, output) = run(place.mount(&server, &["--once"])).await;
    assert!([0, 3].contains(&code), "{output}");
    assert_eq!(code == 0, place.files() == remote(&server), "{output}");

    // Nobody is there.
    let gone = Place::new();
    let dir = gone.mirror().display().to_string();
    let url = "http://127.0.0.1:1";
    let args = ["mount", "--base-url", url, "--workspace", "w", "--local-dir", &dir];
    let args: Vec<&str> = args.into_iter().chain(["--once", "--timeout", "3s"]).collect();
    let (code, output) = run(gone.landfall(&args)).await;
    assert_eq!(code, 75, "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_needed_and_shows_nowhere() {
    let config = landfall::serve::ServerConfig {
        server: workspace(),
        token: Some("s3cret-token".into()),
        ..Default::default()
    };
    let (place, server) = (Place::new(), landfall::serve::start(config).await.unwrap());
    let (code, output) = run(place.mount(&server, &["--once"])).await;
    assert_eq!(code, 4, "{output}");
    let trace = place.path("trace.jsonl").display().to_string();
    let mut command = place.mount(&server, &["--once", "--trace", &trace]);
    command.env("RELAYFILE_TOKEN", "s3cret-token").env("LANDFALL_LOG", "trace");
    let (code, output) = run(command).await;
    assert_eq!(code, 0, "{output}");
    assert!(!output.contains("s3cret"), "{output}");
    let trace = std::fs::read_to_string(trace).unwrap();
    assert!(!trace.contains("s3cret") && trace.contains("rev_1"));
    let state = std::fs::read(place.path("mirror/.relay/state.db")).unwrap();
    assert!(!state.windows(6).any(|bytes| bytes == b"s3cret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_name_changes_nothing_outside_the_root() {
    // Every trick at once: out of the root, the root itself, control directories in any case, the
    // history of the directory, where whoever writes can run programs,
    // names that other systems read differently, names that draw on a terminal or do not fit a
    // file system, one that looks like a shortened one, and a file where a directory has to be.
    let mut server = workspace();
    let long = format!("/{}.md", "l".repeat(300));
    let deep = format!("/{}", ["d"; 2_100].join("/"));
    let looks = "/lll~rf-0123456789abcdef0123456789abcdef.md";
    let refused = [
        "/../escaped",
        "/a/../../escaped",
        "//double",
        "/x/./y",
        "/..",
        "/nul\0",
        "/back\\slash",
        "/..\\escaped",
        &deep,
    ];
    for name in refused.iter().copied().chain([
        "/.relay/state.db",
        "/.Relay/lock",
        "/docs/.RELAY/x",
        "/.git/hooks/post-checkout",
        "/.Git/config",
        "/\u{1b}[2Jdraws",
        "/name with\nnewline",
        "/-rf",
        "/~",
        &long,
        looks,
    ]) {
        server.put(name, Content::new(*b"hostile"), Wall(9_000));
    }
    server.put("/c.txt/below a file", Content::new(*b"hostile"), Wall(9_000));
    let (place, server) = (Place::new(), serving(server).await);
    let (code, output) = run(place.mount(&server, &["--once"])).await;
    assert_eq!(code, 3, "in step but for what can not be placed: {output}");
    assert!(!output.contains('\u{1b}'), "nothing draws on the terminal");
    assert!(!place.path("escaped").exists());
    let names: Vec<String> = place.files().into_keys().collect();
    for good in ["/c.txt", "/docs/a.md", "/docs/deep/er/b.bin", "/-rf", "/~"] {
        assert!(names.iter().any(|name| name == good), "{good} in {names:?}");
    }
    assert_eq!(names.len(), 9, "five good ones, two that draw, and two shortened: {names:?}");
    assert!(names.iter().all(|name| name.len() <= 221));
    assert_eq!(std::fs::read_dir(place.path("")).unwrap().count(), 2, "the mirror and the state");
}

/// Replaces what differs from run to run.
fn stable(place: &Place, text: &str) -> String {
    let text = text.replace(&place.mirror().display().to_string(), "MIRROR");
    let lines = text.lines().map(|line| {
        // The file that was placed last may be any of them.
        let cut = [
            "last in step: ",
            "_at\": ",
            "At\": ",
            "After\": ",
            "AgeSecs\": ",
            "lastAppliedRevision\": ",
        ];
        match cut.iter().find_map(|cut| Some((line.split_once(cut)?.0, cut))) {
            Some((before, cut)) => format!("{before}{cut}AT"),
            None => line.to_string(),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn status_and_why_with_the_daemon_dead() {
    // Must show: verdict ok, three files in step, not running; and for /c.txt that both sides
    // have the same version, so that nothing is done.
    let (place, server) = (Place::new(), serving(workspace()).await);
    let dir = place.mirror().display().to_string();
    let (code, output) = run(place.landfall(&["status", "--local-dir", "/nowhere"])).await;
    assert_eq!(code, 10, "{output}");
    mounted(&place, &server).await;

    let (code, output) = run(place.landfall(&["status", "--local-dir", &dir])).await;
    assert_eq!(code, 0, "{output}");
    insta::assert_snapshot!("status", stable(&place, &output));
    let (code, output) = run(place.landfall(&["status", "--json", "--local-dir", &dir])).await;
    assert_eq!(code, 0, "{output}");
    let json: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(json["verdict"], "ok");
    insta::assert_snapshot!("status_json", stable(&place, &output));

    let (code, output) = run(place.landfall(&["why", "/c.txt", "--local-dir", &dir])).await;
    assert_eq!(code, 0, "{output}");
    insta::assert_snapshot!("why_in_step", output);
    // A local edit stays in place, because the mirror only pulls.
    std::fs::write(place.mirror().join("c.txt"), "mine").unwrap();
    let (code, output) = run(place.landfall(&["why", "c.txt", "--local-dir", &dir])).await;
    assert_eq!(code, 0, "{output}");
    assert!(output.contains("it changed here and the mirror only pulls, so it stays"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_edit_survives_a_remote_change_as_a_conflict_copy() {
    let (place, server) = (Place::new(), serving(workspace()).await);
    mounted(&place, &server).await;
    std::fs::write(place.mirror().join("c.txt"), "mine").unwrap();
    mounted(&place, &server).await;
    assert_eq!(std::fs::read(place.mirror().join("c.txt")).unwrap(), b"mine");
    server.with(|server| server.put("/c.txt", Content::new(*b"theirs"), Wall(9_000)));
    mounted(&place, &server).await;
    assert_eq!(std::fs::read(place.mirror().join("c.txt")).unwrap(), b"theirs");
    assert_eq!(place.conflicts(), [b"mine".to_vec()]);
}
