//! What could not be read stays as it is. A row of a file keeps its bytes, and so does the file. Where
//! it is a row of another kind, nothing at all is done.

use landfall_core::effect::{Change, DiskOp, Effect};
use landfall_core::path::RemotePath;
use landfall_core::row::{Of, RowKey};

use super::Ruling;
use crate::world::op_path;

/// The row that this process could not read.
#[derive(Debug, Default)]
pub(super) struct Unread {
    row: Option<RowKey>,
}

impl Unread {
    pub(super) fn hidden(&mut self, row: Option<RowKey>) {
        self.row = row;
    }

    pub(super) fn wanted(&self, effect: &Effect) -> Ruling {
        let Some(row) = &self.row else { return Ok(0) };
        let does = match (&row.of, effect) {
            // They are found out again.
            (Of::Frontier(_) | Of::Refused(_), _) => false,
            (Of::Entry(path), effect) => changes(path, row, effect),
            (_, Effect::Ask { .. } | Effect::Disk { .. } | Effect::Commit { .. }) => true,
            _ => false,
        };
        match does {
            false => Ok(1),
            true => Err((
                row.key().to_owned(),
                format!("the row {} {} could not be read: {effect:?}", row.kind(), row.key()),
            )),
        }
    }
}

fn changes(path: &RemotePath, row: &RowKey, effect: &Effect) -> bool {
    match effect {
        Effect::Commit { changes, .. } => changes.iter().any(|change| match change {
            Change::Put(put) => put.key() == *row,
            Change::Delete(key) => key == row,
        }),
        Effect::Disk { op, .. } => !matches!(op, DiskOp::Look { .. }) && op_path(op) == Some(path),
        _ => false,
    }
}
