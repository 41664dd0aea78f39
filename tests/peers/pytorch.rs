//! PyTorch trains what `zen-export` writes for it, and its checkpoints become the ONNX files they
//! should (`pytorch_peer.py`, `docs/guide/train.py`).

use std::path::{Path, PathBuf};
use std::process::Command;

use zen_nas::net::{LowerOptions, Network};
use zen_nas::onnx::weights::Tensor;
use zen_nas::onnx::{self, ExportOptions, Weights};
use zen_nas::pytorch::{module_text, write_module};

use crate::onnx_cases::{Golden, NETWORKS, golden_directory, run_in_tract};

/// Python of an environment with PyTorch and `requirements-torch.txt`.
const PYTHON: &str = "ZEN_NAS_PEER_TORCH";
/// Python of an environment with onnxruntime.
const ONNX_PYTHON: &str = "ZEN_NAS_PEER_PYTHON";
const TOLERANCE: f32 = 1e-4;

/// One block of every family, small enough to be trained in seconds.
const STRUCTURE: &str = "SuperConvK3BNRELU(3,16,2,1)SuperResK3K3(16,24,1,16,1)SuperResK1K5K1(24,32,2,16,1)\
    SuperResIDWE2K3(32,48,2,24,2)SuperConvK1BNRELU(48,128,1,1)";

struct PyTorch {
    python: PathBuf,
    folder: tempfile::TempDir,
}

