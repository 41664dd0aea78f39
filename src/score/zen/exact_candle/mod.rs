//! The exact Zen-score of one set of weights and inputs, operator by operator on candle tensors in
//! double precision.
//!
//! This is the reference that faster engines are compared with, written to be read: every map is a
//! plain tensor and every step one line of the definition. On a GPU the same steps run in single
//! precision (`single`). It is not the product's fast path on processors, and not the mean over
//! weights (`closed_form`).

mod depthwise;
mod draw;
mod single;

use std::collections::HashMap;

pub use self::draw::{Drawn, draw, drawn};
pub use self::single::{draw_on, score_on};
use super::Variant;
use crate::net::{Activation, BATCH_NORM_EPSILON, Branch, Graph, Operator, OperatorKind};
use candle_core::{DType, Device, Tensor};

/// The Zen-score of one set of weights and inputs, in both definitions, and what it is made of.
#[derive(Clone, Debug)]
pub struct ExactScore {
    /// Logarithm of the mean over the batch of the summed absolute difference of the final maps.
    pub ln_delta: f64,
    /// The score as the paper defines it: `ln_delta` plus, for each batch norm, half the logarithm
    /// of its variance in the clean batch, averaged over the channels.
    pub paper: f64,
    /// The score as the published code computes it, with running variances.
    pub released: f64,
    /// Every batch norm, in execution order.
    pub batch_norms: Vec<BatchNormVariance>,
    /// Final maps of the clean inputs: batch x channels x height x width, in the precision of the
    /// evaluation.
    pub clean_maps: Tensor,
    /// Final maps of the perturbed inputs.
    pub perturbed_maps: Tensor,
}

impl ExactScore {
    /// The score in one of the definitions.
    pub fn score(&self, variant: Variant) -> f64 {
        match variant {
            Variant::Paper => self.paper,
            Variant::Released => self.released,
        }
    }
}

/// What one batch norm saw, averaged over its channels.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNormVariance {
    /// State-dict prefix of the batch norm.
    pub name: String,
    /// Biased variance of the clean batch.
    pub clean: f64,
    /// Biased variance of the perturbed batch.
    pub perturbed: f64,
    /// Running variance after a clean and a perturbed pass of a fresh model: momentum
    /// [`MOMENTUM`], initial value 1, unbiased batch variances, as PyTorch updates it.
    pub running: f64,
}

/// Momentum of PyTorch's running statistics.
pub const MOMENTUM: f64 = 0.1;

/// A score that cannot be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum ExactError {
    #[error("the exact Zen-score is defined without residual links: lower the network with `residual: false`")]
    Residual,
    #[error("the weights lack `{name}`")]
    MissingTensor { name: String },
    #[error("`{name}` has shape {found:?}, but this network needs {expected:?}")]
    Shape { name: String, expected: Vec<usize>, found: Vec<usize> },
    #[error("`{name}` sees one value per channel, whose variance is undefined: use a batch of 2 or more")]
    SingleValue { name: String },
    #[error("the score is not finite ({what} is {value}); is gamma zero, or are the weights too large?")]
    NotFinite { what: &'static str, value: f64 },
    #[error("exact Zen-score, {doing}: {source}")]
    Candle { doing: String, source: candle_core::Error },
}

fn failed(doing: impl Into<String>) -> impl FnOnce(candle_core::Error) -> ExactError {
    let doing = doing.into();
    move |source| ExactError::Candle { doing, source }
}

/// Evaluates the score for given weights and inputs.
///
/// `weights` holds the tensors of the trunk by state-dict name (others are not looked at), any
/// floating-point type; `clean` and `perturbed` have the shape batch x channels x height x width.
///
/// # Errors
/// A graph with residual links, a missing or misshapen tensor, a score that is not finite.
pub fn score(
    graph: &Graph,
    weights: &HashMap<String, Tensor>,
    clean: &Tensor,
    perturbed: &Tensor,
) -> Result<ExactScore, ExactError> {
    evaluate(&Place { device: &Device::Cpu, dtype: DType::F64 }, graph, weights, clean, perturbed)
}

/// Where and in which format an evaluation computes.
struct Place<'a> {
    device: &'a Device,
    dtype: DType,
}

