//! What a mount shows: a bar on a terminal, a line now and then elsewhere, and the status file.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use landfall_core::decision::{Decision, Did};
use landfall_core::effect::Exit;
use landfall_core::status::{Phase, Status};
use tokio::time::{Instant, sleep_until};

use crate::report::file::Writer;

/// How often the status is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// How a bar looks: files, then bytes and their rate, then what it waits for.
const COUNTED: &str = "{spinner} {bar:20} {pos}/{len} files · {prefix} · {wide_msg}";

/// The same while nobody knows how many files there are.
const UNCOUNTED: &str = "{spinner} {prefix} · {wide_msg}";

/// See the [module](self).
#[derive(Debug)]
pub struct Show {
    bar: Option<ProgressBar>,
    line_every: Duration,
    next_line: Instant,
    next_look: Instant,
    rate: Rate,
    file: Writer,
}

impl Show {
    /// Shows on standard error, and in the status file.
    pub fn new(file: Writer, line_every: Duration) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            set_style(&bar, UNCOUNTED);
            bar
        });
        let now = Instant::now();
        Self {
            bar,
            line_every,
            next_line: now + line_every,
            next_look: now,
            rate: Rate::default(),
            file,
        }
    }

    /// A decision was taken.
    pub fn decision(&mut self, decision: &Decision) {
        match &self.bar {
            // To draw the bar again costs more than ten thousand lines that nobody asked for.
            Some(_) if is_detail(decision) && !tracing::enabled!(tracing::Level::DEBUG) => {}
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
        self.file.tell(unit, now);
        self.rate.saw(unit.bytes, now);
        let received = format!("{}, {}/s", binary(unit.bytes), binary(self.rate.per_second));
        if let Some(bar) = &self.bar {
            if bar.length() == Some(0) && unit.files_total > 0 {
                set_style(bar, COUNTED);
            }
            bar.set_length(unit.files_total);
            bar.set_position(unit.files_done);
            bar.set_prefix(received);
            bar.set_message(unit.reason.clone());
            bar.tick();
        } else if now >= self.next_line && !unit.in_step {
            self.next_line = now + self.line_every;
            let (done, total) = (unit.files_done, unit.files_total);
            tracing::info!("{done} of {total} files, {received}: {}", unit.reason);
        }
    }

    /// The end.
    pub fn end(&mut self, status: &Status, exit: Exit) {
        if let Some(unit) = status.units.first() {
            let mut unit = unit.clone();
            if unit.phase == Phase::Stopping {
                unit.reason = format!("stopped: {exit}");
            }
            self.file.end(&unit);
        }
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// One line for each of ten thousand files helps nobody. A merge is seldom, and whoever had the file
/// open wants to know.
fn is_detail(decision: &Decision) -> bool {
    matches!(decision, Decision::Did { did, .. } if *did != Did::Merged)
}

fn log(decision: &Decision) {
    match decision {
        _ if is_detail(decision) => tracing::debug!("{decision}"),
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

fn set_style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

/// Bytes in a second, smoothed over the last few looks.
#[derive(Debug, Default)]
struct Rate {
    per_second: u64,
    last: Option<(u64, Instant)>,
}

impl Rate {
    /// So many bytes were received up to now.
    fn saw(&mut self, bytes: u64, now: Instant) {
        if let Some((before, at)) = self.last {
            let ms = (now - at).as_millis() as u64;
            if ms == 0 {
                return;
            }
            let fresh = bytes.saturating_sub(before).saturating_mul(1000) / ms;
            self.per_second = (self.per_second * 3 + fresh) / 4;
        }
        self.last = Some((bytes, now));
    }
}

/// A number of bytes in the largest unit that leaves something before the point.
fn binary(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut tenths = bytes.saturating_mul(10) / 1024;
    let mut unit = 0;
    while tenths >= 10 * 1024 && unit + 1 < UNITS.len() {
        (tenths, unit) = (tenths / 1024, unit + 1);
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_in_a_unit_that_fits() {
        for (bytes, shown) in [
            (0, "0.0 KiB"),
            (1536, "1.5 KiB"),
            (1 << 20, "1.0 MiB"),
            ((5 << 30) + (1 << 29), "5.5 GiB"),
            (u64::MAX, "1677721.5 TiB"),
        ] {
            assert_eq!(binary(bytes), shown);
        }
    }

    #[test]
    fn a_rate_follows_what_arrives_and_falls_when_nothing_does() {
        let begin = Instant::now();
        let mut rate = Rate::default();
        for n in 0..20 {
            rate.saw(n * 500, begin + Duration::from_millis(n * 500));
        }
        assert!((990..=1000).contains(&rate.per_second), "{rate:?}");
        for n in 20..60 {
            rate.saw(9_500, begin + Duration::from_millis(n * 500));
        }
        assert_eq!(rate.per_second, 0);
    }
}
