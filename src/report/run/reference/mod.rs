//! Four published networks as a scale beside the winner: MobileNetV2, MobileNetV3-Large,
//! EfficientNet-B0 and ResNet-50, as operator graphs.
//!
//! Parameters and multiply-adds equal the published figures. Here: the operators that the four share. `networks` says
//! which blocks each has. Not here: their latency, which a table predicts like that of any graph.

mod networks;

use crate::net::{
    Activation, Branch, Foreign, ForeignKind, Graph, MAX_CLASSES, MAX_RESOLUTION, Operator, OperatorId, OperatorKind,
    Origin, Part, Shape,
};

/// A published network.
pub(super) struct Reference {
    pub name: &'static str,
    /// ImageNet top-1 accuracy in percent at 224 pixels, as the authors of the network (torchvision for ResNet-50)
    /// give it.
    pub top1_percent: f64,
    draw: fn(&mut Drawer, classes: u32),
}

/// Every published network, the smallest first.
pub(super) const REFERENCES: [Reference; 4] = [
    Reference { name: "MobileNetV3-Large", top1_percent: 75.2, draw: networks::mobilenet_v3_large },
    Reference { name: "MobileNetV2", top1_percent: 72.0, draw: networks::mobilenet_v2 },
    Reference { name: "EfficientNet-B0", top1_percent: 77.1, draw: networks::efficientnet_b0 },
    Reference { name: "ResNet-50", top1_percent: 76.1, draw: networks::resnet50 },
];

impl Reference {
    /// Its operators for images of `resolution` pixels and so many classes; none where either is out of range.
    pub fn graph(&self, resolution: u32, classes: u32) -> Option<Graph> {
        if !(1..=MAX_RESOLUTION).contains(&resolution) || !(1..=MAX_CLASSES).contains(&classes) {
            return None;
        }
        let mut drawer = Drawer::new(resolution);
        (self.draw)(&mut drawer, classes);
        Some(drawer.graph)
    }
}

/// Weights have no names here: nothing is exported.
const ORIGIN: Origin = Origin { block: 0, unit: None, index: 0, part: Part::Module };

/// Draws operators one after another, each from the last.
struct Drawer {
    graph: Graph,
    last: OperatorId,
}

impl Drawer {
    fn new(resolution: u32) -> Self {
        let mut drawer = Self { graph: Graph::default(), last: OperatorId(0) };
        drawer.push(OperatorKind::Input, None, Shape::square(3, resolution));
        drawer
    }

    fn push(&mut self, kind: OperatorKind, second: Option<OperatorId>, shape: Shape) {
        let inputs = [self.last, second.unwrap_or(self.last)];
        self.last = self.graph.push(Operator { kind, inputs, shape, branch: Branch::Trunk, origin: ORIGIN });
    }

    fn shape(&self) -> Shape {
        self.graph.get(self.last).shape
    }

    fn conv(&mut self, kernel: u32, stride: u32, groups: u32, channels: u32, bias: bool) {
        let shape = Shape::square(channels, self.shape().height.div_ceil(stride));
        self.push(OperatorKind::Conv { kernel, stride, groups, bias }, None, shape);
    }

    fn conv_bn(&mut self, kernel: u32, stride: u32, groups: u32, channels: u32) {
        self.conv(kernel, stride, groups, channels, false);
        self.push(OperatorKind::BatchNorm, None, self.shape());
    }

    fn activation(&mut self, activation: Activation) {
        self.push(OperatorKind::Activation(activation), None, self.shape());
    }

    fn max_pool(&mut self, kernel: u32, stride: u32) {
        let Shape { channels, height, .. } = self.shape();
        let foreign = Foreign {
            kind: ForeignKind::MaxPool { kernel: [kernel; 2], stride: [stride; 2] },
            operation: "MaxPool".to_owned(),
            inputs: vec![self.last],
            parameters: 0,
            flops: 0,
            approximation: None,
        };
        self.last = self.graph.push_foreign(foreign, Shape::square(channels, height.div_ceil(stride)), ORIGIN);
    }

    fn global_pool(&mut self) {
        self.push(OperatorKind::GlobalAveragePool, None, Shape::square(self.shape().channels, 1));
    }

    fn linear(&mut self, outputs: u32) {
        self.push(OperatorKind::Linear, None, Shape::square(outputs, 1));
    }

    /// The sum of the last map and an earlier one.
    fn add(&mut self, earlier: OperatorId) {
        self.push(OperatorKind::Add, Some(earlier), self.shape());
    }

    /// Squeeze-and-excitation with `squeezed` channels; its convolutions have biases and no batch norm.
    fn squeeze_excite(&mut self, squeezed: u32, inner: Activation, gate: Activation) {
        let map = self.last;
        let channels = self.shape().channels;
        self.global_pool();
        for (channels, activation) in [(squeezed, inner), (channels, gate)] {
            self.conv(1, 1, 1, channels, true);
            self.activation(activation);
        }
        let gate = std::mem::replace(&mut self.last, map);
        self.push(OperatorKind::Gate, Some(gate), self.shape());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parameters to the last one; multiply-adds as published, rounded to a million.
    #[test]
    fn costs_are_the_published_ones() {
        let costs = REFERENCES.map(|reference| {
            let cost = reference.graph(224, 1000).unwrap().cost();
            (reference.name, cost.parameters, (cost.flops as f64 / 1e6).round() as u64)
        });
        assert_eq!(
            costs,
            [
                ("MobileNetV3-Large", 5_483_032, 217),
                ("MobileNetV2", 3_504_872, 301),
                ("EfficientNet-B0", 5_288_548, 386),
                ("ResNet-50", 25_557_032, 4089),
            ]
        );
    }

    #[test]
    fn any_image_is_drawn_or_refused() {
        for reference in REFERENCES {
            for (resolution, classes) in [(1, 1), (32, 10), (MAX_RESOLUTION, MAX_CLASSES)] {
                assert!(reference.graph(resolution, classes).unwrap().cost().flops > 0, "{}", reference.name);
            }
            for (resolution, classes) in [(0, 10), (u32::MAX, 10), (32, 0), (32, u32::MAX)] {
                assert!(reference.graph(resolution, classes).is_none(), "{}", reference.name);
            }
        }
    }
}
