//! Int8 by ai-edge-quantizer in the user's Python: our file and calibration images go in, an int8 file comes out.
//!
//! The program is `quantize.py`, which also runs both files in LiteRT on the same images and says how far apart they
//! are. Not here: which images (`crate::onnx`'s calibration).

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use super::LitertError;
use super::schema;
use crate::onnx::{CalibrationMethod, Image, InputForm, ModelInput, OnnxError, Quantization, QuantizedFor};

/// The Python that is asked unless another is named.
pub const DEFAULT_PYTHON: &str = "python3";

const SCRIPT: &str = include_str!("quantize.py");
/// Exit code of the script where the quantizer is not installed.
const NOT_INSTALLED: i32 = 3;
/// Longest message of the script that is shown, in characters.
const LONGEST_MESSAGE: usize = 600;

/// What int8 cost, by LiteRT's own runtime.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct LitertQuantization {
    /// The quantizer and its version.
    pub quantizer: String,
    /// Images it was calibrated and compared on.
    pub images: usize,
    /// What they were.
    #[serde(default)]
    pub calibration: String,
    /// Mean cosine of the outputs to those of the float file; none where all are zero.
    pub cosine: Option<f64>,
    /// Images whose largest output is the same class.
    pub top1_agreeing: usize,
}

/// The int8 file of the float file `model`, and what it cost.
///
/// # Errors
/// When calibration images cannot be used, Python or the quantizer is missing, or it fails.
pub fn quantize(
    model: &[u8],
    options: &Quantization,
    input: &ModelInput,
    python: &str,
) -> Result<(Vec<u8>, LitertQuantization), LitertError> {
    if options.quantized_for != QuantizedFor::default() || options.method != CalibrationMethod::default() {
        let reason = "ai-edge-quantizer has one scheme and min-max ranges only; leave out --quantized-for and \
                      --calibration-method"
            .to_owned();
        return Err(LitertError::Quantizer { reason });
    }
    let failed = |error: std::io::Error| LitertError::Quantizer { reason: format!("its temporary folder: {error}") };
    let folder = tempfile::tempdir().map_err(failed)?;
    let place = |name: &str| folder.path().join(name);
    std::fs::write(place("quantize.py"), SCRIPT).map_err(failed)?;
    std::fs::write(place("float.tflite"), model).map_err(failed)?;
    write_images(&place("images.bin"), options, input)?;
    let output = Command::new(python)
        .arg(place("quantize.py"))
        .arg(folder.path())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| LitertError::NoPython { python: python.to_owned(), reason: error.to_string() })?;
    if output.status.code() == Some(NOT_INSTALLED) {
        return Err(LitertError::NoQuantizer { python: python.to_owned() });
    }
    let report = std::fs::read(place("report.json"))
        .ok()
        .filter(|_| output.status.success())
        .and_then(|report| serde_json::from_slice::<LitertQuantization>(&report).ok());
    let Some(mut report) = report else {
        return Err(LitertError::Quantizer { reason: last_lines(&output.stderr) });
    };
    report.calibration = options.calibration.kind().to_owned();
    let bytes = std::fs::read(place("int8.tflite")).map_err(failed)?;
    schema::root(&bytes).map_err(|reason| LitertError::Check { reason })?;
    Ok((bytes, report))
}

/// Images one after the other, channels last, in the numbers that the file takes.
fn write_images(path: &Path, options: &Quantization, input: &ModelInput) -> Result<(), LitertError> {
    let failed = |error: std::io::Error| LitertError::Quantizer { reason: format!("its images: {error}") };
    let mut file = BufWriter::new(std::fs::File::create(path).map_err(failed)?);
    let (_, images) = options.calibration.images(input).map_err(OnnxError::from)?;
    let pixels = (input.shape.height * input.shape.width) as usize;
    for image in images {
        match image.map_err(OnnxError::from)? {
            Image::Bytes(bytes) => file.write_all(&bytes).map_err(failed)?,
            Image::Floats(values) if input.form == InputForm::FloatNchw => {
                for pixel in 0..pixels {
                    for value in values.iter().skip(pixel).step_by(pixels) {
                        file.write_all(&value.to_le_bytes()).map_err(failed)?;
                    }
                }
            }
            Image::Floats(_) => return Err(failed(std::io::Error::other("floats for a file that takes bytes"))),
        }
    }
    file.flush().map_err(failed)
}

/// The end of what a program wrote, without control characters.
fn last_lines(bytes: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(bytes).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = text.trim();
    let skipped = text.chars().count().saturating_sub(LONGEST_MESSAGE);
    if text.is_empty() { "it said nothing".to_owned() } else { text.chars().skip(skipped).collect() }
}
