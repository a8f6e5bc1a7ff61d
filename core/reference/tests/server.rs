//! The server answers as the API says.

use landfall_core::time::Wall;
use landfall_reference::server::*;

fn at(n: u64) -> Wall {
    Wall(1_700_000_000_000 + n)
}

/// Four files, one of them binary, one in a control directory.
fn workspace() -> Server {
    let mut server = Server::default();
    server.put("/docs/a.md", Content::new(*b"# hello a\n"), at(1));
    server.put("/docs/sub/deep/b.md", Content::new(*b"b"), at(2));
    server.put("/docs-x", Content::new(vec![0, 0xff, 2, 3]), at(3));
    server.put("/x/.relay/state", Content::new(*b"s"), at(4));
    server
}

fn tree(server: &Server, path: &str, depth: u32) -> landfall_core::wire::Tree {
    let query = TreeQuery { path: path.into(), depth: Some(depth), ..TreeQuery::default() };
    server.now().tree(&query).unwrap()
}

fn paths(tree: &landfall_core::wire::Tree) -> Vec<&str> {
    tree.entries.iter().map(|e| e.path.as_str()).collect()
}

#[test]
fn a_listing_shows_so_many_levels_in_path_order_and_counts_all_of_them() {
    let server = workspace();
    let page = tree(&server, "/", 1);
    // `-` sorts before `/`, so the order is not that of a walk.
    assert_eq!(paths(&page), ["/docs", "/docs-x", "/x"]);
    assert_eq!(page.total_files, Some(4));
    assert_eq!(page.entries[0].revision, "dir");

    let page = tree(&server, "/", 2);
    assert_eq!(paths(&page), ["/docs", "/docs-x", "/docs/a.md", "/docs/sub", "/x", "/x/.relay"]);
    let page = tree(&server, "/docs", 2);
    assert_eq!(paths(&page), ["/docs/a.md", "/docs/sub", "/docs/sub/deep"]);
    assert_eq!(page.total_files, Some(2));
}

#[test]
fn the_size_of_an_entry_is_that_of_the_encoded_content() {
    let page = tree(&workspace(), "/", 2);
    let binary = &page.entries[1];
    assert_eq!((binary.path.as_str(), binary.size), ("/docs-x", Some(8)));
    let text = &page.entries[2];
    assert_eq!(text.size, Some(10));
    assert_eq!(text.content_hash.as_deref().unwrap(), hash(b"# hello a\n").to_string());
}

#[test]
fn a_control_directory_is_left_out_where_the_client_asks_for_it() {
    let query = TreeQuery { path: "/".into(), exclude_mount_runtime: true, ..TreeQuery::default() };
    let server = workspace();
    let page = server.now().tree(&query).unwrap();
    assert_eq!(page.total_files, Some(3));
    assert!(!paths(&page).iter().any(|path| path.starts_with("/x")));
}

#[test]
fn a_file_or_nothing_lists_as_nothing_and_without_a_count() {
    for path in ["/docs/a.md", "/nowhere"] {
        let page = tree(&workspace(), path, 3);
        assert_eq!((page.entries.len(), page.total_files), (0, None), "{path}");
        assert_eq!(page.next_cursor, None);
    }
}

#[test]
fn pages_join_without_a_gap_and_a_forged_cursor_is_refused() {
    let mut server = workspace();
    server.settings_mut().page = 2;
    let mut query = TreeQuery { path: "/".into(), ..TreeQuery::default() };
    let mut seen = Vec::new();
    loop {
        let page = server.now().tree(&query).unwrap();
        assert!(page.entries.len() <= 2);
        assert_eq!(page.total_files, Some(4), "every page counts the subtree");
        seen.extend(page.entries.iter().map(|entry| entry.path.clone()));
        match page.next_cursor {
            Some(next) => {
                assert_eq!(Some(&next), seen.last(), "the cursor is the last path");
                query.cursor = Some(next);
            }
            None => break,
        }
    }
    let whole = tree(&workspace(), "/", 10);
    assert_eq!(seen, paths(&whole));

    query.cursor = Some("/docs/gone".into());
    let refusal = server.now().tree(&query).unwrap_err();
    assert_eq!((refusal.status, refusal.code), (400, "bad_request"));
}

