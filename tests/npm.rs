//! The npm client that users have today, against our server and before our mount: it works
//! against `landfall serve`, and what it leaves behind is adopted.
//!
//! `LANDFALL_NPM_CLIENT` names the directory in which `.ci/npm-client` installed it. Without it
//! these tests say that they were skipped; with `LANDFALL_NPM_REQUIRED=1` they fail then.

mod support;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use landfall::serve::{Route, Running, ServerConfig, start};
use landfall_core::time::Wall;
use landfall_reference::server::{Content, Server};
use support::{Place, remote, text};
use tokio::time::timeout;

/// Tests in this file, for the line about skipping them.
const TESTS: usize = 6;

/// The two ways in which that client bootstraps, each in a version that has it.
const CLIENTS: [&str; 2] = ["mount-export", "mount-tree"];

/// The programs of [`CLIENTS`]; none if they are not here and need not be.
fn clients() -> Vec<PathBuf> {
    let required = std::env::var("LANDFALL_NPM_REQUIRED").is_ok_and(|value| value == "1");
    let Some(dir) = std::env::var_os("LANDFALL_NPM_CLIENT") else {
        assert!(!required, "LANDFALL_NPM_REQUIRED=1, but LANDFALL_NPM_CLIENT is not set");
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            // Not by a macro, whose output nobody sees when a test passes.
            let line = format!("skipped: {TESTS} tests, because LANDFALL_NPM_CLIENT is not set\n");
            std::io::stderr().write_all(line.as_bytes()).unwrap();
        });
        return Vec::new();
    };
    let program =
        |name| Path::new(&dir).join("node_modules").join(name).join("bin/relayfile-mount");
    let programs: Vec<PathBuf> = CLIENTS.map(program).into();
    for program in &programs {
        assert!(program.is_file(), "{} is not there: run .ci/npm-client", program.display());
    }
    programs
}

/// A token such as the API wants, but for its signature, which only its issuer could make.
fn token(scopes: &[&str]) -> String {
    let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let head = part(serde_json::json!({"alg": "HS256", "typ": "JWT"}));
    let claims = part(serde_json::json!({
        "workspace_id": "w", "agent_name": "tests", "scopes": scopes,
        "exp": 4_102_444_800_u64, "aud": ["relayfile"],
    }));
    format!("{head}.{claims}.{}", URL_SAFE_NO_PAD.encode("signed"))
}

/// A few hundred files: text and binary, empty and large, deep and oddly named.
fn workspace() -> Server {
    let mut server = Server::default();
    // First, so that it is not among the 100 events that a stream begins with: 0.10.15 reads
    // messages of up to 32 KiB, and never gets past a longer one.
    let every_byte: Vec<u8> = (0..=255).collect();
    server.put("/large.bin", Content::new(every_byte.repeat(1_200)), Wall(500));
    server.add_sample(11, 300, Wall(1_000));
    for (path, bytes) in [
        ("/empty.txt", Vec::new()),
        ("/with nul.txt", b"a\0b".to_vec()),
        ("/n\u{e4}me/\u{65e5}\u{672c}\u{8a9e}/\u{1f980}.md", "\u{fc}ber".as_bytes().to_vec()),
        ("/odd names/%41&b=?#+.txt", b"percent".to_vec()),
        ("/a/b/c/d/e/f/g/h/deep.md", b"deep".to_vec()),
    ] {
        server.put(path, Content::new(bytes), Wall(2_000));
    }
    server
}

async fn serving(token: &str) -> Running {
    let token = Some(token.to_owned());
    start(ServerConfig { server: workspace(), token, ..ServerConfig::default() }).await.unwrap()
}

