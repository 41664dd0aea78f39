//! Int8 models of the golden networks: what is in them, and how far their logits are from PyTorch's.

use std::collections::BTreeMap;
use std::path::Path;

use onnx_protobuf::{Message, ModelProto, TensorProto};
use zen_nas::latency::{Fuser, Precision};
use zen_nas::onnx::import::{ImportOptions, import_bytes};
use zen_nas::onnx::{
    self, Calibration, CalibrationMethod, ExportOptions, InputForm, Interface, Quantization, QuantizedFor, model_bytes,
};

use crate::forms::normalization;
use crate::npz::float_npz;
use crate::onnx_cases::{Golden, NETWORKS, run_in_tract};

fn options(quantization: Quantization) -> ExportOptions {
    ExportOptions { precision: Precision::Int8, quantization, ..ExportOptions::default() }
}

/// The golden images as a file.
fn tensors(golden: &Golden, directory: &Path) -> Calibration {
    let path = directory.join("golden.npz");
    std::fs::write(&path, float_npz(&golden.input.shape, &golden.input.values)).unwrap();
    Calibration::open(&path).unwrap()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| *a as f64 * *b as f64).sum::<f64>();
    product(a, b) / (product(a, a) * product(b, b)).sqrt()
}

#[test]
fn logits_of_the_golden_networks() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("int8.onnx");
    for name in NETWORKS {
        let golden = Golden::load(name);
        let given = tensors(&golden, directory.path());
        for quantized_for in QuantizedFor::ALL {
            // Random images are other ones than those the result is looked at on.
            let random = Calibration::Random { images: 16, seed: 1 };
            for (calibration, methods) in
                [(&given, &CalibrationMethod::ALL[..]), (&random, &[CalibrationMethod::MinMax])]
            {
                for method in methods {
                    let quantization =
                        Quantization { quantized_for, method: *method, calibration: calibration.clone() };
                    let summary =
                        onnx::export(&golden.graph, &golden.weights(), &options(quantization), &path).unwrap();
                    let cosine = cosine(&run_in_tract(&path, &golden.input), &golden.logits.values);
                    let report = summary.quantization.unwrap();
                    let worst = report.layers.iter().filter_map(|layer| layer.snr_db).fold(f64::INFINITY, f64::min);
                    eprintln!(
                        "{name} for {quantized_for}, {method} on {}: cosine {cosine:.5}, worst layer {worst:.1} dB, \
                         logits {:.1} dB, top-1 {}/{}",
                        report.calibration,
                        report.logits_snr_db.unwrap(),
                        report.top1_agreeing,
                        report.images
                    );
                    assert!(cosine > 0.99, "{name} {quantized_for} {method}: {cosine}");
                    assert_eq!(report.calibration, calibration.kind());
                }
            }
        }
    }
}

fn model(golden: &Golden, options: &ExportOptions) -> ModelProto {
    ModelProto::parse_from_bytes(&model_bytes(&golden.graph, &golden.weights(), options).unwrap()).unwrap()
}

