//! The remote agent against scripted targets: sound, broken, hostile.

use std::cell::RefCell;
use std::rc::Rc;

use zen_agent::{ClockCheck, Machine, PROTOCOL, RUNTIME_VERSION};

use super::scripted::{End, Run, Scripted, Seen};
use super::*;
use crate::profile::setting_of;
use crate::profile::transport::Exit;

const DONE: End = End::Exit(Exit::Code(0), "");
const END: &str = r#"{"type":"end","measured":1,"failed":0,"time_limit_reached":false}"#;
const NO_TIME: &str = r#"{"type":"end","measured":0,"failed":0,"time_limit_reached":true}"#;
const BLOCK: &str = r#"{"type":"block","model":"conv","block":0,"calls_per_sample":2,"cpu_ms":[1.5,1.25],"wall_ms":[1.5,1.5],"clock_jump_ms":0.0}"#;
const JUMP: &str = r#"{"type":"block","model":"conv","block":0,"calls_per_sample":2,"cpu_ms":[1.5],"wall_ms":[1.5],"clock_jump_ms":40.0}"#;
const PARTS: &str = r#"{"type":"parts","model":"conv","block":0,"nodes":[{"name":"a","ms":[1,2]},{"name":"b","ms":[3,4]},{"name":"a.pad","ms":[0.5,0]},{"name":"c","ms":[9,9]}],"whole_ms":[14,15.5],"clock_jump_ms":0.1}"#;

fn hello(emulated: bool) -> String {
    let greeting = Greeting {
        protocol: PROTOCOL,
        agent_version: "0.1.0".to_owned(),
        runtime: RUNTIME.to_owned(),
        runtime_version: RUNTIME_VERSION.to_owned(),
        machine: Machine {
            cpu: "Cortex-A73\u{1b}[31m".to_owned(),
            cores: 8,
            architecture: "aarch64".to_owned(),
            system: "linux".to_owned(),
            processor: None,
        },
        clock: "thread-cpu".to_owned(),
        clock_check: ClockCheck { jump_ms: 0.0, work_spread: 0.01 },
        emulated,
        cores: Some("f0".to_owned()),
    };
    serde_json::to_string(&zen_agent::Record::Hello(greeting)).unwrap()
}

fn answer(lines: &[&str], end: End) -> Run {
    let lines = std::iter::once(hello(false)).chain(lines.iter().map(|line| (*line).to_owned())).collect();
    Run { lines, end }
}

