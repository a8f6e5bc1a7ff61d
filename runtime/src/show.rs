//! What a mount shows: a bar on a terminal, a line now and then elsewhere, and the status file.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use landfall_core::decision::Decision;
use landfall_core::effect::Exit;
use landfall_core::status::{Phase, Status, WorkspaceStatus};
use tokio::time::{Instant, sleep_until};

use crate::report::StatusFile;

/// How often the status is looked at while something happens.
const LOOK: Duration = Duration::from_millis(500);

/// See the [module](self).
#[derive(Debug)]
pub struct Show {
    bar: Option<ProgressBar>,
    line_every: Duration,
    next_line: Instant,
    next_look: Instant,
    file: StatusFile,
    path: PathBuf,
    written: Option<String>,
    in_step: bool,
}

impl Show {
    /// Shows on standard error, and writes `path`.
    pub fn new(file: StatusFile, path: PathBuf, line_every: Duration) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            let style = "{spinner} {pos}/{len} files · {bytes_text} · {msg}"
                .replace("{bytes_text}", "{prefix}");
            if let Ok(style) = ProgressStyle::with_template(&style) {
                bar.set_style(style);
            }
            bar
        });
        let now = Instant::now();
        Self {
            bar,
            line_every,
            next_line: now + line_every,
            next_look: now,
            file,
            path,
            written: None,
            in_step: false,
        }
    }

    /// Whether the last status was in step.
    pub fn in_step(&self) -> bool {
        self.in_step
    }

    /// A decision was taken.
    pub fn decision(&mut self, decision: &Decision) {
        match &self.bar {
            Some(bar) => bar.suspend(|| log(decision)),
            None => log(decision),
        }
    }

    /// Waits until the status should be looked at.
    pub async fn wait(&self) {
        sleep_until(self.next_look).await;
    }

    /// Shows a status.
    pub fn status(&mut self, status: &Status) {
        let now = Instant::now();
        self.next_look = now + LOOK;
        let Some(unit) = status.units.first() else { return };
        self.in_step = unit.in_step;
        self.write(unit);
        if let Some(bar) = &self.bar {
            bar.set_length(unit.files_total);
            bar.set_position(unit.files_done);
            bar.set_prefix(mebibytes(unit.bytes));
            bar.set_message(unit.reason.clone());
            bar.tick();
        } else if now >= self.next_line && !unit.in_step {
            self.next_line = now + self.line_every;
            let (done, total) = (unit.files_done, unit.files_total);
            tracing::info!("{done} of {total} files, {}: {}", mebibytes(unit.bytes), unit.reason);
        }
    }

    /// The end.
    pub fn end(&mut self, status: &Status, exit: Exit) {
        self.next_look = Instant::now();
        let mut status = status.clone();
        for unit in &mut status.units {
            if unit.phase == Phase::Stopping {
                unit.reason = format!("stopped: {exit}");
            }
        }
        self.status(&status);
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn write(&mut self, unit: &WorkspaceStatus) {
        let text = self.file.text(unit);
        if self.written.as_ref() == Some(&text) {
            return;
        }
        let temp = self.path.with_extension("json.new");
        let written =
            std::fs::write(&temp, &text).and_then(|()| std::fs::rename(&temp, &self.path));
        match written {
            Ok(()) => self.written = Some(text),
            Err(why) => tracing::debug!("{} can not be written: {why}", self.path.display()),
        }
    }
}

fn log(decision: &Decision) {
    match decision {
        // One line for each of ten thousand files helps nobody.
        Decision::Did { .. } => tracing::debug!("{decision}"),
        Decision::Braked(_) | Decision::Stuck { .. } | Decision::RowUnreadable { .. } => {
            tracing::error!("{decision}");
        }
        Decision::SetAside { .. }
        | Decision::DiskPaused { .. }
        | Decision::NameRefused { .. }
        | Decision::Kept { .. }
        | Decision::WatchdogFired { .. } => tracing::warn!("{decision}"),
        _ => tracing::info!("{decision}"),
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{}.{} MiB", bytes >> 20, (bytes >> 10) % 1024 * 10 / 1024)
}
