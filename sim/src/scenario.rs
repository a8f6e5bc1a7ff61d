//! A run spelled out in a file: every option, every fault by its address, every edit.
//!
//! A seed means something else once the generator changes; a scenario does not. So failures that
//! were found once live on as scenarios, in `tests/corpus/` and in tests that
//! [`test`] writes.

use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::faults::Address;
use crate::options::Options;
use crate::oracles::Oracle;
use crate::run::{Recipe, Verdict, run};
use crate::story::brief;

/// The format that this version reads and writes.
const FORMAT: &str = "landfall.scenario/1";

/// A run, spelled out.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    format: String,
    /// The rule that was broken when this was written, by the name of its oracle.
    pub rule: String,
    /// What it was about.
    pub item: String,
    /// The faults that strike. No others do.
    pub faults: Vec<Address>,
    /// All that a seed stands for, and the workload.
    pub options: Options,
}

/// Why a text is no scenario.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// It is not JSON, or not of this shape.
    #[error("this is no scenario: {0}; write one with `sim --seed N --shrink --save FILE`")]
    Shape(#[from] serde_json::Error),
    /// Another version wrote it.
    #[error("the scenario has the format `{0}`, and this version reads `{FORMAT}`")]
    Format(String),
}

impl Scenario {
    /// A recipe that fails, spelled out. `None`: it does not fail.
    pub fn of(recipe: &Recipe) -> Option<Self> {
        let report = run(recipe);
        let (oracle, item) = report.verdict.signature()?;
        let mut options = recipe.options.clone();
        options.workload = Some(report.workload);
        let format = FORMAT.to_owned();
        Some(Self { format, rule: oracle.to_string(), item, faults: report.fired, options })
    }

    /// Reads a scenario.
    ///
    /// # Errors
    ///
    /// The text is no scenario, or one of another format.
    pub fn read(json: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = serde_json::from_str(json)?;
        if scenario.format != FORMAT {
            return Err(ScenarioError::Format(scenario.format));
        }
        Ok(scenario)
    }

    /// As JSON.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_else(|e| unreachable!("plain data: {e}"))
    }

    /// How it is run.
    pub fn recipe(&self) -> Recipe {
        let kept = Some(self.faults.clone());
        Recipe { options: self.options.clone(), kept, ..Recipe::of(self.options.seed) }
    }

    /// Runs it.
    ///
    /// # Errors
    ///
    /// A rule is broken: the story in a few sentences.
    pub fn replay(&self) -> Result<(), String> {
        let recipe = Recipe { story: true, ..self.recipe() };
        let report = run(&recipe);
        if matches!(report.verdict, Verdict::InStep(_)) {
            return Ok(());
        }
        Err(brief::tell(&recipe, &report))
    }

    /// A test that replays this: it fails while the rule is broken. A file for `sim/tests/`.
    pub fn test(&self) -> String {
        let rule = self.rule.replace('-', "_");
        let mut text = format!("//! Found by the simulator: `{}` was broken. ", self.rule);
        if let Some(oracle) = Oracle::ALL.iter().find(|oracle| oracle.word() == self.rule) {
            let _ = write!(text, "The rule:\n//! {}", oracle.rule());
        }
        let _ = write!(
            text,
            "\n\nuse landfall_sim::scenario::Scenario;\n\n#[test]\nfn {rule}_holds_under_seed_{}() {{\n",
            self.options.seed
        );
        text.push_str("    let scenario = Scenario::read(SCENARIO).expect(\"a scenario\");\n");
        text.push_str("    scenario.replay().unwrap_or_else(|story| panic!(\"{story}\"));\n}\n\n");
        let _ = writeln!(text, "const SCENARIO: &str = r####\"{}\"####;", self.json());
        text
    }
}

/// Writes a file; `-` is the output.
///
/// # Errors
///
/// It can not be written.
pub fn write(file: &Path, text: &str) -> Result<(), String> {
    if file == Path::new("-") {
        print!("{text}");
        return Ok(());
    }
    std::fs::write(file, text).map_err(|e| format!("{} can not be written: {e}", file.display()))
}
