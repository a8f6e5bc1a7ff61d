//! Text that both sides had, so that what both change later can be merged.
//!
//! Whatever is placed or sent may be the base of a merge one day, and nobody can say which. So
//! this has to be cheap: texts are appended to a file below `.relay/bases`, one after the other,
//! and are looked for from the first one on when there is something to merge, which is seldom.
//! The files are numbered; where they become too large together, the oldest goes. A base that is
//! not found costs nothing but the merge: both sides are kept then.

use std::io::{self, BufReader, Read, Write};
use std::sync::{Mutex, PoisonError};

use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt};
use landfall_core::hash::ContentHash;
use landfall_reference::lines;

use super::pulse::beat;
use super::tree::hash_file;

/// Below the control directory.
const DIR: &str = "bases";

/// A file of so many bytes is followed by another.
const FILE_BYTES: u64 = 32 * 1024 * 1024;

/// So many files of that size are kept.
const FILES: u64 = 8;

/// Before each text: its hash and how many bytes it has.
const HEAD: usize = 32 + 4;

/// The texts of one mirror.
#[derive(Debug)]
pub(super) struct Bases {
    /// `None` where nothing is merged.
    control: Option<Dir>,
    file_bytes: u64,
    growing: Mutex<Growing>,
}

/// The file that texts are appended to.
#[derive(Debug)]
enum Growing {
    /// There is none yet.
    Not,
    /// It has so many bytes.
    To(File, u64),
    /// Half a text is at its end and could not be taken away.
    Spoiled,
}

impl Bases {
    /// For a mirror that merges nothing.
    pub fn none() -> Self {
        Self { control: None, file_bytes: FILE_BYTES, growing: Mutex::new(Growing::Not) }
    }

    /// Below a control directory. Nothing is made there before there is something to keep.
    pub fn below(control: &Dir) -> io::Result<Self> {
        Ok(Self { control: Some(control.try_clone()?), ..Self::none() })
    }

    /// Keeps what can be merged. It is no error if that does not work.
    pub fn keep(&self, hash: ContentHash, bytes: &[u8]) {
        let Some(control) = &self.control else { return };
        if bytes.is_empty() || text(bytes).is_none() {
            return;
        }
        // Nothing in here can panic halfway through a change.
        let mut growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(why) = growing.append(control, self.file_bytes, hash, bytes) {
            tracing::debug!("no copy for a later merge was kept: {why}");
        }
    }

    /// The text with a hash, if there is a copy.
    pub fn find(&self, hash: ContentHash) -> Option<String> {
        let dir = self.control.as_ref()?.open_dir(DIR).ok()?;
        // The newest are the likeliest.
        let found = numbers(&dir).ok()?.into_iter().rev().find_map(|(number, _)| {
            let file = dir.open(number.to_string()).ok()?;
            find_in(file, hash).ok().flatten()
        });
        found.and_then(|bytes| String::from_utf8(bytes).ok())
    }

    /// Whether anything is kept.
    pub fn are_kept(&self) -> bool {
        self.control.is_some()
    }
}

impl Growing {
    fn append(
        &mut self,
        control: &Dir,
        file_bytes: u64,
        hash: ContentHash,
        bytes: &[u8],
    ) -> io::Result<()> {
        if matches!(self, Self::To(_, size) if *size >= file_bytes) {
            *self = Self::Not;
        }
        if matches!(self, Self::Not) {
            *self = Self::To(begin(control, file_bytes)?, 0);
        }
        let Self::To(file, size) = self else { return Ok(()) };
        let mut record = Vec::with_capacity(HEAD + bytes.len());
        record.extend_from_slice(&hash.0);
        record.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        record.extend_from_slice(bytes);
        if let Err(why) = file.write_all(&record) {
            // Whatever came after half a text would never be found.
            if file.set_len(*size).is_err() {
                *self = Self::Spoiled;
            }
            return Err(why);
        }
        *size += record.len() as u64;
        Ok(())
    }
}

/// Begins a file, and makes room for it.
fn begin(control: &Dir, file_bytes: u64) -> io::Result<File> {
    control.create_dir_all(DIR)?;
    let dir = control.open_dir(DIR)?;
    let files = numbers(&dir)?;
    let mut total: u64 = files.iter().map(|(_, size)| size).sum();
    for (number, size) in &files {
        if total <= (FILES - 1) * file_bytes {
            break;
        }
        dir.remove_file(number.to_string())?;
        total -= size;
    }
    let next = files.last().map_or(1, |(number, _)| number + 1);
    let mut options = OpenOptions::new();
    options.append(true).create_new(true).mode(0o600);
    dir.open_with(next.to_string(), &options)
}

