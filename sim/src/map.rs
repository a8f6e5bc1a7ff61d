//! Maps and sets that are only looked up in: cheaper than ordered ones, and the same in every
//! process and build. What is gone through in order is in a `BTreeMap`.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;

use landfall_core::canon::Canon;

/// A map that is only looked up in.
pub type Map<K, V> = HashMap<K, V, BuildHasherDefault<Canon>>;

/// A set that is only looked up in.
pub type Set<T> = HashSet<T, BuildHasherDefault<Canon>>;
