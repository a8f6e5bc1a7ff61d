//! Whether the root is still where it was.

use std::path::PathBuf;

use cap_std::fs::Dir;
use landfall_core::event::{Answer, Outcome};
use landfall_core::fault::{Blame, Fault};
use landfall_core::path::CONTROL_DIR;
use rustix::fs::{fstat, stat};
use rustix::io::Errno;

use super::tree::Tree;

/// The path that the root was opened at.
#[derive(Debug)]
pub(super) struct Home {
    pub path: PathBuf,
}

impl Home {
    /// The handle of the root is good for ever, even when its directory is gone or another has
    /// taken its place. What is missing in it then was not deleted by anybody.
    pub fn check(&self, tree: &Tree) -> Outcome {
        let root = self.leads_to("", &tree.root);
        let control = || self.leads_to(CONTROL_DIR, &tree.control);
        match root.and_then(|same| Ok(same && control()?)) {
            Ok(true) => Outcome::Ok(Answer::Rooted),
            Ok(false) | Err(_) => {
                Outcome::Failed { blame: Blame::Lane, why: Fault::RootLost, retry_after: None }
            }
        }
    }

    fn leads_to(&self, below: &str, dir: &Dir) -> Result<bool, Errno> {
        let (there, held) = (stat(self.path.join(below))?, fstat(dir)?);
        Ok((there.st_dev, there.st_ino) == (held.st_dev, held.st_ino))
    }
}
