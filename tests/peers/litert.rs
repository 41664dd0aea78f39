//! LiteRT's own runtime from PyPI runs what is written, beside onnxruntime with the ONNX files (`litert_peer.py`).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use zen_nas::latency::Precision;
use zen_nas::litert::{self, LitertOptions};
use zen_nas::net::{LowerOptions, Network};
use zen_nas::onnx::import::{ImportOptions, import};
use zen_nas::onnx::{self, Batch, Calibration, ExportOptions, InputForm, Interface, Quantization, Weights};

use crate::npz::float_npz;
use crate::onnx_cases::{Golden, NETWORKS};

/// Python of an environment with `requirements-litert.txt`.
const PYTHON: &str = "ZEN_NAS_PEER_LITERT";

/// Largest difference to onnxruntime, as a share of the largest output.
const TOLERANCE: f64 = 1e-5;
const HALF_TOLERANCE: f64 = 2e-2;
/// Smallest cosine of an int8 network.
const INT8_COSINE: f64 = 0.99;

/// Side of the images of the published networks for ImageNet: as 224 without its odd maps, in a twelfth of the time.
const RESOLUTION: u32 = 64;

pub fn python() -> Option<OsString> {
    let python = std::env::var_os(PYTHON);
    if python.is_none() {
        // Past the test harness, which swallows the output of tests that pass.
        let notice = format!("SKIPPED LiteRT: set {PYTHON} to a Python with tests/peers/requirements-litert.txt\n");
        std::io::Write::write_all(&mut std::io::stderr(), notice.as_bytes()).unwrap();
    }
    python
}

/// Files to compare: name of the `.tflite` file, of the ONNX file, limit and its measure.
#[derive(Default)]
struct Pairs(String);

impl Pairs {
    fn add(&mut self, tflite: &str, onnx: &str, limit: f64, measure: &str) {
        self.0.push_str(&format!("{tflite} {onnx} {limit} {measure}\n"));
    }

    /// Runs them all; the number of files.
    fn judge(&self, python: &OsString, directory: &Path) -> usize {
        std::fs::write(directory.join("pairs.txt"), &self.0).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/litert_peer.py");
        let output = Command::new(python).arg(script).arg(directory).env("OMP_NUM_THREADS", "1").output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        eprintln!("{out}");
        assert!(output.status.success(), "{out}{err}");
        let files = out.lines().filter(|line| line.contains("\"ok\": true")).count();
        assert_eq!(files, self.0.lines().count());
        files
    }
}

fn with(export: ExportOptions) -> LitertOptions {
    let python = std::env::var_os(PYTHON).unwrap_or_default().to_string_lossy().into_owned();
    LitertOptions { export, python }
}

#[test]
fn published_networks_give_what_onnxruntime_gives() {
    published(0);
}

#[test]
fn other_published_networks_give_what_onnxruntime_gives() {
    published(1);
}

/// Every second published network, so that two cores share them.
fn published(part: usize) {
    let Some(python) = python() else { return };
    let directory = tempfile::tempdir().unwrap();
    let mut pairs = Pairs::default();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/networks.csv");
    let mut published = csv::Reader::from_path(path).unwrap();
    for row in published.deserialize::<BTreeMap<String, String>>().skip(part).step_by(2) {
        let row = row.unwrap();
        let side: u32 = row["resolution"].parse().unwrap();
        let lowering = LowerOptions {
            squeeze_excite: row["se"] == "1",
            ..LowerOptions::new(side.min(RESOLUTION), row["classes"].parse().unwrap())
        };
        let graph = Network::parse(&row["structure"]).unwrap().lower(&lowering).unwrap();
        let (weights, export) = (Weights::seeded(0), ExportOptions::default());
        let name = &row["name"];
        let (tflite, onnx) = (format!("{name}.tflite"), format!("{name}.onnx"));
        litert::export(&graph, &weights, &with(export.clone()), &directory.path().join(&tflite)).unwrap();
        std::fs::write(directory.path().join(&onnx), onnx::model_bytes(&graph, &weights, &export).unwrap()).unwrap();
        pairs.add(&tflite, &onnx, TOLERANCE, "difference");
    }
    assert_eq!(pairs.judge(&python, directory.path()), 8 - part);
}

