//! `landfall status`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use landfall_core::roots::Judgement;
use serde::Serialize;

use super::{fail, real, say};
use crate::mount::MountError;
use crate::report::paths::{self, FileState};
use crate::report::{Report, report};
use crate::roots::Root;
use crate::{exit, roots};

/// Says how a mirror is, and answers the exit code of its verdict.
pub fn status(local_dir: PathBuf, json: bool, files: bool) -> u8 {
    if !local_dir.exists()
        && let Ok(root) = Root::look(&local_dir, &roots::state_dir())
        && root.is_known()
    {
        return fail(exit::HALTED, &MountError::Root(Judgement::Missing, root.path));
    }
    let answer = real(local_dir).and_then(|dir| {
        let report = report(&dir)?;
        let files = if files { Some(paths::files(&dir)?) } else { None };
        let text = match json {
            true => serde_json::to_string_pretty(&Answer { report: &report, files }),
            false => Ok(report.text()),
        };
        Ok((text.unwrap_or_default(), report.verdict))
    });
    match answer {
        Ok((text, verdict)) => say(&format!("{}\n", text.trim_end()), exit::of_verdict(verdict)),
        Err(why) => fail(why.code(), &why),
    }
}

/// The answer of `landfall status --json`.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    report: &'a Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<BTreeMap<String, FileState>>,
}
