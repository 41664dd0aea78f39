//! Where a proxy computes: on this processor, or on a GPU by way of candle.
//!
//! The GPU path is compiled with the cargo feature `cuda`; without it, asking for a GPU is an error
//! that says so. Proxies without a GPU path compute on the processor whatever is asked.

use std::fmt;
use std::str::FromStr;

/// Where a proxy computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compute {
    /// This processor.
    #[default]
    Cpu,
    /// The NVIDIA GPU of that number, counted as CUDA counts them.
    Cuda(usize),
}

/// A place to compute that does not exist or cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ComputeError {
    #[error("`{0}` is no place to compute: write cpu, or cuda:N for the GPU of number N")]
    Unknown(String),
    #[error(
        "{0}: this program was built without CUDA; build it with `cargo build --release --features cuda` where \
         the CUDA toolkit (nvcc) is installed, or use cpu"
    )]
    NotBuilt(Compute),
    #[cfg(feature = "candle")]
    #[error("opening {compute} (`nvidia-smi` lists the GPUs): {source}")]
    Open { compute: Compute, source: candle_core::Error },
}

impl fmt::Display for Compute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => write!(f, "cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl FromStr for Compute {
    type Err = ComputeError;

    fn from_str(text: &str) -> Result<Self, ComputeError> {
        match text.split_once(':') {
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "cuda" => Ok(Self::Cuda(0)),
            Some(("cuda", number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                number.parse().map(Self::Cuda).map_err(|_| ComputeError::Unknown(text.to_owned()))
            }
            _ => Err(ComputeError::Unknown(text.to_owned())),
        }
    }
}

impl Compute {
    /// Whether it can be used, before hours of work rely on it.
    ///
    /// # Errors
    /// When the program was built without CUDA, or the GPU does not open.
    pub fn check(self) -> Result<(), ComputeError> {
        match self {
            Self::Cpu => Ok(()),
            #[cfg(feature = "candle")]
            Self::Cuda(_) => self.device().map(drop),
            #[cfg(not(feature = "candle"))]
            Self::Cuda(_) => Err(ComputeError::NotBuilt(self)),
        }
    }

    /// The candle device; a GPU is opened once and kept, with the kernels loaded on it.
    ///
    /// # Errors
    /// As [`Compute::check`].
    #[cfg(feature = "candle")]
    pub fn device(self) -> Result<candle_core::Device, ComputeError> {
        use std::sync::{Mutex, PoisonError};

        static OPEN: Mutex<Vec<(usize, candle_core::Device)>> = Mutex::new(Vec::new());
        let Self::Cuda(number) = self else { return Ok(candle_core::Device::Cpu) };
        if !cfg!(feature = "cuda") {
            return Err(ComputeError::NotBuilt(self));
        }
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, device)) = open.iter().find(|(opened, _)| *opened == number) {
            return Ok(device.clone());
        }
        let device =
            candle_core::Device::new_cuda(number).map_err(|source| ComputeError::Open { compute: self, source })?;
        open.push((number, device.clone()));
        Ok(device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_and_written() {
        for (text, compute) in [("cpu", Compute::Cpu), ("cuda:0", Compute::Cuda(0)), ("cuda:12", Compute::Cuda(12))] {
            assert_eq!(text.parse::<Compute>().unwrap(), compute);
            assert_eq!(compute.to_string(), text);
        }
        assert_eq!("cuda".parse::<Compute>().unwrap(), Compute::Cuda(0));
        for text in ["", "gpu", "cpu:0", "cuda:", "cuda:+1", "cuda:-1", "cuda:x", "CUDA:0", "cuda:99999999999999999999"]
        {
            assert!(text.parse::<Compute>().unwrap_err().to_string().contains("cuda:N"), "{text}");
        }
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn a_build_without_cuda_says_how_to_get_one() {
        assert!(Compute::Cpu.check().is_ok());
        let error = Compute::Cuda(0).check().unwrap_err().to_string();
        assert!(error.starts_with("cuda:0: ") && error.contains("--features cuda"), "{error}");
    }
}
