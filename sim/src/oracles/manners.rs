//! Manners: no request while the server asked for a pause, never too many at once or in a second,
//! no spinning on a token that is refused, and no file asked for again and again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use landfall_core::effect::{Effect, Request};
use landfall_core::event::{Answer, Event, Outcome, Part};
use landfall_core::fault::Fault;
use landfall_core::id::CallId;
use landfall_core::path::RemotePath;
use landfall_core::time::{Ms, Tick};

use super::Ruling;
use crate::map::{Map, Set};

/// What was asked lately.
#[derive(Debug)]
pub(super) struct Manners {
    concurrency: u32,
    per_second: u32,
    may_be_denied: u32,
    under_way: BTreeSet<CallId>,
    lately: VecDeque<Tick>,
    pause: Tick,
    listings: VecDeque<Tick>,
    /// Requests since the server refused the token, and nothing but that, by minutes.
    refused: Option<(Tick, u32)>,
    /// When the count of 403s was begun, and how many there were since then that no news of the
    /// file had led to.
    denied: (Tick, u32),
    /// Files that the feed or a listing told of since they were last refused.
    news: Set<String>,
    /// Files that are asked for alone.
    alone: BTreeMap<CallId, String>,
    /// When the count of reads was begun, and the reads of each path since then.
    reads: (Tick, Map<RemotePath, u32>),
}

/// So often may the root be listed in ten minutes, failed attempts included.
const LISTINGS: usize = 60;

/// So often may a server be asked within a minute that answers nothing but 401, beside what it
/// was asked at once when the first of them came.
const REFUSED: u32 = 12;

/// So often may files be asked for in ten minutes that may not be read: each once, when a wave
/// begins, and a few again.
const DENIED: u32 = 220;

/// The same where people make files here, too.
const DENIED_BOTH_WAYS: u32 = 360;

/// So often may one file be read in ten minutes.
const READS: u32 = 60;

impl Manners {
    pub(super) fn new(concurrency: u32, per_second: u32, two_way: bool) -> Self {
        Self {
            may_be_denied: if two_way { DENIED_BOTH_WAYS } else { DENIED },
            concurrency,
            per_second,
            under_way: BTreeSet::new(),
            lately: VecDeque::new(),
            pause: Tick(0),
            listings: VecDeque::new(),
            refused: None,
            denied: (Tick(0), 0),
            news: Set::default(),
            alone: BTreeMap::new(),
            reads: (Tick(0), Map::default()),
        }
    }

    /// A new process does not know what the last one was told.
    pub(super) fn started(&mut self) {
        self.under_way.clear();
        self.lately.clear();
        self.pause = Tick(0);
        self.listings.clear();
        self.refused = None;
        self.denied.1 = 0;
        self.news.clear();
        self.alone.clear();
        self.reads.1.clear();
    }

    pub(super) fn heard(&mut self, now: Tick, event: &Event) {
        if let Event::Part { call, part: Part::Opened } = event {
            // It stands: the token was taken, and this is no request under way any more.
            self.under_way.remove(call);
            self.refused = None;
        }
        self.hear_news(event);
        if let Some(path) = self.refused_path(event)
            && !self.news.remove(&path)
        {
            if self.denied.0 + Ms::mins(10) <= now {
                self.denied = (now, 0);
            }
            self.denied.1 += 1;
        }
        let Event::Done { call, outcome } = event else {
            return;
        };
        if !self.under_way.remove(call) {
            return;
        }
        match outcome {
            Outcome::Failed { why: Fault::Unauthorized, .. } => {
                self.refused.get_or_insert((now, 0));
            }
            // What could not be stored here was sent by a server that took the token.
            Outcome::Failed { why, .. } if !why.was_answered() && !why.is_disk() => {}
            _ => self.refused = None,
        }
        if let Outcome::Failed { why: Fault::Throttled, retry_after: Some(after), .. } = outcome {
            let after = Ms(after.0.clamp(1_000, 60_000));
            self.pause = self.pause.max(now + after);
        }
    }

