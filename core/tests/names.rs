//! Names that nobody can place: they are counted, also over a restart, and hinder nothing else.
mod lab;
use lab::*;
use landfall_core::event::{Answer, Outcome};
use landfall_core::row::{Of, RowKey, StoredRow};
use landfall_core::status::Verdict;
use landfall_core::time::Ms;

fn told(lab: &mut Lab, events: Vec<landfall_core::wire::FeedEvent>) {
    while !lab.asked.iter().any(|(_, request)| show(request).starts_with("events")) {
        lab.wait(Ms::secs(1));
    }
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    lab.wait(Ms::secs(5));
}

#[test]
fn a_refused_name_is_known_after_a_restart_and_cleared_when_the_server_deletes_it() {
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    let events = ["/../up", "/b\\c", "/"].into_iter().zip(101..);
    told(&mut lab, events.map(|(name, n)| updated(n, name, 2)).collect());
    assert_eq!(lab.status().refused_names, 3, "{}", lab.story);
    assert_eq!(lab.status().verdict, Verdict::Degraded);

    lab.kill();
    told(&mut lab, vec![deleted(104, "/../up")]);
    assert_eq!(lab.status().refused_names, 2, "{}", lab.story);
    told(&mut lab, vec![deleted(105, "/b\\c"), deleted(106, "/")]);
    assert_eq!(lab.status().refused_names, 0, "{}", lab.story);
    assert!(lab.status().in_step, "{}", lab.story);
}

#[test]
fn a_refused_directory_is_cleared_with_the_file_below_it() {
    let mut lab = Lab::new().start();
    lab.answer("tip", tip(100));
    lab.answer("export", refused(413, "", ""));
    let mut dir = listed("/a/b/", 0);
    dir.kind = "dir".into();
    lab.page(&[dir, listed("/c", 1)], None, Some(2));
    lab.read("/c", 1);
    lab.wait(Ms::secs(5));
    assert_eq!(lab.status().refused_names, 1, "{}", lab.story);
    lab.quiet_feed_if_asked();
    told(&mut lab, vec![deleted(101, "/a/b//d")]);
    assert_eq!(lab.status().refused_names, 0, "{}", lab.story);
}

#[test]
fn a_listing_that_is_older_than_a_delete_does_not_bring_the_name_back() {
    let mut lab = Lab::new().start();
    lab.answer("tip", tip(100));
    lab.answer("export", refused(413, "", ""));
    // The listing is under way when the feed tells that the name is gone.
    while !lab.asked.iter().any(|(_, request)| show(request).starts_with("events")) {
        lab.wait(Ms::secs(1));
    }
    let events = vec![deleted(101, "/../up")];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    lab.page(&[listed("/../up", 1), listed("/c", 1)], None, None);
    assert_eq!(lab.status().refused_names, 0, "{}", lab.story);
}

/// The feed told of two files whose directory is refused. A listing shows that directory only, so
/// what it does not show is not gone; and when one of them goes, the other is still there.
#[test]
fn a_file_below_a_refused_directory_stays_known_when_a_listing_shows_the_directory_only() {
    let mut lab = Lab::in_step_with(&[("/c", 1)]);
    told(&mut lab, vec![updated(101, "/a/b//d", 2), updated(102, "/a/b//e", 2)]);
    assert_eq!(lab.status().refused_names, 2, "{}", lab.story);
    lab.quiet_feed_if_asked();
    lab.wait(Ms::hours(24));
    let mut dir = listed("/a/b/", 0);
    dir.kind = "dir".into();
    lab.quiet_feed_if_asked();
    lab.page(&[dir, listed("/c", 1)], None, Some(2));
    lab.quiet_feed_if_asked();
    assert_eq!(lab.status().refused_names, 3, "{}", lab.story);
    told(&mut lab, vec![deleted(103, "/a/b//d")]);
    assert_eq!(lab.status().refused_names, 2, "{}", lab.story);
    told(&mut lab, vec![deleted(104, "/a/b//e")]);
    assert_eq!(lab.status().refused_names, 0, "{}", lab.story);
}

/// An older version can not read the row of a refused name, and the one after it can.
#[test]
fn a_refused_name_whose_row_could_not_be_read_is_counted_once_it_can() {
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    told(&mut lab, vec![updated(101, "/../up", 2)]);
    let key = RowKey { unit: UNIT, of: Of::Refused("/../up".into()) };
    let row = lab.rows.get(&key).unwrap().clone();
    lab.rows.put(StoredRow { schema: 99, ..row.clone() });
    lab.kill();
    told(&mut lab, vec![updated(102, "/b\\c", 2)]);
    lab.rows.put(row);
    lab.kill();
    lab.wait(Ms::secs(1));
    assert_eq!(lab.status().refused.len(), 2, "{}", lab.story);
    assert_eq!(lab.status().refused_names, 2, "{}", lab.story);
}
