//! Square convolution with bias; an odd kernel has padding `(kernel - 1) / 2`.

use super::foreign::pads;
use super::{ModelBuilder, int, ints};

/// The numbers that decide a convolution.
#[derive(Clone, Copy, Debug)]
pub(in crate::onnx) struct ConvArguments {
    pub kernel: u32,
    pub stride: u32,
    pub groups: u32,
    pub in_channels: u32,
    pub out_channels: u32,
}

impl ConvArguments {
    /// 1 x 1, stride 1, one group.
    pub fn pointwise(in_channels: u32, out_channels: u32) -> Self {
        Self { kernel: 1, stride: 1, groups: 1, in_channels, out_channels }
    }

    /// Dimensions of the weight: out x in / groups x kernel x kernel.
    pub fn weight_dimensions(&self) -> [u32; 4] {
        [self.out_channels, self.in_channels / self.groups, self.kernel, self.kernel]
    }
}

impl ModelBuilder {
    pub fn conv(&mut self, name: &str, map: &str, arguments: ConvArguments, weight: &[f32], bias: &[f32]) {
        let ConvArguments { kernel, stride, groups, out_channels, .. } = arguments;
        let (weight_name, bias_name) = (format!("{name}_weight"), format!("{name}_bias"));
        self.weights(&weight_name, &arguments.weight_dimensions(), weight);
        self.weights(&bias_name, &[out_channels], bias);
        let attributes = vec![
            ints("kernel_shape", &[kernel; 2]),
            ints("strides", &[stride; 2]),
            ints("pads", &pads(kernel, stride)),
            ints("dilations", &[1; 2]),
            int("group", groups as i64),
        ];
        self.node("Conv", name, &[map, &weight_name, &bias_name], name, attributes);
    }
}
