//! One request, from its arrival to the end of its answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use landfall_core::time::Ms;
use landfall_reference::script::{Ask, Script};
use landfall_reference::server::Refusal;
use tokio::time::Instant;

use super::body::{Outgoing, Piece};
use super::json;
use super::log::RequestId;
use super::state::{Route, Shared};

/// Who asks, where the token does not say.
const ANYBODY: &str = "client";

/// A request that is in the log and not yet answered.
///
/// Dropped without an answer, because the client went away, it is logged as never completed.
pub(super) struct Visit {
    pub(super) shared: Arc<Shared>,
    /// Who asks, as the history will name it.
    pub(super) by: Arc<str>,
    request: RequestId,
    route: Route,
    correlation: String,
    handed_over: bool,
    longest_wait: Duration,
}

impl Visit {
    pub(super) fn new(shared: Arc<Shared>, route: Route, path: &str) -> Self {
        Self {
            request: shared.log.begin(route, path),
            shared,
            by: ANYBODY.into(),
            route,
            correlation: String::new(),
            handed_over: false,
            longest_wait: Duration::MAX,
        }
    }

    /// What every request must bring.
    ///
    /// # Errors
    /// 401 without the right token, in the header or, for a stream, `in_query`, 403 for another workspace, 400 without a correlation id.
    pub(super) fn enter(
        &mut self,
        workspace: &str,
        headers: &HeaderMap,
        in_query: Option<&str>,
    ) -> Result<(), Refusal> {
        let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        self.correlation = value("x-correlation-id").unwrap_or_default().to_owned();
        let bearer = value("authorization").and_then(|value| value.strip_prefix("Bearer "));
        if let Some(agent) = bearer.and_then(agent) {
            self.by = agent.into();
        }
        if let Some(token) = &self.shared.token
            && bearer != Some(token)
            && in_query != Some(token)
        {
            return Err(Refusal::new(401, "unauthorized", "invalid or missing token"));
        }
        // What opens a WebSocket may be unable to set headers.
        if self.correlation.is_empty() && self.route != Route::Stream {
            return Err(Refusal::bad_request("missing X-Correlation-Id header"));
        }
        match &self.shared.workspace {
            Some(known) if known != workspace => {
                Err(Refusal::new(403, "forbidden", "workspace mismatch"))
            }
            _ => Ok(()),
        }
    }

    /// The `X-Correlation-Id` of the request.
    pub(super) fn correlation(&self) -> &str {
        &self.correlation
    }

    /// Lets the faults have their way with a question.
    ///
    /// # Errors
    /// The refusal that a fault made.
    pub(super) async fn meet(&mut self, ask: &Ask) -> Result<Script, Refusal> {
        let (script, longest) = self.shared.script(ask);
        self.longest_wait = longest;
        let faults: Vec<String> = script.fired.iter().map(ToString::to_string).collect();
        if !faults.is_empty() {
            self.shared.log.amend(self.request, |record| record.faults = faults);
        }
        let stopping = || Refusal::new(503, "unavailable", "the server is stopping");
        if !self.wait(script.delay).await {
            return Err(stopping());
        }
        if script.never {
            self.shared.until_stopped().await;
            return Err(stopping());
        }
        match script.refuse.clone() {
            Some(refusal) => Err(refusal),
            None => Ok(script),
        }
    }

    /// Notes a fault that only a part of the request met.
    pub(super) fn note(&self, fault: String) {
        let log = &self.shared.log;
        log.amend(self.request, |record| record.faults.push(fault));
    }

    async fn wait(&self, delay: Ms) -> bool {
        self.shared.sleep_until(Instant::now() + self.bounded(delay)).await
    }

    fn bounded(&self, delay: Ms) -> Duration {
        Duration::from_millis(delay.0).min(self.longest_wait)
    }

    /// The request became a stream.
    pub(super) fn upgraded(mut self) {
        self.handed_over = true;
        self.shared.log.amend(self.request, |record| record.status = Some(101));
        self.shared.log.end(self.request, true);
    }

    /// Answers with an error.
    pub(super) fn refuse(self, refusal: &Refusal) -> Response {
        let status = StatusCode::from_u16(refusal.status);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = json::refusal(refusal, &self.correlation);
        let mut response = self.send(status, [Piece::Bytes(body)], &Script::default());
        let retry_after = refusal.retry_after.header();
        if let Some(value) = retry_after.and_then(|text| HeaderValue::from_str(&text).ok()) {
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        response
    }

    /// Answers with pieces that go wrong as the script says.
    pub(super) fn send(
        mut self,
        status: StatusCode,
        pieces: impl IntoIterator<Item = Piece>,
        script: &Script,
    ) -> Response {
        if script.lost {
            return lost();
        }
        self.handed_over = true;
        let log = &self.shared.log;
        log.amend(self.request, |record| record.status = Some(status.as_u16()));
        let pieces = pieces.into_iter().collect();
        let body = Outgoing::new(self.shared.clone(), self.request, self.route, pieces)
            .slowly(self.bounded(script.per_file))
            .damaged(script.damage)
            .into_body();
        json_response(status, body)
    }
}

/// An answer of which nothing arrives: its body fails before its head was flushed, and the
/// connection is thrown away with both.
fn lost() -> Response {
    let failure = std::io::Error::from(std::io::ErrorKind::ConnectionAborted);
    let never = futures_util::stream::once(async { Err::<Bytes, _>(failure) });
    Response::new(Body::from_stream(never))
}

/// An answer that says it is JSON.
pub(super) fn json_response(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The `agent_name` that a token claims. The token is one of ours or any, so nobody has to prove
/// it.
fn agent(token: &str) -> Option<String> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?.trim_end_matches('=')).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    claims["agent_name"].as_str().map(str::to_owned)
}

impl Drop for Visit {
    fn drop(&mut self) {
        if !self.handed_over {
            self.shared.log.end(self.request, false);
        }
    }
}
