//! Writes through the API, and what becomes of them.

use std::sync::Arc;

use landfall_core::time::{Ms, Wall};
use landfall_reference::server::*;

fn at(secs: u64) -> Wall {
    Wall(1_700_000_000_000 + secs * 1000)
}

fn agent() -> Arc<str> {
    "agent".into()
}

fn text(text: &str) -> Content {
    Content::new(text.as_bytes())
}

/// Two files that nobody wrote through the API: `rev_1` and `rev_2`.
fn workspace() -> Server {
    let mut server = Server::default();
    server.put("/docs/a.md", text("a"), at(0));
    server.put("/strict/b.json", text("{}"), at(0));
    server
}

fn file(path: &str, content: &str, expect: &str) -> BulkWrite {
    BulkWrite {
        path: path.into(),
        content: Some(text(content)),
        expect: IfMatch::parse(expect),
        identity: None,
    }
}

fn named(key: &str, file: BulkWrite) -> BulkWrite {
    BulkWrite { identity: Some(Identity::new("mount-command", key)), ..file }
}

fn bulk(server: &mut Server, files: Vec<BulkWrite>, secs: u64) -> BulkWritten {
    server.bulk_write(&agent(), files, None, at(secs)).unwrap()
}

fn codes(answer: &BulkWritten) -> Vec<(&str, &str)> {
    answer.errors.iter().map(|error| (&*error.path, error.code)).collect()
}

fn revisions(answer: &BulkWritten) -> Vec<String> {
    answer.written.iter().map(Accepted::revision).collect()
}

