//! Names from a server, once they have been proven harmless.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// The directory inside a mirror that belongs to Landfall. Never mirrored, at any depth.
pub const CONTROL_DIR: &str = ".relay";

/// What keeps the history of a directory, at the top of a mirror.
const HISTORY: [&str; 6] = [".git", ".hg", ".svn", ".bzr", "_darcs", ".jj"];

/// The private state of the existing client, at any depth. Its temporary files add to the name.
const CLIENT_STATE: &str = ".relayfile-mount-state.json";

/// Longest path in bytes.
pub const PATH_MAX: usize = 4096;

/// Longest path component in bytes, as file systems have it. A longer one gets a shorter name
/// on the disk, which is the disk adapter's business.
pub const NAME_MAX: usize = 255;

/// A file of the workspace: `/`-rooted, byte-exact, and safe to place below a root.
///
/// It can not express the root itself, an empty component, `.`, `..`, a NUL or a control
/// directory. Cloning is cheap. A backslash is refused too.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RemotePath(Arc<str>);

/// Why a name was refused.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Error, Hash, PartialEq, Serialize)]
pub enum PathError {
    /// It names the root of the workspace, not something in it.
    #[error("it names the root itself")]
    Root,
    /// It does not start with `/`.
    #[error("it is not absolute")]
    Relative,
    /// `//`, or a `/` at the end.
    #[error("it has an empty component")]
    EmptyComponent,
    /// `.` or `..`.
    #[error("it has a component `.` or `..`")]
    Dots,
    /// A NUL byte.
    #[error("it has a NUL byte")]
    Nul,
    /// `.relay` at any depth, in any case.
    #[error("it lies in a control directory")]
    Control,
    /// A backslash, which other systems take for a `/`.
    #[error("it has a backslash")]
    Backslash,
    /// Longer than [`PATH_MAX`].
    #[error("it is too long")]
    TooLong,
}

impl RemotePath {
    /// Checks a name that a server sent.
    pub fn parse(name: &str) -> Result<Self, PathError> {
        if name.is_empty() || name == "/" {
            return Err(PathError::Root);
        }
        let Some(rest) = name.strip_prefix('/') else {
            return Err(PathError::Relative);
        };
        if name.len() > PATH_MAX {
            return Err(PathError::TooLong);
        }
        // Hardly any name has one, so all components are looked through at once.
        let odd = rest.bytes().any(|byte| matches!(byte, b'\0' | b'\\'));
        for part in components(rest) {
            match part {
                "" => return Err(PathError::EmptyComponent),
                "." | ".." => return Err(PathError::Dots),
                _ if odd && part.contains('\0') => return Err(PathError::Nul),
                _ if odd && part.contains('\\') => return Err(PathError::Backslash),
                _ if is_taken_for(part, CONTROL_DIR) => return Err(PathError::Control),
                _ => {}
            }
        }
        Ok(Self(name.into()))
    }

    /// With the leading `/`, as the wire has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without the leading `/`, to be joined to a root.
    pub fn relative(&self) -> &str {
        &self.0[1..]
    }

    /// With a `/` at its end: what the paths below it begin with. Not what is
    /// [shown](fmt::Display), which may be escaped.
    pub fn as_dir(&self) -> String {
        [self.as_str(), "/"].concat()
    }

    /// The directories above it, nearest first, without the root.
    pub fn ancestors(&self) -> impl Iterator<Item = &str> {
        let mut rest = self.as_str();
        core::iter::from_fn(move || {
            rest = &rest[..rest.rfind('/')?];
            (!rest.is_empty()).then_some(rest)
        })
    }

    /// The entry of `dir` that this path is, or lies below. None, if it does not lie below `dir`.
    pub fn entry_of(&self, dir: &str) -> Option<&str> {
        let rest = self.below(dir)?;
        let length = rest.find('/').unwrap_or(rest.len());
        Some(&self.0[..self.0.len() - rest.len() + length])
    }

    /// Relative to `dir`, without a leading `/`. None, if it does not lie below `dir`.
    pub fn below(&self, dir: &str) -> Option<&str> {
        let dir = dir.strip_suffix('/').unwrap_or(dir);
        self.0.strip_prefix(dir)?.strip_prefix('/')
    }

    /// Whether this path lies below `dir`. A path does not lie below itself.
    pub fn is_below(&self, dir: &str) -> bool {
        self.below(dir).is_some()
    }
}

/// The parts of a name. Names are short: this is faster than a search for a character.
fn components(name: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(name);
    core::iter::from_fn(move || {
        let name = rest?;
        let end = name.bytes().position(|byte| byte == b'/');
        rest = end.map(|end| &name[end + 1..]);
        Some(&name[..end.unwrap_or(name.len())])
    })
}

