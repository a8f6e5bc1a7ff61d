//! What the other client and the owner of the server do seldom, and take back later: names that
//! no disk or not every disk can hold, a file where a directory is, whole directories that go
//! or move, permissions, tokens. And what a person here does about the brake on deletes.

use landfall_core::config::MaxDelete;
use landfall_core::decision::Brake;
use landfall_core::event::{Event, Stop};
use landfall_core::path::RemotePath;
use landfall_core::status::Verdict;
use landfall_core::time::Ms;

use super::server::access::{Denial, Scope};
use super::server::hash_of;
use super::{Happening, Planted, World};
use crate::coverage::Mark;
use crate::faults::{Kind, mix};
use crate::oracles::Oracle;

/// What is taken back later.
#[derive(Clone, Debug)]
pub enum Deed {
    /// A file whose name nobody can place gets a good name.
    Rename(String),
    /// A file goes.
    Delete(RemotePath),
    /// A directory becomes a file again: its one file goes first.
    FileAgain {
        /// The file in it.
        below: RemotePath,
        /// The directory.
        file: RemotePath,
    },
    /// Files may be read again.
    Permit(u32),
    /// The token is renewed.
    Renew(u32),
    /// The directory of the mirror comes back.
    RootBack,
    /// The newer version is started again, in place of this run.
    NewerVersion(u32),
}

/// Where names of the start have their addresses: before the first minute.
const BEFORE: u32 = 0xffff_0000;

/// Between two looks of a person at the status.
const LOOK: Ms = Ms::mins(3);

impl World {
    /// Names that were there before anybody mirrored them.
    pub(super) fn hard_start(&mut self) {
        for n in 0..4 {
            self.name_deeds(BEFORE + n);
        }
    }

    /// What happens seldom, beside what [people](super::people) do.
    pub(super) fn deeds(&mut self, minute: u32) {
        self.name_deeds(minute);
        if let Some(bits) = self.plan.strikes(Kind::ReadDenied, minute, 0) {
            self.deny(minute, bits);
        }
        if let Some(bits) = self.plan.strikes(Kind::TokenExpires, minute, 0) {
            let lasts = Ms::mins(1 + bits % 30);
            self.story.say(self.now, || "The token expires.".into());
            self.server.access.expired = Some(minute);
            // One in four is renewed only when the world heals.
            let lasts = if bits & 0x300 == 0 { self.options.chaos } else { lasts };
            self.later(lasts, Deed::Renew(minute));
        }
        if let Some(bits) = self.plan.strikes(Kind::TokenRotates, minute, 0) {
            self.story.say(self.now, || "The token changes under what is under way.".into());
            self.server.access.rotating_until = self.now + Ms(200 + bits % 2_000);
        }
        if let Some(bits) = self.plan.strikes(Kind::MassDelete, minute, 0) {
            self.mass_delete(bits);
        }
        if let Some(bits) = self.plan.strikes(Kind::MassRename, minute, 0) {
            self.mass_rename(bits);
        }
        if self.plan.strikes(Kind::SecondStart, minute, 0).is_some() {
            self.second_start();
        }
        if self.options.two_way
            && let Some(bits) = self.plan.strikes(Kind::RootLost, minute, 0)
        {
            self.lose_root(bits);
        }
    }

    fn name_deeds(&mut self, minute: u32) {
        if let Some(bits) = self.plan.strikes(Kind::HostileName, minute, 0) {
            self.hostile_name(bits);
        }
        if let Some(bits) = self.plan.strikes(Kind::HardName, minute, 0) {
            self.hard_name(bits);
        }
        if let Some(bits) = self.plan.strikes(Kind::FileAndDirectory, minute, 0)
            && let Some(file) = self.some_remote(bits)
        {
            let below = name(&format!("{file}/below.md"));
            self.put(&below);
            let gone = if bits & 0x100 == 0 { below } else { file };
            self.later(Ms::mins(2 + bits % 20), Deed::Delete(gone));
        }
        if let Some(bits) = self.plan.strikes(Kind::FileBecomesDirectory, minute, 0)
            && let Some(file) = self.some_remote(bits)
        {
            let below = name(&format!("{file}/inside.md"));
            self.delete(&file);
            self.put(&below);
            self.later(Ms::mins(1 + bits % 10), Deed::FileAgain { below, file });
        }
    }

