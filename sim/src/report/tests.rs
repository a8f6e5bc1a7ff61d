use landfall_core::time::Ms;

use super::*;
use crate::faults::{KINDS, Kind};

fn short(seed: u64) -> Recipe {
    let mut recipe = Recipe::of(seed);
    recipe.options.files = 5;
    recipe.options.chaos = Ms::mins(3);
    recipe.options.rates = [0; KINDS];
    recipe.options.two_way = false;
    recipe
}

/// The data of a page.
fn data(page: &str) -> &str {
    let (_, rest) = page.split_once("id=\"data\">").expect("there is a block of data");
    rest.split_once("</script>").expect("it ends").0
}

#[test]
fn a_page_holds_the_verdict_the_bars_and_the_sentences() {
    let mut killed = short(7);
    killed.options.rates[Kind::KillDuring as usize] = 50_000;
    let report = run(&killed);
    let page = page(&[("clean", &short(7)), ("killed", &killed)], "sim --seed 7");
    let data: serde_json::Value = serde_json::from_str(data(&page)).expect("JSON");
    let [clean, drawn] = [&data["runs"][0], &data["runs"][1]];
    assert_eq!(drawn["verdict"], report.verdict.to_string());
    assert_eq!(data["reproduce"], "sim --seed 7");
    let list = |of: &serde_json::Value| of.as_array().expect("a list").clone();
    // Nobody writes in a mirror that only pulls.
    for lane in (0..=10).filter(|lane| *lane != 8) {
        let drawn = list(&clean["bars"]).iter().any(|bar| bar[0] == lane);
        assert!(drawn, "nothing is drawn in lane {lane}");
    }
    assert_eq!(list(&drawn["faults"]).len(), report.fired.len());
    assert_eq!(list(&clean["words"]).len(), run(&told(short(7))).story.lines().len());
    let strings = list(&drawn["strings"]);
    assert!(strings.iter().any(|s| s.as_str().is_some_and(|s| s.starts_with("kill -9"))));
}

fn told(recipe: Recipe) -> Recipe {
    Recipe { story: true, ..recipe }
}

#[test]
fn a_page_loads_nothing() {
    let page = page(&[("as it is", &short(7))], "");
    for word in ["http:", "https:", "src=", "href=", "@import", "url(", "innerHTML", "fetch("] {
        assert!(!page.contains(word), "`{word}` is in the page");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn a_hostile_name_stays_in_the_data() {
    let hostile = "</script><script>alert(1)</script><!--\u{2028}\"\\\n";
    let page = page(&[(hostile, &short(7))], hostile);
    let block = data(&page);
    assert!(!block.contains('<') && !block.contains('>') && !block.contains('&'));
    let data: serde_json::Value = serde_json::from_str(block).expect("JSON");
    assert_eq!(data["runs"][0]["name"], hostile);
    assert_eq!(data["reproduce"], hostile);
    // No more elements than the template has.
    assert_eq!(page.matches("<script").count(), TEMPLATE.matches("<script").count());
}

#[test]
fn what_is_recorded_changes_nothing() {
    let quiet = Recipe::of(7);
    let seen = Recipe { record: true, ..quiet.clone() };
    assert_eq!(run(&quiet).hash, run(&seen).hash);
    assert!(run(&quiet).record.bars().is_empty());
}

#[test]
fn what_led_there_keeps_the_item_and_the_faults() {
    let line = |n: u64, text: &str| (landfall_core::time::Tick(n), text.to_owned());
    let mut lines = vec![line(0, "The process starts (run 1).")];
    lines.extend((1..100).map(|n| line(n, "The link breaks under the export.")));
    lines.push(line(100, "Landfall: placed /a.md: the remote has a new file."));
    lines.extend((101..200).map(|n| line(n, "Landfall: in step: 4 files.")));
    let trail = words::trail(&lines, "/a.md");
    assert_eq!(trail.len(), 16);
    assert!(trail.contains(&100));
    assert!(trail.iter().all(|n| *n <= 100), "{trail:?}");
    // However often the item is spoken of, the last faults are told.
    lines.extend((200..300).map(|n| line(n, "The other client changes /a.md (evt_1).")));
    let trail = words::trail(&lines, "/a.md");
    assert_eq!(trail.len(), 16);
    assert!(trail.contains(&99) && trail.contains(&100) && trail.contains(&299), "{trail:?}");
}
