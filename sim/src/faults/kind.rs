//! The kinds of faults, and how often each strikes.

use std::fmt;
use std::str::FromStr;

use super::AddressError;

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
    /// The server forgets all but its newest event: older cursors get an empty page, for good.
    CursorSilent = "cursor-silent", 1_500;
    /// A page of the feed is shorter than it was asked for, and not the last.
    FeedShort = "feed-short", 30_000;
    /// `desc` is answered with the oldest event.
    OldestTip = "oldest-tip", 60_000;
    /// Every cursor is unknown for ten minutes, also the one that was handed out just now. One
    /// address per ten minutes.
    CursorNever = "cursor-never", 10_000;
    /// There is no feed for ten minutes, or none for us (403). One address per ten minutes.
    NoFeed = "no-feed", 40_000;

    // --- tokens, permissions and names; one address per minute ---
    /// 401 to everything for up to half an hour, or until the world heals.
    TokenExpires = "token-expires", 1_000;
    /// 401 to everything for a moment, however much is under way.
    TokenRotates = "token-rotates", 6_000;
    /// A file, a directory or everything can not be read (403) for up to an hour, or for good.
    ReadDenied = "read-denied", 6_000;
    /// The other client makes a file whose name nobody can place, and renames it later.
    HostileName = "hostile-name", 15_000;
    /// Names that are too long for most disks, or one and the same on some.
    HardName = "hard-name", 12_000;
    /// A file that is a directory of another file.
    FileAndDirectory = "file-and-directory", 6_000;
    /// A file becomes a directory, and a file again.
    FileBecomesDirectory = "file-becomes-directory", 8_000;
    /// The other client deletes most files.
    MassDelete = "mass-delete", 700;
    /// The other client moves a directory: every file is deleted and made again elsewhere.
    MassRename = "mass-rename", 3_000;

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
    /// For up to ten minutes the store says that there is no room for a commit.
    StoreFull = "store-full", 500;

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
    /// A second process is started on the same directory. One address per minute.
    SecondStart = "second-start", 8_000;
    /// The process is to end when it is in step (`--once`). One address per start.
    Once = "once", 60_000;
    /// An older version is started, which can not read one of the rows. One address per start.
    RowUnread = "row-unread", 40_000;

    // --- people; one address per minute ---
    /// A person edits a mirrored file, or makes a new one.
    PersonEdit = "person-edit", 60_000;
    /// A person deletes a mirrored file.
    PersonDelete = "person-delete", 20_000;
    /// A person makes a mirrored file writable.
    PersonOpens = "person-opens", 30_000;
    /// A person puts a directory or a link where a file is to be.
    PersonBlocks = "person-blocks", 8_000;

    // --- what is written here; only where it goes to the server ---
    /// A person works: saves, makes, deletes or moves files. One address per ten seconds.
    PersonWorks = "person-works", 150_000;
    /// The watcher misses something. One address per hint.
    HintLost = "hint-lost", 20_000;
    /// The watcher hears nothing before the first thing is done to a file or a file is looked at,
    /// and then says so, as it is with `--once`. One address per start.
    LateEars = "late-ears", 200_000;
    /// The directory of the mirror is gone for some minutes. Then a person brings it back as it was,
    /// and starts the mount again. One address per minute.
    RootLost = "root-lost", 1_500;
    /// The process may send only small files. One address per start.
    SmallLimit = "small-limit", 60_000;
    /// A body goes out for minutes. One address per request.
    SlowUpload = "slow-upload", 20_000;
    /// The server refuses what is in a file until the world heals. One address per path.
    WriteRejected = "write-rejected", 40_000;
    /// The server does not let us write a file until the world heals. One address per path.
    WriteDenied = "write-denied", 30_000;
    /// A bulk write is refused as a whole where one file of it would be. One address per request.
    BulkRefused = "bulk-refused", 300_000;
    /// One file of a bulk write fails, and would not the next time. One address per request.
    BulkOneFails = "bulk-one-fails", 30_000;
    /// A write that was accepted fails later. One address per change.
    OpFails = "op-fails", 15_000;
    /// The server does not know an operation that it named. One address per request.
    OpUnknown = "op-unknown", 50_000;
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
