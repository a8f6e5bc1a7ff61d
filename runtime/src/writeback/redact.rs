//! What a server says may repeat what it was sent, the credentials included.

/// In the place of a secret.
const HIDDEN: &str = "[redacted]";

/// More of what a server said is not shown.
const BODY_MAX: usize = 1024;

/// What follows one of these is a secret, up to the end of its word.
const NAMES: [&str; 9] = [
    "authorization",
    "bearer",
    "token",
    "access_token",
    "refresh_token",
    "api_key",
    "apikey",
    "password",
    "secret",
];

/// What a server said, without credentials and control characters, at most 1,024 bytes.
pub fn redacted(said: &str) -> String {
    let mut text = String::with_capacity(said.len().min(BODY_MAX));
    let mut hide = false;
    let mut rest = said;
    while !rest.is_empty() && text.len() < BODY_MAX {
        let in_word = is_of_word(rest);
        let end = rest.find(|c| is_word(c) != in_word).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        rest = after;
        if !in_word {
            // `token: x`, `"token":"x"` and `Bearer x` are one; `token. Then x` is not.
            hide &= part.chars().all(|c| " \t:=\"'".contains(c));
            text.extend(part.chars().map(|c| if c.is_control() { ' ' } else { c }));
            continue;
        }
        let name = part.to_ascii_lowercase();
        let is_name = NAMES.contains(&name.as_str());
        if part.starts_with("eyJ") && part.len() > 16 || hide && !is_name {
            text.push_str(HIDDEN);
        } else {
            text.push_str(part);
        }
        hide = is_name;
    }
    let mut end = text.len().min(BODY_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

fn is_of_word(text: &str) -> bool {
    text.chars().next().is_some_and(is_word)
}

/// What tokens are made of.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || "-_.~+/".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_not_repeated() {
        for (said, shown) in [
            ("title is missing", "title is missing"),
            ("Authorization: Bearer abc.def/x= is bad", "Authorization: Bearer [redacted]= is bad"),
            (r#"{"token":"t0p","a":1}"#, r#"{"token":"[redacted]","a":1}"#),
            ("jwt eyJhbGciOiJIUzI1NiJ9.e30.c2ln is over", "jwt [redacted] is over"),
            ("no token (try again)", "no token (try again)"),
            ("password=hunter2&x=1", "password=[redacted]&x=1"),
            ("two\nlines\u{1b}[31m", "two lines [31m"),
        ] {
            assert_eq!(redacted(said), shown);
        }
    }

    #[test]
    fn a_long_answer_is_cut_between_characters() {
        let long = "é ".repeat(1000);
        assert!(redacted(&long).len() <= BODY_MAX && redacted(&long).len() > BODY_MAX - 3);
    }
}
