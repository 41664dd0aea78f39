//! Weight files of random numbers, written tensor by tensor.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use zen_nas::onnx::Weights;
use zen_nas::onnx::weights::TensorSpec;

/// As raw little-endian float32.
fn raw(spec: &TensorSpec) -> Vec<u8> {
    let weights = Weights::seeded(1);
    weights.get(spec).unwrap().iter().flat_map(|value| value.to_le_bytes()).collect()
}

pub fn write_safetensors(specs: &[TensorSpec], path: &Path) {
    let mut offset = 0;
    let entries = specs.iter().map(|spec| {
        let from = offset;
        offset += 4 * spec.elements();
        let entry = serde_json::json!({ "dtype": "F32", "shape": spec.shape, "data_offsets": [from, offset] });
        (spec.name.clone(), entry)
    });
    let header = serde_json::Value::Object(entries.collect()).to_string();
    let mut file = BufWriter::new(File::create(path).unwrap());
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    for spec in specs {
        file.write_all(&raw(spec)).unwrap();
    }
    file.flush().unwrap();
}

/// As `torch.save` writes a state dict.
#[cfg(feature = "candle")]
pub fn write_pytorch(specs: &[TensorSpec], path: &Path) {
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut archive = zip::ZipWriter::new(File::create(path).unwrap());
    archive.start_file("archive/data.pkl", options).unwrap();
    archive.write_all(&pickle(specs)).unwrap();
    for (i, spec) in specs.iter().enumerate() {
        archive.start_file(format!("archive/data/{i}"), options).unwrap();
        archive.write_all(&raw(spec)).unwrap();
    }
    archive.finish().unwrap();
}

#[cfg(not(feature = "candle"))]
pub fn write_pytorch(_: &[TensorSpec], _: &Path) {}

/// A dictionary of tensors, each with a storage of its own.
#[cfg(feature = "candle")]
fn pickle(specs: &[TensorSpec]) -> Vec<u8> {
    fn text(text: &str) -> Vec<u8> {
        [b"X".as_slice(), &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
    }
    fn number(number: u64) -> Vec<u8> {
        [b"J".as_slice(), &(number as i32).to_le_bytes()].concat()
    }
    fn tuple(numbers: impl Iterator<Item = u64>) -> Vec<u8> {
        [b"(".to_vec(), numbers.flat_map(number).collect(), b"t".to_vec()].concat()
    }
    let mut pickle = b"\x80\x02}(".to_vec();
    for (i, spec) in specs.iter().enumerate() {
        let strides = (0..spec.shape.len()).map(|d| spec.shape[d + 1..].iter().map(|d| *d as u64).product());
        let parts = [
            text(&spec.name),
            b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
            text("storage"),
            b"ctorch\nFloatStorage\n".to_vec(),
            text(&i.to_string()),
            text("cpu"),
            number(spec.elements()),
            b"tQK\x00".to_vec(),
            tuple(spec.shape.iter().map(|d| *d as u64)),
            tuple(strides),
            b"\x89}tR".to_vec(),
        ];
        pickle.extend(parts.concat());
    }
    pickle.extend_from_slice(b"u.");
    pickle
}
