//! The mirror: a real child process running `landfall mount`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::process::{Child, Command};

use super::DemoError;

/// A running mirror. It is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Mirror {
    child: Child,
    log: PathBuf,
}

/// What a mirror is started with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting<'a> {
    /// The server.
    pub(super) base_url: &'a str,
    /// The mirror's directory.
    pub(super) local_dir: &'a Path,
    /// Where it may keep its state.
    pub(super) state_dir: &'a Path,
    /// Where it writes its trace.
    pub(super) trace: &'a Path,
    /// Where its standard error goes.
    pub(super) log: &'a Path,
}

impl Mirror {
    /// Starts the program that is running now, as a mirror.
    pub(super) fn start(setting: Setting<'_>) -> Result<Self, DemoError> {
        let append = File::options().create(true).append(true).open(setting.log);
        let log = append.map_err(DemoError::Child)?;
        let program = std::env::current_exe().map_err(DemoError::Child)?;
        let child = Command::new(program)
            .arg("mount")
            .args(["--base-url", setting.base_url])
            .args(["--workspace", "demo"])
            .arg("--local-dir")
            .arg(setting.local_dir)
            .args(["--interval", "1s", "--sync-mode", "pull-only"])
            .arg("--trace")
            .arg(setting.trace)
            .env("RELAYFILE_TOKEN", super::story::TOKEN)
            .env("RELAYFILE_EXPORT_TIMEOUT", super::story::EXPORT_TIME)
            // The record of known mirrors stays with the demo.
            .env("XDG_STATE_HOME", setting.state_dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(DemoError::Child)?;
        Ok(Self { child, log: setting.log.to_owned() })
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// Whether it ended by itself, and how.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>, DemoError> {
        self.child.try_wait().map_err(DemoError::Child)
    }

    /// `kill -9`, and waits until it is gone.
    pub(super) async fn kill(mut self) -> Result<(), DemoError> {
        self.child.kill().await.map_err(DemoError::Child)
    }

    /// SIGTERM, and waits until it is gone.
    pub(super) async fn terminate(mut self) -> Result<ExitStatus, DemoError> {
        terminate(&mut self.child).map_err(DemoError::Child)?;
        self.child.wait().await.map_err(DemoError::Child)
    }

    /// The end of what it wrote on standard error.
    pub(super) fn said(&self) -> String {
        said(&self.log)
    }
}

/// The last lines of a log.
fn said(log: &Path) -> String {
    const LINES: usize = 12;
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

#[cfg(unix)]
fn terminate(child: &mut Child) -> std::io::Result<()> {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    // Without an id it has ended already.
    match pid {
        Some(pid) => Ok(kill_process(pid, Signal::TERM)?),
        None => Ok(()),
    }
}

#[cfg(not(unix))]
fn terminate(child: &mut Child) -> std::io::Result<()> {
    child.start_kill()
}
