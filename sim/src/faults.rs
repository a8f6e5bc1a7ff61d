//! Which faults there are, and the plan that says where they strike.
//!
//! A fault is decided by its address alone: `hash(seed, kind, entity, attempt)`. Taking one
//! away leaves all others where they were, which is what lets a failing run be shrunk.
//!
//! # Bounds
//!
//! A fault that nobody could recover from proves nothing, so the world keeps to these:
//!
//! - A stale listing or export is never older than the last feed position that was handed out
//!   before it. An older one can not be told from the truth without an audit.
//! - A file that exists is answered with 404, when it is asked for by its name, only within
//!   four minutes of its last change. Listings may lie; reads may fail, or lag for 100 s.
//! - A listing or an export hides a file that no row of the machine knows to be there only from a server
//!   that always says the true count, and only together with more than ten others, so that
//!   files made meanwhile do not make up for it. Where the machine has rows of all files, a
//!   lie may also come with a count that fits it, or with none.
//! - The other client never deletes more than a third of the files, so that a brake on
//!   deletes is never owed to the world itself.
//! - What is stored durably stays: rows are never damaged, sealed files are never torn.
//! - A person's editor forces what it saves to the disk.
//! - Once the world is healed nothing fails any more, and a process that ended is started.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $usual:literal;)*) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[repr(u8)]
        pub enum Kind { $($(#[$doc])* $name,)* }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Kind] = &[$(Kind::$name,)*];

            /// The name on the command line.
            pub const fn word(self) -> &'static str {
                match self { $(Kind::$name => $word,)* }
            }

            /// How often it strikes when everything is on, in parts per million of the
            /// addresses where it can.
            pub fn usual(self) -> u32 {
                match self { $(Kind::$name => $usual,)* }
            }
        }
    };
}

kinds! {
    // --- the link; one address per request ---
    /// The request is never answered.
    NeverAnswered = "never-answered", 8_000;
    /// No connection.
    LinkBroken = "link-broken", 12_000;
    /// Seconds instead of milliseconds, sometimes longer than the deadline.
    SlowAnswer = "slow-answer", 12_000;
    /// The body ends early.
    CutBody = "cut-body", 20_000;
    /// The body stops in the middle and the connection stays open.
    HungBody = "hung-body", 6_000;
    /// The body is not JSON from some point on.
    Malformed = "malformed", 8_000;
    /// An answer comes although the call was cancelled.
    LateAnswer = "late-answer", 200_000;
    /// The last word comes twice.
    Duplicate = "duplicate", 15_000;
    /// For half a minute nothing gets through. One address per half minute.
    Outage = "outage", 25_000;

    // --- the server; one address per request ---
    /// 429 `workspace_busy`.
    Busy = "workspace-busy", 15_000;
    /// 429 `rate_limited`.
    RateLimited = "rate-limited", 10_000;
    /// 429 `queue_full`.
    QueueFull = "queue-full", 5_000;
    /// A plain 500, 502 or 503.
    ServerError = "server-error", 15_000;
    /// A 5xx that says overloaded.
    Overloaded = "overloaded", 10_000;
    /// The export is refused with 413.
    ExportTooLarge = "export-too-large", 50_000;
    /// The export takes longer than anybody waits.
    SlowExport = "slow-export", 150_000;
    /// 200 and no files.
    EmptyExport = "empty-export", 100_000;
    /// 200 and some of the files.
    ShortExport = "short-export", 100_000;
    /// An export of an earlier moment.
    StaleExport = "stale-export", 100_000;
    /// 200 and no entries.
    EmptyListing = "empty-listing", 30_000;
    /// 200 and some of the entries.
    ShortListing = "short-listing", 40_000;
    /// A listing of an earlier moment.
    StaleListing = "stale-listing", 40_000;
    /// The listing does not say how many files there are.
    NoTotal = "no-total", 50_000;
    /// The listing does not say the hashes.
    NoHashes = "no-hashes", 30_000;
    /// A file that can not be read until the world heals. One address per path.
    Poisoned = "poisoned-file", 40_000;
    /// A file is answered with 404 for up to four minutes after it was changed. One address per
    /// change.
    ReadLags = "read-lags", 20_000;
    /// A lagging replica answers reads with the version before, for up to 100 s after a change.
    /// One address per change.
    ReadStale = "read-stale", 15_000;
    /// The cursor of the feed is answered with 404 or 410.
    CursorUnknown = "cursor-unknown", 4_000;
    /// An unknown cursor starts again at the oldest event.
    FeedRestarts = "feed-restarts", 4_000;
    /// `desc` is answered with the oldest event.
    OldestTip = "oldest-tip", 60_000;
    /// Every cursor is unknown for ten minutes, also the one that was handed out just now. One
    /// address per ten minutes.
    CursorNever = "cursor-never", 10_000;
    /// There is no feed for ten minutes, or none for us (403). One address per ten minutes.
    NoFeed = "no-feed", 40_000;

    // --- the stream; one address per event, or per ping ---
    /// The connection breaks.
    StreamEnds = "stream-ends", 10_000;
    /// One half of the connection is gone without a word.
    StreamDeaf = "stream-deaf", 10_000;
    /// The server falls behind, drops an event and ends the stream with 1013.
    StreamLags = "stream-lags", 30_000;
    /// The server drops an event and goes on.
    StreamLoses = "stream-loses", 30_000;
    /// An event comes twice.
    StreamRepeats = "stream-repeats", 30_000;
    /// There is no stream for ten minutes. One address per ten minutes.
    NoStream = "no-stream", 60_000;
    /// The stream is opened after a cursor that the server does not know: without a word, and
    /// without what was missed.
    StreamForgets = "stream-forgets", 100_000;

    // --- the disk and the store; one address per operation ---
    /// ENOSPC.
    DiskFull = "disk-full", 6_000;
    /// EACCES or EIO on one path.
    DiskDenied = "disk-denied", 6_000;
    /// A seal fails. What it should have covered is still covered by the next.
    SealFails = "seal-fails", 20_000;
    /// An operation takes seconds, seldom more than a minute.
    DiskSlow = "disk-slow", 3_000;
    /// A person saves the file between the check and the exchange.
    WindowEdit = "window-edit", 25_000;
    /// A person removes the file between the check and the exchange.
    WindowDelete = "window-delete", 10_000;
    /// A commit takes seconds, seldom more than a minute.
    StoreSlow = "store-slow", 3_000;

    // --- the process; one address per effect ---
    /// `kill -9` before an effect is carried out.
    KillBefore = "kill-before", 700;
    /// `kill -9` in the middle of it.
    KillDuring = "kill-during", 700;
    /// `kill -9` after it, before the machine hears of it.
    KillAfter = "kill-after", 700;
    /// The power fails, before, during or after.
    PowerCut = "power-cut", 500;
    /// SIGTERM. One address per minute.
    Term = "sigterm", 15_000;
    /// The computer sleeps for twelve hours. One address per minute.
    Sleep = "sleep", 2_000;
    /// The wall clock jumps. One address per minute.
    ClockStep = "clock-step", 25_000;

    // --- people; one address per minute ---
    /// A person edits a mirrored file, or makes a new one.
    PersonEdit = "person-edit", 60_000;
    /// A person deletes a mirrored file.
    PersonDelete = "person-delete", 20_000;
    /// A person puts a directory or a link where a file is to be.
    PersonBlocks = "person-blocks", 8_000;
}

