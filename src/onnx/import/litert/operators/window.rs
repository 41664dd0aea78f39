//! Windows that slide over height and width: convolutions and pools.

use super::Call;
use crate::litert::schema::{ActivationFunctionType as Fused, Padding};
use crate::onnx::import::litert::attribute::{int, ints, text};
use crate::onnx::import::litert::turned;
use crate::onnx::import::messages::Attribute;

impl Call<'_, '_, '_> {
    pub(super) fn convolution(&mut self) -> Result<(), String> {
        let options = self.operator.builtin_options_as_conv_2_doptions().ok_or("it has no options")?;
        let (sizes, weights) = self.kernel(1, [0, 3, 1, 2])?;
        let channels = self.channels()?;
        if sizes[1] == 0 || !channels.is_multiple_of(sizes[1]) {
            return Err(format!("its input has {channels} channels, its weights take {}", sizes[1]));
        }
        let stride = [options.stride_h(), options.stride_w()];
        let dilation = [options.dilation_h_factor(), options.dilation_w_factor()];
        let attributes = sliding(channels / sizes[1], stride, dilation, options.padding());
        self.convolve(weights, attributes, options.fused_activation_function())
    }

    pub(super) fn depthwise(&mut self) -> Result<(), String> {
        let options = self.operator.builtin_options_as_depthwise_conv_2_doptions().ok_or("it has no options")?;
        let (_, weights) = self.kernel(1, [3, 0, 1, 2])?;
        let stride = [options.stride_h(), options.stride_w()];
        let dilation = [options.dilation_h_factor(), options.dilation_w_factor()];
        let attributes = sliding(self.channels()?, stride, dilation, options.padding());
        self.convolve(weights, attributes, options.fused_activation_function())
    }

    /// Channels of the map.
    fn channels(&self) -> Result<u64, String> {
        Ok(self.dims(0)?.last().copied().unwrap_or(0))
    }

    fn convolve(&mut self, weights: String, attributes: Vec<Attribute>, activation: Fused) -> Result<(), String> {
        let inputs = vec![self.value(0)?, weights];
        let inputs = self.with_bias(inputs, 2)?;
        self.fused("Conv", inputs, attributes, activation)
    }

    pub(super) fn transposed_convolution(&mut self) -> Result<(), String> {
        let options = self.operator.builtin_options_as_transpose_conv_options().ok_or("it has no options")?;
        let (_, weights) = self.kernel(1, [3, 0, 1, 2])?;
        let inputs = vec![self.value(2)?, weights];
        let inputs = self.with_bias(inputs, 3)?;
        let output = turned(self.output_dims()?);
        let attributes = vec![
            ints("strides", vec![options.stride_h().into(), options.stride_w().into()]),
            ints("output_shape", output.iter().skip(2).map(|size| *size as i64).collect()),
            padding(options.padding()),
        ];
        self.fused("ConvTranspose", inputs, attributes, options.fused_activation_function())
    }

    pub(super) fn pool(&mut self, operation: &str) -> Result<(), String> {
        let options = self.operator.builtin_options_as_pool_2_doptions().ok_or("it has no options")?;
        let attributes = vec![
            ints("kernel_shape", vec![options.filter_height().into(), options.filter_width().into()]),
            ints("strides", vec![options.stride_h().into(), options.stride_w().into()]),
            padding(options.padding()),
        ];
        let input = self.value(0)?;
        self.fused(operation, vec![input], attributes, options.fused_activation_function())
    }

    /// Sizes of weights in the order of `places`, and the weights under them.
    pub(super) fn kernel(&mut self, place: usize, places: [usize; 4]) -> Result<(Vec<u64>, String), String> {
        let id = self.id(place)?;
        let dims = self.dims(place)?;
        if dims.len() != 4 {
            return Err(format!("its weights have {} dimensions, not 4", dims.len()));
        }
        let sizes: Vec<u64> = places.iter().map(|place| dims[*place]).collect();
        let weights = match self.to.tensor(id)?.data {
            Some(_) => self.to.weight(id, sizes.clone())?,
            None => {
                let value = self.to.value(id)?;
                self.to.resized(value, &sizes)
            }
        };
        Ok((sizes, weights))
    }
}

/// How a convolution slides.
fn sliding(groups: u64, stride: [i32; 2], dilation: [i32; 2], behind: Padding) -> Vec<Attribute> {
    vec![
        int("group", groups as i64),
        ints("strides", stride.map(i64::from).to_vec()),
        ints("dilations", dilation.map(i64::from).to_vec()),
        padding(behind),
    ]
}

fn padding(padding: Padding) -> Attribute {
    text("auto_pad", if padding == Padding::SAME { "SAME_UPPER" } else { "VALID" })
}
