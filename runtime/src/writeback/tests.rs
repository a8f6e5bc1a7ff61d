//! `landfall writeback` over databases on a disk. Each snapshot stands beside the sentence that
//! says what it must show, written first, and the assertion of the decision that matters.

use std::fs;
use std::path::Path;

use landfall_core::brake::Brake;
use landfall_core::effect::Change;
use landfall_core::files::entry::{Hold, Ordinal, Remote, Unsent};
use landfall_core::hash::ContentHash;
use landfall_core::id::{BlobId, CallId, CommandId, CommitSeq, OpId, Revision, StoreId, UnitId};
use landfall_core::path::RemotePath;
use landfall_core::row::{EntryRow, IntentRow, LetterRow, ReceiptRow, Row, Staged, Value};
use landfall_core::time::Wall;
use serde_json::Value as Json;

use super::list::{self, State};
use super::status::WritebackStatus;
use super::view::View;
use crate::lock::Lock;
use crate::store::Store;

/// 2026-09-01T12:00:00Z.
const NOW: Wall = Wall(1_788_264_000_000);

/// A mirror on a disk, with these rows.
struct Mirror {
    dir: tempfile::TempDir,
    lock: Option<Lock>,
}

impl Mirror {
    fn without_state() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), lock: None }
    }

    fn with(rows: Vec<Value>) -> Self {
        let mirror = Self::without_state();
        let control = mirror.root().join(".relay");
        fs::create_dir(&control).unwrap();
        fs::write(control.join("marker.json"), r#"{"id":"id","workspace":"acme","base":"/"}"#)
            .unwrap();
        let (events, mut stored) = tokio::sync::mpsc::unbounded_channel();
        let opened = Store::open(&control.join("state.db"), None, StoreId(0), events).unwrap();
        let put = |value| Change::Put(Row { unit: UnitId(0), value });
        opened.store.commit(CommitSeq(1), rows.into_iter().map(put).collect());
        stored.blocking_recv().unwrap();
        opened.store.close(true);
        mirror
    }

    /// With a mount that keeps it, as far as anybody can tell.
    fn kept(mut self) -> Self {
        self.lock = Lock::take(&self.root().join(".relay")).unwrap();
        self
    }

    fn root(&self) -> &Path {
        self.dir.path()
    }

    fn view(&self) -> View {
        View::read(self.root()).unwrap()
    }

    fn text(&self) -> String {
        let status = WritebackStatus::new(&self.view());
        self.named(format!("{}\nexit code {}\n", status.text(), status.code()))
    }

    fn json(&self) -> Json {
        serde_json::to_value(WritebackStatus::new(&self.view())).unwrap()
    }

    fn pretty(&self) -> String {
        self.named(serde_json::to_string_pretty(&WritebackStatus::new(&self.view())).unwrap())
    }

    fn code(&self) -> u8 {
        WritebackStatus::new(&self.view()).code()
    }

    fn named(&self, text: String) -> String {
        text.replace(&self.root().display().to_string(), "DIR")
    }
}

fn path(path: &str) -> RemotePath {
    RemotePath::parse(path).unwrap()
}

fn bytes(n: u64) -> Staged {
    let call = CallId { run: 1, unit: UnitId(0), n };
    Staged { blob: BlobId { call, part: 0 }, hash: ContentHash([n as u8; 32]), size: 10 * n }
}

fn intent(of: &str, failures: u32, secs_ago: u64) -> Value {
    let row = IntentRow {
        command: CommandId(format!("landfall_{}", of.trim_start_matches('/'))),
        base: Some(Revision("rev_7".into())),
        bytes: Some(bytes(3)),
        since: landfall_core::files::entry::Ordinal::FIRST,
        epoch: 0,
        made: Wall(NOW.0 - secs_ago * 1000),
        failures,
    };
    Value::Intent(path(of), row)
}

fn receipt() -> Value {
    let accepted = Wall(NOW.0 - 1000);
    let op = OpId("op_9".into());
    let row = ReceiptRow { path: path("/docs/owed.md"), op, bytes: None, accepted };
    Value::Receipt(CommandId("landfall_owed".into()), row)
}

