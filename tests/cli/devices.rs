//! Devices of one's own, and tables measured on another machine beside the built-in ones.

use std::time::Duration;

use zen_agent::Limits;
use zen_nas::latency::{Evidence, Precision, Setting, Store, TableChoice, TableSource};
use zen_nas::net::LowerOptions;
use zen_nas::profile::{
    DriftOptions, PlanOptions, Runner, RunnerAbout, RunnerError, SessionOptions, Source, Subject, Target, profile,
};
use zen_nas::space::Space;

use crate::program::Place;

const BOX: &str = "about = \"the box below the desk\"\n\n[setting]\nruntime = \"tract\"\nprecision = \"fp32\"\n\
                   batch_size = 1\nthreads = 2\n\n[reach]\nkind = \"ssh\"\nhosts = [\"me@127.0.0.1:1\"]\n";

fn own_file(place: &Place, name: &str, text: &str) {
    std::fs::create_dir_all(place.file("configuration/devices")).unwrap();
    place.write(&format!("configuration/devices/{name}.toml"), text);
}

#[test]
fn devices_are_listed_with_their_files_and_tables() {
    let place = Place::new();
    own_file(&place, "my-box", BOX);
    own_file(&place, "t4", &BOX.replace("127.0.0.1:1", "lab"));
    let list = place.done("zen-profile", "devices").stdout;
    for part in ["this machine", "ssh: me@127.0.0.1:1", "instead of the built-in one", "my-box.toml", "built-in"] {
        assert!(list.contains(part), "no `{part}` in {list}");
    }
    assert!(list.contains("\n  no table yet: zen-profile --device my-box measures one\n"), "{list}");
    let devices = place.done("zen-profile", "devices --json").json();
    let named = |name: &str| devices.as_array().unwrap().iter().find(|device| device["name"] == name).unwrap().clone();
    let own = named("my-box");
    assert_eq!((&own["reached_by"], &own["addresses"][0]), (&"ssh".into(), &"me@127.0.0.1:1".into()));
    assert_eq!(own["default_setting"]["id"], "my-box/tract/fp32/b1/t2");
    assert!(own["tables"].as_array().unwrap().is_empty() && !own["file"].is_null());
    assert_eq!((&named("t4")["replaces_built_in"], &named("v100")["replaces_built_in"]), (&true.into(), &false.into()));
    assert_eq!(named("v100")["tables"][0]["source"]["kind"], "built_in");
}

#[test]
fn every_setting_has_its_line_with_evidence_and_error() {
    let place = Place::new();
    place.done("zen-profile", "export v100/tensorrt/fp16/b1 -o table.csv");
    let text = place.text("table.csv").replace("# setting: v100/", "# setting: my-gpu/");
    let unchecked: String =
        text.lines().filter(|line| !line.starts_with("# error")).map(|l| format!("{l}\n")).collect();
    place.write("mine.csv", unchecked.replace("/fp16/b1", "/fp16/b2"));
    place.write("other.csv", text);
    place.done("zen-profile", "import mine.csv other.csv");
    let devices = place.done("zen-profile", "devices --json").json();
    let devices = devices.as_array().unwrap();
    let store = Store::open(&place.file("tables.sqlite")).unwrap();
    let mut told = Vec::new();
    for found in devices.iter().flat_map(|device| device["settings"].as_array().unwrap()) {
        let setting: Setting = found["setting"]["id"].as_str().unwrap().parse().unwrap();
        let table = store.require_table(&setting, &TableChoice::Best).unwrap();
        let error = table.error.as_ref();
        let (mape, stated) = (found["mape"].as_f64(), error.map(|error| error.mape));
        assert!(mape.zip(stated).is_none_or(|(a, b)| (a - b).abs() < 1e-12), "{setting}");
        assert_eq!(mape.is_some(), stated.is_some(), "{setting}");
        assert_eq!(found["networks"].as_u64(), error.and_then(|error| error.networks).map(u64::from), "{setting}");
        assert_eq!(
            (found["evidence"].as_str(), found["date"].as_str()),
            (Some(table.evidence.name()), Some(&*table.date))
        );
        told.push(setting);
    }
    told.sort();
    assert_eq!(told, store.settings().unwrap());
    let own = place.done("zen-profile", "devices My_GPU").stdout;
    let lines: Vec<&str> = own.lines().collect();
    assert!(lines[0].starts_with("  runtime"), "{own}");
    assert_eq!(lines[1], "my-gpu: tables without a device file (no device file)");
    assert!(lines[2].starts_with("* tensorrt  fp16           1        -  measured"), "{own}");
    assert!(lines[3].contains("never checked") && lines[3].ends_with("imported"), "{own}");
    let galaxy = place.done("zen-profile", "devices galaxy").stdout;
    let headings = galaxy.lines().filter(|line| line.starts_with("galaxy-s2")).count();
    assert!(headings == 2 && galaxy.contains("also named s24, "), "{galaxy}");
    let int8 = place.done("zen-profile", "devices v100 int8 --json").json();
    let settings = int8[0]["settings"].as_array().unwrap();
    assert!(settings.len() >= 4 && settings.iter().all(|found| found["setting"]["precision"] == "int8"), "{int8}");
    place.fails("zen-profile", "devices galxy-s24", 3, &["did you mean `galaxy-s24`"]);
}