#[test]
fn a_bulk_write_answers_each_file_by_itself() {
    let mut server = workspace();
    server.settings_mut().writes.denied = vec!["/secret/".into()];
    server.settings_mut().writes.strict = vec!["/strict".into()];
    let undecodable = BulkWrite { content: None, ..file("/docs/bad", "", "0") };
    let answer = bulk(
        &mut server,
        vec![
            file("/docs/a.md", "mine", "rev_999"),
            file("/docs/new.md", "new", "0"),
            file("/docs/new.md", "newer", "rev_3"),
            file("/docs/new.md", "newest", "0"),
            file("/docs/gone.md", "edit", "rev_1"),
            undecodable,
            file("/", "the root", "*"),
            file("/secret/plan", "x", "0"),
            file("/secretary", "x", "0"),
            file("/strict/b.json", "[1]", "rev_2"),
            file("/strict/b.json", r#"{"a": 1}"#, "rev_2"),
        ],
        1,
    );
    assert_eq!(revisions(&answer), ["rev_3", "rev_4", "rev_5", "rev_6"]);
    assert_eq!(
        codes(&answer),
        [
            ("/docs/a.md", "conflict"),
            ("/docs/new.md", "conflict"),
            ("/docs/gone.md", "not_found"),
            ("/docs/bad", "invalid_content"),
            ("/", "invalid_content"),
            ("/secret/plan", "forbidden"),
            ("/strict/b.json", "invalid_content"),
        ]
    );
    let conflict = &answer.errors[0];
    assert_eq!(conflict.message, r#"expected revision "rev_999" but current revision is "rev_1""#);
    assert_eq!(conflict.revisions, Some(("rev_999".into(), "rev_1".into())));
    assert_eq!(answer.errors[1].revisions, Some(("0".into(), "rev_4".into())));
    // What is in the results can be read at once.
    let view = server.now();
    assert_eq!(view.read("/docs/new.md").unwrap().content, text("newer"));
    assert_eq!(view.read("/docs/a.md").unwrap().content, text("a"));
}

#[test]
fn a_file_that_expects_nothing_is_forced() {
    let mut server = workspace();
    let force = BulkWrite { expect: IfMatch::default(), ..file("/docs/a.md", "forced", "0") };
    assert_eq!(revisions(&bulk(&mut server, vec![force], 1)), ["rev_3"]);
}

#[test]
fn some_servers_call_it_a_conflict_when_the_file_is_gone() {
    let mut server = workspace();
    server.settings_mut().writes.missing_conflicts = true;
    let answer = bulk(&mut server, vec![file("/docs/gone.md", "edit", "rev_1")], 1);
    assert_eq!(codes(&answer), [("/docs/gone.md", "conflict")]);
    assert_eq!(answer.errors[0].revisions, Some(("rev_1".into(), String::new())));
}

#[test]
fn the_same_identity_again_gets_the_first_answer_and_does_nothing_twice() {
    let mut server = workspace();
    let create = named("c1", file("/docs/new.md", "first", "0"));
    let first = bulk(&mut server, vec![create.clone()], 1);
    assert!(!first.written[0].again);
    // Somebody else goes on from there, and the answer to the first was lost.
    let expect = IfMatch::Revision("rev_3".into());
    server.put_if(&"other".into(), "/docs/new.md", text("theirs"), &expect, at(2)).unwrap();
    let before = server.clone();
    let other_content = BulkWrite { content: Some(text("second")), ..create.clone() };
    let again = bulk(&mut server, vec![create, other_content], 3);
    assert_eq!(revisions(&again), ["rev_3", "rev_3"]);
    assert_eq!(again.written[0].op(), "op_3");
    assert!(again.written.iter().all(|accepted| accepted.again));
    assert_eq!(server, before);
}

#[test]
fn an_identity_is_forgotten_when_its_time_is_over() {
    let mut server = workspace();
    let mut write = named("c1", file("/docs/new.md", "text", "*"));
    write.identity.as_mut().unwrap().ttl = Ms::secs(60);
    bulk(&mut server, vec![write.clone()], 1);
    assert_eq!(revisions(&bulk(&mut server, vec![write.clone()], 60)), ["rev_3"]);
    assert_eq!(revisions(&bulk(&mut server, vec![write.clone()], 61)), ["rev_4"]);
    // From then on the second is the one that is remembered.
    assert_eq!(revisions(&bulk(&mut server, vec![write], 62)), ["rev_4"]);
    assert_eq!(server.tip(), 4);
}

#[test]
fn kind_and_key_are_the_name_and_what_was_refused_has_none() {
    let mut server = workspace();
    let write = named("c1", file("/docs/new.md", "text", "rev_9"));
    assert_eq!(codes(&bulk(&mut server, vec![write.clone()], 1)).len(), 1);
    let write = BulkWrite { expect: IfMatch::Absent, ..write };
    assert_eq!(revisions(&bulk(&mut server, vec![write.clone()], 2)), ["rev_3"]);
    let draft = Identity::new("mount-writeback-create-draft", "c1");
    let other_kind = BulkWrite { identity: Some(draft), ..write };
    assert_eq!(codes(&bulk(&mut server, vec![other_kind], 3)), [("/docs/new.md", "conflict")]);
}

#[test]
fn what_is_taken_back_was_never_known() {
    let mut server = workspace();
    let write = named("c1", file("/docs/new.md", "text", "*"));
    let before = server.clone();
    bulk(&mut server, vec![write.clone()], 1);
    server.rewind(2);
    assert_eq!(server, before);
    assert!(!bulk(&mut server, vec![write], 2).written[0].again);
}

#[test]
fn a_bulk_write_is_refused_as_a_whole_where_it_can_not_be_taken() {
    let mut server = workspace();
    let mut refused = |files: Vec<BulkWrite>, set: fn(&mut WriteSettings)| {
        set(&mut server.settings_mut().writes);
        let refusal = server.bulk_write(&agent(), files, None, at(1)).unwrap_err();
        *server.settings_mut() = Settings::default();
        assert_eq!(server.tip(), 2, "nothing was written");
        (refusal.status, refusal.message)
    };
    assert_eq!(refused(vec![], |_| ()), (400, "missing files".into()));
    let one = || file("/big", "0123456789", "0");
    let off = refused(vec![one()], |writes| writes.bulk = false);
    assert_eq!(off, (404, "route not found".into()));
    // Each alone would fit.
    let (status, _) = refused(vec![one(), one()], |writes| writes.body_max = 20);
    assert_eq!(status, 413);
}

#[test]
fn an_older_server_does_not_tell_what_it_wrote() {
    let mut server = workspace();
    server.settings_mut().writes.results = false;
    let answer = bulk(&mut server, vec![file("/docs/new.md", "new", "0")], 1);
    assert_eq!(answer.results(), None);
    assert_eq!(answer.written.len(), 1);
    assert_eq!(server.now().read("/docs/new.md").unwrap().revision(), "rev_3");
}

#[test]
fn one_file_can_fail_and_go_through_the_next_time() {
    let mut server = workspace();
    let files = || vec![file("/1", "1", "*"), file("/2", "2", "*"), file("/3", "3", "*")];
    let answer = server.bulk_write(&agent(), files(), Some(1), at(1)).unwrap();
    assert_eq!(revisions(&answer), ["rev_3", "rev_4"]);
    assert_eq!(codes(&answer), [("/2", "internal_error")]);
    assert_eq!(codes(&bulk(&mut server, files(), 2)), []);
}

#[test]
fn a_single_write_obeys_the_same_rules() {
    let mut server = workspace();
    let writes = &mut server.settings_mut().writes;
    writes.denied = vec!["/secret".into()];
    writes.strict = vec!["/strict".into()];
    writes.body_max = 10;
    let any = IfMatch::Any;
    let mut put = |path: &str, content: &str| {
        let written = server.put_if(&agent(), path, text(content), &any, at(1));
        written.map(|accepted| accepted.number).map_err(|refusal| refusal.status)
    };
    assert_eq!(put("/secret/a", "a"), Err(403));
    assert_eq!(put("/strict/b.json", "no json"), Err(422));
    assert_eq!(put("/docs/a.md", "01234567890"), Err(413));
    assert_eq!(put("/", "root"), Err(400));
    assert_eq!(put("/strict/b.json", "{}"), Ok(3));
    let mut delete = |path: &str| {
        let gone = server.delete_if(&agent(), path, &any, at(1));
        gone.map(|accepted| accepted.number).map_err(|refusal| refusal.status)
    };
    assert_eq!(delete("/secret/a"), Err(403));
    assert_eq!(delete("/gone"), Err(404));
    assert_eq!(delete("/strict/b.json"), Ok(4));
}

#[test]
fn every_write_through_the_api_makes_an_operation_and_nothing_else_does() {
    let mut server = workspace();
    server.put_if(&agent(), "/x", text("x"), &IfMatch::Absent, at(1)).unwrap();
    server.put("/docs/a.md", text("from the provider"), at(2));
    server.delete_if(&agent(), "/x", &IfMatch::Any, at(3)).unwrap();
    let ops = server.ops(None, at(3)).unwrap();
    let told: Vec<_> = ops.iter().map(|op| (op.id(), op.action(), &*op.path)).collect();
    assert_eq!(told, [("op_5".into(), "file_delete", "/x"), ("op_3".into(), "file_upsert", "/x")]);
    assert_eq!(server.ops(Some(1), at(3)).unwrap(), ops[..1]);
    assert_eq!(server.op("op_3", at(3)), Ok(ops[1].clone()));
    for unknown in ["op_4", "op_6", "op_0", "rev_3", "../../op_3", ""] {
        assert_eq!(server.op(unknown, at(3)), Err(Refusal::not_found()), "{unknown}");
    }
    for limit in [0, 1001] {
        assert_eq!(server.ops(Some(limit), at(3)).unwrap_err().status, 400);
    }
}

#[test]
fn an_operation_is_unknown_then_pending_then_what_its_fate_says() {
    let mut server = workspace();
    let writes = &mut server.settings_mut().writes;
    writes.op_unknown = Ms::secs(2);
    writes.op_delay = Ms::secs(10);
    let fates = [
        (Fate::Succeeds, OpStatus::Succeeded),
        (Fate::Fails, OpStatus::Failed),
        (Fate::DeadLetters, OpStatus::DeadLettered),
        (Fate::Late(Ms::secs(90)), OpStatus::Pending),
        (Fate::Late(Ms(u64::MAX)), OpStatus::Pending),
    ];
    for (fate, then) in fates {
        let put = server.put_if(&agent(), "/x", text("x"), &IfMatch::Any, at(100)).unwrap();
        assert!(server.doom(put.number, fate));
        let status = |secs| server.op(&put.op(), at(secs)).map(|op| op.status);
        assert_eq!(status(101), Err(Refusal::not_found()), "{fate:?}");
        assert_eq!(status(102), Ok(OpStatus::Pending), "{fate:?}");
        assert_eq!(status(109), Ok(OpStatus::Pending), "{fate:?}");
        assert_eq!(status(110), Ok(then), "{fate:?}");
    }
    let late = server.op("op_6", at(200)).unwrap();
    assert_eq!((late.status, late.attempts), (OpStatus::Succeeded, 1));
    assert_eq!((late.created, late.updated), (at(100), at(200)));
    assert_eq!(server.op("op_7", at(1_000_000)).unwrap().status, OpStatus::Pending);
    assert!(!server.doom(8, Fate::Fails) && !server.doom(0, Fate::Fails));
    // A clock that went back makes nobody wait who need not wait.
    *server.settings_mut() = Settings::default();
    assert_eq!(server.op("op_3", at(0)).unwrap().status, OpStatus::Succeeded);
}

#[test]
fn the_history_says_who_wrote_what_under_which_name() {
    let mut server = workspace();
    let other: Arc<str> = "other".into();
    server.put_if(&other, "/x", text("x"), &IfMatch::Absent, at(1)).unwrap();
    bulk(&mut server, vec![named("c1", file("/x", "y", "rev_3"))], 2);
    server.delete_if(&other, "/x", &IfMatch::Any, at(3)).unwrap();
    let log: Vec<_> = server
        .history()
        .iter()
        .map(|change| {
            let key = change.origin.identity.as_ref().map(|identity| &*identity.key);
            (change.origin.by.as_deref(), &*change.path, key, change.hash())
        })
        .collect();
    let [_, _, written @ ..] = &log[..] else { panic!("{log:?}") };
    assert_eq!(
        written,
        [
            (Some("other"), "/x", None, Some(hash(b"x"))),
            (Some("agent"), "/x", Some("c1"), Some(hash(b"y"))),
            (Some("other"), "/x", None, None),
        ]
    );
    assert_eq!(log[0].0, None, "nobody asked for what was there");

    // The same changes made again make the same server.
    let mut copy = Server::default();
    for change in server.history() {
        let content = change.after.as_ref().map(|file| file.content.clone());
        assert!(copy.replay(&change.path, content, change.at, change.origin.clone()));
    }
    assert_eq!(copy, server);
}