    fn hostile_name(&mut self, bits: u64) {
        let n = mix(bits) % 1_000;
        let long = "/n".repeat(2_049);
        let names = [
            format!("/../escape-{n}.md"),
            format!("/d0/../../escape-{n}.md"),
            format!("/d0//empty-{n}.md"),
            format!("/d1/d0//empty-{n}.md"),
            format!("/nul\0-{n}.md"),
            format!("/d0/./dot-{n}.md"),
            format!("/back\\slash-{n}.md"),
            format!("/d2/up\\..\\{n}.md"),
            format!("/.relay/state-{n}.db"),
            format!("/d1/.relay/{n}"),
            format!("/.Relay/{n}"),
            format!("{long}{n}"),
            "/".to_owned(),
        ];
        // Whoever writes there can run programs here.
        let history = [
            format!("/.git/hooks/post-checkout-{n}"),
            format!("/.GIT/config-{n}"),
            format!("/.g\u{200c}it/config-{n}"),
        ];
        let name = match bits >> 32 & 3 {
            0 => history[bits as usize % history.len()].clone(),
            _ => names[bits as usize % names.len()].clone(),
        };
        if self.server.hostile().contains(&name) {
            return;
        }
        let content = self.bytes();
        let n = self.server.change_hostile(&name, Some(content), self.wall());
        self.story.say(self.now, || {
            let shown: String = name.escape_debug().take(60).collect();
            format!("The other client makes `{shown}` (evt_{n}).")
        });
        self.stream_changed();
        self.later(Ms::mins(1 + bits % 25), Deed::Rename(name));
    }

    fn hard_name(&mut self, bits: u64) {
        let n = mix(bits) % 1_000;
        let long = "n".repeat(230);
        let made = match bits % 4 {
            0 => vec![format!("/{long}{long}-{n}.md")],
            1 => vec![format!("/d0/{long}-{n}-{long}.md"), format!("/d0/{long}-{n}-{long}.MD")],
            2 => vec![format!("/caf\u{e9}-{n}.md"), format!("/cafe\u{301}-{n}.md")],
            _ => vec![format!("/Case-{n}.md"), format!("/case-{n}.md")],
        };
        for made in made {
            let path = name(&made);
            if self.server.content(path.as_str()).is_none() {
                self.put(&path);
                self.later(Ms::mins(1 + mix(bits ^ hash_of(&made)) % 25), Deed::Delete(path));
            }
        }
    }

    fn deny(&mut self, minute: u32, bits: u64) {
        let scope = match (bits % 8, self.some_remote(bits >> 8)) {
            (0, _) | (_, None) => Scope::All,
            (1 | 2, _) => Scope::Below(format!("/d{}", (bits >> 8) % 3)),
            (_, Some(path)) => Scope::File(path),
        };
        let hidden = bits & 0x4000 == 0;
        self.story.say(self.now, || {
            let hidden = if hidden { ", and hides it" } else { "" };
            format!("The server does not let us read {scope} any more{hidden}.")
        });
        let lasts = Ms::mins(3 + (bits >> 16) % 60);
        self.server.access.denials.insert(minute, Denial { scope, hidden });
        self.later(lasts, Deed::Permit(minute));
    }

    fn mass_delete(&mut self, bits: u64) {
        let percent = 70 + bits % 31;
        let goes = |path: &RemotePath| mix(bits ^ hash_of(path.as_str())) % 100 < percent;
        let paths: Vec<RemotePath> =
            self.server.truth.files().map(|(path, ..)| path.clone()).filter(goes).collect();
        self.story
            .say(self.now, || format!("The other client deletes {} files at once.", paths.len()));
        self.watch_brake();
        // At once, or one after the other.
        let between = [0, 0, 50, 700][(bits >> 8) as usize % 4];
        for (n, path) in paths.into_iter().enumerate() {
            if between == 0 {
                self.delete(&path);
            } else {
                self.later(Ms(between * n as u64), Deed::Delete(path));
            }
        }
    }

    fn mass_rename(&mut self, bits: u64) {
        let from = format!("/d{}", bits % 3);
        let to = format!("/moved{}", mix(bits) % 1_000);
        let paths: Vec<RemotePath> = self
            .server
            .truth
            .files()
            .map(|(path, ..)| path.clone())
            .filter(|path| path.is_below(&from))
            .collect();
        self.story.say(self.now, || format!("The other client moves {from} to {to}."));
        self.watch_brake();
        for path in paths {
            let Some(content) = self.server.content(path.as_str()) else { continue };
            let moved = name(&path.as_str().replacen(&from, &to, 1));
            self.server.change(&moved, Some(content), self.now, self.wall());
            self.delete(&path);
        }
    }

    /// Another process is started on the same directory. The lock refuses it.
    fn second_start(&mut self) {
        if self.machine.is_none() {
            return;
        }
        if self.planted != Planted::NoLock {
            self.story.say(self.now, || "A second process starts, and the lock refuses it.".into());
            return;
        }
        self.story.say(self.now, || "A second process starts, and nothing refuses it.".into());
        self.machine = None;
        self.start();
    }

    /// It is time to take something back.
    pub(super) fn take_back(&mut self, n: u32) {
        if let Some(deed) = self.pending.remove(&n) {
            self.back(deed);
        }
    }