/// Whether a path, relative to the root of a mirror, stays where it is, in both directions: what
/// keeps the history of that directory, for half of it is worse than none and whoever writes
/// there can run programs here; and the private state of the existing client.
pub fn stays_home(relative: &str) -> bool {
    let top = components(relative).next().unwrap_or(relative);
    HISTORY.iter().any(|name| is_taken_for(top, name))
        || components(relative).any(|part| {
            let rest = part.strip_prefix(CLIENT_STATE);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(".tmp-"))
        })
}

/// Whether some file system would take a component for this name: those of other systems fold
/// case, and some pass over characters that nobody sees.
fn is_taken_for(part: &str, name: &str) -> bool {
    let is_seen = |c: &char| !matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    let folded = part.chars().filter(is_seen).map(|c| c.to_ascii_lowercase());
    folded.eq(name.chars())
}

impl core::borrow::Borrow<str> for RemotePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RemotePath {
    /// Control characters are shown as escapes, so that a name can not draw on a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(&self.0).fmt(f)
    }
}

impl fmt::Debug for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A name from outside, to be shown. What draws on a terminal or turns the direction of writing
/// is escaped.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        for c in self.0.chars() {
            let is_unseen = matches!(
                c,
                '\u{61c}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            );
            if c.is_control() || is_unseen {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

impl Serialize for RemotePath {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RemotePath {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(d)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    #[test]
    fn hostile_names_are_refused_with_the_reason() {
        for (name, why) in [
            ("", PathError::Root),
            ("/", PathError::Root),
            ("a", PathError::Relative),
            ("//a", PathError::EmptyComponent),
            ("/a/", PathError::EmptyComponent),
            ("/a/../b", PathError::Dots),
            ("/.", PathError::Dots),
            ("/a\0", PathError::Nul),
            ("/.relay/state.db", PathError::Control),
            ("/a/.RELAY/x", PathError::Control),
        ] {
            assert_eq!(RemotePath::parse(name), Err(why), "{name:?}");
        }
        assert_eq!(RemotePath::parse("/a\\b"), Err(PathError::Backslash));
        assert_eq!(RemotePath::parse(&"/n".repeat(2049)), Err(PathError::TooLong));
    }

    #[test]
    fn history_and_the_state_of_the_client_stay_home() {
        for path in [
            ".git/config",
            ".git",
            ".GIT/hooks/post-checkout",
            ".g\u{200c}it/config",
            "_darcs/x",
            ".relayfile-mount-state.json",
            "a/.relayfile-mount-state.json.tmp-1",
        ] {
            assert!(stays_home(path), "{path}");
        }
        for path in [".github/a", "a/.git/config", ".gitignore", ".relayfile-mount-state.jsonl"] {
            assert!(!stays_home(path), "{path}");
        }
        let hidden = RemotePath::parse("/.re\u{200d}lay/x");
        assert_eq!(hidden, Err(PathError::Control));
    }

    #[test]
    fn a_name_that_is_shown_can_not_draw_or_turn_round() {
        let shown = |name| Shown(name).to_string();
        assert_eq!(shown("/a\x1b[2J"), "/a\\u{1b}[2J");
        assert_eq!(shown("/\u{202e}gpj.exe"), "/\\u{202e}gpj.exe");
        assert_eq!(shown("/zwei\u{200b}teilig\u{feff}"), "/zwei\\u{200b}teilig\\u{feff}");
        assert_eq!(shown("/Übergröße 日本語 🙂"), "/Übergröße 日本語 🙂");
    }

    #[test]
    fn odd_but_harmless_names_are_kept_byte_for_byte() {
        for name in ["/a b", "/...", "/.relayed", "/é", "/a\nb"] {
            assert_eq!(RemotePath::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn ancestors_come_nearest_first() {
        let path = RemotePath::parse("/a/b/c").unwrap();
        assert_eq!(path.ancestors().collect::<Vec<_>>(), ["/a/b", "/a"]);
        assert!(path.is_below("/a/b") && path.is_below("/a") && path.is_below("/"));
        assert_eq!(path.entry_of("/"), Some("/a"));
        assert_eq!(path.entry_of("/a"), Some("/a/b"));
        assert_eq!(path.entry_of("/a/b"), Some("/a/b/c"));
        assert_eq!(path.entry_of("/ab"), None);
        assert_eq!(path.entry_of("/a/b/c"), None);
        assert!(!path.is_below("/a/b/c") && !path.is_below("/a/bc") && !path.is_below("/ab"));
    }

    #[test]
    fn a_name_can_not_draw_on_a_terminal() {
        let path = RemotePath::parse("/a\x1b[2J").unwrap();
        assert_eq!(path.to_string(), "/a\\u{1b}[2J");
    }
}
