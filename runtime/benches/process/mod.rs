//! What the benchmarks ask of a process, and what the npm client is given.

use std::error::Error;
use std::fs;
use std::time::Duration;

/// A token as the API wants it, for the workspace `w` and until 2100, to read and to write.
/// Nobody signed it.
#[allow(dead_code, reason = "not every benchmark runs the npm client")]
pub const TOKEN: &str = concat!(
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.",
    "eyJ3b3Jrc3BhY2VfaWQiOiJ3IiwiYWdlbnRfbmFtZSI6ImJlbmNoIiwic2NvcGVzIjpbImZzOnJlYWQiLCJmczp3cml0",
    "ZSJdLCJleHAiOjQxMDI0NDQ4MDAsImF1ZCI6WyJyZWxheWZpbGUiXX0.",
    "c2lnbmVk"
);

/// `VmHWM` for the largest resident set so far, `VmRSS` for the one now, in KiB.
pub fn resident(pid: u32, which: &str) -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let value = status.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':'));
    let kib = value.and_then(|value| value.trim().trim_end_matches(" kB").parse().ok());
    kib.ok_or_else(|| format!("/proc tells no {which}").into())
}

/// CPU time so far.
#[allow(dead_code, reason = "not every benchmark measures it")]
pub fn cpu(pid: u32) -> Result<Duration, Box<dyn Error>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks = after.split_whitespace().skip(11).take(2);
    Ok(Duration::from_millis(ticks.filter_map(|n| n.parse::<u64>().ok()).sum::<u64>() * 10))
}
