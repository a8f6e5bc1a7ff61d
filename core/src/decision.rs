//! Every decision says why. Logs, `landfall why`, traces and snapshots all print these.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

pub use crate::brake::Brake;
use crate::effect::Exit;
use crate::fault::Fault;
use crate::files::plan::Rule;
use crate::gate::BreakerState;
use crate::hash::ContentHash;
use crate::id::{CommandId, OpId, RemoteId};
use crate::path::{PathError, RemotePath, Shown};
use crate::row::Position;
use crate::time::Ms;

/// One decision. `Display` is one plain sentence.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Decision {
    // --- starting and stopping ---
    /// A configured value was out of bounds.
    Clamped { what: Knob, from: Ms, to: Ms, because: Knob },
    /// The machine started.
    Started { files: u64, resumed: bool, suspects: u64 },
    /// A row could not be read. It stays where it is.
    RowUnreadable { kind: String, key: String, why: String },
    /// SIGTERM.
    Stopping { in_flight: u64 },
    /// The end.
    Exiting(Exit),
    /// The disk or the store did not answer for too long.
    Stuck { what: Port, waited: Ms },

    // --- the gate ---
    /// The server asked for less.
    GatePaused { remote: RemoteId, why: Fault, wait: Ms, concurrency: u32 },
    /// The computer slept. Others may have slept with it, so it waits a moment.
    Woke { remote: RemoteId, slept: Ms, wait: Ms },
    /// The breaker changed its state.
    Breaker { remote: RemoteId, state: BreakerState },

    // --- bootstrap ---
    /// The feed position that the next snapshot is continued from.
    PositionTaken(Position),
    /// The feed does not know the cursor any more, or started again: everything is listed again.
    FeedLost { why: FeedLoss },
    /// The stream is open: changes arrive as they happen.
    StreamOpen,
    /// The stream is down. The feed is asked instead, and the stream is opened again later.
    StreamDown { why: Fault, wait: Ms },
    /// There are files before the first bootstrap: the tree proves which of them are right, and
    /// no export brings them again.
    FilesFirst,
    /// One atomic export was asked for.
    ExportBegun { within: Ms },
    /// The export will not finish the job; the tree pull goes on from what arrived.
    ExportYields { why: Yield, kept: u64 },
    /// The export was complete and nothing speaks against it.
    ExportBelieved { files: u64, total: u64 },
    /// A traversal of the tree began or went on.
    TraversalBegun { id: u32, resumed: bool },
    /// A listing page is asked for again.
    PageAgain { dir: String, why: Fault, wait: Ms, kept: u64 },
    /// A directory of the frontier is not there any more.
    DirectoryGone { dir: String },
    /// The server forgot a page cursor: the directory is listed from its start.
    CursorForgotten { dir: String },
    /// A traversal ended and was believed.
    ListingBelieved { seen: u64 },
    /// A traversal ended and was not believed on its own word.
    ListingDoubted { why: Doubtful, again: Ms },
    /// Two traversals agree on what one alone could not prove.
    ListingConfirmed { seen: u64 },
    /// A file that two listings left out is there: the listings are not believed.
    ListingRefuted { path: RemotePath, again: Ms },
    /// A known file was missing from two complete listings; it is asked for by name.
    MissingTwice { path: RemotePath },
    /// Nothing moved for as long as the watchdog allows.
    WatchdogFired { idle: Ms, answered: bool, wait: Ms },
    /// The mirror has everything that the server has.
    InStep { files: u64 },

    // --- files ---
    /// The plan for a path was carried out.
    Did { path: RemotePath, did: Did, rule: Rule },
    /// Local bytes nobody else has were kept.
    Kept { path: RemotePath, hash: ContentHash },
    /// The server told of a file and did not have it for five minutes: it counts as deleted.
    NeverCame { path: RemotePath },
    /// A path failed and is tried again later, delaying nothing else.
    SetAside { path: RemotePath, why: Fault, tries: u32, wait: Ms },
    /// A directory here can not be read; `None` is the root.
    NotSeen { dir: Option<RemotePath>, why: Fault, tries: u32, wait: Ms },
    /// A file is larger than what may be sent.
    TooLarge { path: RemotePath, size: u64, max: u64 },
    /// A change of here is sent.
    Sending { path: RemotePath, command: CommandId, rule: Rule },
    /// A change of here is on the server.
    Sent { path: RemotePath, delete: bool },
    /// The server has another version than the one that was changed here.
    SentTooLate { path: RemotePath },
    /// A write was refused for what is in it. It is tried again.
    PushRefused { path: RemotePath, why: Fault, failures: u32, wait: Ms },
    /// Many were refused at once: half as many are sent.
    Bisected { files: u64, why: Fault },
    /// The server does not let us write a file. What is here stays.
    WriteDenied { path: RemotePath },
    /// A write could not be delivered. Its bytes are kept.
    DeadLetter { path: RemotePath, command: CommandId, attempts: u32, why: Fault },
    /// What could not be delivered was delivered after all, or replaced by something newer.
    LetterOver { path: RemotePath, command: CommandId },
    /// A person wants a dead letter tried again.
    LetterAgain { path: RemotePath, command: CommandId },
    /// A person wants a dead letter tried again, and what is here is something else by now.
    NothingToSend { path: RemotePath, command: CommandId },
    /// A person gave a dead letter up.
    Discarded { path: RemotePath, command: CommandId },
    /// The server does not say what became of a write that it accepted.
    ReceiptLost { path: RemotePath, op: OpId },
    /// A change of mode took no effect. Told once.
    WithoutModes { path: RemotePath },
    /// A name can not be placed below a root.
    NameRefused { name: String, why: PathError },
    /// The whole disk is in trouble: nothing is fetched for a while.
    DiskPaused { why: Fault, wait: Ms },
    /// A brake stopped something and waits for a person.
    Braked(Brake),
}

