//! The network: requests on their way, and what the link makes of the answers.

use std::collections::VecDeque;

use landfall_core::effect::{Push, Request};
use landfall_core::event::{Event, Fetched, Outcome, Part};
use landfall_core::fault::{Blame, Fault};
use landfall_core::id::{BlobId, CallId};
use landfall_core::path::RemotePath;
use landfall_core::time::Ms;

use super::disk::{Node, Place};
use super::server::{Asked, End, Piece, Reply, Sent, hash_of};
use super::{Happening, Kill, Phase, WALL_START, World};
use crate::coverage::Mark;
use crate::faults::Kind;
use crate::oracles::Oracle;

/// A request that was sent and has not had its last word.
#[derive(Clone, Debug)]
pub struct Flow {
    request: Request,
    entity: u32,
    attempt: u32,
    /// What the server sent; `None` before the request arrived.
    rest: Option<Rest>,
    credit: u32,
    /// The next item waits for credit.
    blocked: bool,
    /// Nobody listens any more, but the answer comes all the same.
    cancelled: bool,
    /// Blobs handed over.
    blobs: u32,
    /// Items sent.
    sent: u32,
    /// What the link does to the body.
    link: Link,
    /// The process dies at this point of the answer.
    kill: Option<Kill>,
    /// How often the body is heard to go on before the server has all of it.
    uploads: u64,
}

#[derive(Clone, Debug)]
struct Rest {
    pieces: VecDeque<Piece>,
    end: End,
    pace: Ms,
}

/// Between two signs of life of a body that goes out.
const BEAT: Ms = Ms::secs(10);

/// What the link does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Link {
    Good,
    /// No byte of the answer ever comes.
    Silent,
    /// The connection fails at once.
    Broken,
    /// After so many items.
    CutAfter(u32),
    HungAfter(u32),
    MalformedAfter(u32),
    FullAfter(u32),
}

/// Who a request is, for the addresses of faults.
fn entity(request: &Request) -> u32 {
    let (what, key) = match request {
        Request::Tip => (1, 0),
        Request::Events { .. } => (2, 0),
        Request::Export { .. } => (3, 0),
        Request::Tree { path, cursor, .. } => {
            (4, hash_of(path) ^ cursor.as_deref().map_or(0, hash_of).rotate_left(7))
        }
        Request::Read { path } => (5, hash_of(path.as_str())),
        Request::Stream { .. } => (7, 0),
        Request::PushMany { files } => {
            (8, files.first().map_or(0, |file| hash_of(file.path.as_str())))
        }
        Request::Push(file) => (9, hash_of(file.path.as_str())),
        Request::PushDelete { path, .. } => (10, hash_of(path.as_str())),
        Request::Op { op } => (11, hash_of(&op.0)),
        Request::ReadMany { paths } => (6, paths.first().map_or(0, |path| hash_of(path.as_str()))),
    };
    landfall_core::canon::Canon::of(&(what as u64, key)) as u32
}

/// What a request is called in a story.
pub(crate) fn name(request: &Request) -> String {
    match request {
        Request::Tip => "the request for the newest event".into(),
        Request::Events { after, .. } => match after {
            Some(after) => format!("the request for events after {after}"),
            None => "the request for all events".into(),
        },
        Request::Stream { after } => match after {
            Some(after) => format!("the request for the stream after {after}"),
            None => "the request for the stream".into(),
        },
        Request::Export { .. } => "the export".into(),
        Request::Tree { path, cursor, .. } => match cursor {
            Some(cursor) => format!("the listing of {path} after {cursor}"),
            None => format!("the listing of {path}"),
        },
        Request::Read { path } => format!("the read of {path}"),
        Request::ReadMany { paths } => format!("the read of {} files at once", paths.len()),
        Request::PushMany { files } => match files.as_slice() {
            [file] => format!("the write of {}", file.path),
            files => format!("the write of {} files at once", files.len()),
        },
        Request::Push(file) => format!("the write of {}", file.path),
        Request::PushDelete { path, .. } => format!("the delete of {path}"),
        Request::Op { op } => format!("the question about {op}"),
    }
}

