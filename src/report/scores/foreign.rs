//! What is known of a network that was read from an ONNX file: its costs, its predicted latency, and
//! what that prediction does not know.
//!
//! Scores are defined for structures; the baselines (parameters, multiply-adds) are for any network. Not
//! here: reading the file (`onnx::import`).

use serde::{Serialize, Serializer};

use super::work::score;
use super::{Missing, Work, as_map};
use crate::latency::{Gaps, Prediction};
use crate::net::{Cost, Graph, OperatorKind, Shape};
use crate::onnx::import::Imported;
use crate::score::{Evaluator, ScoreError, Scored};

/// Everything that is known of one file's network. Its JSON is without latencies, which go with the tables that they are
/// predicted from.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ForeignNetwork {
    pub file: String,
    /// The file's name without its folder and ending.
    pub name: String,
    /// Channels x height x width of the image.
    #[serde(serialize_with = "as_text")]
    #[schemars(with = "String")]
    pub input: Shape,
    /// Images in one run, where the file fixes them.
    pub batch_size: Option<u64>,
    /// Version of ONNX's operators.
    /// None for a LiteRT file.
    pub opset: Option<i64>,
    /// What wrote the file.
    pub producer: String,
    /// Whether the file describes int8 arithmetic.
    pub is_quantised: bool,
    /// What was read as something else than it is.
    pub notes: Vec<String>,
    /// Nodes that compute something, before any fusion.
    pub operators: usize,
    #[serde(flatten)]
    pub cost: Cost,
    /// By proxy, in the order they were asked for; none where the score is not defined for it.
    #[serde(serialize_with = "as_map")]
    #[schemars(with = "std::collections::BTreeMap<String, Option<Scored>>")]
    pub scores: Vec<(&'static str, Option<Scored>)>,
    #[serde(skip)]
    pub latency: Option<Prediction>,
    /// What the prediction does not know.
    #[serde(skip)]
    pub gaps: Option<Gaps>,
    /// On several devices, in the order they were asked for, where that was asked for.
    #[serde(skip)]
    pub latencies: Vec<Prediction>,
}

fn as_text<S: Serializer>(shape: &Shape, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(shape)
}

impl Work<'_> {
    /// Looks at a network that was read from `file`; `undefined` hears of each score that it has not.
    pub fn foreign(&self, file: &str, imported: &Imported, undefined: &mut dyn FnMut(&ScoreError)) -> ForeignNetwork {
        let Imported { graph, input, batch_size, is_quantised, opset, producer, notes } = imported;
        let mut evaluator = Evaluator::new(self.sampling);
        let scores = self.proxies.iter().map(|proxy| {
            // Those that take such networks draw nothing, so there is nothing to stop.
            let scored = score(&mut evaluator, *proxy, graph, &|| false, &mut |_| ());
            (proxy.name(), scored.unwrap_or_else(|missing| told(missing, undefined)))
        });
        let scores = scores.collect();
        let latency = self.predictor.map(|predictor| predictor.predict(graph));
        ForeignNetwork {
            file: file.to_owned(),
            name: std::path::Path::new(file).file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            input: *input,
            batch_size: *batch_size,
            opset: *opset,
            producer: producer.clone(),
            is_quantised: *is_quantised,
            notes: notes.clone(),
            operators: computing(graph),
            cost: graph.cost(),
            scores,
            gaps: latency.as_ref().map(Prediction::gaps),
            latency,
            latencies: self.compared.iter().map(|predictor| predictor.predict(graph)).collect(),
        }
    }
}

fn told(missing: Missing, undefined: &mut dyn FnMut(&ScoreError)) -> Option<Scored> {
    if let Missing::Score(error) = &missing {
        undefined(error);
    }
    None
}

fn computing(graph: &Graph) -> usize {
    graph.operators().iter().filter(|operator| operator.kind != OperatorKind::Input).count()
}
