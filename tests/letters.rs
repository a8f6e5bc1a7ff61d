//! Dead letters of real processes: seen, understood, tried again, given up.

mod support;

use std::process::{Child, Output};
use std::time::{Duration, Instant};

use landfall::serve::Running;
use landfall_core::time::Wall;
use landfall_reference::server::{Content, Server, Settings, WriteSettings};
use serde_json::Value;
use support::{Place, remote, serving, text};

/// A workspace that takes nothing but JSON objects below `/tickets`.
async fn strict() -> Running {
    let writes = WriteSettings { strict: vec!["/tickets".into()], ..WriteSettings::default() };
    let mut server = Server::new(Settings { writes, ..Settings::default() });
    server.put("/a.md", Content::new(*b"a"), Wall(1_000));
    serving(server).await
}

struct Mount(Child);

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn mount(place: &Place, server: &Running) -> Mount {
    Mount(place.spawn(server, &["--sync-mode", "mirror"]))
}

/// Runs `landfall ARGS --local-dir MIRROR` to its end.
async fn run(place: &Place, args: &[&str]) -> (i32, String) {
    let dir = place.mirror().display().to_string();
    let args: Vec<&str> = args.iter().copied().chain(["--local-dir", &dir]).collect();
    let mut command = place.landfall(&args);
    let output: Output =
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (output.status.code().unwrap_or(-1), text(&output))
}

async fn status(place: &Place) -> (i32, Value) {
    let (code, text) = run(place, &["writeback", "status", "--json"]).await;
    (code, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}")))
}