impl World {
    /// Sends a request.
    pub(super) fn ask(&mut self, call: CallId, request: Request, credit: u32) {
        let entity = entity(&request);
        let attempt = self.attempt(entity);
        let kill = self.kill_address(entity, attempt);
        if let Some(kill) = kill.filter(|kill| kill.phase == Phase::Before) {
            self.die(kill, &|| format!("before {} is sent", name(&request)));
            return;
        }
        let link = self.link_fate(entity, attempt);
        if link != Link::Good {
            self.story.say(self.now, || match link {
                Link::Good => String::new(),
                Link::Silent => format!("The link swallows {}.", name(&request)),
                Link::Broken => format!("The link breaks under {}.", name(&request)),
                Link::CutAfter(n) => {
                    format!("The answer to {} will be cut after {n} items.", name(&request))
                }
                Link::HungAfter(n) => {
                    format!("The answer to {} will stop after {n} items.", name(&request))
                }
                Link::MalformedAfter(n) => {
                    format!("The answer to {} is malformed after {n} items.", name(&request))
                }
                Link::FullAfter(n) => {
                    format!("The disk is full when {} has brought {n} items.", name(&request))
                }
            });
        }
        let uploads = self.uploads(&request, entity, attempt);
        let latency = self.latency(entity, attempt);
        self.queue.push(self.now + Ms(latency), Happening::Net(call));
        self.flows.insert(
            call,
            Box::new(Flow {
                request,
                entity,
                attempt,
                rest: None,
                credit,
                blocked: false,
                cancelled: false,
                blobs: 0,
                sent: 0,
                link,
                kill,
                uploads,
            }),
        );
    }

    /// A body goes out as fast as the link takes it.
    fn uploads(&mut self, request: &Request, entity: u32, attempt: u32) -> u64 {
        if !matches!(request, Request::Push(_) | Request::PushMany { .. }) {
            return 0;
        }
        let Some(bits) = self.plan.strikes(Kind::SlowUpload, entity, attempt) else { return 0 };
        let beats = 1 + bits % 30;
        self.story.say(self.now, || {
            format!("The link takes {} for {}.", Ms(beats * BEAT.0), name(request))
        });
        beats
    }

    fn link_fate(&mut self, entity: u32, attempt: u32) -> Link {
        let plan = &mut self.plan;
        let window = (self.now.0 / 30_000) as u32;
        if let Some(bits) = plan.strikes(Kind::Outage, window, 0) {
            return if bits & 1 == 0 { Link::Silent } else { Link::Broken };
        }
        for (kind, link) in [
            (Kind::NeverAnswered, (|_| Link::Silent) as fn(u32) -> Link),
            (Kind::LinkBroken, |_| Link::Broken),
            (Kind::CutBody, Link::CutAfter),
            (Kind::HungBody, Link::HungAfter),
            (Kind::Malformed, Link::MalformedAfter),
            (Kind::DiskFull, Link::FullAfter),
        ] {
            if let Some(bits) = plan.strikes(kind, entity, attempt) {
                // Often at once, sometimes deep in the body.
                return link((bits % 8 * (bits >> 8 & 7)) as u32);
            }
        }
        Link::Good
    }

    fn latency(&mut self, entity: u32, attempt: u32) -> u64 {
        let usual = 1 + self.plan.bits(200, entity, attempt) % self.options.latency.0;
        match self.plan.strikes(Kind::SlowAnswer, entity, attempt) {
            Some(bits) => usual + 1_000 + bits % 90_000,
            None => usual,
        }
    }