#[test]
fn every_interface_and_precision() {
    let Some(python) = python() else { return };
    let directory = tempfile::tempdir().unwrap();
    let mut pairs = Pairs::default();
    let golden = Golden::load("mixed_se");
    for form in 0..8 {
        let interface = Interface {
            input: if form & 1 == 0 { InputForm::FloatNchw } else { InputForm::Uint8Nhwc },
            normalization: (form & 2 != 0).then(|| "imagenet".parse().unwrap()),
            softmax: form & 4 != 0,
            ..Interface::default()
        };
        let batch = if form % 3 == 0 { Batch::Fixed(2) } else { Batch::Symbolic };
        let export = ExportOptions { interface, batch, ..ExportOptions::default() };
        let onnx = format!("form{form}.onnx");
        let bytes = onnx::model_bytes(&golden.graph, &golden.weights(), &export).unwrap();
        std::fs::write(directory.path().join(&onnx), bytes).unwrap();
        for (precision, limit) in [(Precision::Fp32, TOLERANCE), (Precision::Fp16, HALF_TOLERANCE)] {
            let export = ExportOptions { precision, ..export.clone() };
            let tflite = format!("form{form}.{precision}.tflite");
            litert::export(&golden.graph, &golden.weights(), &with(export), &directory.path().join(&tflite)).unwrap();
            pairs.add(&tflite, &onnx, limit, "difference");
        }
    }
    assert_eq!(pairs.judge(&python, directory.path()), 16);
}

#[test]
fn int8_by_the_quantizer() {
    let Some(python) = python() else { return };
    let directory = tempfile::tempdir().unwrap();
    let mut pairs = Pairs::default();
    for name in NETWORKS {
        let golden = Golden::load(name);
        let images = directory.path().join(format!("{name}.npz"));
        std::fs::write(&images, float_npz(&golden.input.shape, &golden.input.values)).unwrap();
        let quantization = Quantization { calibration: Calibration::open(&images).unwrap(), ..Quantization::default() };
        let float = ExportOptions { batch: Batch::Fixed(1), ..ExportOptions::default() };
        let bytes = onnx::model_bytes(&golden.graph, &golden.weights(), &float).unwrap();
        let (onnx, tflite) = (format!("{name}.onnx"), format!("{name}.int8.tflite"));
        std::fs::write(directory.path().join(&onnx), bytes).unwrap();
        let export = ExportOptions { precision: Precision::Int8, quantization, ..float };
        let path = directory.path().join(&tflite);
        let summary = litert::export(&golden.graph, &golden.weights(), &with(export), &path).unwrap();
        let read = import(&path).unwrap();
        assert!(read.is_quantised, "{name}");
        assert_eq!(read.graph.cost().flops, golden.graph.cost().flops, "{name}");
        let report = summary.quantization.unwrap();
        assert_eq!(report.images, golden.input.shape[0]);
        assert!(report.cosine.unwrap() >= INT8_COSINE, "{name}: {report:?}");
        pairs.add(&tflite, &onnx, INT8_COSINE, "cosine");
    }
    assert_eq!(pairs.judge(&python, directory.path()), NETWORKS.len());
}

/// Networks of torchvision and timm that `zoo.rs` exported to `directory`.
pub fn judge_zoo(directory: &Path, names: &[&str]) {
    let Some(python) = python() else { return };
    let mut pairs = Pairs::default();
    for name in names {
        let (tflite, onnx) = (format!("{name}.tflite"), format!("{name}.onnx"));
        let (from, to) = (directory.join(&onnx), directory.join(&tflite));
        // XNNPACK takes no slice of an open batch.
        let batch = name.ends_with("_batch").then_some(1);
        let options = with(ExportOptions::default());
        let summary = litert::export_onnx(&from, &ImportOptions::default(), batch, &options, &to);
        let summary = summary.unwrap_or_else(|error| panic!("{name}: {error}"));
        eprintln!("{name}: {} operators, {:?}", summary.operators, summary.verified);
        let [read, expected] = [&to, &from].map(|file| import(file).unwrap_or_else(|error| panic!("{name}: {error}")));
        assert_eq!(read.graph.cost().flops, expected.graph.cost().flops, "{name}");
        pairs.add(&tflite, &onnx, TOLERANCE, "difference");
    }
    pairs.judge(&python, directory);
}