#[test]
fn devices_are_found_by_any_spelling() {
    let place = Place::new();
    let network = "SuperConvK3BNRELU(3,8,2,1)";
    let setting = |options: &str| -> String {
        let ended = place.done("zen-score", &format!("{network} {options} --json --quiet"));
        ended.json()[0]["latency"]["setting"]["id"].as_str().unwrap().to_owned()
    };
    for device in ["pixel2", "Pixel_2", "PIXEL-2", "sd835"] {
        assert_eq!(setting(&format!("--device {device}")), "pixel2/tflite/fp32/b1/t1");
    }
    // Blanks, too; they are no separators of arguments.
    let mut command = place.command("zen-score", network);
    let output = command.args(["--device", "Pixel 2", "--runtime", "LiteRT", "--precision", "int8", "--json"]);
    let ended = crate::program::Ended::of(output.output().unwrap());
    assert_eq!(ended.json()[0]["latency"]["setting"]["id"], "pixel2/tflite/int8/b1/t1");
    let alias = place.done("zen-score", &format!("{network} --device sd835"));
    assert!(alias.stderr.contains("note: sd835 is pixel2 here: Google Pixel 2"), "{}", alias.stderr);
    for (program, arguments) in [
        ("zen-score", "SuperConvK3BNRELU(3,8,2,1) --device galxy-s24 --quiet"),
        ("zen-search", "--latency-ms 5 --device galaxy-s42"),
        ("zen-profile", "--device galaxys-24x"),
        ("zen-profile", "show galaxy-s23"),
    ] {
        let ended =
            place.fails(program, arguments, 3, &["did you mean `galaxy-s24`", "`zen-profile devices` lists all"]);
        assert!(ended.stderr.len() < 200, "{}", ended.stderr);
    }
    for show in ["show V100/TensorRT/fp16/b1", "show nvidia-v100", "report Pixel2/litert/int8/b1/t1"] {
        place.done("zen-profile", show);
    }
    place.done("zen-search", "--latency-ms 60 --device PIXEL2 --iterations 10 --finalists 0 --no-onnx");
    let run = std::fs::read_dir(place.file("zen-runs")).unwrap().next().unwrap().unwrap().file_name();
    assert!(run.to_str().unwrap().starts_with("pixel2-60ms-"), "{run:?}");
}

