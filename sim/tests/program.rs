//! The program itself, run as a person runs it.

use std::process::Command;

/// The smallest run is told, and drawn beside the one that was found. Both lines to do it again
/// are the same.
#[test]
fn a_failing_run_is_shrunk_told_and_drawn_in_one_go() {
    let page = concat!(env!("CARGO_TARGET_TMPDIR"), "/shrunk.html");
    let mut sim = Command::new(env!("CARGO_BIN_EXE_sim"));
    let done = sim.args(["--seed", "0", "--canary", "--shrink", "--report", page]).output();
    let done = done.expect("it runs");
    assert_eq!(done.status.code(), Some(21), "safety");
    let told = String::from_utf8(done.stdout).expect("text");
    assert!(told.contains("Broken: Every settled version that a person saved"), "{told}");
    assert!(told.contains("reproduce: sim --seed 0 --canary --shrink"), "{told}");
    assert!(told.contains(&format!("report: {page}")), "{told}");
    let page = std::fs::read_to_string(page).expect("a page");
    for part in ["the smallest run", "as it was found", "sim --seed 0 --canary --shrink"] {
        assert!(page.contains(part), "no {part:?} in the page");
    }
}

/// A run that is spelled out is recorded as one of a seed is, and replayed.
#[test]
fn a_spelled_out_run_is_traced_and_replayed() {
    let scenario =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/corpus/81-cut-undoes-deletes.json");
    let trace = concat!(env!("CARGO_TARGET_TMPDIR"), "/spelled-out.jsonl");
    let sim = |args: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_sim")).args(args).output().expect("it runs");
        (done.status.code(), String::from_utf8(done.stdout).expect("text"))
    };
    let (code, told) = sim(&["--scenario", scenario, "--quiet", "--trace", trace]);
    assert_eq!(code, Some(0), "{told}");
    let (code, told) = sim(&["replay", trace]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("2 machines") && told.contains("all the same"), "{told}");
    let (code, told) = sim(&["--scenario", scenario, "--seed", "3"]);
    assert_eq!(code, Some(2), "which of the two? {told}");
}
