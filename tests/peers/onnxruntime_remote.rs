//! The onnxruntime runner over the local transport and a real onnxruntime, and its program by itself.

use std::path::Path;

use zen_agent::{Limits, Scope};
use zen_nas::latency::{Evidence, Precision, Store, TableChoice};
use zen_nas::onnx::activation_chain_model;
use zen_nas::profile::transport::Transport;
use zen_nas::profile::{Runner, RunnerEntry, RunnerError, RunnerOptions, Subject};

use super::remote::{local, program, python, session};

fn open(python: &str, provider: &str) -> Result<Box<dyn Runner>, RunnerError> {
    open_over(local(), python, provider)
}

fn open_over(transport: Box<dyn Transport>, python: &str, provider: &str) -> Result<Box<dyn Runner>, RunnerError> {
    let options = RunnerOptions {
        python: python.to_owned(),
        provider: Some(provider.to_owned()),
        ..RunnerOptions::new("my-box", Precision::Fp32)
    };
    (RunnerEntry::find("onnxruntime").unwrap().open)(transport, &options)
}

fn chain() -> Subject {
    let model = activation_chain_model(2).unwrap();
    Subject { name: "chain".to_owned(), model, scope: Scope::Whole, without: Vec::new() }
}

fn ask(runner: &mut dyn Runner) -> Result<Vec<f64>, RunnerError> {
    runner.block(&chain(), &Limits { min_samples: 3, max_samples: 3, ..Limits::default() })
}

#[test]
fn a_session_fills_a_table_and_checks_it() {
    let Some(python) = python("onnxruntime on another machine") else { return };
    let mut runner = open(&python, "cpu").unwrap();
    assert!(runner.times_parts());
    let mut store = Store::in_memory_empty().unwrap();
    let outcome = session(&mut store, runner.as_mut(), 20, 2, &mut |_| {}).unwrap();
    assert_eq!(outcome.setting.id(), "my-box/onnxruntime/fp32/b1/t1");
    assert!(outcome.measured >= 20 && outcome.failed.is_empty(), "{outcome:?}");
    let check = outcome.check.unwrap();
    assert!(check.networks.len() == 2 && check.networks.iter().all(|network| network.measured_ms > 0.0));
    let rows = store.table(&outcome.setting, &TableChoice::Best).unwrap().unwrap().rows;
    assert!(
        rows.len() == outcome.measured && rows.iter().all(|row| row.evidence == Evidence::Measured && row.ms > 0.0)
    );
    let about = &store.runs(&outcome.setting).unwrap()[0].about;
    assert!(about.runtime_version.starts_with("1.") && about.host == zen_agent::Machine::here().words(), "{about:?}");
    // A model that is none fails, and the next one is timed.
    let junk = Subject { model: vec![1, 2, 3], ..chain() };
    let error = runner.block(&junk, &Limits::default()).unwrap_err();
    assert!(matches!(&error, RunnerError::Model(reason) if reason.contains("does not take the model")), "{error}");
    assert_eq!(ask(runner.as_mut()).unwrap().len(), 3);
}

#[cfg(feature = "ssh")]
#[test]
fn a_session_over_ssh_that_is_cut_goes_on_with_the_next() {
    use zen_nas::profile::{Event, ProfileError};

    let Some(python) = python("onnxruntime over ssh") else { return };
    let Some(server) = super::sshd::Server::start("") else { return };
    let open = || open_over(server.open("box").unwrap(), &python, "cpu").unwrap();
    let mut store = Store::in_memory_empty().unwrap();
    let mut learned = 0;
    let mut cut = |event: Event<'_>| {
        if let Event::Learned { operators, .. } = event {
            learned = operators;
            server.cut();
        }
    };
    let error = session(&mut store, open().as_mut(), 40, 2, &mut cut).unwrap_err();
    assert!(matches!(&error, ProfileError::Lost(_)), "{error}");
    let outcome = session(&mut store, open().as_mut(), 40, 2, &mut |_| {}).unwrap();
    assert!(outcome.stored == learned && learned > 0 && outcome.measured + outcome.stored >= 40, "{outcome:?}");
    assert_eq!(
        store.table(&outcome.setting, &TableChoice::Best).unwrap().unwrap().rows.len(),
        outcome.measured + outcome.stored
    );
    assert_eq!((store.runs(&outcome.setting).unwrap().len(), outcome.check.unwrap().networks.len()), (1, 2));
}

