//! `zen-profile` with the onnxruntime of an installed Python package.

use std::path::Path;
use std::process::Command;

use zen_nas::latency::{Evidence, Setting, Store, TableChoice};

/// Python of an environment with `requirements.txt` installed.
const PYTHON: &str = "ZEN_NAS_PEER_PYTHON";

#[test]
fn a_session_fills_a_table_of_its_own() {
    let Some(python) = std::env::var_os(PYTHON) else {
        // Past the test harness, which swallows the output of tests that pass.
        let notice = format!("SKIPPED onnxruntime session: set {PYTHON} to a Python with requirements.txt\n");
        return std::io::Write::write_all(&mut std::io::stderr(), notice.as_bytes()).unwrap();
    };
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("tables.sqlite");
    // The interpreter's environment is the active one.
    let environment = Path::new(&python).parent().and_then(Path::parent).unwrap();
    let run = |arguments: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zen-profile"));
        command.args(arguments.split(' ')).env("ZEN_NAS_DB", &database).current_dir(folder.path());
        let output = command.env("VIRTUAL_ENV", environment).output().unwrap();
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success(), "{arguments}: {out}{err}");
        assert_eq!(err, "", "nothing of onnxruntime's own may stand on stderr");
        serde_json::from_str::<serde_json::Value>(&out).unwrap()
    };
    let common = "--runtime onnxruntime --resolution 32 --json --quiet";
    let outcome = run(&format!("--device cpu --operators 5 --networks 0 {common}"));
    // All operators of the first network.
    let measured = outcome["measured"].as_u64().unwrap() as usize;
    assert!(measured >= 5 && outcome["inside_networks"] == 1, "{outcome}");
    let setting: Setting = outcome["setting"]["id"].as_str().unwrap().parse().unwrap();
    assert!(setting.device.starts_with("cpu-"), "{setting}");
    assert!(setting.id().ends_with("/onnxruntime/fp32/b1/t1"), "{setting}");

    let store = Store::open(&database).unwrap();
    let runs = store.runs(&setting).unwrap();
    let run_of_ours = runs.iter().find(|run| run.imported.is_none()).unwrap();
    assert!(run_of_ours.about.runtime_version.starts_with("1."), "{}", run_of_ours.about.runtime_version);
    assert!(run_of_ours.about.method.contains("onnxruntime's profiler"), "{}", run_of_ours.about.method);
    // Earlier versions timed onnxruntime in their own process and named the machine like this.
    assert_eq!(run_of_ours.about.host, zen_agent::Machine::here().words());
    assert!(run_of_ours.about.processor.is_some());
    let keys = store.measured_keys(run_of_ours.id).unwrap();
    assert_eq!(keys.len(), measured);
    for row in
        store.table(&setting, &TableChoice::Best).unwrap().unwrap().rows.iter().filter(|row| keys.contains(&row.key))
    {
        assert!(row.evidence == Evidence::Measured && row.ms > 0.0, "{row:?}");
    }

    let found = run(&format!("verify SuperConvK3BNRELU(3,8,2,1)SuperResIDWE2K3(8,16,2,8,2) --classes 10 {common}"));
    assert_eq!(found["setting"]["id"], setting.id());
    assert_eq!(found["runtime_version"], run_of_ours.about.runtime_version);
    assert!(found["networks"][0]["measured_ms"].as_f64().unwrap() > 0.0);
}
