//! Reaching devices with a scripted runner behind the local transport.

use std::cell::RefCell;

use zen_agent::Limits;

use super::super::transport::{Transport, local};
use super::super::{REFERENCE, RunnerAbout, RunnerError, Subject};
use super::*;

/// Answers a time, or is lost; what it says of itself follows its options.
struct Scripted {
    about: RunnerAbout,
    lost: bool,
    ms: f64,
}

impl Runner for Scripted {
    fn about(&self) -> RunnerAbout {
        self.about.clone()
    }

    fn block(&mut self, subject: &Subject, _: &Limits) -> Result<Vec<f64>, RunnerError> {
        ASKED.with_borrow_mut(|asked| asked.push((self.about.conditions.clone(), subject.name.clone())));
        if self.lost { Err(RunnerError::Lost("cable".to_owned())) } else { Ok(vec![self.ms]) }
    }
}

thread_local! {
    static ASKED: RefCell<Vec<(String, String)>> = const { RefCell::new(Vec::new()) };
    static OPENED: RefCell<Vec<(String, RunnerOptions)>> = const { RefCell::new(Vec::new()) };
}

/// Remembers the address and opens a folder on this machine.
static LOCAL: TransportKind = TransportKind {
    name: "here",
    address: "",
    needs: "",
    open: |address, _| {
        if address.starts_with("away") {
            let (target, problem) = (address.to_owned(), "no route".to_owned());
            return Err(TransportError::Connect { target, problem });
        }
        OPENED.with_borrow_mut(|opened| opened.push((address.to_owned(), RunnerOptions::new("", Precision::Fp32))));
        Ok(Box::new(local::Local::open()?) as Box<dyn Transport>)
    },
};

static ENTRY: RunnerEntry = RunnerEntry {
    name: "tract",
    about: "",
    open: |_, options| {
        let address = OPENED.with_borrow_mut(|opened| {
            let last = opened.last_mut().unwrap();
            last.1 = options.clone();
            last.0.clone()
        });
        let about = RunnerAbout {
            runtime: "tract",
            runtime_version: "1".to_owned(),
            device: options.device.clone(),
            host: format!(
                "{}, at {address}",
                if address.contains("other") { "another processor" } else { "a processor" }
            ),
            threads: options.threads,
            processor: None,
            precision: options.precision,
            clock: "scripted".to_owned(),
            conditions: address.clone(),
            emulated: false,
        };
        let ms = if address.contains("slow") { 1.2 } else { 1.0 };
        Ok(Box::new(Scripted { about, lost: address.contains("dying"), ms }))
    },
};

fn open(addresses: &[&str]) -> (Result<Box<dyn Runner>, ProfileError>, Vec<String>) {
    let store = Store::in_memory_empty().unwrap();
    let device = Device::find_in(None, "ssh-host").unwrap();
    let addresses: Vec<String> = addresses.iter().map(|address| (*address).to_owned()).collect();
    let mut notes = Vec::new();
    let mut options = ReachOptions { threads: Some(2), ..ReachOptions::default() };
    options.tools.cores = Some("f0".to_owned());
    let runner = open_members(&store, &device, &LOCAL, &ENTRY, &addresses, &mut options, &mut notes);
    (runner, notes)
}

fn subject(name: &str) -> Subject {
    Subject { name: name.to_owned(), model: Vec::new(), scope: zen_agent::Scope::Whole, without: Vec::new() }
}

#[test]
fn options_come_from_the_user_then_the_file() {
    let (runner, notes) = open(&["a"]);
    let about = runner.unwrap().about();
    assert_eq!((about.device.as_str(), about.threads, about.precision), ("ssh-host", 2, Precision::Fp32));
    assert!(notes.is_empty(), "{notes:?}");
    let opened = OPENED.take();
    assert_eq!(opened[0].1.cores.as_deref(), Some("f0"));
    assert_eq!(opened[0].1.python, "python3");
}

