//! The TensorRT runner against a stand-in for trtexec and nvidia-smi, over the local transport.

use std::ops::ControlFlow;
use std::path::Path;

use tempfile::TempDir;
use zen_agent::{Limits, Scope};
use zen_nas::latency::{Precision, Store, TableChoice};
use zen_nas::onnx::activation_chain_model;
use zen_nas::profile::transport::{self, FileMode, Line, Outcome, Transport, TransportError};
use zen_nas::profile::{ProfileError, Runner, RunnerEntry, RunnerError, RunnerOptions, Subject};

use super::remote::{local, program, python, session};

/// This machine with the stand-ins on its PATH.
struct WithPath {
    inner: Box<dyn Transport>,
    path: String,
}

impl Transport for WithPath {
    fn target(&self) -> &str {
        self.inner.target()
    }

    fn directory(&self) -> &str {
        self.inner.directory()
    }

    fn put(&mut self, name: &str, content: &[u8], mode: FileMode) -> Result<String, TransportError> {
        self.inner.put(name, content, mode)
    }

    fn run(
        &mut self,
        argv: &[&str],
        limits: &transport::Limits<'_>,
        on_line: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>,
    ) -> Result<Outcome, TransportError> {
        self.inner.run(&[&["env", &self.path], argv].concat(), limits, on_line)
    }

    fn close(self: Box<Self>) -> Result<(), TransportError> {
        self.inner.close()
    }
}

/// The stand-ins in a folder of their own; none, loudly, without a Python for them.
fn stand_in() -> Option<TempDir> {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path(), folder.path()).then_some(folder)
}

/// Puts the stand-ins into a folder, with another one for their state; false, loudly, without a Python for them.
pub fn install(folder: &Path, state: &Path) -> bool {
    let Some(python) = python("TensorRT stand-in") else { return false };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/trtexec.py");
    for name in ["trtexec", "nvidia-smi"] {
        let [script, state] = [script.display(), state.display()];
        program(folder, name, &format!("exec '{python}' '{script}' '{state}' {name} \"$@\""));
    }
    true
}

fn open(stand_in: &TempDir, precision: Precision) -> Result<Box<dyn Runner>, RunnerError> {
    open_over(local(), stand_in, precision)
}

fn open_over(
    inner: Box<dyn Transport>,
    stand_in: &TempDir,
    precision: Precision,
) -> Result<Box<dyn Runner>, RunnerError> {
    let rest = std::env::var("PATH").unwrap();
    let path = format!("PATH={}:{rest}", stand_in.path().display());
    let transport = Box::new(WithPath { inner, path });
    (RunnerEntry::find("tensorrt").unwrap().open)(transport, &RunnerOptions::new("t4", precision))
}

fn break_by(stand_in: &TempDir, faults: &str) {
    std::fs::write(stand_in.path().join("faults"), faults).unwrap();
}

fn runs(stand_in: &TempDir) -> usize {
    std::fs::read(stand_in.path().join("runs")).unwrap_or_default().len()
}

fn ask(runner: &mut dyn Runner, nodes: u32) -> Result<Vec<f64>, RunnerError> {
    let model = activation_chain_model(nodes).unwrap();
    let subject = Subject { name: "chain".to_owned(), model, scope: Scope::Whole, without: Vec::new() };
    runner.block(&subject, &Limits { max_samples: 20, ..Limits::default() })
}

