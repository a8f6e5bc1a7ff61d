//! Writes that are known when they are asked for again.

use std::collections::BTreeMap;
use std::sync::Arc;

use landfall_core::time::{Ms, Wall};

use super::{Change, Server};

/// `contentIdentity`: the name of a write. Who got no answer asks again under the same name, and
/// gets the answer of the first time.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Identity {
    /// What kind of name it is, for example `mount-command`.
    pub kind: Arc<str>,
    /// The name. Known by kind and key together, whatever the path and the content.
    pub key: Arc<str>,
    /// How long the server remembers it, from the write that had it first.
    pub ttl: Ms,
}

impl Identity {
    /// How long a name is remembered when its writer does not say: seven days, what the
    /// existing client asks for.
    pub const TTL: Ms = Ms::hours(7 * 24);

    /// A name for [`TTL`](Self::TTL).
    pub fn new(kind: impl Into<Arc<str>>, key: impl Into<Arc<str>>) -> Self {
        Self { kind: kind.into(), key: key.into(), ttl: Self::TTL }
    }
}

/// Which changes had which names. Follows from the history.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Identities(BTreeMap<(Arc<str>, Arc<str>), Vec<u64>>);

impl Identities {
    pub(super) fn keep(&mut self, identity: &Identity, number: u64) {
        let name = (identity.kind.clone(), identity.key.clone());
        self.0.entry(name).or_default().push(number);
    }

    /// Takes back what [`keep`](Self::keep) did for the newest change.
    pub(super) fn forget(&mut self, newest: Option<&Change>) {
        let Some(identity) = newest.and_then(|change| change.origin.identity.as_ref()) else {
            return;
        };
        let name = (identity.kind.clone(), identity.key.clone());
        if let Some(numbers) = self.0.get_mut(&name) {
            numbers.pop();
            if numbers.is_empty() {
                self.0.remove(&name);
            }
        }
    }
}

impl Server {
    /// The number of the change that was made under this name, if it is still remembered.
    pub fn known(&self, identity: &Identity, at: Wall) -> Option<u64> {
        let name = (identity.kind.clone(), identity.key.clone());
        let number = *self.identities.0.get(&name)?.last()?;
        let first = self.change(number)?;
        let ttl = first.origin.identity.as_ref()?.ttl;
        (at.0.saturating_sub(first.at.0) < ttl.0).then_some(number)
    }

    /// The change with this number, from 1.
    pub fn change(&self, number: u64) -> Option<&Change> {
        self.history.get(usize::try_from(number.checked_sub(1)?).ok()?)
    }
}
