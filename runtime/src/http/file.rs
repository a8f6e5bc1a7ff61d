//! One file object: its content goes to the stage while it is decoded.
//!
//! The fields of an object come in any order. When the encoding is known before the content,
//! the content is decoded on its way; when it comes after, the staged text is decoded in a
//! second pass.

use std::borrow::Cow;
use std::io::{Read, Write};

use base64::engine::general_purpose::STANDARD;
use base64::read::DecoderReader;
use landfall_core::event::{Fetched, Part};
use landfall_core::fault::{Blame, Fault};
use landfall_core::hash::ContentHash;
use landfall_core::id::{BlobId, Revision};
use serde::de::IgnoredAny;
use struson::reader::{JsonReader, ValueType};

use super::answer::{Failed, Json, Parser, short_string, whole_object};

/// After so many bytes of one file the machine is told that it moves.
const MOVES: u64 = 1024 * 1024;

/// Marks a blob that is being decoded again.
const SECOND: u32 = 1 << 31;

/// What an object in an array of files is.
pub enum FileObject {
    File(Fetched),
    Refused { path: String, blame: Blame, why: Fault },
}

/// A plain file object that was read at a stretch: several times as fast as piece by piece.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WholeFile<'a> {
    path: String,
    revision: String,
    content_hash: Option<String>,
    encoding: Option<String>,
    #[serde(borrow)]
    content: Cow<'a, str>,
    error: Option<IgnoredAny>,
}

impl<'a> WholeFile<'a> {
    /// `None` for whatever is odd in it, which is then read piece by piece.
    pub fn parse(body: &'a [u8]) -> Option<Self> {
        let file: Self = whole_object(body)?;
        file.error.is_none().then_some(file)
    }
}

#[derive(Default)]
struct Fields {
    path: Option<String>,
    revision: String,
    sent_hash: Option<String>,
    encoding: Option<String>,
    staged: Option<(ContentHash, u64)>,
    decoded: bool,
    error: Option<(Blame, Fault)>,
}

impl Parser {
    /// Reads one object. With `moves`, tells the machine how far it got.
    pub(super) fn file(
        &self,
        json: &mut Json,
        blob: BlobId,
        moves: bool,
    ) -> Result<FileObject, Failed> {
        let mut fields = Fields::default();
        let read = self.fields(json, blob, moves, &mut fields);
        self.kept(blob, read.and_then(|()| self.finish(blob, fields)))
    }

    /// The same of an object that is here as a whole.
    pub(super) fn whole_file(&self, file: WholeFile<'_>) -> Result<Fetched, Failed> {
        let WholeFile { path, revision, content_hash, encoding, content, error: _ } = file;
        let (blob, decoded) = (self.blob(0), is_base64(&encoding));
        let staged = match decoded {
            true => self.copy(DecoderReader::new(content.as_bytes(), &STANDARD), blob, false)?,
            false => self.copy(content.as_bytes(), blob, false)?,
        };
        let fields = Fields {
            path: Some(path),
            revision,
            sent_hash: content_hash,
            encoding,
            staged: Some(staged),
            decoded,
            error: None,
        };
        match self.kept(blob, self.finish(blob, fields))? {
            FileObject::File(fetched) => Ok(fetched),
            FileObject::Refused { .. } => Err(Failed::malformed()),
        }
    }

    /// Lets the bytes of what is no file go.
    fn kept(&self, blob: BlobId, object: Result<FileObject, Failed>) -> Result<FileObject, Failed> {
        if !matches!(object, Ok(FileObject::File(_))) {
            self.attempt.stage.discard(blob)?;
        }
        object
    }

    fn fields(
        &self,
        json: &mut Json,
        blob: BlobId,
        moves: bool,
        fields: &mut Fields,
    ) -> Result<(), Failed> {
        json.begin_object()?;
        while json.has_next()? {
            match json.next_name_owned()?.as_str() {
                "path" => fields.path = short_string(json)?,
                "revision" => fields.revision = short_string(json)?.unwrap_or_default(),
                "contentHash" => fields.sent_hash = short_string(json)?,
                "encoding" => fields.encoding = short_string(json)?,
                "content" if fields.staged.is_some() => return Err(Failed::malformed()),
                "content" => {
                    fields.decoded = is_base64(&fields.encoding);
                    let text = json.next_string_reader()?;
                    fields.staged = Some(match fields.decoded {
                        true => self.copy(DecoderReader::new(text, &STANDARD), blob, moves)?,
                        false => self.copy(text, blob, moves)?,
                    });
                }
                "error" if json.peek()? == ValueType::Object => fields.error = Some(error(json)?),
                _ => json.skip_value()?,
            }
        }
        json.end_object()?;
        Ok(())
    }

    fn finish(&self, blob: BlobId, fields: Fields) -> Result<FileObject, Failed> {
        let path = fields.path.ok_or_else(Failed::malformed)?;
        if let Some((blame, why)) = fields.error {
            return Ok(FileObject::Refused { path, blame, why });
        }
        let (mut hash, mut size) = fields.staged.ok_or_else(Failed::malformed)?;
        if is_base64(&fields.encoding) && !fields.decoded {
            let text = self.attempt.stage.read(blob)?;
            let second = BlobId { part: blob.part | SECOND, ..blob };
            (hash, size) = self.copy(DecoderReader::new(text, &STANDARD), second, false)?;
            let replaced = self.attempt.stage.replace(blob, second);
            if replaced.is_err() {
                self.attempt.stage.discard(second)?;
            }
            replaced?;
        }
        let sent = fields.sent_hash.as_deref().and_then(ContentHash::parse);
        if sent.is_some_and(|sent| sent != hash) {
            return Err(Failed::malformed());
        }
        Ok(FileObject::File(Fetched {
            path,
            revision: Revision(fields.revision.into()),
            hash,
            size,
            blob,
        }))
    }

    fn copy(
        &self,
        mut from: impl Read,
        blob: BlobId,
        moves: bool,
    ) -> Result<(ContentHash, u64), Failed> {
        let mut staged = self.attempt.stage.begin(blob)?;
        let mut buffer = [0; 32 * 1024];
        let mut unsaid = 0;
        loop {
            let n = match from.read(&mut buffer) {
                Ok(0) => return Ok(staged.finish()),
                Ok(n) => n,
                Err(_) => return Err(Failed::malformed()),
            };
            staged.write_all(&buffer[..n])?;
            unsaid += n as u64;
            if moves && unsaid >= MOVES {
                self.credit()?;
                self.send(Part::Bytes(unsaid));
                unsaid = 0;
            }
        }
    }
}

fn is_base64(encoding: &Option<String>) -> bool {
    encoding.as_deref() == Some("base64")
}

/// `{"code","message","status"}`.
fn error(json: &mut Json) -> Result<(Blame, Fault), Failed> {
    #[derive(serde::Deserialize)]
    struct Refused {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
        #[serde(default)]
        status: u16,
    }
    let refused: Refused = json.deserialize_next()?;
    let status = match (refused.status, refused.code.as_str()) {
        (0, "not_found") => 404,
        (0, "forbidden") => 403,
        (0, _) => 500,
        (status, _) => status,
    };
    Ok(Fault::classify(status, &refused.code, &refused.message))
}
