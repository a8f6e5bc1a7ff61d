//! The [fingerprint](crate::fingerprint) of the lane.

use super::receipts::Receipt;
use super::{Intent, State, Writeback};
use crate::files::print::Origin;
use crate::fingerprint::Print;
use crate::row::{IntentRow, Staged};

impl Writeback {
    pub(crate) fn print(&self, print: &mut Print, origin: Origin) {
        let durable = origin.durable;
        let Self {
            max_file,
            max_batch,
            intents,
            // They follow from the intents and receipts.
            storing: _,
            ready: _,
            waiting: _,
            due: _,
            orders: _,
            sent,
            receipts,
            asked,
            closed,
            letters,
            again,
            denied,
            to_drop,
            bulk,
            stopping,
        } = self;
        print.plain(&(max_file, max_batch, bulk, stopping, letters.len()));
        for (path, Intent { row, state, order: _, at_most, tries }) in intents {
            let IntentRow { command: _, base, bytes, since: _, epoch, made: _, failures } = row;
            print.plain(&(path, base, *epoch == origin.epoch, failures, at_most, tries));
            staged(print, bytes.as_ref());
            match state {
                State::Storing(mark) => print.plain(&(0u8, mark.0.saturating_sub(durable.0))),
                State::Ready => print.plain(&1u8),
                State::Sent => print.plain(&2u8),
                State::Waiting(due) => print.until(*due),
            }
        }
        print.any_order(sent, |print, (call, paths)| {
            print.call(*call);
            print.plain(paths);
        });
        print.any_order(asked, |print, (call, _)| print.call(*call));
        for (command, Receipt { row, due, polls, silent }) in receipts {
            let under_way = asked.values().any(|asked| asked == command);
            print.plain(&(&row.path, &row.op, polls, under_way));
            staged(print, row.bytes.as_ref());
            print.until(*due);
            print.maybe(*silent, Print::since);
        }
        print.maybe(*closed, Print::until);
        for (command, letter) in letters {
            let waits = again.contains(command);
            print.plain(&(&letter.path, &letter.op, letter.status, waits));
            staged(print, letter.bytes.as_ref());
        }
        for (mark, blob) in to_drop {
            print.plain(&mark.0.saturating_sub(durable.0));
            print.blob(*blob);
        }
        for (due, path) in denied {
            print.until(*due);
            print.plain(path);
        }
    }
}

fn staged(print: &mut Print, bytes: Option<&Staged>) {
    print.maybe(bytes, |print, bytes| {
        print.plain(&(bytes.hash, bytes.size));
        print.blob(bytes.blob);
    });
}
