//! The adapter against a server that says exactly what a test wants, byte for byte.

use std::net::SocketAddr;

use landfall_core::event::{Answer, Fetched, Part};
use landfall_core::fault::{Blame, Fault};
use landfall_core::hash::ContentHash;
use landfall_core::id::{BlobId, Revision, UnitId};
use landfall_core::path::RemotePath;
use landfall_core::time::Ms;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

use super::*;
use crate::disk::{Disk, hash_file};

mod writes;

const CALL: CallId = CallId { run: 1, unit: UnitId(0), n: 1 };

struct Lab {
    _dir: tempfile::TempDir,
    http: Http,
    events: UnboundedReceiver<Event>,
    listener: TcpListener,
    address: SocketAddr,
}

impl Lab {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path(), "/").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, events) = unbounded_channel();
        let target = Target {
            base_url: format!("http://{address}/"),
            workspace: "w/1".into(),
            token: Some(Token::Value(Secret::from(String::from("t0ken")))),
        };
        let http = Http::new(target, disk.stage, sender).unwrap();
        Self { _dir: dir, http, events, listener, address }
    }

    /// Takes one request, answers it with these bytes and hangs up.
    async fn serve(&self, answer: &[u8]) -> String {
        let (mut socket, request) = self.accept().await;
        socket.write_all(answer).await.unwrap();
        request
    }

    /// Takes one request, with the body that it promises.
    async fn accept(&self) -> (TcpStream, String) {
        let (mut socket, _) = self.listener.accept().await.unwrap();
        let mut request = Vec::new();
        loop {
            if let Some(end) = request.windows(4).position(|end| end == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let length: usize = length.map_or(0, |length| length.parse().unwrap());
                if request.len() >= end + 4 + length {
                    break;
                }
            }
            assert_ne!(socket.read_buf(&mut request).await.unwrap(), 0);
        }
        (socket, String::from_utf8(request).unwrap())
    }

    async fn next(&mut self) -> Event {
        self.events.recv().await.unwrap()
    }

    /// Asks, answers with this body, and returns everything that comes of it.
    async fn ask(&mut self, request: Request, body: &str) -> (Vec<Part>, Outcome) {
        self.http.ask(CALL, request, 1000);
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        self.serve(answer.as_bytes()).await;
        self.rest().await
    }

    async fn rest(&mut self) -> (Vec<Part>, Outcome) {
        let mut parts = Vec::new();
        loop {
            match self.next().await {
                Event::Part { part, .. } => parts.push(part),
                Event::Done { outcome, .. } => return (parts, outcome),
                other => panic!("{other:?}"),
            }
        }
    }

    fn staged(&self) -> Vec<String> {
        self.http.stage.held().into_keys().map(Stage::name).collect()
    }

    fn bytes(&self, part: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut file = self.http.stage.read(BlobId { call: CALL, part }).unwrap();
        std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
        bytes
    }
}

fn read() -> Request {
    Request::Read { path: RemotePath::parse("/a").unwrap() }
}

fn export() -> Request {
    Request::Export { path: "/".into() }
}

/// The same body, small enough for the first and too large for it.
fn at_a_stretch_and_piece_by_piece(text: &str) -> [String; 2] {
    [text.to_owned(), format!("{}{text}", " ".repeat(20_000))]
}

fn listing() -> Request {
    Request::Tree { path: "/".into(), depth: 3, cursor: None }
}

fn hash(bytes: &[u8]) -> ContentHash {
    hash_file(bytes).unwrap()
}

fn fetched(path: &str, bytes: &[u8], part: u32) -> Fetched {
    Fetched {
        path: path.into(),
        revision: Revision("rev_1".into()),
        hash: hash(bytes),
        size: bytes.len() as u64,
        blob: BlobId { call: CALL, part },
    }
}

fn failed(blame: Blame, why: Fault) -> Outcome {
    Outcome::Failed { blame, why, retry_after: None }
}

