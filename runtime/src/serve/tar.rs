//! `fs/export?format=tar`: the decoded bytes of every file, gzipped, one file at a time.
//!
//! Names are data. An entry is called what the file is called, without the one leading `/`,
//! and nothing else is changed: `/../a` is there as `../a`, and `//a` as `/a`. Who unpacks it
//! has to look at the names, as with any archive of somebody else.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use landfall_reference::server::File;
use tar::{Builder, EntryType, Header};

/// The type that the answer says it has.
pub(super) const TYPE: &str = "application/gzip";

/// Bytes of a name that fit a header. A longer one goes into an extension before it.
const NAME_MAX: usize = 100;

/// An archive that is being written. Holds no more than the file that was added last.
pub(super) struct Archive(Builder<GzEncoder<Vec<u8>>>);

impl Archive {
    pub(super) fn new() -> Self {
        Self(Builder::new(GzEncoder::new(Vec::new(), Compression::fast())))
    }

    /// The bytes that a file adds. All of them: a reader has the whole file when it has read
    /// these, so the log may say that it was delivered.
    pub(super) fn add(&mut self, path: &str, file: &File) -> io::Result<Vec<u8>> {
        let name = path.strip_prefix('/').unwrap_or(path).as_bytes();
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_mtime(file.at.0 / 1000);
        header.set_size(file.content.bytes().len() as u64);
        if name.len() > NAME_MAX || name.contains(&0) {
            self.0.append_pax_extensions([("path", name)])?;
        }
        // Not by `set_path`, which refuses what is no safe path.
        let fits = &name[..name.len().min(NAME_MAX)];
        header.as_old_mut().name[..fits.len()].copy_from_slice(fits);
        header.set_cksum();
        self.0.append(&header, file.content.bytes())?;
        self.0.get_mut().flush()?;
        Ok(std::mem::take(self.0.get_mut().get_mut()))
    }

    /// The bytes that end the archive.
    pub(super) fn end(self) -> io::Result<Vec<u8>> {
        self.0.into_inner()?.finish()
    }
}
