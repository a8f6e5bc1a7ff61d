//! `landfall demo`, as a newcomer runs it.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// A demo that fails keeps its directory, so each gets a place that goes away.
fn demo(flags: &[&str]) -> Output {
    let place = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
    command.arg("demo").args(flags).env("TMPDIR", place.path());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn everything_goes_wrong_and_both_sides_are_equal() {
    let began = Instant::now();
    let output = demo(&[]);
    let (said, complained) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{said}\n{complained}");
    assert!(began.elapsed() < Duration::from_secs(30), "{said}");
    for part in [
        "the export yields to the tree",
        "the server said 429 rate_limited",
        "kill -9",
        "starting again with",
        "the listing is not believed on its own word",
        "the mirror still has 601 files",
        "Equal: 601 files",
    ] {
        assert!(said.contains(part), "`{part}` is missing:\n{said}");
    }
}

#[test]
fn one_wrong_byte_is_seen() {
    let output = demo(&["--corrupt-one-byte"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    let complained = text(&output.stderr);
    assert!(complained.contains("1 with other bytes"), "{complained}");
}
