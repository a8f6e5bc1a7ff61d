//! Writes, byte for byte.

use std::io::Write;

use landfall_core::effect::Push;
use landfall_core::event::OpState;
use landfall_core::id::{CommandId, OpId};

use super::*;

impl Lab {
    /// A push of these bytes, which are staged.
    fn push(&self, n: u64, path: &str, base: Option<&str>, bytes: &[u8]) -> Push {
        let blob = BlobId { call: CallId { n: 100 + n, ..CALL }, part: 0 };
        let mut staged = self.http.stage.begin(blob).unwrap();
        staged.write_all(bytes).unwrap();
        staged.finish();
        Push {
            command: CommandId(format!("command {n}")),
            path: RemotePath::parse(path).unwrap(),
            base: base.map(|base| Revision(base.into())),
            blob,
            hash: hash(bytes),
            size: bytes.len() as u64,
        }
    }

    /// Asks, answers with this, and returns what was sent and what comes of it.
    async fn write(&mut self, request: Request, answer: &str) -> (String, Vec<Part>, Outcome) {
        self.http.ask(CALL, request, 1000);
        let sent = self.serve(answer.as_bytes()).await;
        let (parts, outcome) = self.rest().await;
        (sent, parts, outcome)
    }

    fn delete(&self) -> Request {
        Request::PushDelete {
            command: CommandId("command 1".into()),
            path: RemotePath::parse("/a b").unwrap(),
            base: Revision("rev_1".into()),
        }
    }
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn failed(blame: Blame, why: Fault) -> Outcome {
    Outcome::Failed { blame, why, retry_after: None }
}

#[tokio::test]
async fn many_files_are_one_body() {
    let mut lab = Lab::new().await;
    let files =
        vec![lab.push(1, "/a.md", Some("rev_1"), b"\"a\"\n"), lab.push(2, "/b", None, b"\0\xff")];
    let body = r#"{"written":1,"errorCount":1,"correlationId":"c","later":[{}],
        "results":[{"path":"/a.md","revision":"rev_2","opId":"","writeback":{"state":"pending"}}],
        "errors":[{"path":"/b","code":"internal_error","message":"oops"}]}"#;
    let request = Request::PushMany { files };
    let (sent, parts, outcome) = lab.write(request, &answer("202 Accepted", body)).await;
    let (head, body) = sent.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v1/workspaces/w%2F1/fs/bulk HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("x-correlation-id: command%201+1"), "{head}");
    assert!(head.contains("authorization: Bearer t0ken"), "{head}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let expected = serde_json::json!({"files": [
        {
            "path": "/a.md", "contentType": "text/markdown", "content": "\"a\"\n",
            "ifMatch": "rev_1",
            "contentIdentity": {"kind": "mount-command", "key": "command 1", "ttlSeconds": 604_800},
        },
        {
            "path": "/b", "contentType": "application/octet-stream", "content": "AP8=",
            "encoding": "base64", "ifMatch": "0",
            "contentIdentity": {"kind": "mount-command", "key": "command 2", "ttlSeconds": 604_800},
        },
    ]});
    assert_eq!(body, expected);
    let revision = Revision("rev_2".into());
    let expected = [
        Part::Wrote { path: "/a.md".into(), revision, op: None },
        Part::Refused { path: "/b".into(), blame: Blame::Lane, why: Fault::Server(500) },
    ];
    assert_eq!(parts, expected);
    assert_eq!(outcome, Outcome::Ok(Answer::WroteMany));
}

#[tokio::test]
async fn an_older_server_does_not_say_which_revisions_it_made() {
    let mut lab = Lab::new().await;
    for body in [r#"{"written":1}"#, r#"{"results":null,"errors":null}"#] {
        let files = vec![lab.push(lab.staged().len() as u64, "/a", None, b"a")];
        let request = Request::PushMany { files };
        let (_, parts, outcome) = lab.write(request, &answer("202 Accepted", body)).await;
        assert_eq!((parts, outcome), (vec![], Outcome::Ok(Answer::WroteMany)));
    }
    for status in ["404 Not Found", "405 Method Not Allowed", "501 Not Implemented"] {
        let files = vec![lab.push(lab.staged().len() as u64, "/a", None, b"a")];
        let request = Request::PushMany { files };
        let (_, _, outcome) = lab.write(request, &answer(status, "")).await;
        assert_eq!(outcome, failed(Blame::Payload, Fault::NotFound), "{status}");
    }
}

