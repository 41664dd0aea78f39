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
