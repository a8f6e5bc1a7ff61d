//! What a request meets: the server and the fault plan put together.
//!
//! A [`Script`] is derived from the plan, the request and how often it was made, and from
//! nothing else. The simulator acts it out in virtual time, `landfall serve` in real time.

mod ask;

pub use ask::{Ask, Attempts};

use landfall_core::canon::Canon;
use landfall_core::hash::ContentHash;
use landfall_core::time::Ms;
use landfall_core::wire::Events;

use crate::faults::{Address, FaultKind, FaultPlan};
use crate::server::{
    Accepted, Direction, EventsQuery, Fate, Forgot, Refusal, RetryAfter, Server, View,
};

/// What the request sees of the workspace.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Sight {
    /// What is there.
    #[default]
    True,
    /// No file at all.
    Empty,
    /// Only some of the files: so many of a thousand.
    Short {
        /// Picks the files.
        salt: u64,
        /// Of a thousand, 50 to 900.
        kept: u64,
    },
    /// The workspace as it was, at so many thousandths of its history.
    Past {
        /// Of a thousand.
        part: u64,
    },
}

/// How the body goes wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Damage {
    /// It ends early.
    Cut,
    /// It is not what the API promises.
    Malformed,
}

/// How the feed goes wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FeedFault {
    /// It does not know the cursor.
    Forgot(Forgot),
    /// Asked for its newest event, it answers with its oldest.
    DescOldest,
}

/// What a request meets.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Script {
    /// The faults that fired.
    pub fired: Vec<Address>,
    /// It is never answered.
    pub never: bool,
    /// Added before the answer begins.
    pub delay: Ms,
    /// Added before every file of an export.
    pub per_file: Ms,
    /// It is refused, whatever is there.
    pub refuse: Option<Refusal>,
    /// What it sees of the workspace.
    pub sight: Sight,
    /// The body goes wrong after so many thousandths of it.
    pub damage: Option<(Damage, u64)>,
    /// The answer comes twice.
    pub twice: bool,
    /// The feed goes wrong.
    pub feed: Option<FeedFault>,
    /// What it writes is written, and not a word of the answer arrives.
    pub lost: bool,
    /// Picks the file of a bulk write that fails.
    pub one_fails: Option<u64>,
    /// Picks a write of those that it makes, and says what becomes of its operation.
    pub fate: Option<(u64, Fate)>,
}

impl Script {
    /// What this request meets at this attempt, counted from 0.
    pub fn write(plan: &FaultPlan, ask: &Ask, attempt: u64) -> Self {
        let mut script = Self::default();
        let entity = ask.entity();
        script.everywhere(plan, &entity, attempt);
        match ask {
            Ask::Tip | Ask::Events(_) | Ask::Stream(_) => script.feed(plan, ask, &entity, attempt),
            Ask::Export(_) => script.export(plan, &entity, attempt),
            Ask::Tree(path, _) => script.tree(plan, path, &entity, attempt),
            Ask::File(path) => script.file(plan, path),
            Ask::Put(_) | Ask::Delete(_) | Ask::Merge(_) => script.change(plan, &entity, attempt),
            Ask::BulkWrite(files) => script.bulk_write(plan, files, &entity, attempt),
            Ask::Op(_) => script.op(plan, &entity, attempt),
            Ask::Bulk(_) | Ask::Ops => {}
        }
        script
    }

    /// Whether a path of a bulk read is poisoned: it is refused by itself.
    pub fn poisoned(plan: &FaultPlan, path: &str) -> Option<(Address, Refusal)> {
        let address = plan.fires(FaultKind::PoisonedFile, path, 0)?;
        let refusal = match address.amount(1, 0..=2) {
            0 => Refusal::new(500, "internal_error", "content is corrupt"),
            1 => Refusal::new(403, "forbidden", "missing required scope: fs:read"),
            _ => Refusal::new(422, "unprocessable", "content can not be decoded"),
        };
        Some((address, refusal))
    }

