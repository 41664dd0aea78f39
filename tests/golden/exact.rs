//! Exact Zen-scores of given weights and inputs, computed independently in double precision, and
//! properties that follow from the definition.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use zen_nas::net::{Graph, LowerOptions, Network};
use zen_nas::score::zen::exact_candle::{ExactError, ExactScore, draw, drawn, score};
use zen_nas::score::zen::{GAMMA, Variant, closed_form};

#[derive(serde::Deserialize)]
struct Case {
    #[serde(rename = "struct")]
    structure: String,
    resolution: u32,
    num_classes: u32,
    use_se: bool,
    bn_eps: f32,
    score: Expected,
}

#[derive(serde::Deserialize)]
struct Expected {
    file: String,
    log_delta_f64: f64,
    /// The released variant.
    score_a_running_var_f64: f64,
    /// The paper's definition.
    score_b_batch_var_f64: f64,
    bn: Vec<BatchNorm>,
}

#[derive(serde::Deserialize)]
struct BatchNorm {
    name: String,
    mean_var_clean: f64,
    mean_var_perturbed: f64,
    running_var_mean_after_two_passes: f64,
}

fn lower(structure: &str, resolution: u32, classes: u32, squeeze_excite: bool) -> Graph {
    let options = LowerOptions { resolution, classes, squeeze_excite, residual: false };
    Network::parse(structure).unwrap().lower(&options).unwrap()
}

fn evaluate(name: &str) -> (Case, HashMap<String, Tensor>, ExactScore) {
    let text = std::fs::read_to_string(format!("tests/data/golden/{name}.json")).unwrap();
    let case: Case = serde_json::from_str(&text).unwrap();
    assert_eq!(case.bn_eps, zen_nas::net::BATCH_NORM_EPSILON);
    let path = format!("tests/data/golden/{}", case.score.file);
    let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    let graph = lower(&case.structure, case.resolution, case.num_classes, case.use_se);
    let found = score(&graph, &tensors, &tensors["input.clean"], &tensors["input.perturbed"]).unwrap();
    (case, tensors, found)
}

/// Largest absolute difference, as a share of the largest absolute value expected.
fn relative_error(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.dims(), expected.dims());
    let values = |tensor: &Tensor| -> Vec<f64> {
        tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    };
    let (found, expected) = (values(found), values(expected));
    let largest = expected.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    found.iter().zip(&expected).fold(0.0f64, |worst, (a, b)| worst.max((a - b).abs())) / largest
}

#[test]
fn golden_scores_and_maps_agree() {
    for name in ["idwe2k7", "idwe6k3", "k1k5k1", "k3k3", "k5k5", "mixed_se"] {
        let (case, tensors, found) = evaluate(name);
        let expected = &case.score;
        let scores = [
            ("ln delta", found.ln_delta, expected.log_delta_f64),
            ("paper", found.score(Variant::Paper), expected.score_b_batch_var_f64),
            ("released", found.score(Variant::Released), expected.score_a_running_var_f64),
        ];
        for (what, found, expected) in scores {
            eprintln!("{name} {what}: {:.2e} off", (found - expected).abs());
            assert!((found - expected).abs() < 1e-7, "{name}, {what}: {found}, expected {expected}");
        }
        assert_eq!(found.batch_norms.len(), expected.bn.len(), "{name}");
        for (found, expected) in found.batch_norms.iter().zip(&expected.bn) {
            assert_eq!(found.name, expected.name, "{name}");
            for (found, expected) in [
                (found.clean, expected.mean_var_clean),
                (found.perturbed, expected.mean_var_perturbed),
                (found.running, expected.running_var_mean_after_two_passes),
            ] {
                assert!((found / expected - 1.0).abs() < 1e-6, "{name}: {found}, expected {expected}");
            }
        }
        for (maps, key) in [(&found.clean_maps, "clean"), (&found.perturbed_maps, "perturbed")] {
            let error = relative_error(maps, &tensors[&format!("expect.pre_gap_{key}")]);
            eprintln!("{name} {key} maps: {error:.2e} off");
            assert!(error < 1e-6, "{name}, {key} maps: {error:e} off");
        }
    }
}

const SMALL: &str =
    "SuperConvK3BNRELU(3,16,1,1)SuperResK3K3(16,32,2,16,1)SuperResIDWE2K5(32,32,2,24,1)SuperConvK1BNRELU(32,64,1,1)";

#[test]
fn draws_repeat_for_a_seed_and_differ_between_seeds() {
    let graph = lower(SMALL, 16, 10, false);
    let scores = |seed| {
        let found = draw(&graph, 4, GAMMA, seed).unwrap();
        (found.ln_delta, found.paper, found.released)
    };
    assert_eq!(scores(1), scores(1));
    assert_ne!(scores(1), scores(2));
}