#[test]
fn pythons_that_cannot_be_used_say_what_to_do() {
    let Some(python) = python("onnxruntime on another machine") else { return };
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, script: &str| program(folder.path(), name, script);
    for (python, provider, problem) in [
        ("no-such-python".to_owned(), "cpu", "install Python 3"),
        // Without the folder that packages are installed in.
        (write("bare", &format!("exec '{python}' -S -I \"$@\"")), "cpu", "-m pip install onnxruntime numpy"),
        (python.clone(), "cuda", "has no CUDAExecutionProvider"),
        (write("chatty", &format!("echo welcome\nexec '{python}' \"$@\"")), "cpu", "line 1 is no record"),
        (write("killed", "kill -9 $$"), "cpu", "killed by the signal KILL"),
        (write("cut", &format!("'{python}' \"$@\" </dev/null | head -c 100")), "cpu", "is no record"),
        (write("silent", "exit 0"), "cpu", "it was cut off"),
    ] {
        let error = open(&python, provider).err().unwrap().to_string();
        assert!(error.contains(problem), "{python}: {error}");
    }
}

#[test]
fn a_provider_that_does_not_run_every_node_is_refused() {
    let Some(python) = python("onnxruntime's providers") else { return };
    let folder = tempfile::tempdir().unwrap();
    let fake = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/fake_onnxruntime.py");
    std::fs::copy(fake, folder.path().join("onnxruntime.py")).unwrap();
    let open_fake = |fake: &str| {
        let script = format!("FAKE={fake} PYTHONPATH='{}' exec '{python}' \"$@\"", folder.path().display());
        open(&program(folder.path(), fake, &script), "cuda")
    };
    let error = open_fake("absent").err().unwrap().to_string();
    assert!(error.contains("pip install onnxruntime-gpu"), "{error}");
    for (fake, problem) in
        [("falls-back", "fell back to CPUExecutionProvider"), ("strays", "not every node ran on CUDA")]
    {
        let error = ask(open_fake(fake).unwrap().as_mut()).unwrap_err();
        assert!(matches!(&error, RunnerError::Model(reason) if reason.contains(problem)), "{error}");
    }
    for faithful in ["faithful", "prints"] {
        let mut runner = open_fake(faithful).unwrap();
        assert_eq!(ask(runner.as_mut()).unwrap().len(), 3, "{faithful}");
        assert!(runner.about().runtime == "onnxruntime-cuda" && !runner.times_parts());
    }
}

/// The program in a folder of its own, as a transport puts it there.
fn measuring_program(folder: &Path) -> std::path::PathBuf {
    std::fs::create_dir(folder).unwrap();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("profilers/python");
    for file in std::fs::read_dir(sources).unwrap().map(Result::unwrap) {
        if file.file_type().unwrap().is_file() {
            std::fs::copy(file.path(), folder.join(file.file_name())).unwrap();
        }
    }
    folder.join("zen_measure.py")
}

#[test]
fn a_runtime_that_dies_or_hangs_costs_one_model() {
    let Some(python) = python("onnxruntime that dies") else { return };
    let folder = tempfile::tempdir().unwrap();
    let fake = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/fake_onnxruntime.py");
    std::fs::copy(fake, folder.path().join("onnxruntime.py")).unwrap();
    let starts = folder.path().join("starts");
    let script = format!(
        "echo started >>'{}'\nFAKE=mortal PYTHONPATH='{}' exec '{python}' \"$@\"",
        starts.display(),
        folder.path().display()
    );
    let mut runner = open(&program(folder.path(), "mortal", &script), "cuda").unwrap();
    let started = || std::fs::read_to_string(&starts).unwrap().lines().count();
    let mut model = |text: &str| {
        let subject = Subject { model: text.as_bytes().to_vec(), ..chain() };
        runner.block(&subject, &Limits { min_samples: 3, max_samples: 3, ..Limits::default() })
    };
    assert_eq!(model("good").unwrap().len(), 3);
    assert_eq!(started(), 1, "the program stays from model to model");
    // More in a row than a machine may fail by itself.
    for number in 0..4 {
        for (what, ending) in [("dies", "killed by the signal SEGV"), ("hangs", "ended with code 4")] {
            let error = model(&format!("{what} {number}")).unwrap_err();
            assert!(matches!(&error, RunnerError::Model(reason) if reason.contains(ending)), "{error}");
            let so_far = started();
            assert_eq!(model(&format!("{what} {number}")), Err(error), "it is not tried again");
            assert_eq!(started(), so_far);
        }
    }
    assert_eq!(model("as good as before").unwrap().len(), 3);
}

