//! Published networks by name, for the benchmarks.

use zen_nas::net::{Graph, LowerOptions, Network};

/// The network of that name in `tests/data/networks.csv`, without links and gates, as it is scored; with the height
/// and width of its image in pixels.
pub fn vanilla(name: &str) -> (Graph, u32) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/networks.csv");
    let mut reader = csv::Reader::from_path(path).expect("tests/data/networks.csv");
    let row = reader.records().map(|row| row.expect("a row")).find(|row| row[0].starts_with(name));
    let row = row.unwrap_or_else(|| panic!("tests/data/networks.csv has no {name}"));
    let resolution = row[2].parse().expect("a resolution");
    let network = Network::parse(&row[1]).expect("a structure");
    let graph = network.lower(&LowerOptions::new(resolution, 10)).expect("a published network lowers");
    (graph.vanilla(), resolution)
}