#[tokio::test]
async fn one_file_is_put_and_deleted_as_what_it_was() {
    let mut lab = Lab::new().await;
    let push = lab.push(1, "/a b.ts", Some("rev_1"), b"a");
    let accepted = answer("202 Accepted", r#"{"opId":"op_2","targetRevision":"rev_2"}"#);
    let (sent, _, outcome) = lab.write(Request::Push(push), &accepted).await;
    assert!(sent.starts_with("PUT /v1/workspaces/w%2F1/fs/file?path=%2Fa+b.ts HTTP/1.1\r\n"));
    assert!(sent.contains("if-match: rev_1\r\n"), "{sent}");
    assert!(sent.contains("x-correlation-id: command%201\r\n"), "{sent}");
    assert!(sent.ends_with("\r\n\r\n{\"contentType\":\"text/typescript\",\"content\":\"a\"}"));
    let (revision, op) = (Revision("rev_2".into()), Some(OpId("op_2".into())));
    assert_eq!(outcome, Outcome::Ok(Answer::Wrote { revision, op: op.clone() }));

    let (sent, _, outcome) = lab.write(lab.delete(), &accepted).await;
    assert!(sent.starts_with("DELETE /v1/workspaces/w%2F1/fs/file?path=%2Fa+b HTTP/1.1\r\n"));
    assert!(sent.contains("if-match: rev_1\r\n"), "{sent}");
    assert_eq!(outcome, Outcome::Ok(Answer::Deleted { op }));
    let (_, _, outcome) = lab.write(lab.delete(), "HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(outcome, Outcome::Ok(Answer::Deleted { op: None }));

    let push = lab.push(2, "/a", Some("rev\n1"), b"a");
    lab.http.ask(CALL, Request::Push(push), 1);
    let said = "its revision does not fit a header".into();
    let rejected = failed(Blame::Payload, Fault::Rejected { status: 0, said });
    assert_eq!(lab.rest().await.1, rejected);
}

#[tokio::test]
async fn what_a_server_says_is_kept_without_the_token() {
    let mut lab = Lab::new().await;
    let said =
        |status, said: &str| failed(Blame::Payload, Fault::Rejected { status, said: said.into() });
    for (n, (answer, outcome)) in [
        (
            answer("422 X", r#"{"code":"schema","message":"t0ken is bad"}"#),
            said(422, "[token] is bad"),
        ),
        (answer("413 X", "<html>too large</html>"), said(413, "<html>too large</html>")),
        (
            answer("409 X", r#"{"code":"revision_conflict"}"#),
            failed(Blame::Payload, Fault::Conflict),
        ),
        (answer("503 X", ""), failed(Blame::Lane, Fault::Server(503))),
    ]
    .into_iter()
    .enumerate()
    {
        let push = lab.push(n as u64, "/a", None, b"a");
        assert_eq!(lab.write(Request::Push(push), &answer).await.2, outcome, "{answer}");
    }
}

#[tokio::test]
async fn an_operation_is_over_when_the_server_says_so() {
    let mut lab = Lab::new().await;
    for (status, state) in [
        ("succeeded", OpState::Succeeded),
        ("dead_lettered", OpState::Failed("dead_lettered".into())),
        ("canceled", OpState::Failed("canceled".into())),
        ("queued", OpState::Pending),
        ("something new", OpState::Pending),
    ] {
        let request = Request::Op { op: OpId("op/1".into()) };
        let body = format!(r#"{{"opId":"op/1","status":"{status}"}}"#);
        let (sent, _, outcome) = lab.write(request, &answer("200 OK", &body)).await;
        assert!(sent.starts_with("GET /v1/workspaces/w%2F1/ops/op%2F1 HTTP/1.1\r\n"), "{sent}");
        assert_eq!(outcome, Outcome::Ok(Answer::Op(state)));
    }
}

/// A link that takes minutes is not a dead one: the machine hears now and then that it goes on.
#[tokio::test]
async fn a_body_that_goes_out_slowly_says_so() {
    let mut lab = Lab::new().await;
    let push = lab.push(1, "/large", None, &vec![7; 12 * 1024 * 1024]);
    lab.http.ask(CALL, Request::Push(push), 1);
    let (mut socket, _) = lab.listener.accept().await.unwrap();
    let mut beats = 0;
    // It takes a piece, and another only once it was heard that the rest goes out.
    while beats < 3 {
        let mut piece = vec![0; 1024 * 1024];
        let _ = socket.read(&mut piece).await.unwrap();
        tokio::time::sleep(super::super::push::PULSE).await;
        while let Ok(event) = lab.events.try_recv() {
            assert_eq!(event, Event::Part { call: CALL, part: Part::Alive });
            beats += 1;
        }
    }
}
