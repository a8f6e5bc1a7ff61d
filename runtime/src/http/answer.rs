//! Good answers, parsed while they arrive.

use std::io::{self, Read};
use std::time::Duration;

use landfall_core::effect::Request;
use landfall_core::event::{Answer, Event, Outcome, Part};
use landfall_core::fault::{Blame, Fault};
use landfall_core::id::{BlobId, EventId};
use landfall_core::time::Ms;
use landfall_core::wire::{Events, Tree, TreeEntry};
use reqwest::Response;
use struson::reader::{JsonReader, JsonStreamReader, ReaderError, ValueType};
use struson::serde::DeserializerError;
use tokio::runtime::Handle;

use super::Attempt;
use super::body::{Body, BodyEnd, End};
use super::file::{FileObject, WholeFile};

/// Listings and pages of the feed are never larger.
const PAGE_MAX: u64 = 64 * 1024 * 1024;

/// A body of no more than this that is there at once is taken as a whole and parsed at a stretch,
/// which is several times as fast. A file is then parsed where it is: to wake a thread takes longer.
const SMALL: u64 = 16 * 1024;

/// The same for a page of a listing, of which a workspace has one under way.
const SMALL_PAGE: u64 = 1024 * 1024;

/// Names, revisions and cursors are never longer.
const STRING_MAX: u64 = 64 * 1024;

/// Entries of a listing that travel together.
const ENTRIES: usize = 64;

/// A call that failed.
#[derive(Debug)]
pub struct Failed {
    pub blame: Blame,
    pub why: Fault,
    pub retry_after: Option<Ms>,
}

impl Failed {
    pub fn new(blame: Blame, why: Fault) -> Self {
        Self { blame, why, retry_after: None }
    }

    pub fn malformed() -> Self {
        Self::new(Blame::Lane, Fault::Malformed)
    }
}

impl From<io::Error> for Failed {
    /// The stage failed.
    fn from(why: io::Error) -> Self {
        let why = crate::disk::fault(&why);
        let blame = if why.is_whole_disk() { Blame::Lane } else { Blame::Payload };
        Self::new(blame, why)
    }
}

impl From<ReaderError> for Failed {
    fn from(_: ReaderError) -> Self {
        Self::malformed()
    }
}

impl From<DeserializerError> for Failed {
    fn from(_: DeserializerError) -> Self {
        Self::malformed()
    }
}

pub(super) type Json = JsonStreamReader<Body>;

/// When an answer is complete but its body is not, so long is waited for the end of the body,
/// so that the connection can be used again.
const LINGER: Duration = Duration::from_secs(1);

impl Attempt {
    /// Takes a good answer in. The parser reports how it ended.
    pub(super) async fn take_in(self, request: Request, response: Response) {
        let limit = match request {
            Request::Export { .. } | Request::Read { .. } | Request::ReadMany { .. } => u64::MAX,
            _ => PAGE_MAX,
        };
        let small = if matches!(request, Request::Tree { .. }) { SMALL_PAGE } else { SMALL };
        let (receive, body) = Body::split(response, limit, small).await;
        let parser = Parser { attempt: self, handle: Handle::current(), end: body.end() };
        if matches!(request, Request::Read { .. })
            && parser.attempt.stage.has_room()
            && let Some(whole) = body.whole().and_then(WholeFile::parse)
        {
            // Nothing in it waits, and to wake a thread takes longer.
            let answer = parser.whole_file(whole).map(Answer::Read);
            return parser.last_word(answer);
        }
        let mut parse = tokio::task::spawn_blocking(move || parser.run(request, body));
        // If this task is cancelled, the receiving half goes with it, and the parser finds that
        // its input has ended. It does not end before the parser: as long as it runs, credit
        // finds its way.
        tokio::pin!(receive);
        tokio::select! {
            () = &mut receive => drop(parse.await),
            _ = &mut parse => {
                let _ = tokio::time::timeout(LINGER, receive).await;
            }
        }
    }
}

pub(super) struct Parser {
    pub attempt: Attempt,
    handle: Handle,
    /// How the body ended, if the parser came to its end.
    end: End,
}

impl Parser {
    /// Parses and has the last word about the call. What was staged and will not be handed
    /// over is removed here, on the one thread that knows about it.
    fn run(self, request: Request, body: Body) {
        let answer = self.parse(request, body);
        self.last_word(answer);
    }

    fn last_word(self, answer: Result<Answer, Failed>) {
        let outcome = match answer {
            Ok(answer) if self.attempt.credit.is_closed() => {
                if let Some(blob) = answer.blob() {
                    let _ = self.attempt.stage.discard(blob);
                }
                return;
            }
            Ok(answer) => Outcome::Ok(answer),
            Err(_) if self.attempt.credit.is_closed() => return,
            // Half of a good body is malformed only because it is half.
            Err(failed) if failed.why == Fault::Malformed => match self.end.get() {
                Some(BodyEnd::Cut) => Failed::new(Blame::Unknown, Fault::Cut).into(),
                Some(BodyEnd::TooLarge) => Failed::new(Blame::Payload, Fault::TooLarge).into(),
                None => failed.into(),
            },
            Err(failed) => failed.into(),
        };
        let _ = self.attempt.events.send(Event::Done { call: self.attempt.call, outcome });
    }

