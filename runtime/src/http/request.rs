//! Requests as the wire has them, and the answers that are no success.

use std::sync::PoisonError;
use std::time::{Duration, Instant, SystemTime};

use landfall_core::effect::Request;
use landfall_core::fault::{Blame, Fault};
use landfall_core::time::Ms;
use landfall_core::wire::ErrorBody;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use reqwest::header::RETRY_AFTER;
use reqwest::{RequestBuilder, Response, Url};

use super::answer::Failed;
use super::{Attempt, Target, Token};
use crate::token;

/// How often it is told why there is no answer. What the system says may be different each time.
const OUTAGE: Duration = Duration::from_secs(60);

/// Of the body of an error, no more is read.
const ERROR_BODY_MAX: usize = 64 * 1024;

/// Every request needs this header. It finds a request again in the logs of the server.
pub(super) const CORRELATION: &str = "X-Correlation-Id";

/// What has a meaning in an address and is none in a name.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A name as one segment of an address. It fits a header too.
pub(super) fn segment(name: &str) -> PercentEncode<'_> {
    utf8_percent_encode(name, SEGMENT)
}

impl Attempt {
    /// Sends the request and takes the answer in. An error is the last word about the call;
    /// else the parser has it.
    pub(super) async fn run(self, request: Request) -> Result<(), Failed> {
        // In boxes, or the room for the largest of them would be moved about with each read.
        match request {
            Request::Stream { after } => return Box::pin(self.stream(after)).await,
            Request::PushMany { files } => return Box::pin(self.push_many(files)).await,
            Request::Push(push) => return Box::pin(self.push(push)).await,
            Request::PushDelete { .. } => return Box::pin(self.push_delete(request)).await,
            _ => {}
        }
        let response = self.sent(self.build(&request)?).await?;
        if !response.status().is_success() {
            let Refusal { status, code, message, retry_after, .. } = refusal(response).await;
            let (blame, why) = Fault::classify(status, &code, &message);
            return Err(Failed { blame, why, retry_after });
        }
        self.take_in(request, response).await;
        Ok(())
    }

    /// Sends what was built, with the credentials as they are now.
    pub(super) async fn sent(&self, builder: RequestBuilder) -> Result<Response, Failed> {
        let builder = match self.target.token()? {
            None => builder,
            Some(token) => builder.bearer_auth(token),
        };
        builder.send().await.map_err(|why| {
            let why = without_url(why);
            // The machine knows only that the link broke. A person wants to know that the name is
            // not known, or the certificate not trusted.
            let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
            match outage.tells(OUTAGE, Instant::now()) {
                true => tracing::warn!("no answer from the server: {why}"),
                false => tracing::debug!(call = %self.call, "no answer: {why}"),
            }
            Failed::new(Blame::Unknown, Fault::Link)
        })
    }

    /// The address of a route, by its segments.
    pub(super) fn url(&self, route: &[&str]) -> Result<Url, Failed> {
        // Nothing is parsed anew: most requests are small, and there is one for each file.
        let mut url = Url::clone(&self.root);
        match url.path_segments_mut() {
            Ok(mut segments) => segments.pop_if_empty().extend(route),
            Err(()) => return Err(Failed::malformed()),
        };
        Ok(url)
    }

