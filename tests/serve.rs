//! The embedded server, asked over real sockets.

mod support;

use std::time::Duration;

use landfall::serve::{Chaos, Pace, Route, Running, ServerConfig, start};
use landfall_core::time::{Ms, Wall};
use landfall_reference::faults::FaultPlan;
use landfall_reference::script::{Damage, Script, Sight};
use landfall_reference::server::{Content, Refusal, RetryAfter, Server};
use support::http::{Answer, USUAL, ask, ask_bytes};
use support::serving;
use tokio::time::{Instant, timeout};

async fn get(server: &Running, target: &str) -> Answer {
    let target = format!("/v1/workspaces/w/fs/{target}");
    ask(server.address(), "GET", &target, USUAL, "").await
}

fn three_files() -> Server {
    let mut server = Server::default();
    server.put("/docs/a.md", Content::new(*b"# hello a\n"), Wall(1_000));
    server.put("/docs/b.bin", Content::new(vec![0, 1, 0xff]), Wall(2_000));
    server.put("/c.txt", Content::new(*b"c"), Wall(3_000));
    server
}

#[tokio::test]
async fn every_request_brings_a_token_and_a_correlation_id() {
    let server = start(ServerConfig {
        token: Some("secret".into()),
        workspace: Some("w".into()),
        ..ServerConfig::default()
    })
    .await
    .unwrap();
    let tree = |workspace: &str| format!("/v1/workspaces/{workspace}/fs/tree");

    let health = ask(server.address(), "GET", "/health", "", "").await;
    assert_eq!(health.status, 200);
    let nobody = ask(server.address(), "GET", &tree("w"), USUAL, "").await;
    assert_eq!((nobody.status, nobody.json()["code"] == "unauthorized"), (401, true));
    let bearer = "Authorization: Bearer secret\r\n";
    let unnamed = ask(server.address(), "GET", &tree("w"), bearer, "").await;
    assert_eq!(unnamed.status, 400);
    assert_eq!(unnamed.json()["message"], "missing X-Correlation-Id header");
    let both = format!("{bearer}{USUAL}");
    let other = ask(server.address(), "GET", &tree("v"), &both, "").await;
    assert_eq!((other.status, other.json()["message"] == "workspace mismatch"), (403, true));
    let good = ask(server.address(), "GET", &tree("w"), &both, "").await;
    assert_eq!(good.status, 200);
    let nowhere = ask(server.address(), "GET", "/v1/workspaces/w/fs/attic", &both, "").await;
    assert_eq!((nowhere.status, nowhere.json()["message"] == "route not found"), (404, true));
}

#[tokio::test]
async fn a_listing_page_looks_as_the_api_says() {
    let server = serving(three_files()).await;
    let page = get(&server, "tree?path=/&depth=3").await.json();
    assert_eq!(page["nextCursor"], serde_json::Value::Null);
    assert_eq!(page["totalFiles"], 3);
    assert_eq!(
        page["entries"][1],
        serde_json::json!({"path":"/docs","type":"dir","revision":"dir"})
    );
    let file = &page["entries"][3];
    assert_eq!(file["path"], "/docs/b.bin");
    assert_eq!(file["size"], 4, "the length of the base64 text");
    assert_eq!(file["provider"], "docs");
    assert_eq!(file["updatedAt"], "1970-01-01T00:00:02.000000000Z");

    let empty = get(&server, "tree?path=/nowhere").await.json();
    assert!(empty.get("totalFiles").is_none(), "unknown, not zero");
    assert_eq!(get(&server, "tree?path=/&cursor=/x").await.status, 400);
    assert_eq!(get(&server, "tree?path=/&depth=many").await.status, 400);
}

#[tokio::test]
async fn a_file_is_read_as_text_or_as_base64() {
    let server = serving(three_files()).await;
    let text = get(&server, "file?path=/docs/a.md").await;
    assert!(text.head.contains("etag: rev_1"), "{}", text.head);
    assert_eq!(text.json()["content"], "# hello a\n");
    assert_eq!(text.json()["contentType"], "text/markdown");
    assert!(text.json().get("encoding").is_none());
    let binary = get(&server, "file?path=/docs/b.bin").await.json();
    assert_eq!((&binary["content"], &binary["encoding"]), (&"AAH/".into(), &"base64".into()));
    assert_eq!(get(&server, "file?path=/gone").await.status, 404);
}

#[tokio::test]
async fn an_export_streams_every_file_and_tells_no_length() {
    let server = serving(three_files()).await;
    let export = get(&server, "export?format=json&path=/").await;
    assert!(!export.head.contains("content-length"), "{}", export.head);
    let files = export.json();
    let paths: Vec<_> = files.as_array().unwrap().iter().map(|f| &f["path"]).collect();
    assert_eq!(paths, ["/c.txt", "/docs/a.md", "/docs/b.bin"]);
    assert_eq!(get(&server, "export?format=zip&path=/").await.status, 400);

    let delivered = server.log().deliveries();
    assert!(delivered.iter().all(|file| file.delivered && file.route == Route::Export));
    assert_eq!(delivered.len(), 3);
}

