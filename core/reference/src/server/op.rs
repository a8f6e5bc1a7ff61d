//! `GET ops`: what becomes of a write after it was accepted.
//!
//! Every write through the API makes one operation, which has the number of its change. Where it
//! stands follows from the time and from its [`Fate`]; nothing has to tick.

use std::sync::Arc;

use landfall_core::time::{Ms, Wall};

use super::{Change, Refusal, Server};

/// Operations of a list when the request does not say.
const DEFAULT_LIMIT: u32 = 100;

/// Tries that an operation gets before it is dead.
const TRIES: u32 = 3;

/// What becomes of an operation.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Fate {
    /// It succeeds after the [delay](super::WriteSettings::op_delay) of all.
    #[default]
    Succeeds,
    /// It succeeds so much later than others. With `u64::MAX` it is stuck for ever.
    Late(Ms),
    /// It fails after the delay of all.
    Fails,
    /// It is given up after the delay of all.
    DeadLetters,
}

/// Where an operation stands.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum OpStatus {
    /// It was not tried yet.
    Pending,
    /// The provider has the write.
    Succeeded,
    /// The provider refused it.
    Failed,
    /// It was tried often enough.
    DeadLettered,
}

impl OpStatus {
    /// What the API calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::DeadLettered => "dead_lettered",
        }
    }
}

/// One operation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Op {
    /// The number of its change: it is `op_<number>`, and led to `rev_<number>`.
    pub number: u64,
    /// Which file.
    pub path: Arc<str>,
    /// Whether it deletes the file. Otherwise it writes it.
    pub deletes: bool,
    /// Where it stands.
    pub status: OpStatus,
    /// How often it was tried.
    pub attempts: u32,
    /// When the write was accepted.
    pub created: Wall,
    /// When it came to where it stands.
    pub updated: Wall,
}

impl Op {
    /// `op_<n>`. To a client it is opaque.
    pub fn id(&self) -> String {
        format!("op_{}", self.number)
    }

    /// `rev_<n>`: what the write led to.
    pub fn revision(&self) -> String {
        format!("rev_{}", self.number)
    }

    /// What the API calls what it does.
    pub fn action(&self) -> &'static str {
        if self.deletes { "file_delete" } else { "file_upsert" }
    }
}

impl Server {
    /// `GET ops/{opId}`.
    ///
    /// # Errors
    /// 404 for one that there never was, for that of a change which nobody asked for through
    /// the API, and for [`op_unknown`](super::WriteSettings::op_unknown) after it was named.
    pub fn op(&self, id: &str, now: Wall) -> Result<Op, Refusal> {
        let number = id.strip_prefix("op_").and_then(|number| number.parse().ok());
        number.and_then(|number| self.op_of(number, now)).ok_or_else(Refusal::not_found)
    }

    /// `GET ops`: the newest operations first.
    ///
    /// # Errors
    /// 400 for a limit that is not 1 to 1,000. It is 100 where the request does not say.
    pub fn ops(&self, limit: Option<u32>, now: Wall) -> Result<Vec<Op>, Refusal> {
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=1000).contains(&limit) {
            return Err(Refusal::bad_request("limit must be between 1 and 1000"));
        }
        let newest = (1..=self.tip()).rev().filter_map(|number| self.op_of(number, now));
        Ok(newest.take(limit as usize).collect())
    }

    /// Decides what becomes of the operation of a change. For whoever makes faults, who says so
    /// before anybody else can ask, and before the change is stored. Returns whether there is such a change.
    pub fn doom(&mut self, number: u64, fate: Fate) -> bool {
        let index = number.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        match index.and_then(|index| self.history.get_mut(index)) {
            Some(change) => {
                change.origin.fate = fate;
                true
            }
            None => false,
        }
    }

    fn op_of(&self, number: u64, now: Wall) -> Option<Op> {
        let change = self.change(number)?;
        change.origin.by.as_ref()?;
        let age = Ms(now.0.saturating_sub(change.at.0));
        let settings = &self.settings.writes;
        (age >= settings.op_unknown).then(|| op(number, change, age, settings.op_delay))
    }
}

fn op(number: u64, change: &Change, age: Ms, delay: Ms) -> Op {
    let (takes, end, tries) = match change.origin.fate {
        Fate::Succeeds => (delay, OpStatus::Succeeded, 1),
        Fate::Late(more) => (Ms(delay.0.saturating_add(more.0)), OpStatus::Succeeded, 1),
        Fate::Fails => (delay, OpStatus::Failed, 1),
        Fate::DeadLetters => (delay, OpStatus::DeadLettered, TRIES),
    };
    let over = age >= takes;
    Op {
        number,
        path: change.path.clone(),
        deletes: change.after.is_none(),
        status: if over { end } else { OpStatus::Pending },
        attempts: if over { tries } else { 0 },
        created: change.at,
        updated: if over { Wall(change.at.0.saturating_add(takes.0)) } else { change.at },
    }
}
