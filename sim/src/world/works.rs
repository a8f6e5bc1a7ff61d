//! A person who works here, where it goes to the server; and the watcher that hears of it.

use landfall_core::effect::DiskOp;
use landfall_core::event::{Event, Hint, Order};
use landfall_core::path::RemotePath;
use landfall_core::row::{Loaded, Row, Value};
use landfall_core::time::Ms;

use super::disk::{self, Moved, Node, Place, Who};
use super::server::{How, Wrote};
use super::{Happening, UNIT, World};
use crate::faults::{Kind, mix};

/// Between two chances to work.
const EVERY: Ms = Ms::secs(10);

impl World {
    /// A person may do something.
    pub(super) fn work(&mut self) {
        if self.healed_at.is_some() {
            return;
        }
        self.queue.push(self.now + EVERY, Happening::Work);
        let chance = (self.now.0 / EVERY.0) as u32;
        let Some(bits) = self.plan.strikes(Kind::PersonWorks, chance, 0) else { return };
        self.watch_brake();
        let again = self.some_local(bits);
        match (bits >> 8) % 13 {
            0..=4 => {
                if let Some(path) = again {
                    self.person_saves(&path);
                }
            }
            5 | 6 => {
                let path = self.invent(bits);
                self.person_saves(&path);
            }
            7 => {
                if let Some(path) = again {
                    self.person_deletes(&path);
                }
            }
            8 => {
                // Deleted first and saved then, as some editors do.
                if let Some(path) = again {
                    self.person_deletes(&path);
                    self.person_saves(&path);
                }
            }
            9 => {
                // Many, one after the other.
                for n in 0..8 {
                    if let Some(path) = self.some_local(mix(bits ^ n)) {
                        self.person_saves(&path);
                    }
                }
            }
            10 => {
                if let Some(path) = again {
                    self.person_goes_back(&path);
                }
            }
            11 => {
                // What was just saved is not wanted after all.
                let path = again.unwrap_or_else(|| self.invent(bits));
                self.person_saves(&path);
                let after = Ms(mix(bits ^ 3) % 3_000);
                self.queue.push(self.now + after, Happening::Regret(path));
            }
            _ => self.person_moves(bits),
        }
    }

    /// A person saves what the file had before the last save.
    fn person_goes_back(&mut self, path: &RemotePath) {
        let before = self.touched(path).and_then(|touch| touch.saved[1]);
        let Some(content) = before.and_then(|hash| self.ever_saved.get(&hash)) else { return };
        let content = disk::Content::of(content);
        self.person_writes(path, content);
    }

    /// A person moves a directory.
    fn person_moves(&mut self, bits: u64) {
        let from = format!("/d{}", bits % 3);
        let to = format!("/here{}", mix(bits) % 1_000);
        let files: Vec<(RemotePath, disk::Content)> = self
            .disk
            .files()
            .filter(|(path, _)| path.is_below(&from))
            .map(|(path, file)| (path.clone(), file.content))
            .collect();
        self.story.say(self.now, || format!("A person moves {from} to {to}."));
        for (path, content) in files {
            // Nobody knows what a torn file holds.
            if !self.ever_saved.contains_key(&content.hash) {
                continue;
            }
            let moved = path.as_str().replacen(&from, &to, 1);
            let Ok(moved) = RemotePath::parse(&moved) else { continue };
            self.person_writes(&moved, content);
            self.person_deletes(&path);
        }
    }

    /// The watcher hears of what moved, or misses it.
    pub(super) fn hint(&mut self, moved: &Moved) {
        let Place::At(path) = &moved.place else { return };
        if self.machine.is_none() || moved.is_mode_only() {
            return;
        }
        let path = path.clone();
        self.hints += 1;
        if self.deaf {
            return;
        }
        if self.plan.strikes(Kind::HintLost, self.hints, 0).is_some() {
            return;
        }
        let bits = self.plan.bits(212, self.hints, 0);
        let placed = moved.by == Who::Process && moved.before.is_none();
        if placed && moved.after.is_some() && bits & 16 == 0 {
            // The watcher knows that it was us.
            return;
        }
        let hint = match (&moved.after, moved.by) {
            (None, _) => Hint::Left(path),
            (Some(Node::Odd(_)), _) => Hint::Directory(path),
            (Some(Node::File(_)), Who::Person) if bits & 1 == 0 => Hint::Closed(path),
            (Some(Node::File(_)), Who::Person) => Hint::Written(path),
            (Some(Node::File(_)), _) => Hint::Arrived(path),
        };
        self.say_later(Ms(bits >> 8 & 3), Event::Heard { unit: UNIT, hint });
    }

    /// The watcher opens its ears before this is done, if they are not open yet.
    pub(super) fn open_ears(&mut self, op: &DiskOp) {
        let is_of_a_file = !matches!(
            op,
            DiskOp::Scan { .. }
                | DiskOp::Root
                | DiskOp::Clean { .. }
                | DiskOp::Drop { .. }
                | DiskOp::Seal
        );
        if self.deaf && is_of_a_file {
            self.deaf = false;
            self.say_later(Ms(0), Event::Heard { unit: UNIT, hint: Hint::Lost });
        }
    }

    /// The server made something of a write.
    pub(super) fn wrote(&mut self, wrote: Wrote) {
        self.story.say(self.now, || {
            let Wrote { path, hash, how, .. } = &wrote;
            match (how, hash) {
                (How::Done(n), Some(_)) => format!("The server writes {path} (evt_{n})."),
                (How::Done(n), None) => format!("The server deletes {path} (evt_{n})."),
                (How::Again, _) => format!("The server knows that write of {path} already."),
                (How::Refused, _) => format!("The server refuses what is in {path}."),
            }
        });
        self.oracles.wrote(self.now, &wrote, &self.server.truth);
        self.stream_changed();
    }

    /// The world is healed: a person tries dead letters again. What the watcher missed is found by
    /// the next scan.
    pub(super) fn works_heal(&mut self) {
        if self.options.two_way {
            for minutes in [1, 10, 20] {
                self.queue.push(self.now + Ms::mins(minutes), Happening::Tidy { last: false });
            }
            self.queue.push(self.now + Ms::mins(30), Happening::Tidy { last: true });
        }
    }

    /// A person tries dead letters again. What can not be sent again, because something else is
    /// there by now, is given up at last.
    pub(super) fn tidy(&mut self, last: bool) {
        let mut letters = Vec::new();
        for row in self.store.rows() {
            if let Loaded::Row(Row { value: Value::Letter(command, _), .. }) = row {
                letters.push(command);
            }
        }
        for command in letters {
            let order = if last { Order::Discard(command) } else { Order::Retry(Some(command)) };
            self.tell(Event::Told { unit: UNIT, order });
        }
    }
}
