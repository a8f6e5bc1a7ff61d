//! `landfall writeback retry` and `discard`: gives an order, waits for what comes of it, and
//! says so.

use std::fmt::Write;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use landfall_core::id::CommandId;
use landfall_core::path::Shown;
use tokio::time::sleep;

use super::letter::{Letter, is_safe};
use super::orders::{Answer, Orders, Wish};
use super::view::View;
use crate::exit;
use crate::report::quoted;
use crate::store::StoreError;

/// How long the mount is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often the database is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(100);

/// Why an order could not be given.
#[derive(Debug, thiserror::Error)]
pub enum TellError {
    /// The name can not be one.
    #[error("invalid opId `{}`: it is empty, too long, begins with a dot or has a / or \\ in it", Shown(.0))]
    Invalid(String),
    /// There is no such dead letter.
    #[error("unknown dead-letter op \"{}\". `landfall writeback list --state dead` names them", Shown(.0))]
    Unknown(String),
    /// There is no such change at all.
    #[error("unknown op \"{}\": nothing of that name waits. It may have been delivered; `landfall writeback list` names what waits", Shown(.0))]
    NotThere(String),
    /// The order can not be written.
    #[error(
        "the order can not be written to {0}/.relay/orders: {1}. Check that you may write there and that the disk has room"
    )]
    Order(String, io::Error),
    /// The database can not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl TellError {
    /// The documented exit code.
    pub fn code(&self) -> u8 {
        match self {
            TellError::Invalid(_) => exit::USAGE,
            _ => exit::FAILED,
        }
    }
}

/// A name as it may be given on the command line.
///
/// # Errors
/// If it can be none.
pub fn op_name(op: &str) -> Result<&str, TellError> {
    if is_safe(op) { Ok(op) } else { Err(TellError::Invalid(op.to_owned())) }
}

/// What is wanted of a dead letter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Want {
    /// Send it again.
    Retry,
    /// Give it up.
    Discard,
}

/// What came of it.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Fate {
    Delivered,
    Discarded,
    /// Refused again; under a new name.
    Again(Letter),
    Nothing,
    /// On its way, refused so often since.
    OnItsWay(u32),
    Waiting,
}

/// Orders something of one dead letter, or of all. Answers what to say, and the exit code.
///
/// # Errors
/// If there is no such letter, or the order can not be given.
pub async fn tell(root: &Path, op: Option<&str>, want: Want) -> Result<(String, u8), TellError> {
    let view = View::read(root)?;
    let letters = match op {
        None => view.dead(),
        Some(op) => {
            let letter = view.letter(op_name(op)?);
            vec![letter.ok_or_else(|| TellError::Unknown(op.to_owned()))?]
        }
    };
    if letters.is_empty() {
        return Ok((String::from("there are no dead letters\n"), exit::OK));
    }
    if want == Want::Retry && view.running && !view.sends() {
        let text = "NOTHING WAS SENT: the mount that runs only pulls. Start it with \
                    --sync-mode mirror\n";
        return Ok((text.into(), exit::PARTIAL));
    }
    let commands: Vec<CommandId> = letters.iter().map(|letter| letter.command.clone()).collect();
    let wish = match want {
        Want::Retry => Wish::Retry { commands },
        Want::Discard => Wish::Discard { commands },
    };
    let orders = Orders::of(root);
    let dir = root.display().to_string();
    let given = orders.give(&wish).map_err(|why| TellError::Order(dir.clone(), why))?;
    let mut text = String::new();
    for letter in &letters {
        let what = if want == Want::Retry { "Retry" } else { "Discard" };
        let _ = writeln!(text, "{what} queued for op {}", Shown(&letter.op_id));
    }
    if !view.running {
        let _ = writeln!(
            text,
            "no mount keeps {dir} now: the next `landfall mount --local-dir {}` carries it out",
            quoted(&dir)
        );
        return Ok((text, exit::OK));
    }
    let since = Instant::now();
    let mut answer = Answer::default();
    let fates = loop {
        let now = View::read(root)?;
        if let Some(given) = orders.take_answer(&given) {
            answer = given;
        }
        let fates: Vec<Fate> =
            letters.iter().map(|letter| fate(letter, want, &now, &answer)).collect();
        let goes_on = |fate: &Fate| matches!(fate, Fate::OnItsWay(_) | Fate::Waiting);
        if !fates.iter().any(goes_on) || since.elapsed() > PATIENCE || !now.running {
            break fates;
        }
        sleep(LOOK).await;
    };
    let mut code = exit::OK;
    for (letter, fate) in letters.iter().zip(&fates) {
        if matches!(fate, Fate::Again(_) | Fate::Nothing) {
            code = exit::PARTIAL;
        }
        say(&mut text, letter, fate);
    }
    Ok((text, code))
}

fn fate(letter: &Letter, want: Want, now: &View, answer: &Answer) -> Fate {
    let command = &letter.command;
    if !now.letters.contains_key(command) {
        // Under a new name, because it was a new attempt.
        let newer = now.dead().into_iter().find(|newer| {
            newer.path == letter.path && newer.hash == letter.hash && newer.ts >= letter.ts
        });
        return match newer {
            Some(newer) if want == Want::Retry => Fate::Again(newer),
            _ if answer.discarded.contains(command) || want == Want::Discard => Fate::Discarded,
            _ => Fate::Delivered,
        };
    }
    if answer.nothing.contains(command) {
        return Fate::Nothing;
    }
    match now.intent(&letter.path) {
        Some(intent) if want == Want::Retry => Fate::OnItsWay(intent.failures),
        _ => Fate::Waiting,
    }
}

fn say(text: &mut String, letter: &Letter, fate: &Fate) {
    let (op, path) = (Shown(&letter.op_id), Shown(&letter.path));
    let line = match fate {
        Fate::Delivered => format!("delivered: {path}"),
        Fate::Discarded => format!("discarded: {op}. What is at {path} here stays here, unsent"),
        Fate::Again(newer) => {
            let status = match newer.last_status {
                0 => String::new(),
                status => format!(" with status {status}"),
            };
            let (said, op) = (Shown(&newer.last_body), Shown(&newer.op_id));
            format!("REFUSED AGAIN{status}: {path}: {said}\nit is the dead letter {op} now")
        }
        Fate::Nothing => format!(
            "NOTHING WAS SENT for {op}: {path} is something else by now, here (then that is sent by \
             itself) or on the server (then nothing overwrites it). `landfall writeback show {op}` says where the old content is kept; \
             `landfall writeback discard {op}` gives that up"
        ),
        Fate::OnItsWay(0) => format!("on its way: {path}. `landfall writeback list` says how far"),
        Fate::OnItsWay(n) => format!("on its way: {path}, refused {n} times since and tried again"),
        Fate::Waiting => format!(
            "not carried out yet: {op}. The order stays in .relay/orders until the mount takes it; \
             `landfall status` says what keeps it"
        ),
    };
    let _ = writeln!(text, "{line}");
}
