//! Kinds of effects, for a test to hold back or to count.

use landfall_core::effect::{DiskOp, Effect};

/// A look at a path.
pub fn is_look(effect: &Effect) -> bool {
    matches!(effect, Effect::Disk { op: DiskOp::Look { .. }, .. })
}

/// Anything the disk is asked.
pub fn is_disk(effect: &Effect) -> bool {
    matches!(effect, Effect::Disk { .. })
}

/// Rows to be stored.
pub fn is_commit(effect: &Effect) -> bool {
    matches!(effect, Effect::Commit { .. })
}

/// A file to be taken away.
pub fn is_remove(effect: &Effect) -> bool {
    matches!(effect, Effect::Disk { op: DiskOp::Remove { .. }, .. })
}

/// What was placed is to survive a power cut.
pub fn is_seal(effect: &Effect) -> bool {
    matches!(effect, Effect::Disk { op: DiskOp::Seal, .. })
}
