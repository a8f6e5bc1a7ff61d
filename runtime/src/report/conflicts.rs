//! Conflict copies that nobody took away.

use std::collections::BTreeSet;
use std::path::Path;

use crate::disk::resolve::RESOLVED;

/// Below the control directory.
pub(crate) const DIR: &str = "conflicts";

/// More are not counted: whoever has so many knows.
const COUNT_MAX: u64 = 10_000;

/// How many there are, at most 10,000.
pub(super) fn count(control: &Path) -> u64 {
    let mut count = 0;
    walk(control, &mut |_| {
        count += 1;
        count < COUNT_MAX
    });
    count
}

/// Paths below the mirror that have copies, as far as their names still tell.
pub(super) fn paths(control: &Path) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    walk(control, &mut |name| {
        paths.insert(path_of(name).to_owned());
        (paths.len() as u64) < COUNT_MAX
    });
    paths
}

/// The names of copies, at most 10,000.
pub(crate) fn names(control: &Path) -> Vec<String> {
    let mut names = Vec::new();
    walk(control, &mut |name| {
        names.push(name.to_owned());
        (names.len() as u64) < COUNT_MAX
    });
    names
}

/// The path that a copy is of: it is called `<name>.<hash>.local`, or `<name>.<hash>.<n>.local`.
pub(crate) fn path_of(copy: &str) -> &str {
    let rest = copy.strip_suffix(".local").unwrap_or(copy);
    let rest = match rest.rsplit_once('.') {
        Some((rest, n)) if n.len() < 4 && n.bytes().all(|b| b.is_ascii_digit()) => rest,
        _ => rest,
    };
    rest.rsplit_once('.').map_or(rest, |(path, _)| path)
}

/// Shows the names below the directory of copies, until told to stop.
fn walk(control: &Path, show: &mut dyn FnMut(&str) -> bool) {
    let mut open = vec![(control.join(DIR), String::new())];
    while let Some((dir, below)) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            let name = format!("{below}{}", entry.file_name().to_string_lossy());
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_dir && name != RESOLVED {
                open.push((entry.path(), name + "/"));
            } else if !is_dir && name.ends_with(".local") && !show(&name) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_counted_and_resolved_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(count(dir.path()), 0);
        for name in ["a.md.0123abcd.local", "d/b.c.0123abcd.2.local", "resolved/a.md.x.local"] {
            let path = dir.path().join(DIR).join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        assert_eq!(count(dir.path()), 2);
        let paths = Vec::from_iter(paths(dir.path()));
        assert_eq!(paths, ["a.md", "d/b.c"]);
    }
}