#[test]
fn a_runtime_without_a_runner_is_measured_with_another_and_a_note() {
    let known: Vec<_> = RUNNERS.iter().map(|entry| entry.name).collect();
    let mut notes = Vec::new();
    let runtime = |device: &Device, notes: &mut Vec<String>| measured_runtime(device, &ReachOptions::default(), notes);
    let built_in = |name: &str| Device::find_in(None, name).unwrap();
    for name in ["galaxy-s24", "pixel2", "snapdragon-x-elite", "raspberry-pi-5"] {
        assert_eq!(runtime(&built_in(name), &mut notes), "tract", "{name}");
        let note = notes.pop().unwrap();
        assert!(note.contains(&format!("default runtime of {name}")) && note.contains("with tract"), "{note}");
        let options = runner_options(&built_in(name), "tract", false, &ReachOptions::default());
        assert_eq!((options.precision, options.threads), (Precision::Fp32, 1));
    }
    for name in ["t4", "jetson-nano"] {
        assert_eq!((runtime(&built_in(name), &mut notes).as_str(), notes.len()), ("tensorrt", 0), "{name}");
    }
    let v100 = built_in("v100");
    assert_eq!(runtime(&v100, &mut notes), "tensorrt");
    assert!(notes[0].contains("paddle-tensorrt, the default runtime of v100"), "{notes:?}");
    assert_eq!(runner_options(&v100, "tensorrt", false, &ReachOptions::default()).precision, Precision::Fp16);
    // Every built-in device can be measured with what its file says.
    for device in Device::all_in(None).unwrap() {
        assert!(known.contains(&runtime(&device, &mut notes).as_str()), "{}", device.name);
    }
    let mut own = built_in("ssh-host");
    own.source = DeviceSource::User { path: PathBuf::new(), replaces_built_in: false };
    own.default_setting.runtime = "trakt".to_owned();
    assert_eq!(runtime(&own, &mut notes), "trakt", "a typing error is for the registry to refuse");
    let asked = ReachOptions { runtime: Some("ORT".to_owned()), ..ReachOptions::default() };
    assert_eq!(measured_runtime(&own, &asked, &mut notes), "onnxruntime");
    let t4 = built_in("t4");
    assert_eq!(runner_options(&t4, "tensorrt", false, &ReachOptions::default()).precision, Precision::Fp16);
    let tract = runner_options(&t4, "tract", false, &ReachOptions::default());
    assert_eq!((tract.precision, tract.threads), (Precision::Fp32, 1));
}

#[test]
fn what_cannot_be_reached_says_what_to_connect() {
    let (runner, _) = open(&["away"]);
    let Err(error) = runner else { panic!("it was reached") };
    let text = error.to_string();
    assert!(text.contains("no route") && text.contains("an ssh server") && text.contains("no table"), "{text}");
    let store = Store::in_memory_empty().unwrap();
    let mut wrong = ReachOptions { hosts: vec!["a".to_owned()], ..ReachOptions::default() };
    let Err(error) = open_runner(&store, "pixel2", &mut wrong) else { panic!("a phone was reached over ssh") };
    assert!(error.to_string().contains("--host"), "{error}");
    let mut bad = ReachOptions { hosts: vec!["-oProxyCommand=x".to_owned()], ..ReachOptions::default() };
    let Err(error) = open_runner(&store, "t4", &mut bad) else { panic!("an option was an address") };
    assert!(error.to_string().contains("-oProxyCommand"), "{error}");
}

