//! Exported networks read back: the graph, seen by cost and fusion, is the one they were written from.

use zen_nas::latency::Fuser;
use zen_nas::net::{Graph, OperatorKind};
use zen_nas::onnx::import::{ImportOptions, import_bytes};
use zen_nas::onnx::{Batch, ExportOptions, model_bytes};

use crate::onnx_cases::{Golden, NETWORKS};

fn keys(graph: &Graph) -> Vec<String> {
    Fuser::default().fuse(graph).iter().map(ToString::to_string).collect()
}

/// Trained values of the file: every convolution has its batch norm as a bias.
fn folded_parameters(graph: &Graph) -> u64 {
    let cost = graph.cost().parameters;
    graph.operators().iter().fold(cost, |sum, operator| {
        let channels = u64::from(operator.shape.channels);
        match operator.kind {
            OperatorKind::BatchNorm => sum - 2 * channels,
            OperatorKind::Conv { bias: false, .. } => sum + channels,
            _ => sum,
        }
    })
}

#[test]
fn the_golden_networks_come_back_as_they_were() {
    for name in NETWORKS {
        let golden = Golden::load(name);
        for batch in [Batch::Symbolic, Batch::Fixed(2)] {
            let options = ExportOptions { batch, ..ExportOptions::default() };
            let bytes = model_bytes(&golden.graph, &golden.weights(), &options).unwrap();
            let imported = import_bytes(name, &bytes, &ImportOptions::default()).unwrap();
            assert_eq!(keys(&imported.graph), keys(&golden.graph), "{name} {batch:?}");
            let (found, written) = (imported.graph.cost(), golden.graph.cost());
            assert_eq!(found.flops, written.flops, "{name}");
            assert_eq!(found.parameters, folded_parameters(&golden.graph), "{name}");
            assert_eq!(imported.input, golden.graph.operators()[0].shape, "{name}");
            assert!(!imported.is_quantised && imported.opset == 17, "{name}");
        }
    }
}