#[test]
fn an_emulated_processor_is_told() {
    let Some(python) = python("onnxruntime's script on an emulated processor") else { return };
    let qemu = format!("/usr/bin/qemu-{}-static", std::env::consts::ARCH);
    if !Path::new(&qemu).is_file() {
        let why = format!("SKIPPED: install qemu-user-static for {qemu} to test what an emulated Python says\n");
        return std::io::Write::write_all(&mut std::io::stderr(), why.as_bytes()).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let fake = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/fake_onnxruntime.py");
    std::fs::copy(fake, folder.path().join("onnxruntime.py")).unwrap();
    std::fs::write(folder.path().join("numpy.py"), "__version__ = '0.fake'\n").unwrap();
    // The interpreter itself, not a link to it: the emulator wants a file.
    let interpreter = std::fs::canonicalize(&python).unwrap();
    for (emulator, emulated) in [(None, false), (Some(&qemu), true)] {
        let own = measuring_program(&folder.path().join(format!("emulated-{emulated}")));
        let mut command = match emulator {
            Some(emulator) => std::process::Command::new(emulator),
            None => std::process::Command::new("env"),
        };
        command.arg(&interpreter).arg(&own).args(["onnxruntime", "--provider", "cuda", "--check"]);
        command.env("FAKE", "faithful").env("PYTHONPATH", folder.path());
        let output = command.output().unwrap();
        let hello: serde_json::Value =
            serde_json::from_slice(output.stdout.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
        assert_eq!(hello["emulated"], emulated, "{output:?}");
    }
}

#[test]
fn the_script_ends_by_itself() {
    let Some(python) = python("onnxruntime's script") else { return };
    let folder = tempfile::tempdir().unwrap();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::copy(sources.join("tests/peers/fake_onnxruntime.py"), folder.path().join("onnxruntime.py")).unwrap();
    let script = measuring_program(&folder.path().join("program"));
    std::fs::write(folder.path().join("m.onnx"), "x").unwrap();
    let run = |fake: &str, job: &str| {
        std::fs::write(folder.path().join("job.json"), job).unwrap();
        let mut command = std::process::Command::new(&python);
        command
            .arg(&script)
            .args(["onnxruntime", "--provider", "cuda", "job.json"])
            .current_dir(folder.path())
            .env("FAKE", fake)
            .env("PYTHONPATH", folder.path());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let job = |fields: &str, measure: &str| {
        let model = format!(r#"{{"name": "0", "path": "m.onnx", "measure": "{measure}", "blocks": 9}}"#);
        format!(r#"{{"protocol": 1, {fields}, "models": [{model}, {model}]}}"#)
    };
    // A call that hangs, long after the limit.
    let (code, out) = run("hangs", &job(r#""time_limit_s": 0.1"#, "whole"));
    assert!(code == Some(4) && out.lines().count() == 1 && out.contains("hello"), "{code:?} {out}");
    // The limit comes between blocks.
    let slow = r#""time_limit_s": 0.2, "limits": {"max_samples": 100000, "block_ms": 300}"#;
    let (code, out) = run("faithful", &job(slow, "whole"));
    assert!(code == Some(5) && out.lines().last().unwrap().contains(r#""time_limit_reached": true"#), "{out}");
    // Failures are of one model each; nodes are not timed on a GPU.
    let (code, out) = run("faithful", &job(r#""time_limit_s": 60"#, "nodes"));
    assert!(code == Some(5) && out.contains(r#""failed": 2"#), "{code:?} {out}");
    for (job, problem) in [
        (r#"{"protocol": 2}"#.to_owned(), "not of protocol 1"),
        ("{".to_owned(), "the job job.json"),
        (job(r#""time_limit_s": 1, "more": 2"#, "whole"), "has the fields"),
        (job(r#""time_limit_s": true"#, "whole"), "contradict"),
        (job(r#""time_limit_s": 1, "limits": {"max_samples": 1e9}"#, "whole"), "max_samples cannot be"),
        (job(r#""time_limit_s": 1"#, "halves"), "none of this protocol"),
    ] {
        let (code, out) = run("faithful", &job);
        assert!(code == Some(3) && out.contains("refusal") && out.contains(problem), "{job}: {code:?} {out}");
    }
}
