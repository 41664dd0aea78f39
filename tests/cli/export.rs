//! `zen-export`: a file that was checked, or none.

use crate::program::Place;

const SMALL: &str = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)";

#[test]
fn writes_a_checked_file_with_its_metadata() {
    let place = Place::new();
    let ended = place.done("zen-export", &format!("{SMALL} --resolution 32 --classes 10 --device t4 --json -o a.onnx"));
    let value = ended.json();
    assert_eq!(value["structure"], SMALL);
    assert_eq!(value["export"]["verified"]["runtime"], "tract");
    let bytes = std::fs::read(place.file("a.onnx")).unwrap();
    assert_eq!(value["export"]["bytes"], bytes.len());
    for part in [SMALL, "t4/tensorrt/int8/b1", "predicted_latency_ms"] {
        assert!(bytes.windows(part.len()).any(|window| window == part.as_bytes()), "{part}");
    }
    // The same seed writes the same bytes, another one does not.
    place.done("zen-export", &format!("{SMALL} --resolution 32 --classes 10 --device t4 -o b.onnx"));
    assert_eq!(std::fs::read(place.file("b.onnx")).unwrap(), bytes);
    place.done("zen-export", &format!("{SMALL} --resolution 32 --classes 10 --device t4 --seed 1 -o c.onnx"));
    assert_ne!(std::fs::read(place.file("c.onnx")).unwrap(), bytes);
}

#[test]
fn golden_weights_from_a_file() {
    let place = Place::new();
    let golden = std::env::current_dir().unwrap().join("tests/data/golden");
    let description: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(golden.join("k3k3.json")).unwrap()).unwrap();
    let structure = description["struct"].as_str().unwrap();
    place.write("s.txt", structure);
    let weights = golden.join("k3k3.eval.safetensors");
    let options = format!("--resolution 16 --classes 10 --weights {} -o k.onnx", weights.display());
    // The file also holds the input and the expected results, which are no weights.
    place.fails("zen-export", &format!("s.txt {options}"), 3, &["input", "expect.logits"]);
    assert!(!place.file("k.onnx").exists());
}

#[test]
fn modules_and_initial_weights_for_pytorch() {
    let place = Place::new();
    let network = format!("{SMALL} --resolution 32 --classes 10");
    let value =
        place.done("zen-export", &format!("{network} --device t4 --json -o n.py --init-weights w.safetensors")).json();
    assert_eq!(value["structure"], SMALL);
    assert_eq!(value["module"]["bytes"], std::fs::read(place.file("n.py")).unwrap().len());
    assert_eq!(value["initial_weights"]["tensors"], 23);
    assert_eq!(value["latency"]["setting"]["device"], "t4");
    let module = place.text("n.py");
    assert!(module.contains("RESOLUTION = 32\nCLASSES = 10\nSQUEEZE_EXCITE = False\n"), "{module}");
    assert!(module.contains(&format!("{} parameters", value["module"]["parameters"])), "{module}");

    // Weights alone, weights beside an ONNX file, and the same file from both.
    place.done("zen-export", &format!("{network} --seed 4 --init-weights a.safetensors"));
    place.done("zen-export", &format!("{network} --seed 4 --init-weights b.safetensors -o a.onnx"));
    place.done("zen-export", &format!("{network} --weights a.safetensors -o b.onnx"));
    let read = |name: &str| std::fs::read(place.file(name)).unwrap();
    assert_eq!(read("a.safetensors"), read("b.safetensors"));
    assert_ne!(read("a.safetensors"), read("w.safetensors"));
    let graph = |name: &str| {
        let model: onnx_protobuf::ModelProto = onnx_protobuf::Message::parse_from_bytes(&read(name)).unwrap();
        model.graph
    };
    assert_eq!(graph("a.onnx"), graph("b.onnx"));
    // The name of the file decides, unless the format is said.
    place.done("zen-export", &format!("{network} --format pytorch -o module"));
    assert_eq!(place.text("module"), module);
    place.done("zen-export", &format!("{network} --format onnx -o c.py"));
    assert!(place.file("c.py").exists());

    for wrong in
        ["--batch 1 -o x.py", "--weights a.safetensors -o x.py", "--seed 1 -o x.py", "--precision fp16 -o x.py"]
    {
        place.fails("zen-export", &format!("{network} {wrong}"), 2, &[&wrong[..wrong.find(' ').unwrap()]]);
    }
    place.fails(
        "zen-export",
        &format!("{network} --weights a.safetensors --init-weights x -o x.onnx"),
        2,
        &["--weights"],
    );
    place.fails("zen-export", &network, 2, &["--output"]);
    place.fails("zen-export", &format!("{network} -o missing/x.py"), 3, &["cannot write missing/x.py"]);
    assert!(!place.file("x.py").exists() && !place.file("x.onnx").exists());
}
