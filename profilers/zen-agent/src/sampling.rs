//! Samples of calls, whatever it is that is called: other runtimes are timed by the same protocol.

use crate::clock::{Elapsed, Stamp};
use crate::{Block, Limits};

/// Times a block of whole calls: calls to warm up, then samples that each repeat the call until
/// they last [`Limits::sample_ms`].
///
/// # Errors
/// The first error of a call.
pub fn time_calls<E>(limits: &Limits, mut call: impl FnMut() -> Result<(), E>) -> Result<Block, E> {
    for _ in 0..limits.warm_up {
        call()?;
    }
    let stamp = Stamp::now();
    call()?;
    let calls = calls_per_sample(limits, stamp.elapsed());
    sample(limits, calls, || {
        let stamp = Stamp::now();
        for _ in 0..calls {
            call()?;
        }
        let elapsed = stamp.elapsed();
        let share = 1.0 / calls as f64;
        Ok(Elapsed { cpu_ms: elapsed.cpu_ms * share, wall_ms: elapsed.wall_ms * share })
    })
}

/// Calls that together last [`Limits::sample_ms`], given how long one took.
pub fn calls_per_sample(limits: &Limits, once: Elapsed) -> u32 {
    (limits.sample_ms / once.cpu_ms.max(1e-6)).ceil().clamp(1.0, 1e6) as u32
}

/// Takes samples until the limits say enough.
pub(crate) fn sample<E>(
    limits: &Limits,
    calls_per_sample: u32,
    mut once: impl FnMut() -> Result<Elapsed, E>,
) -> Result<Block, E> {
    let mut block = Block { calls_per_sample, ..Block::default() };
    let start = Stamp::now();
    for taken in 1..=limits.max_samples {
        let elapsed = once()?;
        block.cpu_ms.push(elapsed.cpu_ms);
        block.wall_ms.push(elapsed.wall_ms);
        if taken >= limits.min_samples && start.elapsed().wall_ms >= limits.block_ms {
            break;
        }
    }
    Ok(block)
}

/// Values for an input of `count` elements, spread over -1..1 so that no activation dies out.
pub fn input_values(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i * 7919 % 1000) as f32 / 500.0 - 1.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_warmed_up_repeated_and_counted() {
        let limits = Limits { warm_up: 3, min_samples: 4, max_samples: 4, block_ms: 0.0, sample_ms: 0.0 };
        let mut calls = 0;
        let block = time_calls(&limits, || {
            calls += 1;
            Ok::<_, ()>(())
        });
        let block = block.unwrap();
        assert_eq!((calls, block.calls_per_sample, block.cpu_ms.len()), (3 + 1 + 4, 1, 4));
        assert_eq!(time_calls(&limits, || Err("no")).unwrap_err(), "no");
        let limits = Limits { sample_ms: 2.0, ..limits };
        assert_eq!(calls_per_sample(&limits, Elapsed { cpu_ms: 0.3, wall_ms: 9.0 }), 7);
    }
}
