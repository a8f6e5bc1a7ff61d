//! The workspace at one moment, and the routes that read it.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use landfall_core::path::CONTROL_DIR;
use landfall_core::wire::{Tree, TreeEntry};

use super::{File, Files, Refusal, Settings, normal};

/// Paths of one bulk read, at most.
pub const BULK_MAX: usize = 32;

/// Levels of a listing when the request does not say.
const DEFAULT_DEPTH: u32 = 10;

/// What is asked of a listing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TreeQuery {
    /// The directory.
    pub path: String,
    /// Levels below it, 1 (its children) to 100. Default 10.
    pub depth: Option<u32>,
    /// The last path of the page before.
    pub cursor: Option<String>,
    /// Leave out what lies in a control directory.
    pub exclude_mount_runtime: bool,
}

/// One path of a bulk read.
pub type BulkItem<'a> = (String, Result<&'a File, Refusal>);

/// The workspace at one moment.
#[derive(Clone, Debug)]
pub struct View<'a> {
    files: Cow<'a, Files>,
    settings: &'a Settings,
    at: u64,
}

impl<'a> View<'a> {
    pub(super) fn borrowed(files: &'a Files, settings: &'a Settings, at: u64) -> Self {
        Self { files: Cow::Borrowed(files), settings, at }
    }

    pub(super) fn owned(files: Files, settings: &'a Settings, at: u64) -> Self {
        Self { files: Cow::Owned(files), settings, at }
    }

    /// How many events had happened.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// All files, in path order.
    pub fn files(&self) -> impl Iterator<Item = (&str, &File)> {
        self.files.iter().map(|(path, file)| (&**path, file))
    }