/// Every entry of a gzipped archive: its name, its bytes and its time.
fn unpack(gzip: &[u8]) -> Vec<(String, Vec<u8>, u64)> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(gzip));
    let one = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let mut entry = entry.unwrap();
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        (name, bytes, entry.header().mtime().unwrap())
    };
    archive.entries().unwrap().map(one).collect()
}

#[tokio::test]
async fn an_archive_has_every_file_with_its_bytes_and_its_very_name() {
    let mut workspace = three_files();
    // Names that a careful archiver would refuse or rewrite, and some that no header can hold.
    let long = format!("/{}/{}.md", "d".repeat(90), "ü".repeat(100));
    let names =
        ["/../up", "//double", "/a/./b", "/name with\nnewline", "/nul\0", &long, "/c.txt/c"];
    for (n, name) in names.iter().enumerate() {
        workspace.put(name, Content::new(name.repeat(n * 1_000).into_bytes()), Wall(5_000));
    }
    let mut wanted: Vec<(String, Vec<u8>, u64)> = workspace
        .now()
        .files()
        .map(|(path, file)| {
            (path[1..].to_owned(), file.content.bytes().to_vec(), file.at.0 / 1_000)
        })
        .collect();
    let server = serving(workspace).await;
    let target = "/v1/workspaces/w/fs/export?format=tar&path=/";
    let (head, gzip, whole) = ask_bytes(server.address(), "GET", target, USUAL, "").await.unwrap();
    assert!(whole && head.contains("content-type: application/gzip"), "{head}");
    let mut files = unpack(&gzip);
    wanted.sort();
    files.sort();
    assert_eq!(files, wanted);
    assert!(server.log().deliveries().iter().all(|file| file.delivered));
    assert_eq!(server.log().delivered(), wanted.len());

    let below = "/v1/workspaces/w/fs/export?format=tar&path=/docs";
    let (_, gzip, _) = ask_bytes(server.address(), "GET", below, USUAL, "").await.unwrap();
    let names: Vec<String> = unpack(&gzip).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["docs/a.md", "docs/b.bin"]);
    let nothing = "/v1/workspaces/w/fs/export?format=tar&path=/nowhere";
    let (_, gzip, _) = ask_bytes(server.address(), "GET", nothing, USUAL, "").await.unwrap();
    assert!(unpack(&gzip).is_empty(), "an archive of nothing is one, too");
}

#[tokio::test]
async fn an_archive_that_is_cut_can_not_be_taken_for_a_whole_one() {
    let server = serving(three_files()).await;
    let cut = Script { damage: Some((Damage::Cut, 500)), ..Script::default() };
    server.plan_next(Route::Export, cut);
    let target = "/v1/workspaces/w/fs/export?format=tar&path=/";
    let (_, gzip, whole) = ask_bytes(server.address(), "GET", target, USUAL, "").await.unwrap();
    assert!(!whole);
    let mut bytes = Vec::new();
    let read = std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&gzip[..]), &mut bytes);
    assert!(read.is_err());
}

#[tokio::test]
async fn a_bulk_read_is_there_only_where_it_is_switched_on() {
    let server = serving(three_files()).await;
    let body = r#"{"paths":["/c.txt","/gone"]}"#;
    let target = "/v1/workspaces/w/fs/bulk-read";
    let off = ask(server.address(), "POST", target, USUAL, body).await;
    assert_eq!((off.status, off.json()["message"] == "route not found"), (404, true));
    server.with(|server| server.settings_mut().bulk_read = true);
    let files = ask(server.address(), "POST", target, USUAL, body).await.json();
    assert_eq!(files["files"][0]["content"], "c");
    assert_eq!(files["files"][1]["error"]["status"], 404);
}

#[tokio::test]
async fn the_feed_tells_what_another_client_wrote() {
    let server = serving(three_files()).await;
    let target = "/v1/workspaces/w/fs/file?path=/new.md";
    let body = r#"{"contentType":"text/markdown","content":"new"}"#;
    let blind = ask(server.address(), "PUT", target, USUAL, body).await;
    assert_eq!(blind.status, 412);
    let create = format!("{USUAL}If-Match: 0\r\n");
    let written = ask(server.address(), "PUT", target, &create, body).await;
    assert_eq!((written.status, written.json()["targetRevision"] == "rev_4"), (202, true));
    let again = ask(server.address(), "PUT", target, &create, body).await;
    assert_eq!((again.status, again.json()["currentRevision"] == "rev_4"), (409, true));

    let feed = get(&server, "events?cursor=evt_3").await.json();
    assert_eq!(feed["events"][0]["type"], "file.created");
    assert_eq!(feed["events"][0]["path"], "/new.md");
    assert_eq!(feed["nextCursor"], "evt_4");
    let tip = get(&server, "events?direction=desc&limit=1").await.json();
    assert_eq!(tip["events"][0]["eventId"], "evt_4");
    let delete = format!("{USUAL}If-Match: \"rev_4\"\r\n");
    assert_eq!(ask(server.address(), "DELETE", target, &delete, "").await.status, 202);
    assert_eq!(get(&server, "file?path=/new.md").await.status, 404);
}

