//! The fast engine of the exact Zen-score against values computed elsewhere: golden vectors, the
//! reference on candle, the paper's own table.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use zen_nas::net::{Graph, LowerOptions, Network, OperatorKind, TrunkConv};
use zen_nas::score::zen::exact::{
    Chain, Engine, Evaluated, Step, Weights, draw, draw_inputs, evaluate, packed_len, places,
};
use zen_nas::score::zen::{GAMMA, Variant, exact_candle};
use zen_nas::score::{Draw, Purpose};

use crate::given::{Given, channels_last};

fn lower(structure: &str, resolution: u32, squeeze_excite: bool) -> Graph {
    let options = LowerOptions { resolution, classes: 10, squeeze_excite, residual: false };
    Network::parse(structure).unwrap().lower(&options).unwrap()
}

#[derive(serde::Deserialize)]
struct Case {
    #[serde(rename = "struct")]
    structure: String,
    resolution: u32,
    batch: usize,
    use_se: bool,
    score: Expected,
}

#[derive(serde::Deserialize)]
struct Expected {
    file: String,
    log_delta_f64: f64,
    score_a_running_var_f64: f64,
    score_b_batch_var_f64: f64,
}

#[test]
fn golden_scores_and_maps_agree() {
    let mut engine = Engine::default();
    for name in ["idwe2k7", "idwe6k3", "k1k5k1", "k3k3", "k5k5", "mixed_se"] {
        let text = std::fs::read_to_string(format!("tests/data/golden/{name}.json")).unwrap();
        let case: Case = serde_json::from_str(&text).unwrap();
        let path = format!("tests/data/golden/{}", case.score.file);
        let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
        let graph = lower(&case.structure, case.resolution, case.use_se);
        let chain = Chain::with_gates(&graph).unwrap();
        assert_eq!(chain.steps.iter().any(|step| matches!(step, Step::Gate { .. })), case.use_se, "{name}");
        engine.input = channels_last(&tensors["input.clean"]);
        engine.input.extend(channels_last(&tensors["input.perturbed"]));
        let mut given = Given::new(&graph, &tensors, true);
        let found = evaluate(&mut engine, &chain, case.batch, &mut given).unwrap();
        let expected = &case.score;
        for (what, found, expected) in [
            ("ln delta", found.ln_delta, expected.log_delta_f64),
            ("paper", found.score(Variant::Paper), expected.score_b_batch_var_f64),
            ("released", found.score(Variant::Released), expected.score_a_running_var_f64),
        ] {
            eprintln!("{name} {what}: {:.1e} off", (found - expected).abs());
            assert!((found - expected).abs() < 1e-4, "{name}, {what}: {found}, expected {expected}");
        }
        let maps = final_maps(&mut engine, &chain, case.batch, &mut given);
        let expected: Vec<f32> = ["clean", "perturbed"]
            .iter()
            .flat_map(|key| channels_last(&tensors[&format!("expect.pre_gap_{key}")]))
            .collect();
        // As a share of the largest value: single precision through some fifty layers.
        let largest = expected.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        let worst = maps.iter().zip(&expected).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs())) / largest;
        eprintln!("{name} maps: {worst:.1e} off");
        assert_eq!(maps.len(), expected.len(), "{name}");
        assert!(worst < 1e-4, "{name}: maps {worst:e} off");
    }
}

/// Activated final maps of all images, channels-last.
fn final_maps(engine: &mut Engine, chain: &Chain, images: usize, weights: &mut dyn Weights) -> Vec<f32> {
    let mut maps = Vec::new();
    let batch = zen_nas::score::zen::exact::Batch { images_per_group: images, groups: 2 };
    let last = chain.steps.len() - 1;
    let mut observe = |number: usize, map: &zen_nas::score::zen::exact::Map| {
        if number == last {
            maps = (0..map.images()).flat_map(|image| map.normalised(image).map(|x| x.max(0.0))).collect();
        }
    };
    engine.run(chain, batch, weights, &mut observe).unwrap();
    maps
}

