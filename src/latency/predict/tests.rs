//! What a fit on whole networks states no error about.

use super::super::{Store, TableChoice};
use super::*;
use crate::net::{Branch, LowerOptions, Network, Operator, OperatorId, OperatorKind, Origin, Part, Shape};

const ORIGIN: Origin = Origin { block: 0, unit: None, index: 0, part: Part::Module };

/// A network of `layers` convolutions that keep their maps.
fn convolutions(layers: u32, side: u32) -> Graph {
    let mut graph = Graph::default();
    let mut push = |kind, channels, input| {
        let shape = Shape::square(channels, side);
        graph.push(Operator { kind, inputs: [input; 2], shape, branch: Branch::Trunk, origin: ORIGIN })
    };
    let mut last = push(OperatorKind::Input, 3, OperatorId(0));
    for _ in 0..layers {
        last = push(OperatorKind::Conv { kernel: 3, stride: 1, groups: 1, bias: false }, 32, last);
    }
    graph
}

#[test]
fn networks_unlike_those_of_the_fit_have_no_error() {
    let store = Store::in_memory().unwrap();
    let on = |setting: &str, graph: &Graph| {
        let table = store.require_table(&setting.parse().unwrap(), &TableChoice::Best).unwrap();
        Predictor::from_table(&table).unwrap().predict(graph)
    };
    let network: Network =
        "SuperConvK3BNRELU(3,32,2,1)SuperResK3K3(32,64,2,64,2)SuperResK3K3(64,128,2,64,2)SuperConvK1BNRELU(128,512,1,1)"
            .parse()
            .unwrap();
    let usual = network.lower(&LowerOptions::new(448, 1000)).unwrap();
    let huge: Network =
        "SuperConvK3BNRELU(3,256,2,1)SuperResK3K3(256,512,2,512,4)SuperConvK1BNRELU(512,512,1,1)".parse().unwrap();
    let huge = huge.lower(&LowerOptions::new(4096, 1000)).unwrap();
    for setting in ["galaxy-s24/tflite-npu/fp16/b1", "pixel2/tflite/fp32/b1/t1", "t4/tensorrt/fp16/b1"] {
        let found = on(setting, &usual);
        assert!(found.error.is_some() && found.interval.is_some(), "{setting}: {}", found.error_method);
        // From image to image, one layer, and far slower than every network of the fit.
        for graph in [&convolutions(8, 512), &convolutions(1, 224), &huge] {
            let found = on(setting, graph);
            assert_eq!((found.error, found.interval), (None, None), "{setting}");
            assert!(found.extrapolated_share > 1.0 - 1e-9, "{setting}");
            assert!(found.error_method.contains("what its networks support"), "{}", found.error_method);
        }
    }
}

#[test]
fn upper_bounds_agree_with_the_interval() {
    let network: Network =
        "SuperConvK3BNRELU(3,32,2,1)SuperResK3K3(32,64,2,64,2)SuperResK3K3(64,128,2,64,2)SuperConvK1BNRELU(128,512,1,1)"
            .parse()
            .unwrap();
    let graph = network.lower(&LowerOptions::new(448, 1000)).unwrap();
    let mut scratch = PredictScratch::default();
    let (mut constant, mut varying) = (0, 0);
    for setting in crate::latency::built_in_settings().unwrap() {
        let table = crate::latency::built_in_table(&setting).unwrap().unwrap();
        let predictor = Predictor::from_table(&table).unwrap();
        let upper = predictor.upper_factor(&graph, 0.95, &mut scratch);
        let least = predictor.least_upper_factor(0.95);
        assert_eq!((upper.is_some(), least.is_some()), (predictor.has_interval(), predictor.has_interval()));
        let (Some(upper), Some(least)) = (upper, least) else { continue };
        assert!(upper >= least && least > 1.0, "{setting}");
        match predictor.has_constant_spread() {
            true => assert_eq!(upper, least, "{setting}"),
            false => assert!(upper > least, "{setting}"),
        }
        *if predictor.has_constant_spread() { &mut constant } else { &mut varying } += 1;
        let found = predictor.predict(&graph);
        if let Some(interval) = found.interval {
            assert!((found.ms * upper - interval.high_ms).abs() < 1e-9 * interval.high_ms, "{setting}");
        }
    }
    assert!(constant > 10 && varying > 0, "{constant} {varying}");
}
