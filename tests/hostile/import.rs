//! ONNX files that are cut, changed at random, cyclic or lie about their sizes.

use onnx_protobuf::ModelProto;
use protobuf::Message;
use zen_nas::onnx::import::{ImportOptions, import_bytes};
use zen_nas::onnx::{ExportOptions, model_bytes};

use crate::onnx_cases::Golden;

fn model() -> Vec<u8> {
    let golden = Golden::load("idwe2k7");
    model_bytes(&golden.graph, &golden.weights(), &ExportOptions::default()).unwrap()
}

/// What reading a changed model says.
fn error(change: impl FnOnce(&mut ModelProto)) -> String {
    let mut proto = ModelProto::parse_from_bytes(&model()).unwrap();
    change(&mut proto);
    let bytes = proto.write_to_bytes().unwrap();
    import_bytes("net.onnx", &bytes, &ImportOptions::default()).unwrap_err().to_string()
}

#[test]
fn cut_files_are_refused() {
    let whole = model();
    for part in 0..50 {
        let cut = &whole[..whole.len() * part / 50];
        let error = import_bytes("net.onnx", cut, &ImportOptions::default()).unwrap_err().to_string();
        assert!(error.starts_with("net.onnx"), "{part}: {error}");
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
        let _ = import_bytes("net.onnx", &bytes, &ImportOptions::default());
    }
}

#[test]
fn lies_name_the_node() {
    let cyclic = error(|proto| {
        let graph = proto.graph.as_mut().unwrap();
        let last = graph.node.last().unwrap().output[0].clone();
        graph.node[0].input[0] = last;
    });
    assert!(cyclic.contains("net.onnx, node"), "{cyclic}");
    let missing = error(|proto| proto.graph.as_mut().unwrap().node[1].input[0] = "nowhere".to_owned());
    assert!(missing.contains("nowhere") && missing.contains("node"), "{missing}");
    for dimension in [i64::MAX, 0, -1] {
        let huge = error(|proto| proto.graph.as_mut().unwrap().initializer[0].dims[0] = dimension);
        assert!(huge.starts_with("net.onnx"), "{dimension}: {huge}");
    }
}
