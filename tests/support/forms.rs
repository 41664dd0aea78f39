//! Every form that an exported network takes: precisions, types and layouts of the image,
//! normalisation, softmax.

#![allow(dead_code)] // each binary uses a part

use zen_nas::latency::Precision;
use zen_nas::onnx::{ExportOptions, InputForm, Interface, Normalization, NormalizeAs};

/// Far from neutral, different for each channel, so that a wrong border or order shows.
pub fn normalization() -> Normalization {
    Normalization { mean: vec![0.485, 0.3, 0.7], deviation: vec![0.229, 0.15, 0.4] }
}

fn interface(input: InputForm, normalize: bool, normalize_as: NormalizeAs, softmax: bool) -> Interface {
    let normalization = normalize.then(normalization);
    Interface { input, normalization, normalize_as, softmax, ..Interface::default() }
}

/// Forms of a network with `classes`, with their names.
pub fn forms(classes: u32) -> Vec<(&'static str, ExportOptions)> {
    use InputForm::{FloatNchw, Uint8Nhwc};
    use NormalizeAs::{Folded, Nodes};
    let fp32 = |interface| ExportOptions { interface, ..ExportOptions::default() };
    let fp16 = |interface| ExportOptions { interface, precision: Precision::Fp16, ..ExportOptions::default() };
    let half = |interface| Interface { half: true, ..interface };
    let labels = (0..classes).map(|class| format!("class \"{class}\", größer")).collect();
    vec![
        ("plain", fp32(Interface::default())),
        ("labels", fp32(Interface { labels, softmax: true, ..Interface::default() })),
        ("folded", fp32(interface(FloatNchw, true, Folded, false))),
        ("nodes", fp32(interface(FloatNchw, true, Nodes, false))),
        ("bytes", fp32(interface(Uint8Nhwc, false, Folded, false))),
        ("bytes-folded", fp32(interface(Uint8Nhwc, true, Folded, true))),
        ("bytes-nodes", fp32(interface(Uint8Nhwc, true, Nodes, false))),
        ("half", fp16(Interface::default())),
        ("half-io", fp16(half(Interface::default()))),
        ("half-folded", fp16(interface(FloatNchw, true, Folded, true))),
        ("half-io-nodes", fp16(half(interface(FloatNchw, true, Nodes, false)))),
        ("half-bytes", fp16(interface(Uint8Nhwc, true, Folded, false))),
        ("half-io-bytes", fp16(half(interface(Uint8Nhwc, true, Nodes, true)))),
    ]
}
