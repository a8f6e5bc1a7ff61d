//! When the credentials expire, if they say so themselves.
//!
//! A bearer token may be a JWT, of which everybody can read the claims. Only two numbers of
//! them ever leave this module; the token does not.

use std::path::PathBuf;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use landfall_core::time::{Ms, Wall};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::http::Secret;
use crate::token::{self, TOKEN_MAX};

/// Credentials that expire within this are worth a word, whatever their lifetime.
const SOON: Ms = Ms::mins(5);

/// Credentials that expire are worth a word in the last such part of their lifetime, too.
const SOON_PART: u64 = 10;

/// The claims of a token about its own time.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Expiry {
    /// The first moment at which it is not valid any more.
    pub expires_at: Wall,
    /// When it was made, if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<Wall>,
}

impl Expiry {
    /// What a token says. `None` for one that says nothing, which is no error.
    pub fn of(token: &str) -> Option<Self> {
        let token = token.trim();
        if token.len() > TOKEN_MAX {
            return None;
        }
        let mut parts = token.split('.');
        let (_, Some(claims), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
        let claims: Value = serde_json::from_slice(&claims).ok()?;
        Some(Self { expires_at: date(&claims["exp"])?, issued_at: date(&claims["iat"]) })
    }

    /// Seconds until then; negative once it is over.
    pub fn secs_left(self, now: Wall) -> i64 {
        (self.expires_at.0 as i64 - now.0 as i64).div_euclid(1000)
    }

    /// Whether it is over.
    pub fn is_over(self, now: Wall) -> bool {
        self.expires_at <= now
    }

    /// Whether it is over soon, or already.
    pub fn is_soon(self, now: Wall) -> bool {
        let lifetime =
            self.issued_at.map_or(0, |issued| self.expires_at.0.saturating_sub(issued.0));
        let left = self.expires_at.0.saturating_sub(now.0);
        left < SOON.0.max(lifetime / SOON_PART)
    }
}

/// A number of seconds since 1970, with or without a fraction.
fn date(claim: &Value) -> Option<Wall> {
    let secs = claim.as_u64().or_else(|| claim.as_f64().map(|secs| secs as u64))?;
    Some(Wall(secs.checked_mul(1000)?))
}

/// A bearer token as it was given, and what it says of its own time.
#[derive(Clone, Debug)]
pub struct Bearer {
    /// The token.
    pub secret: Secret,
    /// Its time.
    pub expiry: Option<Expiry>,
}

impl From<String> for Bearer {
    fn from(token: String) -> Self {
        Self { expiry: Expiry::of(&token), secret: token.into() }
    }
}

/// The credentials of a mount that runs: a file may be replaced meanwhile.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// Given once.
    Given(Option<Expiry>),
    /// In a file, read again when that was changed.
    File {
        /// The file.
        path: PathBuf,
        /// When it was changed, and what it said.
        seen: Option<(SystemTime, Option<Expiry>)>,
    },
}

impl Credentials {
    /// What they say now.
    pub fn expiry(&mut self) -> Option<Expiry> {
        match self {
            Self::Given(expiry) => *expiry,
            Self::File { path, seen } => {
                let changed = std::fs::metadata(&*path).and_then(|file| file.modified()).ok()?;
                if let Some((at, expiry)) = seen
                    && *at == changed
                {
                    return *expiry;
                }
                let expiry = Expiry::of(&token::read(path).ok()?);
                *seen = Some((changed, expiry));
                expiry
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn a_jwt_says_when_it_expires_and_anything_else_says_nothing() {
        let expiry = Expiry::of(&jwt(r#"{"exp":2000,"iat":1000.5,"sub":"x"}"#)).unwrap();
        assert_eq!(expiry.expires_at, Wall(2_000_000));
        assert_eq!(expiry.issued_at, Some(Wall(1_000_000)));
        let huge = jwt(&format!(r#"{{"exp":2000,"pad":"{}"}}"#, "x".repeat(TOKEN_MAX)));
        for token in ["", "secret", "a.b.c", "a.b.c.d", &jwt("{}"), &jwt(r#"{"exp":"x"}"#), &huge] {
            assert_eq!(Expiry::of(token), None, "{token:.20}");
        }
        assert_eq!(Expiry::of(&jwt(&format!(r#"{{"exp":{}}}"#, u64::MAX))), None);
    }

    #[test]
    fn five_minutes_or_a_tenth_of_the_lifetime_are_soon() {
        // A day long: the last 144 minutes are soon.
        let day = Expiry { expires_at: Wall(86_400_000), issued_at: Some(Wall(0)) };
        assert!(!day.is_soon(Wall(77_760_000)));
        assert!(day.is_soon(Wall(77_760_001)));
        let unknown = Expiry { issued_at: None, ..day };
        assert!(!unknown.is_soon(Wall(86_100_000)));
        assert!(unknown.is_soon(Wall(86_100_001)) && !unknown.is_over(Wall(86_399_999)));
        assert!(unknown.is_over(Wall(86_400_000)));
        assert_eq!(unknown.secs_left(Wall(86_401_500)), -2);
    }

    #[test]
    fn a_file_that_is_replaced_is_read_again() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_owned();
        let mut credentials = Credentials::File { path: path.clone(), seen: None };
        assert_eq!(credentials.expiry(), None);
        std::fs::write(&path, jwt(r#"{"exp":7}"#) + "\n").unwrap();
        std::fs::File::open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(credentials.expiry().unwrap().expires_at, Wall(7_000));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(credentials.expiry(), None);
    }

    #[test]
    fn a_bearer_token_is_never_shown() {
        let token = jwt(r#"{"exp":7}"#);
        let shown = format!("{:?}", Bearer::from(token.clone()));
        assert!(!shown.contains(&token) && shown.contains("7000"), "{shown}");
    }
}