#[tokio::test]
async fn a_throttle_says_when_to_come_back() {
    let server = serving(three_files()).await;
    let refusal = Refusal::new(429, "rate_limited", "rate limit exceeded");
    server.plan_next(
        Route::Tree,
        Script { refuse: Some(refusal.after(RetryAfter::Seconds(30))), ..Script::default() },
    );
    let throttled = get(&server, "tree?path=/").await;
    assert_eq!(throttled.status, 429);
    assert!(throttled.head.contains("retry-after: 30"), "{}", throttled.head);
    assert_eq!(throttled.json()["correlationId"], "c1");
    assert_eq!(get(&server, "tree?path=/").await.status, 200);
}

#[tokio::test]
async fn an_empty_listing_hides_files_that_are_there() {
    let server = serving(three_files()).await;
    let empty = Script { sight: Sight::Empty, ..Script::default() };
    server.plan_next(Route::Tree, empty);
    let page = get(&server, "tree?path=/").await.json();
    assert_eq!(page["entries"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn a_cut_body_ends_without_an_end_and_the_log_knows_what_was_lost() {
    let server = serving(three_files()).await;
    let cut = Script {
        // Of five pieces, in the middle of the third: the second file.
        damage: Some((Damage::Cut, 500)),
        ..Script::default()
    };
    server.plan_next(Route::Export, cut);
    let export = get(&server, "export?format=json&path=/").await;
    assert!(!export.whole);
    assert!(export.body.contains("/c.txt") && !export.body.contains("b.bin"));
    server.log().wait_for(|log| log.records()[0].end_ms.is_some()).await;
    let delivered: Vec<_> = server.log().deliveries();
    let told: Vec<_> = delivered.iter().map(|f| (f.path.as_str(), f.delivered)).collect();
    assert_eq!(told, [("/c.txt", true), ("/docs/a.md", false)]);
    assert!(!server.log().records()[0].complete);
}

#[tokio::test]
async fn a_malformed_body_ends_well_and_is_no_json() {
    let server = serving(three_files()).await;
    let malformed = Script { damage: Some((Damage::Malformed, 500)), ..Script::default() };
    server.plan_next(Route::File, malformed);
    let answer = get(&server, "file?path=/c.txt").await;
    assert!(answer.whole);
    assert!(serde_json::from_str::<serde_json::Value>(&answer.body).is_err());
}

#[tokio::test]
async fn a_request_that_is_never_answered_is_let_go_when_the_client_leaves() {
    let server = serving(three_files()).await;
    let never = Script { never: true, ..Script::default() };
    server.plan_next(Route::Tree, never);
    let patience = timeout(Duration::from_millis(100), get(&server, "tree?path=/"));
    assert!(patience.await.is_err());
    // The dropped socket is the client leaving.
    server.log().wait_for(|log| log.records()[0].end_ms.is_some()).await;
    let record = &server.log().records()[0];
    assert_eq!((record.status, record.complete), (None, false));
    server.stop().await;
}

#[tokio::test]
async fn files_are_handed_out_at_the_pace_over_all_connections_together() {
    let server = serving(three_files()).await;
    server.set_pace(Pace { files: 20, bytes: 0 });
    let began = Instant::now();
    let (export, one, two) = tokio::join!(
        get(&server, "export?format=json&path=/"),
        get(&server, "file?path=/c.txt"),
        get(&server, "file?path=/docs/a.md"),
    );
    assert!(export.whole && one.whole && two.whole);
    // Five files, the first of them at once.
    assert!(began.elapsed() >= Duration::from_millis(195), "{:?}", began.elapsed());
}

#[tokio::test]
async fn chaos_waits_no_longer_than_it_may_and_ends_when_it_should() {
    let server = serving(three_files()).await;
    server.set_chaos(Chaos {
        plan: FaultPlan::all_on(3),
        lasts: None,
        longest_wait: Duration::from_millis(1),
    });
    for _ in 0..60 {
        // Some of these are never answered.
        let _ = timeout(Duration::from_millis(200), get(&server, "file?path=/c.txt")).await;
    }
    let met: usize = server.log().records().iter().map(|r| r.faults.len()).sum();
    assert!(met > 0);
    server.set_chaos(Chaos::default());
    for _ in 0..20 {
        assert_eq!(get(&server, "file?path=/c.txt").await.status, 200);
    }
    let slow = Script { delay: Ms(50), ..Script::default() };
    server.plan_next(Route::File, slow);
    let began = Instant::now();
    get(&server, "file?path=/c.txt").await;
    assert!(began.elapsed() >= Duration::from_millis(50));
}
