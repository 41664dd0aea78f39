//! Operators that the search spaces do not have and other people's networks do, for timing them.

use super::{ModelBuilder, int, ints, text};

/// Padding of a window: `(kernel - 1) / 2` around for an odd side; for an even one what keeps
/// output = input / stride, the odd pixel behind.
pub(super) fn pads(kernel: u32, stride: u32) -> [u32; 4] {
    if kernel % 2 == 1 {
        return [(kernel - 1) / 2; 4];
    }
    let total = kernel.saturating_sub(stride);
    let [before, behind] = [total / 2, total - total / 2];
    [before, before, behind, behind]
}

impl ModelBuilder {
    /// `operation` is `MaxPool` or `AveragePool`.
    pub fn pool(&mut self, operation: &str, name: &str, map: &str, kernel: u32, stride: u32) {
        let attributes = vec![
            ints("kernel_shape", &[kernel; 2]),
            ints("strides", &[stride; 2]),
            ints("pads", &pads(kernel, stride)),
        ];
        self.node(operation, name, &[map], name, attributes);
    }

    /// Two maps behind each other along the channels.
    pub fn concat(&mut self, name: &str, first: &str, second: &str) {
        self.node("Concat", name, &[first, second], name, vec![int("axis", 1)]);
    }

    pub fn multiply(&mut self, name: &str, first: &str, second: &str) {
        self.node("Mul", name, &[first, second], name, vec![]);
    }

    /// Nearest neighbours at `scales` times height and width.
    pub fn resize(&mut self, name: &str, map: &str, scales: [f32; 2]) {
        let scales_name = format!("{name}_scales");
        self.weights(&scales_name, &[4], &[1.0, 1.0, scales[0], scales[1]]);
        let attributes = vec![
            text("mode", "nearest"),
            text("coordinate_transformation_mode", "asymmetric"),
            text("nearest_mode", "floor"),
        ];
        self.node("Resize", name, &[map, "", &scales_name], name, attributes);
    }

    /// Channels first to channels last.
    pub fn channels_last(&mut self, name: &str, map: &str) {
        self.node("Transpose", name, &[map], name, vec![ints("perm", &[0, 2, 3, 1])]);
    }

    /// Over the channels of each pixel, with scale and shift; in the small steps that PyTorch exports.
    pub fn channel_norm(&mut self, name: &str, map: &str, channels: u32) {
        let part = |word: &str| format!("{name}_{word}");
        let [mean, centred, square, variance, shifted, root, ratio, scaled] =
            ["mean", "centred", "square", "variance", "shifted", "root", "ratio", "scaled"].map(part);
        let [epsilon, scale, shift] = ["epsilon", "scale", "shift"].map(part);
        self.weights(&epsilon, &[], &[1e-6]);
        self.weights(&scale, &[channels, 1, 1], &vec![1.5; channels as usize]);
        self.weights(&shift, &[channels, 1, 1], &vec![0.5; channels as usize]);
        let along = || vec![ints("axes", &[1]), int("keepdims", 1)];
        self.node("ReduceMean", &mean, &[map], &mean, along());
        self.node("Sub", &centred, &[map, &mean], &centred, vec![]);
        self.node("Mul", &square, &[&centred, &centred], &square, vec![]);
        self.node("ReduceMean", &variance, &[&square], &variance, along());
        self.node("Add", &shifted, &[&variance, &epsilon], &shifted, vec![]);
        self.node("Sqrt", &root, &[&shifted], &root, vec![]);
        self.node("Div", &ratio, &[&centred, &root], &ratio, vec![]);
        self.node("Mul", &scaled, &[&ratio, &scale], &scaled, vec![]);
        self.node("Add", name, &[&scaled, &shift], name, vec![]);
    }

    /// Over the channels of each pixel.
    pub fn softmax(&mut self, name: &str, map: &str) {
        self.node("Softmax", name, &[map], name, vec![int("axis", 1)]);
    }

    /// Of the last two dimensions.
    pub fn matmul(&mut self, name: &str, first: &str, second: &str) {
        self.node("MatMul", name, &[first, second], name, vec![]);
    }
}
