//! The exact score in single precision on any candle device, which is how GPUs compute it. The
//! numbers are drawn on the processor, so that a draw is the same wherever it is computed.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};

use super::{ExactError, ExactScore, Place, evaluate, failed, input_shape, scored, tensors_of};
use crate::net::{Graph, OperatorKind};
use crate::score::{Draw, Purpose};

/// As [`score`](super::score), in single precision on `device`; the tensors may lie anywhere.
///
/// # Errors
/// As [`score`](super::score), and when the device runs out of memory.
pub fn score_on(
    device: &Device,
    graph: &Graph,
    weights: &HashMap<String, Tensor>,
    clean: &Tensor,
    perturbed: &Tensor,
) -> Result<ExactScore, ExactError> {
    evaluate(&Place { device, dtype: DType::F32 }, graph, weights, clean, perturbed)
}

/// Evaluates the score for the weights and inputs of a draw: `batch_size` images, perturbed by `gamma`.
/// Convolutions are numbered in execution order for [`Purpose::Weights`].
///
/// # Errors
/// As [`score_on`].
pub fn draw_on(
    device: &Device,
    graph: &Graph,
    batch_size: usize,
    gamma: f64,
    draw: Draw,
) -> Result<ExactScore, ExactError> {
    let normal = |purpose, shape: &[usize]| {
        let mut values = vec![0f32; shape.iter().product()];
        draw.normal(purpose, &mut values);
        Tensor::from_vec(values, shape, device).map_err(failed(format!("drawing {purpose:?}")))
    };
    let shape = input_shape(graph, batch_size);
    let (clean, noise) = (normal(Purpose::Input, &shape)?, normal(Purpose::Perturbation, &shape)?);
    let perturbed = (noise * gamma).and_then(|noise| &clean + noise).map_err(failed("perturbing the input"))?;
    let mut weights = HashMap::new();
    let mut layer = 0;
    for operator in scored(graph) {
        let prefix = operator.origin.state_dict_prefix();
        for (suffix, shape) in tensors_of(graph, operator) {
            let name = format!("{prefix}.{suffix}");
            let tensor = match (operator.kind, suffix) {
                (OperatorKind::Conv { .. }, "weight") => {
                    layer += 1;
                    normal(Purpose::Weights(layer - 1), &shape)?
                }
                (_, "weight") => Tensor::ones(shape, DType::F32, device).map_err(failed(name.as_str()))?,
                _ => Tensor::zeros(shape, DType::F32, device).map_err(failed(name.as_str()))?,
            };
            weights.insert(name, tensor);
        }
    }
    score_on(device, graph, &weights, &clean, &perturbed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{LowerOptions, Network};
    use crate::score::Compute;
    use crate::score::zen::{GAMMA, exact_candle};

    fn graph() -> Graph {
        let structure = "SuperConvK3BNRELU(3,16,1,1)SuperResK3K3(16,24,2,16,1)SuperResK1K5K1(24,32,1,16,1)\
            SuperResIDWE2K5(32,32,2,24,1)SuperConvK1BNRELU(32,64,1,1)";
        Network::parse(structure).unwrap().lower(&LowerOptions::new(16, 10)).unwrap().vanilla()
    }

    #[test]
    fn single_precision_agrees_with_double() {
        let graph = graph();
        let drawn = exact_candle::drawn(&graph, 4, GAMMA, 5).unwrap();
        let double = exact_candle::score(&graph, &drawn.weights, &drawn.clean, &drawn.perturbed).unwrap();
        let single = score_on(&Device::Cpu, &graph, &drawn.weights, &drawn.clean, &drawn.perturbed).unwrap();
        for (name, a, b) in [
            ("paper", single.paper, double.paper),
            ("released", single.released, double.released),
            ("ln delta", single.ln_delta, double.ln_delta),
        ] {
            assert!((a - b).abs() < 1e-3, "{name}: {a} in single precision, {b} in double");
        }
    }

    /// Runs where a GPU opens; elsewhere it says that it did not.
    #[test]
    fn a_gpu_agrees_with_the_processor() {
        let gpu = match Compute::Cuda(0).device() {
            Ok(gpu) => gpu,
            Err(error) => return eprintln!("skipped, no GPU here: {error}"),
        };
        let graph = graph();
        for number in 0..3 {
            let draw = Draw { seed: 11, number };
            let here = draw_on(&Device::Cpu, &graph, 4, GAMMA, draw).unwrap();
            let there = draw_on(&gpu, &graph, 4, GAMMA, draw).unwrap();
            assert!((here.paper - there.paper).abs() < 1e-2, "{} here, {} there", here.paper, there.paper);
            assert!((here.released - there.released).abs() < 1e-2, "{} here, {} there", here.released, there.released);
        }
    }
}
