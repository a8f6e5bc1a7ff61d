//! Names from the server that no disk can hold, or that are none of this mirror's business.
//!
//! Each name that can not be placed has a row, so that after a restart it is still known what
//! has to go before everything is in step.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Mirror;
use crate::decision::Decision;
use crate::engine::Cx;
use crate::path::{PathError, RemotePath, Shown, stays_home};
use crate::row::{Of, RefusedRow, Value};

/// Names that are remembered as refused. More are still refused, but not told apart.
const REFUSED_MAX: usize = 10_000;

/// What a name from the server is to this mirror.
pub(super) enum Name {
    /// A file that belongs here.
    Good(RemotePath),
    /// Outside of the remote directory that is mirrored, in a control directory, or of what
    /// never travels.
    Foreign,
    /// It can not be placed. `first`: it was not met before in this traversal.
    Refused { first: bool },
}

impl Mirror {
    /// What a name from the server is to this mirror.
    pub(super) fn judge_name(&mut self, cx: &mut Cx<'_>, name: &str, traversal: u32) -> Name {
        if self.gone_names.contains(name) {
            return Name::Refused { first: false };
        }
        match RemotePath::parse(name) {
            Ok(path) => match path.below(&self.config.base) {
                Some(relative) if !stays_home(relative) => Name::Good(path),
                _ => Name::Foreign,
            },
            // A control directory of another mirror is no trouble of this one.
            Err(PathError::Control) => Name::Foreign,
            Err(why) => {
                let before = self.refused.get(name).copied();
                if before.is_none() && self.refused.len() >= REFUSED_MAX {
                    return Name::Refused { first: true };
                }
                if before != Some(traversal) {
                    self.refused.insert(name.into(), traversal);
                    cx.put(Value::Refused(name.into(), RefusedRow { seen: traversal }));
                }
                if before.is_none() {
                    cx.note(Decision::NameRefused { name: name.into(), why });
                    self.count_refused(cx);
                }
                Name::Refused { first: before != Some(traversal) }
            }
        }
    }

    /// The names that are refused, as they can be shown, and why.
    pub fn refused_names(&self) -> impl Iterator<Item = (String, String)> {
        self.refused.keys().map(|name| {
            let why = RemotePath::parse(name).err().map(|why| why.to_string());
            (Shown(name).to_string(), why.unwrap_or_default())
        })
    }

    /// A name that was refused is not there any more. With it goes the directory that a listing
    /// showed above it, unless more is known to be in that. If there is more that nobody told of,
    /// the next listing shows it again.
    pub(super) fn forget_name(&mut self, cx: &mut Cx<'_>, name: &str) {
        let is_above = |dir: &str| {
            let mut others = self.refused.keys().filter(|other| *other != name);
            lies_below(name, dir) && !others.any(|other| lies_below(other, dir))
        };
        let above: Vec<String> = self.refused.keys().filter(|dir| is_above(dir)).cloned().collect();
        self.forget(cx, |known| known == name || above.iter().any(|dir| dir == known));
        // A snapshot that is being taken in may be older.
        let open = self.row.traversal.as_ref().is_some_and(|traversal| traversal.open);
        if open && self.gone_names.len() < REFUSED_MAX {
            self.gone_names.insert(name.into());
        }
    }

    /// A whole traversal is over: what it did not show is gone, but for what lies in a directory
    /// that was refused: of that it shows no more.
    pub(super) fn forget_names_before(&mut self, cx: &mut Cx<'_>, traversal: u32) {
        let is_shown = |dir: &str| self.refused.get(dir) == Some(&traversal);
        let is_hidden = |name: &str| {
            let slashes = name.match_indices('/').map(|(at, _)| at);
            slashes.skip(1).any(|at| is_shown(&name[..at]) || is_shown(&name[..=at]))
        };
        let gone = |name: &String, seen: u32| seen != traversal && !is_hidden(name);
        let gone: BTreeSet<String> = self
            .refused
            .iter()
            .filter(|(name, seen)| gone(name, **seen))
            .map(|(name, _)| name.clone())
            .collect();
        self.forget(cx, |name| gone.contains(name));
    }

    fn forget(&mut self, cx: &mut Cx<'_>, is_gone: impl Fn(&str) -> bool) {
        let before = self.refused.len();
        self.refused.retain(|name, _| {
            let goes = is_gone(name);
            if goes {
                cx.delete(Of::Refused(name.clone()));
            }
            !goes
        });
        if self.refused.len() != before {
            self.count_refused(cx);
        }
    }

    pub(super) fn count_refused(&mut self, cx: &mut Cx<'_>) {
        let refused = self.refused.len() as u64;
        self.change(cx, |row| row.refused_names = refused);
    }
}

/// Whether a name lies in a directory. One whose name ends with a slash has an empty name in it.
fn lies_below(name: &str, dir: &str) -> bool {
    let rest = name.strip_prefix(dir);
    rest.is_some_and(|rest| {
        !rest.is_empty() && (rest.starts_with('/') || dir.ends_with('/') && dir != "/")
    })
}
