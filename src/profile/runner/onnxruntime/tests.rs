//! Against the onnxruntime of a Python; skipped, loudly, where none is named.

use std::cell::RefCell;
use std::collections::BTreeSet;

use zen_agent::{Limits, Scope};

use super::super::{Runner, RunnerError, RunnerOptions, Subject};
use super::*;
use crate::latency::{Fuser, KeyKind, OperatorKey};
use crate::net::{Activation, LowerOptions, Network};
use crate::onnx::{
    BREAD_NODE_PREFIX, Batch, ExportOptions, OPERATOR_NODE_PREFIX, Weights, model_bytes, operator_model, sandwich_model,
};
use crate::profile::transport::local::Local;
use crate::stats::median;

/// Python of an environment with `tests/peers/requirements.txt` installed.
const PYTHON: &str = "ZEN_NAS_PEER_PYTHON";

fn open() -> Option<Box<dyn Runner>> {
    let Some(python) = std::env::var_os(PYTHON) else {
        let notice = format!("SKIPPED onnxruntime: set {PYTHON} to a Python with tests/peers/requirements.txt\n");
        std::io::Write::write_all(&mut std::io::stderr(), notice.as_bytes()).unwrap();
        return None;
    };
    let python = python.to_str().unwrap().to_owned();
    let options = RunnerOptions { python, ..RunnerOptions::new("here", Precision::Fp32) };
    Some((ENTRY.open)(Box::new(Local::open().unwrap()), &options).unwrap())
}

fn limits() -> Limits {
    Limits { min_samples: 3, max_samples: 3, ..Limits::default() }
}

fn subject(model: Vec<u8>, scope: Scope) -> Subject {
    Subject { name: "x".to_owned(), model, scope, without: Vec::new() }
}

/// Keys with everything that fuses, of all kinds.
fn keys() -> Vec<OperatorKey> {
    let relu = Some(Activation::Relu);
    let conv = OperatorKey { activation: relu, residual_add: true, ..OperatorKey::conv(3, 1, 16, 24, 14) };
    let one = OperatorKey::conv(1, 1, 24, 24, 14);
    let kind = |kind| OperatorKey { kind, ..one };
    vec![
        conv,
        OperatorKey { in_channels: 20, out_channels: 36, residual_add: false, ..conv },
        OperatorKey { in_channels: 3, stride: 2, residual_add: false, ..conv },
        OperatorKey { activation: Some(Activation::Sigmoid), residual_add: false, ..conv },
        OperatorKey { activation: relu, ..OperatorKey::depthwise(5, 2, 24, 14) },
        OperatorKey { kind: KeyKind::Dense, ..OperatorKey::conv(1, 1, 64, 100, 1) },
        kind(KeyKind::GlobalPool),
        kind(KeyKind::Gate),
        OperatorKey { kind: KeyKind::GlobalPool, ..OperatorKey::conv(1, 1, 32, 32, 3) },
        OperatorKey { activation: relu, ..kind(KeyKind::Add) },
        kind(KeyKind::Elementwise),
        OperatorKey { activation: relu, ..kind(KeyKind::Elementwise) },
    ]
}

#[test]
fn operators_of_every_kind_are_timed_by_their_nodes() {
    let Some(mut runner) = open() else { return };
    assert!(runner.about().runtime_version.starts_with("1."), "{:?}", runner.about());
    let nodes = Scope::Nodes(OPERATOR_NODE_PREFIX.to_owned());
    for key in keys() {
        for model in [operator_model(&key, 1, 0).unwrap(), sandwich_model(&key, 1, 0).unwrap()] {
            let samples = runner.block(&subject(model, nodes.clone()), &limits()).unwrap();
            assert!(
                (1..=3).contains(&samples.len()) && samples.iter().all(|ms| *ms > 0.0 && *ms < 50.0),
                "{key}: {samples:?}"
            );
        }
    }
    let model = operator_model(&keys()[0], 1, 0).unwrap();
    let error = runner.block(&subject(model, Scope::Nodes("absent_".to_owned())), &limits()).unwrap_err();
    assert!(error.to_string().contains("`absent_`"), "{error}");
    let error = runner.block(&subject(vec![1, 2, 3], Scope::Whole), &limits()).unwrap_err();
    assert!(matches!(error, RunnerError::Model(_)), "{error}");
}

#[test]
fn every_node_of_a_sandwich_has_a_side_or_changes_the_layout() {
    let Some(mut runner) = open() else { return };
    for key in keys() {
        let names = RefCell::new(BTreeSet::new());
        let owner = |name: &str| {
            names.borrow_mut().insert(name.to_owned());
            None
        };
        let model = sandwich_model(&key, 1, 0).unwrap();
        runner.parts(&subject(model, Scope::Whole), &owner, 0, &limits()).unwrap();
        let names = names.into_inner();
        assert!(names.iter().any(|name| name.starts_with(OPERATOR_NODE_PREFIX)), "{key}: {names:?}");
        for name in &names {
            let known = [OPERATOR_NODE_PREFIX, BREAD_NODE_PREFIX, "Reorder"];
            assert!(known.iter().any(|prefix| name.starts_with(prefix)), "{key}: {name}");
        }
    }
}

#[test]
fn parts_of_a_network_add_up_to_it() {
    let Some(mut runner) = open() else { return };
    let text = "SuperConvK3BNRELU(3,32,2,1)SuperResK3K3(32,64,2,64,2)SuperResIDWE6K5(64,96,2,40,2)";
    let network = Network::parse(text).unwrap();
    let graph = network.lower(&LowerOptions::new(96, 100)).unwrap();
    assert!(Fuser::default().fuse(&graph).len() > 10);
    let options = ExportOptions { batch: Batch::Fixed(1), ..ExportOptions::default() };
    let model = model_bytes(&graph, &Weights::seeded(0), &options).unwrap();
    let owners = |name: &str| match name.split('_').next() {
        Some("block0") => Some(0),
        Some("block1" | "block2") => Some(1),
        Some("head") => Some(2),
        _ => None,
    };
    let limits = Limits { min_samples: 7, max_samples: 7, ..Limits::default() };
    let parts = runner.parts(&subject(model, Scope::Whole), &owners, 3, &limits).unwrap();
    let median = |samples: &Vec<f64>| {
        assert_eq!(samples.len(), parts.whole_ms.len());
        median(samples).unwrap()
    };
    let [sum, unowned, whole] =
        [parts.parts_ms.iter().map(median).sum::<f64>(), median(&parts.unowned_ms), median(&parts.whole_ms)];
    let share = (sum + unowned) / whole;
    eprintln!("parts {sum:.3} + {unowned:.3} ms of {whole:.3} ms: {share:.3}");
    assert!((0.8..1.1).contains(&share), "{share}: {parts:?}");
    assert!(median(&parts.parts_ms[1]) > median(&parts.parts_ms[0]));
}
