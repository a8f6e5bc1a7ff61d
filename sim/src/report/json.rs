//! As much JSON as a page needs, safe inside of a script element.

use std::collections::BTreeMap;
use std::fmt::Write;

/// A text. Nothing in it can end the element that it stands in, or begin another.
pub fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\x1f' | '\x7f' => {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// An object, of values that are JSON already.
pub fn object(fields: &[(&str, String)]) -> String {
    let fields: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}:{value}", text(name))).collect();
    format!("{{{}}}", fields.join(","))
}

/// A list, of values that are JSON already.
pub fn list(values: impl Iterator<Item = String>) -> String {
    let values: Vec<String> = values.collect();
    format!("[{}]", values.join(","))
}

/// Texts that are said often are written once.
#[derive(Debug, Default)]
pub struct Strings {
    numbers: BTreeMap<String, usize>,
    all: Vec<String>,
}

impl Strings {
    /// The number of a text.
    pub fn number(&mut self, said: &str) -> usize {
        if let Some(number) = self.numbers.get(said) {
            return *number;
        }
        let number = self.all.len();
        self.numbers.insert(said.to_owned(), number);
        self.all.push(text(said));
        number
    }

    /// All of them.
    pub fn done(self) -> String {
        list(self.all.into_iter())
    }
}
