//! What stays here although it lies in the mirror.
//!
//! It matters only for files that nobody knows yet: a file that is known stays in step, whatever
//! its name. The rules are `.landfallignore` at the root, as git reads them, after our own, so
//! that a person can take back all but the first of these.

use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use landfall_core::path::stays_home;

/// The rules of a person, at the root.
pub(super) const FILE: &str = ".landfallignore";

/// No more of it is read.
const FILE_MAX: u64 = 1024 * 1024;

/// What the existing client never sends: the tools and packages of whoever works at the root.
const CLIENT: [&str; 3] = ["/.skills", "/node_modules", "/_PERMISSIONS.md"];

/// Files that editors make for themselves while they save or lock another.
const EDITORS: [&str; 11] = [
    ".#*",
    ".goutputstream-*",
    ".~lock.*#",
    "*___jb_tmp___",
    "*___jb_old___",
    "*.sw[pox]",
    "*.tmp",
    "*.tmp-*",
    "*.writer-tmp-*",
    "*~",
    "\\#*#",
];

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Ignores(Option<RwLock<Arc<Rules>>>);

#[derive(Debug)]
struct Rules {
    text: String,
    matcher: Gitignore,
}

impl Rules {
    fn ignore(&self, local: &str, is_dir: bool) -> bool {
        self.matcher.matched_path_or_any_parents(local, is_dir).is_ignore()
    }
}

impl Ignores {
    /// For a mirror that is not written here.
    pub fn none() -> Self {
        Self(None)
    }

    /// What is ignored everywhere. The rules of the person have yet to be read.
    pub fn built_in() -> Self {
        Self(Some(RwLock::new(Arc::new(Rules { text: String::new(), matcher: matcher("") }))))
    }

    /// Reads the rules of the person again. What can not be read is passed over, and said.
    pub fn read(&self, root: &Dir) {
        let Some(rules) = &self.0 else { return };
        let text = match read(root) {
            Ok(text) => text,
            Err(why) if why.kind() == io::ErrorKind::NotFound => String::new(),
            Err(why) => {
                return tracing::warn!("{FILE} can not be read, so it stays as it was: {why}");
            }
        };
        if self.now().is_none_or(|rules| rules.text != text) {
            let new = Arc::new(Rules { matcher: matcher(&text), text });
            *rules.write().unwrap_or_else(PoisonError::into_inner) = new;
        }
    }

    /// Whether a path below the root is ignored, or lies in a directory that is.
    pub fn is_ignored(&self, local: &str, is_dir: bool) -> bool {
        self.now().is_some_and(|rules| stays_home(local) || rules.ignore(local, is_dir))
    }

    /// For many names of one directory below the root. The rules stay as they are meanwhile.
    pub fn below(&self, dir: &str) -> Below {
        let rules = self.now();
        let dir_ignored = rules.as_ref().is_some_and(|rules| rules.ignore(dir, true));
        Below { rules, dir_ignored }
    }

    fn now(&self) -> Option<Arc<Rules>> {
        let rules = self.0.as_ref()?;
        Some(rules.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// What is ignored in one directory.
#[derive(Debug)]
pub(super) struct Below {
    rules: Option<Arc<Rules>>,
    dir_ignored: bool,
}

impl Below {
    /// The same as [`Ignores::is_ignored`] for a path right below the directory.
    pub fn is_ignored(&self, local: &str, is_dir: bool) -> bool {
        let Some(rules) = &self.rules else { return false };
        // What is told of the path itself goes before what is told of those above it.
        stays_home(local)
            || match rules.matcher.matched(local, is_dir) {
                Match::None => self.dir_ignored,
                told => told.is_ignore(),
            }
    }
}

/// Whether a path below a mirror's root stays here as long as nobody knows it.
///
/// # Errors
/// If the root can not be opened.
pub fn stays_here(root: &Path, relative: &str) -> io::Result<bool> {
    let ignores = Ignores::built_in();
    ignores.read(&Dir::open_ambient_dir(root, ambient_authority())?);
    Ok(ignores.is_ignored(relative, false))
}

fn read(root: &Dir) -> io::Result<String> {
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No);
    if !root.symlink_metadata(FILE)?.is_file() {
        return Ok(String::new());
    }
    let mut bytes = Vec::new();
    root.open_with(FILE, &options)?.take(FILE_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn matcher(text: &str) -> Gitignore {
    let mut builder = GitignoreBuilder::new(".");
    for line in EDITORS.into_iter().chain(CLIENT).chain(text.lines()) {
        if let Err(why) = builder.add_line(None, line) {
            tracing::warn!("a line of {FILE} is no pattern and is passed over: {why}");
        }
    }
    builder.build().unwrap_or_else(|why| {
        tracing::warn!("{FILE} can not be used: {why}");
        Gitignore::empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a file is ignored, asked in both ways.
    fn is_ignored(ignores: &Ignores, path: &str) -> bool {
        let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
        let ignored = ignores.is_ignored(path, false);
        // What never leaves is at the top of the mirror, and nothing below it is ever read.
        assert!(stays_home(dir) || ignores.below(dir).is_ignored(path, false) == ignored, "{path}");
        ignored
    }

    #[test]
    fn editors_and_version_control_keep_their_files() {
        let ignores = Ignores::built_in();
        for path in [
            ".git/config",
            ".GIT",
            "_darcs/x",
            "a/.#b.md",
            ".b.md.swp",
            "b.md~",
            "x/y.tmp",
            ".~lock.a.odt#",
            "a.md.tmp-123",
            "a/#b#",
            ".goutputstream-X",
            ".relayfile-mount-state.json",
            "node_modules/x/index.js",
            "a.ts___jb_tmp___",
        ] {
            assert!(is_ignored(&ignores, path), "{path}");
        }
        for path in [
            "a.md",
            "sub/.git/config",
            "sub/node_modules/x",
            ".github/x.yml",
            "tmp/a",
            "a.tmpl",
            "#a",
            "~a",
        ] {
            assert!(!is_ignored(&ignores, path), "{path}");
        }
        assert!(!Ignores::none().is_ignored(".git/config", false));
    }

    #[test]
    fn a_person_may_add_rules_and_take_rules_back() {
        let dir = tempfile::tempdir().unwrap();
        let root = Dir::open_ambient_dir(dir.path(), ambient_authority()).unwrap();
        let ignores = Ignores::built_in();
        std::fs::write(
            dir.path().join(FILE),
            "# mine\nbuild/\n/top\n!*.tmp\n[\n!.git\n!node_modules\n",
        )
        .unwrap();
        ignores.read(&root);
        assert!(is_ignored(&ignores, "a/build/x/y") && ignores.is_ignored("build", true));
        assert!(ignores.is_ignored("top", false) && !ignores.is_ignored("a/top", false));
        assert!(!ignores.is_ignored("a.tmp", false) && ignores.is_ignored(".git", true));
        assert!(!ignores.is_ignored("node_modules", true));
        std::fs::remove_file(dir.path().join(FILE)).unwrap();
        ignores.read(&root);
        assert!(!ignores.is_ignored("build", true) && ignores.is_ignored("a.tmp", false));
    }
}
