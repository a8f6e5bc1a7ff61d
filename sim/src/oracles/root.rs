//! Nothing outside of the root, and nothing below a control directory or in a history, is ever
//! touched.
//!
//! The names are judged here by themselves, letter by letter, because the type that proves them
//! harmless is part of what is judged.

use landfall_core::effect::Effect;

use super::Ruling;
use crate::world::op_path;

pub(super) fn wanted(effect: &Effect) -> Ruling {
    let Effect::Disk { op, .. } = effect else {
        return Ok(0);
    };
    let Some(path) = op_path(op) else {
        return Ok(0);
    };
    let Some(rest) = path.as_str().strip_prefix('/') else {
        return Err(wrong(path.as_str(), "is not below the root"));
    };
    for part in rest.split('/') {
        let why = match part {
            "" => "has an empty component, or is the root itself",
            "." | ".." => "climbs",
            _ if part.contains(['\0', '\\']) => "has a character that file systems do not take",
            _ if part.eq_ignore_ascii_case(".relay") => "lies in a control directory",
            _ => continue,
        };
        return Err(wrong(path.as_str(), why));
    }
    let top = rest.split('/').next().unwrap_or(rest).replace('\u{200c}', "");
    if top.eq_ignore_ascii_case(".git") {
        return Err(wrong(path.as_str(), "lies in the history of the directory"));
    }
    Ok(1)
}

fn wrong(path: &str, why: &str) -> (String, String) {
    (path.to_owned(), format!("the disk is asked to touch {path:?}, which {why}"))
}
