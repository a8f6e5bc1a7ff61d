//! The picture of a run: one page for a browser, which needs nothing else and no network.
//!
//! Every text in it may come from a hostile name. The data stand as JSON in a block that no
//! browser runs, with every `<` escaped; the page puts them in place as text alone, and its
//! policy allows it to load nothing.

use std::path::Path;
use std::{fs, io};

use crate::run::{Recipe, Report, Verdict, run};
use crate::story::brief::count;

mod json;
pub mod record;
mod words;

/// The page, without the data.
const TEMPLATE: &str = include_str!("page.html");

/// Where the data go.
const HERE: &str = "/*data*/";

/// Draws runs, each with its name, and writes the page. The first is the one to be understood.
///
/// # Errors
///
/// The file can not be written.
pub fn write(file: &Path, runs: &[(&str, &Recipe)], reproduce: &str) -> io::Result<()> {
    fs::write(file, page(runs, reproduce))
}

/// The page of some runs.
pub fn page(runs: &[(&str, &Recipe)], reproduce: &str) -> String {
    let panels = runs.iter().map(|(name, recipe)| {
        let recipe = Recipe { story: true, told_steps: false, record: true, ..(*recipe).clone() };
        panel(name, &recipe, &run(&recipe))
    });
    let panels: Vec<String> = panels.collect();
    let data = json::object(&[
        ("reproduce", json::text(reproduce)),
        ("runs", format!("[{}]", panels.join(",\n"))),
    ]);
    TEMPLATE.replacen(HERE, &data, 1)
}

fn panel(name: &str, recipe: &Recipe, report: &Report) -> String {
    let mut strings = json::Strings::default();
    let end = report.end.0;
    let bars = report.record.bars().iter().map(|bar| {
        let ended = bar.ended.map_or(end, |at| at.0);
        let (what, how) = (strings.number(&bar.what), strings.number(&bar.how));
        let long = ended.saturating_sub(bar.begun.0);
        format!("[{},{},{long},{what},{how},{}]", bar.lane as u8, bar.begun.0, bar.tone as u8)
    });
    let bars = json::list(bars);
    let faults = json::list(report.record.faults().iter().map(|(at, address)| {
        let (kind, address) = (address.kind.word(), address.to_string());
        format!("[{},{},{}]", at.0, strings.number(kind), strings.number(&address))
    }));
    let (rule, item, at) = match &report.verdict {
        Verdict::InStep(_) => ("", "", end),
        Verdict::Unsafe(found) => (found.oracle.word(), found.item.as_str(), found.at.0),
        Verdict::Stuck { item, .. } => ("converges", item.as_str(), end),
        Verdict::Crashed(_) => ("never-panics", "", end),
    };
    let lines = report.story.lines();
    let words = json::list(lines.iter().map(|(at, line)| {
        format!("[{},{},{}]", at.0, words::Class::of(line) as u8, strings.number(line))
    }));
    let trail = json::list(words::trail(lines, item).iter().map(usize::to_string));
    let counts = [
        count(report.counts.steps, "step"),
        count(report.fired.len() as u64, "fault"),
        count(report.counts.starts.into(), "start"),
        count(report.counts.requests, "request"),
    ];
    json::object(&[
        ("name", json::text(name)),
        ("seed", recipe.options.seed.to_string()),
        ("failed", (report.verdict.exit_code() != 0).to_string()),
        ("verdict", json::text(&report.verdict.to_string())),
        ("rule", json::text(rule)),
        ("item", json::text(item)),
        ("at", at.to_string()),
        ("end", end.to_string()),
        ("counts", json::text(&counts.join(", "))),
        ("options", json::text(&recipe.options.to_string())),
        ("bars", bars),
        ("faults", faults),
        ("words", words),
        ("trail", trail),
        ("strings", strings.done()),
    ])
}

#[cfg(test)]
mod tests;
