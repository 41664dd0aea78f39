//! Fresh weights and inputs for one evaluation.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use rand::SeedableRng;
use rand::distr::Distribution;
use rand_distr::StandardNormal;
use rand_pcg::Pcg64Mcg;

use super::{ExactError, ExactScore, failed, input_shape, score, scored, tensors_of};
use crate::net::{Graph, OperatorKind};

/// Weights and inputs drawn for one evaluation. All values are representable in single precision,
/// so that engines of either precision start from the same numbers.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// By state-dict name, double precision.
    pub weights: HashMap<String, Tensor>,
    /// batch x channels x height x width, double precision.
    pub clean: Tensor,
    pub perturbed: Tensor,
}

/// Evaluates the score for weights and inputs freshly drawn from N(0, 1); the same for the same
/// seed. `batch_size` images, perturbed by `gamma` (see [`GAMMA`](crate::score::zen::GAMMA)).
///
/// # Errors
/// As [`score`].
pub fn draw(graph: &Graph, batch_size: usize, gamma: f64, seed: u64) -> Result<ExactScore, ExactError> {
    let drawn = drawn(graph, batch_size, gamma, seed)?;
    score(graph, &drawn.weights, &drawn.clean, &drawn.perturbed)
}

/// Draws what [`draw`] evaluates: clean inputs, their perturbation, then the weights in execution
/// order; batch norms get weight 1 and bias 0.
///
/// # Errors
/// When a tensor cannot be made.
pub fn drawn(graph: &Graph, batch_size: usize, gamma: f64, seed: u64) -> Result<Drawn, ExactError> {
    let mut stream = Pcg64Mcg::seed_from_u64(seed);
    let mut normal = |shape: &[usize], name: &str| {
        let values = (0..shape.iter().product()).map(|_| StandardNormal.sample(&mut stream));
        let values: Vec<f64> = values.map(|value: f64| value as f32 as f64).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).map_err(failed(format!("drawing {name}")))
    };
    let shape = input_shape(graph, batch_size);
    let clean = normal(&shape, "the input")?;
    let noise = normal(&shape, "the perturbation")?;
    let perturb = || (&clean + (noise * gamma)?)?.to_dtype(DType::F32)?.to_dtype(DType::F64);
    let perturbed = perturb().map_err(failed("perturbing the input"))?;
    let mut weights = HashMap::new();
    for operator in scored(graph) {
        let prefix = operator.origin.state_dict_prefix();
        for (suffix, shape) in tensors_of(graph, operator) {
            let name = format!("{prefix}.{suffix}");
            let tensor = match (operator.kind, suffix) {
                (OperatorKind::Conv { .. }, "weight") => normal(&shape, &name)?,
                (_, "weight") => Tensor::ones(shape, DType::F64, &Device::Cpu).map_err(failed(name.as_str()))?,
                _ => Tensor::zeros(shape, DType::F64, &Device::Cpu).map_err(failed(name.as_str()))?,
            };
            weights.insert(name, tensor);
        }
    }
    Ok(Drawn { weights, clean, perturbed })
}
