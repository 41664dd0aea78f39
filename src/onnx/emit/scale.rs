//! Scale and shift per channel: a batch norm in inference that folded into nothing.

use super::ModelBuilder;

impl ModelBuilder {
    pub fn scale_and_shift(&mut self, name: &str, map: &str, scale: &[f32], shift: &[f32]) {
        let channels = scale.len() as u32;
        let parameters = ["scale", "shift", "mean", "variance"].map(|what| format!("{name}_{what}"));
        let neutral = [vec![0.0; scale.len()], vec![1.0; scale.len()]];
        for (parameter, values) in parameters.iter().zip([scale, shift, &neutral[0], &neutral[1]]) {
            self.weights(parameter, &[channels], values);
        }
        let mut inputs = vec![map];
        inputs.extend(parameters.iter().map(String::as_str));
        self.node("BatchNormalization", name, &inputs, name, vec![]);
    }
}
