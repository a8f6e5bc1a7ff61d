//! Failures that were found once, spelled out, replayed on the code as it is.
//!
//! Each file of `tests/corpus/` was shrunk from a run of the wrong version that it is named
//! after. `tests/wrong/run` shows that it still fails there; here it has to hold.

use std::path::{Path, PathBuf};

use landfall_sim::scenario::Scenario;

fn corpus() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus");
    let files = std::fs::read_dir(&folder).expect("the corpus is there");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    files
}

fn read(file: &Path) -> Scenario {
    let text = std::fs::read_to_string(file).expect("a file that can be read");
    Scenario::read(&text).unwrap_or_else(|why| panic!("{}: {why}", file.display()))
}

#[test]
fn what_failed_once_holds() {
    let failures: Vec<String> = corpus()
        .iter()
        .filter_map(|file| {
            let story = read(file).replay().err()?;
            Some(format!("{}\n{story}", file.display()))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_scenario_is_small_and_belongs_to_a_wrong_version() {
    let wrong = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/wrong");
    let files = corpus();
    assert!(files.len() >= 30, "{} scenarios", files.len());
    for file in files {
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        assert!(wrong.join(format!("{name}.patch")).is_file(), "{name} is no wrong version");
        let scenario = read(&file);
        let most = if scenario.rule == "converges" { 8 } else { 4 };
        assert!(scenario.faults.len() <= most, "{name} has {} faults", scenario.faults.len());
    }
}
