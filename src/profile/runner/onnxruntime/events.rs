//! What onnxruntime's profiler wrote: how long every node of every call took.
//!
//! A node that runs for several of the model's carries the name of the last: convolution, sum and
//! activation that became one are called as the activation. Convolutions in blocked layout have
//! `_nchwc` behind their name. Changes of layout are nodes of their own, `ReorderInput` and
//! `ReorderOutput`, of no node of the model.

use std::collections::HashMap;
use std::ops::Range;

use serde::Deserialize;

/// What the profiler puts behind a node's name.
const NODE_SUFFIX: &str = "_kernel_time";
/// The event of a whole call; the events of its nodes stand before it.
const CALL: &str = "model_run";
/// Durations are cut off to whole microseconds: half of one is missing on average.
const CUT_OFF_MS: f64 = 0.0005;

#[derive(Deserialize)]
struct Event {
    cat: String,
    name: String,
    #[serde(default)]
    dur: u64,
    #[serde(default)]
    tid: i64,
}

/// The profiler counts wall time, in which a node may have waited for the processor: an event this
/// much longer than the node usually takes is left out.
const MAX_OVER_USUAL: f64 = 1.25;
/// Never so near that the cut-off decides.
const MAX_OVER_USUAL_MS: f64 = 0.002;
/// Share of a node's events that are shorter than what it usually takes: most may be disturbed.
const USUAL_QUANTILE: f64 = 0.25;

/// Names of the nodes, and how long each took in every call.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Profile {
    pub names: Vec<String>,
    /// Milliseconds by node (as in `names`), then by call in order.
    times_ms: Vec<Vec<f64>>,
    pub calls: usize,
}

impl Profile {
    /// Reads the profiler's file.
    ///
    /// # Errors
    /// When it is no such file, a node did not run in every call, or not on the thread of its call.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let events: Vec<Event> =
            serde_json::from_slice(text).map_err(|error| format!("onnxruntime's profile does not read: {error}"))?;
        let mut numbers = HashMap::new();
        let mut profile = Self::default();
        let mut threads = Vec::new();
        for event in &events {
            if event.cat == "Node"
                && let Some(name) = event.name.strip_suffix(NODE_SUFFIX)
            {
                let node = *numbers.entry(name).or_insert_with(|| {
                    profile.names.push(name.to_owned());
                    profile.times_ms.push(Vec::new());
                    profile.names.len() - 1
                });
                profile.times_ms[node].push(event.dur as f64 * 1e-3 + CUT_OFF_MS);
                threads.push(event.tid);
            } else if event.name == CALL {
                if threads.drain(..).any(|thread| thread != event.tid) {
                    return Err("onnxruntime ran a node on another thread than its call".to_owned());
                }
                profile.calls += 1;
                if let Some(node) = profile.times_ms.iter().position(|times| times.len() != profile.calls) {
                    return Err(format!("the node `{}` did not run once in every call", profile.names[node]));
                }
            }
        }
        Ok(profile)
    }

    /// What each of `count` parts takes in milliseconds, and behind them the nodes of no part:
    /// the sum over nodes of their mean over some calls.
    pub fn sums(&self, calls: Range<usize>, owners: &[Option<usize>], count: usize, cost: &NodeCost) -> Vec<f64> {
        let mut sums = vec![0.0; count + 1];
        let mut least = sums.clone();
        for (times, owner) in self.times_ms.iter().zip(owners) {
            let part = owner.unwrap_or(count);
            // Below 0 at times, by the cut-off; a part of several nodes needs these, too.
            sums[part] += undisturbed_mean(times, calls.clone()) - cost.recording_ms;
            least[part] += cost.least_ms;
        }
        sums.iter().zip(least).map(|(sum, least)| sum.max(least)).collect()
    }
}

