//! What an action is called.

use landfall_core::effect::{DiskOp, Request};

use super::actions::{Action, Fate, Left, With};
use super::world::{Op, Tiny};

/// One sentence, told before it happens.
pub fn words(world: &Tiny, action: Action) -> String {
    let name = |file: usize| world.scene.names[file];
    match action {
        Action::Answer { ask, at, with } => {
            let asked = &world.asks[ask];
            answer(&request(&asked.request, asked.rest.is_some()), at, with, world)
        }
        Action::Do { op, with } => {
            let what = operation(&world.ops[op]);
            match with {
                Fate::Well => format!("The disk: {what}."),
                Fate::Full => format!("The disk is full: {what} fails."),
                Fate::Denied => format!("The disk denies it: {what} fails."),
                Fate::Window => format!("A person saves the file during this: {what}."),
            }
        }
        Action::Store { all: true } => "Everything that was committed becomes durable.".into(),
        Action::Store { all: false } => "The oldest commit becomes durable.".into(),
        Action::Wake => match world.machine.next_wake() {
            Some((at, _)) => format!("{} pass.", at - world.now),
            None => "Nothing is waited for.".into(),
        },
        Action::Slow => match world.machine.next_wake() {
            Some((at, _)) => format!("{} pass, and no answer has come yet.", at - world.now),
            None => "No answer has come yet.".into(),
        },
        Action::Outage => "For five minutes no request is answered.".into(),
        Action::Edit { file, delete: false } => {
            format!("The other client changes {} (evt_{}).", name(file), world.tip() + 1)
        }
        Action::Edit { file, delete: true } => {
            format!("The other client deletes {} (evt_{}).", name(file), world.tip() + 1)
        }
        Action::Person { file, delete: false } => format!("A person saves {}.", name(file)),
        Action::Person { file, delete: true } => format!("A person deletes {}.", name(file)),
        Action::Deny { file } => format!("From now on {} may not be read (403).", name(file)),
        Action::Kill => format!("kill -9, and the process starts again (run {}).", world.run + 1),
        Action::Power(left) => {
            let what = match left {
                Left::Before => "what was not sealed never happened",
                Left::Torn => "what was not sealed is torn",
                Left::All => "everything survived",
            };
            format!("The power fails, {what}, and the process starts again.")
        }
        Action::Term => "SIGTERM.".into(),
    }
}

fn answer(request: &str, at: u8, with: With, world: &Tiny) -> String {
    let as_of = match at == world.tip() {
        true => String::new(),
        false => format!(", as of evt_{at}"),
    };
    match with {
        With::Well => format!("{request} is answered{as_of}."),
        With::Cut => format!("{request} is cut off before its end."),
        With::Link => format!("The link breaks under this: {request}."),
        With::Throttled => format!("{request} is answered with 429, Retry-After 5 s."),
        With::Silent => format!("{request} is never answered."),
        With::Empty { count: true } => {
            format!("{request} shows nothing, though the server counts its files.")
        }
        With::Empty { count: false } => format!("{request} shows nothing and counts nothing."),
        With::Short { file, count } => {
            let counted = if count { "though the server counts it" } else { "nor counts it" };
            format!("{request} does not show {}, {counted}.", world.scene.names[file])
        }
        With::NotFound => format!("{request} is answered with 404."),
        With::Oldest => format!("{request} is answered with the oldest event first."),
        With::Stale => format!("{request} is answered with the version before."),
    }
}

fn request(request: &Request, begun: bool) -> String {
    match request {
        Request::Tip => "The request for the newest event".into(),
        Request::Events { after: Some(after), .. } => {
            format!("The request for events after {after}")
        }
        Request::Events { after: None, .. } => "The request for all events".into(),
        Request::Export { .. } if begun => "The export, the next part of it,".into(),
        Request::Export { .. } => "The export".into(),
        Request::Tree { depth: 1, .. } => "The request for the count".into(),
        Request::Tree { .. } => "The listing".into(),
        Request::Read { path } => format!("The read of {path}"),
        Request::ReadMany { paths } => format!("The read of {} files at once", paths.len()),
        Request::Stream { .. } => "The stream".into(),
        Request::PushMany { .. }
        | Request::Push(_)
        | Request::PushDelete { .. }
        | Request::Op { .. } => "A write".into(),
    }
}

fn operation(op: &Op) -> String {
    match &op.op {
        DiskOp::Root => "the root is looked at".into(),
        DiskOp::Stage { path, .. } => format!("{path} is copied to the stage"),
        DiskOp::Clean { .. } => "the stage is cleaned".into(),
        DiskOp::Scan { .. } => "the directory is read".into(),
        DiskOp::Look { path, .. } => format!("{path} is looked at"),
        DiskOp::Place { path, .. } => format!("{path} is placed"),
        DiskOp::Remove { path, .. } => format!("{path} is moved away"),
        DiskOp::Drop { .. } => "a blob is dropped".into(),
        DiskOp::Seal => "everything is sealed".into(),
    }
}
