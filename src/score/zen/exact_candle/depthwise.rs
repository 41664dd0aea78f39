//! Depthwise convolution as a sum of shifted maps: candle has only one convolution per channel.

use candle_core::{Result, Tensor};

/// Convolves every channel with its own kernel, padding `(kernel - 1) / 2`: for each place of the
/// kernel, the map shifted by it times that place's weight of each channel. `map` is batch x channels
/// x height x width, `weight` channels x 1 x kernel x kernel.
///
/// # Errors
/// When the shapes do not fit, or the device is out of memory.
pub(super) fn depthwise(map: &Tensor, weight: &Tensor, stride: usize) -> Result<Tensor> {
    let (batch_size, channels, height, width) = map.dims4()?;
    let (_, _, kernel, _) = weight.dims4()?;
    let padding = (kernel - 1) / 2;
    let outputs = |side: usize| (side + 2 * padding - kernel) / stride + 1;
    // Rows and columns in whole strides, so that every stride-th one is a view of the padded map.
    let blocks = |side: usize| outputs(side) + (kernel - 1) / stride;
    let padded = pad(map, 2, padding, blocks(height) * stride)?;
    let padded = pad(&padded, 3, padding, blocks(width) * stride)?.contiguous()?;
    let padded = padded.reshape(&[batch_size, channels, blocks(height), stride, blocks(width), stride][..])?;
    let mut sum: Option<Tensor> = None;
    for row in 0..kernel {
        let rows = padded.narrow(2, row / stride, outputs(height))?.narrow(3, row % stride, 1)?.squeeze(3)?;
        for column in 0..kernel {
            let shifted = rows.narrow(3, column / stride, outputs(width))?.narrow(4, column % stride, 1)?.squeeze(4)?;
            let weights = weight.narrow(2, row, 1)?.narrow(3, column, 1)?.reshape((1, channels, 1, 1))?;
            let product = shifted.broadcast_mul(&weights)?;
            sum = Some(match sum {
                Some(sum) => (sum + product)?,
                None => product,
            });
        }
    }
    sum.map_or_else(|| map.zeros_like(), Ok)
}

/// Zeros before and after, `length` in all; what lies beyond is cut off.
fn pad(map: &Tensor, dimension: usize, before: usize, length: usize) -> Result<Tensor> {
    let after = length.saturating_sub(before + map.dim(dimension)?);
    map.pad_with_zeros(dimension, before, after)?.narrow(dimension, 0, length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    #[test]
    fn agrees_with_one_convolution_per_channel() {
        let normal = |shape: (usize, usize, usize, usize)| {
            Tensor::randn(0f64, 1.0, shape, &Device::Cpu).unwrap().to_dtype(DType::F64).unwrap()
        };
        for (kernel, stride) in [(1, 1), (3, 1), (3, 2), (3, 3), (5, 1), (5, 2), (7, 1), (7, 2), (1, 2)] {
            for (height, width) in [(8, 8), (7, 9), (1, 2), (6, 5)] {
                let (map, weight) = (normal((2, 3, height, width)), normal((3, 1, kernel, kernel)));
                let found = depthwise(&map, &weight, stride).unwrap();
                let expected = map.conv2d(&weight, (kernel - 1) / 2, stride, 1, 3).unwrap();
                assert_eq!(found.dims(), expected.dims(), "kernel {kernel}, stride {stride}, {height} x {width}");
                let error = (found - expected).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
                assert!(error < 1e-12, "kernel {kernel}, stride {stride}, {height} x {width}: {error}");
            }
        }
    }
}
