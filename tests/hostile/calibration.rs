//! Calibration images that are broken, or lie about what they hold: refused by the name of the file,
//! with the way out, and no int8 model is left behind.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use zen_nas::latency::Precision;
use zen_nas::net::{Graph, LowerOptions, Network};
use zen_nas::onnx::{self, Calibration, ExportOptions, InputForm, Interface, Quantization, Weights};

use crate::npz::{float_npz, npy, npz};

fn graph() -> Graph {
    Network::parse("SuperConvK3BNRELU(3,8,1,1)").unwrap().lower(&LowerOptions::new(8, 10)).unwrap()
}

const SHAPE: [usize; 4] = [2, 3, 8, 8];
const NUMBERS: usize = 2 * 3 * 8 * 8;

/// Exports an int8 model calibrated on `path`; the message where that fails.
fn export(path: &Path, input: InputForm) -> Result<usize, String> {
    let directory = tempfile::tempdir().unwrap();
    let written = directory.path().join("a.onnx");
    let calibration = Calibration::open(path).map_err(|error| error.to_string())?;
    let options = ExportOptions {
        precision: Precision::Int8,
        quantization: Quantization { calibration, ..Quantization::default() },
        interface: Interface { input, ..Interface::default() },
        ..ExportOptions::default()
    };
    let result = onnx::export(&graph(), &Weights::seeded(0), &options, &written);
    assert_eq!(written.exists(), result.is_ok());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), usize::from(result.is_ok()));
    result.map(|summary| summary.quantization.unwrap().images).map_err(|error| error.to_string())
}

/// The same with a file of these bytes.
fn with_file(name: &str, bytes: &[u8]) -> Result<usize, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    export(&path, InputForm::FloatNchw)
}

/// The same with a folder of these files.
fn with_folder(files: &[(&str, &[u8])]) -> Result<usize, String> {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    export(directory.path(), InputForm::FloatNchw)
}

#[test]
fn arrays_that_fit_are_taken() {
    let values: Vec<f32> = (0..NUMBERS).map(|value| value as f32 / 100.0).collect();
    let whole = float_npz(&SHAPE, &values);
    assert_eq!(with_file("a.npz", &whole), Ok(2));
    assert_eq!(with_file("a.NPZ", &whole), Ok(2));
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let image = npy("<f4", "(2, 3, 8, 8)", &data);
    assert_eq!(with_file("a.npz", &npz(&[("labels", &npy("<i8", "(2,)", &[0; 16])), ("image", &image)])), Ok(2));
    assert_eq!(with_file("a.npz", &npz(&[("anything", &image)])), Ok(2));
    assert_eq!(with_file("a.npz", &deflated(&image)), Ok(2));

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bytes.npz");
    std::fs::write(&path, npz(&[("image", &npy("|u1", "(3, 8, 8, 3)", &[100; 3 * 8 * 8 * 3]))])).unwrap();
    assert_eq!(export(&path, InputForm::Uint8Nhwc), Ok(3));
    let error = export(&path, InputForm::FloatNchw).unwrap_err();
    assert!(error.contains("bytes.npz") && error.contains("images x 3 x 8 x 8, in float32"), "{error}");
}

/// `.npz` with one member compressed, as `numpy.savez_compressed` writes it.
fn deflated(npy: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(npy).unwrap();
    let packed = encoder.finish().unwrap();
    let mut archive = npz(&[("image", &packed)]);
    // Method and full size, in the member's own header and in the directory.
    let [local, directory] =
        [b"PK\x03\x04", b"PK\x01\x02"].map(|magic| archive.windows(4).position(|window| window == magic).unwrap());
    for (method, size) in [(local + 8, local + 22), (directory + 10, directory + 24)] {
        archive[method] = 8;
        archive[size..size + 4].copy_from_slice(&(npy.len() as u32).to_le_bytes());
    }
    archive
}

