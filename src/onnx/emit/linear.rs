//! Fully connected layer with bias on a flattened map: `Flatten` and `Gemm`.

use super::{ModelBuilder, int};

impl ModelBuilder {
    /// `weight` is out_channels x in_channels; the output tensor is called `output`.
    pub fn linear(
        &mut self,
        name: &str,
        map: &str,
        [out_channels, in_features]: [u32; 2],
        weight: &[f32],
        bias: &[f32],
        output: &str,
    ) {
        let flatten_name = format!("{name}_flatten");
        let (weight_name, bias_name) = (format!("{name}_weight"), format!("{name}_bias"));
        self.weights(&weight_name, &[out_channels, in_features], weight);
        self.weights(&bias_name, &[out_channels], bias);
        self.node("Flatten", &flatten_name, &[map], &flatten_name, vec![int("axis", 1)]);
        self.node("Gemm", name, &[&flatten_name, &weight_name, &bias_name], output, vec![int("transB", 1)]);
    }
}