/// A setting.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Knob {
    /// `RELAYFILE_EXPORT_TIMEOUT`.
    ExportTimeout,
    /// The no-progress watchdog.
    Watchdog,
    /// `RELAYFILE_BOOTSTRAP_TIMEOUT`.
    HardCap,
    /// `--interval`.
    Interval,
    /// The least that makes sense.
    Minimum,
    /// The most that makes sense.
    Maximum,
}

/// A port that always answers.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Port {
    /// Files.
    Disk,
    /// Rows.
    Store,
}

/// Why the feed can not be continued.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum FeedLoss {
    /// 404 or 410.
    CursorUnknown,
    /// It answered with events from before the cursor.
    StartedAgain,
    /// 403 again and again: it may not be read any more.
    Forbidden,
    /// It says that there is nothing more, and there is.
    Silent,
}

/// Why an export gives way to the tree pull.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Yield {
    /// Its own total time was up.
    TimeUp(Ms),
    /// The answer was a failure of the export.
    Failed(Fault),
    /// A 200 without files.
    Empty,
    /// A 200 with fewer than half of the files that are known.
    Short { files: u64, known: u64 },
    /// A 200 with fewer files than the server itself counts.
    BelowTotal { files: u64, total: u64 },
    /// The server does not say how many files there are, so the tree has to.
    Uncounted { files: u64 },
    /// An earlier run was cut off in it, and it can not be resumed.
    Interrupted,
}

/// Why a complete traversal is not believed on its own word.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Doubtful {
    /// It shows nothing.
    Empty,
    /// It shows fewer than half of the files that are known.
    Short { seen: u64, known: u64 },
    /// It shows fewer files than the server itself counts.
    BelowTotal { seen: u64, total: u64 },
    /// It shows directories that turn out to be empty, which a directory can not be.
    Hollow { directories: u64 },
    /// It leaves out files that are known.
    Missing { missing: u64 },
}

