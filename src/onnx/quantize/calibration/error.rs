//! What can be wrong with calibration images.

use std::path::PathBuf;

/// Calibration images that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    #[error("cannot read calibration images from {}: {source}", .path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}: calibration images are a folder of PNG and JPEG files, or an array in a .npz file", .path.display())]
    Unknown { path: PathBuf },
    #[error("the folder {} holds no .png, .jpg or .jpeg file to calibrate on", .path.display())]
    Empty { path: PathBuf },
    #[error("{} cannot be calibrated on: {reason}", .path.display())]
    Tensors { path: PathBuf, reason: String },
    #[error("the image {} cannot be read: {reason}; take it out of the folder", .path.display())]
    Picture { path: PathBuf, reason: String },
}
