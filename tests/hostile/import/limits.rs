//! Files that ask for much time or memory: bounded, whatever they ask for.

use std::fmt::Write;

use onnx_protobuf::FunctionProto;

use super::*;

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
        program.args(["import::limits::small_files_do_not_take_all_memory", "--exact", "--nocapture"]).env(FILE, &path);
        let output = program.output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{name}: {out}{err}");
        let said = out.lines().find(|line| line.starts_with("at most")).unwrap_or_default();
        eprintln!("{name}, {} MB: {said}", bytes.len() >> 20);
        assert!(said.contains(name) && said.len() < 1000, "{name}: {said}");
    }
}