    fn build(&self, request: &Request) -> Result<RequestBuilder, Failed> {
        let get = |route: &[&str], query: &[(&str, &str)]| {
            Ok::<_, Failed>(self.client.get(self.url(route)?).query(query))
        };
        let builder = match request {
            Request::Tip => get(&["fs", "events"], &[("direction", "desc"), ("limit", "1")])?,
            Request::Events { after, limit } => {
                let limit = limit.to_string();
                match after {
                    Some(id) => get(&["fs", "events"], &[("cursor", &id.0), ("limit", &limit)])?,
                    None => get(&["fs", "events"], &[("limit", &limit)])?,
                }
            }
            Request::Export { path } => {
                get(&["fs", "export"], &[("format", "json"), ("path", path)])?
            }
            Request::Tree { path, depth, cursor } => {
                let depth = depth.to_string();
                let query = [("path", &**path), ("depth", &depth), ("excludeMountRuntime", "true")];
                let builder = get(&["fs", "tree"], &query)?;
                match cursor {
                    Some(cursor) => builder.query(&[("cursor", cursor)]),
                    None => builder,
                }
            }
            Request::Op { op } => get(&["ops", &op.0], &[])?,
            // These have their own way in.
            Request::Stream { .. }
            | Request::PushMany { .. }
            | Request::Push(_)
            | Request::PushDelete { .. } => return Err(Failed::malformed()),
            Request::Read { path } => get(&["fs", "file"], &[("path", path.as_str())])?,
            Request::ReadMany { paths } => {
                let paths: Vec<&str> = paths.iter().map(|path| path.as_str()).collect();
                let body = serde_json::json!({ "paths": paths }).to_string();
                self.client
                    .post(self.url(&["fs", "bulk-read"])?)
                    .header("Content-Type", "application/json")
                    .body(body)
            }
        };
        Ok(builder.header(CORRELATION, format!("landfall-{}", self.call)))
    }
}

impl Target {
    /// What all addresses begin with.
    pub(super) fn root(&self) -> Option<Url> {
        // By itself first: where there is no host, the path would be taken for one.
        let base = Url::parse(&self.base_url).ok()?;
        if base.query().is_some() || base.fragment().is_some() {
            return None;
        }
        let base = self.base_url.trim_end_matches('/');
        Url::parse(&format!("{base}/v1/workspaces/{}/", segment(&self.workspace))).ok()
    }

    /// The bearer token as it is now.
    pub(super) fn token(&self) -> Result<Option<String>, Failed> {
        match &self.token {
            None => Ok(None),
            Some(Token::Value(token)) => Ok(Some(token.0.clone())),
            Some(Token::File(path)) => match token::read(path) {
                Ok(token) => Ok(Some(token)),
                Err(why) => {
                    tracing::warn!("{} gives no token: {why}", path.display());
                    Err(Failed::new(Blame::Lane, Fault::Unauthorized))
                }
            },
        }
    }
}

/// An error of the client, with what led to it and without the address: its query may hold what
/// nobody should see.
fn without_url(why: reqwest::Error) -> String {
    let why = why.without_url();
    let mut text = why.to_string();
    let mut cause = std::error::Error::source(&why);
    while let Some(why) = cause {
        text = format!("{text}: {why}");
        cause = why.source();
    }
    text
}

/// An answer that is no success.
pub(super) struct Refusal {
    pub status: u16,
    /// Empty when a proxy answered, and not the server.
    pub code: String,
    pub message: String,
    /// The body, if it is not what the API promises. It may be cut off.
    pub other: String,
    pub retry_after: Option<Ms>,
}

pub(super) async fn refusal(mut response: Response) -> Refusal {
    let status = response.status().as_u16();
    let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = header.and_then(|value| retry_after(value, SystemTime::now()));
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > ERROR_BODY_MAX {
            break;
        }
    }
    // A proxy may have answered: then there is no code.
    let error: Option<ErrorBody> = serde_json::from_slice(&body).ok();
    let other = match error {
        Some(_) => String::new(),
        None => String::from_utf8_lossy(&body).into_owned(),
    };
    let ErrorBody { code, message, .. } = error.unwrap_or_default();
    Refusal { status, code, message, other, retry_after }
}

/// Reads `Retry-After`: seconds or a date. One that lies in the past means now.
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Ms> {
    let seconds = value.trim();
    if !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit()) {
        // One that does not fit is very long.
        return Some(Ms(seconds.parse().unwrap_or(u64::MAX).saturating_mul(1000)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(Ms(date.duration_since(now).map_or(0, |left| left.as_millis() as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn retry_after_comes_in_three_kinds() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_770);
        assert_eq!(retry_after("7", now), Some(Ms::secs(7)));
        assert_eq!(retry_after("99999999999999999999", now), Some(Ms(u64::MAX)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Ms::secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1988 08:49:37 GMT", now), Some(Ms(0)));
        assert_eq!(retry_after("soon", now), None);
    }
}
