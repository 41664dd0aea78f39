//! From the times of nodes to those of parts, without what recording adds to a node.

use super::super::Parts;
use super::records::NodeBlock;

/// A sample whose nodes took longer than this multiple of its processor time is left out: the
/// profiler counts wall time, in which nodes may have waited for the processor.
const MAX_OVER_PROCESSOR_TIME: f64 = 1.05;

/// What any node costs, as measured on a chain of small ones.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct NodeCost {
    /// What recording adds to a node.
    pub recording_ms: f64,
    /// What a node with next to nothing to do adds to a call: none takes less.
    pub least_ms: f64,
}

/// Sums nodes by the part that owns them.
///
/// # Errors
/// When in every sample some nodes waited for the processor.
pub(super) fn parts_of(
    block: &NodeBlock,
    owners: &dyn Fn(&str) -> Option<usize>,
    count: usize,
    cost: &NodeCost,
) -> Result<Parts, String> {
    let owners: Vec<usize> =
        block.nodes.iter().map(|name| owners(name).filter(|part| *part < count).unwrap_or(count)).collect();
    let mut parts = Parts { parts_ms: vec![Vec::new(); count], ..Parts::default() };
    for (sample, cpu_ms) in block.cpu_ms.iter().enumerate() {
        let all_ms: f64 = block.node_ms.iter().map(|times| times[sample]).sum();
        if all_ms > MAX_OVER_PROCESSOR_TIME * cpu_ms {
            continue;
        }
        let mut sums = vec![(0.0, 0.0); count + 1];
        for (times, part) in block.node_ms.iter().zip(&owners) {
            // Below 0 at times, as durations are whole microseconds; a part of several nodes needs these, too.
            sums[*part].0 += times[sample] - cost.recording_ms;
            sums[*part].1 += cost.least_ms;
        }
        let sums = sums.into_iter().map(|(sum, least): (f64, f64)| sum.max(least));
        parts.parts_ms.iter_mut().chain([&mut parts.unowned_ms]).zip(sums).for_each(|(list, ms)| list.push(ms));
        parts.whole_ms.push(block.whole_ms[sample]);
    }
    if parts.whole_ms.is_empty() {
        return Err("in every call some nodes waited for the processor, which onnxruntime's profiler counts: the \
                    machine is too busy"
            .to_owned());
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_summed_by_owner_and_busy_samples_left_out() {
        let block = NodeBlock {
            nodes: ["a_1", "b_1", "a_2", "reorder"].map(str::to_owned).to_vec(),
            node_ms: vec![vec![1.0, 1.0], vec![2.0, 9.0], vec![4.0, 4.0], vec![0.5, 0.5]],
            cpu_ms: vec![8.0, 8.0],
            whole_ms: vec![7.0, 7.5],
        };
        let owners = |name: &str| match &name[..1] {
            "a" => Some(0),
            "b" => Some(1),
            _ => None,
        };
        let cost = NodeCost { recording_ms: 0.25, least_ms: 0.3 };
        let found = parts_of(&block, &owners, 2, &cost).unwrap();
        assert_eq!(found.parts_ms, [vec![4.5], vec![1.75]]);
        assert_eq!((found.unowned_ms, found.whole_ms), (vec![0.3], vec![7.0]));
        let busy = NodeBlock { cpu_ms: vec![1.0, 1.0], ..block };
        assert!(parts_of(&busy, &owners, 2, &cost).unwrap_err().contains("too busy"));
    }
}
