//! The stream: a WebSocket that tells events as they happen, small files included.

use std::io::Write;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use landfall_core::event::{Event, Fetched, Part};
use landfall_core::fault::{Blame, Fault};
use landfall_core::hash::ContentHash;
use landfall_core::id::{BlobId, EventId, Revision};
use landfall_core::wire::{ErrorBody, FeedEvent};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, RETRY_AFTER};
use tokio_tungstenite::tungstenite::http::{HeaderValue, Response};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::Attempt;
use super::answer::Failed;
use super::request::retry_after;

/// The machine counts on it, see [`Request::Stream`](landfall_core::effect::Request::Stream).
const PING: Duration = Duration::from_secs(10);

/// A message is never longer. Content comes inline up to 1 MiB, in base64 and escaped.
const MESSAGE_MAX: usize = 8 * 1024 * 1024;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A message of the server.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    #[serde(flatten)]
    event: FeedEvent,
    #[serde(default)]
    inline_content: bool,
    content: Option<String>,
    encoding: Option<String>,
}

impl Attempt {
    /// Opens the stream and tells what comes, until it ends.
    pub(super) async fn stream(self, after: Option<EventId>) -> Result<(), Failed> {
        let mut socket = self.open(after.as_ref()).await?;
        self.tell(Part::Opened).await?;
        let mut ping = interval(PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut blobs = 0;
        loop {
            let message = tokio::select! {
                message = socket.next() => message,
                _ = ping.tick() => {
                    socket.send(Message::Ping(Vec::new().into())).await.map_err(broken)?;
                    continue;
                }
            };
            match message {
                Some(Ok(Message::Text(text))) => {
                    let told: Told =
                        serde_json::from_str(&text).map_err(|_| Failed::malformed())?;
                    self.take_event(told, &mut blobs).await?;
                }
                Some(Ok(Message::Pong(_))) => self.tell(Part::Alive).await?,
                Some(Ok(Message::Close(frame))) => return Err(closed(frame.as_ref())),
                Some(Ok(_)) => {}
                Some(Err(why)) => return Err(broken(why)),
                None => return Err(Failed::new(Blame::Lane, Fault::Link)),
            }
        }
    }

    async fn open(&self, after: Option<&EventId>) -> Result<Socket, Failed> {
        let token = self.target.token()?;
        let mut url = self.url(&["fs", "ws"])?;
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        url.set_scheme(scheme).map_err(|()| no_link())?;
        {
            let mut query = url.query_pairs_mut();
            match after {
                Some(id) => query.append_pair("cursor", &id.0),
                None => query.append_pair("from", "now"),
            };
            if let Some(token) = &token {
                query.append_pair("token", token);
            }
        }
        let mut request = url.as_str().into_client_request().map_err(|_| no_link())?;
        let headers = request.headers_mut();
        let correlation = format!("landfall-{}", self.call);
        headers.insert(
            "x-correlation-id",
            HeaderValue::from_str(&correlation).map_err(|_| no_link())?,
        );
        if let Some(token) = &token {
            let mut value =
                HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| no_link())?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_MAX))
            .max_frame_size(Some(MESSAGE_MAX));
        match connect_async_with_config(request, Some(config), true).await {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(response)) => Err(refused(&response)),
            // Its text may hold the address, and that the token.
            Err(_) => Err(no_link()),
        }
    }

    async fn take_event(&self, told: Told, blobs: &mut u32) -> Result<(), Failed> {
        if told.event.kind == "pong" {
            return self.tell(Part::Alive).await;
        }
        if told.event.event_id.is_empty() {
            return Ok(());
        }
        self.credit().await?;
        let blob = BlobId { call: self.call, part: *blobs };
        let content = told.content.filter(|_| told.inline_content);
        let event = told.event;
        let Some(content) = content else {
            self.hand_over(Part::Event { event, inline: None });
            return Ok(());
        };
        *blobs += 1;
        let this = self.clone();
        // It touches the disk, and it has to come to its end even if nobody listens any more.
        let staged = tokio::task::spawn_blocking(move || {
            let bytes = match told.encoding.as_deref() {
                Some("base64") => STANDARD.decode(content).map_err(|_| Failed::malformed())?,
                _ => content.into_bytes(),
            };
            let inline = this.stage_inline(&event, blob, &bytes)?;
            if this.credit.is_closed() {
                this.stage.discard(blob)?;
                return Ok(());
            }
            this.hand_over(Part::Event { event, inline });
            Ok(())
        });
        staged.await.unwrap_or_else(|_| Err(no_link()))
    }

    /// Stages bytes that came with an event. Other bytes than the event says are not kept: the
    /// file is read by itself.
    fn stage_inline(
        &self,
        event: &FeedEvent,
        blob: BlobId,
        bytes: &[u8],
    ) -> Result<Option<Fetched>, Failed> {
        let mut staged = self.stage.begin(blob)?;
        staged.write_all(bytes)?;
        let (hash, size) = staged.finish();
        let said = event.content_hash.as_deref().and_then(ContentHash::parse);
        if said.is_some_and(|said| said != hash) {
            self.stage.discard(blob)?;
            return Ok(None);
        }
        let revision = Revision(event.revision.as_str().into());
        Ok(Some(Fetched { path: event.path.clone(), revision, hash, size, blob }))
    }

    async fn tell(&self, part: Part) -> Result<(), Failed> {
        self.credit().await?;
        self.hand_over(part);
        Ok(())
    }

    /// Waits until the machine takes one more. Meanwhile nothing is read from the socket.
    pub(super) async fn credit(&self) -> Result<(), Failed> {
        let permit = self.credit.acquire().await.map_err(|_| no_link())?;
        permit.forget();
        Ok(())
    }

    pub(super) fn hand_over(&self, part: Part) {
        let _ = self.events.send(Event::Part { call: self.call, part });
    }
}

fn no_link() -> Failed {
    Failed::new(Blame::Unknown, Fault::Link)
}

fn broken(_: Error) -> Failed {
    Failed::new(Blame::Lane, Fault::Link)
}

/// 1013 says that the server dropped events because we were too slow.
fn closed(frame: Option<&CloseFrame>) -> Failed {
    let why = match frame.map(|frame| frame.code) {
        Some(CloseCode::Again) => Fault::Overloaded,
        _ => Fault::Link,
    };
    Failed::new(Blame::Lane, why)
}

fn refused(response: &Response<Option<Vec<u8>>>) -> Failed {
    let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = header.and_then(|value| retry_after(value, SystemTime::now()));
    let body = response.body().as_deref().unwrap_or_default();
    let error: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
    let (blame, why) = Fault::classify(response.status().as_u16(), &error.code, &error.message);
    Failed { blame, why, retry_after }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_has_null_for_a_word_does_not_end_the_stream() {
        let told = r#"{"eventId":"evt_9","type":"file.deleted","path":"/a","revision":null}"#;
        let told: Told = serde_json::from_str(told).unwrap();
        assert_eq!((told.event.event_id.as_str(), told.event.revision.as_str()), ("evt_9", ""));
        let pong: Told = serde_json::from_str(r#"{"type":"pong"}"#).unwrap();
        assert_eq!(pong.event.kind, "pong");
    }
}
