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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use landfall_core::event::Event;
    use landfall_core::time::{Tick, Wall};

    use super::*;

    fn line(files: u64) -> String {
        let note = Effect::Note { unit: None, decision: Decision::InStep { files } };
        let step =
            Line::Step { tick: Tick(0), wall: Wall(0), event: Event::Wake, effects: vec![note] };
        step.to_json().unwrap() + "\n"
    }

    #[test]
    fn a_line_is_read_once_its_end_is_there() {
        let name = format!("landfall-tail-{}.jsonl", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut tail = Tail::new(path.clone());
        assert_eq!(tail.decisions().unwrap(), [], "there is no file yet");

        let mut file = File::create(&path).unwrap();
        let second = line(2);
        let (begin, end) = second.split_at(20);
        file.write_all((line(1) + begin).as_bytes()).unwrap();
        assert_eq!(tail.decisions().unwrap(), [Decision::InStep { files: 1 }]);
        assert_eq!(tail.decisions().unwrap(), []);
        file.write_all(end.as_bytes()).unwrap();
        assert_eq!(tail.decisions().unwrap(), [Decision::InStep { files: 2 }]);
        fs::remove_file(path).unwrap();
    }
}
