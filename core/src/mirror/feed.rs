//! The feed: where it stands, and what it says.

use super::doubt::Asking;
use super::names::Name;
use super::stream::RARELY;
use super::{AGAIN, Mirror, PATIENCE, State};
use crate::config::Bootstrap;
use crate::decision::{Decision, FeedLoss};
use crate::effect::Request;
use crate::engine::Cx;
use crate::event::{Answer, Outcome};
use crate::fault::Fault;
use crate::files::Files;
use crate::files::entry::{Ordinal, Remote};
use crate::gate::Class;
use crate::hash::ContentHash;
use crate::id::{EventId, Revision};
use crate::path::RemotePath;
use crate::row::Position;
use crate::time::Ms;
use crate::timers::Why;
use crate::wire::FeedEvent;

/// Losses in a row after which this server counts as one without a feed until the next listing.
pub(super) const LOSSES: u32 = 2;

/// 403s in a row after which the feed counts as lost.
const FORBIDDEN: u32 = 3;

/// Events of a page.
pub const PAGE: u32 = 200;

impl Mirror {
    /// Asks where the feed stands, before anything is listed.
    pub(super) fn locate(&mut self, cx: &mut Cx<'_>) {
        self.state = State::Locating;
        self.at_tip = false;
        self.ask_feed(cx);
    }

    pub(super) fn poll_soon(&mut self, cx: &mut Cx<'_>) {
        cx.wake_at(Why::Feed, cx.now.tick);
    }

    /// Something suggests that the feed has news.
    pub fn look_at_feed(&mut self, cx: &mut Cx<'_>) {
        if !self.stopping && self.state != State::Locating {
            self.ask_feed(cx);
        }
    }

    pub(super) fn ask_feed(&mut self, cx: &mut Cx<'_>) {
        if self.feed_call.is_some() || self.stopping {
            return;
        }
        let request = match &self.at {
            // Between two listings a server without a feed has nothing to say.
            Some(Position::NoFeed) if self.state != State::Locating => return,
            None | Some(Position::NoFeed) => Request::Tip,
            Some(Position::Origin) => Request::Events { after: None, limit: PAGE },
            Some(Position::After(id)) => self.request_after(id.clone()),
        };
        if let State::Counted { asked, .. } = &mut self.state {
            *asked = true;
        }
        self.feed_from = self.at.clone();
        self.feed_call = Some(cx.ask(Class::Feed, request, PATIENCE, 1));
    }

    fn request_after(&self, id: EventId) -> Request {
        match &self.doubt.asking {
            Asking::After(older) => Request::Events { after: Some(older.clone()), limit: 1 },
            Asking::Newest => Request::Tip,
            Asking::Nothing => Request::Events { after: Some(id), limit: PAGE },
        }
    }

    /// What was asked in place of what follows our event was answered.
    fn compared(&mut self, cx: &mut Cx<'_>, files: &mut Files, outcome: Outcome) {
        self.doubt.put_off(cx.now.tick);
        let asked = self.feed_from.take();
        let answer = match outcome {
            Outcome::Ok(answer) => answer,
            // It is a server that can not tell its newest event.
            Outcome::Failed { why: Fault::BadRequest, .. } if files.replay().is_some() => {
                return self.took_page(cx, files, true);
            }
            Outcome::Failed { .. } => return self.feed_again(cx),
        };
        if files.replay().is_some() {
            return self.compared_end(cx, files, &answer);
        }
        self.feed_tries = 0;
        if self.at != asked {
            // The stream told something meanwhile.
            return self.schedule_poll(cx);
        }
        match (answer, asked) {
            (Answer::Tip(Some(newest)), Some(Position::After(ours))) if newest == ours => {
                self.doubt.proved(cx.now.tick);
                self.took_page(cx, files, true);
            }
            (Answer::Tip(Some(newest)), Some(Position::After(ours)))
                if newest.number().is_some_and(|n| ours.number() > Some(n)) =>
            {
                // The history was replaced by a shorter one; or it is a server that answers
                // with its oldest event. What follows that tells which.
                self.doubt.asking = Asking::After(newest);
                self.ask_feed(cx);
            }
            (Answer::Tip(Some(newest)), _) => {
                self.doubt.heard_of(newest);
                self.ask_feed(cx);
            }
            (Answer::Tip(None), _) => self.lose_feed(cx, files, FeedLoss::StartedAgain),
            (Answer::Events { events, .. }, _) if events.is_empty() => {
                self.lose_feed(cx, files, FeedLoss::StartedAgain);
            }
            _ => self.ask_feed(cx),
        }
    }

