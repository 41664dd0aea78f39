//! `zen-export -o x.tflite`, of structures and of ONNX files; and names of files that are not written.

use onnx_protobuf::ModelProto;
use protobuf::Message;

use crate::program::Place;

const SMALL: &str = "SuperConvK3BNRELU(3,8,2,1)SuperResIDWE2K3(8,16,2,8,1)";

#[test]
fn of_a_structure_and_of_an_onnx_file() {
    let place = Place::new();
    let network = format!("{SMALL} --resolution 32 --classes 10");
    let ended = place.done("zen-export", &format!("{network} -o a.tflite --json"));
    let value = ended.json();
    let bytes = std::fs::read(place.file("a.tflite")).unwrap();
    assert_eq!(&bytes[4..8], b"TFL3");
    assert_eq!((&value["structure"], &value["export"]["bytes"]), (&SMALL.into(), &bytes.len().into()));
    assert_eq!(value["export"]["verified"]["runtime"], "tract");
    // The same network by way of its ONNX file, whose nodes have the same names: other metadata only.
    place.done("zen-export", &format!("{network} -o a.onnx"));
    let ended = place.done("zen-export", "a.onnx -o b.tflite --json");
    let of_onnx = ended.json();
    assert_eq!(of_onnx["export"]["operators"], value["export"]["operators"]);
    let ended = place.done("zen-export", "a.onnx -o c.tflite --precision fp16 --batch 1");
    assert!(
        ended.stdout.contains("fp16 (weights") && ended.stdout.contains("in tract its outputs differ"),
        "{ended:?}"
    );
    let half = std::fs::read(place.file("c.tflite")).unwrap();
    assert!(half.len() < bytes.len());
    // Any name, where the kind is said.
    place.done("zen-export", &format!("{network} -o model.lite --format litert --softmax --input uint8-nhwc"));
}

#[test]
fn what_is_not_written_is_named() {
    let place = Place::new();
    let network = format!("{SMALL} --resolution 32 --classes 10");
    for (name, part) in [
        ("a.mlpackage", "coremltools"),
        ("a.param", "pnnx"),
        ("a.engine", "trtexec"),
        ("a.pt", "network.py"),
        ("a.TFLITE.xyz", "the ending .xyz is not known"),
    ] {
        place.fails("zen-export", &format!("{network} -o {name}"), 2, &[part]);
        assert!(!place.file(name).exists());
    }
    place.done("zen-export", &format!("{network} -o a.xyz --format onnx"));
    place.fails("zen-export", &format!("{network} -o a.tflite --precision fp16 --fp16-io"), 3, &["float32"]);
    place.fails("zen-export", &format!("{network} -o a.onnx --channels 3"), 2, &["--channels is for ONNX files"]);

    // Operations without a rule, all of them in one message.
    place.done("zen-export", &format!("{network} -o net.onnx"));
    let mut model = ModelProto::parse_from_bytes(&std::fs::read(place.file("net.onnx")).unwrap()).unwrap();
    for (node, operation) in
        model.graph.as_mut().unwrap().node.iter_mut().filter(|node| node.op_type == "Relu").zip(["Mish", "Softsign"])
    {
        node.op_type = operation.to_owned();
    }
    place.write("strange.onnx", model.write_to_bytes().unwrap());
    place.fails("zen-export", "strange.onnx -o s.tflite", 3, &["Mish (1), Softsign (1)"]);
    place.fails("zen-export", "net.onnx -o s.onnx", 2, &["as LiteRT only"]);
    place.fails("zen-export", "net.onnx -o s.tflite --softmax", 2, &["--softmax is for structures"]);
    place.fails("zen-export", "net.onnx -o s.tflite --python x", 2, &["--python is for --precision int8"]);
    assert!(!place.file("s.tflite").exists());
}

#[test]
fn int8_needs_a_python_with_the_quantizer() {
    let place = Place::new();
    let network = format!("{SMALL} --resolution 32 --classes 10 --precision int8 -o q.tflite");
    place.fails("zen-export", &format!("{network} --python no-such-python"), 3, &["no Python called `no-such-python`"]);
    place.fails("zen-export", &format!("{network} --calibration-method entropy"), 3, &["min-max"]);
    assert!(!place.file("q.tflite").exists());
    // A Python that has no package at all.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        place.write("bare", "#!/bin/sh\nexit 3\n");
        std::fs::set_permissions(place.file("bare"), std::fs::Permissions::from_mode(0o755)).unwrap();
        place.fails("zen-export", &format!("{network} --python ./bare"), 3, &["pip install ai-edge-quantizer"]);
    }
}
