//! `fs/ws`: events as they happen, small files included.

use std::sync::Arc;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use axum::extract::{FromRequestParts, Request, WebSocketUpgrade};
use axum::response::Response;
use landfall_core::id::EventId;
use landfall_reference::script::{Ask, Damage, FeedFault, Script};
use landfall_reference::server::{Refusal, Server};

use super::json;
use super::state::Shared;
use super::visit::Visit;

/// Larger files are told without their content.
const INLINE_MAX: usize = 1024 * 1024;

/// Without a cursor so many events are told again.
const REPLAYED: u64 = 100;

/// Opens the stream, or says why not.
pub(super) async fn open(
    mut visit: Visit,
    cursor: Option<String>,
    from_now: bool,
    request: Request,
) -> Response {
    let script = match visit.meet(&Ask::Stream(cursor.clone())).await {
        Ok(script) => script,
        Err(refusal) => return visit.refuse(&refusal),
    };
    let (mut parts, _) = request.into_parts();
    let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &()).await else {
        return visit.refuse(&Refusal::bad_request("fs/ws wants a WebSocket handshake"));
    };
    let shared = visit.shared.clone();
    let forgot = matches!(script.feed, Some(FeedFault::Forgot(_)));
    let tip = shared.read(|server| server.tip());
    let known = cursor.as_ref().and_then(|id| EventId(id.clone()).number());
    let next = match known {
        // An unknown cursor gives no catch-up and no error.
        Some(n) if (1..=tip).contains(&n) && !forgot => n + 1,
        Some(_) => tip + 1,
        None if from_now => tip + 1,
        None => tip.saturating_sub(REPLAYED) + 1,
    };
    visit.upgraded();
    upgrade.on_upgrade(move |socket| tell(shared, socket, next, script))
}

async fn tell(shared: Arc<Shared>, mut socket: WebSocket, mut next: u64, script: Script) {
    let mut tips = shared.tips();
    let mut left = script.damage.map(|(_, part)| part % 16);
    loop {
        while let Some(text) = shared.read(|server| message(server, next)) {
            next += 1;
            if left == Some(0) {
                return end(socket, script.damage.map(|(damage, _)| damage)).await;
            }
            left = left.map(|left| left - 1);
            if socket.send(Message::Text(text.into())).await.is_err() {
                return;
            }
        }
        tokio::select! {
            changed = tips.changed() => if changed.is_err() { return },
            () = shared.until_stopped() => return,
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) if is_ping(&text) => {
                    let pong = r#"{"type":"pong"}"#;
                    if socket.send(Message::Text(pong.into())).await.is_err() {
                        return;
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
        }
    }
}

/// The end that a fault makes: the link breaks, or the subscriber is too slow.
async fn end(mut socket: WebSocket, damage: Option<Damage>) {
    if damage == Some(Damage::Malformed) {
        let frame = CloseFrame { code: close_code::AGAIN, reason: "overflow".into() };
        let _ = socket.send(Message::Close(Some(frame))).await;
    }
}

fn is_ping(text: &str) -> bool {
    let message: Result<serde_json::Value, _> = serde_json::from_str(text);
    message.is_ok_and(|message| message["type"] == "ping")
}

fn message(server: &Server, n: u64) -> Option<String> {
    let event = server.event(n)?;
    let file = server.now().read(&event.path).ok().cloned();
    let inline = file.filter(|file| {
        file.revision() == event.revision && file.content.bytes().len() <= INLINE_MAX
    });
    let at = server.history().get(usize::try_from(n.checked_sub(1)?).ok()?)?.at;
    Some(json::streamed(&event, inline.as_ref(), at))
}
