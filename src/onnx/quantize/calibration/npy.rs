//! The header of an array that numpy saved: its type and shape.
//!
//! A Python dictionary in text, of which only the form that numpy writes is read.

use std::io::Read;

/// Longest header; numpy's own limit for safe files is 10,000 bytes.
const MAX_HEADER_BYTES: usize = 10_000;
const MAGIC: [u8; 6] = *b"\x93NUMPY";

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// numpy's name of the type, e.g. `<f4`.
    pub type_: String,
    /// First dimension fastest.
    pub fortran_order: bool,
    pub shape: Vec<usize>,
}

/// Reads up to the first number of the array.
///
/// # Errors
/// What is not as numpy writes it.
pub fn read_header(reader: &mut impl Read) -> Result<Header, String> {
    let mut start = [0; 8];
    reader.read_exact(&mut start).map_err(|error| format!("its header: {error}"))?;
    if start[..6] != MAGIC {
        return Err("it is no array of numpy".to_owned());
    }
    let mut length = [0; 4];
    let bytes = if start[6] == 1 { 2 } else { 4 };
    reader.read_exact(&mut length[..bytes]).map_err(|error| format!("its header: {error}"))?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_HEADER_BYTES {
        return Err(format!("its header has {length} bytes, more than {MAX_HEADER_BYTES}"));
    }
    let mut text = vec![0; length];
    reader.read_exact(&mut text).map_err(|error| format!("its header: {error}"))?;
    let text = String::from_utf8_lossy(&text);
    parse(&text).ok_or_else(|| {
        let shown: String = text.trim().chars().take(100).collect();
        format!("its header is not one that numpy writes for an array of numbers: {shown}")
    })
}

/// `{'descr': '<f4', 'fortran_order': False, 'shape': (8, 3, 224, 224), }`.
fn parse(text: &str) -> Option<Header> {
    let text = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let value = |key: &str| Some(text.split_once(&format!("'{key}':"))?.1.trim_start());
    let type_ = value("descr")?.strip_prefix('\'')?.split_once('\'')?.0.to_owned();
    let order = value("fortran_order")?;
    let fortran_order = order.starts_with("True");
    if !fortran_order && !order.starts_with("False") {
        return None;
    }
    let sides = value("shape")?.strip_prefix('(')?.split_once(')')?.0;
    let sides = sides.split(',').map(str::trim).filter(|side| !side.is_empty());
    let shape = sides.map(|side| side.parse().ok()).collect::<Option<Vec<usize>>>()?;
    Some(Header { type_, fortran_order, shape })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Result<Header, String> {
        let bytes = [&MAGIC[..], &[1, 0], &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat();
        read_header(&mut &bytes[..])
    }

    #[test]
    fn headers_as_numpy_writes_them() {
        let found =
            header("{'descr': '<f4', 'fortran_order': False, 'shape': (8, 3, 224, 224), }          \n").unwrap();
        assert_eq!(found, Header { type_: "<f4".into(), fortran_order: false, shape: vec![8, 3, 224, 224] });
        let found = header("{'descr': '|u1', 'fortran_order': True, 'shape': (7,), }").unwrap();
        assert_eq!(found, Header { type_: "|u1".into(), fortran_order: true, shape: vec![7] });
        assert!(header("{'descr': '<f8', 'fortran_order': False, 'shape': (), }").unwrap().shape.is_empty());
        for text in [
            "",
            "{}",
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
            "{'descr': '<f4', 'fortran_order': None, 'shape': (1,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1",
        ] {
            assert!(header(text).unwrap_err().contains("its header is not one"), "{text}");
        }
    }

    #[test]
    fn broken_headers() {
        assert_eq!(read_header(&mut &b"PK\x03\x04aaaaaaa"[..]), Err("it is no array of numpy".into()));
        assert!(read_header(&mut &b"\x93NUMPY\x01\x00\xff"[..]).unwrap_err().contains("its header"));
        let long = [&MAGIC[..], &[2, 0], &u32::MAX.to_le_bytes()].concat();
        assert!(read_header(&mut &long[..]).unwrap_err().contains("4294967295 bytes, more than"));
    }
}
