//! `PUT` and `DELETE fs/file`, and `POST fs/bulk`.

use std::sync::Arc;

use landfall_core::time::Wall;

use super::{Content, Identity, Origin, Refusal, Server, normal};

/// What a write expects to find, as `If-Match` says it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum IfMatch {
    /// `*`: anything. What a file of a bulk write means that says nothing.
    #[default]
    Any,
    /// `0`: nothing.
    Absent,
    /// A revision.
    Revision(String),
}

impl IfMatch {
    /// Reads the header: a revision bare, quoted or with `W/`, `0`, or `*`.
    pub fn parse(header: &str) -> Self {
        let bare = header.trim();
        let bare = bare.strip_prefix("W/").unwrap_or(bare).trim_matches('"');
        match bare {
            "*" => Self::Any,
            "0" => Self::Absent,
            revision => Self::Revision(revision.to_owned()),
        }
    }
}

/// A write that was accepted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Accepted {
    /// Which file.
    pub path: Arc<str>,
    /// The number of the change that it made, or that was made under its identity before.
    pub number: u64,
    /// Whether that was before: then nothing was done now.
    pub again: bool,
}

impl Accepted {
    /// `rev_<n>`, as [`File::revision`](super::File::revision) has it.
    pub fn revision(&self) -> String {
        format!("rev_{}", self.number)
    }

    /// `op_<n>`: what [`Server::op`] is asked about.
    pub fn op(&self) -> String {
        format!("op_{}", self.number)
    }
}

/// One file of a bulk write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BulkWrite {
    /// Which file.
    pub path: String,
    /// Its bytes; `None` if what the writer sent can not be decoded.
    pub content: Option<Content>,
    /// What the writer expects to find.
    pub expect: IfMatch,
    /// The name of this write.
    pub identity: Option<Identity>,
}

impl BulkWrite {
    /// How much of a request it is at least, in bytes: JSON adds to it.
    fn bytes(&self) -> u64 {
        self.path.len() as u64 + self.content.as_ref().map_or(0, Content::encoded_len)
    }
}

/// Why one file of a bulk write was not written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BulkError {
    /// Which file.
    pub path: Arc<str>,
    /// `conflict`, `not_found`, `forbidden`, `invalid_content` or `internal_error`. Only the
    /// last may go away by itself.
    pub code: &'static str,
    /// For a person.
    pub message: String,
    /// For a conflict: the revision that the writer expected, and the one that is there, which
    /// is empty if nothing is.
    pub revisions: Option<(String, String)>,
}

impl BulkError {
    fn of(path: Arc<str>, refusal: Refusal) -> Self {
        let code = match refusal.status {
            409 => "conflict",
            404 => "not_found",
            403 => "forbidden",
            400 | 422 => "invalid_content",
            _ => "internal_error",
        };
        Self { path, code, message: refusal.message, revisions: refusal.revisions }
    }
}

/// The answer to a bulk write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BulkWritten {
    /// What was written, in the order of the request.
    pub written: Vec<Accepted>,
    /// What was not.
    pub errors: Vec<BulkError>,
    told: bool,
}

impl BulkWritten {
    /// `results`: what the answer tells of what was written. `None` on a server that does not
    /// tell, see [`results`](super::WriteSettings::results).
    pub fn results(&self) -> Option<&[Accepted]> {
        self.told.then_some(&self.written)
    }
}

impl Server {
    /// `PUT fs/file`: writes a file if what is there is what the writer expects.
    ///
    /// # Errors
    /// 403 and 422 as the settings say, 413 for content that fits no body; 404 for a revision of
    /// a file that is not there; 409 over a file that was to be created, or over another
    /// revision; 400 for the root.
    pub fn put_if(
        &mut self,
        by: &Arc<str>,
        path: &str,
        content: Content,
        expect: &IfMatch,
        at: Wall,
    ) -> Result<Accepted, Refusal> {
        let path: Arc<str> = normal(path).into();
        let rules = &self.settings.writes;
        rules.takes(content.encoded_len())?;
        rules.may_write(&path)?;
        rules.fits(&path, &content)?;
        self.check(&path, expect)?;
        Ok(self.accept(by, path, Some(content), None, at))
    }

