//! Sometimes marks: what some run must reach, or the simulator does not try it.

use landfall_core::decision::{Brake, Decision, Did, Doubtful, FeedLoss, Port, Yield};
use landfall_core::effect::Exit;
use landfall_core::files::plan::Rule;
use landfall_core::gate::BreakerState;
use landfall_core::row::Position;

macro_rules! marks {
    ($($name:ident = $word:literal;)*) => {
        /// A mark.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "the words say it")]
        pub enum Mark { $($name,)* }

        impl Mark {
            /// All of them.
            pub const ALL: &'static [Mark] = &[$(Mark::$name,)*];

            /// In words.
            pub fn word(self) -> &'static str {
                match self { $(Mark::$name => $word,)* }
            }
        }
    };
}

marks! {
    Clamped = "decision: a value was clamped";
    StartedFirst = "decision: started for the first time";
    StartedAgain = "decision: started again";
    StartedSuspects = "decision: started again with suspects";
    RowUnreadable = "decision: a row is unreadable";
    Stopping = "decision: stopping";
    ExitInStep = "decision: exit in step (--once)";
    ExitPartial = "decision: exit partial (--once)";
    ExitUnauthorized = "decision: exit unauthorized (--once)";
    ExitUnavailable = "decision: exit unavailable (--once)";
    ExitHalted = "decision: exit halted";
    ExitStopped = "decision: exit stopped";
    ExitStuck = "decision: exit stuck";
    StuckDisk = "decision: the disk is stuck";
    StuckStore = "decision: the store is stuck";
    GatePaused = "decision: the gate pauses";
    BreakerOpen = "decision: the breaker opens";
    BreakerClosed = "decision: the breaker closes";
    PositionOrigin = "decision: position at the origin";
    PositionAfter = "decision: position after an event";
    PositionNoFeed = "decision: no feed";
    LostUnknown = "decision: feed lost, cursor unknown";
    LostAgain = "decision: feed lost, started again";
    LostForbidden = "decision: feed lost, forbidden";
    LostSilent = "decision: feed lost, silent";
    StreamOpen = "decision: the stream opens";
    StreamDown = "decision: the stream is down";
    FilesFirst = "decision: files first";
    ExportBegun = "decision: an export begins";
    YieldsTime = "decision: the export yields, time up";
    YieldsFailed = "decision: the export yields, failed";
    YieldsEmpty = "decision: the export yields, empty";
    YieldsShort = "decision: the export yields, short";
    YieldsBelow = "decision: the export yields, below the total";
    YieldsUncounted = "decision: the export yields, uncounted";
    YieldsInterrupted = "decision: the export yields, interrupted";
    ExportBelieved = "decision: the export is believed";
    TraversalBegun = "decision: a traversal begins";
    TraversalResumed = "decision: a traversal goes on";
    PageAgain = "decision: a page again";
    DirectoryGone = "decision: a directory is gone";
    CursorForgotten = "decision: a page cursor is forgotten";
    ListingBelieved = "decision: a listing is believed";
    DoubtedEmpty = "decision: a listing is doubted, empty";
    DoubtedShort = "decision: a listing is doubted, short";
    DoubtedBelow = "decision: a listing is doubted, below the total";
    DoubtedHollow = "decision: a listing is doubted, hollow";
    DoubtedMissing = "decision: a listing is doubted, files missing";
    ListingConfirmed = "decision: a listing is confirmed";
    ListingRefuted = "decision: listings are refuted";
    MissingTwice = "decision: missing twice";
    WatchdogAnswered = "decision: the watchdog fires, the server answers";
    WatchdogSilent = "decision: the watchdog fires, the server is silent";
    InStep = "decision: in step";
    DidPlace = "decision: placed";
    DidAdopt = "decision: adopted";
    DidTrash = "decision: trashed";
    DidSetAside = "decision: kept aside";
    DidMerge = "decision: merged";
    Kept = "decision: local bytes kept";
    NeverCame = "decision: never came";
    AsideFirst = "decision: set aside";
    AsideAgain = "decision: set aside again";
    NameRefused = "decision: a name is refused";
    Woke = "decision: the computer slept";
    WithoutModes = "decision: a disk without modes";
    DiskPaused = "decision: the disk pauses";
    BrakeDeletes = "decision: brake on deletes";
    BrakeFrontier = "decision: brake on the frontier";
    BrakeForbidden = "decision: brake on reading";
    BrakeUnreadable = "decision: brake on an unreadable row";
    RuleInStep = "rule: in step";
    RuleLocalUnknown = "rule: local unknown";
    RuleRemoteUnknown = "rule: remote unknown";
    RuleOdd = "rule: odd in the way";
    RuleMode = "rule: mode";
    RuleSuspect = "rule: suspect";
    RuleEqualBytes = "rule: equal bytes";
    RuleGoneOnBoth = "rule: gone on both";
    RuleRemoteNew = "rule: remote new";
    RuleRemoteMoved = "rule: remote moved";
    RuleRemoteDeleted = "rule: remote deleted";
    RuleMaxDelete = "rule: max delete";
    RuleLocalMissing = "rule: local missing";
    RuleLocalMoved = "rule: local moved (not when only pulling)";
    RuleLocalDeleted = "rule: local deleted (not when only pulling)";
    RuleLocalOnly = "rule: local only";
    RuleRemoteOnly = "rule: remote only (not when only pulling)";
    RuleBothMoved = "rule: both moved";
    RuleEditOverDelete = "rule: edit over delete (not when only pulling)";
    RuleDeleteUnderEdit = "rule: delete under edit";
    TooLarge = "decision: too large to send";
    NotSeen = "decision: a directory can not be read";
    Sending = "decision: sending";
    Sent = "decision: sent";
    SentTooLate = "decision: sent too late";
    PushRefused = "decision: a write is refused";
    Bisected = "decision: a bulk write is halved";
    WriteDenied = "decision: a write is denied";
    DeadLetter = "decision: a dead letter";
    LetterOver = "decision: a dead letter is over";
    LetterAgain = "decision: a dead letter again";
    NothingToSend = "decision: nothing to send";
    Discarded = "decision: a dead letter is given up";
    ReceiptLost = "decision: a receipt is lost";
    BrakeUnlinks = "decision: brake on deletes here";
    BrakeRoot = "decision: brake on a lost root";
    RuleWriteDenied = "rule: write denied";
    RuleDeadLetter = "rule: dead letter";
    RuleTooLarge = "rule: too large";
    RuleGivenUp = "rule: given up";
    LateAnswer = "world: an answer that nobody waits for";
    Blocked = "world: an answer waits for credit";
    Inline = "world: an event brings its bytes";
    Occupied = "world: the disk finds something else there";
    ExchangeKept = "world: an exchange brings out a person's bytes";
    FoundOdd = "world: a look finds something that is no file";
    CommitsLost = "world: a kill loses commits";
    CutLoses = "world: a power cut loses changes";
    CutTears = "world: a power cut tears a file";
    KilledAgain = "world: killed again before it was in step";
    SleptAsking = "world: the computer sleeps while requests are under way";
    BrakeLifted = "world: a person takes the brake on deletes off";
    StoppedWorking = "world: SIGTERM while requests are under way";
}

