//! Against a scripted trtexec and nvidia-smi.

use std::cell::RefCell;
use std::rc::Rc;

use super::super::scripted::{Said, Scripted, cut, hangs, says};
use super::*;

const GPU: &str = "Tesla T4, 535.104.05, 1590, 1590, 60.1, 70.00, 61, 0x0";
const THROTTLED: &str = "Tesla T4, 535.104.05, 900, 1590, 69.9, 70.00, 80, 0x4";

/// The machine's state; tests break it.
#[derive(Clone)]
struct State {
    smi: String,
    /// One for each run of the engine, the last ones for all others.
    gpu_logs: Vec<String>,
    trtexec: fn() -> Said,
    times: Option<fn(usize) -> String>,
    profile: Option<fn(usize) -> String>,
    iterations: usize,
    runs: usize,
}

fn passed_run() -> Said {
    says("&&&& RUNNING TensorRT.trtexec [TensorRT v8601]\n[I] TensorRT version: 8.6.1\n&&&& PASSED x")
}

fn times_file(count: usize) -> String {
    format!("[{}]", vec![r#"{"computeMs": 0.5, "latencyMs": 0.5}"#; count].join("\n, "))
}

fn profile_file(count: usize) -> String {
    format!(
        r#"[{{"count": {count}}}, {{"name": "a", "timeMs": 1, "averageMs": 0.5, "medianMs": 0.5, "percentage": 100}}]"#
    )
}

impl State {
    fn good() -> Self {
        Self {
            smi: GPU.to_owned(),
            gpu_logs: vec![GPU.to_owned()],
            trtexec: passed_run,
            times: Some(times_file),
            profile: Some(profile_file),
            iterations: 0,
            runs: 0,
        }
    }

    fn answer(&mut self, argv: &[&str]) -> Said {
        let file = |content: Option<String>| {
            content.map_or_else(|| Ok((String::new(), Exit::Code(1), "cat: no such file".to_owned())), says)
        };
        match argv {
            ["nvidia-smi", ..] => says(self.smi.clone()),
            ["cat", "times.json"] => file(self.times.map(|times| times(self.iterations))),
            ["cat", "profile.json"] => file(self.profile.map(|profile| profile(self.iterations))),
            ["cat", "gpu.csv"] => {
                self.runs += 1;
                says(self.gpu_logs[(self.runs - 1).min(self.gpu_logs.len() - 1)].clone())
            }
            _ => {
                let iterations = argv.iter().find_map(|argument| argument.strip_prefix("--iterations="));
                self.iterations = iterations.map_or(self.iterations, |count| count.parse().unwrap());
                (self.trtexec)()
            }
        }
    }
}

type Commands = Rc<RefCell<Vec<Vec<String>>>>;

fn open(state: State, precision: Precision) -> (Result<TensorRt, RunnerError>, Rc<RefCell<State>>, Commands) {
    let state = Rc::new(RefCell::new(state));
    let scripted = Scripted::new({
        let state = state.clone();
        move |_, argv| state.borrow_mut().answer(argv)
    });
    let commands = scripted.commands.clone();
    let (trtexec, gpu) = ("/opt/trtexec".to_owned(), Some("T4".to_owned()));
    let options = RunnerOptions { trtexec, gpu, ..RunnerOptions::new("t4", precision) };
    (TensorRt::open(Box::new(scripted), &options, Duration::ZERO), state, commands)
}

fn ask(runner: &mut TensorRt, model: u8) -> Result<Vec<f64>, RunnerError> {
    let subject = Subject { name: "x".to_owned(), model: vec![model], scope: Scope::Whole, without: Vec::new() };
    runner.block(&subject, &Limits { max_samples: 20, ..Limits::default() })
}

#[test]
fn engines_are_built_once_and_run_as_often_as_asked() {
    let (runner, _, commands) = open(State::good(), Precision::Int8);
    let mut runner = runner.unwrap();
    commands.borrow_mut().clear();
    for model in [1, 1, 2] {
        assert_eq!(ask(&mut runner, model).unwrap(), [0.5; 20]);
    }
    let commands: Vec<String> = commands.borrow().iter().map(|argv| argv.join(" ")).collect();
    let build = "/opt/trtexec --onnx=model0.onnx --saveEngine=engine.plan --int8 --skipInference";
    assert_eq!(commands.iter().filter(|command| *command == build).count(), 2);
    let flags = "/opt/trtexec --loadEngine=engine.plan --iterations=200 --exportTimes=times.json \
                 --exportProfile=profile.json --warmUp=500 --duration=0 --avgRuns=1 --useCudaGraph --noDataTransfers \
                 --useSpinWait --separateProfileRun --profilingVerbosity=detailed";
    assert_eq!(commands.iter().filter(|command| command.ends_with(flags)).count(), 3);
    let about = runner.about();
    assert_eq!(
        (about.runtime, about.runtime_version.as_str(), about.precision),
        ("tensorrt", "8.6.1", Precision::Int8)
    );
    assert_eq!((about.host.as_str(), about.device.as_str()), ("Tesla T4, driver 535.104.05, at scripted", "t4"));
    assert!(about.conditions.contains("power 60.1 of 70 W") && !about.emulated, "{about:?}");
    assert_eq!(runner.operator_form(), OperatorForm::Alone);
}

#[test]
fn a_throttled_block_is_taken_again_and_in_the_end_refused() {
    // The first run is that of the opening.
    let logs = |throttled: usize| {
        let mut logs = vec![GPU.to_owned()];
        logs.extend(vec![format!("{GPU}\n{THROTTLED}\n{GPU}\nTesla T4, 53"); throttled]);
        logs.push(GPU.to_owned());
        logs
    };
    let (runner, state, _) = open(State { gpu_logs: logs(3), ..State::good() }, Precision::Fp16);
    assert_eq!(ask(&mut runner.unwrap(), 1).unwrap().len(), 20);
    assert_eq!(state.borrow().runs, 1 + 4);
    let (runner, _, _) = open(State { gpu_logs: logs(9), ..State::good() }, Precision::Fp16);
    let error = ask(&mut runner.unwrap(), 1).unwrap_err();
    assert!(matches!(&error, RunnerError::Model(reason) if reason.contains("(power limit)")), "{error}");
}

#[test]
fn success_without_files_or_with_others_is_none() {
    type Fault = fn(&mut State);
    let faults: [(&str, Fault); 7] = [
        ("wrote no file times.json", |state| state.times = None),
        ("wrote no file profile.json", |state| state.profile = None),
        ("holds 199 calls", |state| state.times = Some(|count| times_file(count - 1))),
        ("times file does not read", |state| state.times = Some(|count| times_file(count)[..90].to_owned())),
        ("is of 10 calls", |state| state.profile = Some(|_| profile_file(10))),
        ("wrote more than", |state| state.times = Some(|_| "x\n".repeat(MAX_BYTES / 2 + 1))),
        ("trtexec ended with code 0: [I] hello", |state| state.trtexec = || says("[I] hello")),
    ];
    for (problem, fault) in faults {
        let (runner, state, _) = open(State::good(), Precision::Fp16);
        let mut runner = runner.unwrap();
        fault(&mut state.borrow_mut());
        for attempt in 1..=3 {
            let error = ask(&mut runner, 1).unwrap_err();
            assert!(error.to_string().contains(problem), "{problem}: {error}");
            assert_eq!(matches!(error, RunnerError::Lost(_)), attempt == 3, "{problem}: {error}");
        }
    }
}

#[test]
fn failures_of_a_model_of_the_program_and_of_the_machine() {
    let with = |trtexec: fn() -> Said| {
        let (runner, state, _) = open(State::good(), Precision::Fp16);
        state.borrow_mut().trtexec = trtexec;
        ask(&mut runner.unwrap(), 1).unwrap_err()
    };
    let error = with(|| {
        let text = "[E] Error Code 10: Could not find any implementation for node conv\n&&&& FAILED x";
        Ok((text.to_owned(), Exit::Code(1), String::new()))
    });
    assert!(matches!(&error, RunnerError::Model(reason) if reason.contains("any implementation")), "{error}");
    assert!(matches!(with(hangs), RunnerError::Model(_)));
    let error = with(|| Ok((String::new(), Exit::Signal("KILL".to_owned()), String::new())));
    assert!(matches!(&error, RunnerError::Model(reason) if reason.contains("signal KILL")), "{error}");
    assert!(matches!(with(cut), RunnerError::Disconnected(_)));
    let error = with(|| says("[I] TensorRT version: 10.3.0\n&&&& PASSED x"));
    assert!(matches!(&error, RunnerError::Lost(reason) if reason.contains("another TensorRT")), "{error}");
    let missing = || Ok((String::new(), Exit::Code(127), "sh: not found".to_owned()));
    let error = open(State { trtexec: missing, ..State::good() }, Precision::Fp16).0.err().unwrap();
    assert!(matches!(&error, RunnerError::Lost(reason) if reason.contains("part of TensorRT")), "{error}");
    let error = open(State { trtexec: || says("&&&& PASSED x"), ..State::good() }, Precision::Fp16).0.err().unwrap();
    assert!(error.to_string().contains("does not say its TensorRT version"), "{error}");
}

#[test]
fn a_stand_in_is_marked_and_a_missing_nvidia_smi_is_said() {
    let stand_in = || says("[I] TensorRT version: 8.6.1\n[I] Emulated: zen-nas stand-in\n&&&& PASSED x");
    let (runner, _, _) =
        open(State { trtexec: stand_in, smi: "not found".to_owned(), ..State::good() }, Precision::Fp32);
    let mut runner = runner.unwrap();
    assert_eq!(ask(&mut runner, 1).unwrap().len(), 20);
    let about = runner.about();
    assert!(
        about.emulated && about.conditions.contains("unknown") && about.host.starts_with("unnamed GPU"),
        "{about:?}"
    );
    let smi = "zen-nas stand-in GPU, 0, 1, 1, 1, 1, 1, 0x0".to_owned();
    let (runner, _, _) = open(State { smi, ..State::good() }, Precision::Fp32);
    assert!(runner.unwrap().about().emulated);
}

#[test]
fn another_gpu_is_filed_under_its_own_name() {
    let smi = GPU.replace("Tesla T4", "NVIDIA A10G");
    let (runner, _, _) = open(State { smi, ..State::good() }, Precision::Int8);
    let about = runner.unwrap().about();
    assert_eq!((about.device.as_str(), about.emulated), ("t4-on-nvidia-a10g", false));
    // A stand-in is nobody's already.
    let smi = GPU.replace("Tesla T4", "zen-nas stand-in GPU");
    let (runner, _, _) = open(State { smi, ..State::good() }, Precision::Int8);
    assert_eq!(runner.unwrap().about().device, "t4");
}
