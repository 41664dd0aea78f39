//! Clocks: processor time of the thread, and wall time beside it.
//!
//! A run on one thread is steadier by processor time, which does not count what the neighbours
//! do while the thread waits; where a system has no such clock, wall time stands for both.

use std::time::Instant;

/// The clock behind `cpu_ms`.
pub const CLOCK: &str = if cfg!(unix) { "thread-cpu" } else { "wall" };

/// [`CLOCK`] for people.
pub const CLOCK_WORDS: &str = if cfg!(unix) { "processor time of the thread" } else { "wall time" };

/// A point in time on both clocks.
#[derive(Clone, Copy)]
pub struct Stamp {
    cpu_ns: u64,
    wall: Instant,
}

/// Time between two stamps, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Elapsed {
    /// By [`CLOCK`].
    pub cpu_ms: f64,
    pub wall_ms: f64,
}

impl Stamp {
    /// This moment.
    pub fn now() -> Self {
        let wall = Instant::now();
        Self { cpu_ns: thread_cpu_ns(wall), wall }
    }

    /// Time since this stamp.
    pub fn elapsed(self) -> Elapsed {
        let wall = Instant::now();
        let cpu_ns = thread_cpu_ns(wall).saturating_sub(self.cpu_ns);
        Elapsed { cpu_ms: cpu_ns as f64 * 1e-6, wall_ms: (wall - self.wall).as_secs_f64() * 1e3 }
    }
}

/// Time that a pair of readings itself adds, in milliseconds: the median of many empty ones.
pub(crate) fn reading_cost() -> Elapsed {
    let mut empty: Vec<_> = (0..101).map(|_| Stamp::now().elapsed()).collect();
    empty.sort_by(|a, b| a.cpu_ms.total_cmp(&b.cpu_ms));
    let cpu_ms = empty[empty.len() / 2].cpu_ms;
    empty.sort_by(|a, b| a.wall_ms.total_cmp(&b.wall_ms));
    Elapsed { cpu_ms, wall_ms: empty[empty.len() / 2].wall_ms }
}

#[cfg(unix)]
fn thread_cpu_ns(_: Instant) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec, which the call only writes.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(not(unix))]
fn thread_cpu_ns(wall: Instant) -> u64 {
    use std::sync::OnceLock;
    static START: OnceLock<Instant> = OnceLock::new();
    wall.saturating_duration_since(*START.get_or_init(|| wall)).as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeping_takes_no_processor_time() {
        let stamp = Stamp::now();
        std::thread::sleep(std::time::Duration::from_millis(20));
        let elapsed = stamp.elapsed();
        assert!(elapsed.wall_ms >= 20.0, "{elapsed:?}");
        assert!(!cfg!(unix) || elapsed.cpu_ms < elapsed.wall_ms / 2.0, "{elapsed:?}");
    }
}