/// What was done with a path.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Did {
    /// New bytes are at the path.
    Placed,
    /// It was already there.
    Adopted,
    /// It went to the trash.
    Trashed,
    /// It went to the conflict copies.
    SetAside,
    /// Both sides changed it, and what is at the path has both changes.
    Merged,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Decision::Clamped { what, from, to, because } => {
                write!(f, "{what} of {from} is clamped to {to} because of {because}")
            }
            Decision::Started { files, resumed: false, .. } => {
                write!(f, "starting for the first time ({files} files known)")
            }
            Decision::Started { files, suspects, .. } => {
                write!(f, "starting again with {files} files known")?;
                match suspects {
                    0 => Ok(()),
                    n => write!(f, ", {n} of them not sealed before the power was cut"),
                }
            }
            Decision::RowUnreadable { kind, key, why } => {
                write!(f, "the stored row {kind} `")?;
                Shown(key).fmt(f)?;
                write!(f, "` can not be read and is kept as it is: {why}")
            }
            Decision::Stopping { in_flight } => {
                write!(f, "stopping; {in_flight} operations are under way")
            }
            Decision::Exiting(exit) => write!(f, "exiting: {exit}"),
            Decision::Stuck { what, waited } => {
                write!(f, "the {what} did not answer for {waited}, so the process has to end")
            }
            Decision::GatePaused { remote: _, why, wait, concurrency } => write!(
                f,
                "the server said {why}: nothing is sent for {wait}, then at most {concurrency} \
                 requests at once"
            ),
            Decision::Woke { slept, wait, .. } => {
                write!(f, "the computer slept for {slept}; the server is asked in {wait}")
            }
            Decision::Breaker { state: BreakerState::Open, .. } => {
                f.write_str("the server failed too often in a row: one request is tried in 30 s")
            }
            Decision::Breaker { state: BreakerState::Closed, .. } => {
                f.write_str("the server answers again")
            }
            Decision::PositionTaken(Position::Origin) => {
                f.write_str("the feed has no events yet; taking its beginning before listing")
            }
            Decision::PositionTaken(Position::After(id)) => {
                write!(f, "the feed stands at {id}; taking that before listing")
            }
            Decision::PositionTaken(Position::NoFeed) => {
                f.write_str("this server has no feed; only listings will tell what changed")
            }
            Decision::FeedLost { why } => {
                write!(f, "the feed was lost ({why}); taking a new position and listing again")
            }
            Decision::StreamOpen => f.write_str("the stream is open"),
            Decision::StreamDown { why, wait } => {
                write!(
                    f,
                    "the stream is down: {why}; the feed is asked, and the stream again in {wait}"
                )
            }
            Decision::FilesFirst => {
                f.write_str("there are files here already: the listing says which of them are right, and only the others are fetched")
            }
            Decision::ExportBegun { within } => {
                write!(f, "asking for one export, which gets {within} in all")
            }
            Decision::ExportYields { why, kept } => {
                write!(f, "the export yields to the tree: {why}; {kept} files are kept")
            }
            Decision::ExportBelieved { files, total } => {
                write!(f, "the export is complete: {files} files, and the server counts {total}")
            }
            Decision::TraversalBegun { id, resumed: false } => {
                write!(f, "listing the tree (traversal {id})")
            }
            Decision::TraversalBegun { id, resumed: true } => {
                write!(f, "going on with listing the tree (traversal {id})")
            }
            Decision::PageAgain { dir, why, wait, kept } => write!(
                f,
                "listing {dir} failed ({why}); the same page again in {wait} ({kept} files listed so far)"
            ),
            Decision::DirectoryGone { dir } => {
                write!(f, "{dir} can not be listed any more and is passed over")
            }
            Decision::CursorForgotten { dir } => {
                write!(f, "the server forgot a page cursor; listing {dir} from its start")
            }
            Decision::ListingBelieved { seen } => {
                write!(f, "the listing is complete and believed: {seen} files")
            }
            Decision::ListingDoubted { why, again } => {
                write!(f, "the listing is not believed on its own word: {why}; again in {again}")
            }
            Decision::ListingConfirmed { seen } => {
                write!(f, "a second listing agrees and is believed: {seen} files")
            }
            Decision::ListingRefuted { path, again } => write!(
                f,
                "{path} is there although two listings leave it out; they are not believed, and \
                 everything is listed again in {again}"
            ),
            Decision::MissingTwice { path } => {
                write!(f, "two listings leave out {path}; asking for it by name")
            }
            Decision::WatchdogFired { idle, answered: true, wait } => write!(
                f,
                "nothing moved for {idle} although the server answers; going on in {wait}"
            ),
            Decision::WatchdogFired { idle, answered: false, .. } => {
                write!(f, "nothing moved for {idle} because the server does not answer; waiting")
            }
            Decision::InStep { files } => write!(f, "in step: {files} files"),
            Decision::Did { path, did, rule } => write!(f, "{did} {path}: {rule}"),
            Decision::Kept { path, hash } => {
                write!(f, "kept the local bytes of {path} as a conflict copy ({})", hash.short())
            }
            Decision::NeverCame { path } => {
                write!(f, "{path} was told of and is not there after 5 min: it counts as deleted")
            }
            Decision::SetAside { path, why, tries, wait } => {
                write!(f, "set aside {path} ({why}, failure {tries}); again in {wait}")
            }
            Decision::NotSeen { dir, why, tries, wait } => {
                let dir = dir.as_ref().map_or("/", RemotePath::as_str);
                write!(
                    f,
                    "the directory {dir} here can not be read ({why}, failure {tries}), so what \
                     changes in it is not seen; again in {wait}"
                )
            }
            Decision::NameRefused { name, why } => {
                f.write_str("a name from the server is refused, `")?;
                Shown(name).fmt(f)?;
                write!(f, "`: {why}")
            }
            Decision::TooLarge { path, size, max } => {
                write!(f, "{path} has {size} bytes and is not sent: at most {max} are")
            }
            Decision::Sending { path, rule, .. } => write!(f, "sending {path}: {rule}"),
            Decision::Sent { path, delete: false } => write!(f, "sent {path}"),
            Decision::Sent { path, delete: true } => write!(f, "deleted {path} on the server"),
            Decision::SentTooLate { path } => {
                write!(f, "the server has another version of {path} than the one changed here")
            }
            Decision::PushRefused { path, why, failures, wait } => {
                write!(f, "{path} was not taken ({why}, failure {failures}); again in {wait}")
            }
            Decision::Bisected { files, why } => {
                write!(f, "{files} files were not taken together ({why}); half as many are sent")
            }
            Decision::WriteDenied { path } => {
                write!(f, "the server does not let us write {path}; what is here stays")
            }
            Decision::DeadLetter { path, command, attempts, why } => write!(
                f,
                "{path} could not be delivered in {attempts} attempts ({why}); it is kept as the \
                 dead letter {command}"
            ),
            Decision::LetterOver { path, command } => {
                write!(f, "the dead letter {command} of {path} is over: the server has it")
            }
            Decision::LetterAgain { path, command } => {
                write!(f, "the dead letter {command} of {path} is sent again")
            }
            Decision::NothingToSend { path, command } => write!(
                f,
                "the dead letter {command} is not sent: {path} is something else by now, here or on the server"
            ),
            Decision::Discarded { path, command } => {
                write!(f, "the dead letter {command} of {path} was given up")
            }
            Decision::ReceiptLost { path, op } => {
                write!(f, "the server does not say what became of {path} ({op})")
            }
            Decision::WithoutModes { path } => {
                write!(f, "this file system keeps no modes ({path} stays as it is)")
            }
            Decision::DiskPaused { why, wait } => {
                write!(f, "{why}; nothing is fetched or placed for {wait}")
            }
            Decision::Braked(brake) => write!(f, "brake `{}`: {brake}", brake.name()),
        }
    }
}

