//! Timing every node of a running model by itself, for readers elsewhere that know what belongs together.

use serde::{Deserialize, Serialize};

use crate::model::guarded;
use crate::{AgentError, Limits, Model};

/// Most nodes of a model that are timed one by one.
pub const MAX_NODES: usize = 4096;
/// Most samples of single nodes in a block: each node has one per call.
const MAX_NODE_SAMPLES: u32 = 100;

/// Samples of every node of one freshly loaded, running model, each the milliseconds of one call;
/// the n-th samples of all lists are of the same call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodesBlock {
    /// In the order of execution.
    pub nodes: Vec<NodeSamples>,
    /// The whole call, with what timing its nodes adds.
    pub whole_ms: Vec<f64>,
}

/// Samples of one node by the clock of [`crate::CLOCK`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeSamples {
    /// As the runtime calls it after optimisation.
    pub name: String,
    pub ms: Vec<f64>,
}

impl Model {
    /// Times a call node by node, with at most 100 samples.
    ///
    /// # Errors
    /// As [`Model::parts`], and for a model of more than [`MAX_NODES`] nodes.
    pub fn node_times(&self, limits: &Limits) -> Result<NodesBlock, AgentError> {
        limits.check()?;
        let limits = Limits {
            min_samples: limits.min_samples.min(MAX_NODE_SAMPLES),
            max_samples: limits.max_samples.min(MAX_NODE_SAMPLES),
            ..limits.clone()
        };
        let mut names = Vec::new();
        let mut place = |name: &str, operator: &str| {
            (!matches!(operator, "Const" | "Source")).then(|| {
                names.push(name.to_owned());
                names.len() - 1
            })
        };
        let owners: Vec<Option<usize>> =
            self.plan.model().nodes.iter().map(|node| place(&node.name, &node.op.name())).collect();
        if names.len() > MAX_NODES {
            return Err(AgentError::TooManyNodes { nodes: names.len(), limit: MAX_NODES });
        }
        let block = guarded("running the model", || self.owned(&owners, names.len(), &limits))?;
        // Nanoseconds are as fine as the clock: more digits only make lines longer.
        let round = |samples: Vec<f64>| samples.into_iter().map(|ms| (ms * 1e6).round() / 1e6).collect::<Vec<_>>();
        let nodes = names.into_iter().zip(block.parts_ms).map(|(name, ms)| NodeSamples { name, ms: round(ms) });
        Ok(NodesBlock { nodes: nodes.collect(), whole_ms: round(block.whole_ms) })
    }
}
