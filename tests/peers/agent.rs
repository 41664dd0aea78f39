//! A session on another machine: the zen-agent over a real OpenSSH server on loopback.
//!
//! Runs when `ZEN_NAS_PEER_SSHD` is set, as the tests of the transport do.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use zen_agent::{Limits, RUNTIME_VERSION};
use zen_nas::latency::{Evidence, OperatorKey, Precision, Predictor, Setting, Store, TableChoice};
use zen_nas::net::{LowerOptions, Network};
use zen_nas::profile::transport::{OpenOptions, Transport, find};
use zen_nas::profile::{
    Ending, Event, Outcome, PlanOptions, ProfileError, Runner, RunnerEntry, RunnerOptions, SessionOptions, Source,
    Target, profile, setting_of,
};
use zen_nas::space::Space;

use super::sshd::Server;

/// The agent of this build, made once. Cargo does not build another package's program for a test.
pub fn agent() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build_agent).clone()
}

fn build_agent() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    // target/PROFILE/deps/TEST
    let folder = test.parent().and_then(|deps| deps.parent()).unwrap().to_owned();
    let mut cargo = Command::new(env!("CARGO"));
    // The whole workspace, so that dependencies keep the features that they were built with.
    cargo.args(["build", "--quiet", "--offline", "--workspace", "--bin", "zen-agent", "--target-dir"]);
    cargo.arg(folder.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success(), "building the zen-agent");
    folder.join("zen-agent")
}

fn open(transport: Box<dyn Transport>) -> Box<dyn Runner> {
    let options = RunnerOptions { agent: Some(agent()), ..RunnerOptions::new("peer-box", Precision::Fp32) };
    (RunnerEntry::find("tract").unwrap().open)(transport, &options).unwrap()
}

/// A session of seconds: its numbers are worth nothing.
pub fn options() -> SessionOptions {
    let limits = Limits { warm_up: 1, min_samples: 2, max_samples: 2, block_ms: 0.0, sample_ms: 0.0 };
    let target = |target: Target| Target {
        min_blocks: 2,
        max_blocks: 2,
        time_limit: Duration::from_secs(60),
        limits: limits.clone(),
        ..target
    };
    SessionOptions {
        plan: PlanOptions {
            sources: vec![Source { space: Space::find("xxbl").unwrap(), lower: LowerOptions::new(32, 10) }],
            operators: 60,
            seed: 5,
        },
        batch_size: 1,
        networks: 2,
        time_limit: None,
        target_within10: None,
        adapt_from: None,
        only_check: false,
        operator_target: target(Target::operator()),
        network_target: target(Target::network()),
        drift: None,
    }
}

pub fn run(
    store: &mut Store,
    runner: &mut dyn Runner,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<Outcome, ProfileError> {
    profile(store, runner, &options(), &|| false, on_event)
}

/// The operators of a table, each of which stands there once.
pub fn keys(store: &Store, setting: &Setting) -> BTreeSet<OperatorKey> {
    let rows = store.table(setting, &TableChoice::Best).unwrap().map(|table| table.rows).unwrap_or_default();
    assert!(rows.iter().all(|row| row.evidence == Evidence::Measured && row.ms > 0.0));
    let keys: BTreeSet<OperatorKey> = rows.iter().map(|row| row.key).collect();
    assert_eq!(keys.len(), rows.len(), "an operator stands twice");
    keys
}

#[test]
fn a_session_over_ssh_fills_a_table_that_predicts() {
    let Some(server) = Server::start("") else { return };
    let mut runner = open(server.open("box").unwrap());
    let about = runner.about();
    assert!(about.host.contains("127.0.0.1") && about.runtime_version == RUNTIME_VERSION, "{about:?}");
    assert!(!about.emulated && runner.times_parts());
    let mut store = Store::in_memory_empty().unwrap();
    let outcome = run(&mut store, runner.as_mut(), &mut |_| {}).unwrap();
    assert_eq!((outcome.ending, outcome.failed.len()), (Ending::Complete, 0), "{:?}", outcome.failed);
    assert_eq!(outcome.setting.id(), "peer-box/tract/fp32/b1/t1");
    assert!(outcome.measured >= 60 && keys(&store, &outcome.setting).len() == outcome.measured);
    let check = outcome.check.unwrap();
    assert!(check.networks.len() == 2 && check.networks.iter().all(|network| network.measured_ms > 0.0));
    assert!(store.runs(&outcome.setting).unwrap()[0].error.is_some());
    let network = Network::parse("SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,2)").unwrap();
    let graph = network.lower(&LowerOptions::new(32, 10)).unwrap();
    let predicted = Predictor::from_table(&store.require_table(&outcome.setting, &TableChoice::Best).unwrap())
        .unwrap()
        .predict(&graph);
    assert!(predicted.ms > 0.0 && predicted.ms.is_finite());
    // A long session holds one model at a time, and nothing is left of it.
    let folders: Vec<_> = std::fs::read_dir(server.path("tmp")).unwrap().collect();
    let [Ok(folder)] = folders.as_slice() else { panic!("{folders:?}") };
    let mut files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["job.json", "model.onnx", "zen-agent"]);
    drop(runner);
    assert_eq!(std::fs::read_dir(server.path("tmp")).unwrap().count(), 0);
}

