//! Convolutions and maps against candle's own forward pass and against differences.

use candle_core::{DType, Device, Tensor, Var};

use super::dense::Window;
use super::{dense, depthwise, maps};

/// Fixed numbers without a pattern.
fn numbers(shape: &[usize], salt: u64) -> Tensor {
    let count: usize = shape.iter().product();
    let mut values = vec![0.0; count];
    crate::score::Draw { seed: salt, number: 0 }.normal(crate::score::Purpose::Input, &mut values);
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap().to_dtype(DType::F64).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn assert_near(found: &Tensor, expected: &Tensor, what: &str) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    for (a, b) in values(found).iter().zip(values(expected)) {
        assert!((a - b).abs() < 1e-9 * (1.0 + b.abs()), "{what}: {a}, expected {b}");
    }
}

/// channels x images and pixels, from batch x channels x height x width
fn rows(images: &Tensor) -> Tensor {
    let channels = images.dim(1).unwrap();
    images.transpose(0, 1).unwrap().contiguous().unwrap().reshape((channels, ())).unwrap()
}

/// Gradients of `sum(function(arguments) * direction)` agree with central differences.
fn check_gradients(arguments: &[Tensor], function: impl Fn(&[Tensor]) -> Tensor, what: &str) {
    let vars: Vec<Var> = arguments.iter().map(|argument| Var::from_tensor(argument).unwrap()).collect();
    let tracked: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
    let result = function(&tracked);
    let direction = numbers(result.dims(), 99);
    let along = |result: &Tensor| (result * &direction).unwrap().sum_all().unwrap();
    let gradients = along(&result).backward().unwrap();
    let step = 1e-5;
    for (number, var) in vars.iter().enumerate() {
        let gradient = values(gradients.get(var).unwrap());
        let start = values(&arguments[number]);
        // Not every place, but all remainders.
        for place in (0..start.len()).step_by(1 + start.len() / 97) {
            let at = |shift: f64| -> f64 {
                let mut moved = start.clone();
                moved[place] += shift;
                let mut arguments = arguments.to_vec();
                arguments[number] = Tensor::from_vec(moved, arguments[number].dims(), &Device::Cpu).unwrap();
                along(&function(&arguments)).to_scalar().unwrap()
            };
            let expected = (at(step) - at(-step)) / (2.0 * step);
            let error = (gradient[place] - expected).abs();
            assert!(error < 1e-6 * (1.0 + expected.abs()), "{what}, {number}: {} for {expected}", gradient[place]);
        }
    }
}

/// Kernels, strides, even and odd sides that are not square.
#[test]
fn convolutions_agree_with_candle_forward_and_with_differences_backward() {
    let (batch_size, in_channels, out_channels) = (2, 3, 4);
    for (height, width) in [(6, 6), (7, 5), (8, 7), (3, 2), (1, 1)] {
        for kernel in [1, 3, 5, 7] {
            for stride in [1, 2, 3] {
                let what = format!("{height}x{width}, kernel {kernel}, stride {stride}");
                let window = Window { kernel, stride, in_channels, batch_size, height, width };
                let images = numbers(&[batch_size, in_channels, height, width], 1);
                for groups in [1, in_channels] {
                    let out = if groups == 1 { out_channels } else { in_channels };
                    let weight = numbers(&[out, in_channels / groups, kernel, kernel], 2);
                    let expected = rows(&images.conv2d(&weight, (kernel - 1) / 2, stride, 1, groups).unwrap());
                    let arguments = [rows(&images), weight.reshape((out, ())).unwrap()];
                    let convolve = |arguments: &[Tensor]| match groups {
                        1 => dense::convolve(&arguments[0], &arguments[1], window).unwrap(),
                        _ => depthwise::convolve(&arguments[0], &arguments[1], window).unwrap(),
                    };
                    assert_near(&convolve(&arguments), &expected, &what);
                    check_gradients(&arguments, convolve, &format!("{what}, {groups} groups"));
                }
            }
        }
    }
}

#[test]
fn batch_norm_and_relu_agree_with_differences() {
    let [map, weight, bias] = [numbers(&[3, 29], 3), numbers(&[3], 4), numbers(&[3], 5)];
    let function = |arguments: &[Tensor]| {
        maps::relu(&maps::batch_norm(&arguments[0], &arguments[1], &arguments[2]).unwrap()).unwrap()
    };
    check_gradients(&[map.clone(), weight, bias], function, "batch norm");
    let [one, zero] =
        [Tensor::ones(3, DType::F64, &Device::Cpu).unwrap(), Tensor::zeros(3, DType::F64, &Device::Cpu).unwrap()];
    let normalised = maps::batch_norm(&map, &one, &zero).unwrap();
    assert_near(&normalised.mean(1).unwrap(), &zero, "mean");
    let variance = map.broadcast_sub(&map.mean_keepdim(1).unwrap()).unwrap().sqr().unwrap().mean(1).unwrap();
    let expected = (&variance / (&variance + crate::net::BATCH_NORM_EPSILON as f64).unwrap()).unwrap();
    assert_near(&normalised.sqr().unwrap().mean(1).unwrap(), &expected, "variance");
}

/// Where a map is 0 the gradient is 0, as in PyTorch.
#[test]
fn relu_is_flat_at_zero() {
    let map = Var::from_slice(&[-1.0, 0.0, 2.0], (1, 3), &Device::Cpu).unwrap();
    let gradients = maps::relu(&map).unwrap().sum_all().unwrap().backward().unwrap();
    assert_eq!(values(gradients.get(&map).unwrap()), [0.0, 0.0, 1.0]);
}
