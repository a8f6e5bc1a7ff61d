//! Content hashes. The core never computes one: bytes stay outside.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// SHA-256 of the decoded bytes of a file, as the wire has it.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ContentHash(pub [u8; 32]);

/// The value of each hex digit, and 0xff for what is none. Rows and listings are full of them.
const NIBBLES: [u8; 256] = {
    let mut values = [0xff; 256];
    let mut n = 0;
    while n < 16 {
        values[b"0123456789abcdef"[n as usize] as usize] = n;
        values[b"0123456789ABCDEF"[n as usize] as usize] = n;
        n += 1;
    }
    values
};

impl ContentHash {
    /// Reads 64 hex digits; `None` for anything else.
    pub fn parse(hex: &str) -> Option<Self> {
        let digits = hex.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        let mut odd = 0;
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let (high, low) = (NIBBLES[usize::from(pair[0])], NIBBLES[usize::from(pair[1])]);
            odd |= high | low;
            *byte = high << 4 | low;
        }
        (odd & 0xf0 == 0).then_some(Self(bytes))
    }

    /// The first 12 hex digits: enough to tell versions apart in a file name or a sentence.
    pub fn short(&self) -> String {
        let mut hex = alloc::format!("{self}");
        hex.truncate(12);
        hex
    }
}

impl ContentHash {
    /// Calls `then` with the 64 hex digits. A hash is written with every row, so nothing is
    /// allocated for it.
    fn with_hex<R>(&self, then: impl FnOnce(&str) -> R) -> R {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0; 64];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        then(core::str::from_utf8(&hex).unwrap_or_default())
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_hex(|hex| f.write_str(hex))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl Serialize for ContentHash {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.with_hex(|hex| s.serialize_str(hex))
    }
}

impl<'de> Deserialize<'de> for ContentHash {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_str(Hex)
    }
}

/// Reads a hash where it lies.
struct Hex;

impl de::Visitor<'_> for Hex {
    type Value = ContentHash;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a content hash, which has 64 hex digits")
    }

    fn visit_str<E: de::Error>(self, hex: &str) -> Result<ContentHash, E> {
        ContentHash::parse(hex).ok_or_else(|| E::invalid_value(de::Unexpected::Str(hex), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_goes_in_and_comes_out() {
        let hex = "e2662e2c8c7d4e6c9f0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60";
        assert_eq!(alloc::format!("{}", ContentHash::parse(hex).unwrap()), hex);
    }

    #[test]
    fn what_is_not_a_hash_is_none() {
        for bad in ["", "e266", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(ContentHash::parse(bad), None, "{bad}");
        }
    }
}
