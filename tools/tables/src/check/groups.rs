//! Some networks of one setting, or those of several settings together.

use zen_nas::latency::{KeyKind, LatencyError, OperatorKey, Precision};

use super::{Line, Pair, by_table};
use crate::fit::networks::Networks;
use crate::fit::{Fitted, Predicted};

/// Phones among the devices of the AI Hub.
const PHONES: [&str; 4] = ["galaxy-s24", "galaxy-s25", "snapdragon-7-gen-4", "snapdragon-8-elite-gen-5"];

/// Networks that are not whole or whose dense layers dwarf everything.
const ODD: [&str; 3] = ["ncnn-alexnet@227", "ncnn-vgg16@224", "ncnn-yolov4-tiny@416"];

/// Every group that is shown.
pub fn groups(shipped: &[&Fitted], networks: &Networks) -> Result<Vec<Line>, LatencyError> {
    let has = |network: &Predicted, is: fn(&OperatorKey) -> bool| {
        networks.get(&network.figure.id).unwrap_or_default().iter().any(is)
    };
    let grouped = |network: &Predicted| has(network, OperatorKey::has_groups);
    let concatenated = |network: &Predicted| has(network, |key| key.kind == KeyKind::Concat);
    let of = |settings: &dyn Fn(&Fitted) -> bool, kept: &dyn Fn(&Predicted) -> bool| -> Vec<Pair> {
        let chosen = shipped.iter().filter(|fitted| settings(fitted));
        chosen
            .flat_map(|fitted| {
                let networks = fitted.networks.iter().filter(|network| kept(network));
                networks.map(|network| Pair::of(network, fitted.reach))
            })
            .collect()
    };
    let is = |id: &'static str| move |fitted: &Fitted| fitted.setting.id() == id;
    let npu = |precision: Precision, phones: bool| {
        move |fitted: &Fitted| {
            let setting = &fitted.setting;
            let asked = !phones || PHONES.contains(&setting.device.as_str());
            setting.runtime.ends_with("-npu") && setting.precision == precision && asked
        }
    };
    let mut lines: Vec<Option<Line>> = Vec::new();
    let mut add = |what: &str, pairs: Vec<Pair>, note: &str| lines.push(Line::of(what.to_owned(), &pairs, note));
    let v100 = is("v100/paddle-tensorrt/fp32/b1");
    add("v100/paddle-tensorrt/fp32/b1, without grouped convolutions", of(&v100, &|network| !grouped(network)), "");
    add("v100/paddle-tensorrt/fp32/b1, with grouped convolutions", of(&v100, &grouped), "");
    let t4 = is("t4/tensorrt/fp16/b1");
    add("t4/tensorrt/fp16/b1, MMYOLO alone", of(&t4, &|network| network.figure.source == "MMYOLO"), "");
    for (precision, name) in [(Precision::Fp16, "fp16"), (Precision::Int8, "int8")] {
        for (phones, devices) in [(true, "phones"), (false, "all devices")] {
            let settings = npu(precision, phones);
            add(&format!("NPUs in {name}, {devices}"), of(&settings, &|_| true), "");
            let without = of(&settings, &|network| !concatenated(network));
            add(&format!("NPUs in {name}, {devices}, without concatenations"), without, "");
            let with = of(&settings, &concatenated);
            add(&format!("NPUs in {name}, {devices}, with concatenations"), with, "");
        }
    }
    for id in ["pixel2/ncnn/fp32/b1/t1", "pixel2/ncnn/fp32/b1/t4", "pixel2/ncnn-vulkan/fp32/b1"] {
        let whole = |network: &&Predicted| !ODD.contains(&network.figure.id.as_str());
        for fitted in shipped.iter().filter(|fitted| fitted.setting.id() == id) {
            let all = fitted.networks.iter().chain(&fitted.unseen).filter(whole);
            let pairs: Vec<Pair> = all.map(|network| Pair::of(network, fitted.reach)).collect();
            add(
                &format!("{id}, every rebuilt network but AlexNet and VGG-16"),
                pairs,
                "detectors are in no fit: their times hold the detection output",
            );
        }
    }
    // Tables of single operators beside whole networks of another regime of the same device.
    for (id, regime) in [
        ("v100/tensorrt/fp32/b1", "v100/paddle-tensorrt/fp32/b1"),
        ("v100/tensorrt/fp16/b1", "v100/onnxruntime-tensorrt/fp16/b1"),
        ("v100/tensorrt/fp16/b32", "v100/onnxruntime-tensorrt/fp16/b32"),
        ("v100/tensorrt/fp16/b64", "v100/onnxruntime-tensorrt/fp16/b64"),
    ] {
        for fitted in shipped.iter().filter(|fitted| fitted.setting.id() == regime) {
            let pairs = by_table(&id.parse()?, &fitted.networks, networks)?;
            add(&format!("{id} beside {regime}"), pairs, "another regime; not fitted to it");
        }
    }
    Ok(lines.into_iter().flatten().collect())
}