/// The client on this place's mirror.
fn client(program: &Path, place: &Place, server: &Running, token: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("HOME", place.path(""))
        .env("RELAYFILE_TOKEN", token)
        .args(["-base-url", &server.base_url(), "-workspace", "w", "-interval", "5s"])
        .arg("-local-dir")
        .arg(place.mirror())
        .arg("-state-dir")
        .arg(place.path("theirs"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

async fn run(mut command: Command) -> (Option<i32>, String) {
    let ended = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = timeout(Duration::from_secs(120), ended).await.expect("it ends").unwrap();
    (output.status.code(), text(&output))
}

/// A process that ends with the test, whatever becomes of that.
struct Daemon(Child);

impl Daemon {
    fn start(mut command: Command, place: &Place) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(place.path("log"));
        Self(command.stdout(Stdio::null()).stderr(log.unwrap()).spawn().unwrap())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until both sides are equal; a deadline, not a pause, decides that it never happens.
async fn equal(place: &Place, server: &Running) {
    let begin = Instant::now();
    while !place.mirror().is_dir() || place.files() != remote(server) {
        assert!(begin.elapsed() < Duration::from_secs(60), "not equal:\n{}", place.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits for a daemon to say something in its log.
async fn says(place: &Place, what: &str) {
    let begin = Instant::now();
    while !place.log().contains(what) {
        assert!(begin.elapsed() < Duration::from_secs(60), "no `{what}` in:\n{}", place.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What lies in the control directory and is not ours to change, with its bytes.
fn theirs(place: &Place) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![place.mirror().join(".relay")];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                // The status is written by whoever keeps the mirror.
                false if path.ends_with(".relay/state.json") => {}
                false => drop(found.insert(path.clone(), std::fs::read(path).unwrap())),
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_npm_client_bootstraps_from_our_server_byte_for_byte() {
    for program in clients() {
        let token = token(&["relayfile:fs:read:*", "relayfile:fs:write:*"]);
        let (place, server) = (Place::new(), serving(&token).await);
        let mut command = client(&program, &place, &server, &token);
        command.arg("-once");
        let (code, output) = run(command).await;
        assert_eq!(code, Some(0), "{output}");
        assert_eq!(place.files(), remote(&server), "{output}");
        let exports = server.log().by_route().get(&Route::Export).copied();
        assert_eq!(exports.is_some(), program == clients()[0], "each on its own path");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_npm_client_follows_our_server() {
    for program in clients() {
        let token = token(&["relayfile:fs:read:*", "relayfile:fs:write:*"]);
        let (place, server) = (Place::new(), serving(&token).await);
        let _daemon = Daemon::start(client(&program, &place, &server, &token), &place);
        equal(&place, &server).await;
        // Only then it has a place in the feed: what came before that would be lost to it.
        says(&place, "mount sync cycle completed").await;
        server.with(|server| {
            server.put("/empty.txt", Content::new(*b"not any more"), Wall(3_000));
            server.put("/new/\u{e9}t\u{e9}.bin", Content::new(vec![0, 0xff, 1]), Wall(3_000));
            server.delete("/with nul.txt", Wall(3_000));
        });
        equal(&place, &server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_npm_client_writes_to_our_server_under_names_of_its_own() {
    for program in clients() {
        let token = token(&["relayfile:fs:read:*", "relayfile:fs:write:*", "relayfile:ops:read:*"]);
        let (place, server) = (Place::new(), serving(&token).await);
        let _daemon = Daemon::start(client(&program, &place, &server, &token), &place);
        equal(&place, &server).await;
        says(&place, "mount sync cycle completed").await;
        // It begins to watch after that, and never sees what is edited in between.
        let mirror = place.mirror();
        let mut watches = 0;
        while server.with(|server| server.now().read("/probe").is_err()) {
            std::fs::write(mirror.join("probe"), format!("{watches}")).unwrap();
            tokio::time::sleep(Duration::from_millis(500)).await;
            watches += 1;
            assert!(watches < 60, "{}", place.log());
        }
        std::fs::write(mirror.join("new.txt"), "new").unwrap();
        std::fs::write(mirror.join("a/b/new.bin"), [0, 0xff, 1]).unwrap();
        std::fs::write(mirror.join("a/b/c/d/e/f/g/h/deep.md"), "deeper").unwrap();
        equal(&place, &server).await;
        server.with(|server| {
            let agent = server.history().iter().filter(|change| change.origin.by.is_some());
            let mut names = BTreeMap::new();
            for change in agent {
                assert_eq!(change.origin.by.as_deref(), Some("tests"));
                let identity = change.origin.identity.as_ref().unwrap();
                assert_eq!(&*identity.kind, "mount-command", "{change:?}");
                let twice = names.insert(identity.key.clone(), change.path.clone());
                assert_eq!(twice, None, "{change:?}");
            }
            for path in ["/new.txt", "/a/b/new.bin", "/a/b/c/d/e/f/g/h/deep.md"] {
                assert!(names.values().any(|written| &**written == path), "{path}");
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_of_the_npm_client_is_adopted_and_not_downloaded_again() {
    // Once as a writer, and once as a reader, whose files can not be written to.
    for (program, action) in clients().iter().zip(["write", "read"]) {
        let token = token(&["relayfile:fs:read:*", &format!("relayfile:fs:{action}:*")]);
        let (place, server) = (Place::new(), serving(&token).await);
        let mut command = client(program, &place, &server, &token);
        command.arg("-once");
        let (code, output) = run(command).await;
        assert_eq!((code, place.files() == remote(&server)), (Some(0), true), "{output}");
        // What it may leave behind: a write that was not sent, and one that was refused.
        let relay = place.mirror().join(".relay");
        for (name, bytes) in [
            ("outbox/pending/mountcmd_1.json", "{\"content\":\"unsent\"}"),
            ("outbox/attention/mountcmd_2.marker", "attention\n"),
            ("dead-letter/op_7.json", "{\"opId\":\"op_7\"}"),
            ("conflicts/docs/a.md.rev_3.local", "mine"),
            ("permissions-denied.log", "[2026-01-01T00:00:00Z] READ_DENIED /x: no\n"),
        ] {
            std::fs::create_dir_all(relay.join(name).parent().unwrap()).unwrap();
            std::fs::write(relay.join(name), bytes).unwrap();
        }
        let (before, begin) = (theirs(&place), server.log().records().len());

        let mount = || {
            let mut command = place.mount(&server, &["--once"]);
            command.env("RELAYFILE_TOKEN", &token);
            command
        };
        let (code, output) = run(mount()).await;
        assert_eq!(code, Some(0), "{output}");
        let asked: Vec<Route> = server.log().records()[begin..].iter().map(|r| r.route).collect();
        let content = [Route::File, Route::Bulk, Route::Export];
        assert!(!asked.iter().any(|route| content.contains(route)), "{asked:?}\n{output}");
        assert!(asked.contains(&Route::Tree), "the listing is what proves it: {asked:?}");
        assert_eq!(place.files(), remote(&server));
        let after = theirs(&place);
        for (path, bytes) in &before {
            assert_eq!(after.get(path), Some(bytes), "{}", path.display());
        }

        // From here on it is a mirror like any other.
        let begin = server.log().deliveries().len();
        server.with(|server| server.put("/empty.txt", Content::new(*b"new"), Wall(3_000)));
        let (code, output) = run(mount()).await;
        assert_eq!((code, place.files() == remote(&server)), (Some(0), true), "{output}");
        let read: Vec<String> =
            server.log().deliveries()[begin..].iter().map(|file| file.path.clone()).collect();
        assert_eq!(read, ["/empty.txt"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_npm_client_runs_a_mount_is_refused_and_the_other_way_round() {
    // The older version has no lease that could be seen.
    let Some(program) = clients().pop() else { return };
    let token = token(&["relayfile:fs:read:*", "relayfile:fs:write:*"]);
    let (place, server) = (Place::new(), serving(&token).await);
    let mount = |more: &[&str]| {
        let mut command = place.mount(&server, more);
        command.env("RELAYFILE_TOKEN", &token);
        command
    };
    let daemon = Daemon::start(client(&program, &place, &server, &token), &place);
    equal(&place, &server).await;
    let (code, output) = run(mount(&["--once"])).await;
    assert_eq!(code, Some(11), "{output}");
    assert!(output.contains("another client, relayfile-mount, keeps"), "{output}");
    assert!(!place.mirror().join(".relay/state.db").exists(), "nothing was begun");
    drop(daemon);

    let _ours = Daemon::start(mount(&["--interval", "1s"]), &place);
    says(&place, "in step: 306 files").await;
    let mut command = client(&program, &place, &server, &token);
    command.arg("-once");
    let (code, output) = run(command).await;
    assert_eq!(code, Some(1), "{output}");
    assert_eq!(place.files(), remote(&server));
}

/// Waits until both directories hold what the server has.
async fn all_equal(ours: &Place, theirs: &Place, server: &Running) {
    let begin = Instant::now();
    // What the server has is asked once: else one directory could be compared with what it had
    // before the other one wrote there.
    let are_equal = || {
        let there = remote(server);
        [ours, theirs].iter().all(|place| place.mirror().is_dir() && place.files() == there)
    };
    while !are_equal() {
        let logs = || format!("ours:\n{}\ntheirs:\n{}", ours.log(), theirs.log());
        assert!(begin.elapsed() < Duration::from_secs(60), "not equal\n{}", logs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_npm_client_and_we_work_on_one_workspace_each_in_a_directory_of_its_own() {
    for program in clients() {
        let token = token(&["relayfile:fs:read:*", "relayfile:fs:write:*", "relayfile:ops:read:*"]);
        let (ours, theirs, server) = (Place::new(), Place::new(), serving(&token).await);
        let mut mount = ours.mount(&server, &["--sync-mode", "mirror", "--interval", "1s"]);
        mount.env("RELAYFILE_TOKEN", &token);
        let _ours = Daemon::start(mount, &ours);
        let _theirs = Daemon::start(client(&program, &theirs, &server, &token), &theirs);
        all_equal(&ours, &theirs, &server).await;
        says(&theirs, "mount sync cycle completed").await;
        let (here, there) = (ours.mirror(), theirs.mirror());
        // It begins to watch after that.
        let mut probes = 0;
        while server.with(|server| server.now().read("/probe").is_err()) {
            std::fs::write(there.join("probe"), format!("{probes}")).unwrap();
            tokio::time::sleep(Duration::from_millis(500)).await;
            probes += 1;
            assert!(probes < 60, "{}", theirs.log());
        }
        all_equal(&ours, &theirs, &server).await;
        // Both at the same time, and each then changes what the other made.
        for round in 0..3 {
            std::fs::write(here.join(format!("ours {round}.md")), "ours").unwrap();
            std::fs::write(there.join(format!("theirs {round}.md")), "theirs").unwrap();
            std::fs::write(here.join("empty.txt"), format!("ours {round}")).unwrap();
            std::fs::write(there.join("a/b/c/d/e/f/g/h/deep.md"), format!("{round}")).unwrap();
            all_equal(&ours, &theirs, &server).await;
            std::fs::write(here.join(format!("theirs {round}.md")), "read here").unwrap();
            std::fs::write(there.join(format!("ours {round}.md")), [0, 0xff, round]).unwrap();
            all_equal(&ours, &theirs, &server).await;
            std::fs::remove_file(here.join(format!("ours {round}.md"))).unwrap();
            all_equal(&ours, &theirs, &server).await;
        }
        let has = |path: &str, bytes: &[u8]| {
            server.with(|server| server.now().read(path).unwrap().content.bytes() == bytes)
        };
        assert!(has("/empty.txt", b"ours 2") && has("/a/b/c/d/e/f/g/h/deep.md", b"2"));
        assert!(has("/theirs 1.md", b"read here"));
    }
}
