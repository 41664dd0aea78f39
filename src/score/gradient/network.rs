//! A vanilla network with weights, as a function that candle differentiates.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor, Var};

use super::dense::Window;
use super::{Batch, GradientError, dense, depthwise, failed, maps};
use crate::net::{Activation, Graph, Operator, OperatorKind};
use crate::score::{Draw, Purpose};

/// What a parameter does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Weight of a convolution.
    Convolution,
    /// Weight of the classifier.
    Linear,
    /// Weight of a batch norm.
    BatchNorm,
    /// Bias of a batch norm or of the classifier.
    Bias,
}

/// A tensor that gradients are taken of.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// State-dict name.
    pub name: String,
    pub role: Role,
    /// Weights of convolutions and classifier: out channels x everything else; the others one value
    /// for each channel.
    pub values: Var,
}

/// A network without residual links and gates, classifier included, with its weights.
#[derive(Debug)]
pub struct Network {
    graph: Graph,
    /// In execution order, weight before bias.
    parameters: Vec<Parameter>,
}

impl Network {
    /// The vanilla network of `graph` with fresh weights: N(0, 1) for convolutions and classifier,
    /// layer by layer [`Purpose::Weights`] from 0 on; batch-norm weights 1, biases 0.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn drawn(graph: &Graph, draw: Draw, dtype: DType) -> Result<Self, GradientError> {
        let mut layer = 0;
        Self::build(graph, dtype, |name, role, shape| {
            let made = match role {
                Role::Convolution | Role::Linear => {
                    let mut values = vec![0.0; shape.iter().product()];
                    draw.normal(Purpose::Weights(layer), &mut values);
                    layer += 1;
                    Tensor::from_vec(values, shape, &Device::Cpu)
                }
                Role::BatchNorm => Tensor::ones(shape, dtype, &Device::Cpu),
                Role::Bias => Tensor::zeros(shape, dtype, &Device::Cpu),
            };
            made.map_err(failed(format!("drawing {name}")))
        })
    }

    /// The vanilla network of `graph` with given weights, by state-dict name and in PyTorch's shapes;
    /// others are not looked at.
    ///
    /// # Errors
    /// A missing or misshapen tensor.
    pub fn with_weights(graph: &Graph, weights: &HashMap<String, Tensor>, dtype: DType) -> Result<Self, GradientError> {
        Self::build(graph, dtype, |name, _, expected| {
            let found = weights.get(name).ok_or_else(|| GradientError::MissingTensor { name: name.to_owned() })?;
            if found.dims() != expected {
                let (name, expected, found) = (name.to_owned(), expected.to_vec(), found.dims().to_vec());
                return Err(GradientError::Shape { name, expected, found });
            }
            Ok(found.clone())
        })
    }

    /// Makes every parameter from its name, role and PyTorch's shape.
    fn build(
        graph: &Graph,
        dtype: DType,
        mut make: impl FnMut(&str, Role, &[usize]) -> Result<Tensor, GradientError>,
    ) -> Result<Self, GradientError> {
        let graph = graph.vanilla();
        let mut parameters = Vec::new();
        for operator in graph.operators() {
            for (suffix, role, shape) in parameters_of(&graph, operator) {
                let name = format!("{}.{suffix}", operator.origin.state_dict_prefix());
                let values = make(&name, role, &shape)?;
                let flat = || match shape.len() {
                    1 => values.to_dtype(dtype),
                    _ => values.to_dtype(dtype)?.reshape((shape[0], ())),
                };
                let values = flat().and_then(|values| Var::from_tensor(&values)).map_err(failed(name.as_str()))?;
                parameters.push(Parameter { name, role, values });
            }
        }
        Ok(Self { graph, parameters })
    }

    /// The same network with the absolute value of every parameter.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn absolute(&self) -> Result<Self, GradientError> {
        let absolute = |parameter: &Parameter| {
            let values = parameter.values.abs().and_then(|values| Var::from_tensor(&values.detach()));
            let values = values.map_err(failed(parameter.name.as_str()))?;
            Ok(Parameter { values, ..parameter.clone() })
        };
        let parameters = self.parameters.iter().map(absolute).collect::<Result<_, GradientError>>()?;
        Ok(Self { graph: self.graph.clone(), parameters })
    }

    /// In execution order, weight before bias.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Channels, height and width of an image.
    pub fn image_shape(&self) -> [usize; 3] {
        let shape = self.graph.operators()[0].shape;
        [shape.channels, shape.height, shape.width].map(|side| side as usize)
    }

    /// Batches of Gaussian images with labels uniform over the classes.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn draw_batches(&self, draw: Draw, count: usize, batch_size: usize) -> Result<Vec<Batch>, GradientError> {
        let [channels, height, width] = self.image_shape();
        let classes = self.graph.operators().last().map_or(1, |last| last.shape.channels);
        let mut values = vec![0.0; count * batch_size * channels * height * width];
        draw.normal(Purpose::Input, &mut values);
        let labels = draw.labels(count * batch_size, classes);
        let images = Tensor::from_vec(values, (count * batch_size, channels, height, width), &Device::Cpu);
        let images = images.map_err(failed("drawing images"))?;
        let batch = |number| {
            let images = images.narrow(0, number * batch_size, batch_size).map_err(failed("dividing images"))?;
            Ok(Batch { images, labels: labels[number * batch_size..][..batch_size].to_vec() })
        };
        (0..count).map(batch).collect()
    }

    /// Outputs of the classifier, classes x images, for `images` (batch x channels x height x
    /// width; any floating-point type). Batch norms normalise with the batch.
    ///
    /// # Errors
    /// Images of another shape, a batch norm that sees one value per channel.
    pub fn logits(&self, images: &Tensor) -> Result<Tensor, GradientError> {
        let batch_size = images.dims().first().copied().unwrap_or(0);
        let [channels, height, width] = self.image_shape();
        let expected = [batch_size.max(1), channels, height, width];
        if images.dims() != expected {
            let (expected, found) = (expected.to_vec(), images.dims().to_vec());
            return Err(GradientError::Shape { name: "images".to_owned(), expected, found });
        }
        let dtype = self.parameters[0].values.dtype();
        let rows = || images.to_dtype(dtype)?.transpose(0, 1)?.contiguous()?.reshape((channels, ()));
        let mut map = rows().map_err(failed("laying images out"))?;
        let mut parameters = self.parameters.iter();
        // Without links, every operator reads the one before it.
        for operator in self.graph.operators() {
            let count = parameters_of(&self.graph, operator).len();
            let values: Vec<&Tensor> =
                parameters.by_ref().take(count).map(|parameter| parameter.values.as_tensor()).collect();
            map = self.apply(operator, &map, &values, batch_size)?;
        }
        Ok(map)
    }

    fn apply(
        &self,
        operator: &Operator,
        map: &Tensor,
        parameters: &[&Tensor],
        batch_size: usize,
    ) -> Result<Tensor, GradientError> {
        let name = || operator.origin.state_dict_prefix();
        let input = self.graph.input_shape(operator);
        let result = match (operator.kind, parameters) {
            (OperatorKind::Conv { kernel, stride, groups, .. }, [weight]) => {
                let window = Window {
                    kernel: kernel as usize,
                    stride: stride as usize,
                    in_channels: input.channels as usize,
                    batch_size,
                    height: input.height as usize,
                    width: input.width as usize,
                };
                if groups == 1 {
                    dense::convolve(map, weight, window)
                } else if groups == input.channels && operator.shape.channels == input.channels {
                    depthwise::convolve(map, weight, window)
                } else {
                    return Err(GradientError::Groups { name: name(), groups });
                }
            }
            (OperatorKind::BatchNorm, [weight, bias]) => {
                if batch_size as u64 * input.pixels() < 2 {
                    return Err(GradientError::SingleValue { name: name() });
                }
                maps::batch_norm(map, weight, bias)
            }
            (OperatorKind::Activation(Activation::Relu), _) => maps::relu(map),
            (OperatorKind::GlobalAveragePool, _) => {
                map.reshape((input.channels as usize, batch_size, ())).and_then(|map| map.mean(2))
            }
            (OperatorKind::Linear, [weight, bias]) => {
                let add = |map: Tensor| map.broadcast_add(&bias.reshape(((), 1))?);
                weight.matmul(map).and_then(add)
            }
            // The image; gates and additions are not in a vanilla network.
            _ => Ok(map.clone()),
        };
        result.map_err(failed(format!("{:?} `{}`", operator.kind, name())))
    }

    /// Mean over the batch of the cross-entropy between the classifier's softmax and the labels.
    ///
    /// # Errors
    /// As [`Network::logits`].
    pub fn cross_entropy(&self, batch: &Batch) -> Result<Tensor, GradientError> {
        let logits = self.logits(&batch.images)?;
        let loss = || {
            let labels = Tensor::new(batch.labels.as_slice(), &Device::Cpu)?;
            candle_nn::loss::cross_entropy(&logits.t()?, &labels)
        };
        loss().map_err(failed("cross-entropy"))
    }

    /// Gradient of a number with respect to every parameter, in their order and shape.
    ///
    /// # Errors
    /// When candle cannot differentiate.
    pub fn gradients(&self, of: &Tensor) -> Result<Vec<Tensor>, GradientError> {
        let gradients = of.backward().map_err(failed("going backward"))?;
        let gradient = |parameter: &Parameter| match gradients.get(&parameter.values) {
            Some(gradient) => Ok(gradient.clone()),
            None => parameter.values.zeros_like().map_err(failed(parameter.name.as_str())),
        };
        self.parameters.iter().map(gradient).collect()
    }
}

/// Suffix, role and PyTorch's shape of an operator's parameters.
fn parameters_of(graph: &Graph, operator: &Operator) -> Vec<(&'static str, Role, Vec<usize>)> {
    let [out_channels, in_channels] =
        [operator.shape, graph.input_shape(operator)].map(|shape| shape.channels as usize);
    match operator.kind {
        OperatorKind::Conv { kernel, groups, .. } => {
            let kernel = kernel as usize;
            let shape = vec![out_channels, in_channels / groups as usize, kernel, kernel];
            vec![("weight", Role::Convolution, shape)]
        }
        OperatorKind::BatchNorm => {
            vec![("weight", Role::BatchNorm, vec![out_channels]), ("bias", Role::Bias, vec![out_channels])]
        }
        OperatorKind::Linear => {
            vec![("weight", Role::Linear, vec![out_channels, in_channels]), ("bias", Role::Bias, vec![out_channels])]
        }
        _ => Vec::new(),
    }
}

/// A gradient as double-precision numbers.
pub(super) fn numbers(gradient: &Tensor) -> Result<Vec<f64>, GradientError> {
    let numbers = || gradient.to_dtype(DType::F64)?.flatten_all()?.to_vec1();
    numbers().map_err(failed("reading a gradient"))
}
