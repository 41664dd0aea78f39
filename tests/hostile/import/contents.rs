//! Files that are cut, changed at random, cyclic, of wrong types, or lie about what they hold: refused by
//! the name of node or tensor.

use onnx_protobuf::tensor_proto::DataLocation;
use onnx_protobuf::{GraphProto, TensorProto, attribute_proto};
use protobuf::Message;

use super::*;

#[test]
fn cut_files_are_refused() {
    let whole = model();
    for part in 0..50 {
        let cut = &whole[..whole.len() * part / 50];
        let error = read(cut).unwrap_err().to_string();
        assert!(error.starts_with("net.onnx"), "{part}: {error}");
    }
    for text in ["", "this is not a model\n", "<html><body>404</body></html>"] {
        says(&read(text.as_bytes()).unwrap_err().to_string(), &["net.onnx"]);
    }
}

#[test]
fn changed_bytes_never_panic() {
    let whole = model();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    for _ in 0..300 {
        let mut bytes = whole.clone();
        for _ in 0..1 + next() % 8 {
            let at = next() % bytes.len();
            bytes[at] = next() as u8;
        }
        // Whatever it says, it says it.
        let _ = read(&bytes);
    }
}

#[test]
fn circles_name_a_node_of_theirs() {
    let whole = error(|graph| {
        let last = graph.node.last().unwrap().output[0].clone();
        graph.node[0].input[0] = last;
    });
    says(&whole, &["net.onnx, node", "circle"]);
    let own = error(|graph| read_by(graph, node("Add", &["", "sum"], &["sum"])));
    says(&own, &["node the_Add (Add)", "circle"]);
    let pair = error(|graph| {
        graph.node.push(node("Sigmoid", &["sum"], &["gate"]));
        read_by(graph, node("Add", &["", "gate"], &["sum"]));
    });
    says(&pair, &["net.onnx, node the_", "circle"]);
}

#[test]
fn names_that_lead_nowhere_or_twice_are_named() {
    says(&error(|graph| graph.node[1].input[0] = "nowhere".to_owned()), &["node", "nowhere"]);
    says(&error(|graph| graph.node[1].output[0] = graph.node[0].output[0].clone()), &["node", "defined twice"]);
    says(&error(|graph| graph.output[0].name = "nowhere".to_owned()), &["comes from no node"]);
    let name = "n".repeat(1 << 20);
    says(&error(|graph| graph.node[1].input[0] = name), &["nnn…"]);
}

#[test]
fn sizes_that_cannot_be_are_refused_by_the_tensors_name() {
    for dimension in [i64::MAX, -1, 1 << 33] {
        let refusal = error(|graph| graph.initializer[0].dims[0] = dimension);
        assert!(refusal.starts_with("net.onnx, tensor `"), "{dimension}: {refusal}");
    }
    let (_, name) = changed_graph(convolution);
    let empty = error(|graph| {
        let (place, _) = convolution(graph);
        let weights = weights(graph, place);
        weights.dims[0] = 0;
        weights.raw_data.clear();
    });
    says(&empty, &[&format!("node {name} (Conv)"), "empty"]);
    // An empty dimension does not hide that the others are too many.
    let hidden = error(|graph| graph.initializer.push(tensor("hidden", &[0, 1 << 40, 1 << 40], 1, vec![])));
    says(&hidden, &["tensor `hidden`", "elements"]);
    let deep = error(|graph| graph.initializer.push(tensor("deep", &[1; 1000], 1, vec![0; 4])));
    says(&deep, &["tensor `deep`", "1000 dimensions"]);
}

#[test]
fn bytes_that_are_fewer_or_more_than_the_sizes_say_are_refused() {
    for (change, count) in [(-1_i64, "bytes"), (1, "bytes")] {
        let refusal = error(|graph| {
            let raw = &mut graph.initializer[0].raw_data;
            raw.resize((raw.len() as i64 + change) as usize, 0);
        });
        says(&refusal, &["tensor `", count, "follow"]);
    }
    // Declared, but nothing there at all.
    says(&error(|graph| graph.initializer[0].raw_data.clear()), &["tensor `", "but 0 follow"]);
    let listed = error(|graph| {
        graph.initializer[0].raw_data.clear();
        graph.initializer[0].float_data = vec![1.0; 3];
    });
    says(&listed, &["tensor `", "but 3 follow"]);
}