    /// The newest event was asked for where a past seemed to be told to its end. If that is none
    /// that we have, there is more. A replica that lags calls an older one the newest, and so does
    /// a server that answers with its oldest: of one that goes on doing so nobody can know more.
    fn compared_end(&mut self, cx: &mut Cx<'_>, files: &mut Files, answer: &Answer) {
        let (newest, ours) = match (answer, &self.at) {
            (Answer::Tip(Some(newest)), Some(Position::After(ours))) => (newest, ours),
            (Answer::Tip(None), _) => return self.lose_feed(cx, files, FeedLoss::StartedAgain),
            _ => return self.feed_again(cx),
        };
        let is_older = newest.number().zip(ours.number()).is_some_and(|(n, ours)| n <= ours);
        if is_older && newest != ours && !self.doubt.older() {
            return self.feed_again(cx);
        }
        if newest == ours || is_older {
            self.doubt.proved(cx.now.tick);
            return self.took_page(cx, files, true);
        }
        self.doubt.heard_of(newest.clone());
        self.ask_feed(cx);
    }

    pub(super) fn feed_done(&mut self, cx: &mut Cx<'_>, files: &mut Files, outcome: Outcome) {
        if core::mem::take(&mut self.doubt.asking) != Asking::Nothing {
            return self.compared(cx, files, outcome);
        }
        match outcome {
            Outcome::Ok(Answer::Tip(tip)) if self.state == State::Locating => {
                let position = tip.map_or(Position::Origin, Position::After);
                self.located(cx, files, position);
            }
            Outcome::Ok(Answer::Events { events, next }) if self.at.is_some() => {
                self.events(cx, files, events, next);
            }
            Outcome::Failed { why, .. } if self.state == State::Locating => match why {
                // No feed, or none for us: listings have to do, and the feed is asked for again
                // with the next of them.
                Fault::NotFound | Fault::Forbidden | Fault::Status(_) => {
                    self.located(cx, files, Position::NoFeed);
                }
                // An older server that can not tell its newest event: from the oldest on. That
                // costs time, never correctness.
                Fault::BadRequest => self.located(cx, files, Position::Origin),
                _ => self.feed_again(cx),
            },
            Outcome::Failed { why: Fault::NotFound | Fault::Gone | Fault::BadRequest, .. } => {
                self.lose_feed(cx, files, FeedLoss::CursorUnknown)
            }
            Outcome::Failed { why: Fault::Forbidden, .. } if self.feed_tries >= FORBIDDEN => {
                self.lose_feed(cx, files, FeedLoss::Forbidden);
            }
            Outcome::Failed { .. } | Outcome::Ok(_) => self.feed_again(cx),
        }
    }

    fn feed_again(&mut self, cx: &mut Cx<'_>) {
        self.feed_tries = self.feed_tries.saturating_add(1);
        let salt = (cx.engine.seed, cx.unit, "feed");
        let wait = AGAIN.delay(self.feed_tries, &salt).min(self.config.poll_interval());
        cx.wake_at(Why::Feed, cx.now.tick + wait);
    }

    pub(super) fn located(&mut self, cx: &mut Cx<'_>, files: &mut Files, position: Position) {
        self.feed_tries = 0;
        self.progress += 1;
        self.doubt.proved(cx.now.tick);
        cx.note(Decision::PositionTaken(position.clone()));
        if self.at == Some(Position::NoFeed) && position != Position::NoFeed && self.row.arrived > 0
        {
            // What was counted meanwhile has nothing to do with the numbers of this feed.
            self.change(cx, |row| {
                row.epoch += 1;
                row.arrived = 0;
            });
        }
        self.at = Some(position.clone());
        self.sealing = None;
        let again = self.row.epoch > 0 && position != Position::NoFeed;
        let replay = again.then(|| self.horizon());
        files.replay_from(cx, replay);
        // A new snapshot follows, so nothing before this position is needed any more; but what
        // it covers is not here before that snapshot is.
        let feed = position != Position::NoFeed;
        self.change(cx, |row| {
            row.complete &= !feed;
            row.believed &= !feed;
            row.position = Some(position);
            row.replay = replay;
        });
        self.schedule_poll(cx);
        self.open_stream(cx);
        match self.config.bootstrap {
            Bootstrap::Export if !self.row.export_begun => self.begin_export(cx, files),
            Bootstrap::Tree if self.row.traversal.is_none() => {
                cx.note(Decision::FilesFirst);
                self.begin_walk(cx, files);
            }
            _ => self.begin_walk(cx, files),
        }
    }

    pub(super) fn schedule_poll(&mut self, cx: &mut Cx<'_>) {
        let often = if self.stream.is_open() { RARELY } else { 1 };
        let interval = self.config.poll_interval().0 * often;
        // 20 % of jitter, so that a fleet does not ask in step.
        let salt = (cx.engine.seed, cx.unit, cx.now.tick);
        let spread = crate::canon::Canon::of(&salt) % (interval * 2 / 5 + 1);
        cx.wake_at(Why::Feed, cx.now.tick + Ms(interval * 4 / 5 + spread));
    }

