//! An array of images in a `.npz` file, as `numpy.savez` and `numpy.savez_compressed` write it.
//!
//! Read image by image; what a file says about its sizes costs no memory. Not through candle, whose
//! reader makes room for what a header claims and knows no compression.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::read::DeflateDecoder;
use zip::ZipArchive;

use super::npy::{Header, read_header};
use super::{CalibrationError, Image, ModelInput};
use crate::onnx::{INPUT_NAME, InputForm};

/// Zip's number of its usual compression.
const DEFLATED: u16 = 8;
/// What numpy appends to the name of an array.
const SUFFIX: &str = ".npy";
/// Name of the array that is taken where there are several.
const NAME: &str = INPUT_NAME;

/// The number of images and the images.
///
/// # Errors
/// When there is not one array of the type and shape that `input` has.
pub fn open<'i>(path: &'i Path, input: &'i ModelInput) -> Result<(usize, Stack<'i>), CalibrationError> {
    let read = |source| CalibrationError::Read { path: path.to_owned(), source };
    let wrong = |reason| CalibrationError::Tensors { path: path.to_owned(), reason };
    let file = File::open(path).map_err(read)?;
    let (name, mut array) = array(file).map_err(wrong)?;
    let of = |reason: String| wrong(format!("{name}: {reason}"));
    let header = read_header(&mut array).map_err(of)?;
    let images = fitting(&header, input).map_err(of)?;
    Ok((images, Stack { path, name, array, input, next: 0, images }))
}

/// The bytes of the array to take, and its name.
fn array(file: File) -> Result<(String, Box<dyn Read>), String> {
    let text = |error: zip::result::ZipError| error.to_string();
    let mut archive = ZipArchive::new(BufReader::new(&file)).map_err(text)?;
    let mut names = Vec::new();
    for i in 0..archive.len() {
        let entry = archive.by_index_raw(i).map_err(text)?;
        let name = entry.name().map_err(|error| error.to_string())?;
        names.push(name.strip_suffix(SUFFIX).unwrap_or(&name).to_owned());
    }
    let place = match names.len() {
        0 => return Err("it holds no array".to_owned()),
        1 => 0,
        _ => names.iter().position(|name| name == NAME).ok_or_else(|| {
            let shown: Vec<_> = names.iter().take(10).map(String::as_str).collect();
            format!("it holds the arrays {}, and none is named {NAME}; save one", shown.join(", "))
        })?,
    };
    let entry = archive.by_index_raw(place).map_err(text)?;
    let name = std::mem::take(&mut names[place]);
    #[expect(deprecated, reason = "zip names a method only in builds that decompress it themselves")]
    let method = entry.compression().to_u16();
    if entry.encrypted() || ![0, DEFLATED].contains(&method) {
        return Err(format!("{name} is encrypted or compressed in another way than numpy does"));
    }
    let start = entry.data_start().ok_or_else(|| format!("{name} lies outside the file"))?;
    let bytes = entry.compressed_size();
    drop(entry);
    drop(archive);
    let mut file = file;
    file.seek(SeekFrom::Start(start)).map_err(|error| error.to_string())?;
    let stored = BufReader::new(file.take(bytes));
    Ok((name, if method == DEFLATED { Box::new(DeflateDecoder::new(stored)) } else { Box::new(stored) }))
}

/// The number of images in an array that is what `input` takes.
fn fitting(header: &Header, input: &ModelInput) -> Result<usize, String> {
    let [_, sides @ ..] = input.dimensions();
    let (types, numpy): (&[&str], _) = match input.form {
        InputForm::Uint8Nhwc => (&["|u1", "<u1", "u1"], "uint8"),
        InputForm::FloatNchw => (&["<f4"], "float32"),
    };
    let wanted = format!("images x {} x {} x {}, in {numpy}", sides[0], sides[1], sides[2]);
    if header.shape.get(1..) != Some(&sides[..]) {
        return Err(format!("its shape is {:?}, but the model takes {wanted}", header.shape));
    }
    if !types.contains(&header.type_.as_str()) {
        return Err(format!("its type is {}, but the model takes {wanted}; use .astype(\"{numpy}\")", header.type_));
    }
    if header.fortran_order && header.shape.iter().filter(|side| **side > 1).count() > 1 {
        return Err("it is in Fortran's order; use numpy.ascontiguousarray".to_owned());
    }
    match header.shape[0] {
        0 => Err("it holds no image".to_owned()),
        images => Ok(images),
    }
}

/// Images of an open array.
pub struct Stack<'i> {
    path: &'i Path,
    name: String,
    array: Box<dyn Read>,
    input: &'i ModelInput,
    next: usize,
    images: usize,
}

impl Stack<'_> {
    fn read(&mut self) -> Result<Image, String> {
        let number_bytes = if self.input.form == InputForm::Uint8Nhwc { 1 } else { 4 };
        let mut bytes = vec![0; number_bytes * self.input.elements()];
        self.array.read_exact(&mut bytes).map_err(|error| format!("image {}: {error}", self.next))?;
        if self.input.form == InputForm::Uint8Nhwc {
            return Ok(Image::Bytes(bytes));
        }
        let values = bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        let values: Vec<f32> = values.collect();
        match values.iter().find(|value| !value.is_finite()) {
            Some(value) => Err(format!("image {} holds {value}", self.next)),
            None => Ok(Image::Floats(values)),
        }
    }
}

impl Iterator for Stack<'_> {
    type Item = Result<Image, CalibrationError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.images {
            return None;
        }
        let image = self.read().map_err(|reason| CalibrationError::Tensors {
            path: PathBuf::from(self.path),
            reason: format!("{}: {reason}", self.name),
        });
        self.next += 1;
        Some(image)
    }
}
