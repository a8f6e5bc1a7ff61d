//! The stage: a directory, a server, a mirror, a clock and somebody who tells what happens.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use landfall_core::decision::Decision;
use landfall_reference::server::{Server, Settings};
use tokio::time::Instant;

use super::child::{Mirror, Setting};
use super::trace::Tail;
use super::{DemoArgs, DemoError, compare, story};
use crate::serve::{Running, ServerConfig, start};

/// The whole demo, with time to spare for a slow computer.
const TIME_LIMIT: Duration = Duration::from_secs(28);

/// How often the trace and the directory are looked at.
const LOOK: Duration = Duration::from_millis(25);

/// Everything that the story is played with.
pub(super) struct Stage {
    began: Instant,
    directory: PathBuf,
    pub(super) server: Running,
    mirror: Option<Mirror>,
    tail: Tail,
    starts: u32,
    /// What the mirror decided since it was last started.
    pub(super) decided: Vec<Decision>,
}

/// Builds the stage, plays the story on it, and takes it down.
pub(super) async fn play(args: &DemoArgs) -> Result<(), DemoError> {
    let directory = std::env::temp_dir().join(format!("landfall-demo-{}", std::process::id()));
    let failed = |why| DemoError::Directory { path: directory.clone(), why };
    fs::create_dir(&directory).map_err(failed)?;
    let mut server = Server::new(Settings::default());
    story::fill(&mut server);
    let server = start(ServerConfig {
        workspace: Some("demo".to_owned()),
        token: Some(story::TOKEN.to_owned()),
        server,
        ..ServerConfig::default()
    })
    .await?;
    let mut stage = Stage {
        began: Instant::now(),
        tail: Tail::new(directory.join("trace-0.jsonl")),
        directory: directory.clone(),
        server,
        mirror: None,
        starts: 0,
        decided: Vec::new(),
    };
    let played = story::play(&mut stage, args.corrupt_one_byte).await;
    stage.server.stop().await;
    if args.keep || played.is_err() {
        eprintln!("kept: {}", directory.display());
    } else {
        fs::remove_dir_all(&directory).map_err(failed)?;
    }
    played
}

impl Stage {
    /// The mirror's directory.
    pub(super) fn local_dir(&self) -> PathBuf {
        self.directory.join("mirror")
    }

    /// Prints one line of the story.
    pub(super) fn tell(&self, who: &str, what: &str) {
        let seconds = self.began.elapsed().as_secs_f32();
        println!("{seconds:5.1}s  {who:<6}  {what}");
    }

    /// Starts the mirror, with a trace of its own.
    pub(super) fn start_mirror(&mut self) -> Result<(), DemoError> {
        self.starts += 1;
        let trace = self.directory.join(format!("trace-{}.jsonl", self.starts));
        self.decided.clear();
        self.mirror = Some(Mirror::start(Setting {
            base_url: &self.server.base_url(),
            local_dir: &self.local_dir(),
            state_dir: &self.directory.join("state"),
            trace: &trace,
            log: &self.directory.join("mount.log"),
        })?);
        self.tail = Tail::new(trace);
        Ok(())
    }

    /// `kill -9`. Returns the process id that is gone.
    pub(super) async fn kill_mirror(&mut self) -> Result<u32, DemoError> {
        let Some(mirror) = self.mirror.take() else {
            return Ok(0);
        };
        let pid = mirror.pid();
        mirror.kill().await?;
        self.listen()?;
        Ok(pid)
    }

    /// SIGTERM.
    pub(super) async fn stop_mirror(&mut self) -> Result<(), DemoError> {
        if let Some(mirror) = self.mirror.take() {
            mirror.terminate().await?;
            self.listen()?;
        }
        Ok(())
    }

    /// Prints what the mirror decided since the last time.
    fn listen(&mut self) -> Result<(), DemoError> {
        for decision in self.tail.decisions()? {
            // One line per file would bury the story; files are counted at the end.
            if !matches!(decision, Decision::Did { .. }) {
                self.tell("mirror", &decision.to_string());
            }
            self.decided.push(decision);
        }
        Ok(())
    }

    /// Goes on until something is so.
    pub(super) async fn until(
        &mut self,
        what: &'static str,
        mut so: impl FnMut(&Self) -> Result<bool, DemoError>,
    ) -> Result<(), DemoError> {
        loop {
            self.listen()?;
            if so(self)? {
                return Ok(());
            }
            if let Some(mirror) = &mut self.mirror
                && let Some(status) = mirror.ended()?
            {
                return Err(DemoError::Ended { status: status.to_string(), said: mirror.said() });
            }
            if self.began.elapsed() > TIME_LIMIT {
                let said = self.mirror.as_ref().map(Mirror::said);
                return Err(DemoError::Late { until: what, said: said.unwrap_or_default() });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Both sides as they are now.
    pub(super) fn sides(&self) -> Result<(compare::Side, compare::Side), DemoError> {
        let remote = self.server.with(|server| compare::remote(&server.now()));
        Ok((compare::local(&self.local_dir())?, remote))
    }

    /// How long the demo has lasted.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}
