//! Clocks: processor time of the thread, and wall time beside it.
//!
//! A run on one thread is steadier by processor time, which does not count what the neighbours
//! do while the thread waits; where a system has no such clock, wall time stands for both.

use std::time::Instant;

use serde::{Deserialize, Serialize};

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

/// How steady a machine's clocks are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClockCheck {
    /// How far the clocks disagreed meanwhile, in milliseconds; see [`ClockWatch`].
    pub jump_ms: f64,
    /// Half the spread (quartile to quartile) of the same work done again and again, over its median.
    pub work_spread: f64,
}

impl ClockCheck {
    /// Does the same work some times, in about 10 ms.
    pub fn now() -> Self {
        let watch = ClockWatch::start();
        let mut times: Vec<f64> = (0..16)
            .map(|_| {
                let stamp = Stamp::now();
                let work = (0..200_000u64)
                    .fold(1, |state: u64, i| std::hint::black_box(state.wrapping_mul(0x2545_f491).wrapping_add(i)));
                std::hint::black_box(work);
                stamp.elapsed().cpu_ms
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let work_spread = 0.5 * (times[12] - times[4]) / times[8].max(1e-9);
        Self { jump_ms: watch.jump_ms(), work_spread }
    }
}

/// Share by which clocks may run apart without a jump: what time servers correct, several times over.
const DRIFT: f64 = 2e-3;

/// Several clocks of the machine, side by side, to see whether one of them jumps.
///
/// The processor time of a thread can never pass the wall time; the clock that time servers
/// correct can never be far from the one that they do not; a clock that goes on while the machine
/// sleeps shows that it slept.
pub struct ClockWatch {
    stamp: Stamp,
    others_ms: [f64; 2],
}

impl ClockWatch {
    pub fn start() -> Self {
        Self { others_ms: other_clocks_ms(), stamp: Stamp::now() }
    }

    /// The largest disagreement since the start in milliseconds; 0 where there is none.
    pub fn jump_ms(&self) -> f64 {
        let elapsed = self.stamp.elapsed();
        let allowed_ms = DRIFT * elapsed.wall_ms;
        let others = other_clocks_ms().into_iter().zip(self.others_ms);
        let apart = others.map(|(now, then)| (now - then - elapsed.wall_ms).abs());
        let largest_ms = apart.fold(elapsed.cpu_ms - elapsed.wall_ms, f64::max);
        (largest_ms - allowed_ms).max(0.0)
    }
}

/// Wall clocks beside the one of [`Instant`]: uncorrected, and going on in sleep.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn other_clocks_ms() -> [f64; 2] {
    [libc::CLOCK_MONOTONIC_RAW, libc::CLOCK_BOOTTIME].map(|clock| clock_ns(clock) as f64 * 1e-6)
}

/// None: the wall clock itself.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn other_clocks_ms() -> [f64; 2] {
    use std::sync::OnceLock;
    static START: OnceLock<Instant> = OnceLock::new();
    [START.get_or_init(Instant::now).elapsed().as_secs_f64() * 1e3; 2]
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
    clock_ns(libc::CLOCK_THREAD_CPUTIME_ID)
}

#[cfg(unix)]
fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec, which the call only writes.
    unsafe { libc::clock_gettime(clock, &mut time) };
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
    fn clocks_agree_and_a_jump_is_seen() {
        let check = ClockCheck::now();
        assert!(check.work_spread >= 0.0 && check.work_spread.is_finite(), "{check:?}");
        let mut watch = ClockWatch::start();
        assert!(watch.jump_ms() < 1000.0);
        // A clock that was ten seconds behind.
        watch.others_ms[1] -= 10_000.0;
        assert!(watch.jump_ms() > 9000.0, "{}", watch.jump_ms());
    }

    #[test]
    fn sleeping_takes_no_processor_time() {
        let stamp = Stamp::now();
        std::thread::sleep(std::time::Duration::from_millis(20));
        let elapsed = stamp.elapsed();
        assert!(elapsed.wall_ms >= 20.0, "{elapsed:?}");
        assert!(!cfg!(unix) || elapsed.cpu_ms < elapsed.wall_ms / 2.0, "{elapsed:?}");
    }
}
