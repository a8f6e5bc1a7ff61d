//! A row that can not be read stays as it is, and so does its file. Once it can be read again, nothing
//! is missing that was told meanwhile.
mod lab;
use lab::*;
use landfall_core::event::{Answer, Boot, LastExit, Outcome};
use landfall_core::files::entry::Remote;
use landfall_core::path::RemotePath;
use landfall_core::row::{Of, Row, RowKey, StoredRow, Value};
use landfall_core::time::Ms;

/// A version starts that can not read the row of a file. Answers the row, to be put back.
fn older_version(lab: &mut Lab, path: &str, boot: Boot) -> StoredRow {
    let key = RowKey { unit: UNIT, of: Of::Entry(RemotePath::parse(path).unwrap()) };
    let row = lab.rows.get(&key).unwrap().clone();
    lab.rows.put(StoredRow { schema: 99, ..row.clone() });
    lab.boot(boot, LastExit::Unclean);
    row
}

fn remote(lab: &Lab, path: &str) -> Remote {
    let key = RowKey { unit: UNIT, of: Of::Entry(RemotePath::parse(path).unwrap()) };
    let Value::Entry(_, row) = Row::decode(lab.rows.get(&key).unwrap()).unwrap().value else {
        unreachable!()
    };
    row.remote
}

#[test]
fn what_the_feed_told_of_a_row_that_could_not_be_read_is_listed() {
    let mut lab = Lab::in_step_with(&[("/a", 1), ("/b", 1)]);
    let row = older_version(&mut lab, "/a", Boot::Same);
    lab.wait(Ms(1));
    let events = vec![updated(101, "/a", 11), updated(102, "/b", 12)];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    lab.wait(Ms(1));
    lab.read("/b", 12);
    lab.wait(Ms::secs(5));
    assert_eq!((lab.disk["/a"], lab.disk["/b"]), (hash(1), hash(12)), "{}", lab.story);
    assert_eq!(lab.status().unreadable_rows, 1);
    // The version that can read it finds out what it missed, although the feed is past that.
    lab.rows.put(row);
    lab.kill();
    lab.wait(Ms(1));
    lab.page(&[listed("/a", 11), listed("/b", 12)], None, Some(2));
    lab.wait(Ms(1));
    lab.read("/a", 11);
    lab.wait(Ms::secs(5));
    assert_eq!(lab.disk["/a"], hash(11), "{}", lab.story);
    assert!(matches!(remote(&lab, "/a"), Remote::File { .. }));
    assert_eq!(lab.mirror_row().unread, None);
}

#[test]
fn a_power_cut_is_remembered_for_a_row_that_could_not_be_read() {
    let mut lab = Lab::two_way(&[("/a", 1), ("/b", 1)]);
    lab.wait(Ms::secs(40));
    let events = vec![updated(101, "/a", 2)];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    lab.wait(Ms(1));
    lab.read("/a", 2);
    lab.wait(Ms(1));
    // The power is cut before the seal, and the file is torn; its row can not be read.
    lab.put("/a", landfall_core::hash::ContentHash([0xee; 32]));
    let row = older_version(&mut lab, "/a", Boot::Other);
    for _ in 0..20 {
        lab.wait(Ms::secs(10));
        lab.quiet_feed_if_asked();
    }
    assert_eq!(lab.sent("bulk"), 0, "{}", lab.story);
    // That run committed, so the next one hears of no power cut. What is torn is no edit, all the
    // same.
    lab.rows.put(row);
    lab.boot(Boot::Same, LastExit::Clean);
    for _ in 0..20 {
        lab.wait(Ms::secs(1));
        lab.quiet_feed_if_asked();
    }
    assert_eq!(lab.sent("bulk"), 0, "{}", lab.story);
    assert!(lab.told("1 of them not sealed before the power was cut"), "{}", lab.story);
}

#[test]
fn what_was_placed_while_a_row_could_not_be_read_is_not_suspect() {
    let mut lab = Lab::two_way(&[("/a", 1), ("/b", 1)]);
    lab.wait(Ms::secs(40));
    let events = vec![updated(101, "/a", 2)];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    lab.wait(Ms(1));
    lab.read("/a", 2);
    lab.wait(Ms(1));
    // The power is cut before the seal of /a, whose row can not be read. Then /b is placed and
    // sealed.
    let row = older_version(&mut lab, "/a", Boot::Other);
    lab.wait(Ms::secs(1));
    let events = vec![updated(102, "/b", 3)];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    lab.wait(Ms(1));
    lab.read("/b", 3);
    lab.wait(Ms::secs(5));
    // A person deletes /b while nothing runs. It was sealed, so it is gone because of that.
    lab.rows.put(row);
    lab.disk.remove("/b");
    lab.boot(Boot::Same, LastExit::Clean);
    for _ in 0..20 {
        lab.wait(Ms::secs(1));
        lab.quiet_feed_if_asked();
    }
    assert!(lab.told("1 of them not sealed before the power was cut"), "{}", lab.story);
    assert_eq!(lab.sent("delete"), 1, "{}", lab.story);
}
