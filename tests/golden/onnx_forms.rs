//! Every form of an exported network in tract, against golden logits and against the plain form on
//! images that were prepared outside the model.

use std::path::Path;

use tract_onnx::prelude::*;
use zen_nas::latency::Precision;
use zen_nas::net::{LowerOptions, Network};
use zen_nas::onnx::{self, ExportOptions, InputForm, Interface, NormalizeAs, Weights};

use crate::forms::forms;
use crate::onnx_cases::{Golden, NETWORKS};

/// Runs the model in the type of its input; the output as float32.
fn run(path: &Path, image: &Tensor) -> Vec<f32> {
    let model = tract_onnx::onnx().model_for_path(path).unwrap();
    let fact = InferenceFact::dt_shape(image.datum_type(), image.shape());
    let model = model.with_input_fact(0, fact).unwrap().into_optimized().unwrap().into_runnable().unwrap();
    let outputs = model.run(tvec!(image.clone().into_tvalue())).unwrap();
    let output = outputs[0].cast_to::<f32>().unwrap();
    output.to_plain_array_view::<f32>().unwrap().iter().copied().collect()
}

/// Largest difference, relative to the largest expected value.
fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / largest
}

fn softmax(logits: &mut [f32], classes: usize) {
    for row in logits.chunks_exact_mut(classes) {
        let largest = row.iter().copied().fold(f32::MIN, f32::max);
        row.iter_mut().for_each(|value| *value = (*value - largest).exp());
        let sum: f32 = row.iter().sum();
        row.iter_mut().for_each(|value| *value /= sum);
    }
}

#[test]
fn fp16_logits_of_the_golden_networks() {
    let directory = tempfile::tempdir().unwrap();
    for name in NETWORKS {
        let golden = Golden::load(name);
        let image = Tensor::from_shape(&golden.input.shape, &golden.input.values).unwrap();
        for half in [false, true] {
            let path = directory.path().join(format!("{name}.onnx"));
            let interface = Interface { half, ..Interface::default() };
            let options = ExportOptions { precision: Precision::Fp16, interface, ..ExportOptions::default() };
            onnx::export(&golden.graph, &golden.weights(), &options, &path).unwrap();
            let image = if half { image.cast_to::<f16>().unwrap().into_owned() } else { image.clone() };
            let difference = difference(&run(&path, &image), &golden.logits.values);
            eprintln!("{name}: fp16 within {difference:.1e} of the largest logit");
            assert!(difference < 2e-2, "{name}: {difference}");
        }
    }
}

/// Images as bytes and as what the plain model takes, `sides` of 3 x height x width.
fn bytes(images: usize, pixels: usize) -> Vec<u8> {
    // Steps of a prime: every byte occurs, borders included.
    (0..images * pixels * 3).map(|i| ((i * 89 + i / 255) % 256) as u8).collect()
}

#[test]
fn every_form_agrees_with_images_prepared_outside() {
    let directory = tempfile::tempdir().unwrap();
    let golden = Golden::load("mixed_se");
    let [images, channels, height, width] = golden.input.shape[..] else { panic!() };
    let nhwc = bytes(images, height * width);
    let plain = directory.path().join("plain.onnx");
    onnx::export(&golden.graph, &golden.weights(), &ExportOptions::default(), &plain).unwrap();
    for (name, options) in forms(golden.logits.shape[1] as u32) {
        let path = directory.path().join(format!("{name}.onnx"));
        onnx::export(&golden.graph, &golden.weights(), &options, &path).unwrap();

        let mut unit = vec![0f32; nhwc.len()];
        let mut prepared = unit.clone();
        for (i, byte) in nhwc.iter().enumerate() {
            let (pixel, channel) = (i / channels, i % channels);
            let (image, pixel) = (pixel / (height * width), pixel % (height * width));
            let at = (image * channels + channel) * height * width + pixel;
            unit[at] = *byte as f32 / 255.0;
            prepared[at] = match &options.interface.normalization {
                Some(normalization) => (unit[at] - normalization.mean[channel]) / normalization.deviation[channel],
                None => unit[at],
            };
        }
        let mut expected = run(&plain, &Tensor::from_shape(&golden.input.shape, &prepared).unwrap());
        if options.interface.softmax {
            softmax(&mut expected, golden.logits.shape[1]);
        }
        let image = match options.interface.input {
            InputForm::Uint8Nhwc => Tensor::from_shape(&[images, height, width, channels], &nhwc).unwrap(),
            InputForm::FloatNchw => Tensor::from_shape(&golden.input.shape, &unit).unwrap(),
        };
        let image = if options.interface.half && options.interface.input == InputForm::FloatNchw {
            image.cast_to::<f16>().unwrap().into_owned()
        } else {
            image
        };
        let difference = difference(&run(&path, &image), &expected);
        eprintln!("{name}: within {difference:.1e}");
        let tolerance = if options.precision == Precision::Fp16 { 2e-2 } else { 1e-5 };
        assert!(difference < tolerance, "{name}: {difference}");
    }
}

