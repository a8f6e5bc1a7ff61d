//! Records what the machine was told and what it wanted, for `--trace`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use landfall_core::config::Config;
use landfall_core::effect::Effect;
use landfall_core::event::Event;
use landfall_core::time::Now;
use landfall_core::trace::{Line, VERSION};

/// A trace ends here, so that it can not fill a disk.
const TRACE_MAX: u64 = 256 * 1024 * 1024;

/// A trace that is being written.
#[derive(Debug)]
pub struct Trace {
    file: BufWriter<File>,
    left: u64,
}

impl Trace {
    /// Begins a trace. An older file of this name is replaced.
    pub fn begin(path: &Path, config: &Config) -> io::Result<Self> {
        let mut trace = Self { file: BufWriter::new(File::create(path)?), left: TRACE_MAX };
        trace.line(&Line::Header {
            version: VERSION,
            program: concat!("landfall ", env!("CARGO_PKG_VERSION")).into(),
            config: config.clone(),
        });
        Ok(trace)
    }

    /// Records one step. A person who watches the file sees whole decisions, so each step is
    /// written out.
    pub fn step(&mut self, now: Now, event: Event, effects: &[Effect]) {
        let effects = effects.to_vec();
        self.line(&Line::Step { tick: now.tick, wall: now.wall, event, effects });
    }

    /// Writes out what is buffered.
    pub fn end(&mut self) {
        let _ = self.file.flush();
    }

    fn line(&mut self, line: &Line) {
        if self.left == 0 {
            return;
        }
        let written = line.to_json().map_err(io::Error::other).and_then(|json| {
            self.left = self.left.saturating_sub(json.len() as u64 + 1);
            self.file.write_all(json.as_bytes())?;
            self.file.write_all(b"\n")?;
            self.file.flush()
        });
        if let Err(why) = written {
            tracing::warn!("the trace ends here, because it can not be written: {why}");
            self.left = 0;
        } else if self.left == 0 {
            tracing::warn!("the trace ends here, because it reached {TRACE_MAX} bytes");
        }
    }
}
