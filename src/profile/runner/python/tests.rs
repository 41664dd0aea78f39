//! Against scripted answers, good and bad.

use super::super::onnxruntime::RUNTIME;
use super::super::scripted::{Said, Scripted, cut, hangs, says};
use super::link::{JOB_NAME, MAX_ANSWER_BYTES};
use super::*;
use crate::profile::setting_of;
use crate::profile::transport::Exit;

const HELLO: &str = r#"{"type":"hello","protocol":1,"runtime":"onnxruntime","runtime_version":"1.32.0","python_version":"3.11.7","numpy_version":"2.4.6","machine":{"cpu":"AMD EPYC","cores":2,"architecture":"x86_64","system":"linux"},"gpu":null,"provider":"cpu","clock":"thread-cpu","emulated":false}"#;
const END: &str = r#"{"type":"end","measured":1,"failed":0,"time_limit_reached":false}"#;

fn options() -> RunnerOptions {
    RunnerOptions { provider: Some("cpu".to_owned()), ..RunnerOptions::new("my-box", Precision::Fp32) }
}

/// What a good script answers: a whole call takes a thousandth of the model's bytes.
fn good(files: &std::collections::BTreeMap<String, Vec<u8>>, argv: &[&str], hello: &str) -> String {
    let mut lines = vec![hello.to_owned()];
    if argv.last() != Some(&"--check") {
        let job: serde_json::Value = serde_json::from_slice(&files[JOB_NAME]).unwrap();
        for model in job["models"].as_array().unwrap() {
            let name = model["name"].as_str().unwrap();
            let ms = files[model["path"].as_str().unwrap()].len() as f64 * 1e-3;
            for block in 0..model["blocks"].as_u64().unwrap() {
                let head = format!(r#""model":"{name}","block":{block},"calls_per_sample":1"#);
                lines.push(match model["measure"].as_str().unwrap() {
                    "whole" => format!(r#"{{"type":"block",{head},"cpu_ms":[{ms},{ms}],"wall_ms":[{ms},{ms}]}}"#),
                    _ => format!(
                        r#"{{"type":"nodes",{head},"nodes":["operator_a","b"],"node_ms":[[2,2],[1,1]],"cpu_ms":[4,4],"whole_ms":[3,3]}}"#
                    ),
                });
            }
        }
    }
    lines.push(END.to_owned());
    lines.join("\n")
}

/// Opens a runner whose jobs after the opening are answered by `play`, given a good answer.
fn runner(mut play: impl FnMut(String) -> Said + 'static) -> PythonRunner {
    let mut runs = 0;
    let scripted = Scripted::new(move |files, argv| {
        runs += 1;
        let answer = good(files, argv, HELLO);
        if runs <= 2 { says(answer) } else { play(answer) }
    });
    PythonRunner::open(Box::new(scripted), &options(), &RUNTIME).unwrap()
}

fn whole(bytes: usize) -> Subject {
    Subject { name: "x".to_owned(), model: vec![7; bytes], scope: Scope::Whole, without: Vec::new() }
}

fn ask(runner: &mut PythonRunner, bytes: usize) -> Result<Vec<f64>, RunnerError> {
    runner.block(&whole(bytes), &Limits::default())
}

#[test]
fn blocks_are_taken_several_at_once() {
    let scripted = Scripted::new(|files, argv| says(good(files, argv, HELLO)));
    let commands = scripted.commands.clone();
    let mut options = options();
    options.cores = Some("f0".to_owned());
    let mut runner = PythonRunner::open(Box::new(scripted), &options, &RUNTIME).unwrap();
    let expected =
        "python3 /scripted/zen_measure.py onnxruntime --provider cpu --precision fp32 --threads 1 --cores f0 --check";
    assert_eq!(commands.borrow()[0].join(" "), expected);
    for (bytes, blocks) in [(1000, BLOCKS_AHEAD + 1), (2000, 1)] {
        for _ in 0..blocks {
            assert_eq!(ask(&mut runner, bytes).unwrap(), vec![bytes as f64 * 1e-3; 2]);
        }
    }
    assert_eq!(commands.borrow().len(), 2 + 3);
    // Turns of several models are one job.
    let blocks = runner.blocks(&[&[1; 1000], &[2; 3000], &[1; 1000]], "x", &Limits::default()).unwrap();
    assert_eq!(blocks, [vec![1.0; 2], vec![3.0; 2], vec![1.0; 2]]);
    assert_eq!(commands.borrow().len(), 2 + 4);
}

#[test]
fn nodes_and_what_the_runner_says_of_itself() {
    let mut runner = runner(says);
    assert!(runner.times_parts());
    let owner = |name: &str| (name == "operator_a").then_some(0);
    let cost = runner.cost.recording_ms;
    let parts = runner.parts(&whole(9), &owner, 1, &Limits::default()).unwrap();
    assert_eq!((parts.parts_ms[0].len(), parts.whole_ms), (2, vec![3.0; 2]));
    assert!((parts.parts_ms[0][0] - (2.0 - cost)).abs() < 1e-9);
    let nodes = |prefix: &str| Subject { scope: Scope::Nodes(prefix.to_owned()), ..whole(9) };
    assert_eq!(runner.block(&nodes("operator_"), &Limits::default()).unwrap().len(), 2);
    let error = runner.block(&nodes("absent_"), &Limits::default()).unwrap_err().to_string();
    assert!(error.contains("`absent_`"), "{error}");
    let about = runner.about();
    assert_eq!(
        (about.runtime, about.runtime_version.as_str(), about.device.as_str()),
        ("onnxruntime", "1.32.0", "my-box")
    );
    assert_eq!(about.host, "AMD EPYC, 2 cores, linux, at scripted");
    assert!(about.conditions.contains("provider cpu, Python 3.11.7") && !about.emulated, "{about:?}");
}

#[test]
fn what_is_emulated_or_another_gpu_is_not_the_device() {
    let hello = HELLO.replace(r#""emulated":false"#, r#""emulated":true"#);
    let scripted = Scripted::new(move |files, argv| says(good(files, argv, &hello)));
    let about = open(Box::new(scripted), &options(), &RUNTIME).unwrap().about();
    assert_eq!(setting_of(&about, 1).id(), "my-box-emulated/onnxruntime/fp32/b1/t1");
    let hello = HELLO.replace("null", r#""NVIDIA A10G, 535.1""#).replace(r#""cpu","clock"#, r#""cuda","clock"#);
    let hello = hello.replace("thread-cpu", "wall");
    let scripted = Scripted::new(move |files, argv| says(good(files, argv, &hello)));
    let cuda = RunnerOptions { provider: Some("cuda".to_owned()), gpu: Some("T4".to_owned()), ..options() };
    assert_eq!(open(Box::new(scripted), &cuda, &RUNTIME).unwrap().about().device, "my-box-on-nvidia-a10g");
    // A script that does not say whether it is emulated is none.
    let silent = HELLO.replace(r#","emulated":false"#, "");
    let scripted = Scripted::new(move |files, argv| says(good(files, argv, &silent)));
    assert!(open(Box::new(scripted), &options(), &RUNTIME).is_err());
}

#[test]
fn a_gpu_has_a_table_of_its_own_and_differences() {
    let hello = HELLO.replace("null", r#""NVIDIA T4, 535.1""#).replace(r#""cpu","clock"#, r#""cuda","clock"#);
    let hello = hello.replace("thread-cpu", "wall");
    let answer = hello.clone();
    let scripted = Scripted::new(move |files, argv| says(good(files, argv, &answer)));
    let cuda = RunnerOptions { provider: Some("cuda".to_owned()), ..options() };
    let mut runner = open(Box::new(scripted), &cuda, &RUNTIME).unwrap();
    assert_eq!(runner.operator_form(), super::super::OperatorForm::Difference);
    let about = runner.about();
    assert_eq!((about.runtime, about.threads), ("onnxruntime-cuda", 0));
    assert!(about.host.starts_with("NVIDIA T4, 535.1; AMD EPYC") && about.clock.contains("wall time"), "{about:?}");
    let without = vec![super::super::Without { model: vec![0; 1000], weight: 1.0 }];
    let subject = Subject { scope: Scope::Nodes("operator_".to_owned()), without, ..whole(3000) };
    assert_eq!(runner.block(&subject, &Limits::default()).unwrap(), [2.0; 4]);
    // The script must use what was asked for.
    let scripted = Scripted::new(move |files, argv| says(good(files, argv, &hello)));
    let error = open(Box::new(scripted), &options(), &RUNTIME).err().unwrap();
    assert!(error.to_string().contains("the provider asked for is cpu"), "{error}");
}

#[test]
fn what_cannot_be_used_says_what_to_do() {
    let at_open = |said: fn() -> Said, options: &RunnerOptions| {
        let scripted = Scripted::new(move |_, _| said());
        PythonRunner::open(Box::new(scripted), options, &RUNTIME).err().unwrap()
    };
    let missing = || Ok((String::new(), Exit::Code(127), "sh: python3: not found\n".to_owned()));
    let error = at_open(missing, &options());
    assert!(matches!(&error, RunnerError::Lost(reason) if reason.contains("install Python 3")), "{error}");
    let refused = || says(r#"{"type":"refusal","reason":"no numpy; install it with `pip`"}"#);
    let error = at_open(refused, &options());
    assert!(matches!(&error, RunnerError::Lost(reason) if reason.contains("install it")), "{error}");
    for (precision, provider) in [(Precision::Int8, "cpu"), (Precision::Fp16, "cuda"), (Precision::Int8, "tensorrt")] {
        let options = RunnerOptions { precision, provider: Some(provider.to_owned()), ..options() };
        let error = at_open(cut, &options).to_string();
        assert!(error.contains(&format!("in fp32, not in {precision}")), "{error}");
    }
}

#[test]
fn bad_answers_are_refused_and_the_third_in_a_row_ends_it() {
    type Fault = fn(String) -> String;
    let faults: [(&str, Fault); 12] = [
        ("cut off", |good| good.lines().take(3).collect::<Vec<_>>().join("\n")),
        ("line 2 is no record", |good| good.replacen(r#"{"type":"block""#, r#"{"type":"bl"#, 1)),
        ("line 1 is no record", |good| format!("\u{1b}[31mwelcome\n{good}")),
        ("greets twice", |good| format!("{HELLO}\n{good}")),
        ("goes on behind its end", |good| format!("{good}\n{END}")),
        ("which was not asked for", |good| good.replace(r#""model":"0""#, r#""model":"../x""#)),
        ("out of order", |good| good.replace(r#""block":1"#, r#""block":5"#)),
        ("ends before everything", |_| format!("{HELLO}\n{END}")),
        ("ends without a greeting", |_| END.to_owned()),
        ("not times", |good| good.replacen(r#""cpu_ms":[1"#, r#""cpu_ms":[-1"#, 1)),
        ("not times", |good| good.replacen(r#""cpu_ms":[1,1]"#, r#""cpu_ms":[]"#, 1)),
        ("protocol 2", |good| good.replace(r#""protocol":1"#, r#""protocol":2"#)),
    ];
    for (problem, fault) in faults {
        let mut runner = runner(move |good| says(fault(good)));
        for attempt in 1..=3 {
            let error = ask(&mut runner, 1000).unwrap_err();
            assert!(error.to_string().contains(problem), "{problem}: {error}");
            assert_eq!(matches!(error, RunnerError::Lost(_)), attempt == 3, "{problem}: {error}");
            assert!(!error.to_string().contains('\u{1b}'));
        }
    }
}

#[test]
fn hanging_dying_and_vanishing() {
    let mut hanging = runner(|_| hangs());
    assert!(matches!(ask(&mut hanging, 1000).unwrap_err(), RunnerError::Model(_)));
    let mut dying = runner(|_| Ok((HELLO.to_owned(), Exit::Signal("KILL".to_owned()), String::new())));
    let error = ask(&mut dying, 1000).unwrap_err();
    assert!(matches!(&error, RunnerError::Model(reason) if reason.contains("signal KILL")), "{error}");
    let mut vanishing = runner(|_| cut());
    assert!(matches!(ask(&mut vanishing, 1000).unwrap_err(), RunnerError::Disconnected(_)));
    // Another machine behind the same address.
    let mut other = runner(|good| says(good.replace("1.32.0", "1.31.0")));
    let error = ask(&mut other, 1000).unwrap_err();
    assert!(matches!(&error, RunnerError::Lost(reason) if reason.contains("another machine")), "{error}");
    // A failure of one model is that model's, and no strike.
    let failure = format!("{HELLO}\n{{\"type\":\"failure\",\"model\":\"0\",\"reason\":\"no kernel\"}}\n{END}");
    let mut failing = runner(move |_| says(failure.clone()));
    for _ in 0..5 {
        assert_eq!(ask(&mut failing, 1000), Err(RunnerError::Model("no kernel".to_owned())));
    }
    let mut flood = runner(|_| says("x".repeat(MAX_ANSWER_BYTES + 1)));
    assert!(ask(&mut flood, 1000).unwrap_err().to_string().contains("wrote more than"));
}