#[test]
fn odd_resolutions() {
    let text =
        "SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,2)SuperResIDWE2K5(16,24,2,16,1)SuperConvK1BNRELU(24,32,1,1)";
    let network = Network::parse(text).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("odd.onnx");
    for resolution in [9, 33, 97] {
        let lower = LowerOptions { squeeze_excite: true, ..LowerOptions::new(resolution, 5) };
        let interface = Interface {
            input: InputForm::Uint8Nhwc,
            normalization: Some("imagenet".parse().unwrap()),
            normalize_as: NormalizeAs::Folded,
            ..Interface::default()
        };
        let options = ExportOptions { interface, ..ExportOptions::default() };
        let summary = onnx::export(&network.lower(&lower).unwrap(), &Weights::seeded(0), &options, &path).unwrap();
        assert_eq!(summary.verified.classes, 5);
        let side = resolution as usize;
        let image = Tensor::from_shape(&[2, side, side, 3], &bytes(2, side * side)).unwrap();
        assert_eq!(run(&path, &image).len(), 10);
    }
}

#[test]
fn weights_outside_float16_are_named() {
    let golden = Golden::load("k3k3");
    let options = ExportOptions { precision: Precision::Fp16, ..ExportOptions::default() };
    for (name, named) in [
        ("fc_linear.netblock.weight", "fc_linear.netblock.weight reaches 100000"),
        ("module_list.0.module_list.1.netblock.weight", "module_list.0.module_list.0.netblock.weight reaches"),
    ] {
        let mut tensors = golden.tensors.clone();
        tensors.get_mut(name).unwrap().values[0] = 1e5 * if name.starts_with("fc") { 1.0 } else { 1e3 };
        let weights = Weights::from_tensors(tensors, "test");
        let error = onnx::model_bytes(&golden.graph, &weights, &options).unwrap_err().to_string();
        assert!(error.contains("float16 ends at 65504") && error.contains(named), "{error}");
    }
    let half =
        ExportOptions { interface: Interface { half: true, ..Interface::default() }, ..ExportOptions::default() };
    let error = onnx::model_bytes(&golden.graph, &golden.weights(), &half).unwrap_err().to_string();
    assert!(error.contains("not in fp32"), "{error}");
}

#[test]
fn results_outside_float16_are_found_by_the_check() {
    // Every weight fits, what they add up to does not.
    let golden = Golden::load("k3k3");
    let mut tensors = golden.tensors.clone();
    tensors.get_mut("fc_linear.netblock.bias").unwrap().values[0] = 6e4;
    for value in &mut tensors.get_mut("fc_linear.netblock.weight").unwrap().values[..24] {
        *value = 6e4;
    }
    let weights = Weights::from_tensors(tensors, "test");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.onnx");
    let options = ExportOptions { precision: Precision::Fp16, ..ExportOptions::default() };
    let error = onnx::export(&golden.graph, &weights, &options, &path).unwrap_err().to_string();
    assert!(error.contains("beyond float16's 65504") && error.contains("head_classifier"), "{error}");
    assert!(!path.exists());
    onnx::export(&golden.graph, &weights, &ExportOptions::default(), &path).unwrap();
}