fn floats(tensor: &TensorProto) -> Vec<f32> {
    tensor.raw_data.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

fn constants(model: &ModelProto) -> BTreeMap<&str, &TensorProto> {
    model.graph.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect()
}

const INT8: i32 = 3;
const UINT8: i32 = 2;
const INT32: i32 = 6;

#[test]
fn weights_and_biases_are_the_nearest_integers() {
    let golden = Golden::load("mixed_se");
    let float = model(&golden, &ExportOptions::default());
    let float = constants(&float);
    for quantized_for in QuantizedFor::ALL {
        let model = model(&golden, &options(Quantization { quantized_for, ..Quantization::default() }));
        let integer = constants(&model);
        let mut weights = 0;
        for node in model.graph.node.iter().filter(|node| ["Conv", "Gemm"].contains(&node.op_type.as_str())) {
            weights += 1;
            let [input, weight, bias] = &node.input[..] else { panic!("{node:?}") };
            let (integers, scales) =
                (integer[&*format!("{weight}_quantized")], floats(integer[&*format!("{weight}_scale")]));
            let zero_points = integer[&*format!("{weight}_zero_point")];
            assert_eq!((integers.data_type, zero_points.data_type), (INT8, INT8));
            assert_eq!(integers.dims, float[&**weight].dims);
            assert!(zero_points.raw_data.iter().all(|value| *value == 0));
            assert_eq!(scales.len(), integers.dims[0] as usize, "a scale for each output channel");
            let per_channel = integers.raw_data.len() / scales.len();
            for ((integers, values), scale) in
                integers.raw_data.chunks(per_channel).zip(floats(float[&**weight]).chunks(per_channel)).zip(&scales)
            {
                let largest = integers.iter().map(|value| (*value as i8).unsigned_abs()).max().unwrap();
                assert_eq!(largest, 127, "{weight}");
                for (integer, value) in integers.iter().zip(values) {
                    let off = (*integer as i8 as f32 * scale - value).abs();
                    assert!(off <= 0.5001 * scale, "{weight}: {value} is off by {off}, scale {scale}");
                }
            }
            let dequantize = model.graph.node.iter().find(|node| node.output[0] == *weight).unwrap();
            assert_eq!((dequantize.op_type.as_str(), dequantize.attribute[0].i), ("DequantizeLinear", 0));

            if quantized_for == QuantizedFor::Tensorrt {
                assert_eq!(floats(integer[&**bias]), floats(float[&**bias]), "biases stay float for TensorRT");
                continue;
            }
            let tensor = input.strip_suffix("_dequantized").unwrap();
            let input_scale = floats(integer[&*format!("{tensor}_scale")])[0];
            let (integers, bias_scales) =
                (integer[&*format!("{bias}_quantized")], floats(integer[&*format!("{bias}_scale")]));
            assert_eq!(integers.data_type, INT32);
            let expected: Vec<f32> = scales.iter().map(|scale| input_scale * scale).collect();
            assert_eq!(bias_scales, expected, "a bias is added to sums of products");
            let integers = integers.raw_data.chunks_exact(4).map(|bytes| i32::from_le_bytes(bytes.try_into().unwrap()));
            for ((integer, value), scale) in integers.zip(floats(float[&**bias])).zip(bias_scales) {
                assert_eq!(integer, (value as f64 / scale as f64).round_ties_even() as i32, "{bias}");
            }
        }
        assert_eq!(
            weights,
            golden
                .graph
                .operators()
                .iter()
                .filter(|operator| {
                    matches!(
                        operator.kind,
                        zen_nas::net::OperatorKind::Conv { .. } | zen_nas::net::OperatorKind::Linear
                    )
                })
                .count()
        );
    }
}

#[test]
fn activations_are_rounded_once_behind_what_is_fused() {
    let golden = Golden::load("mixed_se");
    for quantized_for in QuantizedFor::ALL {
        let model = model(&golden, &options(Quantization { quantized_for, ..Quantization::default() }));
        let constants = constants(&model);
        let nodes = &model.graph.node;
        let operation = |tensor: &str| nodes.iter().find(|node| node.output[0] == tensor).map(|node| &*node.op_type);
        let mut rounded = BTreeMap::new();
        for quantize in nodes.iter().filter(|node| node.op_type == "QuantizeLinear") {
            let of = operation(&quantize.input[0]).unwrap_or("image");
            *rounded.entry(of).or_insert(0) += 1;
            let readers: Vec<_> = nodes.iter().filter(|node| node.input.contains(&quantize.input[0])).collect();
            assert_eq!(readers.len(), 1, "{}: everything else reads the integers", quantize.input[0]);
            let zero_point = constants[&*quantize.input[2]];
            match quantized_for {
                QuantizedFor::Onnxruntime => {
                    assert_eq!(zero_point.data_type, UINT8);
                    // Its kernels do the activation's cutting off, which ends at zero.
                    assert!(of != "Relu" || zero_point.raw_data == [0]);
                }
                QuantizedFor::Tensorrt => {
                    assert_eq!((zero_point.data_type, &zero_point.raw_data[..]), (INT8, &[0][..]))
                }
            }
        }
        for operation_before in ["Conv", "Add"] {
            let fused = nodes.iter().filter(|node| node.op_type == "Relu");
            let fused = fused.filter(|node| operation(&node.input[0]) == Some(operation_before)).count();
            let all = nodes.iter().filter(|node| node.op_type == operation_before).count();
            assert_eq!(rounded.get(operation_before).copied().unwrap_or(0) + fused, all, "{operation_before}");
        }
        for operation in ["Relu", "Sigmoid", "Mul", "GlobalAveragePool", "Flatten"] {
            let all = nodes.iter().filter(|node| node.op_type == operation).count();
            assert_eq!(rounded.get(operation), Some(&all), "{operation}");
        }
        assert_eq!((rounded["image"], rounded.get("Gemm")), (1, None), "the result stays float");
        // Flatten hands on what it reads.
        let flatten = nodes.iter().find(|node| node.op_type == "Flatten").unwrap();
        let scale = |tensor: &str| floats(constants[&*format!("{tensor}_scale")]);
        assert_eq!(scale(&flatten.output[0]), scale(flatten.input[0].strip_suffix("_dequantized").unwrap()));
    }
}

#[test]
fn metadata_says_how_and_never_which_files() {
    let golden = Golden::load("k3k3");
    let directory = tempfile::tempdir().unwrap();
    let calibration = tensors(&golden, directory.path());
    let quantization =
        Quantization { method: CalibrationMethod::Entropy, quantized_for: QuantizedFor::Tensorrt, calibration };
    let model = model(&golden, &options(quantization));
    let metadata: Vec<_> = model.metadata_props.iter().map(|entry| (&*entry.key, &*entry.value)).collect();
    let expected = [
        ("calibration", "tensors"),
        ("calibration_images", "4"),
        ("calibration_method", "entropy"),
        ("classes", "10"),
        ("precision", "int8"),
        ("quantized_for", "tensorrt"),
        ("resolution", "16"),
        ("weights", "golden"),
        ("zen_nas_version", env!("CARGO_PKG_VERSION")),
    ];
    assert_eq!(metadata, expected);
}

#[test]
fn equal_exports_are_equal_bytes_and_come_back_as_the_network() {
    for name in NETWORKS {
        let golden = Golden::load(name);
        let options = options(Quantization::default());
        let bytes = || model_bytes(&golden.graph, &golden.weights(), &options).unwrap();
        let written = bytes();
        assert_eq!(written, bytes(), "{name}");
        let imported = import_bytes(name, &written, &ImportOptions::default()).unwrap();
        assert!(imported.is_quantised);
        let keys = |graph| Fuser::default().fuse(graph).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(keys(&imported.graph), keys(&golden.graph), "{name}");
        assert_eq!(imported.graph.cost().flops, golden.graph.cost().flops, "{name}");
    }
}

#[test]
fn every_interface_has_an_int8_form() {
    use onnx::NormalizeAs::{Folded, Nodes};
    let directory = tempfile::tempdir().unwrap();
    let golden = Golden::load("mixed_se");
    for input in InputForm::ALL {
        for (normalize, normalize_as) in [(false, Folded), (true, Folded), (true, Nodes)] {
            for softmax in [false, true] {
                let interface = Interface {
                    input,
                    normalization: normalize.then(normalization),
                    normalize_as,
                    softmax,
                    ..Interface::default()
                };
                let path = directory.path().join("a.onnx");
                let batch = onnx::Batch::Fixed(2);
                let options = ExportOptions { interface, batch, ..options(Quantization::default()) };
                let summary = onnx::export(&golden.graph, &golden.weights(), &options, &path).unwrap();
                let report = summary.quantization.unwrap();
                assert_eq!((summary.verified.batch_size, report.images), (2, 16));
                assert!(report.logits_cosine.unwrap() > 0.99, "{input} {normalize} {softmax}: {report:?}");
            }
        }
    }
    let half = Interface { half: true, ..Interface::default() };
    let options = ExportOptions { interface: half, ..options(Quantization::default()) };
    let error = model_bytes(&golden.graph, &golden.weights(), &options).unwrap_err().to_string();
    assert!(error.contains("not in int8"), "{error}");
}
