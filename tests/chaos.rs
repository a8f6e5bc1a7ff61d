//! A person works in a mirror of both ways while the server answers 429s and 5xx and drops
//! answers, and the mount is killed fifty times in the middle of its work. At the end both
//! sides are what the person left: nothing is lost and nothing is doubled.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use landfall::serve::{Chaos, Running};
use landfall_core::canon::Canon;
use landfall_core::row::{Row, Value};
use landfall_core::time::Wall;
use landfall_reference::faults::{FaultKind, FaultPlan};
use landfall_reference::server::{Content, Server};
use support::{Place, remote, serving};

const SEED: u64 = 1;
const KILLS: usize = 50;

/// More rounds than this are not tried: a kill with nothing in flight does not count.
const ROUNDS: u64 = 150;

/// Files that are there from the beginning.
const FILES: u64 = 40;

/// In parts per million of the requests that each may strike.
const FAULTS: [(FaultKind, u32); 8] = [
    (FaultKind::RateLimited, 30_000),
    (FaultKind::WorkspaceBusy, 20_000),
    (FaultKind::QueueFull, 20_000),
    (FaultKind::ServerError, 60_000),
    (FaultKind::Overloaded, 20_000),
    (FaultKind::LostAnswer, 200_000),
    (FaultKind::CutBody, 40_000),
    (FaultKind::NeverAnswers, 10_000),
];

/// What a person does, by a seed, and what should be there because of it.
struct Person {
    mirror: PathBuf,
    files: BTreeMap<String, Vec<u8>>,
    /// Files that were written once, under a name that was never used before.
    once: BTreeSet<String>,
    n: u64,
}

impl Person {
    fn draw(&mut self, below: u64) -> u64 {
        self.n += 1;
        Canon::of(&(SEED, self.n)) % below
    }

    fn one_of(&mut self) -> String {
        let n = self.draw(self.files.len() as u64) as usize;
        self.files.keys().nth(n).unwrap().clone()
    }

    fn write(&mut self, path: &str, bytes: Vec<u8>) {
        let file = self.mirror.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, &bytes).unwrap();
        self.once.remove(path);
        self.files.insert(path.to_owned(), bytes);
    }

    fn text(&mut self) -> Vec<u8> {
        format!("edit {} ", self.n).repeat(1 + self.draw(400) as usize).into_bytes()
    }

    fn rename(&mut self, from: &str, to: &str) {
        std::fs::create_dir_all(self.mirror.join(to).parent().unwrap()).unwrap();
        std::fs::rename(self.mirror.join(from), self.mirror.join(to)).unwrap();
        let bytes = self.files.remove(from).unwrap();
        self.once.remove(from);
        self.files.insert(to.to_owned(), bytes);
    }

    fn one(&mut self) {
        let path = self.one_of();
        let text = self.text();
        match self.draw(8) {
            0..=2 => self.write(&path, text),
            3 => {
                // As an editor saves.
                let beside = format!("{path}.tmp");
                std::fs::write(self.mirror.join(&beside), &text).unwrap();
                std::fs::rename(self.mirror.join(&beside), self.mirror.join(&path)).unwrap();
                self.once.remove(&path);
                self.files.insert(path, text);
            }
            4 | 5 => {
                let new = format!("new/{}/{}.md", self.n % 5, self.n);
                self.write(&new, text);
                self.once.insert(new);
            }
            6 => self.rename(&path, &format!("moved/{}.md", self.n)),
            _ if self.files.len() as u64 > FILES => {
                std::fs::remove_file(self.mirror.join(&path)).unwrap();
                self.once.remove(&path);
                self.files.remove(&path);
            }
            _ => self.write(&path, text),
        }
    }

    /// Whether the files of this tree are what the person left.
    fn left(&self, dir: &Path) -> bool {
        let read = |path: &String| std::fs::read(dir.join(path)).ok();
        self.files.iter().all(|(path, bytes)| read(path).as_ref() == Some(bytes))
    }
}

/// What is durably on its way to the server.
fn outbox(place: &Place) -> usize {
    let rows = landfall::store::read_only(&place.mirror().join(".relay/state.db")).unwrap();
    let values = rows.iter().map(|row| Row::decode(row).unwrap().value);
    values.filter(|value| matches!(value, Value::Intent(..))).count()
}

