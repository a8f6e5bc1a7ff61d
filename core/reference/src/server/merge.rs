//! `POST fs/merge`: three versions of a text become one, or nothing happens.

use std::sync::Arc;

use landfall_core::time::Wall;

use super::{Accepted, Content, Identity, Refusal, Server, hash, normal};
use crate::lines;

/// The only strategy that this server has. The other one of the API parses Go.
const STRATEGY: &str = "three-way-lines-v1";

/// What a client wants merged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Merge {
    /// Which file.
    pub path: String,
    /// How. This server knows `three-way-lines-v1`.
    pub strategy: String,
    /// The revision that the client began with.
    pub base_revision: String,
    /// The text of that revision, which has to be what it says it is.
    pub base: String,
    /// The text that the client made of it.
    pub mine: String,
    /// The content type of the result, if the client gives one.
    pub kind: Option<Arc<str>>,
    /// The name of this write.
    pub identity: Option<Identity>,
}

/// A merge that was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Merged {
    /// The write.
    pub accepted: Accepted,
    /// How it was merged.
    pub strategy: &'static str,
    /// The revision that the client began with.
    pub base_revision: String,
    /// The revision that it was merged with.
    pub against: String,
}

impl Server {
    /// `POST fs/merge`: writes what comes of the client's edits and those that others made since.
    ///
    /// A merge whose [identity](Identity) is known is answered as the first time.
    ///
    /// # Errors
    /// Nothing is written then. 404 where the server has no such route, 400 without a base, 403,
    /// 413 and 422 `invalid_content` as for a `PUT`; 422 `merge_ineligible` for what can not be
    /// merged at all: another strategy, a file that is gone or binary, 512 KiB or 3,000 lines;
    /// 409 `merge_base_unavailable` if the base is not what that revision was; 409
    /// `merge_conflict` where both sides changed the same lines.
    pub fn merge(&mut self, by: &Arc<str>, merge: Merge, at: Wall) -> Result<Merged, Refusal> {
        let path: Arc<str> = normal(&merge.path).into();
        let rules = &self.settings.writes;
        if !rules.merge {
            return Err(Refusal::no_route());
        }
        if merge.base_revision.is_empty() {
            return Err(Refusal::bad_request("invalid input"));
        }
        rules.takes((merge.base.len() + merge.mine.len()) as u64)?;
        rules.may_write(&path)?;
        if let Some(known) = self.again(&path, merge.identity.as_ref(), at) {
            return Ok(self.merged(known, merge.base_revision));
        }
        let text = self.three_ways(&path, &merge)?;
        let content = Content::new(text.into_bytes());
        let content = match merge.kind {
            Some(kind) => content.typed(kind),
            None => content,
        };
        self.settings.writes.fits(&path, &content)?;
        let accepted = self.accept(by, path, Some(content), merge.identity, at);
        Ok(self.merged(accepted, merge.base_revision))
    }

    fn merged(&self, accepted: Accepted, base_revision: String) -> Merged {
        let change = self.change(accepted.number);
        let theirs = change.and_then(|change| change.before.as_ref());
        Merged {
            against: theirs.map_or_else(String::new, super::File::revision),
            accepted,
            strategy: STRATEGY,
            base_revision,
        }
    }

    fn three_ways(&self, path: &str, merge: &Merge) -> Result<String, Refusal> {
        if merge.strategy != STRATEGY {
            return Err(ineligible("unsupported strategy"));
        }
        for text in [&merge.base, &merge.mine] {
            eligible(text)?;
        }
        let base = self.revision_of(path, &merge.base_revision);
        if base.is_none_or(|content| content.hash() != hash(merge.base.as_bytes())) {
            let message = "merge base unavailable";
            return Err(Refusal::new(409, "merge_base_unavailable", message));
        }
        let live = self.files.get(path).ok_or_else(|| ineligible("live file no longer exists"))?;
        let theirs = live.content.text().ok_or_else(|| ineligible("live file is binary"))?;
        eligible(theirs)?;
        lines::merge(&merge.base, &merge.mine, theirs).ok_or_else(|| {
            let message = "merge conflict: both sides changed the same lines";
            let mut refusal = Refusal::new(409, "merge_conflict", message);
            refusal.revisions = Some((merge.base_revision.clone(), live.revision()));
            refusal
        })
    }

    /// What a path had at a revision.
    fn revision_of(&self, path: &str, revision: &str) -> Option<&Content> {
        let change = self.change(revision.strip_prefix("rev_")?.parse().ok()?)?;
        let file = change.after.as_ref().filter(|_| &*change.path == path)?;
        Some(&file.content)
    }
}

fn eligible(text: &str) -> Result<(), Refusal> {
    match lines::fits(text) {
        true => Ok(()),
        false => Err(ineligible("content exceeds merge size limit")),
    }
}

fn ineligible(reason: &str) -> Refusal {
    Refusal::new(422, "merge_ineligible", format!("merge ineligible: {reason}"))
}