impl Place<'_> {
    fn bring(&self, tensor: &Tensor) -> candle_core::Result<Tensor> {
        tensor.to_device(self.device)?.to_dtype(self.dtype)
    }
}

fn evaluate(
    place: &Place,
    graph: &Graph,
    weights: &HashMap<String, Tensor>,
    clean: &Tensor,
    perturbed: &Tensor,
) -> Result<ExactScore, ExactError> {
    let clean = forward(place, graph, weights, clean, "clean input")?;
    let perturbed = forward(place, graph, weights, perturbed, "perturbed input")?;
    let difference = mean_difference(&clean.maps, &perturbed.maps).map_err(failed("comparing the final maps"))?;
    let ln_delta = difference.ln();
    let (mut paper, mut released) = (ln_delta, ln_delta);
    let mut batch_norms = Vec::with_capacity(clean.statistics.len());
    for (first, second) in clean.statistics.iter().zip(&perturbed.statistics) {
        let keep = 1.0 - MOMENTUM;
        // The mean over channels and the update are both linear, so their order does not matter.
        let running = keep * (keep + MOMENTUM * first.unbiased()) + MOMENTUM * second.unbiased();
        paper += first.variance.ln() / 2.0;
        released += running.ln() / 2.0;
        let (name, clean, perturbed) = (first.name.clone(), first.variance, second.variance);
        batch_norms.push(BatchNormVariance { name, clean, perturbed, running });
    }
    for (what, value) in [("ln delta", ln_delta), ("the paper's score", paper), ("the released score", released)] {
        if !value.is_finite() {
            return Err(ExactError::NotFinite { what, value });
        }
    }
    Ok(ExactScore { ln_delta, paper, released, batch_norms, clean_maps: clean.maps, perturbed_maps: perturbed.maps })
}

/// The part that is scored: everything before the global pooling.
fn scored(graph: &Graph) -> impl Iterator<Item = &Operator> {
    graph.operators().iter().take_while(|operator| operator.branch != Branch::Head)
}

fn input_shape(graph: &Graph, batch_size: usize) -> [usize; 4] {
    let shape = graph.operators().first().map(|input| input.shape);
    let [channels, height, width] = shape.map_or([0; 3], |shape| [shape.channels, shape.height, shape.width]);
    [batch_size, channels as usize, height as usize, width as usize]
}

/// Names (without prefix) and shapes of an operator's tensors, as PyTorch stores them.
fn tensors_of(graph: &Graph, operator: &Operator) -> Vec<(&'static str, Vec<usize>)> {
    let out_channels = operator.shape.channels as usize;
    match operator.kind {
        OperatorKind::Conv { kernel, groups, bias, .. } => {
            let in_channels = (graph.input_shape(operator).channels / groups) as usize;
            let mut tensors = vec![("weight", vec![out_channels, in_channels, kernel as usize, kernel as usize])];
            if bias {
                tensors.push(("bias", vec![out_channels]));
            }
            tensors
        }
        OperatorKind::BatchNorm => vec![("weight", vec![out_channels]), ("bias", vec![out_channels])],
        _ => Vec::new(),
    }
}

/// One forward pass in training mode.
struct Pass {
    maps: Tensor,
    statistics: Vec<Statistics>,
}

struct Statistics {
    name: String,
    /// Biased variance over batch and pixels, averaged over the channels.
    variance: f64,
    /// Values per channel.
    count: usize,
}

impl Statistics {
    fn unbiased(&self) -> f64 {
        self.variance * self.count as f64 / (self.count - 1) as f64
    }
}

