//! Which writes a server takes.

use landfall_core::time::Ms;
use serde_json::{Map, Value};

use super::{Content, Refusal};

/// What a server makes of writes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WriteSettings {
    /// Whether the route `fs/bulk` is there. Default true.
    pub bulk: bool,
    /// Whether the answer of `fs/bulk` has `results`. Older servers leave them out, and a writer
    /// has to read a file to learn its revision. Default true.
    pub results: bool,
    /// Whether `fs/bulk` calls it a conflict when a file with a revision is not there, as the
    /// reference server was seen to do. Otherwise it is `not_found`, as for a `PUT`. Default
    /// false.
    pub missing_conflicts: bool,
    /// Whether the route `fs/merge` is there. Default true.
    pub merge: bool,
    /// Bytes of the body of a request, at most. Default 1 MiB, as on the reference server;
    /// hosted servers take about 10 MiB.
    pub body_max: u64,
    /// How long the operation of a write is pending. Default 0: it succeeds at once.
    pub op_delay: Ms,
    /// For how long the server does not know an operation that it just named (incident H100).
    /// Default 0.
    pub op_unknown: Ms,
    /// Files and directories that the writer has no right to. Nothing at or below one of these
    /// paths is written or deleted through the API. Default none.
    pub denied: Vec<String>,
    /// Files and directories with a schema: what is at or below one of these paths has to be
    /// one JSON object. Default none.
    pub strict: Vec<String>,
}

impl Default for WriteSettings {
    fn default() -> Self {
        Self {
            bulk: true,
            results: true,
            missing_conflicts: false,
            merge: true,
            body_max: 1024 * 1024,
            op_delay: Ms(0),
            op_unknown: Ms(0),
            denied: Vec::new(),
            strict: Vec::new(),
        }
    }
}

impl WriteSettings {
    /// Whether the writer may change this path.
    ///
    /// # Errors
    /// 400 for the root, which is no file; 403.
    pub(super) fn may_write(&self, path: &str) -> Result<(), Refusal> {
        if path == "/" {
            return Err(Refusal::bad_request("invalid input"));
        }
        match self.denied.iter().any(|base| contains(base, path)) {
            true => Err(Refusal::new(403, "forbidden", "missing required scope: fs:write")),
            false => Ok(()),
        }
    }

    /// Whether this path may have this content.
    ///
    /// # Errors
    /// 422.
    pub(super) fn fits(&self, path: &str, content: &Content) -> Result<(), Refusal> {
        let strict = self.strict.iter().any(|base| contains(base, path));
        match strict && serde_json::from_slice::<Map<String, Value>>(content.bytes()).is_err() {
            true => Err(Refusal::new(422, "invalid_content", "content is not a JSON object")),
            false => Ok(()),
        }
    }

    /// Whether a request with so many bytes is taken.
    ///
    /// # Errors
    /// 413.
    pub(super) fn takes(&self, bytes: u64) -> Result<(), Refusal> {
        match bytes > self.body_max {
            true => Err(Refusal::too_large(self.body_max)),
            false => Ok(()),
        }
    }
}

/// `path == base`, or it lies below. One trailing `/` of the base means nothing.
fn contains(base: &str, path: &str) -> bool {
    let base = base.strip_suffix('/').unwrap_or(base);
    path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
