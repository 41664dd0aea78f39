//! Models that show what a runtime itself costs, rather than any operator.

use super::OnnxError;
use super::emit::{Batch, ModelBuilder, encode};
use crate::net::{Activation, Shape};

/// A chain of sigmoids on eight values, encoded: next to no work, so that a call takes what the
/// runtime takes for a call and for `count` nodes.
///
/// # Errors
/// When the model cannot be encoded.
pub fn activation_chain_model(count: u32) -> Result<Vec<u8>, OnnxError> {
    let shape = Shape { channels: 8, height: 1, width: 1 };
    let mut builder = ModelBuilder::new("zen_nas_chain", Batch::Fixed(1));
    builder.input("input", shape);
    let mut output = "input".to_owned();
    for i in 0..count {
        let name = format!("sigmoid{i}");
        builder.activation(&name, Activation::Sigmoid, &output);
        output = name;
    }
    builder.output(&output, &[shape.channels, shape.height, shape.width]);
    encode(&builder.finish([])?)
}
