//! Devices of one's own, and tables measured on another machine beside the built-in ones.

use std::time::Duration;

use zen_agent::Limits;
use zen_nas::latency::{Precision, Setting, Store, TableChoice, TableSource};
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
        plan: PlanOptions { sources: vec![source], operators: 30, seed: 0 },
        batch_size: 1,
        networks: 6,
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
    let search = "--device t4 --latency-ms 1e6 --resolution 32 --classes 10 --iterations 20 --finalists 0 --no-onnx";
    let built_in = place.done("zen-search", &format!("{search} --json --out before"));
    assert_eq!(built_in.json()["table"]["kind"], "built_in");
    assert!(!built_in.stderr.contains("is predicted by"), "{}", built_in.stderr);
    measure(&place);
    let own = place.done("zen-search", &format!("{search} --json --out own"));
    assert_eq!(own.json()["table"]["host"], "Tesla T4 of the test, driver 1");
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
    assert_eq!(store.table(&setting, &TableChoice::Best).unwrap().unwrap().rows.len(), 30);

    let list = place.done("zen-profile", "list").stdout;
    let line = list.lines().find(|line| line.starts_with("t4/tensorrt/int8/b1 ")).unwrap();
    assert!(line.contains("local, on Tesla T4 of the test, driver 1 (1 more, not used)"), "{line}");
    let show = place.done("zen-profile", "show t4/tensorrt/int8/b1").stdout;
    assert!(show.contains("not used for predictions") && show.contains("--table"), "{show}");
    let report = place.done("zen-profile", "report t4").stdout;
    assert!(report.contains("the local table of Tesla T4 of the test"), "{report}");
    let devices = place.done("zen-profile", "devices").stdout;
    assert!(devices.contains("1 local, "), "{devices}");
    let score = place.run("zen-score", "SuperConvK3BNRELU(3,8,2,1) --resolution 32 --device t4");
    assert!(score.stdout.contains("the local table of Tesla T4 of the test"), "{score:?}");
}
