//! The core is pure, and stays so: no clock, no file, no thread and no unordered map can exist
//! in a crate without `std`. What could bring them back is its dependencies, so they are pinned
//! here with their features.

use std::process::Command;
use std::{env, fs, path::Path};

/// Every crate that `landfall-core` is made of, with its features.
const DEPENDENCIES: &[&str] = &[
    "itoa []",
    "memchr []",
    "serde [alloc,derive,serde_derive]",
    "serde_core [alloc,result]",
    "serde_json [alloc]",
    "thiserror []",
    "zmij []",
];

fn tree() -> Vec<String> {
    let output = Command::new(env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
        .args(["tree", "--offline", "--locked", "--package", "landfall-core"])
        .args(["--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p} [{f}]"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo can be run by the test that it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<String> = text
        .lines()
        .skip(1)
        .map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next().unwrap_or_default();
            let features = line.split('[').next_back().unwrap_or_default();
            format!("{name} [{}", features.replace(" (*)", ""))
        })
        .collect();
    lines.sort();
    lines.dedup();
    lines
}

#[test]
fn the_dependencies_are_these_and_none_of_them_uses_std() {
    let tree = tree();
    assert_eq!(tree, DEPENDENCIES, "look at what is new before you add it here");
    assert!(tree.iter().all(|line| !(line.contains("std,") || line.contains("std]"))), "{tree:?}");
}

#[test]
fn the_crate_has_no_std_and_no_floats() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lib = fs::read_to_string(src.join("lib.rs")).unwrap();
    assert!(lib.starts_with("#![no_std]"));
    assert!(lib.contains("#[cfg(test)]\nextern crate std;"), "std is for tests alone");
    assert_eq!(lib.matches("extern crate std").count(), 1);
    let mut dirs = vec![src];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for word in ["f32", "f64", "unsafe ", "HashMap", "HashSet", "include_str!", "env!("] {
                let used =
                    text.lines().any(|line| !line.trim().starts_with("//") && line.contains(word));
                assert!(!used, "{} uses {word}", path.display());
            }
        }
    }
}
