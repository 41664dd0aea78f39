//! Fully connected layer with bias on a flattened map: `Flatten` and `Gemm`; in float16 `Flatten`,
//! `MatMul` and `Add`, because tract's `Gemm` with a bias computes in float32 only.

use super::{ModelBuilder, NumberType, int};

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
        self.node("Flatten", &flatten_name, &[map], &flatten_name, vec![int("axis", 1)]);
        if self.numbers == NumberType::Half {
            let transposed = transposed(weight, in_features as usize);
            self.weights(&weight_name, &[in_features, out_channels], &transposed);
            self.node("MatMul", name, &[&flatten_name, &weight_name], name, vec![]);
            self.node("Add", &format!("{name}_add"), &[name, &bias_name], output, vec![]);
        } else {
            self.weights(&weight_name, &[out_channels, in_features], weight);
            self.node("Gemm", name, &[&flatten_name, &weight_name, &bias_name], output, vec![int("transB", 1)]);
        }
        self.weights(&bias_name, &[out_channels], bias);
    }
}

/// Rows of `columns` values each become columns.
fn transposed(rows: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| rows.iter().skip(column).step_by(columns.max(1)).copied()).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn rows_become_columns() {
        assert_eq!(super::transposed(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }
}