    fn hear_news(&mut self, event: &Event) {
        let mut news = |path: &String| {
            if !self.news.contains(path) {
                self.news.insert(path.clone());
            }
        };
        match event {
            Event::Part { part: Part::Event { event, .. }, .. } => news(&event.path),
            Event::Part { part: Part::Entries(entries), .. } => {
                entries.iter().for_each(|entry| news(&entry.path));
            }
            Event::Done { outcome: Outcome::Ok(Answer::Events { events, .. }), .. } => {
                events.iter().for_each(|event| news(&event.path));
            }
            _ => {}
        }
    }

    /// The file that may not be read.
    fn refused_path(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::Part { part: Part::Refused { path, why: Fault::Forbidden, .. }, .. } => {
                Some(path.clone())
            }
            Event::Done { call, outcome } => {
                let path = self.alone.remove(call)?;
                matches!(outcome, Outcome::Failed { why: Fault::Forbidden, .. }).then_some(path)
            }
            _ => None,
        }
    }

    /// Listing everything again and again is a storm too, however slowly each page is asked.
    fn listing(&mut self, now: Tick, request: &Request) -> Ruling {
        if !matches!(request, Request::Tree { path, cursor: None, .. } if path == "/") {
            return Ok(0);
        }
        while self.listings.front().is_some_and(|at| *at + Ms::mins(10) <= now) {
            self.listings.pop_front();
        }
        self.listings.push_back(now);
        match self.listings.len() {
            n if n > LISTINGS => {
                Err(("listings".into(), format!("the root is listed {n} times in ten minutes")))
            }
            _ => Ok(1),
        }
    }

    /// A token that is refused is not tried again and again.
    fn token(&mut self, now: Tick) -> Ruling {
        let Some((since, asked)) = &mut self.refused else { return Ok(0) };
        if *since + Ms::mins(1) <= now {
            (*since, *asked) = (now, 0);
        }
        *asked += 1;
        if *asked > REFUSED {
            let detail = format!("{asked} requests within a minute, and every answer is 401");
            return Err(("401".into(), detail));
        }
        Ok(1)
    }

    /// A file that can not be had, or not be placed, is not asked for all the time.
    fn read(&mut self, now: Tick, request: &Request) -> Ruling {
        let paths = match request {
            Request::Read { path } => std::slice::from_ref(path),
            Request::ReadMany { paths } => paths,
            _ => return Ok(0),
        };
        let (since, reads) = &mut self.reads;
        if *since + Ms::mins(10) <= now {
            *since = now;
            reads.clear();
        }
        for path in paths {
            let n = reads.entry(path.clone()).or_default();
            *n += 1;
            if *n > READS {
                return Err((path.to_string(), format!("{path} is read {n} times in ten minutes")));
            }
        }
        Ok(1)
    }

    pub(super) fn wanted(&mut self, now: Tick, effect: &Effect) -> Ruling {
        let call = match effect {
            Effect::Ask { call, request, .. } => {
                if let Request::Read { path } = request {
                    self.alone.insert(*call, path.as_str().into());
                }
                self.listing(now, request)?;
                self.token(now)?;
                self.read(now, request)?;
                if self.denied.1 > self.may_be_denied {
                    let detail = format!("{} files are refused within ten minutes", self.denied.1);
                    return Err(("403".into(), detail));
                }
                *call
            }
            Effect::Cancel { call } => {
                self.under_way.remove(call);
                return Ok(0);
            }
            _ => return Ok(0),
        };
        if now < self.pause {
            return Err((
                "Retry-After".into(),
                format!("call {call} is {} early", self.pause - now),
            ));
        }
        self.under_way.insert(call);
        if self.under_way.len() > self.concurrency as usize {
            return Err((
                "concurrency".into(),
                format!(
                    "{} requests at once, {} are allowed",
                    self.under_way.len(),
                    self.concurrency
                ),
            ));
        }
        while self.lately.front().is_some_and(|at| *at + Ms(1_000) <= now) {
            self.lately.pop_front();
        }
        self.lately.push_back(now);
        if self.lately.len() > self.per_second as usize {
            return Err((
                "rate".into(),
                format!(
                    "{} requests within a second, {} are allowed",
                    self.lately.len(),
                    self.per_second
                ),
            ));
        }
        Ok(1)
    }
}