#[test]
fn an_emulated_processor_is_told() {
    let qemu = format!("/usr/bin/qemu-{}-static", std::env::consts::ARCH);
    if !Path::new(&qemu).is_file() {
        let why = format!("SKIPPED: install qemu-user-static for {qemu} to test what an emulated agent says\n");
        return std::io::Write::write_all(&mut std::io::stderr(), why.as_bytes()).unwrap();
    }
    // Even of its own kind, where neither names nor numbers differ.
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("agent");
    std::fs::write(&script, format!("#!/bin/sh\nexec {qemu} '{}' \"$@\"\n", agent().display())).unwrap();
    let options = RunnerOptions { agent: Some(script), ..RunnerOptions::new("peer-box", Precision::Fp32) };
    let transport = (find("local").unwrap().open)("", OpenOptions::default()).unwrap();
    let runner = (RunnerEntry::find("tract").unwrap().open)(transport, &options).unwrap();
    assert!(runner.about().emulated);
    assert_eq!(setting_of(&runner.about(), 1).id(), "peer-box-emulated/tract/fp32/b1/t1");
}

#[test]
fn a_session_whose_server_is_killed_is_completed_by_the_next() {
    let Some(server) = Server::start("") else { return };
    let mut runner = open(server.open("box").unwrap());
    let setting = setting_of(&runner.about(), 1);
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("tables.sqlite");
    let mut store = Store::open(&database).unwrap();
    let mut learned = 0;
    let error = std::thread::scope(|scope| {
        let mut networks = 0;
        run(&mut store, runner.as_mut(), &mut |event| {
            if let Event::Learned { operators, .. } = event {
                (learned, networks) = (operators, networks + 1);
                if networks == 2 {
                    // While the next network is put or runs.
                    scope.spawn(|| {
                        std::thread::sleep(Duration::from_millis(100));
                        server.cut();
                    });
                }
            }
        })
        .unwrap_err()
    });
    assert!(matches!(&error, ProfileError::Lost(reason) if reason.contains("127.0.0.1")), "{error}");
    drop((runner, store));
    // Another process, another connection.
    let mut store = Store::open(&database).unwrap();
    let kept = keys(&store, &setting);
    assert!(!kept.is_empty() && kept.len() >= learned, "{} of {learned}", kept.len());
    let mut runner = open(server.open("box").unwrap());
    let outcome = run(&mut store, runner.as_mut(), &mut |_| {}).unwrap();
    assert_eq!((outcome.ending, outcome.stored), (Ending::Complete, kept.len()));
    let all = keys(&store, &setting);
    assert!(all.len() >= 60 && all.is_superset(&kept));
    assert_eq!(all.len(), outcome.stored + outcome.measured);
    assert!(outcome.check.is_some());
    assert_eq!(store.runs(&setting).unwrap().iter().filter(|run| run.imported.is_none()).count(), 1);
}