    /// The next thing happens to a request.
    pub(super) fn net(&mut self, call: CallId) {
        let Some(mut flow) = self.flows.remove(&call) else {
            return;
        };
        if flow.uploads > 0 {
            flow.uploads -= 1;
            self.queue.push(self.now + BEAT, Happening::Net(call));
            self.flows.insert(call, flow);
            return self.tell(Event::Part { call, part: Part::Alive });
        }
        let Some(rest) = &mut flow.rest else {
            self.arrive(call, flow);
            return;
        };
        let at_end = rest.pieces.is_empty();
        let stop = match flow.link {
            Link::CutAfter(n) if flow.sent >= n || at_end => Some(Fault::Cut),
            Link::MalformedAfter(n) if flow.sent >= n || at_end => Some(Fault::Malformed),
            Link::FullAfter(n) if brings_bytes(&flow.request) && (flow.sent >= n || at_end) => {
                Some(Fault::DiskFull)
            }
            Link::HungAfter(n) if flow.sent >= n || at_end => {
                // Until it is cancelled, or for ever.
                self.flows.insert(call, flow);
                return;
            }
            _ => None,
        };
        if let Some(why) = stop {
            let blame = match why {
                Fault::Cut => Blame::Unknown,
                _ => Blame::Lane,
            };
            self.last_word(call, flow, failed(blame, why));
            return;
        }
        if at_end {
            let outcome = match &rest.end {
                End::Word(outcome) => outcome.clone(),
                End::Read(sent) => {
                    let sent = sent.clone();
                    let fetched = self.stage(call, &mut flow, &sent);
                    Outcome::Ok(landfall_core::event::Answer::Read(fetched))
                }
                End::Stream { next } => {
                    if let Some(kill) = flow.kill {
                        return self.die(kill, &|| "when the stream is open".to_owned());
                    }
                    let address = (flow.entity, flow.attempt);
                    return self.stream_opened(call, address, *next, flow.credit);
                }
            };
            self.last_word(call, flow, outcome);
            return;
        }
        if flow.credit == 0 && !flow.cancelled {
            flow.blocked = true;
            self.mark(Mark::Blocked);
            self.flows.insert(call, flow);
            return;
        }
        if let Some(kill) = flow.kill
            && kill.phase == Phase::During
            && u64::from(flow.sent) >= kill.bits % 16
        {
            let request = flow.request.clone();
            self.flows.insert(call, flow);
            self.die(kill, &|| format!("in the middle of {}", name(&request)));
            return;
        }
        let pace = rest.pace;
        let piece = rest.pieces.pop_front();
        flow.credit = flow.credit.saturating_sub(1);
        flow.sent += 1;
        let part = match piece {
            Some(Piece::File(sent)) => Part::File(self.stage(call, &mut flow, &sent)),
            Some(Piece::Part(part)) => part,
            None => return,
        };
        self.queue.push(self.now + pace, Happening::Net(call));
        self.flows.insert(call, flow);
        self.tell(Event::Part { call, part });
    }

    /// The request reaches the server.
    fn arrive(&mut self, call: CallId, mut flow: Box<Flow>) {
        match flow.link {
            Link::Silent => {
                self.flows.insert(call, flow);
                return;
            }
            Link::Broken => {
                self.last_word(call, flow, failed(Blame::Unknown, Fault::Link));
                return;
            }
            _ => {}
        }
        self.counts.requests += 1;
        let asked = Asked { entity: flow.entity, attempt: flow.attempt, at: self.now };
        if let Some(torn) = self.sends_torn(&flow.request) {
            let what = format!("{torn} is sent, with bytes that nobody ever saved");
            return self.oracles.fail(Oracle::NoGhostWrite, torn.as_str(), what);
        }
        let struck = self.plan.fired().len();
        // The clock of the server does not jump.
        let wall = WALL_START + self.now.0;
        let Reply { pieces, end, think, pace } = {
            // A file that was deleted and made again is as good as unknown: the machine has
            // nothing left to doubt an omission with.
            let known = |path: &RemotePath| self.store.says_there(path);
            // The adapter reads what is on the stage, and sends nothing else for it.
            let (disk, ever_saved) = (&self.disk, &self.ever_saved);
            let staged = |push: &Push| match disk.node(&Place::Stage(push.blob)) {
                Some(Node::File(file)) if file.content.hash == push.hash => {
                    ever_saved.get(&push.hash).cloned()
                }
                _ => None,
            };
            self.server.serve(&flow.request, asked, &mut self.plan, &known, &staged, wall)
        };
        for wrote in std::mem::take(&mut self.server.wrote) {
            self.wrote(wrote);
        }
        if self.story.on {
            let request = name(&flow.request);
            for address in &self.plan.fired()[struck..] {
                self.story.say(self.now, || {
                    format!("The server answers {request} with {}.", address.kind)
                });
            }
        }
        self.oracles.served(self.now, call, &flow.request, &pieces, &end);
        flow.rest = Some(Rest { pieces: pieces.into(), end, pace });
        let back = self.plan.bits(201, flow.entity, flow.attempt) % self.options.latency.0;
        self.queue.push(self.now + think + Ms(back), Happening::Net(call));
        self.flows.insert(call, flow);
    }

