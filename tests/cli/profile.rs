//! `zen-profile`: messages, exit codes, and a tiny real session.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use zen_nas::latency::{Evidence, Setting, Store};

fn command(db: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zen-profile"));
    command.env("ZEN_NAS_DB", db);
    command
}

fn run(db: &Path, arguments: &[&str]) -> Output {
    command(db).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn devices_out_of_reach_have_their_own_code() {
    let directory = TempDir::new().unwrap();
    let db = directory.path().join("x.sqlite");
    for (device, connect) in [("t4", "trtexec"), ("v100", "trtexec"), ("pixel2", "USB debugging")] {
        let output = run(&db, &["--device", device]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{stderr}");
        assert!(stderr.contains(connect) && stderr.contains("zen-profile --device cpu"), "{stderr}");
        // What exists meanwhile is named by its setting.
        assert!(stderr.contains(&format!(" {device}/")) || stderr.contains("no table"), "{stderr}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn bad_input_is_refused_with_a_hint() {
    let directory = TempDir::new().unwrap();
    let db = directory.path().join("x.sqlite");
    for (arguments, code, expected) in [
        (vec!["--device", "t5"], 3, "cpu, t4, v100, pixel2"),
        (vec!["show", "t5"], 3, "did you mean `t4`"),
        (vec!["show", "t4/tensorrt"], 3, "device/runtime/precision/bBATCH"),
        (vec!["--device", "cpu", "--space", "idv"], 3, "did you mean idw"),
        (vec!["--device", "cpu", "--resolution", "5000"], 3, "resolution is 5000"),
        (vec!["--device", "cpu", "--operators", "4000000000"], 3, "operators is 4000000000"),
        (vec!["--device", "cpu", "--batch-size", "100000"], 3, "batch size is 100000"),
        (vec!["--device", "cpu", "--operators", "0"], 2, "--operators"),
        (vec!["--device", "cpu", "--operators", "-3"], 2, "--operators"),
        (vec!["--device", "cpu", "--minutes", "-1"], 2, "positive"),
        (vec!["--device", "cpu", "--minutes", "nan"], 2, "positive"),
        (vec!["--device", "cpu", "--networks", "-1"], 2, "--networks"),
        (vec![], 2, "--device cpu"),
    ] {
        let output = run(&db, &arguments);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
    }
    std::fs::write(&db, "not a database, but long enough to be read as one").unwrap();
    let output = run(&db, &["list"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("--db"), "{}", text(&output.stderr));
}

#[test]
fn a_tiny_session_measures_checks_lists_and_exports() {
    let directory = TempDir::new().unwrap();
    let db = directory.path().join("x.sqlite");
    let session = ["--device", "cpu", "--operators", "4", "--networks", "2", "--resolution", "32", "--json", "--quiet"];
    let output = run(&db, &session);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&result["measured"], &result["remaining"]), (&4.into(), &0.into()));
    assert_eq!(result["check"]["calibration_networks"], 1);
    let setting: Setting = result["setting"]["id"].as_str().unwrap().parse().unwrap();
    assert!(setting.device.starts_with("cpu-") && setting.runtime == "tract", "{setting}");

    let store = Store::open(&db).unwrap();
    let run_id = store.runs(&setting).unwrap().iter().find(|run| run.shipped.is_none()).unwrap().id;
    let keys = store.measured_keys(run_id).unwrap();
    assert_eq!(keys.len(), 4);
    for row in store.rows(&setting).unwrap().iter().filter(|row| keys.contains(&row.key)) {
        assert!(row.evidence == Evidence::Measured && row.ms > 0.0 && row.stderr_ms >= 0.0);
        // At least five instances of three samples each, or fewer where time ran out.
        assert!(store.samples(&setting, &row.key).unwrap().len() >= 3);
    }

    let again: serde_json::Value = serde_json::from_slice(&run(&db, &session).stdout).unwrap();
    assert_eq!((&again["measured"], &again["stored"]), (&0.into(), &4.into()));
    let list = text(&run(&db, &["list"]).stdout);
    assert!(list.lines().any(|line| line.starts_with(&setting.id()) && line.contains("measured")), "{list}");
    let show = text(&run(&db, &["show", "cpu"]).stdout);
    assert!(show.contains("ms per inference call") && show.contains("held out"), "{show}");
    let file = directory.path().join("table.csv");
    let output = run(&db, &["export", &setting.id(), "-o", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let table = zen_nas::latency::Table::parse("table", &std::fs::read_to_string(&file).unwrap()).unwrap();
    assert!(table.setting == setting && table.rows.len() >= 4 && table.error.is_some());
    let output = run(&db, &["export", &setting.id(), "-o", "/no/such/directory/x.csv"]);
    assert_eq!(output.status.code(), Some(3));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_cleanly_and_says_how_to_go_on() {
    let directory = TempDir::new().unwrap();
    let db = directory.path().join("x.sqlite");
    let session = ["--device", "cpu", "--operators", "100000", "--networks", "0", "--resolution", "32"];
    let mut child = command(&db).args(session).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The first line on stderr says that the plan stands: from here on operators are measured.
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert!(line.contains("stored already"), "{line}");
    // SAFETY: the process is our own child, which has not been waited for.
    assert_eq!(unsafe { libc::kill(child.id() as i32, libc::SIGINT) }, 0);
    let status = child.wait().unwrap();
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    assert_eq!(status.code(), Some(130), "{stdout}");
    assert!(stdout.contains("the same command goes on"), "{stdout}");
}
