//! The embedded server is written to, over real sockets.

mod support;

use landfall::serve::{Chaos, Route, Running};
use landfall_core::time::{Ms, Wall};
use landfall_reference::faults::{FaultKind, FaultPlan, PPM};
use landfall_reference::script::{Damage, Script};
use landfall_reference::server::{Content, Fate, OpStatus, Refusal, RetryAfter, Server};
use serde_json::{Value, json};
use support::http::{Answer, USUAL, ask, try_ask};
use support::serving;

async fn send(server: &Running, method: &str, target: &str, body: &Value) -> Answer {
    let target = format!("/v1/workspaces/w/{target}");
    let headers = format!("{USUAL}If-Match: *\r\n");
    ask(server.address(), method, &target, &headers, &body.to_string()).await
}

async fn bulk(server: &Running, files: Value) -> Answer {
    send(server, "POST", "fs/bulk", &json!({ "files": files })).await
}

async fn get(server: &Running, target: &str) -> Answer {
    send(server, "GET", target, &Value::Null).await
}

fn one_file() -> Server {
    let mut server = Server::default();
    server.put("/docs/a.md", Content::new(*b"a"), Wall(1_000));
    server
}

#[tokio::test]
async fn a_bulk_write_looks_as_the_api_says() {
    let server = serving(one_file()).await;
    let files = json!([
        {"path": "/docs/new.md", "contentType": "text/markdown", "content": "new", "ifMatch": "0"},
        {"path": "/docs/a.md", "contentType": "text/markdown", "content": "x", "ifMatch": "rev_999"},
        {"path": "/docs/bad", "content": "no base64!", "encoding": "base64"},
        {"path": "bin/", "content": "AAH/", "encoding": "base64"},
    ]);
    let answer = bulk(&server, files).await;
    assert_eq!(answer.status, 202);
    let written = json!({
        "written": 2,
        "errorCount": 2,
        "correlationId": "c1",
        "results": [
            {
                "path": "/docs/new.md", "revision": "rev_2", "contentType": "text/markdown",
                "opId": "op_2", "writeback": {"provider": "docs", "state": "pending"},
            },
            {
                "path": "/bin", "revision": "rev_3", "contentType": "application/octet-stream",
                "opId": "op_3", "writeback": {"provider": "bin", "state": "pending"},
            },
        ],
        "errors": [
            {
                "path": "/docs/a.md", "code": "conflict",
                "message": "expected revision \"rev_999\" but current revision is \"rev_1\"",
                "expectedRevision": "rev_999", "currentRevision": "rev_1",
            },
            {"path": "/docs/bad", "code": "invalid_content", "message": "invalid input"},
        ],
    });
    assert_eq!(answer.json(), written);
    // It is there at once, with the bytes that were meant.
    assert_eq!(get(&server, "fs/file?path=/bin").await.json()["content"], "AAH/");
    let feed = get(&server, "fs/events?cursor=evt_1").await.json();
    assert_eq!(feed["events"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_write_that_is_asked_for_again_is_done_once() {
    let server = serving(one_file()).await;
    let file = json!([{
        "path": "/docs/new.md", "content": "new", "ifMatch": "0",
        "contentIdentity": {"kind": "mount-command", "key": "mountcmd_1", "ttlSeconds": 604800},
    }]);
    let first = bulk(&server, file.clone()).await;
    assert_eq!(first.json()["results"][0]["opId"], "op_2");
    assert_eq!(bulk(&server, file).await.json(), first.json());
    assert_eq!(server.with(|server| server.tip()), 2);
    // A name without a key names nothing.
    let unnamed = json!([{"path": "/x", "content": "x", "contentIdentity": {"kind": "k"}}]);
    assert_eq!(bulk(&server, unnamed.clone()).await.json()["results"][0]["opId"], "op_3");
    assert_eq!(bulk(&server, unnamed).await.json()["results"][0]["opId"], "op_4");
}

#[tokio::test]
async fn servers_differ_in_what_they_take() {
    let server = serving(one_file()).await;
    let file = |path: &str, content: &str| json!([{"path": path, "content": content}]);
    let set = |change: fn(&mut landfall_reference::server::WriteSettings)| {
        server.with(|server| change(&mut server.settings_mut().writes));
    };
    assert_eq!(bulk(&server, json!([])).await.json()["message"], "missing files");
    assert_eq!(bulk(&server, json!([{"content": "x"}])).await.json()["errorCount"], 1);
    assert_eq!(bulk(&server, json!([{"path": "/x"}])).await.status, 400);

    set(|writes| writes.results = false);
    let untold = bulk(&server, file("/docs/b", "b")).await.json();
    assert_eq!((&untold["written"], untold.get("results")), (&json!(1), None));

    set(|writes| writes.denied = vec!["/secret".into()]);
    let denied = bulk(&server, file("/secret/x", "x")).await.json();
    assert_eq!(denied["errors"][0]["code"], "forbidden");
    let put = |path: &str, content: &str| {
        let target = format!("fs/file?path={path}");
        let body = json!({ "content": content });
        let server = &server;
        async move { send(server, "PUT", &target, &body).await }
    };
    let answer = put("/secret/x", "x").await;
    assert_eq!((answer.status, &answer.json()["code"]), (403, &json!("forbidden")));
    assert_eq!(send(&server, "DELETE", "fs/file?path=/secret/x", &Value::Null).await.status, 403);
    assert_eq!(send(&server, "DELETE", "fs/file", &Value::Null).await.status, 400);

    set(|writes| writes.strict = vec!["/strict".into()]);
    let invalid = bulk(&server, file("/strict/x.json", "[]")).await.json();
    assert_eq!(invalid["errors"][0]["code"], "invalid_content");
    assert_eq!(put("/strict/x.json", "[]").await.status, 422);
    assert_eq!(put("/strict/x.json", "{}").await.status, 202);

    set(|writes| writes.body_max = 100);
    let large = put("/docs/large", &"x".repeat(100)).await;
    assert_eq!((large.status, &large.json()["code"]), (413, &json!("payload_too_large")));
    assert_eq!(bulk(&server, file("/docs/large", &"x".repeat(90))).await.status, 413);

    // Not even one that is sent for long finds the connection reset.
    assert_eq!(put("/docs/huge", &"x".repeat(30_000_000)).await.status, 413);

    set(|writes| writes.bulk = false);
    let none = bulk(&server, file("/docs/b", "b")).await;
    assert_eq!((none.status, &none.json()["message"]), (404, &json!("route not found")));
}

#[tokio::test]
async fn an_operation_can_be_asked_about_until_it_is_over() {
    let server = serving(one_file()).await;
    server.with(|server| server.settings_mut().writes.op_delay = Ms::hours(1));
    let body = json!({ "content": "new" });
    let written = send(&server, "PUT", "fs/file?path=/docs/new.md", &body).await.json();
    assert_eq!(written["opId"], "op_2");
    let op = get(&server, "ops/op_2").await.json();
    assert_eq!((&op["status"], &op["attemptCount"]), (&json!("pending"), &json!(0)));
    assert_eq!((&op["path"], &op["action"]), (&json!("/docs/new.md"), &json!("file_upsert")));
    assert_eq!((&op["revision"], &op["provider"]), (&json!("rev_2"), &json!("docs")));
    assert_eq!(op["createdAt"], op["updatedAt"]);

    server.with(|server| server.settings_mut().writes.op_delay = Ms(0));
    assert_eq!(get(&server, "ops/op_2").await.json()["status"], "succeeded");
    server.with(|server| {
        assert!(server.doom(2, Fate::DeadLetters));
    });
    let dead = get(&server, "ops/op_2").await.json();
    assert_eq!(dead["status"], "dead_lettered");
    assert!(dead["lastError"].is_string());

    send(&server, "DELETE", "fs/file?path=/docs/new.md", &Value::Null).await;
    let list = get(&server, "ops?limit=1").await.json();
    assert_eq!((&list["items"][0]["opId"], &list["nextCursor"]), (&json!("op_3"), &Value::Null));
    assert_eq!(list["items"][0]["action"], "file_delete");
    for unknown in ["op_1", "op_9", "..%2F..%2Fop_2"] {
        let answer = get(&server, &format!("ops/{unknown}")).await;
        assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("not_found")));
    }
    assert_eq!(get(&server, "ops?limit=0").await.status, 400);
    assert_eq!(send(&server, "POST", "ops", &body).await.status, 404);
}

#[tokio::test]
async fn edits_of_two_clients_are_merged_line_by_line() {
    let mut workspace = Server::default();
    workspace.put("/t.md", Content::new(*b"1\n2\n3\n4\n"), Wall(1_000));
    workspace.put("/t.md", Content::new(*b"one\n2\n3\n4\n"), Wall(2_000));
    let server = serving(workspace).await;
    let merge = |mine: &str, strategy: &str| {
        json!({
            "strategy": strategy, "baseRevision": "rev_1", "baseContent": "1\n2\n3\n4\n",
            "content": mine, "contentType": "text/markdown",
        })
    };
    let target = "fs/merge?path=/t.md";
    let clash = merge("uno\n2\n3\n4\n", "three-way-lines-v1");
    let conflict = send(&server, "POST", target, &clash).await;
    assert_eq!((conflict.status, &conflict.json()["code"]), (409, &json!("merge_conflict")));
    assert_eq!(conflict.json()["currentRevision"], "rev_2");
    let other = merge("1\n2\n3\nfour\n", "go-top-level-functions-v1");
    let ineligible = send(&server, "POST", target, &other).await;
    assert_eq!((ineligible.status, &ineligible.json()["code"]), (422, &json!("merge_ineligible")));

    let good = merge("1\n2\n3\nfour\n", "three-way-lines-v1");
    let merged = send(&server, "POST", target, &good).await;
    assert_eq!(merged.status, 200);
    assert_eq!(
        merged.json(),
        json!({
            "targetRevision": "rev_3", "strategy": "three-way-lines-v1",
            "baseRevision": "rev_1", "mergedAgainstRevision": "rev_2",
        })
    );
    let file = get(&server, "fs/file?path=/t.md").await.json();
    assert_eq!(file["content"], "one\n2\n3\nfour\n");
}

#[tokio::test]
async fn the_history_says_who_wrote_as_far_as_the_token_does() {
    let server = serving(one_file()).await;
    let target = "/v1/workspaces/w/fs/file?path=/docs/a.md";
    // {"agent_name":"scout"}
    for token in ["a.eyJhZ2VudF9uYW1lIjoic2NvdXQifQ.c", "secret"] {
        let headers = format!("{USUAL}If-Match: *\r\nAuthorization: Bearer {token}\r\n");
        let put = ask(server.address(), "PUT", target, &headers, r#"{"content":"b"}"#).await;
        assert_eq!(put.status, 202);
    }
    let by = |n: usize| {
        server.with(move |server| server.history()[n].origin.by.as_deref().map(str::to_owned))
    };
    assert_eq!([by(0), by(1), by(2)], [None, Some("scout".into()), Some("client".into())]);
}

#[tokio::test]
async fn a_throttled_write_is_not_done_and_a_cut_answer_is_of_one_that_was() {
    let server = serving(one_file()).await;
    let target = "fs/file?path=/docs/a.md";
    let body = json!({ "content": "new" });
    let throttle = Refusal::new(429, "queue_full", "queue is full").after(RetryAfter::Seconds(7));
    for (route, method) in [(Route::Put, "PUT"), (Route::Delete, "DELETE")] {
        let script = Script { refuse: Some(throttle.clone()), ..Script::default() };
        server.plan_next(route, script);
        let refused = send(&server, method, target, &body).await;
        assert_eq!(refused.status, 429);
        assert!(refused.head.contains("retry-after: 7"), "{}", refused.head);
    }
    let broken = Script {
        refuse: Some(Refusal::new(503, "internal_error", "overloaded")),
        ..Script::default()
    };
    server.plan_next(Route::BulkWrite, broken);
    let files = json!([{"path": "/docs/a.md", "content": "new"}]);
    assert_eq!(bulk(&server, files.clone()).await.status, 503);
    assert_eq!(server.with(|server| server.tip()), 1, "none of them was done");

    let cut = Script { damage: Some((Damage::Cut, 500)), ..Script::default() };
    server.plan_next(Route::BulkWrite, cut);
    let answer = bulk(&server, files).await;
    assert_eq!((answer.status, answer.whole), (202, false));
    assert_eq!(server.with(|server| server.tip()), 2);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_was_done_and_is_done_once() {
    let server = serving(one_file()).await;
    let lost = Script { lost: true, ..Script::default() };
    let files = json!({"files": [{
        "path": "/docs/new.md", "content": "new", "ifMatch": "0",
        "contentIdentity": {"kind": "mount-command", "key": "mountcmd_1"},
    }]});
    let target = "/v1/workspaces/w/fs/bulk";
    for _ in 0..2 {
        server.plan_next(Route::BulkWrite, lost.clone());
        let body = files.to_string();
        let answer = try_ask(server.address(), "POST", target, USUAL, &body).await;
        assert!(answer.is_none(), "not even the head arrives");
        assert_eq!(server.with(|server| server.tip()), 2);
    }
    let answer = send(&server, "POST", "fs/bulk", &files).await.json();
    assert_eq!(answer["results"][0]["opId"], "op_2");
    let records = server.log().records();
    let told: Vec<_> = records.iter().map(|record| (record.status, record.complete)).collect();
    assert_eq!(told[..2], [(None, false), (None, false)]);
    // A write without a name is found out by what it finds.
    let put = "/v1/workspaces/w/fs/file?path=/docs/put.md";
    let create = format!("{USUAL}If-Match: 0\r\n");
    server.plan_next(Route::Put, lost);
    let body = r#"{"content":"put"}"#;
    assert!(try_ask(server.address(), "PUT", put, &create, body).await.is_none());
    assert_eq!(ask(server.address(), "PUT", put, &create, body).await.status, 409);
}

#[tokio::test]
async fn a_bulk_write_can_fail_for_one_file_or_because_of_one() {
    let server = serving(one_file()).await;
    let files = json!([{"path": "/1", "content": "1"}, {"path": "/2", "content": "2"}]);
    let one_fails = Script { one_fails: Some(3), ..Script::default() };
    server.plan_next(Route::BulkWrite, one_fails);
    let answer = bulk(&server, files.clone()).await.json();
    assert_eq!(answer["results"][0]["path"], "/1");
    assert_eq!(
        answer["errors"][0],
        json!({
            "path": "/2", "code": "internal_error", "message": "internal error",
        })
    );

    let mut plan = FaultPlan::clean(1);
    plan.set(FaultKind::BulkRefused, PPM);
    server.set_chaos(Chaos { plan, ..Chaos::default() });
    let refused = bulk(&server, files.clone()).await;
    assert_eq!((refused.status, &refused.json()["code"]), (400, &json!("bad_request")));
    assert!(server.log().records()[1].faults[0].starts_with("bulk-refused@"));
    server.set_chaos(Chaos::default());
    assert_eq!(bulk(&server, files).await.json()["written"], 2);
}

#[tokio::test]
async fn operations_can_be_unknown_and_can_fail_and_stay_what_they_became() {
    let server = serving(one_file()).await;
    let chaos = |kinds: &[FaultKind]| {
        let mut plan = FaultPlan::clean(1);
        kinds.iter().for_each(|kind| plan.set(*kind, PPM));
        server.set_chaos(Chaos { plan, ..Chaos::default() });
    };
    chaos(&[FaultKind::OpFails]);
    let body = json!({ "content": "new" });
    let mut became = std::collections::BTreeSet::new();
    for n in 0..12 {
        let target = format!("fs/file?path=/{n}");
        assert_eq!(send(&server, "PUT", &target, &body).await.status, 202);
    }
    chaos(&[]);
    for n in 2..14 {
        let status = get(&server, &format!("ops/op_{n}")).await.json()["status"].clone();
        became.insert(status.as_str().unwrap().to_owned());
    }
    let all = [OpStatus::DeadLettered, OpStatus::Failed, OpStatus::Pending];
    assert_eq!(became.into_iter().collect::<Vec<_>>(), all.map(OpStatus::name));

    chaos(&[FaultKind::OpUnknown]);
    let written = send(&server, "PUT", "fs/file?path=/last", &body).await.json();
    assert_eq!(written["opId"], "op_14");
    let mut unknown = 0;
    while get(&server, "ops/op_14").await.status == 404 {
        unknown += 1;
    }
    assert!((1..=5).contains(&unknown), "{unknown}");
    assert_eq!(get(&server, "ops/op_14").await.status, 200);
}
