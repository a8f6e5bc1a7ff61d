//! Are the two sides equal? Byte for byte, by hash, and with nothing left over.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use landfall_core::hash::ContentHash;
use landfall_core::path::CONTROL_DIR;
use landfall_reference::server::{View, hash};

use super::DemoError;

/// Every file by its path, with the hash of its bytes.
pub(super) type Side = BTreeMap<String, ContentHash>;

/// What is on one side and not on the other.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Difference {
    /// Files that only the server has.
    pub missing: Vec<String>,
    /// Files that only the mirror has.
    pub extra: Vec<String>,
    /// Files with other bytes.
    pub other: Vec<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (what, paths) in [
            ("missing here", &self.missing),
            ("only here", &self.extra),
            ("with other bytes", &self.other),
        ] {
            if let Some(one) = paths.first() {
                let comma = if first { "" } else { ", " };
                write!(f, "{comma}{} {what} (such as {one})", paths.len())?;
                first = false;
            }
        }
        Ok(())
    }
}

/// The server's side.
pub(super) fn remote(view: &View<'_>) -> Side {
    view.files().map(|(path, file)| (path.to_owned(), file.content.hash())).collect()
}

/// The mirror's side. Every file is read and hashed; the control directory is not part of it.
pub(super) fn local(root: &Path) -> Result<Side, DemoError> {
    let mut side = Side::new();
    let mut open = vec![(root.to_owned(), String::new())];
    while let Some((directory, name)) = open.pop() {
        let failed = |why| DemoError::Directory { path: directory.clone(), why };
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            // Removed a moment ago, or not made yet.
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => continue,
            Err(why) => return Err(failed(why)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let part = entry.file_name().to_string_lossy().into_owned();
            let below = format!("{name}/{part}");
            match entry.file_type().map_err(failed)? {
                kind if kind.is_dir() && name.is_empty() && part == CONTROL_DIR => {}
                kind if kind.is_dir() => open.push((entry.path(), below)),
                _ => match fs::read(entry.path()) {
                    Ok(bytes) => {
                        side.insert(below, hash(&bytes));
                    }
                    Err(why) if why.kind() == std::io::ErrorKind::NotFound => {}
                    Err(why) => return Err(failed(why)),
                },
            }
        }
    }
    Ok(side)
}

/// What differs; `None` if nothing does.
pub(super) fn difference(local: &Side, remote: &Side) -> Option<Difference> {
    let only = |one: &Side, other: &Side| -> Vec<String> {
        let paths = one.keys().filter(|path| !other.contains_key(*path));
        paths.cloned().collect()
    };
    let differs =
        |(path, hash): &(&String, &ContentHash)| local.get(*path).is_some_and(|here| here != *hash);
    let found = Difference {
        missing: only(remote, local),
        extra: only(local, remote),
        other: remote.iter().filter(differs).map(|(path, _)| path.clone()).collect(),
    };
    (found != Difference::default()).then_some(found)
}

/// One hash over all paths and hashes: equal sides have the same, others do not.
pub(super) fn digest(side: &Side) -> ContentHash {
    let mut text = String::new();
    for (path, hash) in side {
        text.push_str(&format!("{hash} {path:?}\n"));
    }
    hash(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(files: &[(&str, &str)]) -> Side {
        let hashed = files.iter().map(|(path, text)| (path.to_string(), hash(text.as_bytes())));
        hashed.collect()
    }

    #[test]
    fn every_way_to_differ_is_told() {
        let remote = side(&[("/a", "1"), ("/b", "2")]);
        assert_eq!(difference(&remote, &remote), None);
        let local = side(&[("/a", "x"), ("/c", "3")]);
        let found = difference(&local, &remote).unwrap();
        assert_eq!(
            found.to_string(),
            "1 missing here (such as /b), 1 only here (such as /c), \
             1 with other bytes (such as /a)"
        );
        assert_ne!(digest(&local), digest(&remote));
    }
}
