//! Writes: what is staged goes into the body of a request, piece by piece.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream;
use landfall_core::effect::{Push, Request};
use landfall_core::event::{Answer, Event, Outcome, Part};
use landfall_core::fault::{Blame, Fault};
use landfall_core::id::{CallId, CommandId, Revision};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, IF_MATCH};
use reqwest::{Body, RequestBuilder, Response, StatusCode};
use serde_json::json;
use tokio::sync::mpsc::{Sender, UnboundedSender, channel};

use super::Attempt;
use super::answer::Failed;
use super::content::{Content, content_type, inspect};
use super::request::{CORRELATION, Refusal, refusal, segment};
use crate::disk::Stage;
use crate::seldom::Seldom;

/// How much of a body is handed to the connection at once.
const CHUNK: usize = 64 * 1024;

/// Well below the machine's patience.
pub(super) const PULSE: Duration =
    if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(5) };

/// Chunks that wait for the connection.
const CHUNKS: usize = 4;

/// How long the server knows a command again: a week.
const IDENTITY_TTL: u64 = 604_800;

/// What is expected of a file that is to be new.
const NOTHING: &str = "0";

/// A file that can be sent.
type Ready = (Push, Content);

/// One after the other they are a body.
enum Piece {
    Json(String),
    Content(Content),
}

impl Attempt {
    /// `POST fs/bulk`. A file whose copy is lost is refused here, and the others are sent.
    pub(super) async fn push_many(self, files: Vec<Push>) -> Result<(), Failed> {
        let (mut ready, mut refused) = (Vec::new(), Vec::new());
        for (push, content) in self.inspected(files).await? {
            match content {
                Ok(content) => ready.push((push, content)),
                Err(failed) => refused.push((push.path, failed)),
            }
        }
        if ready.is_empty() && refused.len() == 1 {
            return Err(refused.remove(0).1);
        }
        for (path, Failed { blame, why, .. }) in refused {
            self.credit().await?;
            self.hand_over(Part::Refused { path: path.to_string(), blame, why });
        }
        let Some((first, _)) = ready.first() else {
            return Err(Failed::new(Blame::Payload, Fault::BlobLost));
        };
        let mut correlation = segment(&first.command.0).to_string();
        if ready.len() > 1 {
            correlation.push_str(&format!("+{}", ready.len() - 1));
        }
        let builder = self.client.post(self.url(&["fs", "bulk"])?);
        let builder = self.with_body(builder.header(CORRELATION, correlation), bulk(&ready));
        let response = self.sent(builder).await?;
        let response = match response.status().as_u16() {
            // An older server takes files one by one.
            404 | 405 | 501 => return Err(Failed::new(Blame::Payload, Fault::NotFound)),
            _ => self.written(response).await?,
        };
        let files = ready.into_iter().map(|(push, _)| push).collect();
        self.take_in(Request::PushMany { files }, response).await;
        Ok(())
    }

    /// `PUT fs/file`.
    pub(super) async fn push(self, push: Push) -> Result<(), Failed> {
        let Some((push, content)) = self.inspected(vec![push]).await?.pop() else {
            return Err(Failed::new(Blame::Payload, Fault::BlobLost));
        };
        let ready = (push, content?);
        let push = &ready.0;
        let builder = self.client.put(self.url(&["fs", "file"])?);
        let builder = builder.query(&[("path", push.path.as_str())]);
        let builder = builder
            .header(CORRELATION, correlation(&push.command))
            .header(IF_MATCH, if_match(push.base.as_ref())?);
        let builder = self.with_body(builder, one(&ready));
        let response = self.sent(builder).await?;
        let response = match (response.status(), &push.base) {
            // What was to be changed is not there any more.
            (StatusCode::NOT_FOUND, Some(_)) => {
                return Err(Failed::new(Blame::Payload, Fault::Conflict));
            }
            _ => self.written(response).await?,
        };
        self.take_in(Request::Push(ready.0), response).await;
        Ok(())
    }

    /// `DELETE fs/file`.
    pub(super) async fn push_delete(self, request: Request) -> Result<(), Failed> {
        let Request::PushDelete { command, path, base } = &request else {
            return Err(Failed::malformed());
        };
        let builder = self.client.delete(self.url(&["fs", "file"])?);
        let builder = builder
            .query(&[("path", path.as_str())])
            .header(CORRELATION, correlation(command))
            .header(IF_MATCH, if_match(Some(base))?);
        let response = self.sent(builder).await?;
        let response = self.written(response).await?;
        if response.status() == StatusCode::NO_CONTENT {
            let outcome = Outcome::Ok(Answer::Deleted { op: None });
            let _ = self.events.send(Event::Done { call: self.call, outcome });
            return Ok(());
        }
        self.take_in(request, response).await;
        Ok(())
    }

    /// Looks through the copies of files that are to be sent.
    async fn inspected(
        &self,
        files: Vec<Push>,
    ) -> Result<Vec<(Push, Result<Content, Failed>)>, Failed> {
        let stage = self.stage.clone();
        let inspected = tokio::task::spawn_blocking(move || {
            let look = |push: Push| {
                let content = match inspect(&stage, push.blob, push.hash) {
                    Ok(Some(content)) => Ok(content),
                    Ok(None) => Err(Failed::new(Blame::Payload, Fault::BlobLost)),
                    Err(why) => Err(Failed::from(why)),
                };
                (push, content)
            };
            files.into_iter().map(look).collect()
        });
        // It ends early only with the whole process.
        inspected.await.map_err(|_| Failed::new(Blame::Unknown, Fault::Cut))
    }

