//! Names here that the server can not have.
//!
//! What has such a name stays here, whatever is done to it. Nobody else ever tells of that, so they
//! are kept for the status and told in the log. What is ignored stays here as well, and is none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use landfall_core::path::{PathError, RemotePath, Shown};
use serde::{Deserialize, Serialize};

use super::tree::join;

/// No more are kept. A tool that makes more of them has made its point.
const MOST: usize = 1000;

/// So many are told in the log, and by name in the status.
const TOLD: usize = 20;

/// See the [module](self).
#[derive(Clone, Debug)]
pub struct Strangers(Option<Arc<Mutex<Known>>>);

#[derive(Debug, Default)]
struct Known {
    /// By the directory, below the root.
    dirs: BTreeMap<String, BTreeSet<Stranger>>,
    count: usize,
    /// How many the log has.
    told: usize,
}

/// A name, as it can be shown, and what is wrong with it.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Stranger {
    /// The path below the root, or in the set of a directory the name.
    pub path: String,
    /// What is wrong with it.
    pub why: String,
}

/// How many there are, and the first of them.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Told {
    /// All of them, up to 1,000.
    pub count: usize,
    /// The first 20.
    pub first: Vec<Stranger>,
}

impl Strangers {
    /// For a mirror that is not written here.
    pub fn none() -> Self {
        Self(None)
    }

    pub(super) fn kept() -> Self {
        Self(Some(Arc::default()))
    }

    /// What a name here is on the server, in a directory there that has no trailing `/`. `Err`
    /// with what there is to tell; nothing of what is ours.
    pub(super) fn judge(above: &str, name: &[u8]) -> Result<RemotePath, Option<Stranger>> {
        let why = match std::str::from_utf8(name) {
            Err(_) => "it is not UTF-8".to_owned(),
            Ok(name) => match RemotePath::parse(&format!("{above}/{name}")) {
                Ok(path) => return Ok(path),
                Err(PathError::Control) => return Err(None),
                Err(why) => why.to_string(),
            },
        };
        let path = Shown(&String::from_utf8_lossy(name)).to_string();
        Err(Some(Stranger { path, why }))
    }

    /// A directory was read: these are in it, and none that is not named. `is_dir` says whether a
    /// name in it is a directory; where none is any more, none of the strangers below is.
    pub(super) fn found(&self, dir: &str, now: BTreeSet<Stranger>, is_dir: impl Fn(&str) -> bool) {
        let Some(mut known) = self.known() else { return };
        if known.dirs.is_empty() && now.is_empty() {
            return;
        }
        known.dirs.retain(|other, _| {
            let below = match dir {
                "" => Some(other.as_str()),
                dir => other.strip_prefix(dir).and_then(|rest| rest.strip_prefix('/')),
            };
            let first = below.and_then(|below| below.split('/').next());
            first.is_none_or(|first| first.is_empty() || is_dir(first))
        });
        let before = known.dirs.remove(dir).unwrap_or_default();
        known.count = known.dirs.values().map(BTreeSet::len).sum();
        for stranger in now {
            let is_new = !before.contains(&stranger);
            known.add(dir, stranger, is_new);
        }
    }

    /// Something with this name was made or changed.
    pub(super) fn came(&self, dir: &str, stranger: Stranger) {
        let Some(mut known) = self.known() else { return };
        if !known.dirs.get(dir).is_some_and(|names| names.contains(&stranger)) {
            known.add(dir, stranger, true);
        }
    }

    /// It went.
    pub(super) fn went(&self, dir: &str, stranger: &Stranger) {
        let Some(mut known) = self.known() else { return };
        let Some(names) = known.dirs.get_mut(dir) else { return };
        let (went, is_last) = (names.remove(stranger), names.is_empty());
        if is_last {
            known.dirs.remove(dir);
        }
        known.count -= usize::from(went);
    }

    /// What there is to tell.
    pub fn told(&self) -> Told {
        let Some(known) = self.known() else { return Told::default() };
        let all = known.dirs.iter().flat_map(|(dir, names)| {
            // The directory may be of the server, and its name anything.
            let dir = Shown(dir).to_string();
            names.iter().map(move |name| Stranger { path: join(&dir, &name.path), ..name.clone() })
        });
        Told { count: known.count, first: all.take(TOLD).collect() }
    }

