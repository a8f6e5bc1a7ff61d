//! `landfall status` of real processes: halted, accepted, dead, torn, and for scripts.

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use landfall::serve::{Running, ServerConfig, start};
use landfall_core::time::Wall;
use landfall_reference::server::{Content, Server};
use serde_json::Value;
use support::{Place, remote, serving, text};
use tokio::time::timeout;

fn workspace(files: u64) -> Server {
    let mut server = Server::default();
    for n in 0..files {
        let text = format!("file {n}\n");
        server.put(&format!("/f{n}.md"), Content::new(text.as_bytes()), Wall(1_000));
    }
    server
}

/// Runs to the end; a command that hangs fails the test.
async fn run(mut command: Command) -> (i32, String) {
    let ended = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = timeout(Duration::from_secs(60), ended).await.expect("it ends").unwrap();
    (output.status.code().unwrap_or(-1), text(&output))
}

async fn mounted(place: &Place, server: &Running, more: &[&str]) -> (i32, String) {
    let args: Vec<&str> = ["--once"].iter().chain(more).copied().collect();
    run(place.mount(server, &args)).await
}

async fn status(place: &Place, more: &[&str]) -> (i32, String) {
    let dir = place.mirror().display().to_string();
    let args: Vec<&str> = ["status", "--local-dir", &dir].iter().chain(more).copied().collect();
    run(place.landfall(&args)).await
}

async fn json(place: &Place) -> (i32, Value) {
    let (code, text) = status(place, &["--json"]).await;
    (code, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}")))
}

