//! The other client, which edits remotely, and the person at this computer.

use std::collections::BTreeMap;

use landfall_core::effect::DiskOp;
use landfall_core::files::entry::Odd;
use landfall_core::hash::ContentHash;
use landfall_core::path::RemotePath;
use landfall_core::time::{Ms, Tick};

use landfall_reference::server::Content;

use super::disk;
use super::server::hash_of;
use super::{Happening, World};
use crate::coverage::Mark;
use crate::faults::{Kind, mix};
use crate::workload::{Does, Edit, Workload};

/// What people did.
#[derive(Clone, Debug, Default)]
pub struct People {
    /// Every path that ever was, in the order in which it was made.
    paths: Vec<RemotePath>,
    /// Makes bytes unlike all others.
    versions: u64,
    /// Edits of the other client.
    edits: u32,
    /// The same, spelled out.
    done: Workload,
    /// What the person last did to each path.
    touched: BTreeMap<RemotePath, Touch>,
}

/// What a person last did to a path.
#[derive(Clone, Copy, Debug)]
pub struct Touch {
    /// When.
    pub at: Tick,
    /// The bytes that were saved; `None`: it was deleted.
    pub left: Option<ContentHash>,
    /// The bytes that were saved last, and those before them.
    pub saved: [Option<ContentHash>; 2],
    /// The mirror's bytes that were there before the person came.
    pub over: Option<ContentHash>,
}

impl World {
    /// What the person last did to a path.
    pub fn touched(&self, path: &RemotePath) -> Option<Touch> {
        self.people.touched.get(path).copied()
    }

    /// Writes down what the person is about to do to a path.
    fn touch(&mut self, path: &RemotePath, left: Option<ContentHash>) {
        let here = self.disk.file(path).map(|file| file.content.hash);
        let over = match self.touched(path) {
            Some(before) if before.left == here => before.over,
            _ => here,
        };
        let at = self.now;
        let mut saved = self.touched(path).map_or([None; 2], |before| before.saved);
        if left.is_some() {
            saved = [left, saved[0]];
        }
        self.people.touched.insert(path.clone(), Touch { at, left, saved, over });
    }

    /// The files of the start.
    pub(super) fn populate(&mut self) {
        let files = match self.options.workload.clone() {
            Some(workload) => {
                self.people.paths.clone_from(&workload.files);
                workload.files
            }
            None => (0..self.options.files).map(|n| self.invent(u64::from(n))).collect(),
        };
        self.people.done.files.clone_from(&files);
        for path in files {
            let content = self.bytes();
            self.server.change(&path, Some(content), self.now, self.wall());
        }
        self.hard_start();
    }

    /// A new path somewhere in a tree of some depth.
    pub(super) fn invent(&mut self, salt: u64) -> RemotePath {
        let bits = self.plan.bits(210, salt as u32, self.people.paths.len() as u32);
        let mut name = String::new();
        for level in 0..bits % 6 {
            name.push_str(&format!("/d{}", mix(bits >> 40 ^ level) % 3));
        }
        name.push_str(&format!("/f{}.md", self.people.paths.len()));
        let path = RemotePath::parse(&name).unwrap_or_else(|e| unreachable!("{name}: {e}"));
        self.people.paths.push(path.clone());
        path
    }

    /// Bytes that nobody had before.
    pub(super) fn bytes(&mut self) -> Content {
        self.people.versions += 1;
        let version = self.people.versions;
        let length = mix(self.options.seed ^ version) as usize % 100;
        let mut text = format!("version {version} of seed {}\n", self.options.seed);
        text.extend(std::iter::repeat_n('.', length));
        let content = Content::new(text.into_bytes());
        if self.options.two_way {
            self.ever_saved.insert(content.hash(), content.clone());
        }
        content
    }

    /// The other client does something.
    pub(super) fn other_client(&mut self) {
        if self.healed_at.is_some() || !self.options.edits {
            return;
        }
        if self.options.workload.is_some() {
            return self.edits_again();
        }
        self.people.edits += 1;
        let bits = self.plan.bits(211, self.people.edits, 0);
        let burst = if bits.is_multiple_of(23) { 1 + (bits >> 8 & 7) } else { 1 };
        for n in 0..burst {
            self.other_client_once(mix(bits ^ n));
        }
        let every = self.options.edit_every.0;
        let mut gap = every / 2 + mix(bits) % every;
        if self.now < self.asleep_until {
            gap *= 40;
        }
        self.queue.push(self.now + Ms(gap), Happening::Edit);
    }