/// The number of marks.
pub const MARKS: usize = Mark::ALL.len();

impl Mark {
    /// The mark of a decision.
    pub fn of(decision: &Decision) -> Self {
        match decision {
            Decision::Clamped { .. } => Mark::Clamped,
            Decision::Started { resumed: false, .. } => Mark::StartedFirst,
            Decision::Started { suspects: 0, .. } => Mark::StartedAgain,
            Decision::Started { .. } => Mark::StartedSuspects,
            Decision::RowUnreadable { .. } => Mark::RowUnreadable,
            Decision::Stopping { .. } => Mark::Stopping,
            Decision::Exiting(exit) => match exit {
                Exit::InStep => Mark::ExitInStep,
                Exit::Partial => Mark::ExitPartial,
                Exit::Unauthorized => Mark::ExitUnauthorized,
                Exit::Unavailable => Mark::ExitUnavailable,
                Exit::Halted => Mark::ExitHalted,
                Exit::Stopped => Mark::ExitStopped,
                Exit::Stuck => Mark::ExitStuck,
            },
            Decision::Stuck { what: Port::Disk, .. } => Mark::StuckDisk,
            Decision::Stuck { what: Port::Store, .. } => Mark::StuckStore,
            Decision::GatePaused { .. } => Mark::GatePaused,
            Decision::Breaker { state: BreakerState::Open, .. } => Mark::BreakerOpen,
            Decision::Breaker { state: BreakerState::Closed, .. } => Mark::BreakerClosed,
            Decision::PositionTaken(Position::Origin) => Mark::PositionOrigin,
            Decision::PositionTaken(Position::After(_)) => Mark::PositionAfter,
            Decision::PositionTaken(Position::NoFeed) => Mark::PositionNoFeed,
            Decision::FeedLost { why: FeedLoss::CursorUnknown } => Mark::LostUnknown,
            Decision::FeedLost { why: FeedLoss::StartedAgain } => Mark::LostAgain,
            Decision::FeedLost { why: FeedLoss::Forbidden } => Mark::LostForbidden,
            Decision::FeedLost { why: FeedLoss::Silent } => Mark::LostSilent,
            Decision::StreamOpen => Mark::StreamOpen,
            Decision::StreamDown { .. } => Mark::StreamDown,
            Decision::FilesFirst => Mark::FilesFirst,
            Decision::ExportBegun { .. } => Mark::ExportBegun,
            Decision::ExportYields { why, .. } => match why {
                Yield::TimeUp(_) => Mark::YieldsTime,
                Yield::Failed(_) => Mark::YieldsFailed,
                Yield::Empty => Mark::YieldsEmpty,
                Yield::Short { .. } => Mark::YieldsShort,
                Yield::BelowTotal { .. } => Mark::YieldsBelow,
                Yield::Uncounted { .. } => Mark::YieldsUncounted,
                Yield::Interrupted => Mark::YieldsInterrupted,
            },
            Decision::ExportBelieved { .. } => Mark::ExportBelieved,
            Decision::TraversalBegun { resumed: false, .. } => Mark::TraversalBegun,
            Decision::TraversalBegun { resumed: true, .. } => Mark::TraversalResumed,
            Decision::PageAgain { .. } => Mark::PageAgain,
            Decision::DirectoryGone { .. } => Mark::DirectoryGone,
            Decision::CursorForgotten { .. } => Mark::CursorForgotten,
            Decision::ListingBelieved { .. } => Mark::ListingBelieved,
            Decision::ListingDoubted { why, .. } => match why {
                Doubtful::Empty => Mark::DoubtedEmpty,
                Doubtful::Short { .. } => Mark::DoubtedShort,
                Doubtful::BelowTotal { .. } => Mark::DoubtedBelow,
                Doubtful::Hollow { .. } => Mark::DoubtedHollow,
                Doubtful::Missing { .. } => Mark::DoubtedMissing,
            },
            Decision::ListingConfirmed { .. } => Mark::ListingConfirmed,
            Decision::ListingRefuted { .. } => Mark::ListingRefuted,
            Decision::MissingTwice { .. } => Mark::MissingTwice,
            Decision::WatchdogFired { answered: true, .. } => Mark::WatchdogAnswered,
            Decision::WatchdogFired { answered: false, .. } => Mark::WatchdogSilent,
            Decision::InStep { .. } => Mark::InStep,
            Decision::Did { did, .. } => match did {
                Did::Placed => Mark::DidPlace,
                Did::Adopted => Mark::DidAdopt,
                Did::Trashed => Mark::DidTrash,
                Did::SetAside => Mark::DidSetAside,
                Did::Merged => Mark::DidMerge,
            },
            Decision::Kept { .. } => Mark::Kept,
            Decision::NeverCame { .. } => Mark::NeverCame,
            Decision::SetAside { tries: 0 | 1, .. } => Mark::AsideFirst,
            Decision::SetAside { .. } => Mark::AsideAgain,
            Decision::NotSeen { .. } => Mark::NotSeen,
            Decision::Woke { .. } => Mark::Woke,
            Decision::WithoutModes { .. } => Mark::WithoutModes,
            Decision::NameRefused { .. } => Mark::NameRefused,
            Decision::DiskPaused { .. } => Mark::DiskPaused,
            Decision::TooLarge { .. } => Mark::TooLarge,
            Decision::Sending { .. } => Mark::Sending,
            Decision::Sent { .. } => Mark::Sent,
            Decision::SentTooLate { .. } => Mark::SentTooLate,
            Decision::PushRefused { .. } => Mark::PushRefused,
            Decision::Bisected { .. } => Mark::Bisected,
            Decision::WriteDenied { .. } => Mark::WriteDenied,
            Decision::DeadLetter { .. } => Mark::DeadLetter,
            Decision::LetterOver { .. } => Mark::LetterOver,
            Decision::LetterAgain { .. } => Mark::LetterAgain,
            Decision::NothingToSend { .. } => Mark::NothingToSend,
            Decision::Discarded { .. } => Mark::Discarded,
            Decision::ReceiptLost { .. } => Mark::ReceiptLost,
            Decision::Braked(Brake::MaxUnlink { .. }) => Mark::BrakeUnlinks,
            Decision::Braked(Brake::RootLost { .. }) => Mark::BrakeRoot,
            Decision::Braked(Brake::MaxDelete { .. }) => Mark::BrakeDeletes,
            Decision::Braked(Brake::Frontier { .. }) => Mark::BrakeFrontier,
            Decision::Braked(Brake::Forbidden { .. }) => Mark::BrakeForbidden,
            Decision::Braked(Brake::Unreadable { .. }) => Mark::BrakeUnreadable,
        }
    }