impl Kind {
    /// What its addresses and rates are drawn with. It depends on the name alone, so that a
    /// new kind moves nothing in the runs of the others.
    pub fn salt(self) -> u64 {
        SALTS[self as usize]
    }
}

const SALTS: [u64; KINDS] = {
    let mut salts = [0; KINDS];
    let mut i = 0;
    while i < KINDS {
        salts[i] = salt(Kind::ALL[i].word().as_bytes());
        i += 1;
    }
    salts
};

/// FNV-1a.
const fn salt(name: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut i = 0;
    while i < name.len() {
        hash = (hash ^ name[i] as u64).wrapping_mul(0x0100_0000_01b3);
        i += 1;
    }
    hash
}

/// The number of kinds.
pub const KINDS: usize = Kind::ALL.len();

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Kind {
    type Err = AddressError;
    fn from_str(word: &str) -> Result<Self, AddressError> {
        Kind::ALL
            .iter()
            .copied()
            .find(|kind| kind.word() == word)
            .ok_or_else(|| AddressError(word.to_owned()))
    }
}

/// Where a fault strikes.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Address {
    /// What.
    pub kind: Kind,
    /// Whom: a hash of the request, the operation, the path or the time.
    pub entity: u32,
    /// Which time.
    pub attempt: u32,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:08x}:{}", self.kind, self.entity, self.attempt)
    }
}

impl FromStr for Address {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let bad = || AddressError(text.to_owned());
        let mut parts = text.split(':');
        let (Some(kind), Some(entity), Some(attempt), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad());
        };
        Ok(Self {
            kind: kind.parse()?,
            entity: u32::from_str_radix(entity, 16).map_err(|_| bad())?,
            attempt: attempt.parse().map_err(|_| bad())?,
        })
    }
}

/// A word that names no fault.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{0}` names no fault; write a kind such as `cut-body`, or an address as a run prints it")]
pub struct AddressError(String);

