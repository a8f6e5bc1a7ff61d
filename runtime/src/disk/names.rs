//! Names on the disk for names on the server.
//!
//! A server takes names of any length, and a file system takes 255 bytes. A longer component
//! gets a short name that depends on it alone: what it begins with, `~rf-`, a hash of all of
//! it, and its extension. The existing client uses the same form. A name on the server that
//! already looks like that is shortened too, so that no two names ever share one file.
//!
//! Names that a file system takes and that we would shorten are kept where somebody made them
//! here: see [`Tree::local`](super::tree::Tree::local).

use std::borrow::Cow;
use std::fmt::Write;

use landfall_core::path::NAME_MAX;
use sha2::{Digest, Sha256};

/// Longer components are shortened. It leaves room for what is added to names of conflict
/// copies.
const LONGEST: usize = 220;

/// Before the hash.
const MARK: &str = "~rf-";

/// Hex digits of the hash.
const DIGITS: usize = 32;

/// A longer extension is no extension.
const EXTENSION: usize = 32;

/// The path on the disk for a path on the server, both without a leading `/`.
pub(super) fn local(path: &str) -> Cow<'_, str> {
    if path.split('/').all(|component| !must_shorten(component)) {
        return Cow::Borrowed(path);
    }
    let short: Vec<Cow<'_, str>> = components(path).map(|(_, here)| here).collect();
    Cow::Owned(short.join("/"))
}

/// Whether a file that comes from the server with this name gets another one here.
pub(super) fn must_shorten(component: &str) -> bool {
    component.len() > LONGEST || looks_short(component)
}

/// Whether a file of this name that somebody made here can have the same name on the server: it
/// is not the short form of another.
pub(super) fn may_be_ours(component: &str) -> bool {
    component.len() <= NAME_MAX && !looks_short(component)
}

/// Each component, and its name here.
pub(super) fn components(path: &str) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    path.split('/').map(|component| match must_shorten(component) {
        true => (component, Cow::Owned(shorten(component))),
        false => (component, Cow::Borrowed(component)),
    })
}

/// Whether a name has the form that shortening gives.
fn looks_short(component: &str) -> bool {
    component.match_indices(MARK).any(|(at, _)| {
        let rest = &component.as_bytes()[at + MARK.len()..];
        rest.len() >= DIGITS
            && rest[..DIGITS].iter().all(u8::is_ascii_hexdigit)
            && (rest.len() == DIGITS || rest[DIGITS] == b'.')
    })
}

fn shorten(component: &str) -> String {
    let extension = match component.rfind('.') {
        Some(at) if at > 0 && component.len() - at <= EXTENSION => &component[at..],
        _ => "",
    };
    let mut hash = String::with_capacity(DIGITS);
    for byte in &Sha256::digest(component)[..DIGITS / 2] {
        // Writing to a string does not fail.
        let _ = write!(hash, "{byte:02x}");
    }
    let stem = &component[..component.len() - extension.len()];
    let mut end = stem.len().min(LONGEST - MARK.len() - DIGITS - extension.len());
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{MARK}{hash}{extension}", &stem[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_names_are_as_they_are() {
        for path in ["a", "docs/a.md", "x/~rf-", &"y".repeat(LONGEST)] {
            assert_eq!(local(path), path);
        }
    }

    #[test]
    fn a_long_name_is_shortened_by_itself_and_keeps_its_extension() {
        let long = format!("docs/{}.md", "ü".repeat(200));
        let short = local(&long).into_owned();
        assert_eq!(short, local(&long), "it depends on the name alone");
        let name = short.strip_prefix("docs/").unwrap();
        assert!(
            name.len() <= LONGEST && name.starts_with("üüü") && name.ends_with(".md"),
            "{name}"
        );
        let other = format!("docs/{}x.md", "ü".repeat(199));
        assert_ne!(local(&other), short);
        let deep = format!("{0}/{0}", "d".repeat(300));
        assert!(local(&deep).split('/').all(|component| component.len() <= LONGEST));
    }

    #[test]
    fn a_name_that_looks_shortened_never_shares_a_file_with_one_that_is() {
        let long = format!("{}.md", "a".repeat(300));
        let short = local(&long).into_owned();
        assert_ne!(local(&short), short);
    }
}
