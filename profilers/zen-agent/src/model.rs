//! A loaded model and its timing, whole or by nodes.
//!
//! Timing some nodes of a running model ("sandwich") shows an operator as it runs between
//! neighbours; alone, with everything warm in its cache, it is up to twice as fast.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::plan;

use crate::AgentError;
use crate::clock::{Elapsed, Stamp, reading_cost};
use crate::sampling::{input_values, sample, time_calls};
use crate::validate::decode;

/// What of a model is timed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// A whole call.
    #[default]
    Whole,
    /// The sum over the nodes whose name starts with this.
    Nodes(String),
}

/// How long a block of samples runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Calls before the first sample.
    pub warm_up: u32,
    /// A block ends when it has these samples and lasted `block_ms`, ...
    pub min_samples: u32,
    /// ... or at the latest when it has these.
    pub max_samples: u32,
    pub block_ms: f64,
    /// A sample of a whole model repeats calls until it lasts this long, so that the clock is
    /// fine enough; samples of nodes are single calls.
    pub sample_ms: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { warm_up: 2, min_samples: 5, max_samples: 30, block_ms: 20.0, sample_ms: 0.5 }
    }
}

impl Limits {
    /// Checks that a block ends and has samples.
    ///
    /// # Errors
    /// Names the value that is out of range.
    pub fn check(&self) -> Result<(), AgentError> {
        let bad = |reason: String| Err(AgentError::Limits { reason });
        let in_range = |ms: f64| (0.0..=3.6e6).contains(&ms);
        if self.min_samples == 0 || self.max_samples < self.min_samples || self.max_samples > 100_000 {
            let Self { min_samples, max_samples, .. } = self;
            return bad(format!("samples from {min_samples} to {max_samples}, need 1 <= min <= max <= 100000"));
        }
        if self.warm_up > 100_000 {
            return bad(format!("{} warm-up calls, at most 100000 are run", self.warm_up));
        }
        if !in_range(self.block_ms) || !in_range(self.sample_ms) {
            return bad(format!(
                "block_ms {} and sample_ms {} must be from 0 to 3600000",
                self.block_ms, self.sample_ms
            ));
        }
        Ok(())
    }
}

/// Samples of one freshly loaded instance of a model, each the milliseconds of one call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// Calls that each sample is the mean of.
    pub calls_per_sample: u32,
    /// By the processor time of the thread where there is such a clock ([`crate::CLOCK`]).
    pub cpu_ms: Vec<f64>,
    pub wall_ms: Vec<f64>,
}

/// Samples of one freshly loaded instance of a model whose nodes are timed while it runs, each the
/// milliseconds of one call by the clock of [`crate::CLOCK`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartsBlock {
    /// Samples of each part, the sum over its nodes.
    pub parts_ms: Vec<Vec<f64>>,
    /// The nodes that belong to no part.
    pub unowned_ms: Vec<f64>,
    /// The whole call, with what timing its nodes adds.
    pub whole_ms: Vec<f64>,
}

/// A model ready to run on one thread, with inputs of fixed values.
pub struct Model {
    pub(crate) plan: Arc<TypedRunnableModel>,
    inputs: TVec<TValue>,
    stop: Option<&'static AtomicBool>,
}

impl Model {
    /// Reads an ONNX model and optimises it as tract does for inference.
    ///
    /// # Errors
    /// When the bytes are no model, it needs more than tract has, or a dimension is not fixed;
    /// a panic in tract becomes an error, too.
    pub fn load(bytes: &[u8]) -> Result<Self, AgentError> {
        let proto = decode(bytes)?;
        let optimised =
            guarded("optimising the model", || tract_onnx::onnx().model_for_proto_model(&proto)?.into_optimized())?;
        drop(proto);
        let inputs = inputs(&optimised)?;
        for outlet in optimised.output_outlets().map_err(|error| tract("reading the outputs", &error))? {
            fixed_shape(&optimised, *outlet, "an output")?;
        }
        let plan = guarded("planning", || optimised.into_runnable())?;
        Ok(Self { plan, inputs, stop: None })
    }

    /// With a wish to stop that is set from elsewhere: a block under way then ends in an error, between two
    /// nodes where nodes are timed, else between two calls.
    pub fn with_stop(self, stop: Option<&'static AtomicBool>) -> Self {
        Self { stop, ..self }
    }

    fn go_on(&self) -> TractResult<()> {
        match self.stop {
            Some(stop) if stop.load(Ordering::Relaxed) => Err(TractError::msg("stopped")),
            _ => Ok(()),
        }
    }

    /// Names of the nodes that run, with their operators, for people and tests.
    pub fn nodes(&self) -> impl Iterator<Item = (&str, String)> {
        let nodes = self.plan.model().nodes.iter().filter(|node| !matches!(&*node.op.name(), "Const" | "Source"));
        nodes.map(|node| (node.name.as_str(), node.op.name().into_owned()))
    }

    /// Times one block.
    ///
    /// # Errors
    /// When the limits are out of range, a call fails, or no node has the prefix.
    pub fn block(&self, scope: &Scope, limits: &Limits) -> Result<Block, AgentError> {
        limits.check()?;
        match scope {
            Scope::Whole => guarded("running the model", || self.whole(limits)),
            Scope::Nodes(prefix) => {
                let own: Vec<bool> =
                    self.plan.model().nodes.iter().map(|node| node.name.starts_with(prefix.as_str())).collect();
                if !self.nodes().any(|(name, _)| name.starts_with(prefix.as_str())) {
                    return Err(AgentError::NoNodes { prefix: prefix.clone() });
                }
                guarded("running the model", || self.selected(&own, limits))
            }
        }
    }

