//! What a workspace heard, and when: only to be told to people, never to decide by.

use crate::event::{Answer, Outcome, Part};
use crate::id::CallId;
use crate::mirror::stream::Stream;
use crate::status::{Bootstrap, Heard, Trouble};
use crate::time::Wall;

/// See the [module](self).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Ears {
    pub(super) heard: Heard,
    /// The stream that was last asked for, and when.
    asked: Option<(CallId, Wall)>,
    pub(super) opened_at: Option<Wall>,
    pub(super) alive_at: Option<Wall>,
    /// When this run began with a bootstrap that is not complete.
    began: Option<Wall>,
}

impl Ears {
    /// A part of an answer arrived.
    pub(super) fn part(&mut self, now: Wall, part: &Part, of_stream: bool) {
        // What goes out says nothing of the server.
        if of_stream || *part != Part::Alive {
            self.heard.answered_at = Some(now);
        }
        if of_stream {
            self.alive_at = Some(now);
        }
        match part {
            Part::Opened => self.opened_at = Some(now),
            Part::Event { .. } => self.heard.event_at = Some(now),
            _ => {}
        }
    }

    /// A call ended.
    pub(super) fn done(&mut self, now: Wall, outcome: &Outcome, in_step: bool) {
        match outcome {
            Outcome::Failed { why, .. } => {
                self.heard.trouble = Some(Trouble { why: why.clone(), at: now });
            }
            Outcome::Ok(answer) if is_of_server(answer) => {
                self.heard.answered_at = Some(now);
                if matches!(answer, Answer::Events { events, .. } if !events.is_empty()) {
                    self.heard.event_at = Some(now);
                }
                if in_step {
                    self.heard.trouble = None;
                }
            }
            Outcome::Ok(_) => {}
        }
    }

    /// A step ended so.
    pub(super) fn settled(&mut self, now: Wall, stream: Stream, complete: bool) {
        let call = stream.call();
        if call.is_some() && call != self.asked.map(|(call, _)| call) {
            self.asked = call.map(|call| (call, now));
        }
        if complete {
            self.began = None;
        } else {
            self.began.get_or_insert(now);
        }
    }

    /// When the stream was last asked for.
    pub(super) fn asked_at(&self) -> Option<Wall> {
        self.asked.map(|(_, at)| at)
    }

    /// Adds what only this knows.
    pub(super) fn dated(&self, bootstrap: Bootstrap) -> Bootstrap {
        Bootstrap { since: self.began, ..bootstrap }
    }
}

fn is_of_server(answer: &Answer) -> bool {
    matches!(
        answer,
        Answer::Tip(_)
            | Answer::Events { .. }
            | Answer::Exported
            | Answer::Listed { .. }
            | Answer::Read(_)
            | Answer::ReadMany
    )
}