fn letter(command: &str, of: &str, op: Option<&str>) -> Value {
    let row = LetterRow {
        path: path(of),
        op: op.map(|op| OpId(op.into())),
        bytes: Some(bytes(2)),
        attempts: 5,
        status: 422,
        said: "schema: title is missing; Authorization: Bearer s3cret".into(),
        at: NOW,
    };
    Value::Letter(CommandId(command.into()), row)
}

fn unsent(of: &str, why: Unsent) -> Value {
    let row = EntryRow {
        base: None,
        proof: None,
        placing: None,
        remote: Remote::Absent(Ordinal::FIRST),
        hold: Some(Hold::Unsent { what: Some(ContentHash([1; 32])), why }),
        seen: 0,
        missed: None,
        lineage: Vec::new(),
        astray: false,
    };
    Value::Entry(path(of), row)
}

fn dead() -> Vec<Value> {
    vec![
        letter("landfall_aa", "/docs/a.md", None),
        letter("landfall_bb", "/docs/b.md", Some("op_17")),
        unsent("/docs/a.md", Unsent::Dead),
    ]
}

#[test]
fn a_healthy_mount_has_no_failures() {
    // Must show: exit code 0 and `no failures`, with a change on its way and another that the
    // server still works on; both are pending, the oldest since 12 s.
    let mirror = Mirror::with(vec![intent("/a.md", 0, 12), receipt()]).kept();
    assert_eq!(mirror.code(), 0);
    let json = mirror.json();
    assert_eq!(
        (&json["pending"], &json["owed"], &json["failed"]),
        (&2.into(), &1.into(), &0.into())
    );
    insta::assert_snapshot!("healthy", mirror.text());
    insta::assert_snapshot!("healthy_json", mirror.pretty());
}

#[test]
fn dead_letters_need_a_person() {
    // Must show: exit code 3; each dead letter with the server's name for it if there is one,
    // the path, the last status and the time; what the server said without the credentials; and
    // the command that says more.
    let mirror = Mirror::with(dead()).kept();
    assert_eq!(mirror.code(), 3);
    let json = mirror.json();
    let ops = ["landfall_aa", "op_17"].map(Json::from);
    let dead = json["deadLettered"].as_array().unwrap();
    assert_eq!(Vec::from_iter(dead.iter().map(|letter| letter["opId"].clone())), ops);
    assert!(!mirror.pretty().contains("s3cret"));
    insta::assert_snapshot!("dead_letters", mirror.text());
    insta::assert_snapshot!("dead_letters_json", mirror.pretty());
}

#[test]
fn what_fails_without_being_dead_needs_nobody() {
    // Must show: exit code 0. A change that was refused twice and two that may not be sent are
    // failed; the first is pending, too, because it is tried again.
    let mirror = Mirror::with(vec![
        intent("/a.md", 2, 5),
        unsent("/big.bin", Unsent::TooLarge),
        unsent("/theirs.md", Unsent::Denied),
        unsent("/given-up.md", Unsent::GivenUp),
    ])
    .kept();
    assert_eq!(mirror.code(), 0);
    let json = mirror.json();
    assert_eq!((&json["pending"], &json["failed"]), (&1.into(), &3.into()));
    insta::assert_snapshot!("failing", mirror.text());
}

#[test]
fn deletes_that_a_brake_holds_need_a_person() {
    let brake = Brake::MaxUnlink { deletes: 30, allowed: 10, known: 40 };
    let view = View { brakes: vec![brake], ..Mirror::with(Vec::new()).kept().view() };
    let status = WritebackStatus::new(&view);
    assert_eq!(status.code(), 3);
    assert!(status.text().contains("brake: max-local-delete: "), "{}", status.text());
}

#[test]
fn with_the_mount_dead_the_database_tells() {
    // Must show: the same facts as with the mount, that nothing is sent meanwhile, and no server
    // or credentials asked for.
    let mirror = Mirror::with([dead(), vec![intent("/c.md", 0, 60)]].concat());
    assert_eq!(mirror.code(), 3);
    assert_eq!(mirror.json()["running"], false);
    insta::assert_snapshot!("offline", mirror.text());
    insta::assert_snapshot!("offline_json", mirror.pretty());
}

#[test]
fn without_state_there_is_nothing_to_tell() {
    // Must show: zeros, and exit code 0.
    let mirror = Mirror::without_state();
    assert_eq!(mirror.code(), 0);
    let json = mirror.json();
    assert_eq!((&json["pending"], &json["deadLettered"]), (&0.into(), &Json::Array(Vec::new())));
    insta::assert_snapshot!("no_state", mirror.text());
    insta::assert_snapshot!("no_state_json", mirror.pretty());
}

