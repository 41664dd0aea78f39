//! Zero-shot scores of given weights and images, computed independently in double precision
//! (tests/data/golden/make_proxies.py says how).

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Device, Tensor};
use zen_nas::net::{Graph, LowerOptions, Network as Structure};
use zen_nas::score::gradient::{
    Batch, GradientError, Network, condition_number, gradient_norm, inverse_variation, ln_synaptic_flow,
};
use zen_nas::score::naswot::Agreement;
use zen_nas::score::patterns::visit_given;
use zen_nas::score::swap::Patterns;
use zen_nas::score::zen::exact::{Chain, Engine};

use crate::given::{Given, channels_last};

#[derive(serde::Deserialize)]
struct Case {
    #[serde(rename = "struct")]
    structure: String,
    resolution: u32,
    num_classes: u32,
    use_se: bool,
}

#[derive(serde::Deserialize)]
struct Expected {
    labels: Vec<u32>,
    #[serde(rename = "grad-norm")]
    grad_norm: f64,
    synflow: f64,
    ntk: f64,
    zico: f64,
    naswot: f64,
    swap: f64,
}

fn json<T: serde::de::DeserializeOwned>(name: &str) -> T {
    serde_json::from_str(&std::fs::read_to_string(format!("tests/data/golden/{name}.json")).unwrap()).unwrap()
}

fn tensors(name: &str) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(format!("tests/data/golden/{name}.safetensors"), &Device::Cpu).unwrap()
}

fn lowered(name: &str) -> Graph {
    let case: Case = json(name);
    // The weights are named as in a network without residual links.
    let options = LowerOptions {
        resolution: case.resolution,
        classes: case.num_classes,
        squeeze_excite: case.use_se,
        residual: false,
    };
    Structure::parse(&case.structure).unwrap().lower(&options).unwrap()
}

fn network(name: &str, dtype: DType) -> Network {
    Network::with_weights(&lowered(name), &tensors(&format!("{name}.score")), dtype).unwrap()
}

/// Images that came as one batch, in `count` equal batches.
fn batches(images: &Tensor, labels: &[u32], count: usize) -> Vec<Batch> {
    let size = labels.len() / count;
    let batch =
        |i| Batch { images: images.narrow(0, i * size, size).unwrap(), labels: labels[i * size..][..size].to_vec() };
    (0..count).map(batch).collect()
}

#[test]
fn gradient_scores_agree() {
    let images = tensors("proxies");
    for (name, expected) in json::<BTreeMap<String, Expected>>("proxies") {
        let images = &images[&format!("{name}.images")];
        for (dtype, tolerance) in [(DType::F32, 1e-3), (DType::F64, 1e-6)] {
            let network = network(&name, dtype);
            let batch = &batches(images, &expected.labels, 1)[0];
            let scores = [
                ("grad-norm", gradient_norm(&network, batch).unwrap(), expected.grad_norm),
                ("ntk", condition_number(&network, images).unwrap(), expected.ntk),
                ("zico", inverse_variation(&network, &batches(images, &expected.labels, 4)).unwrap(), expected.zico),
            ];
            for (proxy, found, expected) in scores {
                let error = (found / expected - 1.0).abs();
                eprintln!("{name} {proxy} {dtype:?}: {error:.1e} off");
                assert!(error < tolerance, "{name}, {proxy}, {dtype:?}: {found}, expected {expected}");
            }
        }
        let found = ln_synaptic_flow(&network(&name, DType::F64)).unwrap();
        let error = found - expected.synflow.ln();
        eprintln!("{name} synflow: {error:.1e} off");
        assert!(error.abs() < 1e-6, "{name}, synflow: {found}, expected {}", expected.synflow.ln());
    }
}

/// Scores that count ReLU patterns, on the engine. A value next to zero may fall on the other side
/// in single precision, so the counts are not exact.
#[test]
fn pattern_scores_agree() {
    let images = tensors("proxies");
    let mut engine = Engine::default();
    for (name, expected) in json::<BTreeMap<String, Expected>>("proxies") {
        let (graph, weights) = (lowered(&name), tensors(&format!("{name}.score")));
        let chain = Chain::of(&graph).unwrap();
        let mut given = Given::new(&graph, &weights, false);
        let images = &images[&format!("{name}.images")];
        let reversed: Vec<_> = (0..3).rev().map(|channel| images.narrow(1, channel, 1).unwrap()).collect();
        let both = Tensor::cat(&[images, &Tensor::cat(&reversed, 1).unwrap()], 0).unwrap();
        let mut agreement = Agreement::new(8);
        engine.input = channels_last(images);
        visit_given(&mut engine, &chain, 8, &mut given, &mut |map| agreement.add(map)).unwrap();
        let mut patterns = Patterns::default();
        engine.input = channels_last(&both);
        visit_given(&mut engine, &chain, 16, &mut given, &mut |map| patterns.add(map)).unwrap();
        let naswot = agreement.log_determinant().unwrap();
        for (proxy, found, expected) in
            [("naswot", naswot, expected.naswot), ("swap", patterns.count() as f64, expected.swap)]
        {
            let error = (found / expected - 1.0).abs();
            eprintln!("{name} {proxy}: {error:.1e} off");
            assert!(error < 1e-3, "{name}, {proxy}: {found}, expected {expected}");
        }
    }
}

#[test]
fn what_cannot_be_differentiated_is_said() {
    let mut weights = tensors("k3k3.score");
    let case: Case = json("k3k3");
    let options = LowerOptions { residual: false, ..LowerOptions::new(case.resolution, case.num_classes) };
    let graph = Structure::parse(&case.structure).unwrap().lower(&options).unwrap();
    let name = "fc_linear.netblock.weight";
    let weight = weights.remove(name).unwrap();
    let error = Network::with_weights(&graph, &weights, DType::F32).unwrap_err();
    assert!(matches!(&error, GradientError::MissingTensor { name: missing } if missing == name), "{error}");
    weights.insert(name.to_owned(), weight.narrow(0, 0, 3).unwrap());
    let error = Network::with_weights(&graph, &weights, DType::F32).unwrap_err().to_string();
    assert_eq!(error, format!("`{name}` has shape [3, 24], but this network needs [10, 24]"));
    weights.insert(name.to_owned(), weight);
    let network = Network::with_weights(&graph, &weights, DType::F32).unwrap();
    let images = Tensor::zeros((2, 3, 8, 8), DType::F32, &Device::Cpu).unwrap();
    assert!(matches!(network.logits(&images), Err(GradientError::Shape { .. })));
    assert!(matches!(condition_number(&network, &images.narrow(0, 0, 0).unwrap()), Err(GradientError::Shape { .. })));
}