#[test]
fn drawn_values_are_standard_normal_and_single_precision() {
    let graph = lower(SMALL, 16, 10, false);
    let drawn = drawn(&graph, 8, GAMMA, 3).unwrap();
    let mut values = Vec::new();
    for (name, tensor) in &drawn.weights {
        let tensor: Vec<f64> = tensor.flatten_all().unwrap().to_vec1().unwrap();
        if tensor.iter().any(|value| *value != 0.0 && *value != 1.0) {
            assert!(name.ends_with(".weight"));
            values.extend(tensor);
        }
    }
    let noise = ((&drawn.perturbed - &drawn.clean).unwrap() / GAMMA).unwrap();
    let noise: Vec<f64> = noise.flatten_all().unwrap().to_vec1().unwrap();
    for values in [values, noise, drawn.clean.flatten_all().unwrap().to_vec1().unwrap()] {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
        // Four standard errors.
        assert!(mean.abs() < 4.0 / n.sqrt(), "mean {mean} of {n}");
        assert!((variance - 1.0).abs() < 4.0 * (2.0 / n).sqrt(), "variance {variance} of {n}");
    }
    let values: Vec<f64> = drawn.perturbed.flatten_all().unwrap().to_vec1().unwrap();
    assert!(values.iter().all(|value| *value as f32 as f64 == *value));
}

/// Batch norm divides a larger weight away: the maps stay, and the paper's score grows by the
/// logarithm of the factor.
#[test]
fn scaling_a_weight_moves_the_score_by_its_logarithm() {
    let graph = lower(SMALL, 16, 10, false);
    let mut drawn = drawn(&graph, 4, GAMMA, 5).unwrap();
    let before = score(&graph, &drawn.weights, &drawn.clean, &drawn.perturbed).unwrap();
    let name = "module_list.1.module_list.0.netblock.weight";
    let scaled = (&drawn.weights[name] * 8.0).unwrap();
    drawn.weights.insert(name.to_owned(), scaled);
    let after = score(&graph, &drawn.weights, &drawn.clean, &drawn.perturbed).unwrap();
    // The epsilon of batch norm is all that tells the two apart.
    assert!((after.ln_delta - before.ln_delta).abs() < 1e-3);
    assert!((after.paper - before.paper - 8f64.ln()).abs() < 1e-3, "{} -> {}", before.paper, after.paper);
}

/// The difference of the maps is proportional to a small perturbation.
#[test]
fn half_the_perturbation_is_half_the_difference() {
    let graph = lower(SMALL, 16, 10, false);
    let [full, half] = [GAMMA, GAMMA / 2.0].map(|gamma| draw(&graph, 4, gamma, 6).unwrap().ln_delta);
    assert!((full - half - 2f64.ln()).abs() < 0.02, "{full} {half}");
}

/// The mean over drawn weights is what the closed form works out, up to its finite-width bias.
#[test]
fn the_mean_over_draws_is_near_the_closed_form() {
    let graph =
        lower("SuperConvK3BNRELU(3,64,1,1)SuperResK3K3(64,64,2,64,1)SuperConvK1BNRELU(64,128,1,1)", 16, 10, false);
    let scores: Vec<f64> = (0..8).map(|seed| draw(&graph, 8, GAMMA, seed).unwrap().paper).collect();
    let mean = scores.iter().sum::<f64>() / 8.0;
    let closed = closed_form::form2(&graph).score(Variant::Paper);
    eprintln!("mean of 8 draws {mean:.3}, closed form {closed:.3}");
    assert!((mean - closed).abs() < 0.3, "mean of draws {mean}, closed form {closed}");
}

#[test]
fn what_cannot_be_scored_is_said() {
    let graph = lower(SMALL, 16, 10, false);
    let drawn_one = drawn(&graph, 2, GAMMA, 0).unwrap();
    let try_with = |graph: &Graph, weights: &HashMap<String, Tensor>, clean: &Tensor| {
        score(graph, weights, clean, &drawn_one.perturbed).unwrap_err()
    };
    let options = LowerOptions { resolution: 16, classes: 10, squeeze_excite: false, residual: true };
    let residual = Network::parse(SMALL).unwrap().lower(&options).unwrap();
    let weights = drawn(&residual, 2, GAMMA, 0).unwrap().weights;
    assert!(matches!(try_with(&residual, &weights, &drawn_one.clean), ExactError::Residual));
    let name = "module_list.1.module_list.0.netblock.weight";
    let mut weights = drawn_one.weights.clone();
    let weight = weights.remove(name).unwrap();
    let error = try_with(&graph, &weights, &drawn_one.clean);
    assert!(matches!(&error, ExactError::MissingTensor { name: missing } if missing == name), "{error}");
    weights.insert(name.to_owned(), weight.narrow(0, 0, 3).unwrap());
    let error = try_with(&graph, &weights, &drawn_one.clean).to_string();
    assert_eq!(error, format!("`{name}` has shape [3, 16, 3, 3], but this network needs [16, 16, 3, 3]"));
    let input = Tensor::zeros((2, 3, 8, 8), DType::F32, &Device::Cpu).unwrap();
    assert!(matches!(try_with(&graph, &drawn_one.weights, &input), ExactError::Shape { .. }));
    assert!(matches!(draw(&graph, 2, 0.0, 0), Err(ExactError::NotFinite { .. })));
    assert!(matches!(draw(&graph, 0, GAMMA, 0), Err(ExactError::Shape { .. })));
    let one_pixel = lower("SuperConvK3BNRELU(3,8,1,1)", 1, 10, false);
    assert!(matches!(draw(&one_pixel, 1, GAMMA, 0), Err(ExactError::SingleValue { .. })));
}