fn options() -> RunnerOptions {
    // Any file does: nothing runs it.
    let agent = Some(std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")));
    RunnerOptions { agent, cores: Some("f0".to_owned()), ..RunnerOptions::new("phone", Precision::Fp32) }
}

fn scripted(runs: Vec<Run>) -> (Scripted, Rc<RefCell<Seen>>) {
    let seen = Rc::new(RefCell::new(Seen::default()));
    (Scripted { runs: runs.into(), seen: seen.clone(), damaged: 0, room: usize::MAX, uname: "Linux toaster" }, seen)
}

/// An open agent whose runs after the greeting are these.
fn agent(runs: Vec<Run>) -> (Agent, Rc<RefCell<Seen>>) {
    let mut all = vec![answer(&[END], DONE)];
    all.extend(runs);
    let (transport, seen) = scripted(all);
    (Agent::open(Box::new(transport), &options()).unwrap(), seen)
}

fn open_error(runs: Vec<Run>, options: &RunnerOptions) -> String {
    match Agent::open(Box::new(scripted(runs).0), options) {
        Err(RunnerError::Lost(reason)) => reason,
        other => panic!("{:?}", other.err()),
    }
}

fn subject() -> Subject {
    Subject {
        name: "conv".to_owned(),
        model: vec![1, 2, 3],
        scope: Scope::Nodes("operator_".to_owned()),
        without: vec![],
    }
}

fn block(agent: &mut Agent) -> Result<Vec<f64>, RunnerError> {
    agent.block(&subject(), &Limits::default())
}

/// The reason why a subject fails with these runs; the next one must work all the same.
fn failure(runs: Vec<Run>) -> String {
    let mut runs = runs;
    runs.push(answer(&[BLOCK, END], DONE));
    let (mut agent, seen) = agent(runs);
    let error = block(&mut agent).unwrap_err();
    assert_eq!(block(&mut agent).unwrap(), [1.5, 1.25], "after {error}");
    assert!(seen.borrow().files.len() == 3, "one model, one job, the agent");
    let RunnerError::Model(reason) = error else { panic!("{error}") };
    reason
}

#[test]
fn blocks_and_what_they_belong_to() {
    let (mut agent, seen) = agent(vec![answer(&[BLOCK, END], DONE), answer(&[BLOCK, END], DONE)]);
    let about = agent.about();
    assert_eq!(
        (about.device.as_str(), about.runtime, about.runtime_version.as_str()),
        ("phone", "tract", RUNTIME_VERSION)
    );
    assert_eq!(about.host, "Cortex-A73 [31m, 8 cores, linux, at script");
    assert_eq!(about.clock, "processor time of the thread");
    assert!(about.conditions.starts_with("cores f0; "), "{}", about.conditions);
    assert_eq!(setting_of(&about, 1).id(), "phone/tract/fp32/b1/t1");
    for _ in 0..2 {
        assert_eq!(block(&mut agent).unwrap(), [1.5, 1.25]);
    }
    let seen = seen.borrow();
    // A greeting and two blocks of the same model, which is put once.
    assert_eq!((seen.puts.join(" ").as_str(), seen.runs), ("zen-agent job.json model.onnx job.json", 3));
    let job: zen_agent::Job = serde_json::from_slice(&seen.files["job.json"]).unwrap();
    assert_eq!((job.cores.as_deref(), job.models[0].name.as_str(), job.models[0].parts), (Some("f0"), "conv", false));
    assert_eq!(job.models[0].scope, subject().scope);
    assert_eq!(seen.files["model.onnx"], [1, 2, 3]);
}

#[test]
fn nodes_are_added_up_by_their_owners() {
    let (mut agent, _) = agent(vec![answer(&[PARTS, END], DONE)]);
    assert!(agent.times_parts());
    let owners = |node: &str| match &node[..1] {
        "a" => Some(1),
        "b" => Some(0),
        _ => None,
    };
    let parts = agent.parts(&subject(), &owners, 2, &Limits::default()).unwrap();
    assert_eq!(parts.parts_ms, [[3.0, 4.0], [1.5, 2.0]]);
    assert_eq!((parts.unowned_ms, parts.whole_ms), (vec![9.0, 9.0], vec![14.0, 15.5]));
}

#[test]
fn an_agent_of_another_protocol_is_refused_with_both_versions() {
    let newer = Run { lines: vec![r#"{"type":"hello","protocol":77,"future":[]}"#.to_owned()], end: DONE };
    let reason = open_error(vec![newer], &options());
    assert!(reason.contains("speaks protocol 77, this program speaks 2"), "{reason}");
    // An older one refuses the job, in words of its own.
    let words = "zen-agent: job job.json: is of protocol 2, this agent speaks 1\n";
    let reason = open_error(vec![Run { lines: vec![], end: End::Exit(Exit::Code(3), words) }], &options());
    assert!(reason.contains("is of protocol 2, this agent speaks 1"), "{reason}");
}

#[test]
fn a_target_that_cannot_be_used_is_refused_at_once() {
    let other = Run { lines: vec![hello(false).replace("\"tract\"", "\"other\"")], end: DONE };
    let reason = open_error(vec![other], &options());
    assert!(reason.contains("it runs other, not tract"), "{reason}");
    let gone = || Run { lines: vec![], end: End::Exit(Exit::Code(126), "sh: zen-agent: Exec format error") };
    let reason = open_error(vec![gone(), gone()], &options());
    assert!(reason.contains("Exec format error. If the agent does not run there, build it"), "{reason}");
    let reason = open_error(vec![answer(&[END], DONE)], &RunnerOptions { cores: None, ..options() });
    assert!(reason.contains("stays on f0 in spite of its job"), "{reason}");
    let unnamed = RunnerOptions { agent: None, ..options() };
    let reason = open_error(vec![], &unnamed);
    assert!(
        reason.contains("script is Linux toaster, this program is for ") && reason.contains("cargo build"),
        "{reason}"
    );
    for (options, word) in [
        (RunnerOptions { precision: Precision::Fp16, ..options() }, "fp32 only"),
        (RunnerOptions { threads: 4, ..options() }, "one thread"),
        (RunnerOptions { cores: Some("all".to_owned()), ..options() }, "hexadecimal"),
        (RunnerOptions { agent: Some("/absent/agent".into()), ..options() }, "/absent/agent"),
    ] {
        let reason = open_error(vec![], &options);
        assert!(reason.contains(word), "{reason}");
    }
}

#[test]
fn a_damaged_copy_is_replaced_once() {
    for (damaged, works) in [(1, true), (2, false)] {
        let (transport, seen) = scripted(vec![answer(&[END], DONE)]);
        let result = Agent::open(Box::new(Scripted { damaged, ..transport }), &options());
        assert_eq!(seen.borrow().puts.iter().filter(|name| *name == "zen-agent").count(), 2);
        match result {
            Ok(_) => assert!(works),
            Err(error) => assert!(!works && error.to_string().contains("did not arrive whole"), "{error}"),
        }
    }
}

#[test]
fn answers_that_make_no_sense_cost_one_subject() {
    let long = format!("{}{}", &BLOCK[..20], " ".repeat(8 << 20));
    let other = BLOCK.replace("conv", "dense");
    let many = BLOCK.replace("[1.5,1.25]", &format!("[{}1]", "1,".repeat(100)));
    let uneven = BLOCK.replace("[1.5,1.5]", "[1.5,1.5,1.5]");
    let second = BLOCK.replace("\"block\":0", "\"block\":1");
    for (lines, word) in [
        (vec!["Segmentation fault"], "a line is no record of the protocol"),
        (vec![&BLOCK[..40]], "a line is no record of the protocol"),
        (vec![r#"{"type":"surprise"}"#], "unknown variant"),
        (vec![&long], "longer than"),
        (vec![&other], "about another model: dense"),
        (vec![&many], "101 samples, from 1 to 30"),
        (vec![&uneven], "3 samples, from 1 to 2"),
        (vec![&BLOCK.replace("1.25", "-1.25")], "a time of -1.25 ms"),
        (vec![&second], "something else"),
        (vec![PARTS], "something else"),
        (vec![BLOCK, BLOCK], "measured twice"),
        (vec![&hello(false)], "greets twice"),
        (vec![END], "without a word about the model"),
        (vec![BLOCK, END, END], "after the end"),
        (vec![r#"{"type":"failure","model":"conv","reason":"no kernel"}"#, END], "no kernel"),
        (vec![NO_TIME], "did not begin to measure it within 180 s"),
    ] {
        let reason = failure(vec![answer(&lines, DONE)]);
        assert!(reason.contains(word), "{word}: {reason}");
    }
    let endless = Run { lines: vec![format!("{{{}", "[".repeat(1 << 20))], end: DONE };
    assert!(failure(vec![endless]).contains("the greeting is longer than"));
    let reason = failure(vec![Run { lines: vec![BLOCK.to_owned()], end: DONE }]);
    assert!(reason.contains("does not begin with a greeting"), "{reason}");
}

#[test]
fn a_killed_agent_is_started_once_more() {
    let killed = || answer(&[], End::Exit(Exit::Signal("KILL".to_owned()), ""));
    let (mut restarted, seen) = agent(vec![killed(), answer(&[BLOCK, END], DONE)]);
    assert_eq!(block(&mut restarted).unwrap(), [1.5, 1.25]);
    // The model is put again, as it may be gone, too.
    assert_eq!(seen.borrow().puts.iter().filter(|name| *name == "model.onnx").count(), 2);
    let reason = failure(vec![killed(), killed()]);
    assert!(reason.contains("was killed by signal KILL before the end of its answer"), "{reason}");
    // An answer without its end does not count, even where the agent seems to have ended well.
    let reason = failure(vec![answer(&[BLOCK], DONE), answer(&[BLOCK], DONE)]);
    assert!(reason.contains("ended with code 0 before the end"), "{reason}");
    let gone = || Run { lines: vec![], end: End::Exit(Exit::Code(127), "not found") };
    let (mut agent, seen) = agent(vec![gone(), answer(&[BLOCK, END], DONE)]);
    assert_eq!(block(&mut agent).unwrap(), [1.5, 1.25]);
    assert_eq!(seen.borrow().puts.iter().filter(|name| *name == "zen-agent").count(), 2);
}

#[test]
fn a_target_that_hangs_costs_one_subject() {
    let reason = failure(vec![answer(&[], End::Hang)]);
    assert!(reason.contains("wrote nothing for 210 s"), "{reason}");
    let words = "zen-agent: a model still runs 10 s after the time limit";
    let reason = failure(vec![answer(&[], End::Exit(Exit::Code(5), words))]);
    assert!(reason.contains("still runs 10 s after"), "{reason}");
}

#[test]
fn a_block_during_which_a_clock_jumped_is_taken_again() {
    let jump = || answer(&[JUMP, END], DONE);
    let (mut again, seen) = agent(vec![jump(), jump(), answer(&[BLOCK, END], DONE)]);
    assert_eq!(block(&mut again).unwrap(), [1.5, 1.25]);
    assert_eq!(seen.borrow().runs, 4);
    let reason = failure(vec![jump(), jump(), jump()]);
    assert!(reason.contains("clocks of script jump: they disagreed by 40.0 ms, in 3 blocks in a row"), "{reason}");
    // More time than passed here.
    let fast = BLOCK.replace("[1.5,1.5]", "[90000,1]");
    let fast = || answer(&[&fast, END], DONE);
    let reason = failure(vec![fast(), fast(), fast()]);
    assert!(reason.contains("jump"), "{reason}");
}

#[test]
fn a_lost_connection_and_an_exchanged_machine_end_it() {
    let (mut cut, _) = agent(vec![answer(&[BLOCK], End::Lost)]);
    let error = block(&mut cut).unwrap_err();
    assert!(matches!(&error, RunnerError::Disconnected(reason) if reason.contains("cable cut")), "{error}");
    let other = Run { lines: vec![hello(true), BLOCK.to_owned(), END.to_owned()], end: DONE };
    let (mut exchanged, _) = agent(vec![other]);
    let error = block(&mut exchanged).unwrap_err();
    assert!(matches!(&error, RunnerError::Lost(reason) if reason.contains("another machine")), "{error}");
}

#[test]
fn a_full_device_ends_it_with_the_reason() {
    let runs = || vec![answer(&[END], DONE)];
    for room in 0..2 {
        let transport = Scripted { room, ..scripted(runs()).0 };
        let Err(error) = Agent::open(Box::new(transport), &options()) else { panic!("room for {room} is enough") };
        assert!(matches!(&error, RunnerError::Lost(reason) if reason.contains("no space left")), "{error}");
    }
    let transport = Scripted { room: 2, ..scripted(runs()).0 };
    let mut agent = Agent::open(Box::new(transport), &options()).unwrap();
    let error = block(&mut agent).unwrap_err();
    assert!(matches!(&error, RunnerError::Lost(reason) if reason.contains("model.onnx")), "{error}");
}

#[test]
fn an_emulated_target_never_stands_for_the_device() {
    let (transport, _) = scripted(vec![Run { lines: vec![hello(true), END.to_owned()], end: DONE }]);
    let agent = Agent::open(Box::new(transport), &options()).unwrap();
    assert!(agent.about().emulated);
    assert_eq!(setting_of(&agent.about(), 1).device, "phone-emulated");
}
