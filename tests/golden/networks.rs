//! The published networks: structures, parameters, FLOPs.

use zen_nas::net::{Graph, LowerOptions, Network, OperatorKind};

#[derive(Debug, serde::Deserialize)]
struct Row {
    name: String,
    structure: String,
    resolution: u32,
    classes: u32,
    se: u8,
    params_published: String,
    flops_published: String,
}

fn rows() -> Vec<Row> {
    let mut reader = csv::Reader::from_path("tests/data/networks.csv").unwrap();
    reader.deserialize().collect::<Result<_, _>>().unwrap()
}

fn lower(row: &Row, options: LowerOptions) -> Graph {
    Network::parse(&row.structure).unwrap().lower(&options).unwrap()
}

/// `1.7B`, `410M` as a number.
fn published(text: &str) -> f64 {
    let (digits, factor) = match text.chars().last() {
        Some('M') => (text.trim_end_matches('M'), 1e6),
        Some('B') => (text.trim_end_matches('B'), 1e9),
        _ => (text, 1.0),
    };
    digits.parse::<f64>().unwrap() * factor
}

/// As the published tool counts: multiply-adds, two for each batch-norm output element, one for
/// each element that a projection bias is added to.
fn published_flops(graph: &Graph) -> u64 {
    let extra: u64 = graph
        .operators()
        .iter()
        .map(|operator| match operator.kind {
            OperatorKind::BatchNorm => 2 * operator.shape.elements(),
            OperatorKind::Conv { bias: true, .. } => operator.shape.elements(),
            _ => 0,
        })
        .sum();
    graph.cost().flops + extra
}

fn assert_within_1_percent(row: &Row, what: &str, value: f64, text: &str) {
    assert!((value / published(text) - 1.0).abs() < 0.01, "{}: {what} {value} against {text}", row.name);
}

#[test]
fn structures_print_back() {
    let rows = rows();
    assert_eq!(rows.len(), 15);
    for row in rows {
        assert_eq!(Network::parse(&row.structure).unwrap().to_string(), row.structure, "{}", row.name);
    }
}

#[test]
fn published_parameters() {
    for row in rows() {
        // The CIFAR-100 rows repeat the figures for 10 classes.
        let classes = if row.classes == 100 { 10 } else { row.classes };
        // The 400M and 600M rows are printed without the weights of squeeze-and-excitation.
        let squeeze_excite = row.se == 1 && row.name.contains("flops900M");
        let graph = lower(&row, LowerOptions { squeeze_excite, ..LowerOptions::new(row.resolution, classes) });
        assert_within_1_percent(&row, "parameters", graph.cost().parameters as f64, &row.params_published);
    }
}

#[test]
fn published_parameters_exactly() {
    for (name, squeeze_excite, parameters) in [
        ("flops400M", false, 5_698_208),
        ("flops400M", true, 7_466_024),
        ("flops600M", false, 7_125_944),
        ("flops600M", true, 11_311_664),
        ("flops900M", true, 19_351_644),
        ("flops900M", false, 13_300_208),
    ] {
        let row = rows().into_iter().find(|row| row.name.contains(name)).unwrap();
        let options = LowerOptions { squeeze_excite, ..LowerOptions::new(row.resolution, row.classes) };
        assert_eq!(lower(&row, options).cost().parameters, parameters, "{name}");
    }
}

#[test]
fn published_flops_as_published() {
    for row in rows() {
        let classes = if row.classes == 100 { 10 } else { row.classes };
        let options = LowerOptions { squeeze_excite: row.se == 1, ..LowerOptions::new(row.resolution, classes) };
        let flops = published_flops(&lower(&row, options)) as f64;
        // Two rows are cut instead of rounded: 1.76 to 1.7 and 4.88 to 4.8 G.
        if row.name.contains("latency01ms") || row.name.contains("latency03ms") {
            let cut = (flops / 1e8).floor() / 10.0;
            assert_eq!(format!("{cut:.1}B"), row.flops_published, "{}", row.name);
            continue;
        }
        assert_within_1_percent(&row, "FLOPs", flops, &row.flops_published);
    }
}