impl PyTorch {
    /// PyTorch, unless it is not there.
    fn find() -> Option<Self> {
        let Some(python) = std::env::var_os(PYTHON) else {
            // Past the test harness, which swallows the output of tests that pass.
            let notice = format!("SKIPPED pytorch peers: set {PYTHON} to a Python with PyTorch 1.13 or newer\n");
            std::io::Write::write_all(&mut std::io::stderr(), notice.as_bytes()).unwrap();
            return None;
        };
        Some(Self { python: python.into(), folder: tempfile::tempdir().unwrap() })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a script of the repository in the folder, one thread, and gives what it printed.
    fn run(&self, script: &str, arguments: &[&str]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
        let mut command = Command::new(&self.python);
        command.arg(script).args(arguments).current_dir(self.folder.path()).env("OMP_NUM_THREADS", "1");
        finished(command)
    }

    fn peer(&self, arguments: &[&str]) -> String {
        let printed = self.run("tests/peers/pytorch_peer.py", arguments);
        eprint!("{printed}");
        printed
    }

    /// `zen-export`, in the folder.
    fn export(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zen-export"));
        finished({
            command.args(arguments).current_dir(self.folder.path()).env("ZEN_NAS_DB", self.file("tables.sqlite"));
            command
        })
    }

    /// Lets onnxruntime compare the models `golden_NAME.onnx` of a folder with the logits beside them.
    fn onnxruntime(&self, models: &str, golden: &Path) {
        let Some(python) = std::env::var_os(ONNX_PYTHON) else {
            let notice = format!("SKIPPED onnxruntime after pytorch: set {ONNX_PYTHON}\n");
            return std::io::Write::write_all(&mut std::io::stderr(), notice.as_bytes()).unwrap();
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/onnx_peer.py");
        let mut command = Command::new(python);
        command.arg(script).arg(self.file(models)).arg(golden);
        eprint!("{}", finished(command));
    }
}

fn finished(mut command: Command) -> String {
    let output = command.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {printed}{}", String::from_utf8_lossy(&output.stderr));
    printed
}

/// Images and logits of a file.
fn example(path: &Path) -> (Tensor, Tensor) {
    let bytes = std::fs::read(path).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |name: &str| {
        let view = tensors.tensor(name).unwrap();
        let values = view.data().chunks_exact(4).map(|c| f32::from_le_bytes(c.try_into().unwrap())).collect();
        Tensor { shape: view.shape().to_vec(), values }
    };
    (tensor("input"), tensor("expect.logits"))
}

fn assert_logits(model: &Path, images: &Tensor, logits: &Tensor) {
    let ours = run_in_tract(model, images);
    assert_eq!(ours.len(), logits.values.len());
    let difference = ours.iter().zip(&logits.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(difference < TOLERANCE, "{}: logits differ by {difference}", model.display());
}

#[test]
fn golden_networks_as_modules_and_back() {
    let Some(pytorch) = PyTorch::find() else { return };
    for folder in ["modules", "out", "models"] {
        std::fs::create_dir(pytorch.file(folder)).unwrap();
    }
    for name in NETWORKS {
        let golden = Golden::load(name);
        let path = pytorch.file(&format!("modules/{name}.py"));
        let summary = write_module(&Network::parse(&golden.structure).unwrap(), &golden.options, &path).unwrap();
        assert_eq!(summary.parameters, golden.parameters);
    }
    let printed = pytorch.peer(&["golden", "modules", golden_directory().to_str().unwrap(), "out"]);
    assert_eq!(printed.lines().count(), NETWORKS.len());

    for name in NETWORKS {
        let golden = Golden::load(name);
        // What PyTorch itself makes of the module, in a runtime that is not its own.
        assert_logits(&pytorch.file(&format!("out/{name}.torch.onnx")), &golden.input, &golden.logits);
        let checkpoint = |form: &str| Weights::load(&pytorch.file(&format!("out/{name}.{form}.pth")));
        for form in ["wrapped", "parameters", "shared", "plain"] {
            let path = pytorch.file(&format!("models/golden_{name}.onnx"));
            onnx::export(&golden.graph, &checkpoint(form).unwrap(), &ExportOptions::default(), &path).unwrap();
            assert_logits(&path, &golden.input, &golden.logits);
        }
        for form in ["legacy", "legacy_wrapped"] {
            let error = checkpoint(form).unwrap_err().to_string();
            assert!(error.contains("before PyTorch 1.6") && error.contains("torch.save"), "{error}");
        }
    }
    pytorch.onnxruntime("models", &golden_directory());
}

#[test]
fn initial_weights_are_those_of_the_onnx_file() {
    let Some(pytorch) = PyTorch::find() else { return };
    let network = [STRUCTURE, "--resolution", "32", "--classes", "7", "--squeeze-excite"];
    let with = |more: &[&'static str]| pytorch.export(&[&network, more].concat());
    with(&["-o", "network.py", "--init-weights", "initial.safetensors", "--seed", "3"]);
    with(&["-o", "initial.onnx", "--seed", "3"]);
    pytorch.peer(&["initial", "network.py", "initial.safetensors", "."]);
    let (images, logits) = example(&pytorch.file("initial.eval.safetensors"));
    assert_eq!(logits.shape, [3, 7]);
    assert_logits(&pytorch.file("initial.onnx"), &images, &logits);

    with(&["--no-residual", "-o", "plain.py", "--init-weights", "plain.safetensors"]);
    with(&["--no-residual", "-o", "plain.onnx"]);
    pytorch.peer(&["initial", "plain.py", "plain.safetensors", "."]);
    let (images, logits) = example(&pytorch.file("initial.eval.safetensors"));
    assert_logits(&pytorch.file("plain.onnx"), &images, &logits);
}

/// Every parameter and every name of the published networks, without running them.
#[test]
fn published_networks_have_the_published_parameters() {
    let Some(pytorch) = PyTorch::find() else { return };
    let mut expected = Vec::new();
    for row in csv::Reader::from_path("tests/data/networks.csv").unwrap().records() {
        let row = row.unwrap();
        let number = |i: usize| row[i].parse().unwrap();
        let options = LowerOptions { squeeze_excite: &row[4] == "1", ..LowerOptions::new(number(2), number(3)) };
        let network = Network::parse(&row[1]).unwrap();
        let path = pytorch.file(&format!("{}.py", expected.len()));
        write_module(&network, &options, &path).unwrap();
        let graph = network.lower(&options).unwrap();
        let tensors: Vec<_> =
            onnx::weights::required_tensors(&graph).into_iter().map(|spec| (spec.name, spec.shape)).collect();
        expected.push((graph.cost().parameters, tensors));
    }
    std::fs::write(pytorch.file("expected.json"), serde_json::to_string(&expected).unwrap()).unwrap();
    let printed = pytorch.peer(&["published", "expected.json"]);
    assert_eq!(printed.lines().count(), 15);
}

#[test]
fn modules_start_as_published() {
    let Some(pytorch) = PyTorch::find() else { return };
    let network = Network::parse(STRUCTURE).unwrap();
    write_module(&network, &LowerOptions::new(32, 10), &pytorch.file("network.py")).unwrap();
    pytorch.peer(&["initialised", "network.py"]);
    let parameters = network.lower(&LowerOptions::new(32, 10)).unwrap().cost().parameters;
    let mut command = Command::new(&pytorch.python);
    command.arg(pytorch.file("network.py"));
    assert_eq!(finished(command), format!("{parameters} parameters, 32x32 pixels, 10 classes\n"));
}

#[test]
fn names_of_blocks_stay_text_in_python() {
    let Some(pytorch) = PyTorch::find() else { return };
    for name in [
        "\"\"\"\nimport os".replace('\n', ";"),
        "\\".to_owned(),
        "\\\"\"\"+exit".to_owned(),
        "{CLASSES} @CLASSES@ %s".to_owned(),
        "naïve \u{2028} \u{1f600} \\N{DIGIT ONE} \\u0041".to_owned(),
    ] {
        let structure = format!("SuperConvK3BNRELU({name}|3,8,1,1)SuperConvK1BNRELU(8,8,1,1)");
        let text = module_text(&Network::parse(&structure).unwrap(), &LowerOptions::new(8, 10)).unwrap();
        std::fs::write(pytorch.file("network.py"), text).unwrap();
        let read: String = serde_json::from_str(&pytorch.peer(&["literal", "network.py"])).unwrap();
        assert_eq!(read, structure);
    }
}

/// The recipe of `docs/guide/train.md` on data that needs no files: the loss falls, training goes
/// on where it stopped and with a teacher, and what comes back is what PyTorch had.
#[test]
fn trained_networks_come_back() {
    let Some(pytorch) = PyTorch::find() else { return };
    let network = [STRUCTURE, "--resolution", "32", "--classes", "6", "--squeeze-excite"];
    let export = |more: &[&str]| pytorch.export(&[&network[..], more].concat());
    export(&["-o", "network.py", "--init-weights", "initial.safetensors"]);

    let train = |more: &[&str]| {
        let common = ["network.py", "--data", "synthetic", "--out", "run", "--batch-size", "32", "--warmup", "1"];
        // Some hundred steps are too few for the published momentum of the running statistics.
        let printed =
            pytorch.run("docs/guide/train.py", &[&common[..], &["--batch-norm-momentum", "0.1"], more].concat());
        eprint!("{printed}");
        let figure = |line: &str, before: &str| -> f64 {
            let rest = &line[line.find(before).unwrap() + before.len()..];
            rest[..rest.find([',', '%']).unwrap_or(rest.len())].parse().unwrap()
        };
        printed.lines().map(|line| (figure(line, "loss "), figure(line, "accuracy "))).collect::<Vec<_>>()
    };
    let epochs = train(&["--initial", "initial.safetensors", "--epochs", "16", "--mixup", "0"]);
    let ((first, _), (last, accuracy)) = (epochs[0], epochs[15]);
    assert!(last < 0.6 * first, "the loss fell from {first} to {last} only");
    assert!(accuracy > 90.0, "{accuracy}% of the validation images are right");

    for checkpoint in ["run/best.pth", "run/last.pth"] {
        let weights = Weights::load(&pytorch.file(checkpoint)).unwrap();
        let said = weights.header().unwrap().to_string();
        assert_eq!(said, "resolution=32 classes=6 squeeze_excite=true residual_links=true", "{checkpoint}");
    }
    pytorch.peer(&["trained", "network.py", "run/best.pth", "."]);
    let (images, logits) = example(&pytorch.file("trained.eval.safetensors"));
    std::fs::create_dir(pytorch.file("models")).unwrap();
    for checkpoint in ["run/last.pth", "run/best.pth", "wrapped.pth", "plain.pth"] {
        export(&["--weights", checkpoint, "-o", "models/golden_trained.onnx"]);
        if checkpoint != "run/last.pth" {
            assert_logits(&pytorch.file("models/golden_trained.onnx"), &images, &logits);
        }
    }
    pytorch.onnxruntime("models", pytorch.folder.path());

    let teacher = "import sys\nsys.path.insert(0, '.')\nimport network\n\n\n\
        def teacher():\n    return network.load_weights(network.ZenNet(), 'run/best.pth')\n";
    std::fs::write(pytorch.file("teacher.py"), teacher).unwrap();
    let more = ["--resume", "--epochs", "17", "--teacher", "teacher.py", "--teacher-resolution", "48"];
    let epochs = train(&more);
    assert_eq!(epochs.len(), 1, "the first sixteen epochs are not trained again");
    assert!(epochs[0].1 > 90.0, "{}% are right after going on with a teacher", epochs[0].1);
}
