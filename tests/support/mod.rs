//! What the end-to-end tests share: a child process, and comparing two sides by hash.
#![allow(dead_code)]

pub mod http;

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use landfall::serve::{Running, ServerConfig, start};
use landfall_core::hash::ContentHash;
use landfall_core::row::{Row, Value};
use landfall_reference::server::Server;

/// A directory for one test, with a mirror and a user's state of its own.
pub struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn mirror(&self) -> PathBuf {
        self.dir.path().join("mirror")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `landfall` with this environment and nothing else of ours.
    pub fn landfall(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
        command
            .args(args)
            .env_clear()
            .env("HOME", self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// `landfall mount` on this mirror. It only pulls unless `more` says otherwise.
    pub fn mount(&self, server: &Running, more: &[&str]) -> Command {
        self.mount_from(&server.base_url(), more)
    }

    /// `landfall mount` on this mirror, of a server that may be another process.
    pub fn mount_from(&self, url: &str, more: &[&str]) -> Command {
        let dir = self.mirror().display().to_string();
        let mut args = vec!["mount", "--base-url", url, "--workspace", "w", "--local-dir", &dir];
        args.extend(more);
        if !more.contains(&"--sync-mode") {
            args.extend(["--sync-mode", "pull-only"]);
        }
        self.landfall(&args)
    }

    /// A mount that goes on, with its log in a file.
    pub fn spawn(&self, server: &Running, more: &[&str]) -> Child {
        self.begin(self.mount(server, more))
    }

    /// A command that goes on, with its log in a file.
    pub fn begin(&self, mut command: Command) -> Child {
        let log = std::fs::File::options().create(true).append(true).open(self.path("log"));
        command.stdout(Stdio::null()).stderr(log.unwrap()).spawn().unwrap()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Every file of the mirror with its hash.
    pub fn files(&self) -> BTreeMap<String, ContentHash> {
        let mut files = BTreeMap::new();
        walk(&self.mirror(), &self.mirror(), &mut files);
        files
    }

    /// Paths that are durably known to be placed.
    pub fn placed(&self) -> Vec<String> {
        let db = self.mirror().join(".relay/state.db");
        landfall::store::read_only(&db)
            .unwrap()
            .iter()
            .filter_map(|row| match Row::decode(row).unwrap().value {
                Value::Entry(path, row) if row.base.is_some() => Some(path.to_string()),
                _ => None,
            })
            .collect()
    }

    /// What the conflict copies at the top hold.
    pub fn conflicts(&self) -> Vec<Vec<u8>> {
        let copies = std::fs::read_dir(self.mirror().join(".relay/conflicts"));
        let files = copies.into_iter().flatten().map(|copy| copy.unwrap().path());
        let files = files.filter(|path| path.is_file());
        files.map(|path| std::fs::read(path).unwrap()).collect()
    }

    /// Files below the control directory that no run should leave behind.
    pub fn strays(&self) -> Vec<PathBuf> {
        let mut found = BTreeMap::new();
        for dir in ["stage", "swap"] {
            let dir = self.mirror().join(".relay").join(dir);
            walk(&dir, &dir, &mut found);
        }
        found.into_keys().map(PathBuf::from).collect()
    }
}

fn walk(root: &Path, dir: &Path, files: &mut BTreeMap<String, ContentHash>) {
    // A mount may be at work: what is gone by now is not there.
    let there = |why: &Error| assert_eq!(why.kind(), ErrorKind::NotFound, "{}", dir.display());
    let Ok(entries) = std::fs::read_dir(dir).inspect_err(there) else { return };
    for entry in entries.map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            if path != root.join(".relay") {
                walk(root, &path, files);
            }
            continue;
        }
        let name = format!("/{}", path.strip_prefix(root).unwrap().display());
        let Ok(file) = std::fs::File::open(&path).inspect_err(there) else { continue };
        files.insert(name, landfall::disk::hash_file(file).unwrap());
    }
}

/// Serves a workspace on a free port.
pub async fn serving(server: Server) -> Running {
    start(ServerConfig { server, ..ServerConfig::default() }).await.unwrap()
}

/// Every file of the server with its hash.
pub fn remote(server: &Running) -> BTreeMap<String, ContentHash> {
    server.with(|server| {
        server.now().files().map(|(path, file)| (path.to_string(), file.content.hash())).collect()
    })
}

pub fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}
