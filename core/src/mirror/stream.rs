//! The stream: changes as they happen, often with their bytes.
//!
//! It is only ever faster than the feed, never trusted more. A server that forgot the cursor
//! opens the stream without a word and without what was missed; one that falls behind drops
//! events; a connection of which one half is gone is silent. So an event is taken in only if
//! it is the very next one after what was taken in before. Anything else, an opening and an
//! end included, makes the machine ask the feed, which tells what is missing or that it can
//! not. And because the last event before a silence can be lost without a trace, the feed is
//! asked beside a healthy stream too, though rarely.

use super::{Mirror, State};
use crate::decision::Decision;
use crate::effect::Request;
use crate::engine::Cx;
use crate::event::{Fetched, Outcome, Part};
use crate::fault::Fault;
use crate::files::Files;
use crate::files::entry::Ordinal;
use crate::gate::Class;
use crate::id::{CallId, EventId};
use crate::policy::Backoff;
use crate::row::Position;
use crate::time::{Ms, Tick};
use crate::timers::Why;
use crate::wire::FeedEvent;

/// How long opening may take.
const OPEN: Ms = Ms::secs(10);

/// How long an open stream may be silent: two pongs and a half.
const SILENCE: Ms = Ms::secs(25);

/// Events and pongs that may be under way at once.
const CREDIT: u32 = 64;

/// Between two attempts to open it.
const AGAIN: Backoff = Backoff { base: Ms::secs(1), cap: Ms::secs(60) };

/// Before a server that has no stream is asked for one again.
const WITHOUT: Ms = Ms::mins(10);

/// A stream that stood so long was a good one: its end is not one more failure in a row.
const GOOD: Ms = Ms::mins(1);

/// How much more rarely the feed is asked beside an open stream.
pub(super) const RARELY: u64 = 10;

/// Where the stream stands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Stream {
    /// Not wanted now, or waiting for [`Why::Stream`].
    #[default]
    Down,
    /// Asked for.
    Opening {
        /// The call.
        call: CallId,
    },
    /// Open.
    Open {
        /// The call.
        call: CallId,
        /// Since when.
        since: Tick,
    },
}

impl Stream {
    /// The call, if there is one.
    pub fn call(&self) -> Option<CallId> {
        match self {
            Stream::Down => None,
            Stream::Opening { call } | Stream::Open { call, .. } => Some(*call),
        }
    }

    /// Whether changes are told as they happen.
    pub fn is_open(&self) -> bool {
        matches!(self, Stream::Open { .. })
    }
}

impl Mirror {
    /// Opens the stream, unless it is there or can not be followed now.
    pub(super) fn open_stream(&mut self, cx: &mut Cx<'_>) {
        let wanted = self.config.stream && !self.config.once && !self.stopping;
        let after = match &self.at {
            Some(Position::After(id)) if id.number().is_some() => Some(id.clone()),
            Some(Position::Origin) => None,
            // Events that can not be counted can not be joined to the feed.
            _ => return,
        };
        if wanted && self.stream == Stream::Down {
            let call = cx.ask(Class::Feed, Request::Stream { after }, OPEN, CREDIT);
            self.stream = Stream::Opening { call };
        }
    }

    /// Lets the stream go: what it tells would not join what is taken in next.
    pub(super) fn close_stream(&mut self, cx: &mut Cx<'_>) {
        if let Some(call) = self.stream.call() {
            cx.cancel(call);
        }
        self.stream = Stream::Down;
        cx.no_wake(Why::Stream);
    }

    pub(super) fn stream_part(
        &mut self,
        cx: &mut Cx<'_>,
        files: &mut Files,
        call: CallId,
        part: Part,
    ) {
        cx.extend(call, SILENCE);
        cx.more(call, 1);
        match part {
            Part::Opened if !self.stream.is_open() => {
                self.stream = Stream::Open { call, since: cx.now.tick };
                cx.opened(call);
                cx.note(Decision::StreamOpen);
                // Whatever happened between the last look at the feed and now.
                self.poll_soon(cx);
            }
            Part::Event { event, inline } => self.stream_event(cx, files, event, inline),
            other => {
                if let Some(blob) = other.blob() {
                    files.drop_blob(cx, blob);
                }
            }
        }
    }

    fn stream_event(
        &mut self,
        cx: &mut Cx<'_>,
        files: &mut Files,
        event: FeedEvent,
        inline: Option<Fetched>,
    ) {
        let id = EventId(event.event_id.clone());
        let last = match &self.at {
            Some(Position::After(last)) => last.number(),
            Some(Position::Origin) => Some(0),
            _ => None,
        };
        match (id.number(), last) {
            (Some(n), Some(last)) if n <= last => {}
            (Some(n), Some(last)) if n == last + 1 => {
                let at = Ordinal { epoch: self.row.epoch, n };
                self.at = Some(Position::After(id));
                self.progress += 1;
                self.doubt.proved(cx.now.tick);
                files.seals.want_soon(cx.now.tick);
                let path = self.event(cx, files, event, at);
                match (path, inline) {
                    (Some(path), Some(got)) if got.path == path.as_str() => {
                        files.exported(cx, &path, got, at);
                    }
                    (_, Some(got)) => files.drop_blob(cx, got.blob),
                    (_, None) => {}
                }
                return;
            }
            (_, last) => {
                // Before the first look at the feed nobody knows where it is.
                if last.is_some() && self.at_tip {
                    self.doubt.heard_of(id);
                }
                self.poll_soon(cx);
            }
        }
        if let Some(got) = inline {
            files.drop_blob(cx, got.blob);
        }
    }

    pub(super) fn stream_done(&mut self, cx: &mut Cx<'_>, outcome: Outcome) {
        let stood = match self.stream {
            Stream::Open { since, .. } => cx.now.tick - since,
            _ => Ms(0),
        };
        self.stream_tries = if stood >= GOOD { 1 } else { self.stream_tries.saturating_add(1) };
        self.stream = Stream::Down;
        let why = match outcome {
            Outcome::Failed { why, .. } => why,
            Outcome::Ok(_) => Fault::Link,
        };
        let wait = match why {
            Fault::NotFound | Fault::BadRequest | Fault::Gone => WITHOUT,
            _ => AGAIN.delay(self.stream_tries, &(cx.engine.seed, cx.unit, "stream")),
        };
        cx.note(Decision::StreamDown { why, wait });
        cx.wake_at(Why::Stream, cx.now.tick + wait);
        if stood > Ms(0) && self.state != State::Locating {
            self.poll_soon(cx);
        }
    }
}
