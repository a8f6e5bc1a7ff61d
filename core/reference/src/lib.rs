//! The workspace server as a value.
