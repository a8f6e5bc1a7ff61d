//! The fingerprint of a tiny world: its machine's, and then everything around it.

use landfall_core::effect::{Change, DiskOp, Request};
use landfall_core::files::entry::{Hold, Ordinal, Remote};
use landfall_core::fingerprint::Print;
use landfall_core::row::{EntryRow, MirrorRow, RowKey, Value};

use super::rules::Rules;
use super::world::Tiny;

/// What the numbers in rows are relative to: what the machine last wrote.
#[derive(Clone, Copy)]
struct Origin {
    sealed: u64,
    traversal: u32,
    epoch: u32,
}

impl Tiny {
    /// Two worlds with the same fingerprint have the same future.
    pub fn fingerprint(&self) -> u64 {
        let mut print = Print::new(self.clock());
        self.machine.print(&mut print);
        let newest = self.newest_mirror();
        let origin = Origin {
            sealed: newest.map_or(0, |row| row.sealed),
            traversal: newest.and_then(|row| row.traversal.as_ref()).map_or(0, |row| row.id),
            epoch: newest.map_or(0, |row| row.epoch),
        };
        print.any_order(&self.asks, |print, ask| {
            print.call(ask.call);
            match &ask.request {
                Request::Tip => print.plain(&0u8),
                Request::Events { after, .. } => print.plain(&(1u8, after)),
                other => print.plain(other),
            }
            print.plain(&(ask.sent_at, &ask.rest));
        });
        print.any_order(&self.ops, |print, op| {
            print.call(op.call);
            match &op.op {
                DiskOp::Clean { .. } => print.plain(&0u8),
                DiskOp::Root => print.plain(&6u8),
                DiskOp::Stage { path, expect } => print.plain(&(7u8, path, expect)),
                DiskOp::Seal => print.plain(&(1u8, op.mark)),
                DiskOp::Drop { blob } => print.blob(*blob),
                DiskOp::Scan { dir } => print.plain(&(5u8, dir)),
                DiskOp::Look { path, .. } => print.plain(&(2u8, path)),
                DiskOp::Place { path, blob, expect, keep, .. } => {
                    print.plain(&(3u8, path, expect, keep));
                    print.blob(*blob);
                }
                // The trash of each cycle has a name of its own, which nothing depends on.
                DiskOp::Remove { path, expect, to } => {
                    let trash = matches!(to, landfall_core::effect::Aside::Trash { .. });
                    print.plain(&(4u8, path, expect, trash));
                }
            }
        });
        print.any_order(&self.stage, |print, (blob, bytes)| {
            // What an earlier run left is cleaned away unread.
            print.plain(&(blob.call.run == self.run));
            if blob.call.run == self.run {
                print.blob(*blob);
                print.plain(bytes);
            }
        });
        print_rows(&mut print, self, origin);
        for commit in &self.commits {
            for change in &commit.changes {
                match change {
                    Change::Put(row) => print_value(&mut print, &row.value, origin),
                    Change::Delete(key) => print.plain(key),
                }
            }
            print.plain(&1u8);
        }
        print.plain(&(&self.log, self.here, self.sealed, &self.kept, self.saved));
        print.plain(&(self.left, self.denied, self.committed));
        print.since(self.changed_at);
        print.until(self.out_until);
        print_rules(&mut print, &self.rules);
        print.finish()
    }
}

fn print_rules(print: &mut Print, rules: &Rules) {
    let Rules {
        seq: _,
        stopping,
        owed,
        touched,
        told,
        left_out,
        twice,
        missing,
        floor,
        promised,
        closed_until,
        // It is named by the machine while it matters.
        export: _,
        export_over,
        reads,
    } = rules;
    print.plain(&(stopping, owed, touched, told, twice, floor, promised, export_over));
    for left_out in left_out {
        print.maybe(*left_out, Print::since);
    }
    for missing in missing {
        print.maybe(*missing, |print, (since, last)| {
            print.since(since);
            print.since(last);
        });
    }
    print.until(*closed_until);
    print.any_order(reads, |print, (call, file)| {
        print.call(*call);
        print.plain(file);
    });
}

fn print_rows(print: &mut Print, world: &Tiny, origin: Origin) {
    let rows = &world.rows;
    print.maybe(rows.mirror.as_ref(), |print, row| print_mirror(print, row, origin));
    for entry in &rows.entries {
        print.maybe(entry.as_ref(), |print, row| print_entry(print, row, origin));
    }
    for (key, row) in &rows.others {
        let RowKey { of, .. } = key;
        print.plain(of);
        print_value(print, &row.value, origin);
    }
}

fn print_value(print: &mut Print, value: &Value, origin: Origin) {
    match value {
        Value::Mirror(row) => print_mirror(print, row, origin),
        Value::Entry(path, row) => {
            print.plain(path);
            print_entry(print, row, origin);
        }
        Value::Frontier(dir, row) => print.plain(&(dir, &row.cursor, &row.reached)),
        // A mirror that only pulls has none.
        Value::Intent(..) | Value::Receipt(..) | Value::Letter(..) => {}
        Value::Refused(name, row) => print.plain(&(name, origin.traversal - row.seen)),
    }
}

fn print_ordinal(print: &mut Print, at: Ordinal, origin: Origin) {
    print.plain(&(origin.epoch.wrapping_sub(at.epoch), at.n));
}

fn print_mirror(print: &mut Print, row: &MirrorRow, origin: Origin) {
    let MirrorRow {
        position,
        epoch,
        arrived,
        believed,
        complete,
        export_begun,
        traversal,
        relist,
        doubt,
        stalls,
        sealed,
        in_step_at: _,
        refused_names,
        replay,
        unread,
    } = row;
    print.plain(&(position, arrived, believed, complete, export_begun, stalls, refused_names));
    print.plain(&(origin.epoch.wrapping_sub(*epoch), origin.sealed.wrapping_sub(*sealed)));
    print.maybe(traversal.as_ref(), |print, row| {
        print.plain(&(origin.traversal.wrapping_sub(row.id), row.seen, row.total, row.partial));
        print.plain(&(row.hollow, row.open));
        print_ordinal(print, row.tag, origin);
    });
    print.plain(unread);
    print.maybe(*replay, |print, at| print_ordinal(print, at, origin));
    print.maybe(*relist, Print::stored);
    print.maybe(doubt.as_ref(), |print, doubt| {
        print.plain(&(doubt.why, &doubt.position));
        print.stored(doubt.at);
    });
}

fn print_entry(print: &mut Print, row: &EntryRow, origin: Origin) {
    let EntryRow { base, proof, placing, remote, hold, seen, missed, lineage, astray } = row;
    print.plain(&(base, placing, lineage, astray));
    print.maybe(proof.as_ref(), |print, proof| {
        let ago = origin.sealed.wrapping_sub(proof.seal);
        // A seal that was taken is taken, however long ago.
        print.plain(&(proof.hash, if proof.seal <= origin.sealed { 0 } else { ago }));
    });
    match remote {
        Remote::File { revision, hash, .. } => print.plain(&(0u8, revision, hash)),
        Remote::Unknown(_) => print.plain(&1u8),
        Remote::Absent(_) => print.plain(&2u8),
    }
    print_ordinal(print, remote.at(), origin);
    print.maybe(hold.as_ref(), |print, hold| match hold {
        Hold::Aside { tries, why, again } => {
            print.plain(&(tries, why));
            print.stored(*again);
        }
        Hold::MaxDelete => print.plain(&0u8),
        Hold::Unsent { what, why } => print.plain(&(what, why)),
    });
    print.plain(&(origin.traversal.wrapping_sub(*seen).min(1), missed.is_some()));
}
