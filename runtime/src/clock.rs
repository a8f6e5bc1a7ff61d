//! The two clocks of the machine.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use landfall_core::time::{Now, Tick, Wall};
use rustix::time::{ClockId, clock_gettime};

/// What time it is. The tick counts sleep, so that a deadline does not stand still while the
/// computer does.
pub fn now() -> Now {
    let boot = clock_gettime(ClockId::Boottime);
    let tick = boot.tv_sec as u64 * 1000 + boot.tv_nsec as u64 / 1_000_000;
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Now { tick: Tick(tick), wall: Wall(wall.as_millis() as u64) }
}

/// How long until a tick.
pub fn until(tick: Tick) -> Duration {
    Duration::from_millis((tick - now().tick).0)
}

/// Names the boot of this computer, or nothing where there is no such name.
pub fn boot_id() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}
