//! Image files: PNG and JPEG, known by how they begin and not by their names.
//!
//! Gray becomes three equal channels, transparency is left out, an orientation in the metadata is
//! not looked at (as in most training code).

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use png::{ColorType, Transformations};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::resize::{Picture, middle};
use super::{CalibrationError, Image, ModelInput};
use crate::onnx::{InputForm, NORMALIZATIONS};

/// Largest file.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Most pixels of a decoded image.
const MAX_PIXELS: u64 = 1 << 26;
/// Longest side; JPEG's own limit.
const MAX_SIDE: usize = 65535;

const PNG: [u8; 4] = *b"\x89PNG";
const JPEG: [u8; 2] = [0xff, 0xd8];

/// The middle of an image at the size of the network, as the model takes it: bytes; or values from 0 to 1, normalised as for ImageNet unless
/// the model normalises them itself.
///
/// # Errors
/// When the file cannot be read, is neither kind, is broken or too large.
pub fn load(path: &Path, input: &ModelInput) -> Result<Image, CalibrationError> {
    let broken = |reason| CalibrationError::Picture { path: path.to_owned(), reason };
    let mut bytes = Vec::new();
    let read = |source| CalibrationError::Read { path: path.to_owned(), source };
    File::open(path).and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)).map_err(read)?;
    let picture = decode(&bytes).map_err(broken)?;
    let (height, width) = (input.shape.height as usize, input.shape.width as usize);
    let Picture { pixels, .. } = middle(&picture, height, width);
    if input.shape.channels != 3 {
        return Err(broken(format!("the network takes {} channels, and image files have 3", input.shape.channels)));
    }
    if input.form == InputForm::Uint8Nhwc {
        return Ok(Image::Bytes(pixels));
    }
    let (_, mean, deviation) = NORMALIZATIONS[0];
    let mut values = Vec::with_capacity(pixels.len());
    for channel in 0..3 {
        let channel_pixels = pixels.iter().skip(channel).step_by(3).map(|pixel| *pixel as f32 / 255.0);
        let normalized = input.wants_normalized();
        values.extend(
            channel_pixels.map(|pixel| if normalized { (pixel - mean[channel]) / deviation[channel] } else { pixel }),
        );
    }
    Ok(Image::Floats(values))
}

fn decode(bytes: &[u8]) -> Result<Picture, String> {
    if bytes.len() as u64 >= MAX_FILE_BYTES {
        return Err(format!("it has more than {} MiB", MAX_FILE_BYTES >> 20));
    }
    let picture = match bytes {
        _ if bytes.starts_with(&PNG) => png_picture(bytes)?,
        _ if bytes.starts_with(&JPEG) => jpeg_picture(bytes)?,
        _ => return Err("it is neither PNG nor JPEG".to_owned()),
    };
    if picture.pixels.is_empty() || picture.pixels.len() != 3 * picture.width * picture.height {
        return Err("it holds no pixels".to_owned());
    }
    Ok(picture)
}

fn within(width: u64, height: u64) -> Result<(), String> {
    match width.checked_mul(height) {
        Some(pixels) if pixels <= MAX_PIXELS => Ok(()),
        _ => Err(format!("its {width} x {height} pixels are more than {MAX_PIXELS}")),
    }
}

fn png_picture(bytes: &[u8]) -> Result<Picture, String> {
    let text = |error: png::DecodingError| error.to_string();
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(text)?;
    let (width, height) = (reader.info().width, reader.info().height);
    within(width.into(), height.into())?;
    let size = reader.output_buffer_size().ok_or("it is too large")?;
    let mut pixels = vec![0; size];
    let frame = reader.next_frame(&mut pixels).map_err(text)?;
    pixels.truncate(frame.buffer_size());
    let samples = match frame.color_type {
        ColorType::Rgb => return Ok(Picture { width: width as usize, height: height as usize, pixels }),
        ColorType::Rgba => 4,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Grayscale => 1,
        ColorType::Indexed => return Err("its palette was not expanded".to_owned()),
    };
    let rgb = |pixel: &[u8]| if samples == 4 { [pixel[0], pixel[1], pixel[2]] } else { [pixel[0]; 3] };
    let pixels = pixels.chunks_exact(samples).flat_map(rgb).collect();
    Ok(Picture { width: width as usize, height: height as usize, pixels })
}

