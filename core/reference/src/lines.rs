//! Three versions of a text become one, line by line, or they do not go together.
//!
//! Server and client merge the same way, so the server of this crate and the disk of the program
//! share this.

/// Bytes of a text that is merged, at most.
pub const BYTES_MAX: usize = 512 * 1024;

/// Lines of a text that is merged, at most.
pub const LINES_MAX: usize = 3_000;

/// Whether a text is small enough to be merged.
pub fn fits(text: &str) -> bool {
    text.len() <= BYTES_MAX && text.lines().count() <= LINES_MAX
}

/// What comes of two edits of `base`; `None` if they do not go together.
///
/// Lines that repeat can be aligned in more than one way, and each way merges something else
/// (incident H113). So the texts are aligned from their first line and from their last one, and
/// where that is not the same, it is a conflict.
pub fn merge(base: &str, mine: &str, theirs: &str) -> Option<String> {
    let one = diffy::merge(base, mine, theirs).ok()?;
    let other = diffy::merge(&last_first(base), &last_first(mine), &last_first(theirs)).ok()?;
    (last_first(&one) == other).then_some(one)
}

/// The lines in the opposite order. Each gets an end, so that the last one is like the others.
fn last_first(text: &str) -> String {
    text.split('\n').rev().flat_map(|line| [line, "\n"]).collect()
}
