//! Orders: what a command asks of the mount that keeps a mirror, as files in `.relay/orders`.
//!
//! A file is an order until it is gone; the mount takes it away once it was carried out and that
//! is durable. So an order may be given when no mount runs, and may be carried out twice, which
//! no order minds. Beside it the mount leaves an answer.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use landfall_core::id::CommandId;
use landfall_core::path::{CONTROL_DIR, RemotePath};
use landfall_core::time::Wall;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::clock;

/// Below the control directory.
const DIR: &str = "orders";

/// A larger order is none.
const ORDER_MAX: u64 = 4 * 1024 * 1024;

/// So many are taken in at once.
const AT_ONCE: usize = 64;

/// Files of one millisecond and one process.
const SAME_NAME: u32 = 1000;

/// What is wanted.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub enum Wish {
    /// Send these dead letters again.
    Retry {
        /// Which.
        commands: Vec<CommandId>,
    },
    /// Give these dead letters up.
    Discard {
        /// Which.
        commands: Vec<CommandId>,
    },
    /// Look at one file.
    Look {
        /// Which.
        path: RemotePath,
    },
    /// Look at everything, and say when all is in step.
    Settle {
        /// After this nobody waits for the answer.
        until: Wall,
    },
}

/// What became of an order.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Answer {
    /// These letters are sent again.
    pub sent: Vec<CommandId>,
    /// For these there was nothing to send: what is at their path is something else by now.
    pub nothing: Vec<CommandId>,
    /// These were given up.
    pub discarded: Vec<CommandId>,
    /// These were no dead letters any more.
    pub gone: Vec<CommandId>,
    /// Everything is in step.
    pub settled: bool,
}

/// The orders of one mirror.
#[derive(Clone, Debug)]
pub struct Orders {
    dir: PathBuf,
}

impl Orders {
    /// Those of the mirror at `root`.
    pub fn of(root: &Path) -> Self {
        Self { dir: root.join(CONTROL_DIR).join(DIR) }
    }

    /// Gives an order. Answers its name.
    ///
    /// # Errors
    /// If it can not be written.
    pub fn give(&self, wish: &Wish) -> io::Result<String> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        made?;
        let (now, pid) = (clock::now().wall.0, std::process::id());
        for n in 0..SAME_NAME {
            let name = format!("{now:013}-{pid}-{n}");
            match self.write(&format!("{name}.json"), wish) {
                Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {}
                written => return written.map(|()| name),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// What the mount answered, once.
    pub fn take_answer(&self, name: &str) -> Option<Answer> {
        let path = self.dir.join(format!("{name}.answer"));
        let answer = read(&path).ok()?;
        let _ = fs::remove_file(path);
        Some(answer)
    }

    /// Whether the mount is not done with it.
    pub fn is_open(&self, name: &str) -> bool {
        self.dir.join(format!("{name}.json")).exists()
    }

    /// Takes an order back, or away: it is done.
    pub fn remove(&self, name: &str) {
        let path = self.dir.join(format!("{name}.json"));
        if let Err(why) = fs::remove_file(&path)
            && why.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!("the order {} can not be taken away: {why}", path.display());
        }
    }

    /// Answers an order.
    pub(super) fn answer(&self, name: &str, answer: &Answer) {
        if let Err(why) = self.write(&format!("{name}.answer"), answer) {
            tracing::warn!("the order {name} can not be answered: {why}");
        }
    }

    /// The orders that wait, the oldest first. A file that is none is set aside under another
    /// name. An answer that nobody took is removed after a minute.
    pub(super) fn waiting(&self) -> Vec<(String, Wish)> {
        let Ok(entries) = fs::read_dir(&self.dir) else { return Vec::new() };
        let mut names = Vec::new();
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            match name.rsplit_once('.') {
                Some((stem, "json")) => names.push(stem.to_owned()),
                Some((_, "answer" | "new")) if is_old(&entry.path()) => {
                    let _ = fs::remove_file(entry.path());
                }
                _ => {}
            }
        }
        names.sort();
        names.truncate(AT_ONCE);
        let wishes = names.into_iter().filter_map(|name| {
            let path = self.dir.join(format!("{name}.json"));
            match read(&path) {
                Ok(wish) => Some((name, wish)),
                Err(why) if why.kind() == io::ErrorKind::NotFound => None,
                Err(why) => {
                    tracing::warn!("{} is no order and is set aside: {why}", path.display());
                    let _ = fs::rename(&path, path.with_extension("bad"));
                    None
                }
            }
        });
        wishes.collect()
    }

    /// Nobody sees half of it, and nobody else may read it.
    fn write(&self, name: &str, value: &impl Serialize) -> io::Result<()> {
        let (temp, path) = (self.dir.join(format!("{name}.new")), self.dir.join(name));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temp)?;
        file.write_all(&serde_json::to_vec(value)?)?;
        file.sync_all()?;
        // Unlike a rename, a link does not replace.
        let linked = fs::hard_link(&temp, path);
        fs::remove_file(temp)?;
        linked
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    let mut bytes = Vec::new();
    File::open(path)?.take(ORDER_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > ORDER_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too large"));
    }
    Ok(serde_json::from_slice(&bytes)?)
}

fn is_old(path: &Path) -> bool {
    let age = fs::metadata(path).and_then(|file| file.modified());
    age.is_ok_and(|at| at.elapsed().is_ok_and(|age| age.as_secs() > 60))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn an_order_is_read_by_the_mount_alone_and_in_turn() {
        let dir = tempfile::tempdir().unwrap();
        let orders = Orders::of(dir.path());
        assert!(orders.waiting().is_empty());
        let wishes = [
            Wish::Retry { commands: vec![CommandId("c1".into())] },
            Wish::Look { path: RemotePath::parse("/a").unwrap() },
            Wish::Settle { until: Wall(7) },
        ];
        let names: Vec<String> = wishes.iter().map(|wish| orders.give(wish).unwrap()).collect();
        let waiting: Vec<Wish> = orders.waiting().into_iter().map(|(_, wish)| wish).collect();
        assert_eq!(waiting, wishes);
        let file = dir.path().join(format!(".relay/orders/{}.json", names[0]));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(file).unwrap(), r#"{"order":"retry","commands":["c1"]}"#);
        orders.answer(&names[0], &Answer { settled: true, ..Answer::default() });
        orders.remove(&names[0]);
        assert!(!orders.is_open(&names[0]) && orders.is_open(&names[1]));
        assert!(orders.take_answer(&names[0]).unwrap().settled);
        assert_eq!(orders.take_answer(&names[0]), None);
    }

    #[test]
    fn what_is_no_order_is_set_aside_and_keeps_nothing_back() {
        let dir = tempfile::tempdir().unwrap();
        let orders = Orders::of(dir.path());
        let good = orders.give(&Wish::Discard { commands: Vec::new() }).unwrap();
        let control = dir.path().join(".relay/orders");
        for (name, text) in [
            ("0-torn.json", "{\"or"),
            ("0-what.json", r#"{"order":"undo"}"#),
            ("0-way.json", r#"{"order":"look","path":"/../x"}"#),
        ] {
            fs::write(control.join(name), text).unwrap();
        }
        let waiting: Vec<String> = orders.waiting().into_iter().map(|(name, _)| name).collect();
        assert_eq!(waiting, [good]);
        assert!(control.join("0-torn.bad").exists() && control.join("0-way.bad").exists());
    }
}