    /// Times a call by parts: `owner` says which of the `count` parts the node of a name belongs to.
    ///
    /// # Errors
    /// When the limits are out of range or a call fails. A part without a node takes no time.
    pub fn parts(
        &self,
        owner: &dyn Fn(&str) -> Option<usize>,
        count: usize,
        limits: &Limits,
    ) -> Result<PartsBlock, AgentError> {
        limits.check()?;
        let owners: Vec<Option<usize>> =
            self.plan.model().nodes.iter().map(|node| owner(&node.name).filter(|part| *part < count)).collect();
        guarded("running the model", || self.owned(&owners, count, limits))
    }

    /// Times a call by the owners of its nodes, by their number.
    pub(crate) fn owned(&self, owners: &[Option<usize>], count: usize, limits: &Limits) -> TractResult<PartsBlock> {
        let mut state = self.plan.spawn()?;
        let cost = reading_cost();
        let mut block = PartsBlock { parts_ms: vec![Vec::new(); count], ..PartsBlock::default() };
        // The last place is for nodes without an owner.
        let mut sums = vec![0.0; count + 1];
        let mut call = |sums: &mut Vec<f64>| -> TractResult<Elapsed> {
            sums.fill(0.0);
            let whole = Stamp::now();
            state.run_plan_with_eval(self.inputs.clone(), |context, op_state, node, inputs| {
                self.go_on()?;
                let stamp = Stamp::now();
                let outputs = plan::eval(context, op_state, node, inputs);
                sums[owners[node.id].unwrap_or(count)] += (stamp.elapsed().cpu_ms - cost.cpu_ms).max(0.0);
                outputs
            })?;
            Ok(whole.elapsed())
        };
        for _ in 0..limits.warm_up {
            call(&mut sums)?;
        }
        let timing = sample(limits, 1, || -> TractResult<Elapsed> {
            let whole = call(&mut sums)?;
            block.parts_ms.iter_mut().zip(&sums).for_each(|(samples, ms)| samples.push(*ms));
            block.unowned_ms.push(sums[count]);
            Ok(whole)
        })?;
        block.whole_ms = timing.cpu_ms;
        Ok(block)
    }

    fn whole(&self, limits: &Limits) -> TractResult<Block> {
        let mut state = self.plan.spawn()?;
        let call = || -> TractResult<()> {
            self.go_on()?;
            std::hint::black_box(state.run(self.inputs.clone())?);
            Ok(())
        };
        time_calls(limits, call)
    }

    fn selected(&self, own: &[bool], limits: &Limits) -> TractResult<Block> {
        let mut state = self.plan.spawn()?;
        let cost = reading_cost();
        let mut call = || -> TractResult<Elapsed> {
            let mut sum = Elapsed::default();
            state.run_plan_with_eval(self.inputs.clone(), |context, op_state, node, inputs| {
                self.go_on()?;
                if !own[node.id] {
                    return plan::eval(context, op_state, node, inputs);
                }
                let stamp = Stamp::now();
                let outputs = plan::eval(context, op_state, node, inputs);
                let elapsed = stamp.elapsed();
                sum.cpu_ms += (elapsed.cpu_ms - cost.cpu_ms).max(0.0);
                sum.wall_ms += (elapsed.wall_ms - cost.wall_ms).max(0.0);
                outputs
            })?;
            Ok(sum)
        };
        for _ in 0..limits.warm_up {
            call()?;
        }
        sample(limits, 1, call)
    }
}

/// One tensor per input, with values spread over -1..1 so that no activation dies out.
fn inputs(model: &TypedModel) -> Result<TVec<TValue>, AgentError> {
    let outlets = model.input_outlets().map_err(|error| tract("reading the inputs", &error))?;
    outlets
        .iter()
        .map(|outlet| {
            let shape = fixed_shape(model, *outlet, "an input")?;
            let datum_type = model.outlet_fact(*outlet).map_err(|error| tract("reading an input", &error))?.datum_type;
            let count = shape.iter().product::<usize>();
            let values = input_values(count);
            guarded("preparing an input", || {
                Ok(Tensor::from_shape(&shape, &values)?.cast_to_dt(datum_type)?.into_owned().into_tvalue())
            })
        })
        .collect()
}

fn fixed_shape(model: &TypedModel, outlet: OutletId, what: &str) -> Result<Vec<usize>, AgentError> {
    let fact = model.outlet_fact(outlet).map_err(|error| tract("reading a shape", &error))?;
    let shape = fact.shape.as_concrete().filter(|shape| shape.iter().all(|side| *side > 0));
    shape.map(<[usize]>::to_vec).ok_or_else(|| AgentError::Shape {
        what: what.to_owned(),
        shape: fact.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    })
}

fn tract(doing: &'static str, error: &TractError) -> AgentError {
    AgentError::Tract { doing, reason: format!("{error:#}") }
}

/// Runs tract behind a boundary that turns its panics into errors.
pub(crate) fn guarded<T>(doing: &'static str, work: impl FnOnce() -> TractResult<T>) -> Result<T, AgentError> {
    // What a panic leaves behind is dropped here, never used again.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| tract(doing, &error)),
        Err(payload) => {
            let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let reason = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
            Err(AgentError::Panic { doing, reason })
        }
    }
}