async fn until(place: &Place, what: &str, limit: u64, is: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is() {
        assert!(begin.elapsed() < Duration::from_secs(limit), "not {what}:\n{}", place.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn kill(mount: &mut Child) {
    mount.kill().unwrap();
    mount.wait().unwrap();
}

fn start(place: &Place, server: &Running) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(place.path("log")).unwrap();
    let mut command = place.mount(server, &["--sync-mode", "mirror", "--interval", "1s"]);
    command.env("LANDFALL_LOG", "warn,landfall=debug");
    command.stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_under_fire_lose_nothing_and_double_nothing() {
    let mut workspace = Server::default();
    let mut files = BTreeMap::new();
    for n in 0..FILES {
        let (path, bytes) = (format!("d{}/f{n}.md", n % 4), format!("file {n}\n").into_bytes());
        workspace.put(&format!("/{path}"), Content::new(bytes.clone()), Wall(1_000));
        files.insert(path, bytes);
    }
    let (place, server) = (Place::new(), serving(workspace).await);
    let mut mount = start(&place, &server);
    until(&place, "in step", 60, || place.log().contains("in step")).await;

    let mut plan = FaultPlan::clean(SEED);
    FAULTS.iter().for_each(|(kind, ppm)| plan.set(*kind, *ppm));
    let longest_wait = Duration::from_secs(2);
    server.set_chaos(Chaos { plan, lasts: None, longest_wait });

    let mirror = place.mirror();
    let mut person = Person { mirror, files, once: BTreeSet::new(), n: 0 };
    let (mut kills, mut with_intents, mut rounds) = (0, 0, 0);
    while kills < KILLS {
        rounds += 1;
        assert!(rounds <= ROUNDS, "{kills} of {rounds} kills struck work in flight");
        for _ in 0..3 {
            person.one();
        }
        // At any moment of what follows: the events, the stage, the outbox, the answers.
        tokio::time::sleep(Duration::from_millis(person.draw(400))).await;
        kill(&mut mount);
        let intents = outbox(&place);
        kills += usize::from(intents > 0 || place.files() != remote(&server));
        with_intents += usize::from(intents > 0);
        assert!(person.left(&place.mirror()), "what the person left is here:\n{}", place.log());
        mount = start(&place, &server);
        // Sometimes it gets on for a while.
        tokio::time::sleep(Duration::from_millis(person.draw(800))).await;
    }
    assert!(with_intents >= KILLS / 4, "{with_intents} of {kills} with something in the outbox");

    server.set_chaos(Chaos::default());
    let struck: Vec<String> =
        server.log().records().iter().flat_map(|record| record.faults.clone()).collect();
    for (kind, _) in FAULTS {
        let n = struck.iter().filter(|fault| fault.starts_with(kind.name())).count();
        assert!(n > 0, "{} never struck: {struck:?}", kind.name());
    }
    until(&place, "equal", 120, || place.files() == remote(&server) && outbox(&place) == 0).await;
    until(&place, "tidy", 10, || place.strays().is_empty()).await;
    kill(&mut mount);
    assert!(person.left(&place.mirror()), "{}", place.log());
    let expected: BTreeSet<String> = person.files.keys().map(|path| format!("/{path}")).collect();
    let more: Vec<String> =
        place.files().into_keys().filter(|path| !expected.contains(path)).collect();
    assert!(more.is_empty(), "{more:?} are here, too:\n{}", place.log());
    for trouble in ["conflicts", "dead-letter"] {
        let dir = place.mirror().join(".relay").join(trouble);
        let any = std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
        assert!(!any, "nobody else wrote, so nothing is in {trouble}:\n{}", place.log());
    }
    let mut changes: BTreeMap<String, usize> = BTreeMap::new();
    server.with(|server| {
        for change in server.history() {
            *changes.entry(change.path.to_string()).or_default() += 1;
        }
    });
    for path in &person.once {
        assert_eq!(changes[&format!("/{path}")], 1, "{path} was written once");
    }
    assert!(!person.once.is_empty());
}
