//! `landfall serve --db`: a workspace that outlives its server.

mod support;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use landfall_core::hash::ContentHash;
use support::http::{Answer, USUAL, ask, try_ask};
use support::{Place, text};

/// A server in a process of its own.
struct Served {
    child: Child,
    address: SocketAddr,
    /// The first line that it printed.
    said: String,
    /// What else it prints. Where nobody listens, it can not go on.
    _out: BufReader<ChildStdout>,
}

impl Served {
    fn start(place: &Place, listen: &str, log: &str, more: &[&str]) -> Self {
        let (db, log) = (place.path("w.db"), place.path(log));
        let mut command = place.landfall(&["serve", "--listen", listen]);
        command.arg("--db").arg(db).arg("--log").arg(log).args(more).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let mut said = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut said).unwrap();
        let address = said.trim().rsplit("http://").next().unwrap();
        let address = address.parse().unwrap_or_else(|why| panic!("{why} in `{said}`"));
        Self { child, address, said, _out: out }
    }

    /// `kill -9`.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn ask(&self, method: &str, target: &str, headers: &str, body: &str) -> Answer {
        let target = format!("/v1/workspaces/w/fs/{target}");
        ask(self.address, method, &target, &format!("{USUAL}{headers}"), body).await
    }

    async fn put(&self, path: &str, body: &str) -> Option<String> {
        let target = format!("file?path={path}");
        let answer = self.ask("PUT", &target, "If-Match: *\r\n", body).await;
        (answer.status == 202).then(|| answer.json()["targetRevision"].as_str().unwrap().to_owned())
    }

    /// Every file with its hash, as one page of the listing shows them.
    async fn files(&self) -> Vec<(String, ContentHash)> {
        let page = self.ask("GET", "tree?path=/&depth=100", "", "").await.json();
        assert!(page["nextCursor"].is_null(), "one page");
        let files = page["entries"].as_array().unwrap().iter().filter(|e| e["type"] == "file");
        files
            .map(|file| {
                let hash = ContentHash::parse(file["contentHash"].as_str().unwrap()).unwrap();
                (file["path"].as_str().unwrap().to_owned(), hash)
            })
            .collect()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_that_was_answered_survives_a_kill_and_no_other_is_half_there() {
    let place = Place::new();
    let mut first = Served::start(&place, "127.0.0.1:0", "log-1", &["--sample", "30"]);
    assert!(first.said.starts_with("serving 30 files on"), "{}", first.said);
    // Killed while a writer is writing: what was answered is known, what was not is not.
    let address = first.address;
    let (sender, mut answered) = tokio::sync::mpsc::unbounded_channel();
    let writer = tokio::spawn(async move {
        for n in 0.. {
            let target = format!("/v1/workspaces/w/fs/file?path=/w/{n:05}");
            let body = format!(r#"{{"contentType":"text/x-odd","content":"number {n}"}}"#);
            let headers = format!("{USUAL}If-Match: 0\r\n");
            // A server that is gone refuses the connection, or cuts the answer.
            let answer = try_ask(address, "PUT", &target, &headers, &body).await;
            let Some(answer) = answer.filter(|answer| answer.whole) else { return };
            assert_eq!(answer.status, 202, "{}", answer.body);
            let revision =
                answer.json()["targetRevision"].as_str().unwrap()["rev_".len()..].parse();
            let _ = sender.send(revision.unwrap());
        }
    });
    let mut last: u64 = 0;
    while last < 40 {
        last = answered.recv().await.unwrap();
    }
    first.kill();
    writer.await.unwrap();
    while let Some(revision) = answered.recv().await {
        last = revision;
    }

    // The same command line again: it is not filled a second time.
    let second = Served::start(&place, "127.0.0.1:0", "log-2", &["--sample", "30"]);
    let files = second.files().await;
    let written = files.iter().filter(|(path, _)| path.starts_with("/w/")).count() as u64;
    assert!(last >= 40 && (last - 30..=last - 29).contains(&written), "{last}, {written}");
    assert_eq!(files.len() as u64, 30 + written);
    let one = second.ask("GET", "file?path=/w/00003", "", "").await.json();
    assert_eq!((&one["revision"], &one["content"]), (&"rev_34".into(), &"number 3".into()));
    assert_eq!(one["contentType"], "text/x-odd");
    // Revisions and events go on where they were.
    let next = 30 + written + 1;
    assert_eq!(second.put("/next", r#"{"content":"n"}"#).await, Some(format!("rev_{next}")));
    let feed = second.ask("GET", &format!("events?cursor=evt_{}", next - 2), "", "").await.json();
    let ids: Vec<_> = feed["events"].as_array().unwrap().iter().map(|e| &e["eventId"]).collect();
    assert_eq!(ids, [&format!("evt_{}", next - 1), &format!("evt_{next}")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_follows_a_server_that_was_killed_without_a_second_bootstrap() {
    let place = Place::new();
    let mut first = Served::start(&place, "127.0.0.1:0", "log-1", &["--sample", "60"]);
    let listen = first.address.to_string();
    let log = std::fs::File::create(place.path("log")).unwrap();
    let mut mount = place.mount_from(&first.url(), &["--interval", "1s"]);
    let mut mount = mount.stdout(Stdio::null()).stderr(log).spawn().unwrap();
    in_step(&place, &first).await;
    assert_eq!(first.put("/docs/before.md", r#"{"content":"b"}"#).await, Some("rev_61".into()));
    first.kill();

    let second = Served::start(&place, &listen, "log-2", &[]);
    assert!(second.said.starts_with("serving 61 files on"), "{}", second.said);
    let binary = r#"{"contentType":"image/png","content":"AAH/","encoding":"base64"}"#;
    assert_eq!(second.put("/docs/after.png", binary).await, Some("rev_62".into()));
    in_step(&place, &second).await;
    mount.kill().unwrap();
    mount.wait().unwrap();

    // It went on with its cursor: nothing was listed or exported again, but for our own look.
    let log = std::fs::read_to_string(place.path("log-2")).unwrap();
    let requests = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let asked: Vec<_> = requests.filter(|line| line["line"] == "request").collect();
    let of = |route: &str| asked.iter().filter(|line| line["route"] == route).collect::<Vec<_>>();
    assert!(of("export").is_empty() && of("tip").is_empty(), "{log}");
    assert!(of("tree").iter().all(|line| line["path"] == "/"), "{log}");
    let cursors: Vec<_> =
        of("events").iter().chain(&of("stream")).map(|l| l["path"].clone()).collect();
    assert!(!cursors.is_empty(), "{log}");
    assert!(
        cursors.iter().all(|c| ["evt_60", "evt_61", "evt_62"].map(Into::into).contains(c)),
        "{cursors:?}"
    );
}

/// Waits until the mirror has what the server lists.
async fn in_step(place: &Place, server: &Served) {
    let remote = server.files().await;
    let begin = Instant::now();
    while !place.mirror().exists() || place.files().into_iter().ne(remote.iter().cloned()) {
        let late = begin.elapsed() > Duration::from_secs(60);
        assert!(!late, "{}", std::fs::read_to_string(place.path("log")).unwrap());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_died_with_the_server_is_known_to_the_next_one() {
    let place = Place::new();
    let mut first = Served::start(&place, "127.0.0.1:0", "log-1", &["--sample", "2"]);
    let body = r#"{"files":[{"path":"/new","content":"new","ifMatch":"0","contentIdentity":
        {"kind":"mount-command","key":"mountcmd_1","ttlSeconds":604800}}]}"#;
    let written = first.ask("POST", "bulk", "", body).await.json();
    assert_eq!(written["results"][0]["opId"], "op_3");
    first.kill();
    let second = Served::start(&place, "127.0.0.1:0", "log-2", &[]);
    let again = second.ask("POST", "bulk", "", body).await.json();
    assert_eq!(again, written);
    let op = ask(second.address, "GET", "/v1/workspaces/w/ops/op_3", USUAL, "").await.json();
    assert_eq!((&op["status"], &op["path"]), (&"succeeded".into(), &"/new".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_can_be_told_what_it_takes_and_how_it_misbehaves() {
    let place = Place::new();
    let flags = "--sample 0 --no-results --body-max 300 --deny-writes /secret --strict /strict \
                 --op-delay 3600000 --chaos bulk-one-fails,lost-answer";
    let flags: Vec<&str> = flags.split_whitespace().collect();
    let server = Served::start(&place, "127.0.0.1:0", "log", &flags);
    let file = |path: &str| format!(r#"{{"path":"{path}","content":"text"}}"#);
    let files = ["/a", "/secret/b", "/strict/c"].map(file).join(",");
    let target = "/v1/workspaces/w/fs/bulk";
    let body = format!(r#"{{"files":[{files}]}}"#);
    let (mut lost, mut failed) = (0, 0);
    for _ in 0..1_000 {
        if lost > 0 && failed > 0 {
            break;
        }
        match try_ask(server.address, "POST", target, USUAL, &body).await {
            None => lost += 1,
            Some(answer) => {
                let answer = answer.json();
                assert!(answer.get("results").is_none(), "{answer}");
                let errors = answer["errors"].as_array().unwrap();
                let codes: Vec<_> =
                    errors.iter().map(|error| error["code"].as_str().unwrap()).collect();
                if codes.contains(&"internal_error") {
                    failed += 1;
                } else {
                    assert_eq!(codes, ["forbidden", "invalid_content"]);
                }
            }
        }
    }
    assert!(lost > 0 && failed > 0, "{lost} lost, {failed} failed");
    let ops = ask(server.address, "GET", "/v1/workspaces/w/ops", USUAL, "").await.json();
    assert_eq!(ops["items"][0]["status"], "pending");
    let large = format!(r#"{{"files":[{}]}}"#, file(&"/a".repeat(200)));
    assert_eq!(server.ask("POST", "bulk", "", &large).await.status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_can_not_have_one_database() {
    let place = Place::new();
    let _first = Served::start(&place, "127.0.0.1:0", "log-1", &[]);
    let db = place.path("w.db").display().to_string();
    let mut second = place.landfall(&["serve", "--listen", "127.0.0.1:0", "--db", &db]);
    let output = tokio::task::spawn_blocking(move || second.output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("is in use by another process"), "{}", text(&output));
}
