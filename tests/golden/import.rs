//! Exported networks read back: the graph, seen by cost and fusion, is the one they were written from.

use onnx_protobuf::attribute_proto::AttributeType;
use onnx_protobuf::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto};
use protobuf::Message;
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
            assert!(!imported.is_quantised && imported.opset == Some(17), "{name}");
        }
    }
}

/// A golden network with its first convolution and the activation behind it changed, read again.
fn changed(change: impl FnOnce(&mut GraphProto, usize, usize)) -> Graph {
    let golden = Golden::load("k3k3");
    let bytes = model_bytes(&golden.graph, &golden.weights(), &ExportOptions::default()).unwrap();
    let mut model = ModelProto::parse_from_bytes(&bytes).unwrap();
    let graph = model.graph.as_mut().unwrap();
    let conv = graph.node.iter().position(|node| node.op_type == "Conv").unwrap();
    let relu = graph.node.iter().position(|node| node.input.contains(&graph.node[conv].output[0])).unwrap();
    change(graph, conv, relu);
    let bytes = model.write_to_bytes().unwrap();
    import_bytes("changed", &bytes, &ImportOptions::default()).unwrap().graph
}

#[test]
fn a_factor_for_each_channel_is_part_of_its_convolution() {
    let plain = changed(|_, _, _| ());
    let mut channels = 0;
    let scaled = changed(|graph, conv, relu| {
        let weights = graph.node[conv].input[1].clone();
        channels = graph.initializer.iter().find(|tensor| tensor.name == weights).unwrap().dims[0];
        graph.initializer.push(TensorProto {
            name: "gamma".to_owned(),
            dims: vec![channels, 1, 1],
            data_type: 1,
            raw_data: [0.5f32; 64].iter().take(channels as usize).flat_map(|value| value.to_le_bytes()).collect(),
            ..TensorProto::default()
        });
        let scale = NodeProto {
            op_type: "Mul".to_owned(),
            name: "layer_scale".to_owned(),
            input: vec![graph.node[conv].output[0].clone(), "gamma".to_owned()],
            output: vec!["scaled".to_owned()],
            ..NodeProto::default()
        };
        graph.node[relu].input[0] = "scaled".to_owned();
        graph.node.insert(relu, scale);
    });
    assert_eq!(keys(&scaled), keys(&plain));
    assert_eq!(scaled.cost().parameters, plain.cost().parameters + channels as u64);
}

#[test]
fn an_activation_inside_a_convolution_is_counted() {
    let plain = changed(|_, _, _| ());
    let fused = changed(|graph, conv, relu| {
        let node = &mut graph.node[conv];
        (node.op_type, node.domain) = ("FusedConv".to_owned(), "com.microsoft".to_owned());
        node.attribute.push(AttributeProto {
            name: "activation".to_owned(),
            type_: AttributeType::STRING.into(),
            s: b"Relu".to_vec(),
            ..AttributeProto::default()
        });
        graph.node[relu].op_type = "Identity".to_owned();
    });
    assert_eq!(keys(&fused), keys(&plain));
    assert_eq!(fused.cost(), plain.cost());
}

#[test]
fn one_slope_for_all_channels_is_an_activation_with_one_parameter() {
    let plain = changed(|_, _, _| ());
    let sloped = changed(|graph, _, relu| {
        graph.node[relu].op_type = "PRelu".to_owned();
        graph.node[relu].input.push("slope".to_owned());
        graph.initializer.push(TensorProto {
            name: "slope".to_owned(),
            dims: vec![1],
            data_type: 1,
            float_data: vec![0.25],
            ..TensorProto::default()
        });
    });
    assert_eq!(sloped.cost().parameters, plain.cost().parameters + 1);
    let shape = plain.operators().iter().find(|o| matches!(o.kind, OperatorKind::Conv { .. })).unwrap().shape;
    let alone = format!("elementwise {} @{}x{} +prelu", shape.channels, shape.height, shape.width);
    assert_eq!(keys(&sloped)[1], alone);
}

#[test]
fn patches_are_timed_as_what_they_are() {
    // A kernel of 2 with stride 2 halves the map exactly; one of 2 with stride 1 does not keep it.
    for (stride, approximation) in [(2, None), (1, Some("padding that is not"))] {
        let graph = changed(|graph, conv, _| {
            let weights = graph.node[conv].input[1].clone();
            let tensor = graph.initializer.iter_mut().find(|tensor| tensor.name == weights).unwrap();
            (tensor.dims[2], tensor.dims[3]) = (2, 2);
            let values: usize = tensor.dims.iter().product::<i64>() as usize;
            (tensor.raw_data, tensor.float_data) = (Vec::new(), vec![0.5; values]);
            for attribute in &mut graph.node[conv].attribute {
                match attribute.name.as_str() {
                    "kernel_shape" => attribute.ints = vec![2, 2],
                    "strides" => attribute.ints = vec![stride, stride],
                    "pads" => attribute.ints = vec![0; 4],
                    _ => {}
                }
            }
            // Only the convolution is of interest.
            let output = graph.node[conv].output[0].clone();
            graph.output[0].name = output;
        });
        let foreign = graph.operators().iter().find_map(|operator| match operator.kind {
            OperatorKind::Foreign(id) => Some(graph.foreign(id)),
            _ => None,
        });
        let found = foreign.unwrap().approximation;
        assert_eq!(found.is_some(), approximation.is_some(), "{stride}: {found:?}");
        assert!(found.zip(approximation).is_none_or(|(found, part)| found.contains(part)), "{found:?}");
    }
}