#[test]
fn a_name_that_is_a_file_and_a_directory_is_listed_as_both_on_one_page() {
    let mut server = Server::default();
    server.put("/a", Content::new(*b"file"), at(1));
    server.put("/a/b", Content::new(*b"below"), at(2));
    server.settings_mut().page = 1;
    let page = tree(&server, "/", 1);
    let kinds: Vec<_> = page.entries.iter().map(|e| e.kind.as_str()).collect();
    assert_eq!(kinds, ["dir", "file"]);
}

#[test]
fn depth_and_limit_have_bounds() {
    let server = workspace();
    for depth in [0, 101] {
        let query = TreeQuery { path: "/".into(), depth: Some(depth), ..TreeQuery::default() };
        assert_eq!(server.now().tree(&query).unwrap_err().status, 400);
    }
    for limit in [0, 1001] {
        let query = EventsQuery { limit: Some(limit), ..EventsQuery::default() };
        assert_eq!(server.events(&query).unwrap_err().status, 400);
    }
}

#[test]
fn one_trailing_slash_is_trimmed_and_nothing_else_is_collapsed() {
    let mut server = Server::default();
    server.put("a//b/", Content::new(*b"1"), at(1));
    server.put("/a/../b", Content::new(*b"2"), at(2));
    let view = server.now();
    assert!(view.read("/a//b").is_ok());
    assert!(view.read("a//b").is_ok());
    assert!(view.read("/a/../b").is_ok());
    assert_eq!(view.read("/b").unwrap_err(), Refusal::not_found());
}

#[test]
fn an_export_holds_all_below_a_path_and_a_file_exports_itself() {
    let server = workspace();
    let view = server.now();
    assert_eq!(view.export("/").count(), 4);
    let below: Vec<_> = view.export("/docs").map(|(path, _)| path).collect();
    assert_eq!(below, ["/docs/a.md", "/docs/sub/deep/b.md"]);
    assert_eq!(view.export("/docs/a.md").count(), 1);
}

#[test]
fn a_bulk_read_answers_each_path_by_itself() {
    let mut server = workspace();
    let asked = ["/docs/a.md".to_owned(), "/gone".to_owned()];
    let refusal = server.now().bulk_read(&asked).unwrap_err();
    assert_eq!(refusal.message, "route not found");

    server.settings_mut().bulk_read = true;
    let view = server.now();
    let items = view.bulk_read(&asked).unwrap();
    assert_eq!(items[0].1.as_ref().unwrap().revision(), "rev_1");
    assert_eq!(items[1].1, Err(Refusal::not_found()));
    let many = vec!["/a".to_owned(); BULK_MAX + 1];
    assert_eq!(view.bulk_read(&many).unwrap_err().status, 400);
}

fn ids(server: &Server, query: EventsQuery) -> Vec<String> {
    let page = server.events(&query).unwrap();
    page.events.into_iter().map(|e| e.event_id).collect()
}

#[test]
fn the_feed_goes_on_after_its_cursor_and_is_empty_at_the_tip() {
    let mut server = workspace();
    server.put("/docs/a.md", Content::new(*b"new"), at(5));
    server.delete("/docs-x", at(6));
    let after =
        |cursor: &str| EventsQuery { cursor: Some(cursor.into()), ..EventsQuery::default() };
    let page = server.events(&after("evt_4")).unwrap();
    let kinds: Vec<_> = page.events.iter().map(|e| e.kind.as_str()).collect();
    assert_eq!(kinds, ["file.updated", "file.deleted"]);
    assert_eq!(page.events[0].revision, "rev_5");
    assert_eq!(page.next_cursor.as_deref(), Some("evt_6"));

    let tip = server.events(&after("evt_6")).unwrap();
    assert_eq!((tip.events.len(), tip.next_cursor), (0, None));

    let newest =
        EventsQuery { limit: Some(1), direction: Direction::Descending, ..EventsQuery::default() };
    assert_eq!(ids(&server, newest.clone()), ["evt_6"]);
    server.settings_mut().descending = false;
    assert_eq!(server.events(&newest).unwrap_err().status, 400);
}