/// The same drawn weights and inputs, as tensors for the reference.
fn tensors_of(graph: &Graph, images: usize, drawn: Draw) -> HashMap<String, Tensor> {
    let chain = Chain::of(graph).unwrap();
    let mut engine = Engine::default();
    draw_inputs(&mut engine, &chain, images, GAMMA, drawn);
    let (channels, side) = chain.input();
    let mut tensors = HashMap::new();
    let input = Tensor::from_vec(engine.input.clone(), (2 * images, side, side, channels), &Device::Cpu).unwrap();
    let input = input.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap();
    tensors.insert("clean".to_owned(), input.narrow(0, 0, images).unwrap());
    tensors.insert("perturbed".to_owned(), input.narrow(0, images, images).unwrap());
    let mut number = 0;
    for operator in graph.operators() {
        let name = operator.origin.state_dict_prefix();
        match operator.kind {
            OperatorKind::Conv { kernel, groups, .. } => {
                let Some(Step::Conv(conv)) = chain.steps.get(number) else { panic!() };
                let mut packed = vec![0.0; packed_len(conv)];
                drawn.normal(Purpose::Weights(number as u32), &mut packed);
                let shape =
                    [conv.out_channels, conv.in_channels / groups, kernel, kernel].map(|length| length as usize);
                let mut plain = vec![0.0f32; shape.iter().product()];
                places(conv, |from, to| plain[to] = packed[from]);
                tensors.insert(format!("{name}.weight"), Tensor::from_vec(plain, &shape, &Device::Cpu).unwrap());
                number += 1;
            }
            OperatorKind::BatchNorm => {
                let channels = operator.shape.channels as usize;
                let ones = Tensor::ones(channels, DType::F32, &Device::Cpu).unwrap();
                tensors.insert(format!("{name}.bias"), ones.zeros_like().unwrap());
                tensors.insert(format!("{name}.weight"), ones);
            }
            _ => {}
        }
    }
    tensors
}

/// Every kind of layer, sizes that fill no vector and no tile, both strides, small and large maps.
#[test]
fn drawn_scores_agree_with_the_reference() {
    let structures = [
        (
            "SuperConvK3BNRELU(3,16,1,1)SuperResK3K3(16,32,2,16,1)SuperResIDWE2K5(32,32,2,24,1)SuperConvK1BNRELU(32,64,1,1)",
            32,
        ),
        (
            "SuperConvK7BNRELU(3,13,2,1)SuperResK5K5(13,21,2,9,1)SuperResK1K7K1(21,50,1,10,2)SuperConvK1BNRELU(50,70,1,1)",
            37,
        ),
        (
            "SuperConvK3BNRELU(3,8,2,1)SuperResIDWE6K3(8,24,2,8,1)SuperResIDWE4K7(24,40,2,24,1)SuperResIDWE1K5(40,56,2,40,2)",
            50,
        ),
        (
            "SuperConvK5BNRELU(4,40,2,1)SuperResK1K3K1(40,56,2,24,1)SuperResK7K7(56,64,2,48,1)SuperConvK1BNRELU(64,33,2,1)",
            33,
        ),
        ("SuperConvK3BNRELU(3,48,1,1)SuperResK3K3(48,16,1,72,1)", 96),
    ];
    let mut engine = Engine::default();
    for (number, (structure, resolution)) in structures.into_iter().enumerate() {
        for images in [2, 3] {
            let drawn = Draw { seed: 11, number: number as u32 };
            let graph = lower(structure, resolution, false);
            let tensors = tensors_of(&graph, images, drawn);
            let expected = exact_candle::score(&graph, &tensors, &tensors["clean"], &tensors["perturbed"]).unwrap();
            let chain = Chain::of(&graph).unwrap();
            let found = draw(&mut engine, &chain, images, GAMMA, drawn).unwrap();
            let off = [
                found.ln_delta - expected.ln_delta,
                found.score(Variant::Paper) - expected.paper,
                found.score(Variant::Released) - expected.released,
            ];
            eprintln!("{resolution} pixels, {images} images: {off:.5?} of {:.3}", expected.paper);
            assert!(off.iter().all(|off| off.abs() < 1e-3), "{structure}: {off:?}");
            for ([clean, perturbed], expected) in found.batch_norms.iter().zip(&expected.batch_norms) {
                assert!((clean.variance / expected.clean - 1.0).abs() < 1e-3, "{structure}, {}", expected.name);
                assert!((perturbed.variance / expected.perturbed - 1.0).abs() < 1e-3, "{structure}");
            }
        }
    }
}

