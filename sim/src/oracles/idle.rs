//! Where nothing happens, hardly anything is done.
//!
//! Judged are windows of ten minutes of a healed world that is in step: how many requests,
//! commits and operations of the disk there are; and, over whole days, how often everything is
//! listed. What the machine could not know yet when the world healed has some time to arrive.

use landfall_core::decision::{Decision, FeedLoss};
use landfall_core::effect::{DiskOp, Effect, Request};
use landfall_core::event::{Event, Part};
use landfall_core::id::CallId;
use landfall_core::time::{Ms, Tick};

use super::Ruling;

/// After a silent stream was found and the feed was asked, everything is known.
const SETTLED: Ms = Ms::mins(15);

/// What is counted together.
const WINDOW: Ms = Ms::mins(10);

/// Requests of a window: a look at the feed every 24 s at most, and a few for the stream.
const REQUESTS: u32 = 30;

/// Requests of a window in which a stream stood all the time.
const REQUESTS_BESIDE: u32 = 8;

/// Commits of a window, beside one for each file that can not be had.
const COMMITS: u32 = 4;

/// A file that can not be had is put off by as much as this, or it counts.
const LONG: Ms = Ms::mins(4);

/// Operations of the disk in a window, beside one for each file that can not be had.
const DISK: u32 = 4;

/// Listings of the root in a day.
const LISTINGS: u32 = 1;

/// What was done since the world is quiet.
#[derive(Debug, Default)]
pub(super) struct Idle {
    /// Since when.
    since: Option<Tick>,
    begun: Tick,
    requests: u32,
    commits: u32,
    /// Tries at files that can not be had, and are put off for long.
    put_off: u32,
    disk: u32,
    day: Tick,
    listings: u32,
    /// A listing is under way: its pages are not idleness.
    excused: bool,
    /// The open stream.
    stream: Option<CallId>,
    /// For some of the window there was none.
    alone: bool,
}

impl Idle {
    /// The world is quiet from now on, and everything is in step.
    pub(super) fn quiet(&mut self, now: Tick) {
        if self.since.is_none() {
            let begun = now + SETTLED;
            let stream = self.stream;
            *self = Self { since: Some(now), begun, day: begun, stream, ..Self::default() };
        }
    }

    /// Something happens.
    pub(super) fn busy(&mut self) {
        self.since = None;
    }

    pub(super) fn started(&mut self) {
        *self = Self::default();
    }

    pub(super) fn heard(&mut self, event: &Event) {
        if matches!(event, Event::Told { .. } | Event::Heard { .. }) {
            // Somebody is at work.
            self.busy();
        }
        match event {
            Event::Part { call, part: Part::Opened } => self.stream = Some(*call),
            Event::Done { call, .. } if self.stream == Some(*call) => self.stream = None,
            _ => {}
        }
    }

    pub(super) fn wanted(&mut self, now: Tick, effect: &Effect) -> Ruling {
        if let Effect::Note { decision: Decision::FeedLost { why: FeedLoss::Silent }, .. } = effect
        {
            // Only now it was found out that the server does not know the cursor any more.
            self.busy();
        }
        if self.since.is_none() || now < self.begun {
            return Ok(0);
        }
        let judged = self.roll(now)?;
        self.alone |= self.stream.is_none();
        match effect {
            Effect::Ask { request, .. } => {
                self.requests += 1;
                if let Request::Tree { path, cursor, .. } = request {
                    self.listings += u32::from(path == "/" && cursor.is_none());
                    self.excused = true;
                }
            }
            Effect::Commit { .. } => self.commits += 1,
            Effect::Note { decision: Decision::SetAside { wait, .. }, .. } if *wait >= LONG => {
                self.put_off += 1;
            }
            // What nobody heard of is looked for all the same, directory by directory.
            Effect::Disk { op: DiskOp::Scan { .. }, .. } => {}
            Effect::Disk { .. } => self.disk += 1,
            _ => {}
        }
        Ok(judged)
    }

    /// Judges the window that is over.
    fn roll(&mut self, now: Tick) -> Ruling {
        if now >= self.day + Ms::hours(24) {
            let listings = std::mem::take(&mut self.listings);
            self.day = now;
            if listings > LISTINGS {
                return Err(("listings".into(), format!("{listings} listings in a quiet day")));
            }
        }
        if now < self.begun + WINDOW {
            return Ok(0);
        }
        let put_off = std::mem::take(&mut self.put_off);
        let commits = self.commits.saturating_sub(put_off);
        let disk = self.disk.saturating_sub(put_off);
        let requests = self.requests;
        let excused = std::mem::take(&mut self.excused);
        let alone = std::mem::take(&mut self.alone);
        (self.requests, self.commits, self.disk, self.begun) = (0, 0, 0, now);
        if excused {
            return Ok(0);
        }
        for (n, most, what) in [
            (requests, if alone { REQUESTS } else { REQUESTS_BESIDE }, "requests"),
            (commits, COMMITS, "commits"),
            (disk, DISK, "operations of the disk"),
        ] {
            if n > most {
                let detail = format!("{n} {what} in ten quiet minutes, {most} would do");
                return Err((what.into(), detail));
            }
        }
        Ok(1)
    }
}
