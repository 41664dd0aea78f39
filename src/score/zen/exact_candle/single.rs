//! The exact score in single precision on any candle device, which is how GPUs compute it. Numbers
//! are drawn on the processor, so that a draw is the same wherever it is computed.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};

use super::{ExactError, ExactScore, Place, evaluate, failed, input_shape, scored, tensors_of};
use crate::net::{Graph, OperatorKind, TrunkConv};
use crate::score::zen::exact::{packed_len, places};
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

/// Evaluates the score for the weights and inputs of a draw: `batch_size` images, perturbed by `gamma`. The same
/// numbers as the [engine](crate::score::zen::exact) draws, so the score is the same but for rounding.
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
    let [images, channels, height, width] = input_shape(graph, batch_size);
    // Images are drawn channels-last.
    let image = |purpose| {
        let mut values = vec![0f32; images * channels * height * width];
        draw.normal(purpose, &mut values);
        let image = Tensor::from_vec(values, (images, height, width, channels), device)?;
        image.permute((0, 3, 1, 2))?.contiguous()
    };
    let inputs = || {
        let clean = image(Purpose::Input)?;
        let perturbed = (&clean + (image(Purpose::Perturbation)? * gamma)?)?;
        Ok((clean, perturbed))
    };
    let (clean, perturbed) = inputs().map_err(failed("drawing the inputs"))?;
    let mut weights = HashMap::new();
    let mut convs = graph.trunk_convs().zip(0..);
    for operator in scored(graph) {
        let prefix = operator.origin.state_dict_prefix();
        for (suffix, shape) in tensors_of(graph, operator) {
            let name = format!("{prefix}.{suffix}");
            let tensor = match (operator.kind, suffix) {
                (OperatorKind::Conv { .. }, "weight") => {
                    let (conv, number) = convs.next().ok_or(ExactError::Residual)?;
                    Tensor::from_vec(convolution(draw, &conv, number), shape, device)
                }
                (_, "weight") => Tensor::ones(shape, DType::F32, device),
                _ => Tensor::zeros(shape, DType::F32, device),
            };
            let tensor = tensor.map_err(failed(format!("drawing {name}")))?;
            weights.insert(name, tensor);
        }
    }
    score_on(device, graph, &weights, &clean, &perturbed)
}

/// Weights of convolution `number` in PyTorch's order, from where the engine draws them.
fn convolution(draw: Draw, conv: &TrunkConv, number: u32) -> Vec<f32> {
    let mut packed = vec![0f32; packed_len(conv)];
    draw.normal(Purpose::Weights(number), &mut packed);
    let count = conv.out_channels * conv.in_channels / conv.groups * conv.kernel.pow(2);
    let mut weights = vec![0f32; count as usize];
    places(conv, |from, to| weights[to] = packed[from]);
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{LowerOptions, Network};
    use crate::score::Compute;
    use crate::score::zen::{GAMMA, Variant, exact, exact_candle};

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

    #[test]
    fn a_draw_is_that_of_the_engine() {
        let graph = graph();
        let draw = Draw { seed: 7, number: 2 };
        let candle = draw_on(&Device::Cpu, &graph, 3, GAMMA, draw).unwrap();
        let chain = exact::Chain::of(&graph).unwrap();
        let engine = exact::draw(&mut exact::Engine::default(), &chain, 3, GAMMA, draw).unwrap();
        for variant in [Variant::Paper, Variant::Released] {
            let (a, b) = (candle.score(variant), engine.score(variant));
            assert!((a - b).abs() < 1e-3, "{variant:?}: {a} on candle, {b} on the engine");
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
