//! Whole sessions in which something breaks: after each the table holds every finished operator
//! exactly once, and a rerun of the same completes it.
//!
//! The agent is real; what is broken is the connection (a real sshd, the real adb client before a
//! stand-in for a phone) or what the agent says (a wrapper script in its place).

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use zen_nas::latency::{Precision, Setting, Store};
use zen_nas::profile::transport::Transport;
use zen_nas::profile::{
    Ending, Event, Outcome, ProfileError, Runner, RunnerEntry, RunnerError, RunnerOptions, setting_of,
};

use super::agent::{agent, keys, run};
use super::phone::Phone;
use super::remote::{local, program};
use super::sshd::Server;

fn remote_options() -> RunnerOptions {
    RunnerOptions { agent: Some(agent()), ..RunnerOptions::new("peer-box", Precision::Fp32) }
}

fn open_with(transport: Box<dyn Transport>, options: &RunnerOptions) -> Result<Box<dyn Runner>, RunnerError> {
    (RunnerEntry::find("tract").unwrap().open)(transport, options)
}

fn open(transport: Box<dyn Transport>) -> Box<dyn Runner> {
    open_with(transport, &remote_options()).unwrap()
}

/// A session that does something once, when the operators of some networks are stored.
fn run_and(store: &mut Store, runner: &mut dyn Runner, fault: impl FnOnce()) -> Result<Outcome, ProfileError> {
    let (mut fault, networks) = (Some(fault), Cell::new(0));
    run(store, runner, &mut |event| {
        if let Event::Learned { .. } = event {
            networks.set(networks.get() + 1);
            if networks.get() == 2
                && let Some(fault) = fault.take()
            {
                fault();
            }
        }
    })
}

fn setting(runner: &dyn Runner) -> Setting {
    setting_of(&runner.about(), 1)
}

/// Every operator once, and none that is lost again by the rerun, which completes the table in the same run.
fn complete(store: &mut Store, runner: &mut dyn Runner) {
    let setting = setting(runner);
    let kept = keys(store, &setting);
    let outcome = run(store, runner, &mut |_| {}).unwrap();
    assert_eq!((outcome.ending, outcome.stored), (Ending::Complete, kept.len()));
    let all = keys(store, &setting);
    assert!(all.len() >= 60 && all.is_superset(&kept), "{} of {}", kept.len(), all.len());
    assert_eq!(all.len(), outcome.stored + outcome.measured);
    assert_eq!(outcome.check.unwrap().networks.len(), 2);
    assert_eq!(store.runs(&setting).unwrap().iter().filter(|run| run.imported.is_none()).count(), 1);
}

fn lost(result: Result<Outcome, ProfileError>, problem: &str) {
    let error = result.unwrap_err();
    assert!(matches!(&error, ProfileError::Lost(reason) if reason.contains(problem)), "{problem}: {error}");
}

#[test]
fn a_cable_that_is_cut_in_a_shell_or_a_push_ends_a_session_that_the_next_completes() {
    let Some(phone) = Phone::start(&[]) else { return };
    for cut_push in [false, true] {
        let mut store = Store::in_memory_empty().unwrap();
        let mut runner = open(phone.open());
        let result = std::thread::scope(|scope| {
            run_and(&mut store, runner.as_mut(), || {
                if cut_push {
                    phone.break_by("cut");
                } else {
                    // While the next network runs.
                    scope.spawn(|| {
                        std::thread::sleep(Duration::from_millis(150));
                        phone.cut();
                    });
                }
            })
        });
        lost(result, "connection to phone 127.0.0.1");
        assert!(!keys(&store, &setting(runner.as_ref())).is_empty());
        drop(runner);
        complete(&mut store, open(phone.open()).as_mut());
        assert_eq!(phone.left(), Vec::<String>::new());
    }
}

#[test]
fn a_phone_that_is_full_or_no_longer_authorised_ends_a_session_that_the_next_completes() {
    let Some(phone) = Phone::start(&[]) else { return };
    for (fault, problem) in [("full", "the phone is full"), ("unauthorised", "connection to phone")] {
        let mut store = Store::in_memory_empty().unwrap();
        let mut runner = open(phone.open());
        let result = run_and(&mut store, runner.as_mut(), || {
            phone.break_by(fault);
            if fault == "unauthorised" {
                phone.cut();
            }
        });
        lost(result, problem);
        let kept = keys(&store, &setting(runner.as_ref()));
        assert!(!kept.is_empty());
        // It does not become better by itself.
        match (fault, phone.open_as(&phone.address())) {
            ("full", Ok(transport)) => {
                let error = open_with(transport, &remote_options()).err().unwrap().to_string();
                assert!(error.contains("the phone is full"), "{error}");
            }
            ("unauthorised", Err(error)) => assert!(error.to_string().contains("authoris"), "{error}"),
            (fault, other) => panic!("{fault}: {:?}", other.err()),
        }
        phone.break_by("");
        drop(runner);
        assert_eq!(keys(&store, &setting(open(phone.open()).as_ref())), kept);
        complete(&mut store, open(phone.open()).as_mut());
    }
}