/// Waits until the status is like this; a deadline, not a pause, decides that it never is.
async fn until(place: &Place, what: &str, like: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        if place.mirror().join(".relay/state.db").exists() {
            let (_, json) = json(place).await;
            if like(&json) {
                return json;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "never {what}: {json:#}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn delete(server: &Running, files: std::ops::Range<u64>) {
    server.with(|server| {
        for n in files {
            server.delete(&format!("/f{n}.md"), Wall(5_000));
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mass_delete_halts_and_the_way_that_status_names_accepts_it() {
    let (place, server) = (Place::new(), serving(workspace(20)).await);
    assert_eq!(mounted(&place, &server, &[]).await.0, 0);
    delete(&server, 0..12);
    let (code, output) = mounted(&place, &server, &[]).await;
    assert_eq!(code, 20, "{output}");
    assert_eq!(place.files().len(), 20, "nothing was deleted");

    let (code, output) = status(&place, &[]).await;
    assert_eq!(code, 20, "{output}");
    assert!(output.contains("seen: 12 of 20 files are gone on the remote"), "{output}");
    assert!(output.contains("landfall undo"), "{output}");
    let (code, report) = json(&place).await;
    assert_eq!((code, &report["brakes"][0]), (20, &"max-delete".into()));
    assert_eq!((&report["status"], &report["verdict"]), (&"stalled".into(), &"halted".into()));
    let (_, files) = status(&place, &["--json", "--files"]).await;
    let files: Value = serde_json::from_str(&files).unwrap();
    let held = files["files"].as_object().unwrap().values();
    assert_eq!(held.filter(|file| file["hold"] == "max-delete").count(), 12);

    // It stays halted without a status file, too: the database knows.
    std::fs::remove_file(place.mirror().join(".relay/state.json")).unwrap();
    assert_eq!(status(&place, &[]).await.0, 20);

    // One less than is wanted is not enough; the number that status names is.
    assert_eq!(mounted(&place, &server, &["--max-delete", "11"]).await.0, 20);
    let (_, report) = json(&place).await;
    let ways = report["halts"][0]["ways"].as_array().unwrap();
    let commands = ways.iter().filter_map(|way| way["command"].as_str());
    let accept = commands.into_iter().find_map(|command| command.split_once("--max-delete "));
    let (_, number) = accept.expect("a way past the brake");
    let (code, output) = mounted(&place, &server, &["--max-delete", number]).await;
    assert_eq!(code, 0, "{output}");
    assert_eq!(place.files(), remote(&server));
    assert_eq!(status(&place, &[]).await.0, 0);

    // And it can be taken back.
    let dir = place.mirror().display().to_string();
    let (code, output) = run(place.landfall(&["undo", "--local-dir", &dir])).await;
    assert_eq!((code, place.files().len()), (0, 20), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mass_delete_that_was_a_mistake_goes_on_by_itself_once_it_is_restored() {
    let (place, server) = (Place::new(), serving(workspace(20)).await);
    let mut child = place.spawn(&server, &["--interval", "1s", "--websocket=false"]);
    until(&place, "in step", |json| json["status"] == "ready").await;
    delete(&server, 0..20);
    let json = until(&place, "halted", |json| json["verdict"] == "halted").await;
    assert_eq!(json["running"], true);
    assert_eq!(place.files().len(), 20, "nothing was deleted");
    let again = workspace(20);
    server.with(|server| {
        for (path, file) in again.now().files() {
            server.put(path, file.content.clone(), Wall(9_000));
        }
    });
    until(&place, "in step again", |json| json["status"] == "ready").await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(place.files(), remote(&server));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_a_newer_version_halts_and_the_way_that_status_names_works() {
    let (place, server) = (Place::new(), serving(workspace(5)).await);
    assert_eq!(mounted(&place, &server, &[]).await.0, 0);
    let db = rusqlite::Connection::open(place.mirror().join(".relay/state.db")).unwrap();
    let row = "INSERT INTO rows VALUES (0, 'lease', '', 1, '{}')";
    db.execute(row, []).unwrap();
    drop(db);
    let (code, output) = mounted(&place, &server, &[]).await;
    assert_eq!(code, 20, "{output}");
    let (code, report) = json(&place).await;
    assert_eq!((code, &report["brakes"][0]), (20, &"unreadable".into()));
    let ways = report["halts"][0]["ways"].as_array().unwrap();
    let command = ways.last().unwrap()["command"].as_str().unwrap();
    assert!(Command::new("sh").args(["-c", command]).status().unwrap().success(), "{command}");
    let delivered = server.log().delivered();
    let (code, output) = mounted(&place, &server, &[]).await;
    assert_eq!(code, 0, "{output}");
    assert_eq!(place.files(), remote(&server));
    let again = server.log().delivered() - delivered;
    assert!(again <= 5, "{again} files were fetched for a new database");
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_read_the_same_from_the_file_and_from_the_command() {
    // Must hold: the file of a mount that runs has the keys of the command, its process id and
    // what others left in it; the last word of a mount that ends has no process any more.
    let (place, server) = (Place::new(), serving(workspace(3)).await);
    let control = place.mirror().join(".relay");
    std::fs::create_dir_all(&control).unwrap();
    std::fs::write(control.join("state.json"), r#"{"guards":{"kept":1},"files":{}}"#).unwrap();
    let mut child = place.spawn(&server, &["--interval", "1s"]);
    let told = until(&place, "listening", |json| {
        json["status"] == "ready" && json["eventListener"]["status"] == "listening"
    });
    let told = told.await;
    let file = std::fs::read(control.join("state.json")).unwrap();
    let file: Value = serde_json::from_slice(&file).unwrap();
    for (key, value) in file.as_object().unwrap() {
        match key.as_str() {
            "guards" => assert_eq!(value["kept"], 1),
            // Ours, and the place where they are kept.
            "landfall" | "credentials" => {}
            // Clocks.
            "reconcileAgeSecs" => {}
            key if key.ends_with("At") || key == "staleAfter" => assert!(told.get(key).is_some()),
            key => assert_eq!(Some(value), told.get(key), "{key}"),
        }
    }
    assert_eq!(file["daemon"]["pid"], child.id());
    assert_eq!(file.get("files"), None, "a list of all files is made when somebody asks");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    let (code, told) = json(&place).await;
    assert_eq!((code, told.get("daemon"), &told["running"]), (0, None, &Value::Bool(false)));
    let file = std::fs::read_to_string(control.join("state.json")).unwrap();
    assert!(!file.contains("\"daemon\"") && file.contains("\"guards\""), "{file}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_or_strange_file_is_no_reason_to_fail() {
    let (place, server) = (Place::new(), serving(workspace(3)).await);
    assert_eq!(mounted(&place, &server, &[]).await.0, 0);
    let path = place.mirror().join(".relay/state.json");
    let whole = std::fs::read(&path).unwrap();
    for torn in [&whole[..whole.len() / 2], b"", b"[]", b"null", b"{\"landfall\": 7}"] {
        std::fs::write(&path, torn).unwrap();
        let (code, report) = json(&place).await;
        assert_eq!((code, &report["workspace"]), (3, &"w".into()), "{report:#}");
        assert_eq!(report["files_total"], 3);
    }
    assert_eq!(mounted(&place, &server, &[]).await.0, 0);
    assert_eq!(status(&place, &[]).await.0, 0, "a start mends it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_that_is_still_making_its_database_is_starting() {
    let (place, server) = (Place::new(), serving(workspace(3)).await);
    assert_eq!(mounted(&place, &server, &[]).await.0, 0);
    let control = place.mirror().join(".relay");
    for file in ["state.db", "state.db-wal", "state.db-shm", "state.json"] {
        let _ = std::fs::remove_file(control.join(file));
    }
    std::fs::write(control.join("state.db"), "").unwrap();
    assert_eq!(status(&place, &[]).await.0, 1, "nobody is making it");
    let lock = landfall::lock::Lock::take(&control).unwrap().expect("it is free");
    let (code, report) = json(&place).await;
    assert_eq!((code, &report["reason"]), (0, &"starting".into()));
    drop(lock);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_mirror_that_is_gone_halts() {
    let (place, server) = (Place::new(), serving(workspace(3)).await);
    assert_eq!(mounted(&place, &server, &[]).await.0, 0);
    std::fs::remove_dir_all(place.mirror()).unwrap();
    let (code, output) = status(&place, &[]).await;
    assert_eq!(code, 20, "{output}");
    assert!(output.contains("mkdir -p") && output.contains("nothing is deleted"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_says_when_it_expires_is_told_of_and_not_shown() {
    // {"exp":1} and a signature: it expired in 1970.
    let (place, server) = (Place::new(), serving(workspace(3)).await);
    let token = "e30.eyJleHAiOjF9.c2VjcmV0c2lnbmF0dXJl";
    let file = place.path("token");
    std::fs::write(&file, token).unwrap();
    let mut child = place.spawn(&server, &["--token-file", &file.display().to_string()]);
    let told = until(&place, "expired", |json| json["credExpiresInSecs"].is_number()).await;
    assert!(told["credExpiresInSecs"].as_i64().unwrap() < -1_000_000_000);
    let told = until(&place, "degraded", |json| json["verdict"] == "degraded").await;
    assert_eq!(told["reason"], "the credentials have expired");
    let state = std::fs::read_to_string(place.mirror().join(".relay/state.json")).unwrap();
    assert!(!state.contains("eyJ") && !place.log().contains("eyJ"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_renewed_in_its_file_is_taken_up_and_not_shown() {
    let place = Place::new();
    let token = Some("renewed-hush".to_owned());
    let config = ServerConfig { server: workspace(3), token, ..ServerConfig::default() };
    let server = start(config).await.unwrap();
    let file = place.path("login.json");
    let login = |token| std::fs::write(&file, format!(r#"{{"accessToken": "{token}"}}"#)).unwrap();
    login("old-hush");
    // What was given before there was a file is older than the file.
    let mut command = place.mount(&server, &["--token", "given-hush"]);
    command.env("RELAYFILE_MOUNT_CREDS_FILE", &file);
    let mut child = place.begin(command);
    until(&place, "degraded", |json| json["reason"] == "the server refuses the credentials").await;
    login("renewed-hush");
    until(&place, "in step", |json| json["verdict"] == "ok" && json["reason"] == "in step").await;
    assert_eq!(place.files(), remote(&server));
    let state = std::fs::read_to_string(place.mirror().join(".relay/state.json")).unwrap();
    assert!(!state.contains("hush") && !place.log().contains("hush"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_file_of_the_client_before_is_understood() {
    // Variables of the other client: those that mean the same are taken, those that are empty
    // are not set, those that only tune something are warned of, and one that asks for
    // something else is refused, by name and with exit code 2.
    let (place, server) = (Place::new(), serving(workspace(3)).await);
    let mount = |more: &[(&str, &str)]| {
        let mut command = place.landfall(&["mount", "--once"]);
        command
            .env("RELAYFILE_BASE_URL", server.base_url())
            .env("RELAYFILE_WORKSPACE", "w")
            .env("RELAYFILE_LOCAL_DIR", place.mirror())
            .env("RELAYFILE_MOUNT_WEBSOCKET", "1")
            .env("RELAYFILE_MOUNT_INTERVAL", "1m30s")
            .env("RELAYFILE_MOUNT_TIMEOUT", "15s")
            .envs(
                ["RELAYFILE_REMOTE_PATH", "RELAYFILE_TOKEN", "RELAYFILE_MOUNT_FUSE"]
                    .map(|v| (v, "")),
            )
            .envs(more.iter().copied());
        command
    };
    let (code, output) = run(mount(&[("RELAYFILE_MOUNT_MODE", "poll")])).await;
    assert_eq!(code, 0, "{output}");
    assert!(output.contains("RELAYFILE_MOUNT_TIMEOUT changes nothing"), "{output}");
    let told = json(&place).await.1;
    assert_eq!((&told["intervalMs"], &told["syncMode"]), (&90_000.into(), &"mirror".into()));
    let (code, output) = run(mount(&[("RELAYFILE_MOUNT_SYNC_MODE", "pull-only")])).await;
    assert_eq!((code, &json(&place).await.1["syncMode"]), (0, &"pull-only".into()), "{output}");
    for (variable, value) in [("RELAYFILE_MOUNT_MODE", "fuse"), ("RELAYFILE_MOUNT_FUSE", "1")] {
        let (code, output) = run(mount(&[(variable, value)])).await;
        assert_eq!((code, output.contains(variable)), (2, true), "{output}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_waits_for_the_first_sync_sees_it_in_the_file() {
    // As such scripts do it: no `bootstrap`, and a `lastSuccessfulReconcileAt` that is a text.
    let (place, server) = (Place::new(), serving(workspace(30)).await);
    let ready = || {
        let text = std::fs::read(place.mirror().join(".relay/state.json")).unwrap_or_default();
        let file: Value = serde_json::from_slice(&text).unwrap_or_default();
        file["bootstrap"].is_null() && file["lastSuccessfulReconcileAt"].is_string()
    };
    server.set_pace(landfall::serve::Pace { files: 20, bytes: 0 });
    let mut child = place.spawn(&server, &["--once"]);
    server.log().wait_for(|log| log.delivered() >= 10).await;
    let told = until(&place, "bootstrapping", |json| json["status"] == "bootstrapping").await;
    assert!(!ready(), "{told:#}");
    let ended = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    assert!(ended.success() && ready(), "{}", place.log());
}
