//! The blocks of the published networks, from their papers; where code and paper differ, as torchvision has them.

use super::Drawer;
use crate::net::Activation::{self, HardSigmoid, HardSwish, Relu, Relu6, Sigmoid, Swish};

/// An inverted residual block: widen, depthwise, narrow.
struct Inverted {
    kernel: u32,
    stride: u32,
    expanded: u32,
    out_channels: u32,
    activation: Activation,
    /// Channels, inner activation and gate of its squeeze-and-excitation.
    squeeze: Option<(u32, Activation, Activation)>,
}

impl Drawer {
    fn inverted(&mut self, block: &Inverted) {
        let Inverted { kernel, stride, expanded, out_channels, activation, squeeze } = *block;
        let (input, in_channels) = (self.last, self.shape().channels);
        if expanded != in_channels {
            self.conv_bn(1, 1, 1, expanded);
            self.activation(activation);
        }
        self.conv_bn(kernel, stride, expanded, expanded);
        self.activation(activation);
        if let Some((channels, inner, gate)) = squeeze {
            self.squeeze_excite(channels, inner, gate);
        }
        self.conv_bn(1, 1, 1, out_channels);
        if stride == 1 && in_channels == out_channels {
            self.add(input);
        }
    }
}

/// Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018, table 2.
pub(super) fn mobilenet_v2(drawer: &mut Drawer, classes: u32) {
    drawer.conv_bn(3, 2, 1, 32);
    drawer.activation(Relu6);
    let stages =
        [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)];
    for (expansion, out_channels, blocks, stride) in stages {
        for block in 0..blocks {
            drawer.inverted(&Inverted {
                kernel: 3,
                stride: if block == 0 { stride } else { 1 },
                expanded: expansion * drawer.shape().channels,
                out_channels,
                activation: Relu6,
                squeeze: None,
            });
        }
    }
    drawer.conv_bn(1, 1, 1, 1280);
    drawer.activation(Relu6);
    drawer.global_pool();
    drawer.linear(classes);
}

/// Howard et al., "Searching for MobileNetV3", 2019, table 1.
pub(super) fn mobilenet_v3_large(drawer: &mut Drawer, classes: u32) {
    drawer.conv_bn(3, 2, 1, 16);
    drawer.activation(HardSwish);
    // Kernel, expanded and output channels, channels squeezed to, activation, stride.
    let blocks = [
        (3, 16, 16, 0, Relu, 1),
        (3, 64, 24, 0, Relu, 2),
        (3, 72, 24, 0, Relu, 1),
        (5, 72, 40, 24, Relu, 2),
        (5, 120, 40, 32, Relu, 1),
        (5, 120, 40, 32, Relu, 1),
        (3, 240, 80, 0, HardSwish, 2),
        (3, 200, 80, 0, HardSwish, 1),
        (3, 184, 80, 0, HardSwish, 1),
        (3, 184, 80, 0, HardSwish, 1),
        (3, 480, 112, 120, HardSwish, 1),
        (3, 672, 112, 168, HardSwish, 1),
        (5, 672, 160, 168, HardSwish, 2),
        (5, 960, 160, 240, HardSwish, 1),
        (5, 960, 160, 240, HardSwish, 1),
    ];
    for (kernel, expanded, out_channels, squeezed, activation, stride) in blocks {
        let squeeze = (squeezed > 0).then_some((squeezed, Relu, HardSigmoid));
        drawer.inverted(&Inverted { kernel, stride, expanded, out_channels, activation, squeeze });
    }
    drawer.conv_bn(1, 1, 1, 960);
    drawer.activation(HardSwish);
    drawer.global_pool();
    drawer.linear(1280);
    drawer.activation(HardSwish);
    drawer.linear(classes);
}

/// Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019, table 1.
pub(super) fn efficientnet_b0(drawer: &mut Drawer, classes: u32) {
    drawer.conv_bn(3, 2, 1, 32);
    drawer.activation(Swish);
    // Expansion, kernel, stride, output channels, blocks.
    let stages = [
        (1, 3, 1, 16, 1),
        (6, 3, 2, 24, 2),
        (6, 5, 2, 40, 2),
        (6, 3, 2, 80, 3),
        (6, 5, 1, 112, 3),
        (6, 5, 2, 192, 4),
        (6, 3, 1, 320, 1),
    ];
    for (expansion, kernel, stride, out_channels, blocks) in stages {
        for block in 0..blocks {
            let in_channels = drawer.shape().channels;
            drawer.inverted(&Inverted {
                kernel,
                stride: if block == 0 { stride } else { 1 },
                expanded: expansion * in_channels,
                out_channels,
                activation: Swish,
                squeeze: Some((in_channels / 4, Swish, Sigmoid)),
            });
        }
    }
    drawer.conv_bn(1, 1, 1, 1280);
    drawer.activation(Swish);
    drawer.global_pool();
    drawer.linear(classes);
}

/// He et al., "Deep Residual Learning for Image Recognition", 2016, table 1, with the stride of a stage in its 3x3
/// convolution.
pub(super) fn resnet50(drawer: &mut Drawer, classes: u32) {
    drawer.conv_bn(7, 2, 1, 64);
    drawer.activation(Relu);
    drawer.max_pool(3, 2);
    for (channels, blocks, stride) in [(64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)] {
        for block in 0..blocks {
            let input = drawer.last;
            let stride = if block == 0 { stride } else { 1 };
            let shortcut = if block == 0 {
                drawer.conv_bn(1, stride, 1, 4 * channels);
                std::mem::replace(&mut drawer.last, input)
            } else {
                input
            };
            drawer.conv_bn(1, 1, 1, channels);
            drawer.activation(Relu);
            drawer.conv_bn(3, stride, 1, channels);
            drawer.activation(Relu);
            drawer.conv_bn(1, 1, 1, 4 * channels);
            drawer.add(shortcut);
            drawer.activation(Relu);
        }
    }
    drawer.global_pool();
    drawer.linear(classes);
}