#[test]
fn this_machine_is_reached_without_ssh() {
    let store = Store::in_memory_empty().unwrap();
    for (device, hosts, named) in [
        ("cpu", vec![], Device::find("cpu").unwrap().table_name()),
        ("ssh-host", vec![HERE.to_owned()], "ssh-host".to_owned()),
    ] {
        let mut options = ReachOptions { hosts, runtime: Some("tract".to_owned()), ..ReachOptions::default() };
        let about = open_runner(&store, device, &mut options).unwrap().runner.about();
        assert_eq!((about.device, about.host), (named, zen_agent::Machine::here().words()));
    }
    let cpu = Device::find_in(None, "cpu").unwrap();
    let options = runner_options(&cpu, "onnxruntime", true, &ReachOptions::default());
    assert!(options.is_processor && options.threads == 1);
    assert_eq!(program_here("trtexec".to_owned()), "trtexec");
    assert!(Path::new(&program_here("./bin/trtexec".to_owned())).is_absolute());
    assert!(open_here("onnxruntim", None, None).is_err());
}

#[test]
fn a_farm_shares_subjects_and_survives_a_lost_member() {
    let (runner, notes) = open(&["a", "away", "dying", "b"]);
    let mut farm = runner.unwrap();
    assert!(notes.len() == 1 && notes[0].contains("away is left out"), "{notes:?}");
    ASKED.take();
    for name in ["x", "x", "y", "y", "z"] {
        assert_eq!(farm.block(&subject(name), &Limits::default()).unwrap(), [1.0]);
    }
    let asked: Vec<String> = ASKED.take().into_iter().map(|(who, what)| format!("{who} {what}")).collect();
    assert_eq!(asked, ["a x", "a x", "dying y", "b y", "b y", "a z"]);
    assert_eq!(farm.about().host, "a processor, a farm");
    assert!(farm.about().conditions.contains("dying: lost (cable)"), "{}", farm.about().conditions);
    let (runner, _) = open(&["dying1", "dying2"]);
    let error = runner.unwrap().block(&subject("x"), &Limits::default()).unwrap_err();
    assert!(matches!(&error, RunnerError::Lost(reason) if reason.contains("every machine")), "{error}");
}

#[test]
fn unequal_machines_are_no_farm() {
    let (runner, _) = open(&["a", "other"]);
    let Err(error) = runner else { panic!("unequal machines were joined") };
    let text = error.to_string();
    assert!(text.contains("other") && text.contains("a processor and another processor"), "{text}");
}

#[test]
fn every_member_measures_the_reference_and_says_how_fast_it_is() {
    let (runner, _) = open(&["a", "slow", "b", "dying"]);
    let mut farm = runner.unwrap();
    ASKED.take();
    assert_eq!(farm.block(&subject(REFERENCE), &Limits::default()).unwrap(), [1.0, 1.2, 1.0]);
    assert_eq!(ASKED.take().len(), 4);
    for name in ["x", "y", "z", "w"] {
        farm.block(&subject(name), &Limits::default()).unwrap();
    }
    let reports: Vec<_> =
        farm.members().into_iter().map(|report| (report.address, report.subjects, report.scale)).collect();
    let expected = [("a", 2, Some(1.0)), ("slow", 1, Some(1.2)), ("b", 1, Some(1.0)), ("dying", 0, None)];
    assert_eq!(reports, expected.map(|(address, subjects, scale)| (address.to_owned(), subjects, scale)));
    assert_eq!(farm.members()[3].lost.as_deref(), Some("cable"));
    let (alone, _) = open(&["a"]);
    assert!(alone.unwrap().members().is_empty());
}

#[test]
fn another_gpu_than_the_files_is_told_loudly() {
    let t4 = Device::find_in(None, "t4").unwrap();
    let remote = runner_options(&t4, "tensorrt", false, &ReachOptions::default());
    assert_eq!(remote.gpu.as_deref(), Some("T4"));
    let (runner, _) = open(&["a"]);
    let about = RunnerAbout { device: remote.device_of(Some("NVIDIA A10G")), ..runner.unwrap().about() };
    let note = another_gpu(&about, &remote).unwrap();
    assert!(note.starts_with("WARNING: ") && note.contains("filed under t4-on-nvidia-a10g"), "{note}");
    assert_eq!(another_gpu(&RunnerAbout { device: "t4".to_owned(), ..about }, &remote), None);
}
