//! Commits of a store are numbered without a gap, in the order in which they are wanted.

use landfall_core::effect::Effect;

use super::Ruling;

/// The last number of this run.
#[derive(Debug, Default)]
pub(super) struct Commits {
    last: Option<u64>,
}

impl Commits {
    pub(super) fn started(&mut self) {
        self.last = None;
    }

    pub(super) fn wanted(&mut self, effect: &Effect) -> Ruling {
        let Effect::Commit { seq, .. } = effect else {
            return Ok(0);
        };
        match self.last.replace(seq.0) {
            Some(last) if seq.0 != last + 1 => {
                Err(("order".into(), format!("commit {} comes after commit {last}", seq.0)))
            }
            _ => Ok(1),
        }
    }
}
