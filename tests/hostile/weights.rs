//! Weight files that are broken, or lie about what they hold: refused by the name of the file and
//! of the tensor, in memory and time that the file's own size bounds.

use std::path::Path;

use zen_nas::net::{Graph, LowerOptions, Network};
use zen_nas::onnx::{self, ExportOptions, Weights};

use crate::onnx_cases::golden_directory;

fn message<T: std::fmt::Debug, E: std::fmt::Display>(result: Result<T, E>) -> String {
    result.unwrap_err().to_string()
}

/// Loads `bytes` as a weight file of the given name.
fn load(name: &str, bytes: &[u8]) -> Result<Weights, onnx::OnnxError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    Weights::load(&path)
}

fn safetensors_with(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

#[test]
fn broken_safetensors_files() {
    let whole = std::fs::read(golden_directory().join("k5k5.eval.safetensors")).unwrap();
    assert!(load("w.safetensors", &whole).is_ok());
    for length in [0, 7, 8, 100, whole.len() / 2, whole.len() - 1] {
        let error = message(load("w.safetensors", &whole[..length]));
        assert!(error.contains("w.safetensors is not a usable safetensors file"), "{length}: {error}");
    }
    let longer = [whole.as_slice(), &[0]].concat();
    assert!(message(load("w.safetensors", &longer)).contains("its header describes"));

    for (header, data, expected) in [
        ("{", 0, "malformed"),
        (r#"{"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}"#, 4, "its entry of a is malformed"),
        (r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4, "its entry of a is malformed"),
        (r#"{"a":{"dtype":"F32","shape":[1e30],"data_offsets":[0,4]}}"#, 4, "its entry of a is malformed"),
        (r#"{"a":{"dtype":"F32","shape":[1]}}"#, 4, "its entry of a is malformed"),
        (r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4, "a of shape [2] and type F32 cannot lie"),
        (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4, "cannot lie from byte 4 to 0"),
        (r#"{"a":{"dtype":"F32","shape":[9223372036854775807,4],"data_offsets":[0,4]}}"#, 4, "cannot lie"),
        (r#"{"a":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4]}}"#, 4, "cannot lie"),
        (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8, "a at byte 4 leaves a gap"),
        (r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 4, "a would end at byte 8 of 4"),
        (
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
            8,
            "b at byte 4 overlaps",
        ),
        (
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
            4,
            "b at byte 0 overlaps",
        ),
        (&"[".repeat(100_000), 0, "malformed"),
    ] {
        let error = message(load("w.safetensors", &safetensors_with(header, data)));
        assert!(error.contains("w.safetensors") && error.contains(expected), "{header:.200}: {error}");
    }
    let mut huge = safetensors_with("{}", 0);
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(message(load("w.safetensors", &huge)).contains("its header would take"));
}

#[cfg(feature = "candle")]
#[test]
fn broken_pytorch_files() {
    let whole = std::fs::read(golden_directory().join("k3k3.pth")).unwrap();
    for length in [0, 100, whole.len() / 2, whole.len() - 1] {
        let error = message(load("w.pth", &whole[..length]));
        assert!(error.contains("w.pth is not a usable PyTorch file"), "{length}: {error}");
    }
    // Every byte of the pickle damaged in turn: an error or other weights, never a panic.
    let pickle = whole.windows(8).position(|window| window == b"data.pkl").unwrap() + 8;
    for at in (pickle..pickle + 600).step_by(7) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        let _ = load("w.pth", &damaged);
    }
}

#[test]
fn other_weight_files() {
    let error = message(load("weights.h5", b""));
    assert!(error.contains("weights are read from .safetensors files"), "{error}");
    let error = message(Weights::load(Path::new("/nowhere/at/all.safetensors")));
    assert!(error.contains("cannot read weights from /nowhere/at/all.safetensors"), "{error}");
}

#[test]
fn types_that_are_no_weights_are_part_of_the_one_message() {
    let header = r#"{"fc_linear.netblock.bias":{"dtype":"I64","shape":[10],"data_offsets":[0,80]},
        "fc_linear.netblock.num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[80,88]},
        "step":{"dtype":"I64","shape":[1],"data_offsets":[88,96]}}"#;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("w.safetensors");
    std::fs::write(&path, safetensors_with(header, 96)).unwrap();
    let weights = Weights::load(&path).unwrap();
    let error = message(onnx::model_bytes(&small_graph(), &weights, &ExportOptions::default()));
    for part in [
        "6 missing: module_list.0",
        "1 not in the network: step",
        "1 not of type F32, F64, F16 or BF16: fc_linear.netblock.bias is I64",
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert!(!error.contains("num_batches_tracked"), "{error}");
}

fn small_graph() -> Graph {
    Network::parse("SuperConvK3BNRELU(3,8,1,1)").unwrap().lower(&LowerOptions::new(8, 10)).unwrap()
}

#[cfg(feature = "candle")]
mod pytorch {
    use std::io::Write;

    use zen_nas::onnx::weights::{Role, TensorSpec};
    use zip::write::SimpleFileOptions;

    use super::*;

    /// A checkpoint of the given pickle and one storage of `bytes` zeros.
    fn checkpoint(pickle: &[u8], bytes: usize) -> Vec<u8> {
        archive(pickle, &vec![0; bytes])
    }

    fn archive(pickle: &[u8], storage: &[u8]) -> Vec<u8> {
        let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        for (name, data) in [("archive/data.pkl", pickle), ("archive/data/0", storage)] {
            archive.start_file(name, options).unwrap();
            archive.write_all(data).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    fn text(text: &str) -> Vec<u8> {
        [b"X".as_slice(), &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
    }

    fn number(number: i32) -> Vec<u8> {
        [b"J".as_slice(), &number.to_le_bytes()].concat()
    }

    /// `{"w": tensor}`, of one dimension, over the storage `archive/data/KEY` that would hold
    /// `stored` numbers.
    fn tensor(storage: &str, key: &str, stored: i32, offset: i32, size: i32) -> Vec<u8> {
        strided(storage, key, stored, offset, &[(size, 1)])
    }

    /// The same of any dimensions, each a size and a stride.
    fn strided(storage: &str, key: &str, stored: i32, offset: i32, dimensions: &[(i32, i32)]) -> Vec<u8> {
        let tuple = |numbers: Vec<u8>| [b"(".as_slice(), &numbers, b"t"].concat();
        [
            b"\x80\x02}(".to_vec(),
            text("w"),
            b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
            text("storage"),
            format!("ctorch\n{storage}\n").into_bytes(),
            text(key),
            text("cpu"),
            number(stored),
            b"tQ".to_vec(),
            number(offset),
            tuple(dimensions.iter().flat_map(|(size, _)| number(*size)).collect()),
            tuple(dimensions.iter().flat_map(|(_, stride)| number(*stride)).collect()),
            b"\x89N".to_vec(),
            b"tRu.".to_vec(),
        ]
        .concat()
    }

    #[test]
    fn a_tensor_that_its_storage_does_not_hold() {
        let whole = checkpoint(&tensor("FloatStorage", "0", 10, 0, 10), 40);
        assert!(load("w.pth", &whole).is_ok());
        for (pickle, expected) in [
            (tensor("FloatStorage", "0", 11, 0, 11), "w of shape [11] needs more than the 40 bytes of archive/data/0"),
            (tensor("FloatStorage", "0", i32::MAX, 0, i32::MAX), "w of shape [2147483647] needs more"),
            (tensor("FloatStorage", "0", 10, 1, 10), "w of shape [10] needs more"),
            (tensor("FloatStorage", "0", 10, i32::MAX, 1), "w of shape [1] needs more"),
            (tensor("DoubleStorage", "0", 10, 0, 10), "w of shape [10] needs more"),
            (tensor("FloatStorage", "1", 10, 0, 10), "w has its numbers in archive/data/1"),
            (tensor("FloatStorage", "../../0", 10, 0, 10), "w has its numbers in archive/data/../../0"),
        ] {
            let error = message(load("w.pth", &checkpoint(&pickle, 40)));
            assert!(error.contains("w.pth is not a usable PyTorch file") && error.contains(expected), "{error}");
        }
        // Sizes and offsets that are negative.
        for pickle in [tensor("FloatStorage", "0", 10, -1, 10), tensor("FloatStorage", "0", 10, 0, -1)] {
            assert!(message(load("w.pth", &checkpoint(&pickle, 40))).contains("w.pth"));
        }
        let numbers = tensor("LongStorage", "0", 5, 0, 5);
        assert!(load("w.pth", &checkpoint(&numbers, 40)).is_ok(), "the network decides whether it is needed");
    }

    /// The tensor `w` of a checkpoint.
    fn values(pickle: &[u8], storage: &[u8], shape: &[usize]) -> Vec<f32> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("w.pth");
        std::fs::write(&path, archive(pickle, storage)).unwrap();
        let spec = TensorSpec { name: "w".into(), shape: shape.into(), role: Role::ConvWeight };
        Weights::load(&path).unwrap().get(&spec).unwrap().into_owned()
    }

    #[test]
    fn every_type_offset_and_order_reads_as_the_same_numbers() {
        // 9 is before, between and behind what the tensors look at.
        let stored = [9.0f32, 1.0, -2.5, 9.0, 3.0, 0.0625, 9.0];
        let raw = |bytes: fn(f32) -> Vec<u8>| stored.into_iter().flat_map(bytes).collect::<Vec<u8>>();
        let half = |value: f32| tract_onnx::prelude::f16::from_f32(value).to_le_bytes().to_vec();
        for (storage, bytes) in [
            ("FloatStorage", raw(|value| value.to_le_bytes().to_vec())),
            ("DoubleStorage", raw(|value| (value as f64).to_le_bytes().to_vec())),
            ("HalfStorage", raw(half)),
            ("BFloat16Storage", raw(|value| value.to_le_bytes()[2..].to_vec())),
        ] {
            assert_eq!(values(&tensor(storage, "0", 7, 1, 2), &bytes, &[2]), [1.0, -2.5], "{storage}");
            let rows = strided(storage, "0", 7, 1, &[(2, 3), (2, 1)]);
            assert_eq!(values(&rows, &bytes, &[2, 2]), [1.0, -2.5, 3.0, 0.0625], "{storage}");
            let columns = strided(storage, "0", 7, 1, &[(2, 1), (2, 3)]);
            assert_eq!(values(&columns, &bytes, &[2, 2]), [1.0, 3.0, -2.5, 0.0625], "{storage}");
            let repeated = strided(storage, "0", 7, 2, &[(3, 0)]);
            assert_eq!(values(&repeated, &bytes, &[3]), [-2.5; 3], "{storage}");
            assert_eq!(values(&strided(storage, "0", 7, 5, &[]), &bytes, &[]), [0.0625], "{storage}");
        }
    }

    #[test]
    fn strides_and_sizes_that_lead_out_of_the_file() {
        for (dimensions, shape) in [
            (vec![(2, i32::MAX)], "[2]"),
            (vec![(2, 10)], "[2]"),
            (
                vec![(i32::MAX, i32::MAX), (i32::MAX, i32::MAX), (i32::MAX, i32::MAX)],
                "[2147483647, 2147483647, 2147483647]",
            ),
        ] {
            let error = message(load("w.pth", &checkpoint(&strided("FloatStorage", "0", 10, 0, &dimensions), 40)));
            assert!(error.contains(&format!("w of shape {shape} needs more than the 40 bytes")), "{error}");
        }
        // The archive's directory claims two gigabytes for forty bytes.
        let mut large = checkpoint(&strided("FloatStorage", "0", 10, 0, &[(2, 500_000_000)]), 40);
        let entry = large.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
        for field in [20, 24] {
            large[entry + field..][..4].copy_from_slice(&2_100_000_000u32.to_le_bytes());
        }
        let error = message(load("w.pth", &large));
        assert!(error.contains("w has its numbers in archive/data/0, which goes beyond the file"), "{error}");
    }

    #[test]
    fn pickles_that_unfold() {
        let bomb = [b"\x80\x02)q\x00".to_vec(), b"h\x00h\x00\x86q\x00".repeat(64), b".".to_vec()].concat();
        let deep = [b"N".to_vec(), vec![0x85; 4_000_000], b".".to_vec()].concat();
        let long = [b"X".as_slice(), &u32::MAX.to_le_bytes(), b"short."].concat();
        let large = vec![b'N'; 65 << 20];
        for (pickle, expected) in [
            (bomb, "its archive/data.pkl unfolds to more than"),
            (deep, "its archive/data.pkl nests more than 100"),
            (long, "w.pth is not a usable PyTorch file"),
            (large, "its archive/data.pkl has 68157440 bytes"),
            (b"\x80\x02}.".to_vec(), "it holds no tensors"),
            (b"\x8a\xff".repeat(200), "a number of 255 bytes"),
        ] {
            let error = message(load("w.pth", &checkpoint(&pickle, 0)));
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn other_archives() {
        let error = message(load("w.pth", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."));
        assert!(error.contains("before PyTorch 1.6"), "{error}");
        let empty = zip::ZipWriter::new(std::io::Cursor::new(Vec::new())).finish().unwrap().into_inner();
        let error = message(load("w.pth", &empty));
        assert!(error.contains("it holds no tensors, neither at the top nor under state_dict"), "{error}");
        // A storage that the archive's directory says is compressed.
        let mut packed = checkpoint(&tensor("FloatStorage", "0", 10, 0, 10), 40);
        let entry = packed.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
        packed[entry + 10] = 8;
        let error = message(load("w.pth", &packed));
        assert!(error.contains("w has its numbers in archive/data/0"), "{error}");
    }
}
