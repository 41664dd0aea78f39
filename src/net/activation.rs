//! Element-wise non-linearities and their names.

/// Element-wise non-linearities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Activation {
    Relu,
    Sigmoid,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// `x` times a hard sigmoid.
    HardSwish,
    /// A clipped straight line for the sigmoid.
    HardSigmoid,
    /// `x` times a sigmoid, also called SiLU.
    Swish,
    Gelu,
    Tanh,
    /// A small fixed slope below zero.
    LeakyRelu,
    /// A trained slope below zero for each channel.
    PRelu,
    Elu,
}

/// Every activation with its name in tables and output.
const ACTIVATIONS: [(Activation, &str); 11] = [
    (Activation::Relu, "relu"),
    (Activation::Sigmoid, "sigmoid"),
    (Activation::Relu6, "relu6"),
    (Activation::HardSwish, "hard_swish"),
    (Activation::HardSigmoid, "hard_sigmoid"),
    (Activation::Swish, "swish"),
    (Activation::Gelu, "gelu"),
    (Activation::Tanh, "tanh"),
    (Activation::LeakyRelu, "leaky_relu"),
    (Activation::PRelu, "prelu"),
    (Activation::Elu, "elu"),
];

impl Activation {
    /// Every activation.
    pub fn all() -> impl Iterator<Item = Self> {
        ACTIVATIONS.iter().map(|(activation, _)| *activation)
    }

    /// Name in tables and output, e.g. `hard_swish`.
    pub fn name(self) -> &'static str {
        // Every activation is listed, so the fallback is never read.
        ACTIVATIONS.iter().find(|(activation, _)| *activation == self).map_or("", |(_, name)| name)
    }

    /// Inverse of [`Activation::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        ACTIVATIONS.iter().find(|(_, known)| *known == name).map(|(activation, _)| *activation)
    }
}
