//! How many channel numbers are looked at.

use crate::space::{Channels, MOST_SUB_LAYERS, Skeleton};

/// Sums of two numbers in one evaluation with all channels.
const MOST_WORK: usize = 4_200_000_000;

/// Limits widths and bottlenecks to so many that an evaluation takes seconds.
pub(super) fn within_reach(mut skeleton: Skeleton) -> Skeleton {
    let kinds: usize = skeleton.stages.iter().map(|stage| 2 * stage.kinds.len()).sum();
    let count = |sets: &mut dyn Iterator<Item = &Channels>| sets.map(|set| set.values().count()).max().unwrap_or(0);
    let widths = count(&mut skeleton.stages.iter().map(|stage| &stage.channels));
    let middles = count(&mut skeleton.stages.iter().map(|stage| &stage.bottleneck));
    let work = |most: usize| kinds * widths.min(most).pow(2) * middles.min(most) * MOST_SUB_LAYERS as usize;
    let most = (1..=widths.max(middles)).rev().find(|most| work(*most) <= MOST_WORK).unwrap_or(1);
    let cut = |set: &mut Channels| {
        let last = set.values().take(most).last();
        set.most = last.unwrap_or(set.most).min(set.most);
    };
    cut(&mut skeleton.stem_channels);
    for stage in &mut skeleton.stages {
        cut(&mut stage.channels);
        cut(&mut stage.bottleneck);
    }
    skeleton
}

/// The values of several sets of channels together: all (`ratio` 1), or some of them, neighbours at least `ratio` apart,
/// with the first and the last.
pub(super) fn numbers<'c>(sets: impl IntoIterator<Item = &'c Channels>, ratio: f64) -> Vec<u32> {
    let mut numbers: Vec<u32> = sets.into_iter().flat_map(Channels::values).collect();
    numbers.sort_unstable();
    numbers.dedup();
    if ratio <= 1.0 {
        return numbers;
    }
    let mut kept: Vec<u32> = Vec::new();
    for number in &numbers {
        if kept.last().is_none_or(|last| f64::from(*number) >= f64::from(*last) * ratio) {
            kept.push(*number);
        }
    }
    if kept.last() != numbers.last() {
        kept.extend(numbers.last());
    }
    kept
}
