//! A run in a few sentences: what matters for the rule that was broken.

use std::collections::BTreeMap;

use landfall_core::time::Tick;

use super::Clock;
use crate::run::{Recipe, Report};

/// Sentences of a brief story, the broken rule and the setting included; the line that
/// reproduces the run comes on top.
const MOST: usize = 19;

/// The setting, what happened, and the rule that was broken. The report must have been told.
pub fn tell(recipe: &Recipe, report: &Report) -> String {
    let mut text = format!("{}\n", setting(recipe, report));
    let signature = report.verdict.signature();
    let item = signature.as_ref().map_or("", |(_, item)| item.as_str());
    for (at, sentence) in choose(fold(report.story.lines(), item), MOST - 3) {
        text.push_str(&format!("{}  {sentence}\n", Clock(at)));
    }
    if let Some((oracle, _)) = signature {
        text.push_str(&format!("Broken: {} ({oracle})\n", oracle.rule()));
    }
    let verdict: String = report.verdict.to_string().chars().take(400).collect();
    text.push_str(&format!("{}  {verdict}\n", Clock(report.end)));
    text
}

fn setting(recipe: &Recipe, report: &Report) -> String {
    let edits = report.workload.edits.len();
    format!(
        "A workspace of {}; the other client edits {}; {}.",
        count(report.workload.files.len() as u64, "file"),
        match edits {
            0 => "nothing".to_owned(),
            1 => "once".to_owned(),
            n => format!("{n} times"),
        },
        match report.fired.len() {
            0 => "no fault strikes".to_owned(),
            1 => "one fault strikes".to_owned(),
            n => format!("{n} faults strike"),
        },
    ) + &format!(" Nothing fails after {}.", recipe.options.chaos)
}

pub(crate) fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// A sentence that may be told, and how much it matters.
#[derive(Debug)]
struct Sentence {
    at: Tick,
    text: String,
    weight: u32,
    more: usize,
}

/// Sentences of one shape become one: the first, and how many more there are.
fn fold(lines: &[(Tick, String)], item: &str) -> Vec<Sentence> {
    let mut told: Vec<Sentence> = Vec::new();
    let mut shapes: BTreeMap<(bool, String), usize> = BTreeMap::new();
    for (n, (at, text)) in lines.iter().enumerate() {
        let about = mentions(text, item);
        // The last few before the rule was broken stand for themselves.
        let near = lines.len() - n <= NEAR;
        let weight = weigh(text) + if about { 150 } else { 0 } + if near { 40 } else { 0 };
        let shape = (about, shape(text));
        match shapes.get(&shape) {
            Some(first) if !near => told[*first].more += 1,
            _ => {
                shapes.entry(shape).or_insert(told.len());
                told.push(Sentence { at: *at, text: text.clone(), weight, more: 0 });
            }
        }
    }
    told
}

/// So many sentences at the end are not folded.
const NEAR: usize = 4;

/// Faults say most, then decisions, then what happens all the time.
fn weigh(text: &str) -> u32 {
    const DAILY: [&str; 6] = [
        "The other client changes",
        "The other client makes",
        "The other client deletes",
        "Landfall: placed",
        "Landfall: in step",
        "Landfall: moved to the trash",
    ];
    match text {
        _ if text.starts_with("  ") => 0,
        _ if DAILY.iter().any(|daily| text.starts_with(daily)) => 10,
        _ if text.starts_with("Landfall: ") => 50,
        _ => 90,
    }
}

/// Whether a sentence is about this very item, and not about one whose name begins so.
fn mentions(text: &str, item: &str) -> bool {
    item.starts_with('/')
        && text.match_indices(item).any(|(at, _)| {
            let after = text[at + item.len()..].chars().next();
            let before = text[..at].chars().next_back();
            after.is_none_or(|c| !c.is_alphanumeric() && c != '/')
                && before.is_none_or(|c| !c.is_alphanumeric())
        })
}

/// The sentence without paths, numbers and units of time.
fn shape(text: &str) -> String {
    let is_kept = |word: &&str| !["ms", "s", "s.", "min", "min."].contains(word);
    let words = text.split(' ').filter(is_kept).map(|word| match word {
        _ if word.contains('/') => "/",
        _ if word.contains(|c: char| c.is_ascii_digit()) => "0",
        _ => word,
    });
    let mut words: Vec<&str> = words.collect();
    words.dedup();
    words.join(" ")
}

/// Those that matter most, in the order of time.
fn choose(mut told: Vec<Sentence>, most: usize) -> Vec<(Tick, String)> {
    told.sort_by_key(|sentence| (std::cmp::Reverse(sentence.weight), sentence.at));
    told.truncate(most);
    told.sort_by_key(|sentence| sentence.at);
    let say = |sentence: Sentence| match sentence.more {
        0 => (sentence.at, sentence.text),
        more => {
            let text = sentence.text.trim_end_matches('.');
            (sentence.at, format!("{text}, and {more} more like it."))
        }
    };
    told.into_iter().map(say).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(n: u64, text: &str) -> (Tick, String) {
        (Tick(n), text.to_owned())
    }

    #[test]
    fn repetitions_are_folded_and_the_item_is_not() {
        let mut lines = vec![line(0, "kill -9 when /f1.md is placed.")];
        lines.extend((1..9).map(|n| line(n, &format!("Landfall: placed /f{n}.md: new."))));
        lines.extend((9..13).map(|n| line(n, "The link breaks.")));
        let told = choose(fold(&lines, "/f3.md"), 5);
        let text: Vec<&str> = told.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(text.len(), 5, "{text:?}");
        assert!(text.contains(&"Landfall: placed /f3.md: new."), "{text:?}");
        let all = choose(fold(&lines, "/f3.md"), 40);
        assert!(all.iter().any(|(_, t)| t == "Landfall: placed /f1.md: new, and 6 more like it."));
    }

    #[test]
    fn a_name_that_only_begins_like_the_item_is_another() {
        assert!(mentions("placed /d/f1.md: new", "/d/f1.md"));
        assert!(!mentions("placed /d/f1.md/below.md: new", "/d/f1.md"));
        assert!(!mentions("placed /c/d/f1.md: new", "/d/f1.md"));
    }
}