#[test]
fn arrays_that_do_not_fit() {
    let floats = |shape: &str, numbers: usize| npz(&[("a", &npy("<f4", shape, &vec![0; 4 * numbers]))]);
    let mut not_a_number = vec![0.5; NUMBERS];
    not_a_number[NUMBERS - 1] = f32::NAN;
    let image = npy("<f4", "(2, 3, 8, 8)", &[0; 4 * NUMBERS]);
    for (bytes, parts) in [
        (Vec::new(), &["cannot be calibrated on"][..]),
        (b"not a zip file at all".to_vec(), &["cannot be calibrated on"]),
        (npz(&[]), &["it holds no array"]),
        (npz(&[("a", b"no array")]), &["a: it is no array of numpy"]),
        (npz(&[("a", &image), ("b", &image)]), &["it holds the arrays a, b, and none is named image"]),
        (floats("(2, 3, 9, 9)", 2 * 3 * 81), &["its shape is [2, 3, 9, 9]", "images x 3 x 8 x 8, in float32"]),
        (floats("(3, 8, 8)", 192), &["its shape is [3, 8, 8]"]),
        (floats("(2, 8, 8, 3)", NUMBERS), &["its shape is [2, 8, 8, 3]"]),
        (floats("(0, 3, 8, 8)", 0), &["it holds no image"]),
        (floats("(18446744073709551615, 3, 8, 8)", 192), &["image 1: "]),
        (floats("(2, 3, 8, 8)", NUMBERS - 1), &["image 1: "]),
        (npz(&[("a", &npy("<f8", "(2, 3, 8, 8)", &[0; 8 * NUMBERS]))]), &["its type is <f8", ".astype(\"float32\")"]),
        (npz(&[("a", &npy(">f4", "(2, 3, 8, 8)", &[0; 4 * NUMBERS]))]), &["its type is >f4"]),
        (npz(&[("a", &npy("|O", "(2, 3, 8, 8)", b"\x80\x04."))]), &["its type is |O"]),
        (
            npz(&[(
                "a",
                &String::from_utf8_lossy(&npy("<f4", "(2, 3, 8, 8)", &[])).replace("False", "True ").into_bytes(),
            )]),
            &["cannot be calibrated on"],
        ),
        (float_npz(&SHAPE, &not_a_number), &["image 1 holds NaN"]),
        (float_npz(&SHAPE, &[f32::INFINITY; NUMBERS]), &["image 0 holds inf"]),
        // Finite, but not what the network makes of it.
        (float_npz(&SHAPE, &[f32::MAX; NUMBERS]), &["the network cannot be quantised", "for image 0"]),
        (image[..200].to_vec(), &["cannot be calibrated on"]),
    ] {
        let error = with_file("a.npz", &bytes).unwrap_err();
        assert!(parts.iter().all(|part| error.contains(part)), "{parts:?}: {error}");
        assert!(error.contains("a.npz") || error.contains("quantised"), "{error}");
    }
    let whole = float_npz(&SHAPE, &[0.5; NUMBERS]);
    for length in (0..whole.len()).step_by(97) {
        assert!(with_file("a.npz", &whole[..length]).unwrap_err().contains("a.npz"), "{length}");
    }
}

#[test]
fn archives_that_unfold_take_no_memory() {
    // A gigabyte of zeros behind a header of 600,000 images; one image is held at a time.
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&npy("<f4", "(600000000, 3, 8, 8)", &[])).unwrap();
    encoder.write_all(&vec![0; 1 << 20]).unwrap();
    let packed = encoder.finish().unwrap();
    let mut archive = npz(&[("image", &packed)]);
    for magic in [(b"PK\x03\x04", 8), (b"PK\x01\x02", 10)] {
        let at = archive.windows(4).position(|window| window == magic.0).unwrap();
        archive[at + magic.1] = 8;
    }
    let error = with_file("a.npz", &archive).unwrap_err();
    assert!(error.contains("image 1365: "), "{error}");
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let pixels: Vec<u8> = (0..width * height * 3).map(|at| (at * 7 % 251) as u8).collect();
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    bytes
}

#[test]
fn folders_of_images() {
    let whole = png(20, 10);
    assert_eq!(with_folder(&[("a.png", &whole), ("cats/b.PNG", &whole), ("readme.txt", b"not an image")]), Ok(2));
    for (files, parts) in [
        (&[][..], &["holds no .png, .jpg or .jpeg file"][..]),
        (&[("readme.txt", &b"text"[..])], &["holds no .png, .jpg or .jpeg file"]),
        (&[("a.png", &whole), ("b.png", b"text")], &["b.png", "neither PNG nor JPEG", "take it out"]),
        (&[("a.png", &whole[..whole.len() / 2])], &["a.png", "cannot be read"]),
        (&[("a.png", &whole[..20])], &["a.png", "cannot be read"]),
        (&[("a.png", b"")], &["a.png", "neither PNG nor JPEG"]),
        (&[("a.jpg", b"\xff\xd8\xff\xe0")], &["a.jpg", "cannot be read"]),
    ] {
        let error = with_folder(files).unwrap_err();
        assert!(parts.iter().all(|part| error.contains(part)), "{parts:?}: {error}");
    }
    let error = export(Path::new("/nowhere/at/all"), InputForm::FloatNchw).unwrap_err();
    assert!(error.contains("cannot read calibration images from /nowhere/at/all"), "{error}");
    let error = with_file("images.tar", b"tar").unwrap_err();
    assert!(error.contains("a folder of PNG and JPEG files, or an array in a .npz file"), "{error}");
}

#[test]
fn images_that_claim_terabytes() {
    let mut large = png(8, 8);
    large[16..24].copy_from_slice(&[0, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0xff]);
    // The header's checksum, so that it is not what gives the file away.
    let mut checksum = flate2::Crc::new();
    checksum.update(&large[12..29]);
    large[29..33].copy_from_slice(&checksum.sum().to_be_bytes());
    let error = with_folder(&[("a.png", &large)]).unwrap_err();
    assert!(error.contains("a.png") && error.contains("are more than 67108864"), "{error}");
}

/// A pipe without a writer never ends; a link to a folder may lead in circles.
#[cfg(unix)]
#[test]
fn pipes_and_circles_are_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let within = |name: &str| directory.path().join(name);
    std::fs::write(within("a.png"), png(9, 9)).unwrap();
    std::os::unix::fs::symlink(directory.path(), within("circle")).unwrap();
    for name in ["b.png", "c.npz"] {
        assert!(std::process::Command::new("mkfifo").arg(within(name)).status().unwrap().success());
    }
    assert_eq!(export(directory.path(), InputForm::FloatNchw), Ok(1));
    let error = export(&within("c.npz"), InputForm::FloatNchw).unwrap_err();
    assert!(error.contains("c.npz: calibration images are a folder"), "{error}");
}
