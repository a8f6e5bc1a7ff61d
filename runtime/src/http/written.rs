//! What a server answers to writes, and what became of them.

use landfall_core::event::{Answer, OpState, Part};
use landfall_core::fault::{Blame, Fault};
use landfall_core::id::{OpId, Revision};
use serde::Deserialize;
use struson::reader::{JsonReader, ValueType};

use super::answer::{Failed, Json, Parser};

/// Of what a server says about one file, no more is kept.
const SAID: usize = 1024;

/// One file of `results`.
#[derive(Deserialize)]
struct Written {
    path: String,
    #[serde(default)]
    revision: Option<String>,
    #[serde(default, rename = "opId")]
    op: Option<String>,
}

/// One file of `errors`.
#[derive(Deserialize)]
struct Unwritten {
    path: String,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

/// The answer to a single write.
#[derive(Deserialize)]
struct Accepted {
    #[serde(default, rename = "opId")]
    op: Option<String>,
    #[serde(default, rename = "targetRevision")]
    revision: Option<String>,
}

#[derive(Deserialize)]
struct Op {
    status: String,
}

impl Parser {
    /// `POST fs/bulk`.
    pub(super) fn wrote_many(&self, json: &mut Json) -> Result<Answer, Failed> {
        json.begin_object()?;
        while json.has_next()? {
            match json.next_name_owned()?.as_str() {
                "results" if json.peek()? == ValueType::Array => {
                    json.begin_array()?;
                    while json.has_next()? {
                        let Written { path, revision, op } = json.deserialize_next()?;
                        // Without a revision it counts as one that the answer left out.
                        if let Some(revision) = revision.filter(|revision| !revision.is_empty()) {
                            let (revision, op) = (Revision(revision.into()), named(op));
                            self.credit()?;
                            self.send(Part::Wrote { path, revision, op });
                        }
                    }
                    json.end_array()?;
                }
                "errors" if json.peek()? == ValueType::Array => {
                    json.begin_array()?;
                    while json.has_next()? {
                        let Unwritten { path, code, message } = json.deserialize_next()?;
                        let message = self.attempt.without_token(message.unwrap_or_default());
                        let (blame, why) = classify(&code.unwrap_or_default(), &message);
                        self.credit()?;
                        self.send(Part::Refused { path, blame, why });
                    }
                    json.end_array()?;
                }
                _ => json.skip_value()?,
            }
        }
        json.end_object()?;
        Ok(Answer::WroteMany)
    }

    /// `PUT fs/file`.
    pub(super) fn wrote(&self, json: &mut Json) -> Result<Answer, Failed> {
        let Accepted { op, revision } = json.deserialize_next()?;
        let revision = revision.filter(|revision| !revision.is_empty());
        let revision = Revision(revision.ok_or_else(Failed::malformed)?.into());
        Ok(Answer::Wrote { revision, op: named(op) })
    }

    /// `DELETE fs/file`.
    pub(super) fn deleted(&self, json: &mut Json) -> Result<Answer, Failed> {
        let Accepted { op, .. } = json.deserialize_next()?;
        Ok(Answer::Deleted { op: named(op) })
    }

    /// `GET ops/{op}`.
    pub(super) fn op(&self, json: &mut Json) -> Result<Answer, Failed> {
        let Op { status } = json.deserialize_next()?;
        Ok(Answer::Op(match status.as_str() {
            "succeeded" => OpState::Succeeded,
            "failed" | "dead_lettered" | "canceled" => OpState::Failed(status),
            _ => OpState::Pending,
        }))
    }
}

fn named(op: Option<String>) -> Option<OpId> {
    op.filter(|op| !op.is_empty()).map(OpId)
}

/// Why one file of many was not written. There is no status to go by.
fn classify(code: &str, message: &str) -> (Blame, Fault) {
    match code {
        "conflict" | "revision_conflict" | "precondition_failed" => {
            (Blame::Payload, Fault::Conflict)
        }
        // It was to be changed, and is gone.
        "not_found" => (Blame::Payload, Fault::Conflict),
        "forbidden" => (Blame::Payload, Fault::Forbidden),
        "workspace_busy" => (Blame::Lane, Fault::WorkspaceBusy),
        "rate_limited" | "queue_full" => (Blame::Lane, Fault::Throttled),
        "internal"
        | "internal_error"
        | "server_error"
        | "unavailable"
        | "service_unavailable"
        | "timeout"
        | "overloaded" => (Blame::Lane, Fault::Server(500)),
        _ => {
            let mut said = match (code, message) {
                (code, "") => code.to_owned(),
                ("", message) => message.to_owned(),
                (code, message) => format!("{code}: {message}"),
            };
            let mut end = said.len().min(SAID);
            while !said.is_char_boundary(end) {
                end -= 1;
            }
            said.truncate(end);
            (Blame::Payload, Fault::Rejected { status: 0, said })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_in_a_file_is_held_against_it() {
        for code in ["internal_error", "timeout", "rate_limited", "workspace_busy"] {
            assert_eq!(classify(code, "x").0, Blame::Lane, "{code}");
        }
        let said = "e".repeat(SAID - 1) + "\u{e9}";
        let (_, Fault::Rejected { status: 0, said }) = classify("", &said) else { panic!() };
        assert_eq!(said.len(), SAID - 1, "it ends between two characters");
        let rejected = Fault::Rejected { status: 0, said: "invalid_content: no".into() };
        assert_eq!(classify("invalid_content", "no"), (Blame::Payload, rejected));
    }
}