    /// What the request sees of the workspace.
    pub fn view<'a>(&self, server: &'a Server) -> View<'a> {
        let mut view = match self.sight {
            Sight::Past { part } => server.as_of(server.tip() * part / 1000),
            _ => server.now(),
        };
        match self.sight {
            Sight::Empty => view.retain(|_| false),
            Sight::Short { salt, kept } => {
                view.retain(|path| Canon::of(&(salt, path)) % 1000 < kept)
            }
            Sight::True | Sight::Past { .. } => {}
        }
        view
    }

    /// What the feed answers.
    ///
    /// # Errors
    /// Those of [`Server::events`].
    pub fn events(&self, server: &Server, query: &EventsQuery) -> Result<Events, Refusal> {
        match self.feed {
            Some(FeedFault::Forgot(forgot)) if query.cursor.is_some() => {
                server.events_forgotten(query, forgot)
            }
            Some(FeedFault::DescOldest) if query.direction == Direction::Descending => {
                server.events(&EventsQuery { direction: Direction::Ascending, ..query.clone() })
            }
            _ => server.events(query),
        }
    }

    /// The place of the file that fails in a bulk write of so many.
    pub fn one_fails(&self, files: usize) -> Option<usize> {
        Some(self.one_fails?.checked_rem(files as u64)? as usize)
    }

    /// Decides what becomes of what was just written. What was written before keeps its fate.
    pub fn doom(&self, server: &mut Server, written: &[Accepted]) {
        let Some((pick, fate)) = self.fate else { return };
        let new: Vec<u64> =
            written.iter().filter(|accepted| !accepted.again).map(|write| write.number).collect();
        if let Some(place) = pick.checked_rem(new.len() as u64) {
            server.doom(new[place as usize], fate);
        }
    }

    fn hit(
        &mut self,
        plan: &FaultPlan,
        kind: FaultKind,
        entity: &str,
        attempt: u64,
    ) -> Option<Address> {
        let address = plan.fires(kind, entity, attempt)?;
        self.fired.push(address);
        Some(address)
    }

    /// Of faults that exclude each other the first one counts; only it is recorded.
    fn everywhere(&mut self, plan: &FaultPlan, entity: &str, attempt: u64) {
        if let Some(at) = self.hit(plan, FaultKind::LateAnswer, entity, attempt) {
            self.delay = Ms(at.log_amount(0, 500..=300_000));
        }
        if self.hit(plan, FaultKind::NeverAnswers, entity, attempt).is_some() {
            self.never = true;
            return;
        }
        for kind in [
            FaultKind::WorkspaceBusy,
            FaultKind::RateLimited,
            FaultKind::QueueFull,
            FaultKind::ServerError,
            FaultKind::Overloaded,
        ] {
            if let Some(at) = self.hit(plan, kind, entity, attempt) {
                self.refuse = Some(refusal(at));
                return;
            }
        }
        for (kind, damage) in
            [(FaultKind::CutBody, Damage::Cut), (FaultKind::MalformedBody, Damage::Malformed)]
        {
            if let Some(at) = self.hit(plan, kind, entity, attempt) {
                self.damage = Some((damage, at.amount(0, 0..=999)));
                break;
            }
        }
        if self.damage.is_none() {
            let twice = self.hit(plan, FaultKind::DuplicateAnswer, entity, attempt);
            self.twice = twice.is_some();
        }
    }

    fn answers(&self) -> bool {
        !self.never && self.refuse.is_none()
    }

    fn feed(&mut self, plan: &FaultPlan, ask: &Ask, entity: &str, attempt: u64) {
        // A server that has no feed has none at any attempt.
        if self.answers() && self.hit(plan, FaultKind::NoFeed, "feed", 0).is_some() {
            self.refuse = Some(Refusal::no_route());
        }
        if !self.answers() {
            return;
        }
        match ask {
            Ask::Tip => {
                let oldest = self.hit(plan, FaultKind::DescOldest, entity, attempt);
                self.feed = oldest.map(|_| FeedFault::DescOldest);
            }
            Ask::Events(Some(_)) | Ask::Stream(Some(_)) => {
                if let Some(at) = self.hit(plan, FaultKind::UnknownCursor, entity, attempt) {
                    let how = [Forgot::StartsAgain, Forgot::NotFound, Forgot::Gone];
                    self.feed = Some(FeedFault::Forgot(at.pick(0, &how)));
                }
            }
            _ => {}
        }
    }

    fn export(&mut self, plan: &FaultPlan, entity: &str, attempt: u64) {
        if !self.answers() {
            return;
        }
        if self.hit(plan, FaultKind::ExportTooLarge, entity, attempt).is_some() {
            self.refuse = Some(Refusal::new(413, "payload_too_large", "export too large"));
            return;
        }
        if let Some(at) = self.hit(plan, FaultKind::SlowExport, entity, attempt) {
            // Half of them trickle, half of them say nothing for a long time.
            if at.amount(0, 0..=1) == 0 {
                self.per_file = Ms(at.log_amount(1, 250..=20_000));
            } else {
                self.delay = Ms(at.log_amount(2, 20_000..=600_000));
            }
        }
        self.blind(
            plan,
            [FaultKind::EmptyExport, FaultKind::ShortExport, FaultKind::StaleExport],
            entity,
            attempt,
        );
    }

    fn tree(&mut self, plan: &FaultPlan, path: &str, entity: &str, attempt: u64) {
        if !self.answers() {
            return;
        }
        let kinds = [FaultKind::EmptyListing, FaultKind::ShortListing, FaultKind::StaleListing];
        // One cause for all pages of a directory: a server that is behind is behind for a while.
        self.blind(plan, kinds, path, attempt / 2);
        if self.sight == Sight::True
            && let Some(at) = self.hit(plan, FaultKind::ChangingListing, entity, attempt)
        {
            self.sight = Sight::Past { part: at.amount(0, 0..=1000) };
        }
    }

    fn file(&mut self, plan: &FaultPlan, path: &str) {
        if !self.answers() {
            return;
        }
        if let Some((address, refusal)) = Self::poisoned(plan, path) {
            self.fired.push(address);
            self.refuse = Some(refusal);
        }
    }

    fn change(&mut self, plan: &FaultPlan, entity: &str, attempt: u64) {
        if !self.answers() {
            return;
        }
        self.lost = self.hit(plan, FaultKind::LostAnswer, entity, attempt).is_some();
        if let Some(at) = self.hit(plan, FaultKind::OpFails, entity, attempt) {
            let late = Fate::Late(Ms(at.log_amount(2, 1_000..=600_000)));
            self.fate = Some((at.hash, at.pick(1, &[Fate::Fails, Fate::DeadLetters, late])));
        }
    }

    fn bulk_write(
        &mut self,
        plan: &FaultPlan,
        files: &[(String, Option<ContentHash>)],
        entity: &str,
        attempt: u64,
    ) {
        if !self.answers() {
            return;
        }
        // It is this content that the server can not take, whatever else it comes with.
        for (path, hash) in files {
            let record = format!("record {path} {hash:?}");
            if self.hit(plan, FaultKind::BulkRefused, &record, 0).is_some() {
                self.refuse = Some(Refusal::bad_request("invalid input"));
                return;
            }
        }
        let fails = self.hit(plan, FaultKind::BulkOneFails, entity, attempt);
        self.one_fails = fails.map(|at| at.hash);
        self.change(plan, entity, attempt);
    }

    fn op(&mut self, plan: &FaultPlan, entity: &str, attempt: u64) {
        if !self.answers() {
            return;
        }
        // Decided once for an operation, so that what was known stays known.
        if let Some(at) = plan.fires(FaultKind::OpUnknown, entity, 0)
            && attempt < at.amount(0, 1..=5)
        {
            self.fired.push(at);
            self.refuse = Some(Refusal::not_found());
        }
    }

    fn blind(&mut self, plan: &FaultPlan, kinds: [FaultKind; 3], entity: &str, attempt: u64) {
        for (n, kind) in kinds.into_iter().enumerate() {
            if let Some(at) = self.hit(plan, kind, entity, attempt) {
                self.sight = match n {
                    0 => Sight::Empty,
                    1 => Sight::Short { salt: at.hash, kept: at.amount(0, 50..=900) },
                    _ => Sight::Past { part: at.amount(0, 0..=999) },
                };
                return;
            }
        }
    }
}

/// The refusal that a fault of this address makes.
fn refusal(at: Address) -> Refusal {
    let retry_after = at.pick(
        1,
        &[
            RetryAfter::Absent,
            RetryAfter::Seconds(0),
            RetryAfter::Seconds(1),
            RetryAfter::Seconds(30),
            RetryAfter::Seconds(99_999),
            RetryAfter::PastDate,
        ],
    );
    match at.kind {
        FaultKind::WorkspaceBusy => {
            Refusal::new(429, "workspace_busy", "workspace is busy").after(retry_after)
        }
        FaultKind::RateLimited => {
            Refusal::new(429, "rate_limited", "rate limit exceeded").after(retry_after)
        }
        FaultKind::QueueFull => Refusal::new(429, "queue_full", "queue is full").after(retry_after),
        FaultKind::Overloaded => {
            let status = at.pick(2, &[500, 503]);
            Refusal::new(status, "internal_error", "Durable Object is overloaded.")
        }
        _ => {
            let status = at.pick(2, &[500, 502, 503, 504]);
            Refusal::new(status, "internal_error", "internal error")
        }
    }
}
