//! Arrays as numpy saves them.

#![allow(dead_code)] // each binary uses a part

use std::io::Write;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A `.npz` file of these members.
pub fn npz(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in members {
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// A `.npy` file that claims `type_` and `shape`, which is written as Python does, and holds `data`.
pub fn npy(type_: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{type_}', 'fortran_order': False, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

/// One float32 array named `image`.
pub fn float_npz(shape: &[usize], values: &[f32]) -> Vec<u8> {
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let sides: Vec<_> = shape.iter().map(usize::to_string).collect();
    npz(&[("image", &npy("<f4", &format!("({})", sides.join(", ")), &data))])
}