    fn back(&mut self, deed: Deed) {
        match deed {
            Deed::Rename(old) => {
                let Some(content) = self.server.content(&old) else { return };
                let path = self.invent(hash_of(&old));
                let deleted = self.server.change_hostile(&old, None, self.wall());
                let made = self.server.change(&path, Some(content), self.now, self.wall());
                self.story.say(self.now, || {
                    format!("The other client names it {path} (evt_{deleted}, evt_{made}).")
                });
                self.stream_changed();
            }
            Deed::Delete(path) => self.delete(&path),
            Deed::FileAgain { below, file } => {
                self.delete(&below);
                self.put(&file);
            }
            Deed::Permit(n) => {
                if let Some(denial) = self.server.access.denials.remove(&n) {
                    self.story.say(self.now, || {
                        format!("The server lets us read {} again.", denial.scope)
                    });
                }
            }
            Deed::RootBack => self.root_back(),
            Deed::NewerVersion(run) => self.newer_version(run),
            Deed::Renew(n) => {
                if self.server.access.expired == Some(n) {
                    self.story.say(self.now, || "The token is renewed.".into());
                    self.server.access.expired = None;
                }
            }
        }
    }

    pub(super) fn later(&mut self, after: Ms, deed: Deed) {
        self.deeds += 1;
        self.pending.insert(self.deeds, deed);
        self.queue.push(self.now + after, Happening::Later(self.deeds));
    }

    /// The world is healed. In half of the runs names and denials of single files stay as they
    /// are: then all other files have to converge, and the status has to name these.
    pub(super) fn deeds_heal(&mut self) {
        let stays = mix(self.options.seed ^ 0x57a7) & 1 == 0;
        for (n, deed) in std::mem::take(&mut self.pending) {
            let denial = |n| self.server.access.denials.get(n);
            let is_for_good = match &deed {
                Deed::Rename(_) | Deed::FileAgain { .. } => true,
                Deed::Delete(path) => self.contested().contains(path),
                Deed::Permit(n) => denial(n).is_some_and(|d| matches!(d.scope, Scope::File(_))),
                Deed::Renew(_) | Deed::RootBack | Deed::NewerVersion(_) => false,
            };
            if stays && is_for_good {
                self.story.say(self.now, || format!("What was to be taken back stays ({n})."));
            } else {
                self.back(deed);
            }
        }
        if !stays {
            while let Some(path) = self.contested().pop_last() {
                self.delete(&path);
            }
        }
    }

    pub(super) fn watch_brake(&mut self) {
        if !self.watching {
            self.watching = true;
            self.queue.push(self.now + LOOK, Happening::Look);
        }
    }

    /// A person looks at the status, and allows the deletes when they have waited a while.
    pub(super) fn person_looks(&mut self) {
        self.queue.push(self.now + LOOK, Happening::Look);
        let Some(machine) = &self.machine else { return };
        let status = machine.status(self.both_clocks());
        let Some(unit) = status.units.first() else { return };
        let is_held =
            |brake: &Brake| matches!(brake, Brake::MaxDelete { .. } | Brake::MaxUnlink { .. });
        if !unit.brakes.iter().any(is_held) {
            self.braked = false;
            return;
        }
        if unit.verdict != Verdict::Halted {
            let verdict =
                format!("the brake on deletes is on, and the verdict is {:?}", unit.verdict);
            return self.oracles.fail(Oracle::DeleteBrake, "the verdict", verdict);
        }
        self.oracles.pass(Oracle::DeleteBrake);
        if !std::mem::replace(&mut self.braked, true) {
            return;
        }
        self.braked = false;
        self.story
            .say(self.now, || "A person allows the deletes, and restarts the process.".into());
        for (_, workspace) in &mut self.config.workspaces {
            workspace.max_delete = MaxDelete::Percent(100);
        }
        self.mark(Mark::BrakeLifted);
        self.oracles.allowed_all();
        self.oracles.told_to_stop();
        self.stop_due();
        self.tell(Event::Stop(Stop::Graceful));
    }

    /// The other client writes a file.
    fn put(&mut self, path: &RemotePath) {
        let content = self.bytes();
        let n = self.server.change(path, Some(content), self.now, self.wall());
        self.story.say(self.now, || format!("The other client writes {} (evt_{n}).", short(path)));
        self.stream_changed();
    }

    /// The other client deletes a file, if it is there.
    fn delete(&mut self, path: &RemotePath) {
        if self.server.truth.now(path).is_none_or(|v| v.content.is_none()) {
            return;
        }
        let n = self.server.change(path, None, self.now, self.wall());
        self.story.say(self.now, || format!("The other client deletes {} (evt_{n}).", short(path)));
        self.stream_changed();
    }

    fn some_remote(&self, bits: u64) -> Option<RemotePath> {
        let files = self.server.truth.files().count();
        let pick = (mix(bits) as usize).checked_rem(files)?;
        self.server.truth.files().nth(pick).map(|(path, ..)| path.clone())
    }
}

fn name(name: &str) -> RemotePath {
    RemotePath::parse(name).unwrap_or_else(|e| unreachable!("{name}: {e}"))
}

fn short(path: &RemotePath) -> String {
    path.as_str().chars().take(80).collect()
}
