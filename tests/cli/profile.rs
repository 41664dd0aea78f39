//! `zen-profile`: messages, exit codes, and a tiny real session.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use zen_nas::latency::{Evidence, Setting, Store, Table, TableChoice};

use crate::program::{Ended, Place};

#[test]
fn devices_out_of_reach_have_their_own_code() {
    let place = Place::new();
    for (device, connect) in [("t4", "trtexec"), ("v100", "trtexec"), ("pixel2", "USB debugging")] {
        let meanwhile = format!(" {device}/");
        let ended =
            place.fails("zen-profile", &format!("--device {device}"), 4, &["not reachable", connect, &meanwhile]);
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn bad_input_is_refused_with_a_hint() {
    let place = Place::new();
    for (arguments, code, expected) in [
        ("--device t5", 3, "did you mean `t4`? `zen-profile devices` lists all"),
        ("show t5", 3, "did you mean `t4`"),
        ("show t4/tensorrt", 3, "device/runtime/precision/bBATCH"),
        ("export v100", 3, "name one"),
        ("--device cpu --space idv", 3, "did you mean idw"),
        ("--device cpu --resolution 5000", 3, "resolution is 5000"),
        ("--device cpu --operators 4000000000", 3, "operators is 4000000000"),
        ("--device cpu --batch-size 100000", 3, "batch size is 100000"),
        ("--device cpu --operators 0", 2, "--operators"),
        ("--device cpu --operators -3", 2, "--operators"),
        ("--device cpu --runtime onnxruntim", 3, "known are tract, onnxruntime, tensorrt; did you mean onnxruntime?"),
        ("verify SuperConvK3BNRELU(3,8,2,1) --runtime trakt", 3, "did you mean tract?"),
        ("--device cpu --precision fp16", 4, "fp32 only"),
        ("--device cpu --runtime onnxruntime --provider cud", 4, "known are cpu, cuda, tensorrt"),
        ("--device ssh-host", 4, "--host"),
        ("--device pixel2 --host me@box", 3, "--host"),
        ("--device t4 --host=-oProxyCommand=x", 3, "no address"),
        ("--device t4 --host a --serial b", 2, "--serial"),
        ("--device cpu --minutes -1", 2, "positive"),
        ("--device cpu --minutes nan", 2, "positive"),
        ("--device cpu --networks -1", 2, "--networks"),
        ("--device cpu --target-within10 101", 2, "from 0 to 100"),
        ("--device cpu --adapt-from v200", 3, "did you mean"),
        ("--device cpu --adapt-from v100/tensorrt/fp32/b64", 3, "batch sizes differ"),
        ("--device cpu --adapt-from a100/tensorrt/fp32/b1", 3, "no latency table for a100/tensorrt/fp32/b1"),
        ("", 2, "--device cpu"),
    ] {
        place.fails("zen-profile", arguments, code, &[expected]);
    }
    place.write("tables.sqlite", "not a database, but long enough to be read as one");
    place.fails("zen-profile", "list", 3, &["--db"]);
}

#[cfg(unix)]
#[test]
fn a_runtime_that_is_not_here_says_how_to_install_it() {
    let place = Place::new();
    let run = |arguments: &str, variables: &[(&str, &str)]| {
        let mut command = place.command("zen-profile", &format!("--device cpu {arguments}"));
        // Where `sh` is, and nothing else.
        std::fs::create_dir_all(place.file("bin")).unwrap();
        let _ = std::os::unix::fs::symlink("/bin/sh", place.file("bin/sh"));
        command.env_remove("VIRTUAL_ENV").env("PATH", place.file("bin")).envs(variables.iter().copied());
        let ended = Ended::of(command.output().unwrap());
        assert_eq!((ended.code, ended.stdout.as_str()), (4, ""), "{}", ended.stderr);
        ended.stderr
    };
    let onnxruntime = "--runtime onnxruntime";
    for part in ["no Python called `python3`", "python3 -m pip install onnxruntime numpy", "--python"] {
        let said = run(onnxruntime, &[]);
        assert!(said.contains(part), "{said}");
    }
    let said = run(onnxruntime, &[("VIRTUAL_ENV", "/no/such/environment")]);
    assert!(said.contains("called `/no/such/environment/bin/python`"), "{said}");
    // A path of the user's, from where the user is.
    let refusal = r#"{"type":"refusal","reason":"no onnxruntime; install it with `pip`"}"#;
    place.write("python", format!("#!/bin/sh\necho '{refusal}'\n"));
    std::fs::set_permissions(place.file("python"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let said = run(&format!("{onnxruntime} --python ./python"), &[]);
    assert!(said.contains("this machine: no onnxruntime; install it with `pip`"), "{said}");
    for arguments in ["--runtime tensorrt", "--runtime tensorrt --trtexec no-such-trtexec"] {
        let said = run(arguments, &[]);
        assert!(said.contains("this machine has no program") && said.contains("trtexec"), "{said}");
    }
}

#[test]
fn a_tiny_session_measures_checks_lists_and_exports() {
    let place = Place::new();
    let session = "--device cpu --operators 4 --networks 2 --resolution 32 --json --quiet";
    let ended = place.done("zen-profile", session);
    assert_eq!(ended.stderr, "");
    let result = ended.json();
    let measured = result["measured"].as_u64().unwrap() as usize;
    assert!(measured >= 4 && result["inside_networks"] == 1, "{result}");
    assert_eq!(result["check"]["networks"].as_array().unwrap().len(), 2);
    assert_eq!(result["check"]["noise"]["networks"], 2);
    let setting: Setting = result["setting"]["id"].as_str().unwrap().parse().unwrap();
    assert!(setting.device.starts_with("cpu-") && setting.runtime == "tract", "{setting}");

    let store = Store::open(&place.file("tables.sqlite")).unwrap();
    let run = store.runs(&setting).unwrap().into_iter().find(|run| run.imported.is_none()).unwrap();
    let keys = store.measured_keys(run.id).unwrap();
    assert_eq!(keys.len(), measured);
    for row in
        store.table(&setting, &TableChoice::Best).unwrap().unwrap().rows.iter().filter(|row| keys.contains(&row.key))
    {
        assert!(row.evidence == Evidence::Measured && row.ms > 0.0 && row.stderr_ms.is_none_or(|ms| ms >= 0.0));
        assert!(store.samples(&setting, &row.key).unwrap().len() >= 2);
    }

    let again = place.done("zen-profile", session).json();
    assert_eq!((&again["measured"], &again["stored"]), (&0.into(), &result["measured"]));
    let list = place.done("zen-profile", "list").stdout;
    assert!(list.lines().any(|line| line.starts_with(&setting.id()) && line.contains("local")), "{list}");
    let show = place.done("zen-profile", "show cpu").stdout;
    assert!(show.contains("ms per inference call") && show.contains("held out"), "{show}");
    place.done("zen-profile", &format!("export {setting} -o table.csv"));
    let table = Table::parse("table", &place.text("table.csv")).unwrap();
    assert!(table.setting == setting && table.rows.len() >= 4 && table.error.is_some());
    place.fails("zen-profile", &format!("export {setting} -o no/such/folder/x.csv"), 3, &["no/such/folder/x.csv"]);
}

#[test]
fn a_table_of_another_device_is_a_beginning() {
    let place = Place::new();
    let result =
        place.done("zen-profile", "--device cpu --adapt-from v100 --networks 2 --resolution 32 --json --quiet").json();
    assert_eq!((&result["measured"], &result["left_out"]["networks"]), (&0.into(), &10.into()));
    assert_eq!(result["check"]["networks"].as_array().unwrap().len(), 2);
    let setting: Setting = result["setting"]["id"].as_str().unwrap().parse().unwrap();
    let store = Store::open(&place.file("tables.sqlite")).unwrap();
    let rows = store.table(&setting, &TableChoice::Best).unwrap().unwrap().rows;
    assert!(rows.len() > 100 && rows.iter().all(|row| row.evidence == Evidence::Fitted));
    let show = place.done("zen-profile", &format!("show {setting}")).stdout;
    assert!(show.contains("adapted from v100/paddle-tensorrt/fp32/b1"), "{show}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_cleanly_and_says_how_to_go_on() {
    let place = Place::new();
    let arguments = "--device cpu --operators 100000 --networks 0 --resolution 32";
    let mut command = place.command("zen-profile", arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The first line on stderr says that the plan stands: from here on operators are measured.
    let mut line = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut line).unwrap();
    assert!(line.contains("stored already"), "{line}");
    // SAFETY: the process is our own child, which has not been waited for.
    assert_eq!(unsafe { libc::kill(child.id() as i32, libc::SIGINT) }, 0);
    let status = child.wait().unwrap();
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    assert_eq!(status.code(), Some(130), "{stdout}");
    assert!(stdout.contains("run the same command again to resume"), "{stdout}");
}

#[test]
fn given_networks_are_measured_beside_their_prediction() {
    let place = Place::new();
    let structure = "SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,1)";
    let ended = place.done("zen-profile", &format!("verify {structure} --resolution 32 --classes 10 --json --quiet"));
    let found = ended.json();
    assert!(found["networks"][0]["measured_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(found["networks"][0]["structure"], structure);
    assert!(found["setting"]["id"].as_str().unwrap().ends_with("/tract/fp32/b1/t1"));
    place.fails("zen-profile", "verify SuperConvK3BNRELU(3,8,2)", 3, &["found `)`"]);
    place.fails("zen-profile", &format!("verify {structure} --device t4"), 4, &["trtexec"]);
}

#[test]
fn tables_travel_as_files() {
    let place = Place::new();
    place.done("zen-profile", "export v100/tensorrt/fp16/b1 -o table.csv");
    let text = place.text("table.csv").replace("# setting: v100/", "# setting: my-gpu/");
    place.write("mine.csv", &text);
    let first = place.done("zen-profile", "import mine.csv").stdout;
    let expected = "my-gpu/tensorrt/fp16/b1: 1600 operators, measured, ms per inference call";
    assert_eq!(first.trim(), format!("{expected}\nnote: my-gpu is a new device here"));
    let again = place.done("zen-profile", "import mine.csv").stdout;
    assert!(again.contains("known already: nothing changed"), "{again}");
    place.done("zen-profile", "export my-gpu -o again.csv");
    assert_eq!(place.text("again.csv"), text);
    let list = place.done("zen-profile", "list").stdout;
    let line = list.lines().find(|line| line.starts_with("my-gpu/")).unwrap();
    assert!(line.ends_with("imported"), "{line}");
    let ended = place.done("zen-score", "SuperConvK3BNRELU(3,8,2,1) --device my-gpu --json");
    assert_eq!(ended.json()[0]["latency"]["setting"]["id"], "my-gpu/tensorrt/fp16/b1");
    let imports = list.lines().filter(|line| line.starts_with("my-gpu/")).count();
    assert_eq!(imports, 1);
    place.write("bad.csv", text.replace("# unit: ms per inference call", "# unit: s"));
    place.fails("zen-profile", "import bad.csv", 3, &["bad.csv", "line", "unit is `s`"]);
    place.fails("zen-profile", "import missing.csv", 3, &["missing.csv"]);
    place.write("binary.csv", [0xff, 0x00]);
    place.fails("zen-profile", "import binary.csv", 3, &["binary.csv"]);
}

#[test]
fn a_short_file_of_ones_own_is_read() {
    let place = Place::new();
    let rows = "kind,kernel,stride,in_channels,out_channels,in_height,in_width,ms\n\
                conv,3,2,3,32,224,224,0.02\nconv,1,1,32,64,112,112,0.03\ndepthwise,3,1,64,64,112,112,0.01\n";
    place.write("mine.csv", format!("# setting: my-phone/ncnn/fp16/b1/t4\n# evidence: measured\n{rows}"));
    let said = place.done("zen-profile", "import mine.csv").stdout;
    for part in ["my-phone/ncnn/fp16/b1/t4: 3 operators, measured, ms per inference call", "origin (not stated)"] {
        assert!(said.contains(part), "{said}");
    }
    let before = place.done("zen-profile", "export my-phone").stdout;
    let again = place.done("zen-profile", "import mine.csv --json").json();
    assert_eq!((again[0]["changed"].as_bool(), again[0]["rows"].as_u64()), (Some(false), Some(3)));
    assert_eq!(place.done("zen-profile", "export my-phone").stdout, before);
    let ended =
        place.done("zen-score", "SuperConvK3BNRELU(3,32,2,1)SuperConvK1BNRELU(32,64,1,1) --device my-phone --json");
    assert_eq!(ended.json()[0]["latency"]["setting"]["id"], "my-phone/ncnn/fp16/b1/t4");
    place.write("mute.csv", format!("# setting: my-phone/ncnn/fp16/b1/t4\n{rows}"));
    place.fails("zen-profile", "import mute.csv", 3, &["mute.csv", "line 1", "# evidence: measured"]);
    place.write("short.csv", format!("# setting: a/b/fp16/b1\n# evidence: measured\n{}", rows.replace(",0.03", "")));
    place.fails("zen-profile", "import short.csv", 3, &["short.csv", "line 5", "expected 8 fields"]);
}

#[test]
fn import_takes_files_and_teaches_their_form() {
    let place = Place::new();
    place.fails("zen-profile", "import .", 3, &["reading the table ."]);
    let help = place.done("zen-profile", "import --help").stdout;
    assert!(help.contains("kind,kernel,stride,in_channels") && help.contains("Columns that may be added"), "{help}");
}