    /// The mark of a rule of the plan.
    pub fn of_rule(rule: Rule) -> Self {
        match rule {
            Rule::WriteDenied => Mark::RuleWriteDenied,
            Rule::DeadLetter => Mark::RuleDeadLetter,
            Rule::TooLarge => Mark::RuleTooLarge,
            Rule::GivenUp => Mark::RuleGivenUp,
            Rule::InStep => Mark::RuleInStep,
            Rule::LocalUnknown => Mark::RuleLocalUnknown,
            Rule::RemoteUnknown => Mark::RuleRemoteUnknown,
            Rule::OddInTheWay => Mark::RuleOdd,
            Rule::Mode => Mark::RuleMode,
            Rule::Suspect => Mark::RuleSuspect,
            Rule::EqualBytes => Mark::RuleEqualBytes,
            Rule::GoneOnBoth => Mark::RuleGoneOnBoth,
            Rule::RemoteNew => Mark::RuleRemoteNew,
            Rule::RemoteMoved => Mark::RuleRemoteMoved,
            Rule::RemoteDeleted => Mark::RuleRemoteDeleted,
            Rule::MaxDelete => Mark::RuleMaxDelete,
            Rule::LocalMissing => Mark::RuleLocalMissing,
            Rule::LocalMoved => Mark::RuleLocalMoved,
            Rule::LocalDeleted => Mark::RuleLocalDeleted,
            Rule::LocalOnly => Mark::RuleLocalOnly,
            Rule::RemoteOnly => Mark::RuleRemoteOnly,
            Rule::BothMoved => Mark::RuleBothMoved,
            Rule::EditOverDelete => Mark::RuleEditOverDelete,
            Rule::DeleteUnderEdit => Mark::RuleDeleteUnderEdit,
        }
    }
}
