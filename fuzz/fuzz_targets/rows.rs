//! A stored row is read as what it was written as, or refused; it never panics.
#![no_main]

use landfall_core::id::UnitId;
use landfall_core::row::{Row, StoredRow};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|parts: (u8, String, String, u32)| {
    let (kind, key, json, schema) = parts;
    let kind = ["mirror", "entry", "frontier", "?"][usize::from(kind % 4)].to_string();
    let stored = StoredRow { unit: UnitId(0), kind, key, schema, json };
    if let Ok(row) = Row::decode(&stored) {
        assert_eq!(Row::decode(&row.encode()), Ok(row));
    }
});
