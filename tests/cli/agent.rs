//! The agent's protocol: jobs in, records out, and its reference page.

use std::path::Path;

use tempfile::TempDir;
use zen_agent::{ExitCode, Greeting, Job, PROTOCOL, Record, run_job};
use zen_nas::latency::{KeyKind, OperatorKey};
use zen_nas::onnx::{OPERATOR_NODE_PREFIX, operator_model, sandwich_model};

const KEY: OperatorKey = OperatorKey {
    kind: KeyKind::Depthwise,
    kernel: 3,
    stride: 2,
    groups: 8,
    in_channels: 8,
    out_channels: 8,
    in_height: 8,
    in_width: 8,
    activation: None,
    residual_add: false,
};

fn answer(directory: &Path, job: &str) -> (ExitCode, Vec<Record>) {
    let path = directory.join("job.json");
    std::fs::write(&path, job).unwrap();
    let mut out = Vec::new();
    let code = run_job(&path, None, &mut out).unwrap();
    let lines = String::from_utf8(out).unwrap();
    (code, lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn every_model_is_answered() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("whole.onnx"), operator_model(&KEY, 2, 0).unwrap()).unwrap();
    std::fs::write(directory.path().join("sandwich.onnx"), sandwich_model(&KEY, 1, 0).unwrap()).unwrap();
    // A stride of zero, which tract would divide by.
    let mut zero = operator_model(&KEY, 1, 0).unwrap();
    let strides = zero.windows(7).position(|bytes| bytes == b"strides").unwrap();
    let two = zero[strides..].iter().position(|byte| *byte == 2).unwrap();
    zero[strides + two] = 0;
    std::fs::write(directory.path().join("zero.onnx"), zero).unwrap();
    std::fs::write(directory.path().join("junk.onnx"), b"\x08\x08\xff\xff").unwrap();
    let job = format!(
        r#"{{"protocol": {PROTOCOL}, "time_limit_s": 60,
             "limits": {{"min_samples": 2, "max_samples": 2, "block_ms": 0, "sample_ms": 0}},
             "models": [{{"name": "whole", "path": "whole.onnx", "blocks": 2}},
                        {{"name": "nodes", "path": "sandwich.onnx", "scope": {{"nodes": "{OPERATOR_NODE_PREFIX}"}}}},
                        {{"name": "parts", "path": "sandwich.onnx", "parts": true}},
                        {{"name": "absent", "path": "absent.onnx"}},
                        {{"name": "zero", "path": "zero.onnx"}},
                        {{"name": "junk", "path": "junk.onnx"}}]}}"#
    );
    let (code, records) = answer(directory.path(), &job);
    assert_eq!(code, ExitCode::PartlyMeasured);
    let Record::Hello(hello) = &records[0] else { panic!("{records:?}") };
    assert_eq!((hello.protocol, hello.runtime.as_str(), hello.emulated), (PROTOCOL, "tract", false));
    let (mut blocks, mut parts) = (Vec::new(), 0);
    let mut failures = Vec::new();
    for record in &records[1..] {
        match record {
            Record::Block { model, block, samples, clock_jump_ms } => {
                assert!(*clock_jump_ms >= 0.0);
                assert!(samples.cpu_ms.len() == 2 && samples.wall_ms.len() == 2);
                assert!(samples.cpu_ms.iter().all(|ms| *ms > 0.0), "{samples:?}");
                blocks.push((model.as_str(), *block));
            }
            Record::Parts { model, block: 0, samples, .. } => {
                assert_eq!((model.as_str(), samples.whole_ms.len()), ("parts", 2));
                assert!(samples.nodes.iter().any(|node| node.name.starts_with(OPERATOR_NODE_PREFIX)));
                for call in 0..2 {
                    let sum_ms: f64 = samples.nodes.iter().map(|node| node.ms[call]).sum();
                    assert!(sum_ms > 0.0 && sum_ms <= samples.whole_ms[call], "{samples:?}");
                }
                parts += 1;
            }
            Record::Failure { model, reason } => failures.push((model.as_str(), reason.as_str())),
            _ => {}
        }
    }
    assert_eq!(parts, 1);
    assert_eq!(blocks, [("whole", 0), ("whole", 1), ("nodes", 0)]);
    assert_eq!(failures.iter().map(|(model, _)| *model).collect::<Vec<_>>(), ["absent", "zero", "junk"]);
    assert!(failures[1].1.contains("strides holds 0"), "{}", failures[1].1);
    assert_eq!(records.last(), Some(&Record::End { measured: 3, failed: 3, time_limit_reached: false }));
}

#[test]
fn the_time_limit_ends_the_job() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("x.onnx"), operator_model(&KEY, 1, 0).unwrap()).unwrap();
    let job =
        format!(r#"{{"protocol": {PROTOCOL}, "time_limit_s": 1e-9, "models": [{{"name": "x", "path": "x.onnx"}}]}}"#);
    let (code, records) = answer(directory.path(), &job);
    assert_eq!(code, ExitCode::PartlyMeasured);
    assert_eq!(records[1..], [Record::End { measured: 0, failed: 0, time_limit_reached: true }]);
}

#[test]
fn bad_jobs_are_not_begun() {
    let directory = TempDir::new().unwrap();
    for job in [
        "",
        "[]",
        r#"{"protocol": 99, "time_limit_s": 1, "models": []}"#,
        r#"{"protocol": 2, "time_limit_s": 0, "models": []}"#,
        r#"{"protocol": 2, "time_limit_s": 1e300, "models": []}"#,
        r#"{"protocol": 2, "time_limit_s": 1, "models": [], "unknown": 0}"#,
        r#"{"protocol": 2, "time_limit_s": 1, "models": [{"name": "x", "path": "x", "blocks": 0}]}"#,
        r#"{"protocol": 2, "time_limit_s": 1, "models": [{"name": "x", "path": "x", "parts": true, "scope": {"nodes": "o"}}]}"#,
        r#"{"protocol": 1, "time_limit_s": 1, "models": []}"#,
        r#"{"protocol": 2, "time_limit_s": 1, "models": [], "limits": {"min_samples": 0}}"#,
        r#"{"protocol": 2, "time_limit_s": 1, "models": [], "limits": {"block_ms": -1}}"#,
    ] {
        let (code, records) = answer(directory.path(), job);
        assert_eq!((code, records.len()), (ExitCode::BadJob, 0), "{job}");
    }
}

#[test]
fn processors_that_cannot_be_had_end_the_job() {
    let directory = TempDir::new().unwrap();
    for mask in ["no", "0", "0x"] {
        let job = format!(r#"{{"protocol": {PROTOCOL}, "time_limit_s": 1, "cores": "{mask}", "models": []}}"#);
        assert_eq!(answer(directory.path(), &job), (ExitCode::Cores, Vec::new()));
    }
}

#[test]
fn the_reference_page_is_true() {
    let page = include_str!("../../docs/reference/zen-agent.md");
    let blocks: Vec<_> = page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let [job, records] = blocks.as_slice() else { panic!("{} blocks", blocks.len()) };
    let job: Job = serde_json::from_str(job).unwrap();
    assert_eq!(job.protocol, PROTOCOL);
    let records: Vec<Record> = records.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(matches!(records[0], Record::Hello(Greeting { protocol: PROTOCOL, .. })));
    assert!(matches!(records.last(), Some(Record::End { .. })));
    use ExitCode::{BadJob, Cores, Done, PartlyMeasured, Unexpected, Usage};
    for code in [Done, Unexpected, Usage, BadJob, Cores, PartlyMeasured] {
        assert!(page.contains(&format!("| {} |", code as i32)), "{code:?}");
    }
}