    fn other_client_once(&mut self, bits: u64) {
        let paths = self.people.paths.len() as u64;
        let path = if bits % 100 < 12 && paths < 200 {
            self.invent(bits)
        } else {
            self.people.paths[(mix(bits) % paths) as usize].clone()
        };
        let does = if self.is_there(&path) && bits % 100 > 80 && self.server.truth.may_delete() {
            Does::Delete
        } else if bits % 100 == 50 {
            // Back to what it once was.
            Does::Restore
        } else {
            Does::Write
        };
        self.edit(Edit { at: self.now, does, path });
    }

    fn is_there(&self, path: &RemotePath) -> bool {
        self.server.truth.now(path).is_some_and(|v| v.content.is_some())
    }

    /// The edits that are spelled out and due.
    fn edits_again(&mut self) {
        while let Some(next) = self
            .options
            .workload
            .as_ref()
            .and_then(|workload| workload.edits.get(self.people.edits as usize))
        {
            if next.at > self.now {
                self.queue.push(next.at, Happening::Edit);
                return;
            }
            let next = next.clone();
            self.people.edits += 1;
            if !self.people.paths.contains(&next.path) {
                self.people.paths.push(next.path.clone());
            }
            self.edit(next);
        }
    }

    /// What the other client did, spelled out.
    pub(crate) fn workload(&mut self) -> Workload {
        std::mem::take(&mut self.people.done)
    }

    fn edit(&mut self, edit: Edit) {
        let path = edit.path.clone();
        let there = self.is_there(&path);
        let deletes = edit.does == Does::Delete;
        let content = match edit.does {
            Does::Delete if !there => return,
            Does::Delete => None,
            Does::Restore => {
                let old = self.server.first_version(&path);
                Some(old.unwrap_or_else(|| self.bytes()))
            }
            Does::Write => Some(self.bytes()),
        };
        self.people.done.edits.push(edit);
        let n = self.server.change(&path, content, self.now, self.wall());
        self.stream_changed();
        self.story.say(self.now, || match deletes {
            true => format!("The other client deletes {path} (evt_{n})."),
            false if there => format!("The other client changes {path} (evt_{n})."),
            false => format!("The other client makes {path} (evt_{n})."),
        });
    }

    /// What happens seldom.
    pub(super) fn minute(&mut self) {
        if self.healed_at.is_some() {
            return;
        }
        self.queue.push(self.now + Ms::mins(1), Happening::Minute);
        let minute = (self.now.0 / 60_000) as u32;
        if let Some(bits) = self.plan.strikes(Kind::PersonEdit, minute, 0) {
            self.person_edits(bits);
        }
        if let Some(bits) = self.plan.strikes(Kind::PersonDelete, minute, 0)
            && let Some(path) = self.some_local(bits)
        {
            self.person_deletes(&path);
        }
        if let Some(bits) = self.plan.strikes(Kind::PersonBlocks, minute, 0)
            && let Some(path) = self.some_local(bits)
        {
            self.person_blocks(&path, bits);
        }
        if let Some(bits) = self.plan.strikes(Kind::PersonOpens, minute, 0)
            && let Some(path) = self.some_local(bits)
        {
            self.story.say(self.now, || format!("A person makes {path} writable."));
            self.disk.set_mode(&path, true, disk::Who::Person);
            self.disk_moved();
        }
        if let Some(bits) = self.plan.strikes(Kind::ClockStep, minute, 0) {
            let by = [1_000, 3_600_000, 86_400_000 * 400][bits as usize % 3];
            let by = if bits & 64 == 0 { by } else { -by };
            self.wall_offset += by;
            self.story.say(self.now, || {
                let way = if by > 0 { "forward" } else { "back" };
                format!("The wall clock jumps {way} by {}.", Ms(by.unsigned_abs()))
            });
        }
        if self.plan.strikes(Kind::Term, minute, 0).is_some() {
            self.terminate();
        }
        self.deeds(minute);
        if self.plan.strikes(Kind::Sleep, minute, 0).is_some() {
            self.sleep();
        }
    }