#[test]
fn a_record_that_can_not_be_read_is_told_of_and_stays() {
    // Must show: exit code 3, the file by name and what is wrong with it; the file is not
    // touched, and a sidecar of another client is none of them.
    let mirror = Mirror::with(Vec::new()).kept();
    let records = mirror.root().join(".relay/dead-letter");
    fs::create_dir(&records).unwrap();
    for (name, text) in [
        ("op_1.json", r#"{"opId":"op_1","path":"/x","attempts":4,"lastStatus":500}"#),
        ("op_1.error.json", "{}"),
        ("torn.json", "{\"opId\":"),
    ] {
        fs::write(records.join(name), text).unwrap();
    }
    assert_eq!(mirror.code(), 3);
    insta::assert_snapshot!("invalid_records", mirror.text());
    assert_eq!(fs::read_to_string(records.join("torn.json")).unwrap(), "{\"opId\":");
}

#[test]
fn the_list_has_each_change_once_and_by_its_state() {
    // Must show: on its way, accepted, refused and tried again, not to be sent, dead; what is
    // refused is on its way, too.
    let mirror = Mirror::with(
        [
            dead(),
            vec![intent("/a.md", 0, 9), intent("/b.md", 2, 5), receipt()],
            vec![unsent("/big.bin", Unsent::TooLarge), unsent("/both.md", Unsent::BothMoved)],
        ]
        .concat(),
    );
    let view = mirror.view();
    let count = |state| list::items(&view, state).len();
    assert_eq!([None, Some(State::Pending)].map(count), [7, 3]);
    assert_eq!([Some(State::Failed), Some(State::Dead)].map(count), [3, 2]);
    insta::assert_snapshot!("list", list::text(&list::items(&view, None)));
    let dead = list::items(&view, Some(State::Dead));
    insta::assert_snapshot!("list_json", serde_json::to_string_pretty(&dead).unwrap());
}

#[test]
fn a_dead_letter_is_shown_with_where_its_content_is_and_what_can_be_done() {
    // Must show: what the server said, where the bytes are kept, that the file is something else
    // by now, and both commands; found by each of its names.
    let mirror = Mirror::with(dead());
    fs::create_dir(mirror.root().join("docs")).unwrap();
    fs::write(mirror.root().join("docs/b.md"), "edited since").unwrap();
    let view = mirror.view();
    let by_op = list::show(mirror.root(), &view, "op_17").unwrap().text(mirror.root());
    let by_command = list::show(mirror.root(), &view, "landfall_bb").unwrap().text(mirror.root());
    assert_eq!(by_op, by_command);
    assert!(by_op.contains("something else by now") && by_op.contains(".relay/stage/1-0-2-0"));
    assert!(list::show(mirror.root(), &view, "op_18").is_none());
    insta::assert_snapshot!("show", mirror.named(by_op));
}

#[tokio::test]
async fn an_order_without_a_mount_waits_for_the_next() {
    // Must show: one order that names the letter, exit code 0, and what carries it out. A name
    // that leads elsewhere or that nobody has is an error, and no order.
    use super::orders::{Orders, Wish};
    use super::tell::{TellError, Want, tell};
    let mirror = tokio::task::spawn_blocking(|| Mirror::with(dead())).await.unwrap();
    let orders = Orders::of(mirror.root());
    for (op, code) in [("..", 2), ("a/b", 2), ("a\\b", 2), ("", 2), ("op_18", 1)] {
        let why = tell(mirror.root(), Some(op), Want::Retry).await.unwrap_err();
        assert_eq!(TellError::code(&why), code, "{op}");
    }
    assert!(orders.waiting().is_empty());
    let (text, code) = tell(mirror.root(), Some("op_17"), Want::Retry).await.unwrap();
    assert_eq!(code, 0);
    assert!(text.contains("Retry queued for op op_17") && text.contains("no mount keeps"));
    let waiting: Vec<Wish> = orders.waiting().into_iter().map(|(_, wish)| wish).collect();
    assert_eq!(waiting, [Wish::Retry { commands: vec![CommandId("landfall_bb".into())] }]);
}