    /// The length is told, because not every proxy takes a body without.
    fn with_body(&self, builder: RequestBuilder, pieces: Vec<Piece>) -> RequestBuilder {
        let length: u64 = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Json(json) => json.len() as u64,
                Piece::Content(content) => content.length,
            })
            .sum();
        let body = body(self.stage.clone(), pieces, Pulse::new(self));
        builder.header(CONTENT_TYPE, "application/json").header(CONTENT_LENGTH, length).body(body)
    }

    /// An answer to a write, if it was accepted.
    async fn written(&self, response: Response) -> Result<Response, Failed> {
        if response.status().is_success() {
            return Ok(response);
        }
        let Refusal { status, code, message, other, retry_after } = refusal(response).await;
        let said = if code.is_empty() && message.is_empty() { other } else { message };
        let (blame, why) = Fault::classify_write(status, &code, &self.without_token(said));
        Err(Failed { blame, why, retry_after })
    }

    /// What a server says is kept and shown, and it may repeat what it was sent.
    pub(super) fn without_token(&self, said: String) -> String {
        match self.target.token() {
            Ok(Some(token)) if !token.is_empty() && said.contains(&token) => {
                said.replace(&token, "[token]")
            }
            _ => said,
        }
    }
}

fn correlation(command: &CommandId) -> String {
    segment(&command.0).to_string()
}

fn if_match(base: Option<&Revision>) -> Result<HeaderValue, Failed> {
    let base = base.map_or(NOTHING, |base| base.as_str());
    HeaderValue::from_str(base).map_err(|_| {
        let said = String::from("its revision does not fit a header");
        Failed::new(Blame::Payload, Fault::Rejected { status: 0, said })
    })
}

/// The body of `fs/bulk`.
fn bulk(files: &[Ready]) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(files.len() * 2 + 1);
    let mut before = String::from(r#"{"files":["#);
    for (push, content) in files {
        let mut fields = fields(push, content);
        fields["path"] = json!(push.path);
        fields["ifMatch"] = json!(push.base.as_ref().map_or(NOTHING, |base| &base.0));
        fields["contentIdentity"] =
            json!({"kind": "mount-command", "key": push.command.0, "ttlSeconds": IDENTITY_TTL});
        before.push_str(&open(&fields));
        pieces.push(Piece::Json(std::mem::take(&mut before)));
        pieces.push(Piece::Content(*content));
        before.push_str("\"},");
    }
    before.pop();
    before.push_str("]}");
    pieces.push(Piece::Json(before));
    pieces
}

/// The body of `PUT fs/file`.
fn one((push, content): &Ready) -> Vec<Piece> {
    let open = open(&fields(push, content));
    vec![Piece::Json(open), Piece::Content(*content), Piece::Json("\"}".into())]
}

fn fields(push: &Push, content: &Content) -> serde_json::Value {
    let mut fields = json!({ "contentType": content_type(push.path.as_str(), content.is_text) });
    if !content.is_text {
        fields["encoding"] = json!("base64");
    }
    fields
}

/// An object that goes on with its content. The content comes last, so that a reader knows
/// beforehand what to do with it.
fn open(fields: &serde_json::Value) -> String {
    let mut open = fields.to_string();
    open.pop();
    open.push_str(r#","content":""#);
    open
}

/// Signs of life of a body that goes out, so that a slow link is not taken for a dead one.
struct Pulse {
    events: UnboundedSender<Event>,
    call: CallId,
    told: Seldom,
}

impl Pulse {
    fn new(attempt: &Attempt) -> Self {
        let told = Seldom::told(Instant::now());
        Self { events: attempt.events.clone(), call: attempt.call, told }
    }

    /// The connection takes more.
    fn beat(&mut self) {
        if self.told.tells(PULSE, Instant::now()) {
            let _ = self.events.send(Event::Part { call: self.call, part: Part::Alive });
        }
    }
}

/// A body that is written on a thread that may block, as far as the connection takes it.
fn body(stage: Arc<Stage>, pieces: Vec<Piece>, mut pulse: Pulse) -> Body {
    let (sender, mut chunks) = channel(CHUNKS);
    tokio::task::spawn_blocking(move || {
        let mut chunks = Chunks { sender, chunk: Vec::with_capacity(CHUNK) };
        if let Err(why) = write(&stage, &pieces, &mut chunks) {
            // The body is cut, so that nobody takes it for a whole one.
            let _ = chunks.sender.blocking_send(Err(why));
        }
    });
    Body::wrap_stream(stream::poll_fn(move |cx| {
        pulse.beat();
        chunks.poll_recv(cx)
    }))
}

fn write(stage: &Stage, pieces: &[Piece], chunks: &mut Chunks) -> io::Result<()> {
    for piece in pieces {
        match piece {
            Piece::Json(json) => chunks.write_all(json.as_bytes())?,
            Piece::Content(content) => content.write(stage, &mut *chunks)?,
        }
    }
    chunks.hand_over()
}

/// The writing end of a body.
struct Chunks {
    sender: Sender<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
}

impl Chunks {
    fn hand_over(&mut self) -> io::Result<()> {
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        self.sender.blocking_send(Ok(chunk)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Chunks {
    /// Takes all of it: an encoder that is not rid of everything says that it took nothing.
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<usize> {
        let all = bytes.len();
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(CHUNK - self.chunk.len()));
            self.chunk.extend_from_slice(now);
            bytes = rest;
            if self.chunk.len() == CHUNK {
                self.hand_over()?;
            }
        }
        Ok(all)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