/// The numbers and the sizes of the files, the oldest first.
fn numbers(dir: &Dir) -> io::Result<Vec<(u64, u64)>> {
    let mut found = Vec::new();
    for entry in dir.entries()? {
        let entry = entry?;
        if let Some(Ok(number)) = entry.file_name().to_str().map(str::parse) {
            found.push((number, entry.metadata()?.len()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Reads to where a file ends, or to where a power cut left no text.
fn find_in(file: File, hash: ContentHash) -> io::Result<Option<Vec<u8>>> {
    let mut file = BufReader::with_capacity(64 * 1024, file);
    let mut head = [0; HEAD];
    loop {
        beat();
        match file.read_exact(&mut head) {
            Err(why) if why.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let (of, size) = head.split_at(32);
        let size = u32::from_le_bytes(size.try_into().expect("four bytes")) as usize;
        if size == 0 || size > lines::BYTES_MAX {
            return Ok(None);
        }
        if of != hash.0 {
            file.seek_relative(size as i64)?;
            continue;
        }
        let mut bytes = vec![0; size];
        file.read_exact(&mut bytes)?;
        if hash_file(&bytes[..])? == hash {
            return Ok(Some(bytes));
        }
    }
}

/// What can be merged: text, and not too much of it.
pub(super) fn text(bytes: &[u8]) -> Option<&str> {
    if bytes.len() > lines::BYTES_MAX || bytes.contains(&0) {
        return None;
    }
    std::str::from_utf8(bytes).ok().filter(|text| lines::fits(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Lab {
        control: tempfile::TempDir,
        bases: Bases,
    }

    impl Lab {
        fn new() -> Self {
            let control = tempfile::tempdir().unwrap();
            let bases = Bases { file_bytes: 100, ..open(&control) };
            Self { control, bases }
        }

        /// A process that is begun afterwards.
        fn next(self) -> Self {
            Self { bases: Bases { file_bytes: 100, ..open(&self.control) }, ..self }
        }

        fn keep(&self, bytes: &[u8]) {
            self.bases.keep(hash(bytes), bytes);
        }

        fn finds(&self, text: &str) -> bool {
            self.bases.find(hash(text.as_bytes())).is_some_and(|found| found == text)
        }

        /// The sizes of all files.
        fn sizes(&self) -> Vec<u64> {
            let dir = Dir::open_ambient_dir(self.control.path(), cap_std::ambient_authority());
            let files = dir.unwrap().open_dir(DIR).and_then(|dir| numbers(&dir));
            files.unwrap_or_default().into_iter().map(|(_, size)| size).collect()
        }
    }

    fn open(control: &tempfile::TempDir) -> Bases {
        let dir = Dir::open_ambient_dir(control.path(), cap_std::ambient_authority()).unwrap();
        Bases::below(&dir).unwrap()
    }

    fn hash(bytes: &[u8]) -> ContentHash {
        hash_file(bytes).unwrap()
    }

    #[test]
    fn a_text_is_found_by_its_hash_in_this_process_and_in_the_next() {
        let lab = Lab::new();
        assert!(!lab.finds("one\n"));
        lab.keep(b"one\n");
        lab.keep(b"two\n");
        assert!(lab.finds("one\n") && lab.finds("two\n") && !lab.finds("three\n"));
        let lab = lab.next();
        lab.keep(b"three\n");
        assert!(lab.finds("one\n") && lab.finds("two\n") && lab.finds("three\n"));
        assert_eq!(lab.sizes(), [80, 42]);
    }

    #[test]
    fn what_can_not_be_merged_is_not_kept() {
        let lab = Lab::new();
        lab.keep(b"");
        lab.keep(b"nothing\0\n");
        lab.keep(b"\xff\xfe\n");
        lab.keep("x".repeat(lines::BYTES_MAX + 1).as_bytes());
        lab.keep("\n".repeat(lines::LINES_MAX + 1).as_bytes());
        assert!(lab.sizes().is_empty());
    }

    #[test]
    fn what_a_power_cut_spoiled_hides_nothing_that_was_kept_before_or_after() {
        for spoil in [&b"half a head"[..], &[0; 400], &[1; 50]] {
            let lab = Lab::new();
            lab.keep(b"before\n");
            let file = lab.control.path().join(DIR).join("1");
            std::fs::OpenOptions::new().append(true).open(&file).unwrap().write_all(spoil).unwrap();
            let lab = lab.next();
            lab.keep(b"after\n");
            assert!(lab.finds("before\n") && lab.finds("after\n"));
        }
    }

    #[test]
    fn bytes_that_are_not_what_they_say_are_no_base() {
        let lab = Lab::new();
        lab.bases.keep(hash(b"one\n"), b"two\n");
        assert!(!lab.finds("one\n"));
        lab.keep(b"one\n");
        assert!(lab.finds("one\n"));
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let lab = Lab::new();
        let text = |n: u32| format!("text number {n:04}\n");
        (0..100).for_each(|n| lab.keep(text(n).as_bytes()));
        let kept: Vec<u32> = (0..100).filter(|n| lab.finds(&text(*n))).collect();
        assert_eq!(kept, (kept[0]..100).collect::<Vec<_>>());
        let total: u64 = lab.sizes().iter().sum();
        assert!((600..=1_000).contains(&total), "{total}");
    }
}
