//! ONNX files of people who mean harm, or of broken disks: what the tests of their contents and of
//! their sizes have in common.

mod contents;
mod limits;

use onnx_protobuf::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, attribute_proto};
use protobuf::Message;
use zen_nas::onnx::import::{ImportError, ImportOptions, Imported, import_bytes};
use zen_nas::onnx::{ExportOptions, model_bytes};

use crate::onnx_cases::Golden;

fn model() -> Vec<u8> {
    let golden = Golden::load("idwe2k7");
    model_bytes(&golden.graph, &golden.weights(), &ExportOptions::default()).unwrap()
}

fn read(bytes: &[u8]) -> Result<Imported, ImportError> {
    import_bytes("net.onnx", bytes, &ImportOptions::default())
}

/// What reading a changed model gives.
fn changed(change: impl FnOnce(&mut GraphProto)) -> Result<Imported, ImportError> {
    let mut proto = ModelProto::parse_from_bytes(&model()).unwrap();
    change(proto.graph.as_mut().unwrap());
    read(&proto.write_to_bytes().unwrap())
}

/// What reading a changed model says.
fn error(change: impl FnOnce(&mut GraphProto)) -> String {
    changed(change).unwrap_err().to_string()
}

/// Whether a message holds all of `parts`.
#[track_caller]
fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is missing: {message}");
    }
    assert!(message.len() < 1000, "{} bytes: {message}", message.len());
}

fn node(operation: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    NodeProto {
        op_type: operation.to_owned(),
        name: format!("the_{operation}"),
        input: owned(inputs),
        output: owned(outputs),
        ..NodeProto::default()
    }
}

fn ints(name: &str, values: Vec<i64>) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        type_: attribute_proto::AttributeType::INTS.into(),
        ints: values,
        ..AttributeProto::default()
    }
}

fn tensor(name: &str, dims: &[i64], data_type: i32, raw_data: Vec<u8>) -> TensorProto {
    TensorProto { name: name.to_owned(), dims: dims.to_vec(), data_type, raw_data, ..TensorProto::default() }
}

/// Lets `node` read the graph's first node's output, and its own output be the graph's.
fn read_by(graph: &mut GraphProto, mut node: NodeProto) {
    node.input[0].clone_from(&graph.node[0].output[0]);
    graph.output[0].name.clone_from(&node.output[0]);
    graph.node.push(node);
}

/// Number and name of the first convolution.
fn convolution(graph: &GraphProto) -> (usize, String) {
    let place = graph.node.iter().position(|node| node.op_type == "Conv").unwrap();
    (place, graph.node[place].name.clone())
}

/// The weights of the node at `place`.
fn weights(graph: &mut GraphProto, place: usize) -> &mut TensorProto {
    let name = graph.node[place].input[1].clone();
    graph.initializer.iter_mut().find(|tensor| tensor.name == name).unwrap()
}

/// A model of one image that `nodes` turn into `out`.
fn network(nodes: Vec<NodeProto>, initializer: Vec<TensorProto>) -> Vec<u8> {
    let mut proto = ModelProto::parse_from_bytes(&model()).unwrap();
    let graph = proto.graph.as_mut().unwrap();
    graph.input[0].name = "image".to_owned();
    graph.output[0].name = "out".to_owned();
    graph.value_info.clear();
    (graph.node, graph.initializer) = (nodes, initializer);
    proto.write_to_bytes().unwrap()
}

/// A field of a message whose content has a length.
fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(content.len() + 12);
    for mut value in [u64::from(number << 3 | 2), content.len() as u64] {
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
    }
    bytes.extend_from_slice(content);
    bytes
}

/// Something of the whole model's graph.
fn changed_graph<T>(look: impl FnOnce(&GraphProto) -> T) -> T {
    look(ModelProto::parse_from_bytes(&model()).unwrap().graph.as_ref().unwrap())
}
