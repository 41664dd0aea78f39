//! `zen-export`: a file that was checked, or none.

#[cfg(unix)]
use zen_nas::onnx::weights::required_tensors;

#[cfg(unix)]
use crate::peak_memory::peak_bytes;
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
    for part in [SMALL, "t4/tensorrt/fp16/b1", "predicted_latency_ms"] {
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

/// Writes the golden k3k3 network, its checkpoint as both formats, and labels.
fn trained(place: &Place) {
    let golden = std::env::current_dir().unwrap().join("tests/data/golden");
    let text = std::fs::read_to_string(golden.join("k3k3.json")).unwrap();
    let description: serde_json::Value = serde_json::from_str(&text).unwrap();
    place.write("best.txt", description["struct"].as_str().unwrap());
    place.write("checkpoint.pth", std::fs::read(golden.join("k3k3.pth")).unwrap());
    let bytes = std::fs::read(golden.join("k3k3.eval.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let weights = file.iter().filter(|(name, _)| !name.starts_with("expect.") && *name != "input");
    safetensors::serialize_to_file(weights, None, &place.file("trained.safetensors")).unwrap();
    let labels: Vec<_> = (0..10).map(|class| format!("class {class}\n")).collect();
    place.write("names.txt", labels.concat());
}

#[test]
fn the_commands_of_the_guide() {
    let place = Place::new();
    trained(&place);
    let guide = std::fs::read_to_string("docs/guide/export.md").unwrap();
    let commands: Vec<_> = guide.lines().filter_map(|line| line.strip_prefix("    zen-export ")).collect();
    assert!(commands.len() >= 7);
    for command in commands {
        if cfg!(feature = "candle") || !command.contains(".pth") {
            place.done("zen-export", command);
        }
    }
}

#[test]
fn forms_are_told_in_the_metadata() {
    let place = Place::new();
    trained(&place);
    let weights = "best.txt --weights trained.safetensors --classes 10 --resolution 16";
    place.done(
        "zen-export",
        &format!("{weights} --precision fp16 --input uint8-nhwc --normalize cifar --labels names.txt -o a.onnx"),
    );
    let bytes = std::fs::read(place.file("a.onnx")).unwrap();
    for part in ["fp16", "uint8-nhwc", r#"["class 0","class 1","#, r#""mean":[0.4914,"#, "io_mean", "io_half"] {
        assert!(bytes.windows(part.len()).any(|window| window == part.as_bytes()), "{part}");
    }
    place.write("nine.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\n");
    for (options, code, part) in [
        ("--labels nine.txt", 3, "9 labels for 10 classes"),
        ("--labels missing.txt", 3, "missing.txt"),
        ("--normalize 0.5/0.5", 3, "1 means and 1 deviations for 3 channels"),
        ("--normalize 0.5,0.5,0.5/0,1,1", 3, "0 is not positive"),
        ("--normalize coco", 2, "imagenet or cifar"),
        ("--normalize-as weights", 2, "folded, nodes"),
        ("--input uint8", 2, "float-nchw, uint8-nhwc"),
        ("--precision fp16 --fp16-io --precision fp32", 2, "--precision"),
        ("--precision fp32 --fp16-io", 3, "not in fp32"),
        ("--precision fp8", 2, "fp32, fp16, int8"),
        ("--precision int8 --fp16-io", 3, "not in int8"),
        ("--precision int8 --calibration missing", 3, "cannot read calibration images from missing"),
        ("--precision int8 --calibration names.txt", 3, "a folder of PNG and JPEG files"),
        ("--precision int8 --calibration-method mean", 2, "min-max, percentile, entropy"),
        ("--precision int8 --quantized-for tflite", 2, "onnxruntime, tensorrt"),
        ("--precision fp16 --calibration names.txt", 2, "--calibration is for --precision int8"),
        ("--report r.json", 2, "--report is for --precision int8"),
    ] {
        place.fails("zen-export", &format!("{weights} {options} -o b.onnx"), code, &[part]);
        assert!(!place.file("b.onnx").exists());
    }
}

/// A PNG file of soft waves, other ones for other numbers.
fn png(number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 24, 20);
    encoder.set_color(png::ColorType::Rgb);
    let value = |at: u32| 127.0 + 120.0 * ((at * (number + 3)) as f32 / 40.0).sin();
    let pixels: Vec<u8> = (0..24 * 20 * 3).map(|at| value(at) as u8).collect();
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    bytes
}

/// Signal-to-noise ratio of each layer of a report, in decibels.
fn noise(report: &serde_json::Value) -> Vec<f64> {
    report["layers"].as_array().unwrap().iter().map(|layer| layer["snr_db"].as_f64().unwrap()).collect()
}

#[test]
fn int8_with_its_report() {
    let place = Place::new();
    trained(&place);
    std::fs::create_dir_all(place.file("photos/cats")).unwrap();
    for number in 0..12 {
        place.write(&format!("photos/cats/{number}.png"), png(number));
    }
    let weights = "best.txt --weights trained.safetensors --classes 10 --resolution 16 --precision int8";
    let given = format!("{weights} --calibration photos --calibration-method percentile --report r.json");
    let ended = place.done("zen-export", &format!("{given} --json -o a.onnx"));
    let value = ended.json();
    let report = &value["export"]["quantization"];
    let written: serde_json::Value = serde_json::from_str(&place.text("r.json")).unwrap();
    assert_eq!(noise(&written), noise(report));
    assert!(noise(report).iter().all(|decibels| *decibels > 10.0));
    assert_eq!((&report["calibration"], &report["images"]), (&"images".into(), &12.into()));
    assert_eq!((&report["method"], &report["quantized_for"]), (&"percentile".into(), &"onnxruntime".into()));
    assert_eq!(report["layers"][0]["tensor"], "image");
    assert!(report["logits_cosine"].as_f64().unwrap() > 0.99);
    assert_eq!(report["top1_agreement"].as_f64().unwrap(), report["top1_agreeing"].as_f64().unwrap() / 12.0);
    assert!(ended.stderr.contains("normalised as for ImageNet"), "{}", ended.stderr);
    let bytes = std::fs::read(place.file("a.onnx")).unwrap();
    let holds = |part: &str| bytes.windows(part.len()).any(|window| window == part.as_bytes());
    assert!(holds("calibration_images") && holds("QuantizeLinear"));
    assert!(!holds("photos"), "no path goes into a model");

    let text = place.done("zen-export", &format!("{given} --quantized-for tensorrt -o b.onnx")).stdout;
    for part in ["SNR dB", "GlobalAveragePool", "12 images, percentile", "integers for", "the same class as fp32 on"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let ended = place.done("zen-export", &format!("{weights} --quiet -o c.onnx"));
    assert!(ended.stderr.contains("WARNING: calibrated on RANDOM inputs"), "{}", ended.stderr);
    assert!(ended.stdout.contains("16 RANDOM INPUTS"), "{}", ended.stdout);

    place.write("photos/cats/13.png", &png(13)[..200]);
    place.fails("zen-export", &format!("{given} -o d.onnx"), 3, &["13.png", "cannot be read"]);
    std::fs::create_dir(place.file("empty")).unwrap();
    place.fails("zen-export", &format!("{weights} --calibration empty -o d.onnx"), 3, &["empty", "holds no .png"]);
    assert!(!place.file("d.onnx").exists());
}

/// The weights of a network of some size may be in memory three times, not more.
#[cfg(unix)]
#[test]
fn memory_is_bounded_by_the_weights() {
    use std::process::Stdio;

    use zen_nas::net::{LowerOptions, Network};

    // 57M parameters: what the program takes besides weights is small beside them.
    let structure = "SuperConvK3BNRELU(3,16,2,1)SuperConvK3BNRELU(16,1024,2,1)SuperConvK3BNRELU(1024,2048,2,2)";
    let graph = Network::parse(structure).unwrap().lower(&LowerOptions::new(32, 100)).unwrap();
    let weight_bytes: u64 = required_tensors(&graph).iter().map(|spec| 4 * spec.elements()).sum();
    assert!(weight_bytes > 200_000_000);
    let place = Place::new();
    let options = format!("{structure} --resolution 32 --classes 100 -o a.onnx");
    let (peak, code) = peak_bytes(place.command("zen-export", &options).stdout(Stdio::null()));
    assert_eq!(code, 0);
    assert!(peak <= 3 * weight_bytes, "{peak} bytes for {weight_bytes} of weights");
}

/// Files of a kilobyte that ask for terabytes.
#[cfg(unix)]
#[test]
fn weight_files_that_lie_take_no_memory() {
    use std::process::Stdio;

    let place = Place::new();
    let header = r#"{"a":{"dtype":"F32","shape":[1000000,1000000],"data_offsets":[0,4000000000000]}}"#;
    place.write("huge.safetensors", [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 64]].concat());
    place.write("long.safetensors", u64::MAX.to_le_bytes().repeat(100));
    let mut files = vec!["huge.safetensors", "long.safetensors"];
    files.extend(bomb(&place));
    for file in files {
        let mut command = place.command("zen-export", &format!("{SMALL} --weights {file} -o a.onnx"));
        let (peak, code) = peak_bytes(command.stderr(Stdio::null()));
        assert_eq!(code, 3, "{file}");
        assert!(peak < 256 << 20, "{file}: {peak} bytes");
    }
}

/// Two to the power of forty empty tuples in a checkpoint.
#[cfg(all(unix, feature = "candle"))]
fn bomb(place: &Place) -> Option<&'static str> {
    use std::io::Write;

    let pickle = [b"\x80\x02)q\x00".to_vec(), b"h\x00h\x00\x86q\x00".repeat(40), b".".to_vec()].concat();
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    archive.start_file("archive/data.pkl", options).unwrap();
    archive.write_all(&pickle).unwrap();
    place.write("bomb.pth", archive.finish().unwrap().into_inner());
    Some("bomb.pth")
}

#[cfg(all(unix, not(feature = "candle")))]
fn bomb(_: &Place) -> Option<&'static str> {
    None
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
