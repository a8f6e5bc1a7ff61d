//! Reading a trace while it is being written.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use landfall_core::decision::Decision;
use landfall_core::effect::Effect;
use landfall_core::trace::Line;

use super::DemoError;

/// The end of a trace that another process writes.
#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    file: Option<File>,
    /// The beginning of a line whose end is not written yet.
    rest: Vec<u8>,
}

impl Tail {
    /// Follows a file that may not be there yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, file: None, rest: Vec::new() }
    }

    /// The decisions that were written since the last call. A line that a killed process left
    /// half written is never read.
    pub(super) fn decisions(&mut self) -> Result<Vec<Decision>, DemoError> {
        let failed = |why| DemoError::Directory { path: self.path.clone(), why };
        let file = match &mut self.file {
            Some(file) => file,
            None => match File::open(&self.path) {
                Ok(file) => self.file.insert(file),
                Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(why) => return Err(failed(why)),
            },
        };
        file.read_to_end(&mut self.rest).map_err(failed)?;
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            return Ok(Vec::new());
        };
        let tail = self.rest.split_off(end + 1);
        let lines = std::mem::replace(&mut self.rest, tail);
        let mut decisions = Vec::new();
        for line in String::from_utf8_lossy(&lines).lines() {
            let Line::Step { effects, .. } = Line::from_json(line).map_err(DemoError::Trace)?
            else {
                continue;
            };
            decisions.extend(effects.into_iter().filter_map(|effect| match effect {
                Effect::Note { decision, .. } => Some(decision),
                _ => None,
            }));
        }
        Ok(decisions)
    }
}