fn jpeg_picture(bytes: &[u8]) -> Result<Picture, String> {
    // Strict: a file that ends early is an error, not a gray area.
    let options = DecoderOptions::default()
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE)
        .set_strict_mode(true)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| error.to_string())?;
    let info = decoder.info().ok_or("it has no header")?;
    within(info.width.into(), info.height.into())?;
    let pixels = decoder.decode().map_err(|error| error.to_string())?;
    Ok(Picture { width: info.width.into(), height: info.height.into(), pixels })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pixels at the top left, in the middle and at the bottom right.
    fn three(picture: &Picture) -> Vec<[u8; 3]> {
        let at = |x: usize, y: usize| {
            let at = 3 * (y * picture.width + x);
            [picture.pixels[at], picture.pixels[at + 1], picture.pixels[at + 2]]
        };
        vec![at(0, 0), at(16, 12), at(31, 23)]
    }

    #[test]
    fn jpegs_as_pillow_reads_them() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images");
        for (name, expected) in [
            ("gradient.jpg", [[0, 0, 0], [128, 119, 110], [248, 229, 215]]),
            ("progressive.jpeg", [[0, 0, 0], [128, 119, 110], [248, 229, 215]]),
            ("gray.jpg", [[0; 3], [121; 3], [233; 3]]),
        ] {
            let picture = decode(&std::fs::read(folder.join(name)).unwrap()).unwrap();
            assert_eq!((picture.width, picture.height), (32, 24), "{name}");
            for (found, expected) in three(&picture).iter().flatten().zip(expected.iter().flatten()) {
                assert!(found.abs_diff(*expected) <= 3, "{name}: {:?}", three(&picture));
            }
        }
    }

    fn png(color: ColorType, depth: png::BitDepth, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if color == ColorType::Indexed {
            encoder.set_palette(vec![1, 2, 3, 4, 5, 6]);
        }
        encoder.write_header().unwrap().write_image_data(data).unwrap();
        bytes
    }

    #[test]
    fn every_kind_of_png_becomes_rgb() {
        use png::BitDepth::{Eight, One, Sixteen};
        for (color, depth, data, expected) in [
            (ColorType::Rgb, Eight, &[1, 2, 3, 4, 5, 6][..], [1, 2, 3, 4, 5, 6]),
            (ColorType::Rgba, Eight, &[1, 2, 3, 0, 4, 5, 6, 9], [1, 2, 3, 4, 5, 6]),
            (ColorType::Grayscale, Eight, &[7, 9], [7, 7, 7, 9, 9, 9]),
            (ColorType::Grayscale, One, &[0b0100_0000], [0, 0, 0, 255, 255, 255]),
            (ColorType::GrayscaleAlpha, Eight, &[7, 0, 9, 255], [7, 7, 7, 9, 9, 9]),
            (ColorType::Grayscale, Sixteen, &[7, 255, 9, 1], [7, 7, 7, 9, 9, 9]),
            (ColorType::Indexed, Eight, &[1, 0], [4, 5, 6, 1, 2, 3]),
        ] {
            assert_eq!(decode(&png(color, depth, data)).unwrap().pixels, expected, "{color:?} {depth:?}");
        }
    }

    #[test]
    fn broken_files_are_refused() {
        let whole = png(ColorType::Rgb, png::BitDepth::Eight, &[1, 2, 3, 4, 5, 6]);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images");
        let jpegs = ["gradient.jpg", "progressive.jpeg"].map(|name| std::fs::read(folder.join(name)).unwrap());
        for whole in std::iter::once(&whole).chain(&jpegs) {
            for length in [0, 1, 8, whole.len() / 2] {
                assert!(decode(&whole[..length]).is_err(), "{length} of {}", whole.len());
            }
            // Damaged bytes: an error or other pixels, never a panic.
            for at in 0..whole.len() {
                let mut damaged = whole.clone();
                damaged[at] ^= 0x55;
                let _ = decode(&damaged);
            }
        }
        assert_eq!(decode(b"BM not one of ours"), Err("it is neither PNG nor JPEG".to_owned()));
        // A header that claims a hundred terabytes.
        let mut large = whole;
        large[16..24].copy_from_slice(&[0x00, 0xff, 0xff, 0xff, 0x00, 0xff, 0xff, 0xff]);
        assert!(decode(&large).is_err());
    }

    #[test]
    fn images_as_the_model_takes_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        std::fs::write(&path, png(ColorType::Rgb, png::BitDepth::Eight, &[51, 102, 255, 51, 102, 255])).unwrap();
        let shape = crate::net::Shape { channels: 3, height: 2, width: 2 };
        let input = |form, normalization| ModelInput { form, shape, normalization };
        let bytes = load(&path, &input(InputForm::Uint8Nhwc, None)).unwrap();
        assert_eq!(bytes, Image::Bytes([51, 102, 255].repeat(4)));
        let unit = load(&path, &input(InputForm::FloatNchw, Some("cifar".parse().unwrap()))).unwrap();
        assert_eq!(unit, Image::Floats([[0.2; 4], [0.4; 4], [1.0; 4]].concat()));
        let Image::Floats(normalized) = load(&path, &input(InputForm::FloatNchw, None)).unwrap() else { panic!() };
        let expected = [(0.2 - 0.485) / 0.229, (0.4 - 0.456) / 0.224, (1.0 - 0.406) / 0.225];
        assert!(normalized.chunks(4).zip(expected).all(|(found, expected)| (found[3] - expected).abs() < 1e-6f32));
    }
}
