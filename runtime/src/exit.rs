//! Exit codes, as they are documented.

use landfall_core::effect::Exit;
use landfall_core::status::Verdict;

/// Done, or in step.
pub const OK: u8 = 0;
/// Something else went wrong.
pub const FAILED: u8 = 1;
/// The command line can not be understood.
pub const USAGE: u8 = 2;
/// Work is left that a person may want to look at.
pub const PARTIAL: u8 = 3;
/// The server refuses the credentials.
pub const AUTH: u8 = 4;
/// There is no mirror here.
pub const NOT_INITIALISED: u8 = 10;
/// Another process holds the lock.
pub const LOCKED: u8 = 11;
/// A safety brake wants a person.
pub const HALTED: u8 = 20;
/// The server could not be used for too long.
pub const UNAVAILABLE: u8 = 75;
/// The directory is not the one that is known.
pub const IDENTITY: u8 = 78;

/// The code for how a mount ended.
pub fn of_mount(exit: Exit, signal: Option<i32>, in_step: bool) -> u8 {
    match exit {
        Exit::InStep => OK,
        Exit::Partial => PARTIAL,
        Exit::Unauthorized => AUTH,
        Exit::Unavailable => UNAVAILABLE,
        Exit::Halted => HALTED,
        Exit::Stopped if in_step => OK,
        // As a shell has it: 130 for SIGINT, 143 for SIGTERM.
        Exit::Stopped => signal.map_or(OK, |signal| 128 + signal as u8),
        Exit::Stuck => FAILED,
    }
}

/// The code for a verdict.
pub fn of_verdict(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Ok => OK,
        Verdict::Degraded => PARTIAL,
        Verdict::Halted => HALTED,
    }
}