    /// A file that is about to be sent, and that nobody saved: a power cut made it.
    fn sends_torn(&self, request: &Request) -> Option<RemotePath> {
        let files = match request {
            Request::PushMany { files } => files.as_slice(),
            Request::Push(file) => std::slice::from_ref(file),
            _ => return None,
        };
        let is_torn = |push: &&Push| match self.disk.node(&Place::Stage(push.blob)) {
            Some(Node::File(file)) => {
                file.content.hash == push.hash && !self.ever_saved.contains_key(&push.hash)
            }
            _ => false,
        };
        files.iter().find(is_torn).map(|push| push.path.clone())
    }

    fn stage(&mut self, call: CallId, flow: &mut Flow, sent: &Sent) -> Fetched {
        let blob = BlobId { call, part: flow.blobs };
        flow.blobs += 1;
        self.disk.stage(blob, sent.content, self.wall());
        self.disk_moved();
        sent.fetched(blob)
    }

    fn last_word(&mut self, call: CallId, mut flow: Box<Flow>, outcome: Outcome) {
        if let Some(kill) = flow.kill {
            self.die(kill, &|| format!("when {} is answered", name(&flow.request)));
            return;
        }
        if let Some(bits) = self.plan.strikes(Kind::Duplicate, flow.entity, flow.attempt) {
            let request = name(&flow.request);
            self.story.say(self.now, || format!("The answer to {request} will come twice."));
            let again = match (&outcome, flow.rest.as_ref().map(|rest| rest.end.clone())) {
                (Outcome::Ok(_), Some(End::Read(sent))) => {
                    let fetched = self.stage(call, &mut flow, &sent);
                    Outcome::Ok(landfall_core::event::Answer::Read(fetched))
                }
                _ => outcome.clone(),
            };
            self.say_later(Ms(bits % 20_000), Event::Done { call, outcome: again });
        }
        self.tell(Event::Done { call, outcome });
    }

    /// The machine grants more parts.
    pub(super) fn more(&mut self, call: CallId, credit: u32) {
        self.stream_more(call, credit);
        if let Some(flow) = self.flows.get_mut(&call) {
            flow.credit = flow.credit.saturating_add(credit);
            if flow.blocked {
                flow.blocked = false;
                self.queue.push(self.now, Happening::Net(call));
            }
        }
    }

    /// Nobody listens any more.
    pub(super) fn cancel(&mut self, call: CallId) {
        self.streams.remove(&call);
        let Some(flow) = self.flows.get_mut(&call) else {
            return;
        };
        let late = self.plan.strikes(Kind::LateAnswer, flow.entity, flow.attempt);
        match late {
            Some(bits) if flow.link != Link::Silent => {
                let request = name(&flow.request);
                flow.cancelled = true;
                flow.kill = None;
                let stands = flow.blocked || matches!(flow.link, Link::HungAfter(_));
                if stands {
                    flow.blocked = false;
                    flow.link = Link::Good;
                    self.queue.push(self.now + Ms(bits % 60_000), Happening::Net(call));
                }
                self.story.say(self.now, || format!("The answer to {request} comes late."));
            }
            _ => {
                self.flows.remove(&call);
            }
        }
    }
}

fn brings_bytes(request: &Request) -> bool {
    matches!(request, Request::Export { .. } | Request::Read { .. } | Request::ReadMany { .. })
}

fn failed(blame: Blame, why: Fault) -> Outcome {
    Outcome::Failed { blame, why, retry_after: None }
}

impl Flow {
    /// The blob that a kill leaves half written, if the answer brings bytes.
    pub(super) fn half_written(&self) -> Option<u32> {
        (brings_bytes(&self.request) && self.rest.is_some()).then_some(self.blobs)
    }
}
