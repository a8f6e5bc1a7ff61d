//! A workspace that is made up, but always the same.

use landfall_core::canon::Canon;
use landfall_core::time::Wall;

use super::{Content, Server};

/// Where the sample's files lie: a few providers, a few levels.
const FOLDERS: [&str; 8] = [
    "docs",
    "docs/guides",
    "linear/issues",
    "linear/issues/archive/2026",
    "notion/pages",
    "slack/channels/general",
    "github/repos/landfall/issues",
    "notes",
];

impl Server {
    /// Adds `files` made-up files of 40 to about 3,000 bytes, one in sixteen binary. The same
    /// seed makes the same files.
    pub fn add_sample(&mut self, seed: u64, files: u64, at: Wall) {
        for n in 0..files {
            let (path, content) = sample_file(seed, n);
            self.put(&path, content, at);
        }
    }
}

/// The `n`-th file of the sample.
pub fn sample_file(seed: u64, n: u64) -> (String, Content) {
    let roll = Canon::of(&(seed, n));
    let folder = FOLDERS[(roll % FOLDERS.len() as u64) as usize];
    let length = 40 + (roll >> 8) % 60 * ((roll >> 16) % 50);
    if (roll >> 32).is_multiple_of(16) {
        let bytes: Vec<u8> = (0..length).map(|i| (roll >> (i % 57)) as u8).collect();
        return (format!("/{folder}/{n:05}.bin"), Content::binary(bytes));
    }
    let mut text = format!("# {folder} {n}\n\n");
    let mut line = 0u64;
    while (text.len() as u64) < length {
        text.push_str(&format!("{line}: {:016x}\n", Canon::of(&(roll, line))));
        line += 1;
    }
    (format!("/{folder}/{n:05}.md"), Content::new(text.into_bytes()))
}
