//! The table of files.
pub mod entry;
pub mod plan;