/// Where faults strike in one run.
#[derive(Clone, Debug)]
pub struct Plan {
    seed: u64,
    /// Parts per million, by kind.
    rates: [u32; KINDS],
    /// Addresses that do not strike although they would.
    removed: BTreeSet<Address>,
    /// If there is such a set, only its addresses strike.
    kept: Option<BTreeSet<Address>>,
    healed: bool,
    /// Kinds that do not heal: a planted failure.
    unhealed: [bool; KINDS],
    struck: BTreeSet<Address>,
    fired: Vec<Address>,
    counts: [u64; KINDS],
}

impl Plan {
    /// A plan in which each kind strikes at `rates` parts per million of its addresses.
    pub fn new(seed: u64, rates: [u32; KINDS]) -> Self {
        Self {
            seed,
            rates,
            removed: BTreeSet::new(),
            kept: None,
            healed: false,
            unhealed: [false; KINDS],
            struck: BTreeSet::new(),
            fired: Vec::new(),
            counts: [0; KINDS],
        }
    }

    /// Takes addresses away.
    pub fn remove(&mut self, addresses: impl IntoIterator<Item = Address>) {
        self.removed.extend(addresses);
    }

    /// These strike, whatever their rates, and no others.
    pub fn keep(&mut self, addresses: impl IntoIterator<Item = Address>) {
        let kept: BTreeSet<Address> = addresses.into_iter().collect();
        for kind in Kind::ALL {
            let any = kept.iter().any(|address| address.kind == *kind);
            self.rates[*kind as usize] = if any { 1_000_000 } else { 0 };
        }
        self.kept = Some(kept);
    }

    /// From now on nothing strikes.
    pub fn heal(&mut self) {
        self.healed = true;
    }

    /// These kinds strike on when the world is healed.
    pub fn never_heal(&mut self, kinds: &[Kind]) {
        kinds.iter().for_each(|kind| self.unhealed[*kind as usize] = true);
    }

    fn is_healed(&self, kind: Kind) -> bool {
        self.healed && !self.unhealed[kind as usize]
    }

    /// Whether a fault strikes here. If so, some bits that depend on the address alone, to
    /// choose its severity by.
    #[inline]
    pub fn strikes(&mut self, kind: Kind, entity: u32, attempt: u32) -> Option<u64> {
        if !self.is_on(kind) {
            return None;
        }
        let bits = self.bits(kind.salt(), entity, attempt);
        let address = Address { kind, entity, attempt };
        let drawn = match &self.kept {
            Some(kept) => kept.contains(&address),
            None => bits % 1_000_000 < u64::from(self.rates[kind as usize]),
        };
        if !drawn || self.removed.contains(&address) {
            return None;
        }
        // An address that is asked about often, such as a poisoned file, is one fault.
        if self.struck.insert(address) {
            self.fired.push(address);
            self.counts[kind as usize] += 1;
        }
        Some(mix(bits ^ 0x5eed))
    }

    /// Whether this kind can strike at all.
    #[inline]
    pub fn is_on(&self, kind: Kind) -> bool {
        self.rates[kind as usize] > 0 && !self.is_healed(kind)
    }

    /// Bits for a choice that is not a fault, such as a latency.
    #[inline]
    pub fn bits(&self, what: u64, entity: u32, attempt: u32) -> u64 {
        mix(mix(self.seed ^ what.rotate_left(40)) ^ (u64::from(entity) << 32 | u64::from(attempt)))
    }

    /// What struck so far, in order.
    pub fn fired(&self) -> &[Address] {
        &self.fired
    }

    /// How often each kind struck.
    pub fn counts(&self) -> &[u64; KINDS] {
        &self.counts
    }
}

/// SplitMix64: one step of a well-mixed function.
#[inline]
pub fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taking_one_fault_away_leaves_the_others() {
        let rates = [500_000; KINDS];
        let all = |plan: &mut Plan| -> Vec<Address> {
            for n in 0..200 {
                plan.strikes(Kind::CutBody, n, 0);
            }
            plan.fired().to_vec()
        };
        let before = all(&mut Plan::new(7, rates));
        let mut fewer = Plan::new(7, rates);
        fewer.remove([before[3]]);
        let after = all(&mut fewer);
        assert_eq!(after.len(), before.len() - 1);
        assert!(after.iter().all(|address| before.contains(address)));
        let mut one = Plan::new(7, rates);
        one.keep([before[3]]);
        assert_eq!(all(&mut one), [before[3]]);
    }

    #[test]
    fn an_address_is_written_and_read() {
        let address = Address { kind: Kind::KillDuring, entity: 0xbeef, attempt: 3 };
        assert_eq!(address.to_string(), "kill-during:0000beef:3");
        assert_eq!(address.to_string().parse(), Ok(address));
        assert!("kill-during".parse::<Address>().is_err());
    }

    #[test]
    fn a_healed_world_has_no_faults() {
        let mut plan = Plan::new(7, [1_000_000; KINDS]);
        plan.heal();
        assert_eq!(plan.strikes(Kind::CutBody, 1, 1), None);
    }
}
