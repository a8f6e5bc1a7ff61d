//! `landfall conflicts`: what was kept because two sides changed a file, and which one is to
//! stay.

use std::io;
use std::path::Path;
use std::time::SystemTime;

use clap::{Subcommand, ValueEnum};
use landfall_core::files::entry::Found;
use landfall_core::path::{CONTROL_DIR, Shown};
use landfall_core::time::Wall;
use serde::Serialize;

use crate::commands::{fail, real, say};
use crate::disk::{Disk, resolve};
use crate::exit;
use crate::report::{ReportError, conflicts, file, quoted, remote_path, rfc3339};
use crate::writeback::Mirror;

/// The schema of what is told in JSON.
const SCHEMA: &str = "landfall.conflicts/1";

/// What is asked of the conflict copies.
#[derive(Clone, Debug, Subcommand)]
pub enum ConflictsCommand {
    /// List the conflict copies that nobody has resolved
    List {
        #[command(flatten)]
        mirror: Mirror,
        /// Machine-readable, under the schema landfall.conflicts/1
        #[arg(long)]
        json: bool,
    },
    /// Show both sides of a conflict
    Show {
        /// The file, or the name of one copy
        path: String,
        #[command(flatten)]
        mirror: Mirror,
    },
    /// Decide which side stays; the other is kept below .relay/conflicts/resolved
    Resolve {
        /// The file, or the name of one copy
        path: String,
        /// local: the copy, with the bytes that were changed here; remote: what is at the path
        #[arg(long, value_enum)]
        keep: Keep,
        #[command(flatten)]
        mirror: Mirror,
    },
}

/// Which side.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Keep {
    /// The copy, with the bytes that were changed here
    Local,
    /// What is at the path now
    Remote,
}

/// A conflict copy.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
struct Copy {
    /// Below `.relay/conflicts`.
    copy: String,
    /// The file below the mirror, as far as the copy's name tells.
    path: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<String>,
}

#[derive(Serialize)]
struct Listed {
    schema: &'static str,
    conflicts: Vec<Copy>,
}

/// Why nothing can be said of a conflict, or done about it.
#[derive(Debug, thiserror::Error)]
enum ConflictError {
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error("there is no conflict copy of {}. `landfall conflicts list` names them", Shown(.0))]
    None(String),
    #[error("there are {} copies of {}. Name one of them:\n{}", .1.len(), Shown(.0), .1.join("\n"))]
    Many(String, Vec<String>),
    #[error("the conflict of {} can not be resolved: {}. Nothing is lost: look at both sides with `landfall conflicts show`", Shown(.0), .1)]
    Io(String, io::Error),
}

impl ConflictError {
    fn code(&self) -> u8 {
        match self {
            ConflictError::Report(why) => why.code(),
            ConflictError::Many(..) => exit::USAGE,
            _ => exit::FAILED,
        }
    }
}

impl ConflictsCommand {
    /// Does it, and answers the exit code.
    pub fn run(self) -> u8 {
        let (Self::List { mirror, .. } | Self::Show { mirror, .. } | Self::Resolve { mirror, .. }) =
            &self;
        let root = match real(mirror.local_dir.clone()) {
            Ok(root) => root,
            Err(why) => return fail(why.code(), &why),
        };
        let answer = match self {
            Self::List { json, .. } => Ok(list(&root, json)),
            Self::Show { path, .. } => show(&root, &path),
            Self::Resolve { path, keep, .. } => decide(&root, &path, keep),
        };
        match answer {
            Ok(text) => say(&text, exit::OK),
            Err(why) => fail(why.code(), &why),
        }
    }
}

fn copies(root: &Path) -> Vec<Copy> {
    let control = root.join(CONTROL_DIR);
    let mut copies: Vec<Copy> = conflicts::names(&control)
        .into_iter()
        .map(|copy| {
            let found = std::fs::symlink_metadata(control.join(conflicts::DIR).join(&copy)).ok();
            let changed = found.as_ref().and_then(|file| file.modified().ok());
            let since = changed.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
            Copy {
                path: conflicts::path_of(&copy).to_owned(),
                size: found.map_or(0, |file| file.len()),
                ts: since.map(|at| rfc3339(Wall(at.as_millis() as u64))),
                copy,
            }
        })
        .collect();
    copies.sort_by(|a, b| (&a.path, &a.copy).cmp(&(&b.path, &b.copy)));
    copies
}

fn list(root: &Path, json: bool) -> String {
    let conflicts = copies(root);
    if json {
        let listed = Listed { schema: SCHEMA, conflicts };
        return serde_json::to_string_pretty(&listed).unwrap_or_default() + "\n";
    }
    if conflicts.is_empty() {
        return String::from("no conflicts\n");
    }
    let mut text = String::from("path\tsize\tts\tcopy\n");
    for Copy { copy, path, size, ts } in conflicts {
        let ts = ts.as_deref().unwrap_or("-");
        text += &format!("{}\t{size}\t{ts}\t{}\n", Shown(&path), Shown(&copy));
    }
    text
}