    fn parse(&self, request: Request, body: Body) -> Result<Answer, Failed> {
        if matches!(request, Request::Tree { .. })
            && let Some(tree) = body.whole().and_then(whole_object::<Tree>)
            && tree.next_cursor.as_ref().is_none_or(|text| text.len() as u64 <= STRING_MAX)
        {
            return self.whole_tree(tree);
        }
        let mut json = JsonStreamReader::new(body);
        match request {
            Request::Tip => {
                let page: Events = json.deserialize_next()?;
                let newest = page.events.into_iter().next();
                Ok(Answer::Tip(newest.map(|event| EventId(event.event_id))))
            }
            Request::Events { .. } => {
                let page: Events = json.deserialize_next()?;
                Ok(Answer::Events { events: page.events, next: page.next_cursor })
            }
            Request::Tree { .. } => self.tree(&mut json),
            Request::Export { .. } => {
                self.files(&mut json)?;
                Ok(Answer::Exported)
            }
            Request::ReadMany { .. } => {
                json.begin_object()?;
                while json.has_next()? {
                    match json.next_name()? {
                        "files" => self.files(&mut json)?,
                        _ => json.skip_value()?,
                    }
                }
                json.end_object()?;
                Ok(Answer::ReadMany)
            }
            Request::Read { .. } => match self.file(&mut json, self.blob(0), true)? {
                FileObject::File(fetched) => Ok(Answer::Read(fetched)),
                FileObject::Refused { .. } => Err(Failed::malformed()),
            },
            Request::PushMany { .. } => self.wrote_many(&mut json),
            Request::Push(_) => self.wrote(&mut json),
            Request::PushDelete { .. } => self.deleted(&mut json),
            Request::Op { .. } => self.op(&mut json),
            Request::Stream { .. } => Err(Failed::malformed()),
        }
    }

    fn tree(&self, json: &mut Json) -> Result<Answer, Failed> {
        let (mut next, mut total) = (None, None);
        json.begin_object()?;
        while json.has_next()? {
            match json.next_name_owned()?.as_str() {
                "entries" => self.entries(json)?,
                "nextCursor" => next = short_string(json)?,
                "totalFiles" => match json.peek()? {
                    ValueType::Number => total = json.next_number::<u64>()?.ok(),
                    _ => json.skip_value()?,
                },
                _ => json.skip_value()?,
            }
        }
        json.end_object()?;
        Ok(Answer::Listed { next, total })
    }

    fn whole_tree(&self, tree: Tree) -> Result<Answer, Failed> {
        let mut rest = tree.entries.into_iter();
        while rest.len() > 0 {
            self.send_entries(&mut rest.by_ref().take(ENTRIES).collect())?;
        }
        Ok(Answer::Listed { next: tree.next_cursor, total: tree.total_files })
    }

    fn entries(&self, json: &mut Json) -> Result<(), Failed> {
        let mut entries = Vec::with_capacity(ENTRIES);
        let read = self.entries_until(json, &mut entries);
        // What arrived before a cut is good.
        self.send_entries(&mut entries)?;
        read
    }

    fn entries_until(&self, json: &mut Json, entries: &mut Vec<TreeEntry>) -> Result<(), Failed> {
        json.begin_array()?;
        while json.has_next()? {
            entries.push(json.deserialize_next()?);
            if entries.len() == ENTRIES {
                self.send_entries(entries)?;
            }
        }
        json.end_array()?;
        Ok(())
    }

    fn send_entries(&self, entries: &mut Vec<TreeEntry>) -> Result<(), Failed> {
        if entries.is_empty() {
            return Ok(());
        }
        self.credit()?;
        self.send(Part::Entries(std::mem::take(entries)));
        Ok(())
    }

    /// An array of files, each handed over as soon as it is staged.
    fn files(&self, json: &mut Json) -> Result<(), Failed> {
        json.begin_array()?;
        let mut blobs = 0;
        while json.has_next()? {
            // Without credit nothing more is staged.
            self.credit()?;
            match self.file(json, self.blob(blobs), false)? {
                FileObject::File(fetched) => {
                    blobs += 1;
                    self.send(Part::File(fetched));
                }
                FileObject::Refused { path, blame, why } => {
                    self.send(Part::Refused { path, blame, why });
                }
            }
        }
        json.end_array()?;
        Ok(())
    }

    pub(super) fn blob(&self, part: u32) -> BlobId {
        BlobId { call: self.attempt.call, part }
    }

    /// Waits for credit. It ends when the machine stops listening.
    pub(super) fn credit(&self) -> Result<(), Failed> {
        match self.handle.block_on(self.attempt.credit.acquire()) {
            Ok(permit) => {
                permit.forget();
                Ok(())
            }
            Err(_) => Err(Failed::new(Blame::Unknown, Fault::Cut)),
        }
    }

    pub(super) fn send(&self, part: Part) {
        let _ = self.attempt.events.send(Event::Part { call: self.attempt.call, part });
    }
}

/// An object that is here as a whole. `None` for whatever is odd in it, which is then read piece by
/// piece.
pub(super) fn whole_object<'b, T: serde::Deserialize<'b>>(body: &'b [u8]) -> Option<T> {
    // An array would be taken for the values of the fields.
    let is_object = body.trim_ascii_start().first() == Some(&b'{');
    is_object.then(|| serde_json::from_slice(body).ok())?
}

/// A string that is no content. `null` and what is no string count as absent.
pub(super) fn short_string(json: &mut Json) -> Result<Option<String>, Failed> {
    if json.peek()? != ValueType::String {
        json.skip_value()?;
        return Ok(None);
    }
    let mut reader = json.next_string_reader()?;
    let mut text = String::new();
    reader.by_ref().take(STRING_MAX).read_to_string(&mut text).map_err(|_| Failed::malformed())?;
    // The reader has to be read to its end before the next value.
    match reader.read(&mut [0; 1]).map_err(|_| Failed::malformed())? {
        0 => Ok(Some(text)),
        _ => Err(Failed::malformed()),
    }
}