    /// The other client has gone home.
    pub(crate) fn nobody_edits(&mut self) {
        self.options.edits = false;
    }

    /// The lid is closed.
    pub(crate) fn sleep(&mut self) {
        self.story.say(self.now, || "The computer sleeps for twelve hours.".into());
        self.asleep_until = self.now + Ms::hours(12);
        self.mark_busy(Mark::SleptAsking);
        self.record.slept(self.now, self.asleep_until);
        self.streams_slept();
        self.counts.slept.0 += Ms::hours(12).0;
    }

    /// Between two steps of an operation a person may act.
    pub(super) fn window(&mut self, op: &DiskOp) {
        let path = match op {
            DiskOp::Place { path, .. } | DiskOp::Remove { path, .. } => path,
            _ => return,
        };
        let entity = hash_of(path.as_str()) as u32;
        let on = self.plan.is_on(Kind::WindowEdit) || self.plan.is_on(Kind::WindowDelete);
        if !on {
            return;
        }
        let attempt = self.attempt(entity);
        if self.plan.strikes(Kind::WindowEdit, entity, attempt).is_some() {
            self.person_saves(path);
        }
        if self.plan.strikes(Kind::WindowDelete, entity, attempt).is_some() {
            self.person_deletes(path);
        }
    }

    fn person_edits(&mut self, bits: u64) {
        let path = match self.some_local(bits) {
            Some(path) if !bits.is_multiple_of(5) => path,
            _ => self.invent(bits),
        };
        self.person_saves(&path);
    }

    pub(super) fn person_saves(&mut self, path: &RemotePath) {
        let content = disk::Content::of(&self.bytes());
        self.person_writes(path, content);
    }

    pub(super) fn person_writes(&mut self, path: &RemotePath, content: disk::Content) {
        let wall = self.wall();
        if self.disk.is_lost || !self.disk.can_write(path) {
            return;
        }
        self.touch(path, Some(content.hash));
        self.disk.person_writes(path, content, wall);
        self.story.say(self.now, || format!("A person saves {path} here."));
        self.disk_moved();
    }

    pub(super) fn person_deletes(&mut self, path: &RemotePath) {
        if self.disk.is_lost || self.disk.file(path).is_none() {
            return;
        }
        self.story.say(self.now, || format!("A person deletes {path} here."));
        self.touch(path, None);
        self.disk.person_sets(path, None);
        self.disk_moved();
    }

    fn person_blocks(&mut self, path: &RemotePath, bits: u64) {
        if self.disk.is_lost {
            return;
        }
        self.person_deletes(path);
        let odd = if bits & 1 == 0 { Odd::Directory } else { Odd::Symlink };
        self.story.say(self.now, || format!("A person puts a {odd:?} at {path}."));
        self.disk.person_sets(path, Some(odd));
        self.disk_moved();
        let after = Ms::mins(1 + bits % 10);
        self.queue.push(self.now + after, Happening::Unblock(path.clone()));
    }

    pub(super) fn unblock(&mut self, path: &RemotePath) {
        if matches!(self.disk.look(path), landfall_core::files::entry::Found::Odd(_)) {
            self.story.say(self.now, || format!("A person takes away what is at {path}."));
            self.touch(path, None);
            self.disk.person_sets(path, None);
            self.disk_moved();
        }
    }

    /// The world is healed: what is in the way goes.
    pub(super) fn people_rest(&mut self) {
        let blocked: Vec<RemotePath> = self
            .people
            .touched
            .keys()
            .filter(|path| {
                matches!(self.disk.look(path), landfall_core::files::entry::Found::Odd(_))
            })
            .cloned()
            .collect();
        for path in blocked {
            self.unblock(&path);
        }
    }

    pub(super) fn some_local(&self, bits: u64) -> Option<RemotePath> {
        let files = self.disk.files().count();
        let pick = (mix(bits) as usize).checked_rem(files)?;
        self.disk.files().nth(pick).map(|(path, _)| path.clone())
    }
}