    /// `DELETE fs/file`: deletes a file if it is what the writer expects. The revision is that
    /// of the deletion.
    ///
    /// # Errors
    /// 403 as the settings say; 404 if there is no file, 409 if it has another revision; 400 for
    /// the root.
    pub fn delete_if(
        &mut self,
        by: &Arc<str>,
        path: &str,
        expect: &IfMatch,
        at: Wall,
    ) -> Result<Accepted, Refusal> {
        let path: Arc<str> = normal(path).into();
        self.settings.writes.may_write(&path)?;
        self.check(&path, expect)?;
        if !self.files.contains_key(&path) {
            return Err(Refusal::not_found());
        }
        Ok(self.accept(by, path, None, None, at))
    }

    /// `POST fs/bulk`: every file written or refused by itself, in the order of the request.
    ///
    /// A write whose [identity](Identity) is known changes nothing and is answered as the first
    /// time, even if it has another content now or expects what is there no more.
    ///
    /// `fails` is a fault: the file at this place fails with `internal_error`, whatever it is.
    ///
    /// # Errors
    /// For all files together: 404 where the server has no such route, 400 for no file, 413 for
    /// more bytes than fit a body.
    pub fn bulk_write(
        &mut self,
        by: &Arc<str>,
        files: Vec<BulkWrite>,
        fails: Option<usize>,
        at: Wall,
    ) -> Result<BulkWritten, Refusal> {
        let rules = &self.settings.writes;
        if !rules.bulk {
            return Err(Refusal::no_route());
        }
        if files.is_empty() {
            return Err(Refusal::bad_request("missing files"));
        }
        rules.takes(files.iter().map(BulkWrite::bytes).sum())?;
        let told = rules.results;
        let mut answer = BulkWritten { written: Vec::new(), errors: Vec::new(), told };
        for (place, file) in files.into_iter().enumerate() {
            let path: Arc<str> = normal(&file.path).into();
            let written = match fails == Some(place) {
                true => Err(Refusal::new(500, "internal_error", "internal error")),
                false => self.bulk_one(by, path.clone(), file, at),
            };
            match written {
                Ok(accepted) => answer.written.push(accepted),
                Err(refusal) => answer.errors.push(BulkError::of(path, refusal)),
            }
        }
        Ok(answer)
    }

    fn bulk_one(
        &mut self,
        by: &Arc<str>,
        path: Arc<str>,
        file: BulkWrite,
        at: Wall,
    ) -> Result<Accepted, Refusal> {
        let rules = &self.settings.writes;
        rules.may_write(&path)?;
        let content = file.content.ok_or_else(|| Refusal::bad_request("invalid input"))?;
        if let Some(known) = self.again(&path, file.identity.as_ref(), at) {
            return Ok(known);
        }
        self.settings.writes.fits(&path, &content)?;
        match (self.check(&path, &file.expect), &file.expect) {
            (Err(refusal), IfMatch::Revision(wanted))
                if refusal.status == 404 && self.settings.writes.missing_conflicts =>
            {
                Err(Refusal::conflict(wanted, ""))
            }
            (checked, _) => {
                checked?;
                Ok(self.accept(by, path, Some(content), file.identity, at))
            }
        }
    }

    /// What was answered when this was asked for the first time.
    pub(super) fn again(
        &self,
        path: &Arc<str>,
        identity: Option<&Identity>,
        at: Wall,
    ) -> Option<Accepted> {
        let number = self.known(identity?, at)?;
        Some(Accepted { path: path.clone(), number, again: true })
    }

    /// Makes a change that was asked for through the API.
    pub(super) fn accept(
        &mut self,
        by: &Arc<str>,
        path: Arc<str>,
        content: Option<Content>,
        identity: Option<Identity>,
        at: Wall,
    ) -> Accepted {
        let origin = Origin { by: Some(by.clone()), identity, ..Origin::default() };
        self.record(path.clone(), content, at, origin);
        Accepted { path, number: self.tip(), again: false }
    }

    fn check(&self, path: &str, expect: &IfMatch) -> Result<(), Refusal> {
        match (self.files.get(path), expect) {
            (_, IfMatch::Any) | (None, IfMatch::Absent) => Ok(()),
            (None, IfMatch::Revision(_)) => Err(Refusal::not_found()),
            (Some(file), IfMatch::Revision(wanted)) if file.revision() == *wanted => Ok(()),
            (Some(file), IfMatch::Revision(wanted)) => {
                Err(Refusal::conflict(wanted, &file.revision()))
            }
            (Some(file), IfMatch::Absent) => Err(Refusal::conflict("0", &file.revision())),
        }
    }
}