    fn known(&self) -> Option<MutexGuard<'_, Known>> {
        let known = self.0.as_ref()?;
        Some(known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Known {
    fn add(&mut self, dir: &str, stranger: Stranger, is_new: bool) {
        if self.count >= MOST {
            return;
        }
        if is_new && self.told < TOLD {
            self.told += 1;
            let Stranger { path, why } = &stranger;
            let path = join(&Shown(dir).to_string(), path);
            tracing::warn!("`{path}` stays here, for the server can not have its name: {why}");
        }
        self.dirs.entry(dir.to_owned()).or_default().insert(stranger);
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(name: &[u8]) -> Option<Stranger> {
        Strangers::judge("/base", name).err().flatten()
    }

    fn stranger(name: &str) -> Stranger {
        judge(name.as_bytes()).unwrap()
    }

    fn found(strangers: &Strangers, dir: &str, names: &[&str], dirs: &[&str]) {
        let names = names.iter().map(|name| stranger(name)).collect();
        strangers.found(dir, names, |name| dirs.contains(&name));
    }

    fn paths(strangers: &Strangers) -> Vec<String> {
        let told = strangers.told();
        assert_eq!(told.count, told.first.len());
        told.first.into_iter().map(|stranger| stranger.path).collect()
    }

    #[test]
    fn a_name_says_what_is_wrong_with_it() {
        assert_eq!(Strangers::judge("", b"plan.md").unwrap().as_str(), "/plan.md");
        assert_eq!(judge(b".relay"), None);
        assert_eq!(stranger("a\\b").why, "it has a backslash");
        let odd = judge(b"caf\xe9\n").unwrap();
        assert_eq!((odd.path.as_str(), odd.why.as_str()), ("caf\u{fffd}\\n", "it is not UTF-8"));
    }

    #[test]
    fn each_read_of_a_directory_says_anew_what_is_in_it() {
        let strangers = Strangers::kept();
        found(&strangers, "", &["a\\b"], &["docs"]);
        found(&strangers, "docs", &["c\\d", "e\\f"], &["deep"]);
        found(&strangers, "docs/deep", &["g\\h"], &[]);
        assert_eq!(paths(&strangers), ["a\\b", "docs/c\\d", "docs/e\\f", "docs/deep/g\\h"]);
        found(&strangers, "docs", &["e\\f"], &[]);
        assert_eq!(paths(&strangers), ["a\\b", "docs/e\\f"], "with the directory what was below");
        found(&strangers, "", &[], &["docs", "docs2"]);
        assert_eq!(paths(&strangers), ["docs/e\\f"]);
        found(&strangers, "", &[], &[]);
        assert_eq!(strangers.told(), Told::default());
    }

    #[test]
    fn what_is_heard_counts_until_it_goes() {
        let strangers = Strangers::kept();
        strangers.came("docs", stranger("a\\b"));
        strangers.came("docs", stranger("a\\b"));
        assert_eq!(paths(&strangers), ["docs/a\\b"]);
        strangers.went("docs", &stranger("c\\d"));
        strangers.went("docs", &stranger("a\\b"));
        assert_eq!(strangers.told(), Told::default());
    }

    #[test]
    fn what_draws_on_a_terminal_is_escaped_in_directories_too() {
        let strangers = Strangers::kept();
        strangers.came("\u{1b}[2J", stranger("a\\b"));
        assert_eq!(paths(&strangers), ["\\u{1b}[2J/a\\b"]);
        strangers.went("\u{1b}[2J", &stranger("a\\b"));
        assert!(strangers.known().unwrap().dirs.is_empty());
    }

    #[test]
    fn no_more_are_kept_than_make_the_point() {
        let strangers = Strangers::kept();
        for n in 0..2 * MOST {
            strangers.came("", stranger(&format!("a\\{n}")));
        }
        let told = strangers.told();
        assert_eq!((told.count, told.first.len()), (MOST, TOLD));
    }
}