#[test]
fn elements_of_the_wrong_type_are_refused_by_name() {
    let (_, name) = changed_graph(convolution);
    let conv = format!("node {name} (Conv)");
    for (data_type, bytes, said) in [(7, 8, "int64"), (6, 4, "int32"), (9, 1, "bool"), (14, 8, "complex64")] {
        let refusal = error(|graph| {
            let (place, _) = convolution(graph);
            let weights = weights(graph, place);
            let elements = weights.dims.iter().product::<i64>() as usize;
            (weights.data_type, weights.raw_data) = (data_type, vec![0; bytes * elements]);
        });
        says(&refusal, &[&conv, said, "floats"]);
    }
    let strings = error(|graph| {
        let (place, _) = convolution(graph);
        weights(graph, place).data_type = 8;
    });
    says(&strings, &["tensor `", "strings"]);
    says(&error(|graph| graph.initializer[0].data_type = 99), &["tensor `", "element type 99"]);
    for (data_type, said) in [(8, "string"), (9, "bool")] {
        let image = error(|graph| {
            let value = graph.input[0].type_.as_mut().unwrap();
            value.mut_tensor_type().elem_type = data_type;
        });
        says(&image, &["tensor `image`", said]);
    }
    let shape = error(|graph| {
        graph.initializer.push(tensor("target", &[1], 1, (-1_f32).to_le_bytes().to_vec()));
        read_by(graph, node("Reshape", &["", "target"], &["flat"]));
    });
    says(&shape, &["node the_Reshape (Reshape)", "`target`", "floats"]);
    let attribute = error(|graph| {
        let (place, _) = convolution(graph);
        for attribute in &mut graph.node[place].attribute {
            attribute.type_ = attribute_proto::AttributeType::STRING.into();
        }
    });
    says(&attribute, &[&conv, "wrong type"]);
}

#[test]
fn weights_elsewhere_are_not_needed_but_sizes_elsewhere_are_refused() {
    let external = |tensor: &mut TensorProto| {
        tensor.raw_data.clear();
        tensor.data_location = DataLocation::EXTERNAL.into();
        let location = onnx_protobuf::StringStringEntryProto {
            key: "location".to_owned(),
            value: "../../nowhere.bin".to_owned(),
            ..Default::default()
        };
        tensor.external_data = vec![location];
    };
    let whole = read(&model()).unwrap().graph.cost();
    let without = changed(|graph| graph.initializer.iter_mut().for_each(external)).unwrap().graph.cost();
    assert_eq!((without.parameters, without.flops), (whole.parameters, whole.flops));
    let sizes = error(|graph| {
        let mut target = tensor("target", &[2], 7, vec![]);
        external(&mut target);
        graph.initializer.push(target);
        read_by(graph, node("Reshape", &["", "target"], &["flat"]));
    });
    says(&sizes, &["node the_Reshape (Reshape)", "`target`", "external data", "size_threshold"]);
}

#[test]
fn graphs_inside_graphs_are_refused_by_the_node_however_deep() {
    let mut bytes = GraphProto { name: "inner".to_owned(), ..GraphProto::default() }.write_to_bytes().unwrap();
    for _ in 0..2000 {
        // By hand: the library's own writer would nest as deep.
        let attribute = [field(1, b"then_branch"), field(6, &bytes), vec![0xa0, 0x01, 5]].concat();
        bytes = field(1, &[field(4, b"If"), field(5, &attribute)].concat());
    }
    let attribute = [field(1, b"body"), field(6, &bytes), vec![0xa0, 0x01, 5]].concat();
    let outer = [field(1, b"image"), field(2, b"out"), field(3, b"the_Loop"), field(4, b"Loop"), field(5, &attribute)];
    let graph = field(1, &outer.concat());
    // Merged into the model's own graph, as messages that stand twice are.
    let refusal = read(&[model(), field(7, &graph)].concat()).unwrap_err().to_string();
    says(&refusal, &["node the_Loop (Loop)", "`body`", "graph"]);

    // Groups, an old form that nests without lengths.
    let groups = [vec![0x0b; 100_000], vec![0x0c; 100_000]].concat();
    for inside in [groups.clone(), field(7, &groups), field(7, &field(11, &groups)), field(7, &field(1, &groups))] {
        says(&read(&[model(), inside].concat()).unwrap_err().to_string(), &["net.onnx is not a whole ONNX model"]);
    }
}