/// A plain ResNet (He et al., 2016) as the paper scores it: 7 x 7 stem at stride 2, max pooling,
/// four stages, every convolution with batch norm and ReLU, neither links nor projections.
fn plain_resnet(blocks: [u32; 4], bottleneck: bool) -> Chain {
    let mut steps = Vec::new();
    let (mut channels, mut side) = (3, 224u32);
    let mut conv = |steps: &mut Vec<Step>, kernel, stride, out_channels, side: &mut u32| {
        let out_side = side.div_ceil(stride);
        let conv =
            TrunkConv { kernel, stride, groups: 1, in_channels: channels, out_channels, in_side: *side, out_side };
        steps.push(Step::Conv(conv));
        (channels, *side) = (out_channels, out_side);
    };
    conv(&mut steps, 7, 2, 64, &mut side);
    steps.push(Step::MaxPool { channels: 64, in_side: side, out_side: side.div_ceil(2) });
    side = side.div_ceil(2);
    for (stage, count) in blocks.into_iter().enumerate() {
        let width = 64 << stage;
        for block in 0..count {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            if bottleneck {
                conv(&mut steps, 1, 1, width, &mut side);
                conv(&mut steps, 3, stride, width, &mut side);
                conv(&mut steps, 1, 1, 4 * width, &mut side);
            } else {
                conv(&mut steps, 3, stride, width, &mut side);
                conv(&mut steps, 3, 1, width, &mut side);
            }
        }
    }
    Chain::checked(steps, 1e-5).unwrap()
}

/// Mean score of some draws of two images.
fn mean_score(chain: &Chain, draws: u32) -> (f64, f64) {
    let mut engine = Engine::default();
    let scores: Vec<f64> = (0..draws)
        .map(|number| {
            let found: Evaluated = draw(&mut engine, chain, 2, GAMMA, Draw { seed: 2021, number }).unwrap();
            found.score(Variant::Paper)
        })
        .collect();
    let mean = scores.iter().sum::<f64>() / draws as f64;
    let variance = scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / (draws - 1) as f64;
    (mean, (variance / draws as f64).sqrt())
}

/// Zen-scores that the paper itself prints for plain ResNets at 224 pixels.
#[test]
fn the_papers_resnets() {
    for (name, blocks, bottleneck, published, tolerance) in [
        ("ResNet-18", [2, 2, 2, 2], false, 59.53, 0.005),
        ("ResNet-34", [3, 4, 6, 3], false, 112.32, 0.005),
        ("ResNet-50", [3, 4, 6, 3], true, 140.3, 0.005),
        ("ResNet-101", [3, 4, 23, 3], true, 287.9, 0.015),
        ("ResNet-152", [3, 8, 36, 3], true, 433.6, 0.015),
    ] {
        let (score, standard_error) = mean_score(&plain_resnet(blocks, bottleneck), 4);
        let off = score / published - 1.0;
        eprintln!("{name}: {score:.2} +- {standard_error:.2}, published {published}: {:+.2}%", off * 100.0);
        assert!(off.abs() < tolerance, "{name}: {score} +- {standard_error}, published {published}");
    }
}