#[test]
fn an_agent_that_is_killed_costs_nothing() {
    let Some(server) = Server::start("") else { return };
    let mut store = Store::in_memory_empty().unwrap();
    let mut runner = open(server.open("box").unwrap());
    let mut killed = false;
    let result = std::thread::scope(|scope| {
        let killer = Cell::new(None);
        let result = run_and(&mut store, runner.as_mut(), || {
            killer.set(Some(scope.spawn(|| kill_agent(&server.path("tmp")))));
        });
        killed = killer.take().unwrap().join().unwrap();
        result
    });
    assert!(killed, "no agent was there to kill");
    let outcome = result.unwrap();
    assert_eq!((outcome.ending, outcome.failed.len()), (Ending::Complete, 0), "{:?}", outcome.failed);
    assert_eq!(keys(&store, &outcome.setting).len(), outcome.measured);
    assert!(outcome.measured >= 60);
}

/// Kills the next agent that runs below a folder.
fn kill_agent(folder: &Path) -> bool {
    for _ in 0..1000 {
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(program) = fs::read_link(entry.path().join("exe")) else { continue };
            let number = entry.file_name().into_string().unwrap();
            if program.starts_with(folder) && program.ends_with("zen-agent") {
                return Command::new("kill").args(["-KILL", &number]).status().unwrap().success();
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    false
}

/// A script in the agent's place, which breaks some of its runs: `$run` is their number, `agent` the real one.
fn wrapper(folder: &Path, broken: &str) -> RunnerOptions {
    let (agent, count) = (agent(), folder.join("count"));
    let script = format!(
        "run=$(($(cat '{count}' 2>/dev/null || echo 0) + 1))\necho $run >'{count}'\nagent='{agent}'\n{broken}\n\
         exec \"$agent\" \"$@\"",
        count = count.display(),
        agent = agent.display()
    );
    let agent = program(folder, "wrapper", &script).into();
    RunnerOptions { agent: Some(agent), subject_limit: Duration::from_secs(3), ..remote_options() }
}

#[test]
fn nonsense_jumping_clocks_and_hanging_models_cost_a_network_and_are_reported() {
    // The first run is the greeting; a network is two instances, each tried twice before the network is given up.
    for (broken, problem) in [
        ("[ $run != 6 ] && [ $run != 7 ] || { echo 'Segmentation fault'; exit 0; }", "no record of the protocol"),
        ("[ $run != 6 ] && [ $run != 7 ] || { \"$agent\" \"$@\" | head -c 700; exit 0; }", "no record of the protocol"),
        (
            "[ $run -lt 6 ] || [ $run -gt 11 ] || { \"$agent\" \"$@\" | sed 's/\"clock_jump_ms\":[0-9.e-]*/\"clock_jump_ms\":500/'; exit 0; }",
            "jump: they disagreed by 500.0 ms, in 3 blocks in a row",
        ),
        ("[ $run != 6 ] && [ $run != 7 ] || exec sleep 60", "did not end within 3 s"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::in_memory_empty().unwrap();
        let mut runner = open_with(local(), &wrapper(folder.path(), broken)).unwrap();
        let outcome = run(&mut store, runner.as_mut(), &mut |_| {}).unwrap();
        assert_eq!((outcome.ending, outcome.failed.len()), (Ending::Complete, 1), "{problem}: {:?}", outcome.failed);
        assert!(outcome.failed[0].reason.contains(problem), "{problem}: {:?}", outcome.failed);
        assert_eq!(keys(&store, &outcome.setting).len(), outcome.measured);
        assert!(outcome.measured >= 60 && outcome.check.unwrap().networks.len() == 2);
    }
}

#[test]
fn a_single_broken_answer_is_asked_for_again() {
    for broken in [
        "[ $run != 6 ] || { echo '{'; exit 0; }",
        "[ $run != 6 ] || { \"$agent\" \"$@\" | sed 's/\"clock_jump_ms\":[0-9.e-]*/\"clock_jump_ms\":500/'; exit 0; }",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::in_memory_empty().unwrap();
        let mut runner = open_with(local(), &wrapper(folder.path(), broken)).unwrap();
        let outcome = run(&mut store, runner.as_mut(), &mut |_| {}).unwrap();
        assert_eq!((outcome.ending, outcome.failed.len()), (Ending::Complete, 0), "{:?}", outcome.failed);
        assert_eq!(keys(&store, &outcome.setting).len(), outcome.measured);
    }
}

#[test]
fn an_agent_of_another_protocol_ends_a_session_that_the_right_one_completes() {
    let folder = tempfile::tempdir().unwrap();
    let other = "[ $run -lt 6 ] || { \"$agent\" \"$@\" | sed 's/\"protocol\":2/\"protocol\":99/'; exit 0; }";
    let options = wrapper(folder.path(), other);
    let mut store = Store::in_memory_empty().unwrap();
    let mut runner = open_with(local(), &options).unwrap();
    lost(run(&mut store, runner.as_mut(), &mut |_| {}), "speaks protocol 99, this program speaks 2");
    assert!(!keys(&store, &setting(runner.as_ref())).is_empty());
    let error = open_with(local(), &options).err().unwrap().to_string();
    assert!(error.contains("use the agent of the same version"), "{error}");
    complete(&mut store, open(local()).as_mut());
}