#[test]
fn a_choice_among_settings_is_explained_once() {
    let place = Place::new();
    let network = "SuperConvK3BNRELU(3,8,2,1)";
    let ended = place.done("zen-score", &format!("{network} --device pixel2 --json"));
    let choice = &ended.json()[0]["setting_choice"];
    assert_eq!((&choice["device"], &choice["setting"]["id"]), (&"pixel2".into(), &"pixel2/tflite/fp32/b1/t1".into()));
    let others = choice["others"].as_array().unwrap();
    assert!(
        others.len() >= 2 && choice["reason"].as_str().unwrap().ends_with(&format!("{} settings", others.len() + 1))
    );
    let percent = choice["mape"].as_f64().unwrap() * 100.0;
    let line = format!(
        "note: pixel2: tflite fp32 batch 1, 1 thread ({}: {} networks, {percent:.1}%; others: ",
        choice["reason"].as_str().unwrap(),
        choice["networks"]
    );
    assert_eq!(ended.stderr.matches(&line).count(), 1, "{}", ended.stderr);
    // What leaves nothing open needs no word, nor does who wants none.
    let asked = "--resolution 96 --classes 10 --device pixel2 --runtime tflite --precision int8";
    for options in [asked, "--device pixel2 --quiet"] {
        assert_eq!(place.done("zen-score", &format!("{network} {options}")).stderr, "", "{options}");
    }
    let search = "--latency-ms 60 --iterations 10 --finalists 0 --no-onnx --json --device pixel2 --out run";
    let searched = place.done("zen-search", search);
    assert!(searched.stderr.contains(&line), "{}", searched.stderr);
    assert_eq!(searched.json()["setting_choice"]["setting"]["id"], "pixel2/tflite/fp32/b1/t1");
}

#[test]
fn phones_are_measured_with_what_can_be_measured() {
    let place = Place::new();
    own_file(&place, "typo", &BOX.replace("\"tract\"", "\"trakt\""));
    own_file(&place, "ncnn", &BOX.replace("\"tract\"", "\"ncnn\""));
    place.fails("zen-profile", "--device typo", if cfg!(feature = "ssh") { 3 } else { 4 }, &[]);
    // Nothing says that the runtime is unknown: the phone is not there.
    let phone = place.fails("zen-profile", "--device galaxy-s24 --serial none", 4, &["galaxy-s24 is not reachable"]);
    assert!(!phone.stderr.contains("unknown runtime"), "{}", phone.stderr);
    let ended = place.run("zen-profile", "--device ncnn");
    assert!(ended.code == 4 && !ended.stderr.contains("unknown runtime"), "{ended:?}");
}

#[test]
fn a_bad_file_is_named_with_its_line() {
    let place = Place::new();
    own_file(&place, "my-box", &BOX.replace("fp32", "fp33"));
    for arguments in ["devices", "--device my-box"] {
        place.fails("zen-profile", arguments, 3, &["my-box.toml, line 5", "fp33"]);
    }
    // Others are not in its way.
    place.done("zen-search", "--device t4 --latency-ms 1 --iterations 10 --finalists 0 --no-onnx --quiet --out run");
}

#[cfg(feature = "ssh")]
#[test]
fn a_machine_that_does_not_answer_says_so() {
    let place = Place::new();
    own_file(&place, "my-box", BOX);
    own_file(&place, "t4", BOX);
    for arguments in ["--device my-box --runtime none", "--device my-box --runtime none --host me@127.0.0.1:1"] {
        let ended = place.run("zen-profile", arguments);
        assert!(matches!(ended.code, 3 | 4), "{ended:?}");
    }
    let noted = place.run("zen-profile", "--device t4 --runtime none");
    assert!(!noted.stderr.contains("panicked"), "{noted:?}");
}

/// A T4 whose every model takes a time in proportion to its size.
struct Scripted;

impl Runner for Scripted {
    fn about(&self) -> RunnerAbout {
        RunnerAbout {
            runtime: "tensorrt",
            runtime_version: "10.0".to_owned(),
            device: "t4".to_owned(),
            host: "Tesla T4 of the test, driver 1".to_owned(),
            threads: 0,
            processor: None,
            precision: Precision::Int8,
            clock: "scripted".to_owned(),
            conditions: "cool".to_owned(),
            emulated: false,
        }
    }

    fn block(&mut self, subject: &Subject, _: &Limits) -> Result<Vec<f64>, RunnerError> {
        Ok(vec![1e-4 * subject.model.len() as f64; 3])
    }
}

