//! 33 networks whose costs and closed forms were computed independently.

use zen_nas::net::{LowerOptions, Network};
use zen_nas::score::zen::Variant;
use zen_nas::score::zen::closed_form::{ClosedForm, form1, form2};
use zen_nas::score::{Scratch, Taps, Trial, find};

#[derive(serde::Deserialize)]
struct Row {
    name: String,
    #[serde(rename = "struct")]
    structure: String,
    res: u32,
    num_classes: u32,
    num_layers: u32,
    params_exact: u64,
    macs_exact: u64,
    chain: Vec<[u32; 5]>,
    cf1: Form,
    cf2: Form,
}

/// `a` is the released variant, `b` the paper's definition.
#[derive(serde::Deserialize)]
struct Form {
    a: f64,
    b: f64,
    ld: f64,
    v: Vec<f64>,
}

fn rows() -> Vec<Row> {
    let text = std::fs::read_to_string("tests/data/golden/closed_form.json").unwrap();
    let rows: Vec<Row> = serde_json::from_str(&text).unwrap();
    assert_eq!(rows.len(), 33);
    rows
}

fn assert_form(name: &str, found: &ClosedForm, expected: &Form, tolerance: f64) {
    let close = |what: &str, found: f64, expected: f64| {
        let difference = (found / expected - 1.0).abs();
        assert!(difference < tolerance, "{name}: {what} {found} against {expected}");
    };
    close("released score", found.score(Variant::Released), expected.a);
    close("score", found.score(Variant::Paper), expected.b);
    close("ln(delta)", found.ln_delta, expected.ld);
    assert_eq!(found.variances.len(), expected.v.len());
    for (found, expected) in found.variances.iter().zip(&expected.v) {
        close("variance", *found, *expected);
    }
}

#[test]
fn costs_are_exact() {
    for row in rows() {
        let network = Network::parse(&row.structure).unwrap();
        assert_eq!(network.to_string(), row.structure);
        assert_eq!(network.layers(), row.num_layers, "{}", row.name);
        let graph = network.lower(&LowerOptions::new(row.res, row.num_classes)).unwrap();
        let cost = graph.cost();
        assert_eq!((cost.parameters, cost.flops), (row.params_exact, row.macs_exact), "{}", row.name);
        let chain: Vec<_> = graph
            .trunk_convs()
            .map(|conv| [conv.kernel, conv.in_channels, conv.out_channels, conv.stride, conv.groups])
            .collect();
        assert_eq!(chain, row.chain, "{}", row.name);
    }
}

#[test]
fn both_forms_agree() {
    let (mut taps, mut scratch) = (Taps::default(), Scratch::default());
    for row in rows() {
        let network = Network::parse(&row.structure).unwrap();
        // Squeeze-and-excitation and residual links are invisible to the score.
        let options = LowerOptions { squeeze_excite: true, ..LowerOptions::new(row.res, row.num_classes) };
        let graph = network.lower(&options).unwrap();
        assert_form(&row.name, &form1(&graph, &mut taps), &row.cf1, 1e-6);
        assert_form(&row.name, &form2(&graph), &row.cf2, 1e-8);
        for (proxy, expected, tolerance) in [
            ("zen-closed", row.cf1.b, 1e-6),
            ("zen-closed-released", row.cf1.a, 1e-6),
            ("zen-closed-map", row.cf2.b, 1e-8),
            ("zen-closed-map-released", row.cf2.a, 1e-8),
        ] {
            let score = find(proxy).unwrap().score(&graph, &Trial::NONE, &mut scratch).unwrap();
            assert!((score / expected - 1.0).abs() < tolerance, "{}: {proxy} {score} against {expected}", row.name);
        }
    }
}