#[tokio::test]
async fn a_request_says_who_asks_and_for_what() {
    let mut lab = Lab::new().await;
    let cursor = Some(String::from("/a&b"));
    lab.http.ask(CALL, Request::Tree { path: "/d d".into(), depth: 3, cursor }, 1);
    let request = lab.serve(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
    let (line, headers) = request.split_once("\r\n").unwrap();
    let target = "/v1/workspaces/w%2F1/fs/tree\
        ?path=%2Fd+d&depth=3&excludeMountRuntime=true&cursor=%2Fa%26b";
    assert_eq!(line, format!("GET {target} HTTP/1.1"));
    assert!(headers.contains("authorization: Bearer t0ken\r\n"), "{headers}");
    assert!(headers.contains("x-correlation-id: landfall-1.1\r\n"), "{headers}");
    assert_eq!(lab.rest().await.1, Outcome::Ok(Answer::Listed { next: None, total: None }));
    assert!(!format!("{:?}", lab.http).contains("t0ken"));
}

#[tokio::test]
async fn an_address_is_that_of_a_server_or_refused() {
    let made = |base_url: &str| {
        let dir = tempfile::tempdir().unwrap();
        let stage = Disk::open(dir.path(), "/").unwrap().stage;
        let target = Target { base_url: base_url.into(), workspace: "w/1".into(), token: None };
        let http = Http::new(target, stage, unbounded_channel().0).ok();
        http.map(|http| http.root.to_string())
    };
    for (base_url, root) in [
        ("http://relay.example", Some("http://relay.example/v1/workspaces/w%2F1/")),
        ("http://relay.example/api//", Some("http://relay.example/api/v1/workspaces/w%2F1/")),
        // What an empty variable leaves of https://$HOST.
        ("https://", None),
        ("https:", None),
        ("relay.example", None),
        ("ftp://relay.example", None),
        ("https://relay.example/?key=1", None),
        ("https://relay.example/#here", None),
    ] {
        assert_eq!(made(base_url).as_deref(), root, "{base_url}");
    }
}

#[tokio::test]
async fn the_fields_of_a_file_come_in_any_order_and_null_is_absent() {
    let text = r#"{"content":"a\u00e9\n\ud83d\ude00","extra":[{"content":"x"}],"path":"/a","revision":"rev_1","encoding":null,"contentHash":null}"#;
    let bytes = "aé\n😀".as_bytes();
    for text in at_a_stretch_and_piece_by_piece(text) {
        let mut lab = Lab::new().await;
        let (_, outcome) = lab.ask(read(), &text).await;
        assert_eq!(outcome, Outcome::Ok(Answer::Read(fetched("/a", bytes, 0))));
        assert_eq!((lab.bytes(0).as_slice(), lab.staged().len()), (bytes, 1));
    }
}

#[tokio::test]
async fn base64_is_decoded_whether_it_is_announced_before_or_after() {
    for text in [
        r#"{"path":"/a","revision":"rev_1","encoding":"base64","content":"AAH/"}"#,
        r#"{"path":"/a","revision":"rev_1","content":"AAH/","encoding":"base64"}"#,
    ]
    .into_iter()
    .flat_map(at_a_stretch_and_piece_by_piece)
    {
        let mut lab = Lab::new().await;
        let (_, outcome) = lab.ask(read(), &text).await;
        assert_eq!(outcome, Outcome::Ok(Answer::Read(fetched("/a", &[0, 1, 255], 0))), "{text}");
        assert_eq!((lab.bytes(0), lab.staged().len()), (vec![0, 1, 255], 1));
    }
}

#[tokio::test]
async fn what_is_not_as_the_api_says_is_malformed_and_leaves_nothing() {
    let other = hash(b"other");
    for text in [
        r#"[]"#.to_owned(),
        r#"["/a","rev_1",null,null,"x",null]"#.into(),
        r#"{"path":"/a","revision":"rev_1"}"#.into(),
        r#"{"revision":"rev_1","content":"a"}"#.into(),
        r#"{"path":"/a","content":17}"#.into(),
        r#"{"path":"/a","content":"a","content":"b"}"#.into(),
        r#"{"path":"/a","encoding":"base64","content":"A"}"#.into(),
        r#"{"path":"/a","encoding":"base64","content":"AA==AA=="}"#.into(),
        r#"{"path":"/a","encoding":"base64","content":"AAAA*AAA"}"#.into(),
        r#"{"path":"/a","content":"A*==","encoding":"base64"}"#.into(),
        r#"{"path":"/a","content":"\ud83d"}"#.into(),
        r#"{"path":"/a","content":"a",}"#.into(),
        r#"{"path":"/a","revision":"rev_1","content":"a","error":{"code":"not_found"}}"#.into(),
        format!(r#"{{"path":"/a","content":"a","contentHash":"{other}"}}"#),
        format!(r#"{{"path":"/{}","content":"a"}}"#, "n".repeat(100_000)),
        "<html>busy</html>".into(),
    ]
    .iter()
    .flat_map(|text| at_a_stretch_and_piece_by_piece(text))
    {
        let mut lab = Lab::new().await;
        let (_, outcome) = lab.ask(read(), &text).await;
        assert_eq!(outcome, failed(Blame::Lane, Fault::Malformed), "{text:.80}");
        assert!(lab.staged().is_empty(), "{text:.80}");
    }
}

#[tokio::test]
async fn an_answer_that_ends_early_is_cut_wherever_it_ends() {
    let text = r#"{"path":"/a","revision":"rev_1","encoding":"base64","content":"AAH/"}"#;
    for end in 0..text.len() {
        let mut lab = Lab::new().await;
        lab.http.ask(CALL, read(), 1);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", text.len());
        lab.serve(format!("{head}{}", &text[..end]).as_bytes()).await;
        let (_, outcome) = lab.rest().await;
        assert_eq!(outcome, failed(Blame::Unknown, Fault::Cut), "{}", &text[..end]);
        assert!(lab.staged().is_empty());
    }
}

#[tokio::test]
async fn an_export_keeps_what_arrived_before_it_was_cut() {
    let file = |path: &str| format!(r#"{{"path":"{path}","revision":"rev_1","content":"x"}}"#);
    let mut lab = Lab::new().await;
    lab.http.ask(CALL, export(), 1000);
    let body = format!("[{},{},{}", file("/a"), file("/b"), &file("/c")[..20]);
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n";
    lab.serve(format!("{head}{body}").as_bytes()).await;
    let (parts, outcome) = lab.rest().await;
    let files = [("/a", 0), ("/b", 1)].map(|(path, n)| Part::File(fetched(path, b"x", n)));
    assert_eq!((parts.as_slice(), outcome), (&files[..], failed(Blame::Unknown, Fault::Cut)));
    assert_eq!(lab.staged(), ["1-0-1-0", "1-0-1-1"]);
}

#[tokio::test]
async fn without_credit_nothing_is_staged() {
    let file = r#"{"path":"/a","revision":"rev_1","content":"x"}"#;
    let body = format!("[{}]", [file; 5].join(","));
    let mut lab = Lab::new().await;
    lab.http.ask(CALL, export(), 2);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    lab.serve(answer.as_bytes()).await;
    for (sent, more) in [(2, 1), (1, 2)] {
        for _ in 0..sent {
            assert!(matches!(lab.next().await, Event::Part { .. }));
        }
        assert!(lab.events.try_recv().is_err(), "no more than what was granted");
        lab.http.more(CALL, more);
    }
    let (parts, outcome) = lab.rest().await;
    assert_eq!((parts.len(), outcome), (2, Outcome::Ok(Answer::Exported)));
}

#[tokio::test]
async fn a_cancelled_call_is_silent_and_leaves_only_what_was_handed_over() {
    let mut lab = Lab::new().await;
    lab.http.ask(CALL, export(), 1000);
    let (mut socket, _) = lab.accept().await;
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n";
    let body = r#"[{"path":"/a","revision":"rev_1","content":"x"},{"path":"/b","content":"hal"#;
    socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    assert!(matches!(lab.next().await, Event::Part { .. }));
    lab.http.cancel(CALL);
    // The client hangs up.
    let _ = socket.read_to_end(&mut Vec::new()).await;
    // The sender lives as long as anybody could still say something.
    let Lab { http, mut events, .. } = lab;
    let stage = http.stage.clone();
    drop(http);
    while let Some(event) = events.recv().await {
        assert!(matches!(event, Event::Done { outcome: Outcome::Failed { .. }, .. }), "{event:?}");
    }
    assert_eq!(stage.held().len(), 1, "the file that was handed over");
}

#[tokio::test]
async fn an_answer_that_is_complete_does_not_wait_for_the_end_of_its_body() {
    let mut lab = Lab::new().await;
    lab.http.ask(CALL, read(), 1);
    let (mut socket, _) = lab.accept().await;
    let body = r#"{"path":"/a","revision":"rev_1","content":"x"}"#;
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("{head}{:x}\r\n{body}\r\n", body.len());
    socket.write_all(chunk.as_bytes()).await.unwrap();
    // The last chunk never comes.
    assert_eq!(lab.rest().await.1, Outcome::Ok(Answer::Read(fetched("/a", b"x", 0))));
}

#[tokio::test]
async fn one_connection_serves_one_request_after_another() {
    let mut lab = Lab::new().await;
    let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    let connection: JoinHandle<u32> = {
        lab.http.ask(CALL, Request::Tree { path: "/".into(), depth: 1, cursor: None }, 1);
        let (mut socket, _) = lab.accept().await;
        socket.write_all(answer).await.unwrap();
        lab.rest().await;
        tokio::spawn(async move {
            let mut served = 1;
            let mut request = Vec::new();
            while socket.read_buf(&mut request).await.unwrap() > 0 {
                if request.ends_with(b"\r\n\r\n") {
                    socket.write_all(answer).await.unwrap();
                    (served, request) = (served + 1, Vec::new());
                }
            }
            served
        })
    };
    // A second connection would never be accepted.
    lab.http.ask(CALL, Request::Tree { path: "/".into(), depth: 1, cursor: None }, 1);
    lab.rest().await;
    drop(lab);
    assert_eq!(connection.await.unwrap(), 2);
}

#[tokio::test]
async fn refusals_are_classified_by_what_they_say() {
    let json = |code: &str, message: &str| format!(r#"{{"code":"{code}","message":"{message}"}}"#);
    let busy = failed_after(Blame::Lane, Fault::WorkspaceBusy, Some(Ms::secs(7)));
    for (status, header, body, expected) in [
        ("429 X", "Retry-After: 7\r\n", json("workspace_busy", ""), busy),
        ("429 X", "", "<html>".into(), failed(Blame::Lane, Fault::Throttled)),
        ("503 X", "", json("", "Overloaded"), failed(Blame::Lane, Fault::Overloaded)),
        ("404 X", "", "x".repeat(100_000), failed(Blame::Payload, Fault::NotFound)),
        ("302 X", "Location: /elsewhere\r\n", "".into(), failed(Blame::Lane, Fault::Status(302))),
    ] {
        let mut lab = Lab::new().await;
        lab.http.ask(CALL, read(), 1);
        let length = body.len();
        let answer = format!("HTTP/1.1 {status}\r\n{header}Content-Length: {length}\r\n\r\n{body}");
        let serve = lab.serve(answer.as_bytes()).await;
        assert!(serve.starts_with("GET "));
        assert_eq!(lab.rest().await.1, expected, "{status}");
    }
}

fn failed_after(blame: Blame, why: Fault, retry_after: Option<Ms>) -> Outcome {
    Outcome::Failed { blame, why, retry_after }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_broken_link() {
    let mut lab = Lab::new().await;
    let address = lab.address;
    let gone =
        std::mem::replace(&mut lab.listener, TcpListener::bind("127.0.0.1:0").await.unwrap());
    drop(gone);
    lab.http.ask(CALL, read(), 1);
    assert_eq!(lab.rest().await.1, failed(Blame::Unknown, Fault::Link), "{address}");
}

#[tokio::test]
async fn a_bulk_read_tells_files_from_refusals() {
    let body = r#"{"files":[{"path":"/a","error":{"code":"not_found","message":"","status":404}},{"path":"/b","revision":"rev_1","content":"x"}]}"#;
    let mut lab = Lab::new().await;
    let paths = ["/a", "/b"].map(|path| RemotePath::parse(path).unwrap()).to_vec();
    lab.http.ask(CALL, Request::ReadMany { paths }, 10);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    lab.serve(answer.as_bytes()).await;
    let refused = Part::Refused { path: "/a".into(), blame: Blame::Payload, why: Fault::NotFound };
    let (parts, outcome) = lab.rest().await;
    assert_eq!(parts, [refused, Part::File(fetched("/b", b"x", 0))]);
    assert_eq!(outcome, Outcome::Ok(Answer::ReadMany));
}

#[tokio::test]
async fn a_listing_keeps_the_entries_before_the_cut_in_order() {
    let entry = |n: u32| format!(r#"{{"path":"/f{n:03}","type":"file","revision":"rev_1"}}"#);
    let entries: Vec<String> = (0..100).map(entry).collect();
    let mut lab = Lab::new().await;
    lab.http.ask(CALL, listing(), 10);
    let body = format!(r#"{{"totalFiles":500,"entries":[{},{{"pa"#, entries.join(","));
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
    lab.serve(format!("{head}{body}").as_bytes()).await;
    let (parts, outcome) = lab.rest().await;
    let sizes: Vec<usize> = parts
        .iter()
        .map(|part| match part {
            Part::Entries(entries) => entries.len(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!((sizes, outcome), (vec![64, 36], failed(Blame::Unknown, Fault::Cut)));
}

#[tokio::test]
async fn a_page_of_a_listing_is_the_same_at_a_stretch_and_piece_by_piece() {
    let odd = r#"{"path":"/a","type":null,"revision":null,"size":3,"contentHash":null,"more":[1]}"#;
    let listed = |next: Option<&str>, total| {
        Outcome::Ok(Answer::Listed { next: next.map(str::to_owned), total })
    };
    let malformed = || failed(Blame::Lane, Fault::Malformed);
    let cursor = "c".repeat(70_000);
    for (text, entries, expected) in [
        (
            format!(r#"{{"path":"/","entries":[{odd},{odd}],"nextCursor":"/a","totalFiles":2}}"#),
            2,
            listed(Some("/a"), Some(2)),
        ),
        (
            format!(r#"{{"totalFiles":null,"nextCursor":null,"entries":[{odd}]}}"#),
            1,
            listed(None, None),
        ),
        (
            format!(r#"{{"nextCursor":17,"totalFiles":-1,"entries":[{odd}]}}"#),
            1,
            listed(None, None),
        ),
        (r#"{}"#.into(), 0, listed(None, None)),
        (format!(r#"{{"entries":[{odd},{{"type":"file"}}]}}"#), 1, malformed()),
        (format!(r#"{{"nextCursor":"{cursor}"}}"#), 0, malformed()),
        (format!(r#"["/",[{odd}],null,1]"#), 0, malformed()),
    ] {
        for text in [text.clone(), format!("{}{text}", " ".repeat(2_000_000))] {
            let mut lab = Lab::new().await;
            let (parts, outcome) = lab.ask(listing(), &text).await;
            let told = parts.iter().map(|part| match part {
                Part::Entries(entries) => entries.iter().filter(|entry| entry.path == "/a").count(),
                other => panic!("{other:?}"),
            });
            let shown = text.trim_start();
            assert_eq!((told.sum::<usize>(), outcome), (entries, expected.clone()), "{shown:.80}");
        }
    }
}

#[tokio::test]
async fn a_page_of_a_listing_comes_in_order_and_as_credit_allows() {
    let paths: Vec<String> = (0..150).map(|n| format!("/f{n:03}")).collect();
    let entry = |path: &String| format!(r#"{{"path":"{path}","type":"file"}}"#);
    let entries: Vec<String> = paths.iter().map(entry).collect();
    let text = format!(r#"{{"entries":[{}]}}"#, entries.join(","));
    for text in [text.clone(), format!("{}{text}", " ".repeat(2_000_000))] {
        let mut lab = Lab::new().await;
        lab.http.ask(CALL, listing(), 2);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", text.len());
        lab.serve(format!("{head}{text}").as_bytes()).await;
        let mut parts = Vec::new();
        for _ in 0..2 {
            match lab.next().await {
                Event::Part { part, .. } => parts.push(part),
                other => panic!("{other:?}"),
            }
        }
        assert!(lab.events.try_recv().is_err(), "no more than what was granted");
        lab.http.more(CALL, 1);
        let (rest, outcome) = lab.rest().await;
        parts.extend(rest);
        assert_eq!(outcome, Outcome::Ok(Answer::Listed { next: None, total: None }));
        let batches: Vec<Vec<String>> = parts
            .into_iter()
            .map(|part| match part {
                Part::Entries(entries) => entries.into_iter().map(|entry| entry.path).collect(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [64, 64, 22]);
        assert_eq!(batches.concat(), paths);
    }
}
