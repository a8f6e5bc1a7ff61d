//! The content of a file on its way out: from the stage into the string of a JSON body.
//!
//! A first pass over the blob proves that it still has the bytes that are to be sent, and finds
//! how they are written and how long that is. The second pass writes them.

use std::io::{self, Read, Write};

use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;
use landfall_core::hash::ContentHash;
use landfall_core::id::BlobId;
use sha2::{Digest, Sha256};

use crate::disk::Stage;

const BUFFER: usize = 64 * 1024;

/// A content that can be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Content {
    blob: BlobId,
    /// As text; else as base64.
    pub is_text: bool,
    /// Of what is written, in bytes.
    pub length: u64,
}

/// Looks through a blob. `None` if it is gone, or has other bytes.
pub(super) fn inspect(
    stage: &Stage,
    blob: BlobId,
    hash: ContentHash,
) -> io::Result<Option<Content>> {
    let mut file = match stage.read(blob) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let (mut hasher, mut text) = (Sha256::new(), Text::default());
    let (mut size, mut buffer) = (0, vec![0; BUFFER]);
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        size += n as u64;
        hasher.update(&buffer[..n]);
        text.take(&buffer[..n]);
    }
    if ContentHash(hasher.finalize().into()) != hash {
        return Ok(None);
    }
    let is_text = text.is_whole();
    let length = if is_text { size + text.escapes } else { size.div_ceil(3) * 4 };
    Ok(Some(Content { blob, is_text, length }))
}

impl Content {
    /// Writes what stands between the quotes.
    pub fn write(&self, stage: &Stage, mut into: impl Write) -> io::Result<()> {
        let mut file = stage.read(self.blob)?;
        if !self.is_text {
            let mut encoder = EncoderWriter::new(into, &STANDARD);
            io::copy(&mut file, &mut encoder)?;
            return encoder.finish().map(drop);
        }
        let mut buffer = vec![0; BUFFER];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(()),
                n => escape(&buffer[..n], &mut into)?,
            }
        }
    }
}

/// What of a text needs a backslash. Other control characters make it no text.
fn escaped(byte: u8) -> Option<&'static [u8]> {
    Some(match byte {
        b'"' => b"\\\"",
        b'\\' => b"\\\\",
        b'\n' => b"\\n",
        b'\r' => b"\\r",
        b'\t' => b"\\t",
        _ => return None,
    })
}

fn escape(bytes: &[u8], into: &mut impl Write) -> io::Result<()> {
    let mut plain = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if let Some(escaped) = escaped(*byte) {
            into.write_all(&bytes[plain..at])?;
            into.write_all(escaped)?;
            plain = at + 1;
        }
    }
    into.write_all(&bytes[plain..])
}

/// Whether bytes that come in pieces are a text.
#[derive(Debug, Default)]
struct Text {
    is_none: bool,
    /// The beginning of a character, of which a piece has only that.
    begun: Vec<u8>,
    /// How many bytes need a backslash.
    escapes: u64,
}

impl Text {
    fn take(&mut self, bytes: &[u8]) {
        if self.is_none {
            return;
        }
        let is_control = |byte: &u8| *byte < b' ' && escaped(*byte).is_none();
        self.is_none = bytes.iter().any(is_control);
        self.escapes += bytes.iter().filter(|byte| escaped(**byte).is_some()).count() as u64;
        let joined;
        let mut bytes = bytes;
        if !self.begun.is_empty() {
            joined = [&std::mem::take(&mut self.begun), bytes].concat();
            bytes = &joined;
        }
        if let Err(why) = std::str::from_utf8(bytes) {
            match why.error_len() {
                None => self.begun = bytes[why.valid_up_to()..].to_vec(),
                Some(_) => self.is_none = true,
            }
        }
    }

    fn is_whole(&self) -> bool {
        !self.is_none && self.begun.is_empty()
    }
}

/// The content type that a name stands for.
///
/// A table of our own: that of the system differs from computer to computer, and the type is
/// part of what is written.
pub(super) fn content_type(path: &str, is_text: bool) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or(path);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension.to_ascii_lowercase().as_str() {
        "md" | "markdown" => "text/markdown",
        "ts" | "tsx" | "mts" | "cts" => "text/typescript",
        "js" | "mjs" | "cjs" | "jsx" => "text/javascript",
        "json" | "map" => "application/json",
        "jsonl" | "ndjson" => "application/x-ndjson",
        "html" | "htm" => "text/html",
        "css" => "text/css",
        "csv" => "text/csv",
        "xml" => "application/xml",
        "yaml" | "yml" => "application/yaml",
        "toml" => "application/toml",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "gz" | "tgz" => "application/gzip",
        "wasm" => "application/wasm",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        _ if is_text => "text/plain",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Disk, hash_file};
    use landfall_core::id::{CallId, UnitId};

    fn sent(bytes: &[u8]) -> (Content, String) {
        let dir = tempfile::tempdir().unwrap();
        let stage = Disk::open(dir.path(), "/").unwrap().stage;
        let blob = BlobId { call: CallId { run: 1, unit: UnitId(0), n: 1 }, part: 0 };
        let mut staged = stage.begin(blob).unwrap();
        staged.write_all(bytes).unwrap();
        staged.finish();
        let other = ContentHash([0; 32]);
        assert_eq!(inspect(&stage, blob, other).unwrap(), None, "other bytes are not sent");
        let content = inspect(&stage, blob, hash_file(bytes).unwrap()).unwrap().unwrap();
        let mut written = Vec::new();
        content.write(&stage, &mut written).unwrap();
        assert_eq!(written.len() as u64, content.length);
        (content, String::from_utf8(written).unwrap())
    }

    #[test]
    fn text_is_sent_as_text_whatever_is_in_it() {
        let text = "\u{feff}a \"quoted\" \\ \t\r\n\u{7f} \u{2028} \u{1f600}".repeat(9_000);
        let (content, written) = sent(text.as_bytes());
        assert!(content.is_text);
        let read: String = serde_json::from_str(&format!("\"{written}\"")).unwrap();
        assert_eq!(read, text);
        assert_eq!(sent(b"").1, "");
    }

    #[test]
    fn what_is_no_text_is_sent_as_base64() {
        use base64::Engine;
        let cut = &"\u{1f600}".as_bytes()[..3];
        let late = [&[b'a'; BUFFER - 1][..], "\u{e9}".as_bytes(), b"\0"].concat();
        for bytes in [&b"\0"[..], b"a\x1b[2J", &[0xff], cut, &late] {
            let (content, written) = sent(bytes);
            assert!(!content.is_text);
            assert_eq!(STANDARD.decode(written).unwrap(), bytes);
        }
    }

    #[test]
    fn a_type_follows_from_the_name_and_the_kind_of_the_bytes() {
        for (path, is_text, expected) in [
            ("/a.md", true, "text/markdown"),
            ("/a/b.TS", true, "text/typescript"),
            ("/a.d/Makefile", true, "text/plain"),
            ("/a.d/core", false, "application/octet-stream"),
            ("/a.json", true, "application/json"),
        ] {
            assert_eq!(content_type(path, is_text), expected, "{path}");
        }
    }
}
