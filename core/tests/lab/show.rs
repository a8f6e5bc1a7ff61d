//! Requests and answers in words.

use landfall_core::effect::{Push, Request};
use landfall_core::event::Answer;

/// A request, as the story tells it.
pub fn show(request: &Request) -> String {
    match request {
        Request::Tip => "tip".into(),
        Request::Events { after: None, .. } => "events from the oldest".into(),
        Request::Events { after: Some(id), .. } => format!("events after {id}"),
        Request::Stream { after: None } => "stream from now".into(),
        Request::Stream { after: Some(id) } => format!("stream after {id}"),
        Request::Export { path } => format!("export {path}"),
        Request::Tree { path, depth, cursor: None } => format!("tree {path} depth {depth}"),
        Request::Tree { path, depth, cursor: Some(cursor) } => {
            format!("tree {path} depth {depth} from {cursor}")
        }
        Request::Read { path } => format!("read {path}"),
        Request::ReadMany { paths } => {
            let paths: Vec<String> = paths.iter().map(|path| path.to_string()).collect();
            format!("read-many {}", paths.join(" "))
        }
        Request::PushMany { files } => {
            let files: Vec<String> = files.iter().map(pushed).collect();
            format!("bulk {}", files.join(", "))
        }
        Request::Push(file) => format!("put {}", pushed(file)),
        Request::PushDelete { path, base, .. } => format!("delete {path} if {base}"),
        Request::Op { op } => format!("op {op}"),
    }
}

fn pushed(file: &Push) -> String {
    let base = file.base.as_ref().map_or("0".to_string(), |base| base.to_string());
    format!("{} v{} if {base}", file.path, file.hash.0[0])
}

/// An answer, as the story tells it.
pub fn show_answer(answer: &Answer) -> String {
    match answer {
        Answer::Tip(Some(id)) => format!("the tip is {id}"),
        Answer::Tip(None) => "the feed is empty".into(),
        Answer::Events { events, .. } => format!("{} events", events.len()),
        Answer::Exported => "the export is complete".into(),
        other => format!("{other:?}"),
    }
}
