//! What onnxruntime's profiler wrote: how long every node of every call took.
//!
//! A node that runs for several of the model's carries the name of the last: convolution, sum and
//! activation that became one are called as the activation. Convolutions in blocked layout have
//! `_nchwc` behind their name. Changes of layout are nodes of their own, `ReorderInput` and
//! `ReorderOutput`, of no node of the model.

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

/// Names of the nodes, and how long each took in every call.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Profile {
    pub names: Vec<String>,
    /// By call, in order: node (an index into `names`) and milliseconds.
    pub calls: Vec<Vec<(usize, f64)>>,
}

impl Profile {
    /// Reads the profiler's file.
    ///
    /// # Errors
    /// When it is no such file, or a node did not run on the thread of its call.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let events: Vec<Event> =
            serde_json::from_slice(text).map_err(|error| format!("onnxruntime's profile does not read: {error}"))?;
        let mut numbers = std::collections::HashMap::new();
        let mut profile = Self::default();
        let mut call = Vec::new();
        let mut threads = Vec::new();
        for event in &events {
            if event.cat == "Node"
                && let Some(name) = event.name.strip_suffix(NODE_SUFFIX)
            {
                let node = *numbers.entry(name).or_insert_with(|| {
                    profile.names.push(name.to_owned());
                    profile.names.len() - 1
                });
                call.push((node, event.dur as f64 * 1e-3 + CUT_OFF_MS));
                threads.push(event.tid);
            } else if event.name == CALL {
                if threads.drain(..).any(|thread| thread != event.tid) {
                    return Err("onnxruntime ran a node on another thread than its call".to_owned());
                }
                profile.calls.push(std::mem::take(&mut call));
            }
        }
        Ok(profile)
    }

    /// Mean over some calls of the milliseconds of each of `count` parts, and behind them of the
    /// nodes of no part.
    pub fn means(&self, calls: &[usize], owners: &[Option<usize>], count: usize, cost: &NodeCost) -> Vec<f64> {
        let mut means = vec![0.0; count + 1];
        let mut least = means.clone();
        let share = 1.0 / calls.len() as f64;
        for (node, ms) in calls.iter().flat_map(|call| &self.calls[*call]) {
            let part = owners[*node].unwrap_or(count);
            // Below 0 at times, by the cut-off; the mean needs these, too.
            means[part] += share * (ms - cost.recording_ms);
            least[part] += share * cost.least_ms;
        }
        means.iter().zip(least).map(|(mean, least)| mean.max(least)).collect()
    }
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
        for dur in [10, 20] {
            events.push(event("ReorderInput_kernel_time", 3, 1));
            events.push(event("operator_relu_nchwc_kernel_time", dur, 1));
            events.push(event("operator_add_kernel_time", 1, 1));
            events.push(event("SequentialExecutor::Execute", 40, 1));
            events.push(event(CALL, 50, 1));
        }
        let profile = parse(&events).unwrap();
        assert_eq!(profile.names, ["ReorderInput", "operator_relu_nchwc", "operator_add"]);
        let owners: Vec<_> = profile.names.iter().map(|name| name.starts_with("operator_").then_some(0)).collect();
        assert_eq!(profile.calls.len(), 2);
        let means = |cost: NodeCost| profile.means(&[0, 1], &owners, 1, &cost);
        let cost = NodeCost { recording_ms: 0.001, least_ms: 0.0002 };
        let expected = [0.015 + 0.001 + 2.0 * 0.0005 - 0.002, 0.0025];
        assert!(means(cost).iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{:?}", means(cost));
        // What is left of a node that takes less than its recording is what any node takes.
        let expected = [0.0004, 0.0002];
        let cost = NodeCost { recording_ms: 1.0, ..cost };
        assert!(means(cost).iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{:?}", means(cost));
    }

    #[test]
    fn junk_and_foreign_threads_are_refused() {
        assert!(Profile::parse(b"[{\"cat\":").unwrap_err().contains("does not read"));
        let events = [event("a_kernel_time", 3, 2), event(CALL, 5, 1)];
        assert!(parse(&events).unwrap_err().contains("another thread"));
    }
}
