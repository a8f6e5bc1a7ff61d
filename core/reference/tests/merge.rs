//! Edits of two sides become one text, or nothing happens.

use std::sync::Arc;

use landfall_core::time::Wall;
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

/// One file of five lines at `rev_1`, of which somebody changed the first since.
fn edited() -> (Server, Merge) {
    let mut server = Server::default();
    let base = "1\n2\n3\n4\n5\n";
    server.put("/t", text(base), at(0));
    server.put("/t", text("one\n2\n3\n4\n5\n"), at(1));
    let merge = Merge {
        path: "/t".into(),
        strategy: "three-way-lines-v1".into(),
        base_revision: "rev_1".into(),
        base: base.into(),
        mine: "1\n2\n3\n4\nfive\n".into(),
        kind: Some("text/plain".into()),
        identity: Some(Identity::new("mount-rollout-merge", "m1")),
    };
    (server, merge)
}

#[test]
fn edits_of_different_lines_are_merged_once() {
    let (mut server, merge) = edited();
    let merged = server.merge(&agent(), merge.clone(), at(2)).unwrap();
    assert_eq!((merged.accepted.revision(), &*merged.against), ("rev_3".into(), "rev_2"));
    assert_eq!(merged.base_revision, "rev_1");
    let content = text("one\n2\n3\n4\nfive\n").typed("text/plain");
    assert_eq!(server.now().read("/t").unwrap().content, content);
    assert_eq!(server.op("op_3", at(2)).unwrap().status, OpStatus::Succeeded);
    // The answer was lost; somebody else went on.
    server.put("/t", text("other"), at(3));
    let before = server.clone();
    let again = server.merge(&agent(), merge, at(4)).unwrap();
    assert!(again.accepted.again);
    let first = Accepted { again: true, ..merged.accepted };
    assert_eq!(again, Merged { accepted: first, ..merged });
    assert_eq!(server, before);
}

#[test]
fn lines_that_repeat_are_not_merged_by_guessing() {
    let mut server = Server::default();
    server.put("/t", text("0\n0\n2\n"), at(0));
    server.put("/t", text("1\n0\n2\n"), at(1));
    let merge = Merge {
        path: "/t".into(),
        strategy: "three-way-lines-v1".into(),
        base_revision: "rev_1".into(),
        base: "0\n0\n2\n".into(),
        // Which of the two was deleted? If it was the first, then its change is lost.
        mine: "0\n2\n".into(),
        kind: None,
        identity: None,
    };
    let refusal = server.merge(&agent(), merge, at(2)).unwrap_err();
    assert_eq!((refusal.status, refusal.code), (409, "merge_conflict"));
    assert_eq!(refusal.revisions, Some(("rev_1".into(), "rev_2".into())));
}

#[test]
fn what_does_not_merge_cleanly_is_not_written() {
    let (server, merge) = edited();
    let refused = |merge: Merge, set: fn(&mut Server)| {
        let mut server = server.clone();
        set(&mut server);
        let before = server.clone();
        let refusal = server.merge(&agent(), merge, at(2)).unwrap_err();
        assert_eq!(server, before);
        (refusal.status, refusal.code)
    };
    let with = |change: fn(&mut Merge)| {
        let mut merge = merge.clone();
        change(&mut merge);
        merge
    };
    let conflict = (409, "merge_conflict");
    for mine in ["uno\n2\n3\n4\n5\n", "2\n3\n4\n5\n", "zero\n1\n2\n3\n4\n5\n", ""] {
        let merge = Merge { mine: mine.into(), ..merge.clone() };
        assert_eq!(refused(merge, |_| ()), conflict, "{mine:?}");
    }
    let no_base = (409, "merge_base_unavailable");
    assert_eq!(refused(with(|merge| merge.base.push('x')), |_| ()), no_base);
    assert_eq!(refused(with(|merge| merge.base_revision = "rev_9".into()), |_| ()), no_base);
    assert_eq!(refused(with(|merge| merge.path = "/u".into()), |_| ()), no_base);
    assert_eq!(refused(with(|merge| merge.base_revision.clear()), |_| ()), (400, "bad_request"));
    let ineligible = (422, "merge_ineligible");
    let go = with(|merge| merge.strategy = "go-top-level-functions-v1".into());
    assert_eq!(refused(go, |_| ()), ineligible);
    assert_eq!(refused(with(|merge| merge.mine = "\n".repeat(3_001)), |_| ()), ineligible);
    let gone = |server: &mut Server| assert!(server.delete("/t", at(1)));
    assert_eq!(refused(merge.clone(), gone), ineligible);
    let binary = |server: &mut Server| drop(server.put("/t", Content::binary(*b"1"), at(1)));
    assert_eq!(refused(merge.clone(), binary), ineligible);
    let off = |server: &mut Server| server.settings_mut().writes.merge = false;
    assert_eq!(refused(merge.clone(), off), (404, "not_found"));
    let denied = |server: &mut Server| server.settings_mut().writes.denied.push("/".into());
    assert_eq!(refused(merge.clone(), denied), (403, "forbidden"));
    let strict = |server: &mut Server| server.settings_mut().writes.strict.push("/t".into());
    assert_eq!(refused(merge, strict), (422, "invalid_content"));
}
