//! The bearer token in a file: by itself, or in the JSON that a login leaves.

use std::io;
use std::path::Path;

use serde_json::Value;

/// A token that is larger is none of ours.
pub const TOKEN_MAX: usize = 64 * 1024;

/// Where a login puts the token. The first that is there counts.
const KEYS: [&str; 3] = ["token", "accessToken", "relayfileToken"];

/// The token that a file holds now.
///
/// # Errors
/// A file that can not be read, or holds none. No word of what it holds is told.
pub fn read(path: &Path) -> io::Result<String> {
    let text = std::fs::read_to_string(path)?;
    let none = |why: &str| Err(io::Error::new(io::ErrorKind::InvalidData, why.to_owned()));
    let token = match text.trim_start().starts_with('{') {
        false => Some(text.trim().to_owned()),
        true => match serde_json::from_str::<Value>(&text) {
            Ok(json) => {
                let mut texts = KEYS.iter().filter_map(|key| json[key].as_str());
                texts.find(|text| !text.trim().is_empty()).map(|text| text.trim().to_owned())
            }
            // What serde says may name what is in it.
            Err(_) => return none("it begins like JSON and is none"),
        },
    };
    match token {
        Some(token) if token.len() > TOKEN_MAX => none("it is too large for a token"),
        Some(token) if !token.is_empty() => Ok(token),
        Some(_) => none("it is empty"),
        None => none("it has no text under token, accessToken or relayfileToken"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Result<String, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path()).map_err(|why| why.to_string())
    }

    #[test]
    fn a_token_stands_alone_or_in_the_json_of_a_login() {
        assert_eq!(said(" abc\n").unwrap(), "abc");
        assert_eq!(
            said(r#"{"token": "", "relayfileToken": "c", "accessToken": "b"}"#).unwrap(),
            "b"
        );
        assert_eq!(
            said(r#"{"token": "a\n", "accessToken": "b", "refreshToken": "r"}"#).unwrap(),
            "a"
        );
    }

    #[test]
    fn a_file_without_a_token_says_so_and_tells_nothing_of_it() {
        for text in ["", "\n", "{", r#"{"secret": "hush"}"#, r#"{"token": 7, "secret": "hush"}"#] {
            let why = said(text).unwrap_err();
            assert!(!why.contains("hush") && !why.is_empty(), "{text}: {why}");
        }
        assert!(said(&"x".repeat(TOKEN_MAX + 1)).is_err());
        assert_eq!(read(Path::new("/no/such")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