/// The copy that somebody means: by its own name, or as the only one of a file.
fn find(root: &Path, name: &str) -> Result<Copy, ConflictError> {
    let all = copies(root);
    let below = format!("{CONTROL_DIR}/{}/", conflicts::DIR);
    let own = name.strip_prefix(&below).unwrap_or(name);
    if let Some(copy) = all.iter().find(|copy| copy.copy == own) {
        return Ok(copy.clone());
    }
    let base = file::read(root).map(|file| file.identity.remote_root).unwrap_or("/".into());
    let path = remote_path(root, &base, name)?;
    let disk = Disk::open(root, &base).map_err(|why| ConflictError::Io(name.into(), why))?;
    let local = disk.local(&path);
    let mut of_path: Vec<Copy> = all.into_iter().filter(|copy| copy.path == local).collect();
    match of_path.pop() {
        None => Err(ConflictError::None(name.to_owned())),
        Some(copy) if of_path.is_empty() => Ok(copy),
        Some(copy) => {
            of_path.push(copy);
            let names = of_path.into_iter().map(|copy| Shown(&copy.copy).to_string());
            Err(ConflictError::Many(name.to_owned(), names.collect()))
        }
    }
}

fn show(root: &Path, name: &str) -> Result<String, ConflictError> {
    let Copy { copy, path, ts, .. } = find(root, name)?;
    let sides = resolve::sides(root, &copy, &path);
    let sides = sides.map_err(|why| ConflictError::Io(path.clone(), why))?;
    let (hash, stamp) = sides.copy;
    let dir = quoted(&root.display().to_string());
    let here = match sides.here {
        Found::File { hash: here, .. } if here == hash => "the same bytes".to_owned(),
        Found::File { hash, stamp } => format!("{} bytes, sha256 {hash}", stamp.size),
        Found::Absent => "nothing".to_owned(),
        Found::Odd(odd) => format!("{odd:?}, not a file"),
    };
    let shown = quoted(&copy);
    let ts = ts.unwrap_or_default();
    Ok(format!(
        "path:   {}\nremote: {here} ({dir}/{})\nlocal:  {} bytes, sha256 {hash}, changed {ts}\n        \
         ({dir}/{CONTROL_DIR}/{}/{})\n\n\
         keep what is at the path: landfall conflicts resolve {shown} --keep remote --local-dir {dir}\n\
         put the copy back:        landfall conflicts resolve {shown} --keep local --local-dir {dir}\n",
        Shown(&path),
        Shown(&path),
        stamp.size,
        conflicts::DIR,
        Shown(&copy),
    ))
}

fn decide(root: &Path, name: &str, keep: Keep) -> Result<String, ConflictError> {
    let Copy { copy, path, .. } = find(root, name)?;
    let failed = |why| ConflictError::Io(path.clone(), why);
    let resolved = format!("{CONTROL_DIR}/{}/{}", conflicts::DIR, resolve::RESOLVED);
    let text = match keep {
        Keep::Remote => {
            let kept = resolve::keep_here(root, &copy).map_err(failed)?;
            format!("{} stays as it is; the copy is {resolved}/{}\n", Shown(&path), Shown(&kept))
        }
        Keep::Local => match resolve::keep_copy(root, &copy, &path).map_err(failed)? {
            Some(kept) => format!(
                "{} has the copy's bytes now; what was there is {resolved}/{}\n",
                Shown(&path),
                Shown(&kept)
            ),
            None => format!("{} has the copy's bytes now; nothing was there\n", Shown(&path)),
        },
    };
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_found_by_its_file_and_one_of_many_by_its_own_name() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        };
        for name in ["a.md.0123abcd.local", "d/b.md.2222abcd.local", "d/b.md.3333abcd.local"] {
            write(&format!(".relay/conflicts/{name}"));
        }
        let found = |name: &str| find(dir.path(), name).map(|copy| copy.copy);
        let absolute = dir.path().join("a.md").display().to_string();
        for name in ["a.md", "/a.md", &absolute, ".relay/conflicts/a.md.0123abcd.local"] {
            assert_eq!(found(name).unwrap(), "a.md.0123abcd.local", "{name}");
        }
        assert_eq!(found("d/b.md.3333abcd.local").unwrap(), "d/b.md.3333abcd.local");
        assert!(matches!(found("d/b.md"), Err(ConflictError::Many(_, names)) if names.len() == 2));
        assert!(matches!(found("c.md"), Err(ConflictError::None(_))));
        let text = decide(dir.path(), "d/b.md.2222abcd.local", Keep::Remote).unwrap();
        assert!(text.contains("resolved/d/b.md.2222abcd.local"), "{text}");
        assert_eq!(found("d/b.md").unwrap(), "d/b.md.3333abcd.local", "one is left");
    }
}