/// Measures a few operators on it into the place's database.
fn measure(place: &Place) {
    let mut store = Store::open(&place.file("tables.sqlite")).unwrap();
    let source = Source { space: Space::find("xxbl").unwrap(), lower: LowerOptions::new(32, 10) };
    let options = SessionOptions {
        plan: PlanOptions { sources: vec![source], operators: 400, seed: 0 },
        batch_size: 1,
        networks: 12,
        time_limit: None,
        target_within10: None,
        adapt_from: None,
        only_check: false,
        operator_target: Target::operator(),
        network_target: Target::network(),
        drift: Some(DriftOptions { every: Duration::from_secs(3600), settling: Duration::ZERO }),
    };
    let outcome = profile(&mut store, &mut Scripted, &options, &|| false, &mut |_| {}).unwrap();
    assert_eq!(outcome.setting.id(), "t4/tensorrt/int8/b1");
    assert_eq!(store.drift(outcome.run).unwrap()[0].conditions, "cool");
}

#[test]
fn a_local_table_of_a_device_is_used_at_once_and_never_mixed_with_the_built_in_one() {
    let place = Place::new();
    let search = "--device t4 --precision int8 --latency-ms 1e6 --resolution 32 --classes 10 --iterations 20 --finalists 0 --no-onnx";
    let built_in = place.done("zen-search", &format!("{search} --json --out before"));
    assert_eq!(built_in.json()["table"]["kind"], "built_in");
    assert!(!built_in.stderr.contains("is predicted by"), "{}", built_in.stderr);
    measure(&place);
    let own = place.done("zen-search", &format!("{search} --json --out own"));
    assert_eq!(own.json()["table"]["host"], "Tesla T4 of the test, driver 1", "{}", own.stderr);
    for part in ["the local table of Tesla T4 of the test", "--table"] {
        assert!(own.stderr.contains(part), "{}", own.stderr);
    }
    let again = place.done("zen-search", &format!("{search} --json --table built-in --out again"));
    assert_eq!(again.json()["latency"]["ms"], built_in.json()["latency"]["ms"]);
    assert_eq!(again.json()["table"]["kind"], "built_in");
    assert!(place.text("again/config.toml").contains("table = \"built-in\""));
    assert!(!place.text("own/config.toml").contains("\ntable = "));

    let store = Store::open(&place.file("tables.sqlite")).unwrap();
    let setting: Setting = "t4/tensorrt/int8/b1".parse().unwrap();
    let sources: Vec<_> = store.tables(&setting).unwrap().into_iter().map(|table| table.source).collect();
    assert!(matches!(&sources[..], [TableSource::Local { .. }, TableSource::BuiltIn { .. }]), "{sources:?}");
    // Built-in rows are not among what a local table predicts from.
    let rows = store.table(&setting, &TableChoice::Best).unwrap().unwrap().rows;
    assert!(rows.iter().all(|row| row.evidence == Evidence::Measured), "{}", rows.len());

    let list = place.done("zen-profile", "list").stdout;
    let line = list.lines().find(|line| line.starts_with("t4/tensorrt/int8/b1 ")).unwrap();
    assert!(line.contains("local, on Tesla T4 of the test, driver 1 (1 more, not used)"), "{line}");
    let show = place.done("zen-profile", "show t4/tensorrt/int8/b1").stdout;
    assert!(show.contains("not used for predictions") && show.contains("--table"), "{show}");
    let report = place.done("zen-profile", "report t4 --precision int8").stdout;
    assert!(report.contains("the local table of Tesla T4 of the test"), "{report}");
    let devices = place.done("zen-profile", "devices").stdout;
    assert!(devices.contains("  local, on Tesla T4 of the test, driver 1 (1 more, not used)"), "{devices}");
    let score = place.run("zen-score", "SuperConvK3BNRELU(3,8,2,1) --resolution 32 --device t4 --precision int8");
    assert!(score.stdout.contains("the local table of Tesla T4 of the test"), "{score:?}");
}
