//! The command line: what is wrong is named, with the exit codes of the other programs.

use std::path::Path;
use std::process::Command;

/// Runs the program in a folder; its exit code, stdout and stderr.
fn run(folder: &Path, arguments: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zen-tables"));
    let ended = command.args(arguments.split_whitespace()).current_dir(folder).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (ended.status.code(), text(&ended.stdout), text(&ended.stderr))
}

#[test]
fn what_is_missing_or_bad_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("networks.csv"), "index,resolution\n0,224\n").unwrap();
    for (arguments, code, part) in [
        ("derive . -o out", 3, "v100_trt_conv.csv.gz"),
        ("derive .", 2, "--out"),
        ("evaluate no/such/folder", 3, "v100_networks.csv"),
        ("evaluate . --networks networks.csv", 3, "networks.csv: no column `depth0`"),
        ("evaluate . --draws 0", 2, "--draws"),
        ("curve .", 3, "v100_trt_conv.csv.gz"),
        ("published --update no/such/file.md", 3, "no/such/file.md"),
        ("", 2, "derive"),
    ] {
        let (found, _, stderr) = run(folder.path(), arguments);
        assert_eq!(found, Some(code), "{arguments}: {stderr}");
        assert!(stderr.contains(part) && !stderr.contains("panicked"), "{arguments}: no `{part}` in {stderr}");
    }
    assert!(!folder.path().join("out").exists());
}

#[test]
fn the_published_networks_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = run(folder.path(), "published");
    assert_eq!(code, Some(0), "{stderr}");
    assert!(include_str!("../../../latency_tables/README.md").contains(stdout.trim()), "{stdout}");
}

/// The list of devices in the README is what the built-in tables say.
#[test]
fn the_readme_lists_the_devices_as_they_are() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("README.md");
    std::fs::write(&path, &readme).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_zen-tables"));
    assert!(command.args(["devices", "--update"]).arg(&path).status().unwrap().success());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), readme, "run zen-tables devices --update README.md");
}