#[test]
fn a_session_fills_a_table_that_is_nobody_elses() {
    let Some(stand_in) = stand_in() else { return };
    let mut runner = open(&stand_in, Precision::Int8).unwrap();
    let about = runner.about();
    assert_eq!((about.runtime_version.as_str(), about.emulated), ("8.6.1", true));
    assert!(about.host.starts_with("zen-nas stand-in GPU, driver 0.0"), "{}", about.host);
    assert!(about.conditions.contains("temperature unknown C, throttle reasons none"), "{}", about.conditions);
    let mut store = Store::in_memory_empty().unwrap();
    // Lost in the middle: what was measured is stored, and a rerun completes it.
    break_by(&stand_in, "dies-after=6");
    let error = session(&mut store, runner.as_mut(), 12, 3, &mut |_| {}).unwrap_err();
    assert!(matches!(&error, ProfileError::Lost(reason) if reason.contains("wrote no file times.json")), "{error}");
    break_by(&stand_in, "");
    let mut runner = open(&stand_in, Precision::Int8).unwrap();
    let outcome = session(&mut store, runner.as_mut(), 12, 3, &mut |_| {}).unwrap();
    assert_eq!((outcome.stored, outcome.measured, outcome.failed.len()), (5, 7, 0));
    assert_eq!(outcome.setting.id(), "t4-emulated/tensorrt/int8/b1");
    let check = outcome.check.unwrap();
    assert_eq!((check.networks.len(), check.calibration_networks), (3, 1));
    assert!(check.error.mape.is_finite() && check.noise.unwrap().mape < 1e-9);
    assert_eq!(store.table(&outcome.setting, &TableChoice::Best).unwrap().unwrap().rows.len(), 12);
    let run = &store.runs(&outcome.setting).unwrap()[0];
    assert!(run.about.method.starts_with("operators each as a network of its own"), "{}", run.about.method);
}

#[cfg(feature = "ssh")]
#[test]
fn engines_are_built_and_watched_over_ssh() {
    let Some(stand_in) = stand_in() else { return };
    let Some(server) = super::sshd::Server::start("") else { return };
    let mut runner = open_over(server.open("box").unwrap(), &stand_in, Precision::Fp16).unwrap();
    break_by(&stand_in, "throttle=2");
    assert_eq!(ask(runner.as_mut(), 3).unwrap(), ask(open(&stand_in, Precision::Fp16).unwrap().as_mut(), 3).unwrap());
    assert_eq!(runs(&stand_in), 1 + 2 + 2);
    server.cut();
    assert!(matches!(ask(runner.as_mut(), 3), Err(RunnerError::Disconnected(_))));
}

#[test]
fn precisions_are_engines_of_their_own() {
    let Some(stand_in) = stand_in() else { return };
    let ms = |precision| ask(open(&stand_in, precision).unwrap().as_mut(), 40).unwrap()[0];
    let [fp32, fp16, int8] = [Precision::Fp32, Precision::Fp16, Precision::Int8].map(ms);
    assert!(fp32 > fp16 && fp16 > int8, "{fp32} {fp16} {int8}");
}

#[test]
fn faults_end_in_errors_and_a_throttled_block_is_repeated() {
    let Some(stand_in) = stand_in() else { return };
    let mut runner = open(&stand_in, Precision::Fp16).unwrap();
    let good = ask(runner.as_mut(), 3).unwrap();
    assert_eq!((good.len(), runs(&stand_in)), (20, 2));
    for (nodes, fault, problem) in [
        (4, "build", "Could not find any implementation"),
        (5, "garbage", "trtexec ended with code 0"),
        (6, "killed", "killed by the signal KILL"),
    ] {
        break_by(&stand_in, fault);
        let error = ask(runner.as_mut(), nodes).unwrap_err();
        assert!(matches!(&error, RunnerError::Model(reason) if reason.contains(problem)), "{fault}: {error}");
    }
    // After a failed build the engine of the model before is not taken for the next one's.
    break_by(&stand_in, "old-times");
    assert_eq!(ask(runner.as_mut(), 3).unwrap(), good);
    // A profile would do, but the times are what counts; those of the run before are gone.
    break_by(&stand_in, "no-times");
    let error = ask(runner.as_mut(), 3).unwrap_err();
    assert!(error.to_string().contains("says that it passed, but wrote no file times.json"), "{error}");
    let before = runs(&stand_in);
    break_by(&stand_in, &format!("throttle={}", before + 1));
    assert_eq!(ask(runner.as_mut(), 3).unwrap(), good);
    assert_eq!(runs(&stand_in), before + 2);
}