fn forward(
    place: &Place,
    graph: &Graph,
    weights: &HashMap<String, Tensor>,
    input: &Tensor,
    input_name: &str,
) -> Result<Pass, ExactError> {
    let expected = input_shape(graph, input.dims().first().copied().unwrap_or(0).max(1));
    check_shape(input_name, input, &expected)?;
    let mut uses = graph.use_counts();
    let mut values: Vec<Option<Tensor>> = Vec::new();
    let mut statistics = Vec::new();
    for operator in scored(graph) {
        let prefix = operator.origin.state_dict_prefix();
        let mut tensors = Vec::new();
        for (suffix, shape) in tensors_of(graph, operator) {
            let name = format!("{prefix}.{suffix}");
            let tensor = weights.get(&name).ok_or_else(|| ExactError::MissingTensor { name: name.clone() })?;
            check_shape(&name, tensor, &shape)?;
            tensors.push(place.bring(tensor).map_err(failed(name))?);
        }
        let mut inputs = Vec::new();
        for id in graph.inputs(operator) {
            let value = &mut values[id.index()];
            uses[id.index()] -= 1;
            // A map is let go with its last reader.
            let map = if uses[id.index()] == 0 { value.take() } else { value.clone() };
            inputs.extend(map);
        }
        let doing = || failed(format!("{:?} `{prefix}`", operator.kind));
        let value = match (operator.kind, inputs.as_slice()) {
            (OperatorKind::Input, _) => place.bring(input).map_err(doing())?,
            (OperatorKind::Conv { kernel, stride, groups, .. }, [map]) => {
                let (padding, stride) = ((kernel as usize - 1) / 2, stride as usize);
                let convolved = if groups > 1 && groups == operator.shape.channels {
                    depthwise::depthwise(map, &tensors[0], stride)
                } else {
                    map.conv2d(&tensors[0], padding, stride, 1, groups as usize)
                };
                let convolved = convolved.map_err(doing())?;
                match tensors.get(1) {
                    Some(bias) => per_channel(bias).and_then(|bias| convolved.broadcast_add(&bias)).map_err(doing())?,
                    None => convolved,
                }
            }
            (OperatorKind::BatchNorm, [map]) => {
                let count = map.elem_count() / operator.shape.channels as usize;
                if count < 2 {
                    return Err(ExactError::SingleValue { name: prefix });
                }
                let (normalised, variance) = batch_norm(map, &tensors[0], &tensors[1]).map_err(doing())?;
                statistics.push(Statistics { name: prefix, variance, count });
                normalised
            }
            (OperatorKind::Activation(Activation::Relu), [map]) => map.relu().map_err(doing())?,
            (OperatorKind::Activation(Activation::Sigmoid), [map]) => candle_nn::ops::sigmoid(map).map_err(doing())?,
            (OperatorKind::GlobalAveragePool, [map]) => map.mean_keepdim((2, 3)).map_err(doing())?,
            (OperatorKind::Gate, [map, gate]) => map.broadcast_mul(gate).map_err(doing())?,
            // Additions belong to residual links; a classifier lies behind the scored part.
            _ => return Err(ExactError::Residual),
        };
        values.push(Some(value));
    }
    match values.pop().flatten() {
        Some(maps) => Ok(Pass { maps, statistics }),
        None => Err(ExactError::MissingTensor { name: "input".to_owned() }),
    }
}

fn check_shape(name: &str, tensor: &Tensor, expected: &[usize]) -> Result<(), ExactError> {
    if tensor.dims() == expected {
        return Ok(());
    }
    Err(ExactError::Shape { name: name.to_owned(), expected: expected.to_vec(), found: tensor.dims().to_vec() })
}

/// A vector over channels, to be broadcast over batch x channels x height x width.
fn per_channel(vector: &Tensor) -> candle_core::Result<Tensor> {
    vector.reshape((1, (), 1, 1))
}

/// Normalises with the statistics of the batch; also returns the biased variance, averaged over the
/// channels.
fn batch_norm(map: &Tensor, weight: &Tensor, bias: &Tensor) -> candle_core::Result<(Tensor, f64)> {
    let mean = map.mean_keepdim((0, 2, 3))?;
    let centred = map.broadcast_sub(&mean)?;
    let variance = centred.sqr()?.mean_keepdim((0, 2, 3))?;
    let scale = ((&variance + BATCH_NORM_EPSILON as f64)?.sqrt()?.recip()? * per_channel(weight)?)?;
    let normalised = centred.broadcast_mul(&scale)?.broadcast_add(&per_channel(bias)?)?;
    Ok((normalised, variance.mean_all()?.to_dtype(DType::F64)?.to_scalar()?))
}

/// Mean over the batch of the summed absolute difference.
fn mean_difference(a: &Tensor, b: &Tensor) -> candle_core::Result<f64> {
    let of_images = (a - b)?.abs()?.flatten_from(1)?.sum(1)?.to_dtype(DType::F64)?;
    of_images.mean_all()?.to_scalar()
}