#[test]
fn an_unknown_cursor_starts_again_at_the_oldest_event_or_is_refused() {
    let mut server = workspace();
    for cursor in ["evt_99", "evt_0", "something"] {
        let query =
            EventsQuery { cursor: Some(cursor.into()), limit: Some(1), ..EventsQuery::default() };
        server.settings_mut().forgot = Forgot::StartsAgain;
        assert_eq!(ids(&server, query.clone()), ["evt_1"], "{cursor}");
        server.settings_mut().forgot = Forgot::NotFound;
        assert_eq!(server.events(&query).unwrap_err().status, 404);
        server.settings_mut().forgot = Forgot::Gone;
        assert_eq!(server.events(&query).unwrap_err().status, 410);
    }
}

#[test]
fn a_write_says_what_it_expects() {
    let mut server = workspace();
    let text = || Content::new(*b"t");
    let by = "somebody".into();
    let mut put = |path: &str, expect: &str| {
        let written = server.put_if(&by, path, text(), &IfMatch::parse(expect), at(9));
        written.map(|accepted| accepted.revision()).map_err(|refusal| refusal.status)
    };
    assert_eq!(put("/new", "0"), Ok("rev_5".into()));
    assert_eq!(put("/new", "0"), Err(409));
    assert_eq!(put("/new", "W/\"rev_5\""), Ok("rev_6".into()));
    assert_eq!(put("/new", "rev_5"), Err(409));
    assert_eq!(put("/none", "rev_5"), Err(404));
    assert_eq!(put("/none", "*"), Ok("rev_7".into()));
    let gone = server.delete_if(&by, "/none", &IfMatch::parse("rev_7"), at(10));
    assert_eq!(gone.unwrap().revision(), "rev_8");
    assert!(!server.delete("/none", at(11)));
    assert_eq!(server.tip(), 8, "what changed nothing is no event");
}

#[test]
fn the_workspace_can_be_seen_as_it_was_after_any_event() {
    let mut server = Server::default();
    let mut snapshots = vec![server.clone()];
    for n in 0..30u64 {
        let path = format!("/f{}", n * 7 % 5);
        if n % 4 != 3 || !server.delete(&path, at(n)) {
            server.put(&path, Content::new(n.to_le_bytes()), at(n));
        }
        snapshots.push(server.clone());
    }
    for (events, then) in snapshots.iter().enumerate() {
        let events = events as u64;
        let view = server.as_of(events);
        assert_eq!(view.at(), events);
        assert!(view.files().eq(then.now().files()), "after {events}");
        for n in 0..5 {
            let path = format!("/f{n}");
            assert_eq!(
                server.file_at(&path, events),
                then.now().read(&path).ok(),
                "{path} after {events}"
            );
        }
    }
    assert_eq!(server.clone(), server);
}

#[test]
fn the_sample_is_always_the_same() {
    let mut one = Server::default();
    one.add_sample(42, 200, at(0));
    let mut other = Server::default();
    other.add_sample(42, 200, at(0));
    assert_eq!(one, other);
    assert_eq!(one.now().len(), 200);
    let encodings = one.now().files().map(|(_, f)| f.content.encoding()).collect::<Vec<_>>();
    assert!(encodings.contains(&Encoding::Base64) && encodings.contains(&Encoding::Text));
}
