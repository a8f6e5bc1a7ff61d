//! The [fingerprint](crate::fingerprint) of the lane.

use super::{Mirror, State};
use crate::files::Files;
use crate::files::print::Origin;
use crate::fingerprint::Print;
use crate::id::CommitSeq;
use crate::mirror::stream::Stream;
use crate::row::{Doubt, MirrorRow, TraversalRow};

impl Mirror {
    /// What the numbers in entries are relative to.
    pub(crate) fn origin(&self, durable: CommitSeq) -> Origin {
        let traversal = self.row.traversal.as_ref().map_or(0, |traversal| traversal.id);
        Origin { traversal, epoch: self.row.epoch, durable }
    }

    pub(crate) fn print(&self, print: &mut Print, files: &Files, durable: CommitSeq) {
        let origin = self.origin(durable);
        let Self {
            config: _,
            row,
            state,
            at,
            feed_call,
            feed_from,
            feed_tries,
            losses,
            at_tip,
            doubt,
            sealing,
            frontier,
            dirs,
            rows_unread,
            stream,
            stream_tries,
            page_tries,
            page_moved,
            refused,
            gone_names,
            export_tries,
            doubts,
            stopping,
            seen_progress,
            seen_answers,
            progress,
            answers,
            moved_at,
            progressed_at,
        } = self;
        print.maybe(*feed_call, Print::call);
        print.maybe(stream.call(), Print::call);
        if let Stream::Open { since, .. } = stream {
            print.since(*since);
        }
        self.print_state(print, state, durable);
        print.plain(&(at, feed_from, feed_tries, losses, at_tip));
        doubt.print(print);
        print.maybe(sealing.as_ref(), |print, (position, replay)| {
            print.plain(position);
            print.maybe(*replay, |print, from| origin.ordinal(print, from));
        });
        print.any_order(frontier.values(), |print, (dir, row)| {
            print.plain(&(dir, &row.cursor, &row.reached));
        });
        print.plain(&(dirs, rows_unread, stream_tries, page_tries, page_moved));
        for (name, seen) in refused {
            print.plain(&(name, *seen == origin.traversal));
        }
        print.plain(&(gone_names, export_tries, doubts, stopping));
        let moved = progress + files.progress > *seen_progress;
        print.plain(&(moved, answers + files.answers > *seen_answers));
        print.since(*moved_at);
        print.since(*progressed_at);
        print_row(print, row, origin);
    }

    fn print_state(&self, print: &mut Print, state: &State, durable: CommitSeq) {
        match state {
            State::Loading => print.plain(&0u8),
            State::Locating => print.plain(&1u8),
            State::ExportParked { mark } => {
                print.plain(&(2u8, mark.0.saturating_sub(durable.0)));
            }
            State::Exporting { call, files, credit } => {
                print.plain(&(3u8, files, credit));
                print.call(*call);
            }
            State::ExportAgain => print.plain(&4u8),
            State::Counting { call, files } => {
                print.plain(&(5u8, files));
                print.call(*call);
            }
            State::Counted { files, total, asked } => {
                print.plain(&(10u8, files, total, asked));
            }
            State::Walking { call } => {
                print.plain(&6u8);
                print.maybe(*call, Print::call);
            }
            State::Following => print.plain(&7u8),
            State::Braked(brake) => print.plain(&(8u8, brake)),
            State::Stopped => print.plain(&9u8),
        }
    }
}

/// What is durable of the lane, or on its way there.
fn print_row(print: &mut Print, row: &MirrorRow, origin: Origin) {
    let MirrorRow {
        position,
        epoch: _,
        arrived,
        believed,
        complete,
        export_begun,
        traversal,
        relist,
        doubt,
        stalls,
        // Entries are printed in relation to it.
        sealed: _,
        in_step_at: _,
        refused_names,
        replay,
        unread,
    } = row;
    print.plain(&(position, arrived, believed, complete, export_begun, stalls, refused_names));
    print.maybe(traversal.as_ref(), |print, traversal| {
        let TraversalRow { id: _, tag, seen, total, partial, hollow, open } = traversal;
        print.plain(&(seen, total, partial, hollow, open));
        origin.ordinal(print, *tag);
    });
    print.plain(unread);
    print.maybe(*replay, |print, at| origin.ordinal(print, at));
    print.maybe(*relist, Print::stored);
    print.maybe(doubt.as_ref(), |print, doubt| {
        let Doubt { why, traversal: _, position, at } = doubt;
        print.plain(&(why, position));
        print.stored(*at);
    });
}
