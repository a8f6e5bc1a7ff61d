//! Whatever a server calls a file, what is accepted is safe below a root.
#![no_main]

use landfall_core::path::RemotePath;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|name: &str| {
    let Ok(path) = RemotePath::parse(name) else { return };
    assert_eq!(path.as_str(), name);
    assert!(!path.relative().is_empty() && !path.relative().starts_with('/'));
    for part in path.relative().split('/') {
        assert!(!matches!(part, "" | "." | ".."));
        assert!(!part.contains('\0') && !part.eq_ignore_ascii_case(".relay"));
    }
    assert!(path.ancestors().all(|dir| path.is_below(dir)));
    assert!(!path.to_string().chars().any(char::is_control));
});