/// Mean over some calls of those events of a node that are not far above its usual time.
fn undisturbed_mean(times: &[f64], calls: Range<usize>) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let usual = sorted[(sorted.len() as f64 * USUAL_QUANTILE) as usize];
    let limit = (MAX_OVER_USUAL * usual).max(usual + MAX_OVER_USUAL_MS);
    let undisturbed: Vec<f64> = times[calls].iter().copied().filter(|ms| *ms <= limit).collect();
    if undisturbed.is_empty() { usual } else { undisturbed.iter().sum::<f64>() / undisturbed.len() as f64 }
}

/// What any node costs, as measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct NodeCost {
    /// What recording adds to a node.
    pub recording_ms: f64,
    /// What a node with next to nothing to do adds to a call: no node takes less, though below a
    /// microsecond the profiler would say so.
    pub least_ms: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, dur: u64, tid: i64) -> String {
        let cat = if name.ends_with(NODE_SUFFIX) { "Node" } else { "Session" };
        format!(r#"{{"cat":"{cat}","pid":1,"tid":{tid},"dur":{dur},"ts":9,"ph":"X","name":"{name}","args":{{}}}}"#)
    }

    fn parse(events: &[String]) -> Result<Profile, String> {
        Profile::parse(format!("[{}]", events.join(",\n")).as_bytes())
    }

    #[test]
    fn nodes_are_summed_by_call_and_owner() {
        let mut events = vec![event("session_initialization", 900, 1)];
        for dur in [20, 21] {
            events.push(event("ReorderInput_kernel_time", 3, 1));
            events.push(event("operator_relu_nchwc_kernel_time", dur, 1));
            events.push(event("operator_add_kernel_time", 1, 1));
            events.push(event("SequentialExecutor::Execute", 40, 1));
            events.push(event(CALL, 50, 1));
        }
        let profile = parse(&events).unwrap();
        assert_eq!(profile.names, ["ReorderInput", "operator_relu_nchwc", "operator_add"]);
        let owners: Vec<_> = profile.names.iter().map(|name| name.starts_with("operator_").then_some(0)).collect();
        assert_eq!(profile.calls, 2);
        let sums = |cost: NodeCost| profile.sums(0..2, &owners, 1, &cost);
        let cost = NodeCost { recording_ms: 0.001, least_ms: 0.0002 };
        let expected = [0.0205 + 0.001 + 2.0 * 0.0005 - 0.002, 0.0025];
        assert!(sums(cost).iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{:?}", sums(cost));
        // What is left of a node that takes less than its recording is what any node takes.
        let expected = [0.0004, 0.0002];
        let cost = NodeCost { recording_ms: 1.0, ..cost };
        assert!(sums(cost).iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{:?}", sums(cost));
    }

    #[test]
    fn waiting_for_the_processor_is_left_out() {
        let durations = [20, 21, 4000, 22, 3000, 21, 20, 5000];
        let events = durations.map(|dur| [event("a_kernel_time", dur, 1), event(CALL, dur + 9, 1)]);
        let profile = parse(events.as_flattened()).unwrap();
        let sum = |calls| profile.sums(calls, &[Some(0)], 1, &NodeCost::default())[0];
        assert!(
            (sum(0..4) - 0.0215).abs() < 1e-12 && (sum(0..8) - 0.0213).abs() < 1e-12,
            "{} {}",
            sum(0..4),
            sum(0..8)
        );
        // Nothing but disturbed calls: what the node usually takes.
        assert!((sum(7..8) - 0.0215).abs() < 1e-12, "{}", sum(7..8));
    }

    #[test]
    fn junk_and_foreign_threads_are_refused() {
        assert!(Profile::parse(b"[{\"cat\":").unwrap_err().contains("does not read"));
        let events = [event("a_kernel_time", 3, 2), event(CALL, 5, 1)];
        assert!(parse(&events).unwrap_err().contains("another thread"));
        let events = [event("a_kernel_time", 3, 1), event(CALL, 5, 1), event(CALL, 5, 1)];
        assert!(parse(&events).unwrap_err().contains("`a` did not run once"));
    }
}