fn write(place: &Place, path: &str, text: &str) {
    let path = place.mirror().join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn records(place: &Place) -> Vec<String> {
    let Ok(dir) = std::fs::read_dir(place.mirror().join(".relay/dead-letter")) else {
        return Vec::new();
    };
    dir.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

async fn until(place: &Place, what: &str, is: impl Fn() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < Duration::from_secs(60), "never {what}:\n{}", place.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A mount with one dead letter. Answers its name.
async fn dead(place: &Place, server: &Running) -> (Mount, String) {
    let mount = mount(place, server);
    until(place, "in step", || place.log().contains("in step")).await;
    write(place, "tickets/7.json", "{\"title\": ");
    until(place, "dead", || records(place).len() == 1).await;
    let (code, json) = status(place).await;
    assert_eq!(code, 3, "{json:#}");
    let op = json["deadLettered"][0]["opId"].as_str().unwrap().to_owned();
    assert_eq!(records(place), [format!("{op}.json")]);
    (mount, op)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_seen_tried_again_and_over_when_the_file_is_right() {
    let (place, server) = (Place::new(), strict().await);
    let (_mount, op) = dead(&place, &server).await;
    let (code, shown) = run(&place, &["writeback", "show", &op]).await;
    assert!(code == 0 && shown.contains("content is not a JSON object"), "{shown}");
    let kept = shown.lines().find_map(|line| line.strip_prefix("kept in: ")).unwrap();
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "{\"title\": ");

    let (code, why) = run(&place, &["why", "/tickets/7.json"]).await;
    assert!(code == 0 && why.contains("dead:   given up at "), "{why}");
    assert!(why.contains("landfall writeback show "), "{why}");

    // It waits for a person, and says so.
    let (code, waits) = run(&place, &["wait", "--timeout", "1s"]).await;
    assert!(code == 75 && waits.contains("could not be delivered"), "{waits}");

    // The same again is refused again, and there is still one letter.
    let (code, output) = run(&place, &["writeback", "retry", "--opId", &op]).await;
    assert!(code == 3 && output.contains("REFUSED AGAIN"), "{output}");
    assert_eq!(status(&place).await.1["deadLettered"].as_array().unwrap().len(), 1);

    // The server is mended: what is here goes through.
    server.with(|server| server.settings_mut().writes.strict.clear());
    let (code, output) = run(&place, &["writeback", "retry", "--all"]).await;
    assert!(code == 0 && output.contains("delivered: /tickets/7.json"), "{output}");
    assert_eq!(run(&place, &["wait"]).await.0, 0);
    assert_eq!(remote(&server), place.files());
    until(&place, "over", || records(&place).is_empty()).await;
    let (code, json) = status(&place).await;
    assert_eq!((code, &json["pending"]), (0, &0.into()), "{json:#}");
    let path = ["wait", "--path", "/tickets/7.json", "--timeout", "1s"];
    assert_eq!(run(&place, &path).await.0, 0);

    // Nobody can be made to send what stays here.
    std::fs::create_dir(place.mirror().join(".git")).unwrap();
    std::fs::write(place.mirror().join(".git/config"), "[user]").unwrap();
    let (code, says) = run(&place, &["wait", "--path", "/.git/config", "--timeout", "1s"]).await;
    assert!(code == 1 && says.contains("stays here"), "{says}");
    assert!(!remote(&server).contains_key("/.git/config"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_up_stays_here_and_leaves_no_record() {
    let (place, server) = (Place::new(), strict().await);
    let (_mount, op) = dead(&place, &server).await;
    let (code, output) = run(&place, &["writeback", "discard", &op]).await;
    assert!(code == 0 && output.contains("discarded"), "{output}");
    until(&place, "over", || records(&place).is_empty()).await;
    assert_eq!(status(&place).await.0, 0);
    let here = std::fs::read_to_string(place.mirror().join("tickets/7.json")).unwrap();
    assert_eq!((here.as_str(), remote(&server).len()), ("{\"title\": ", 1));
    let (code, output) = run(&place, &["writeback", "retry", "--op-id", &op]).await;
    assert!(code == 1 && output.contains("unknown dead-letter op"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_edited_since_is_said_loudly_not_to_be_sent() {
    let (place, server) = (Place::new(), strict().await);
    let (_mount, op) = dead(&place, &server).await;
    std::fs::remove_file(place.mirror().join("tickets/7.json")).unwrap();
    until(&place, "gone", || !place.mirror().join("tickets/7.json").exists()).await;
    assert_eq!(run(&place, &["wait", "--timeout", "3s"]).await.0, 75);
    let (code, output) = run(&place, &["writeback", "retry", "--op-id", &op]).await;
    assert!(code == 3 && output.contains("NOTHING WAS SENT"), "{output}");
    assert_eq!(status(&place).await.0, 3, "its content is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_to_a_mount_that_is_dead_is_carried_out_by_the_next() {
    let (place, server) = (Place::new(), strict().await);
    let (mount, op) = dead(&place, &server).await;
    drop(mount);
    let (code, waits) = run(&place, &["wait", "--timeout", "1s"]).await;
    assert!(code == 75 && waits.contains("no mount keeps"), "{waits}");
    assert_eq!(status(&place).await.0, 3, "with the daemon dead");
    // What a kill may leave: a record whose letter is over. And what nobody of us wrote.
    let dir = place.mirror().join(".relay/dead-letter");
    let record = std::fs::read_to_string(dir.join(format!("{op}.json"))).unwrap();
    std::fs::write(dir.join("c0.json"), record.replace(&op, "c0")).unwrap();
    let (code, output) = run(&place, &["writeback", "retry", "--op-id", &op]).await;
    assert!(code == 0 && output.contains("the next `landfall mount"), "{output}");
    server.with(|server| server.settings_mut().writes.strict.clear());
    let mut once = place.mount(&server, &["--sync-mode", "mirror", "--once"]);
    let once = tokio::task::spawn_blocking(move || once.output().unwrap()).await.unwrap();
    assert_eq!(once.status.code(), Some(0), "{}", text(&once));
    assert_eq!(remote(&server), place.files());
    assert!(records(&place).is_empty());
    assert_eq!(std::fs::read_dir(place.mirror().join(".relay/orders")).unwrap().count(), 1);
}