impl fmt::Display for Knob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Knob::ExportTimeout => "the export time",
            Knob::Watchdog => "the watchdog",
            Knob::HardCap => "the hard cap",
            Knob::Interval => "the interval",
            Knob::Minimum => "the least that makes sense",
            Knob::Maximum => "the most that makes sense",
        })
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Port::Disk => "disk",
            Port::Store => "store",
        })
    }
}

impl fmt::Display for FeedLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FeedLoss::CursorUnknown => "the server does not know the cursor",
            FeedLoss::StartedAgain => "it began again at an older event",
            FeedLoss::Forbidden => "the credentials do not allow to read it",
            FeedLoss::Silent => "it tells nothing after our cursor, and there is more",
        })
    }
}

impl fmt::Display for Yield {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Yield::TimeUp(time) => write!(f, "its {time} are up"),
            Yield::Failed(why) => write!(f, "{why}"),
            Yield::Empty => f.write_str("it was empty"),
            Yield::Short { files, known } => {
                write!(f, "it had {files} files where {known} are known")
            }
            Yield::BelowTotal { files, total } => {
                write!(f, "it had {files} files where the server counts {total}")
            }
            Yield::Uncounted { files } => {
                write!(f, "it had {files} files and the server does not say how many there are")
            }
            Yield::Interrupted => f.write_str("an earlier run was cut off in it"),
        }
    }
}

impl fmt::Display for Doubtful {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doubtful::Empty => f.write_str("it shows nothing"),
            Doubtful::Short { seen, known } => {
                write!(f, "it shows {seen} files where {known} are known")
            }
            Doubtful::BelowTotal { seen, total } => {
                write!(f, "it shows {seen} files where the server counts {total}")
            }
            Doubtful::Hollow { directories } => {
                write!(f, "it shows {directories} directories that were then listed empty")
            }
            Doubtful::Missing { missing } => write!(f, "it leaves out {missing} known files"),
        }
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Did::Placed => "placed",
            Did::Adopted => "adopted",
            Did::Trashed => "moved to the trash:",
            Did::SetAside => "kept aside as a conflict copy:",
            Did::Merged => "merged",
        })
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Exit::InStep => "in step",
            Exit::Partial => "in step but for files that are set aside",
            Exit::Unauthorized => "the server refuses the credentials",
            Exit::Unavailable => "the server could not be used for too long",
            Exit::Halted => "a safety brake wants a person",
            Exit::Stopped => "stopped, sealed and committed",
            Exit::Stuck => "the disk or the store did not answer in time",
        })
    }
}
