//! ONNX files that are cut, changed at random, cyclic, huge or lie about what they hold.

use std::fmt::Write;

use onnx_protobuf::tensor_proto::DataLocation;
use onnx_protobuf::{AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, attribute_proto};
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

#[test]
fn a_long_chain_is_read_and_a_longer_one_refused() {
    let chain = |count: usize| {
        let (mut bytes, mut last) = (Vec::new(), "image".to_owned());
        for place in 0..count {
            let mut next = "out".to_owned();
            if place + 1 < count {
                next.clear();
                write!(next, "{place}").unwrap();
            }
            let parts = [field(1, last.as_bytes()), field(2, next.as_bytes()), field(4, b"Tanh")];
            bytes.extend(field(1, &parts.concat()));
            last = next;
        }
        [network(vec![], vec![]), field(7, &bytes)].concat()
    };
    assert_eq!(read(&chain(100_000)).unwrap().graph.operators().len(), 100_001);
    says(&read(&chain(1_000_000)).unwrap_err().to_string(), &["net.onnx", "more than 200000 nodes"]);
}

#[test]
fn many_ends_of_one_node_are_bounded() {
    let names: Vec<String> = (0..20_000).map(|place| format!("o{place}")).collect();
    let mut many = node("Mystery", &[], &[]);
    many.input = vec!["image".to_owned(); 20_000];
    many.output.clone_from(&names);
    let mut join = node("Concat", &[], &["out"]);
    join.input = names;
    says(&read(&network(vec![many, join], vec![])).unwrap_err().to_string(), &["node the_Mystery (Mystery)", "pairs"]);

    // What does not fit is told in a line.
    let mut sum = node("Sum", &[], &["out"]);
    sum.input = vec!["image".to_owned(); 100_000];
    sum.input[99_999] = "odd".to_owned();
    let odd = tensor("odd", &[7], 1, vec![0; 28]);
    says(&read(&network(vec![sum], vec![odd])).unwrap_err().to_string(), &["node the_Sum (Sum)", "more"]);
    for (operation, attribute) in [("Transpose", "perm"), ("Conv", "strides"), ("MaxPool", "kernel_shape")] {
        let mut long = node(operation, &["image", "weights"], &["out"]);
        long.attribute.push(ints(attribute, vec![1; 100_000]));
        let weights = tensor("weights", &[8, 3, 3, 3], 1, vec![0; 8 * 27 * 4]);
        let refusal = read(&network(vec![long], vec![weights])).unwrap_err().to_string();
        says(&refusal, &[&format!("node the_{operation} ({operation})")]);
    }
    let functions = |model: &mut ModelProto| {
        model.functions = (0..50_000)
            .map(|place| FunctionProto { name: format!("f{place}"), domain: "own".to_owned(), ..Default::default() })
            .collect();
    };
    let mut proto = ModelProto::parse_from_bytes(&model()).unwrap();
    functions(&mut proto);
    let call = NodeProto { domain: "own".to_owned(), ..node("f49999", &[""], &["called"]) };
    read_by(proto.graph.as_mut().unwrap(), call);
    let refusal = read(&proto.write_to_bytes().unwrap()).unwrap_err().to_string();
    says(&refusal, &["node the_f49999 (own:f49999)", "inline"]);
}

#[test]
fn constants_that_grow_are_bounded() {
    let large = 1_i64 << 31;
    let number = |name: &str, values: &[i64]| {
        tensor(name, &[values.len() as i64], 7, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    };
    let made = |operation: &str, second: TensorProto| {
        let zeros = node("ConstantOfShape", &["sizes"], &["zeros"]);
        let grown = node(operation, &["zeros", "second"], &["grown"]);
        let sum = node("Add", &["image", "grown"], &["out"]);
        network(vec![zeros, grown, sum], vec![number("sizes", &[large, 1]), second])
    };
    let expanded = read(&made("Expand", number("second", &[large, large]))).unwrap_err().to_string();
    says(&expanded, &["node the_Expand (Expand)", "elements"]);
    let tiled = read(&made("Tile", number("second", &[large, 1]))).unwrap_err().to_string();
    says(&tiled, &["node the_Tile (Tile)", "elements"]);

    let transposed = node("ConvTranspose", &["nothing", "weights"], &["grown"]);
    let sum = node("Add", &["image", "grown"], &["out"]);
    let tensors = vec![tensor("nothing", &[1, 3, 0, 0], 1, vec![]), tensor("weights", &[3, 8, 2, 2], 1, vec![0; 384])];
    says(
        &read(&network(vec![transposed, sum], tensors)).unwrap_err().to_string(),
        &["node the_ConvTranspose (ConvTranspose)", "empty"],
    );
}

/// File that the test below reads when it runs as a program of its own.
#[cfg(target_os = "linux")]
const FILE: &str = "ZEN_NAS_HOSTILE_FILE";

/// Files of the most messages that are still decoded, all of which take more memory than bytes, and of more.
#[cfg(target_os = "linux")]
#[test]
fn small_files_do_not_take_all_memory() {
    use std::process::Command;

    const MOST_BYTES: u64 = 512 << 20;
    if let Some(path) = std::env::var_os(FILE) {
        let said = zen_nas::onnx::import::import(path.as_ref()).unwrap_err();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")).unwrap();
        println!("at most {} MB: {said}", peak.parse::<u64>().unwrap() >> 10);
        assert!(peak.parse::<u64>().unwrap() << 10 < MOST_BYTES);
        return;
    }
    let attribute = |content: Vec<u8>| field(1, &[field(2, b"out"), field(4, b"Tanh"), content].concat());
    let description = |dimensions: usize| {
        [field(1, b"image"), field(2, &field(1, &field(2, &field(1, b"").repeat(dimensions))))].concat()
    };
    let bombs = [
        ("nodes", field(1, b"").repeat(199_999)),
        ("too many nodes", field(1, b"").repeat(5_000_000)),
        ("inputs", field(1, &field(1, b"").repeat(3_900_000))),
        ("attributes", attribute(field(5, b"").repeat(999_000))),
        ("too many attributes", attribute(field(5, b"").repeat(3_900_000))),
        ("numbers", attribute(field(5, &field(8, &vec![1; 16_700_000])))),
        ("too many numbers", attribute(field(5, &field(8, &vec![1; 50_000_000])))),
        ("tensors", field(5, b"").repeat(799_000)),
        ("too many tensors", field(5, b"").repeat(5_000_000)),
        ("dimensions", field(11, &description(8_300_000))),
        ("too many dimensions", field(11, &description(20_000_000))),
        ("text", field(1, &field(1, &vec![b'n'; 50_000_000]))),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, graph) in bombs {
        let path = folder.path().join(name);
        let bytes = [network(vec![], vec![]), field(7, &graph)].concat();
        std::fs::write(&path, &bytes).unwrap();
        let mut program = Command::new(std::env::current_exe().unwrap());
        program.args(["import::small_files_do_not_take_all_memory", "--exact", "--nocapture"]).env(FILE, &path);
        let output = program.output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{name}: {out}{err}");
        let said = out.lines().find(|line| line.starts_with("at most")).unwrap_or_default();
        eprintln!("{name}, {} MB: {said}", bytes.len() >> 20);
        assert!(said.contains(name) && said.len() < 1000, "{name}: {said}");
    }
}

/// Something of the whole model's graph.
fn changed_graph<T>(look: impl FnOnce(&GraphProto) -> T) -> T {
    look(ModelProto::parse_from_bytes(&model()).unwrap().graph.as_ref().unwrap())
}
