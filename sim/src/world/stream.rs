//! The stream: what the server pushes, and how that goes wrong.
//!
//! It begins as a request like any other. Once the server has opened it, it lives here until
//! it ends, is cancelled, or goes deaf: a connection of which one half is gone without a word.

use landfall_core::event::{Event, Outcome, Part};
use landfall_core::fault::{Blame, Fault};
use landfall_core::id::{BlobId, CallId};
use landfall_core::time::Ms;

use super::{Happening, World};
use crate::faults::Kind;

/// Between two pings.
const PING: Ms = Ms::secs(10);

/// An open stream.
#[derive(Clone, Debug)]
pub(super) struct Live {
    /// For the addresses of faults.
    entity: u32,
    attempt: u32,
    /// The event to send next.
    next: u64,
    credit: u32,
    /// Nothing comes any more, and nobody says so.
    deaf: bool,
    blobs: u32,
}

impl World {
    /// The server opened a stream that goes on with event `next`.
    pub(super) fn stream_opened(
        &mut self,
        call: CallId,
        (entity, attempt): (u32, u32),
        next: u64,
        credit: u32,
    ) {
        self.streams.insert(call, Live { entity, attempt, next, credit, deaf: false, blobs: 0 });
        self.queue.push(self.now, Happening::Stream(call));
        self.queue.push(self.now + PING, Happening::Ping(call));
    }

    /// Something happened on the server.
    pub(crate) fn stream_changed(&mut self) {
        for call in self.streams.keys().copied().collect::<Vec<_>>() {
            let n = self.server.truth.tip() as u32;
            let wait = 1 + self.plan.bits(205, n, call.n as u32) % self.options.latency.0;
            self.queue.push(self.now + Ms(wait), Happening::Stream(call));
        }
    }

    /// The server sends what it has.
    pub(super) fn stream_send(&mut self, call: CallId) {
        let tip = self.server.truth.tip();
        let Some(live) = self.streams.get_mut(&call) else { return };
        if live.next > tip || live.credit == 0 || live.deaf {
            return;
        }
        let n = live.next;
        let (entity, attempt) = (live.entity ^ n as u32, live.attempt);
        if self.plan.strikes(Kind::StreamLags, entity, attempt).is_some() {
            self.story.say(self.now, || {
                format!("The stream drops evt_{n}, and the server ends it with 1013.")
            });
            return self.stream_ends(call, Fault::Overloaded);
        }
        if self.plan.strikes(Kind::StreamLoses, entity, attempt).is_some() {
            self.story.say(self.now, || format!("The stream drops evt_{n}, and goes on."));
        } else {
            self.stream_push(call, n);
            if self.plan.strikes(Kind::StreamRepeats, entity, attempt).is_some() {
                self.stream_push(call, n);
            }
        }
        if let Some(live) = self.streams.get_mut(&call) {
            live.next = n + 1;
            self.queue.push(self.now, Happening::Stream(call));
        }
    }

    fn stream_push(&mut self, call: CallId, n: u64) {
        let Some(event) = self.server.feed_event(n) else { return };
        let inline = self.server.inline(n).filter(|_| self.plan.bits(206, n as u32, 0) & 1 == 0);
        let Some(live) = self.streams.get_mut(&call) else { return };
        live.credit = live.credit.saturating_sub(1);
        let blob = BlobId { call, part: live.blobs };
        live.blobs += u32::from(inline.is_some());
        let inline = inline.map(|sent| {
            self.disk.stage(blob, sent.content, self.wall());
            sent.fetched(blob)
        });
        self.disk_moved();
        self.tell(Event::Part { call, part: Part::Event { event, inline } });
    }

    /// The adapter pings.
    pub(super) fn stream_ping(&mut self, call: CallId) {
        let window = (self.now.0 / 30_000) as u32;
        let out = self.plan.strikes(Kind::Outage, window, 0).is_some();
        let Some(live) = self.streams.get_mut(&call) else { return };
        let beat = (self.now.0 / PING.0) as u32;
        let entity = live.entity ^ beat;
        let attempt = live.attempt;
        if out || self.plan.strikes(Kind::StreamDeaf, entity, attempt).is_some() {
            live.deaf = true;
            self.story.say(self.now, || "The stream goes silent, and stays open.".into());
            return;
        }
        if self.plan.strikes(Kind::StreamEnds, entity, attempt).is_some() {
            self.story.say(self.now, || "The stream breaks.".into());
            return self.stream_ends(call, Fault::Link);
        }
        self.queue.push(self.now + PING, Happening::Ping(call));
        if live.credit > 0 {
            live.credit -= 1;
            self.tell(Event::Part { call, part: Part::Alive });
        }
    }

    fn stream_ends(&mut self, call: CallId, why: Fault) {
        self.streams.remove(&call);
        let outcome = Outcome::Failed { blame: Blame::Lane, why, retry_after: None };
        self.tell(Event::Done { call, outcome });
    }

    /// The machine grants more, or lets it go.
    pub(super) fn stream_more(&mut self, call: CallId, credit: u32) {
        if let Some(live) = self.streams.get_mut(&call) {
            if live.credit == 0 {
                self.queue.push(self.now, Happening::Stream(call));
            }
            live.credit = live.credit.saturating_add(credit);
        }
    }

    /// Streams stand still while the computer sleeps, and the server gave up on them.
    pub(super) fn streams_slept(&mut self) {
        self.streams.values_mut().for_each(|live| live.deaf = true);
    }
}