    /// Keeps the files for which `keep` says so: a server that shows less than it has.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        match &mut self.files {
            // Cheaper than to clone them all and take some out.
            Cow::Borrowed(files) => {
                let kept = files.iter().filter(|(path, _)| keep(path));
                self.files = Cow::Owned(kept.map(|(p, f)| (p.clone(), f.clone())).collect());
            }
            Cow::Owned(files) => files.retain(|path, _| keep(path)),
        }
    }

    /// `GET fs/file`.
    ///
    /// # Errors
    /// 404.
    pub fn read(&self, path: &str) -> Result<&File, Refusal> {
        self.files.get(normal(path).as_str()).ok_or_else(Refusal::not_found)
    }

    /// `POST fs/bulk-read`: every path answered or refused by itself, in the order asked.
    ///
    /// # Errors
    /// 404 where the server has no such route; 400 for no path or more than 32.
    pub fn bulk_read(&self, paths: &[String]) -> Result<Vec<BulkItem<'_>>, Refusal> {
        if !self.settings.bulk_read {
            return Err(Refusal::no_route());
        }
        if paths.is_empty() || paths.len() > BULK_MAX {
            return Err(Refusal::bad_request("paths must hold 1 to 32 paths"));
        }
        Ok(paths.iter().map(|path| (path.clone(), self.read(path))).collect())
    }

    /// `GET fs/export?format=json`: every file at or below a path. A client may not rely on
    /// the order.
    pub fn export(&self, path: &str) -> impl Iterator<Item = (&str, &File)> {
        let base = normal(path);
        let itself = self.files.get_key_value(base.as_str());
        itself.into_iter().chain(self.below(&base)).map(|(path, file)| (&**path, file))
    }

    /// `GET fs/tree`: one page, in path order.
    ///
    /// # Errors
    /// 400 for a depth out of bounds or a cursor that is not a path of this listing.
    pub fn tree(&self, query: &TreeQuery) -> Result<Tree, Refusal> {
        let depth = query.depth.unwrap_or(DEFAULT_DEPTH);
        if !(1..=100).contains(&depth) {
            return Err(Refusal::bad_request("depth must be between 1 and 100"));
        }
        let base = normal(&query.path);
        let most = self.settings.page.max(1);
        let mut page = Page::after(query.cursor.as_deref().unwrap_or_default(), most);
        let total = self.list(&base, depth as usize, query.exclude_mount_runtime, &mut page);
        if !page.begun {
            return Err(Refusal::bad_request("invalid cursor"));
        }
        let mut entries = Vec::new();
        let mut rest = page.shown.iter();
        let mut last = None;
        for (path, found) in rest.by_ref().take(most) {
            // A name can be a directory and a file at once. Both go on the same page, because
            // the cursor can not tell them apart.
            if found.directory {
                entries.push(directory(path));
            }
            if let Some(file) = found.file {
                entries.push(self.entry(path, file));
            }
            last = Some(*path);
        }
        let more = rest.next().is_some();
        Ok(Tree {
            path: base,
            entries,
            next_cursor: last.filter(|_| more).map(str::to_owned),
            total_files: Some(total).filter(|total| self.settings.counts && *total > 0),
        })
    }

    fn below<'s>(&'s self, base: &str) -> impl Iterator<Item = (&'s Arc<str>, &'s File)> + use<'s> {
        let prefix = if base == "/" { base.to_owned() } else { format!("{base}/") };
        let start = Bound::Included(prefix.as_str());
        let range = self.files.range::<str, _>((start, Bound::Unbounded));
        range.take_while(move |(path, _)| path.starts_with(&prefix))
    }

    /// Fills a page of a listing. Answers how many files the whole subtree has.
    fn list<'s>(&'s self, base: &str, depth: usize, hide: bool, page: &mut Page<'s>) -> u64 {
        let mut total = 0;
        let skip = if base == "/" { 1 } else { base.len() + 1 };
        let mut before = "";
        for (path, file) in self.below(base) {
            if hide && path.contains(CONTROL_DIR) && path.split('/').any(|part| part == CONTROL_DIR)
            {
                continue;
            }
            total += 1;
            let path: &str = path;
            let mut level = 0;
            for (at, _) in path[skip..].bytes().enumerate().filter(|(_, byte)| *byte == b'/') {
                level += 1;
                if level > depth {
                    break;
                }
                // Most files lie in the directory of the one before.
                let dir = &path[..skip + at];
                let known = before.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'));
                if !known && let Some(found) = page.show(dir) {
                    found.directory = true;
                }
            }
            before = path;
            if level < depth
                && let Some(found) = page.show(path)
            {
                found.file = Some(file);
            }
        }
        total
    }

    fn entry(&self, path: &str, file: &File) -> TreeEntry {
        let told = self.settings.hashes;
        TreeEntry {
            path: path.to_owned(),
            kind: "file".to_owned(),
            revision: file.revision(),
            content_hash: told.then(|| file.content.hash().to_string()),
            size: told.then(|| file.content.encoded_len()),
        }
    }
}

/// One page, and the path behind it if there is one. A directory can be found after paths that
/// come behind it, so what does not belong here is known only in the end; no more is kept for
/// that.
struct Page<'a> {
    cursor: String,
    /// The cursor was found, or there is none.
    begun: bool,
    most: usize,
    shown: BTreeMap<&'a str, Found<'a>>,
}

impl<'a> Page<'a> {
    fn after(cursor: &str, most: usize) -> Self {
        let begun = cursor.is_empty();
        Self { cursor: cursor.to_owned(), begun, most, shown: BTreeMap::new() }
    }

    /// What is known of a path that may be on the page.
    fn show(&mut self, path: &'a str) -> Option<&mut Found<'a>> {
        match path.cmp(&self.cursor) {
            Ordering::Less => return None,
            Ordering::Equal => {
                self.begun = true;
                return None;
            }
            Ordering::Greater => {}
        }
        if self.shown.len() > self.most {
            let (last, _) = self.shown.last_key_value()?;
            if path > *last {
                return None;
            }
            if !self.shown.contains_key(path) {
                self.shown.pop_last();
            }
        }
        Some(self.shown.entry(path).or_default())
    }
}

#[derive(Default)]
struct Found<'a> {
    directory: bool,
    file: Option<&'a File>,
}

fn directory(path: &str) -> TreeEntry {
    TreeEntry {
        path: path.to_owned(),
        kind: "dir".to_owned(),
        revision: "dir".to_owned(),
        content_hash: None,
        size: None,
    }
}
