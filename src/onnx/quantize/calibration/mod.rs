//! The images that activations are calibrated on: the user's image files or tensors, or random ones.
//!
//! They come one at a time, as the model takes them, so that memory does not grow with their
//! number. Not here: what is looked at while they run (`../watch.rs`).

mod error;
mod npy;
mod npz;
mod picture;
mod random;
mod resize;

use std::path::{Path, PathBuf};

pub use error::CalibrationError;

use crate::net::Shape;
use crate::onnx::{InputForm, Normalization};

/// Folders inside folders that are looked into.
const MAX_DEPTH: u32 = 8;

/// Where calibration images come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Calibration {
    /// Drawn; says little about what a network sees in use.
    Random { images: usize, seed: u64 },
    /// An array in a `.npz` file, of what the model takes.
    Tensors { path: PathBuf },
    /// PNG and JPEG files.
    Images { files: Vec<PathBuf> },
}

impl Default for Calibration {
    fn default() -> Self {
        Self::Random { images: 16, seed: 0 }
    }
}

impl Calibration {
    /// A folder of PNG and JPEG files, with those in its folders, or a `.npz` file.
    ///
    /// # Errors
    /// When it cannot be read or is neither.
    pub fn open(path: &Path) -> Result<Self, CalibrationError> {
        let read = |source| CalibrationError::Read { path: path.to_owned(), source };
        let kind = path.metadata().map_err(read)?;
        if kind.is_dir() {
            let mut files = Vec::new();
            gather(path, MAX_DEPTH, &mut files)?;
            if files.is_empty() {
                return Err(CalibrationError::Empty { path: path.to_owned() });
            }
            files.sort();
            return Ok(Self::Images { files });
        }
        // What is no file, such as a pipe, might never end.
        if kind.is_file() && has_extension(path, &["npz"]) {
            return Ok(Self::Tensors { path: path.to_owned() });
        }
        Err(CalibrationError::Unknown { path: path.to_owned() })
    }

    /// What kind of images they are, for a report and a model's metadata.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Random { .. } => "random inputs",
            Self::Tensors { .. } => "tensors",
            Self::Images { .. } => "images",
        }
    }

    /// The images as `input` wants them, and their number.
    ///
    /// # Errors
    /// When a file of tensors does not fit the model.
    pub(crate) fn images<'i>(&'i self, input: &'i ModelInput) -> Result<(usize, Images<'i>), CalibrationError> {
        match self {
            Self::Random { images, seed } => {
                Ok((*images, Box::new((0..*images).map(|image| Ok(random::image(input, *seed, image))))))
            }
            Self::Tensors { path } => {
                let (count, images) = npz::open(path, input)?;
                Ok((count, Box::new(images)))
            }
            Self::Images { files } => Ok((files.len(), Box::new(files.iter().map(|file| picture::load(file, input))))),
        }
    }
}

/// Images one after the other, each a batch of one.
pub(crate) type Images<'i> = Box<dyn Iterator<Item = Result<Image, CalibrationError>> + 'i>;

/// The numbers of one image, in the model's order.
#[derive(Clone, Debug, PartialEq)]
pub enum Image {
    Floats(Vec<f32>),
    Bytes(Vec<u8>),
}

/// What a model takes.
#[derive(Clone, Debug)]
pub struct ModelInput {
    pub form: InputForm,
    pub shape: Shape,
    /// What the model itself applies.
    pub normalization: Option<Normalization>,
}

impl ModelInput {
    /// Dimensions of a batch of one image.
    pub fn dimensions(&self) -> [usize; 4] {
        let [channels, height, width] =
            [self.shape.channels, self.shape.height, self.shape.width].map(|side| side as usize);
        match self.form {
            InputForm::FloatNchw => [1, channels, height, width],
            InputForm::Uint8Nhwc => [1, height, width, channels],
        }
    }

    /// Numbers of one image.
    pub fn elements(&self) -> usize {
        self.dimensions().iter().product()
    }

    /// Whether image files have to be normalised for the model, which is then done as for ImageNet.
    pub fn wants_normalized(&self) -> bool {
        self.form == InputForm::FloatNchw && self.normalization.is_none()
    }
}

fn has_extension(path: &Path, known: &[&str]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| known.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// Adds the image files in `folder` and below. Links to folders are not followed: they may lead
/// in circles.
fn gather(folder: &Path, depth: u32, files: &mut Vec<PathBuf>) -> Result<(), CalibrationError> {
    let read = |source| CalibrationError::Read { path: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(read)? {
        let entry = entry.map_err(read)?;
        if entry.file_type().map_err(read)?.is_dir() {
            if depth > 0 {
                gather(&entry.path(), depth - 1, files)?;
            }
        } else if has_extension(&entry.path(), &["png", "jpg", "jpeg"])
            && entry.path().metadata().map_or(true, |kind| kind.is_file())
        {
            files.push(entry.path());
        }
    }
    Ok(())
}