    fn events(
        &mut self,
        cx: &mut Cx<'_>,
        files: &mut Files,
        events: alloc::vec::Vec<FeedEvent>,
        next: Option<alloc::string::String>,
    ) {
        let asked = self.feed_from.take();
        let empty = events.is_empty();
        // A page that is not full is the last, unless we know better. Where the past is told,
        // it has to be sure.
        let last_page = events.len() < PAGE as usize && files.replay().is_none();
        let mut tip = next.is_none() || empty || last_page;
        let mut last = asked.clone();
        for event in events {
            if event.event_id.is_empty() {
                continue;
            }
            let id = EventId(event.event_id.clone());
            let Some(at) = self.ordinal_after(last.as_ref(), &id) else {
                return self.lose_feed(cx, files, FeedLoss::StartedAgain);
            };
            last = Some(Position::After(id.clone()));
            if id.number().is_some() && at <= self.horizon() {
                // The stream was faster.
                continue;
            }
            self.at = Some(Position::After(id));
            self.event(cx, files, event, at);
        }
        self.losses = 0;
        if self.at == asked && !empty {
            // Nothing that can be gone on from.
            return self.feed_again(cx);
        }
        let tries = core::mem::take(&mut self.feed_tries);
        if self.at != asked {
            self.progress += 1;
            tip &= !self.doubt.told(cx.now.tick, self.at.as_ref());
        } else if let Some(silences) = self.doubt.silence(cx.now.tick, self.at.as_ref()) {
            // There is more, and it does not come.
            if self.doubt.is_lost(cx.now.tick) {
                return self.lose_feed(cx, files, FeedLoss::Silent);
            }
            self.at_tip = false;
            let wait = AGAIN.delay(silences, &(cx.engine.seed, cx.unit, "silence"));
            return cx.wake_at(Why::Feed, cx.now.tick + wait);
        } else if self.may_break_off(files) {
            // What is told of the past counts once it was told to its end.
            (self.feed_tries, self.at_tip) = (tries, false);
            self.doubt.asking = Asking::Newest;
            return self.ask_feed(cx);
        }
        self.took_page(cx, files, tip);
    }

    /// Whether something was told of a past that may go on.
    fn may_break_off(&self, files: &Files) -> bool {
        let told = files.replay().is_some_and(|from| from != self.horizon());
        told && matches!(self.at, Some(Position::After(_)))
    }

    /// What was told was taken in. `tip`: there is no more.
    fn took_page(&mut self, cx: &mut Cx<'_>, files: &mut Files, tip: bool) {
        self.feed_tries = 0;
        self.at_tip = tip;
        if tip {
            files.replay_from(cx, None);
        }
        if !self.is_position_durable() || self.row.replay != files.replay() {
            files.seals.want_soon(cx.now.tick);
        }
        if !tip {
            return self.ask_feed(cx);
        }
        self.schedule_poll(cx);
        self.counted(cx, files);
    }

    /// The place of the next event, or `None` if it can not come after what was read: the
    /// server forgot the cursor and began at its oldest event again.
    fn ordinal_after(&mut self, last: Option<&Position>, id: &EventId) -> Option<Ordinal> {
        let epoch = self.row.epoch;
        let last = match last {
            Some(Position::After(last)) => last.number(),
            _ => None,
        };
        match (id.number(), last) {
            (Some(n), Some(last)) => (n > last).then_some(Ordinal { epoch, n }),
            (Some(n), _) => Some(Ordinal { epoch, n }),
            (None, _) => {
                self.row.arrived += 1;
                Some(Ordinal { epoch, n: self.row.arrived })
            }
        }
    }

    /// Takes an event in. Answers the path that it is about, if that belongs here.
    pub(super) fn event(
        &mut self,
        cx: &mut Cx<'_>,
        files: &mut Files,
        event: FeedEvent,
        at: Ordinal,
    ) -> Option<RemotePath> {
        let remote = match event.kind.as_str() {
            "file.created" | "file.updated" => Remote::File {
                revision: Revision(event.revision.into()),
                hash: event.content_hash.as_deref().and_then(ContentHash::parse),
                at,
            },
            "file.deleted" => Remote::Absent(at),
            _ => return None,
        };
        let traversal = self.row.traversal.as_ref().map_or(0, |traversal| traversal.id);
        if matches!(remote, Remote::Absent(_)) && RemotePath::parse(&event.path).is_err() {
            self.forget_name(cx, &event.path);
            return None;
        }
        self.gone_names.remove(&event.path);
        let Name::Good(path) = self.judge_name(cx, &event.path, traversal) else { return None };
        files.told(cx, &path, remote);
        Some(path)
    }
}
