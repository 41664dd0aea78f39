//! `zen-profile report`: figures by value, from a database made by hand.

use zen_nas::latency::{
    Evidence, LatencyModel, NetworkCheck, NewRun, OperatorKey, Precision, Predictor, Prior, Purpose, Roofline, Setting,
    Store, TableChoice,
};
use zen_nas::net::{LowerOptions, Network};

use crate::program::Place;

const SETTING: &str = "mine/tract/fp32/b1/t1";

/// Structure, relative error of its prediction, and of a second measurement.
const NETWORKS: [(&str, f64, Option<f64>); 5] = [
    ("SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,1)", 0.02, None),
    ("SuperConvK3BNRELU(3,16,2,1)SuperResK3K3(16,64,2,32,2)", -0.04, Some(0.01)),
    ("SuperConvK3BNRELU(3,32,2,1)SuperResK1K3K1(32,128,2,64,3)", 0.08, Some(-0.03)),
    ("SuperConvK3BNRELU(3,32,2,1)SuperResK5K5(32,128,1,64,2)", 0.20, None),
    ("SuperConvK3BNRELU(3,64,1,1)SuperResK7K7(64,256,1,128,2)", -0.06, Some(0.0)),
];
const CALIBRATION: &str = "SuperConvK3BNRELU(3,24,2,1)SuperResK3K3(24,32,2,16,1)";
const GIVEN: &str = "SuperConvK3BNRELU(3,48,2,1)SuperResIDWE4K5(48,96,2,48,1)";

fn setting() -> Setting {
    Setting::new("mine", "tract", Precision::Fp32, 1).with_threads(1)
}

fn check(predictor: &Predictor, structure: &str, off: f64, repeat: Option<f64>) -> NetworkCheck {
    let graph = Network::parse(structure).unwrap().lower(&LowerOptions::new(64, 10)).unwrap();
    let measured_ms = predictor.predict(&graph).ms / (1.0 + off);
    NetworkCheck {
        structure: structure.to_owned(),
        resolution: 64,
        classes: 10,
        squeeze_excite: false,
        calibration: false,
        // As it was when the network was measured; the report predicts again.
        predicted_ms: 12345.0,
        measured_ms,
        stderr_ms: Some(0.01 * measured_ms),
        repeat_ms: repeat.map(|repeat| measured_ms * (1.0 + repeat)),
    }
}

/// A database with one measured operator, a model, and the networks above.
pub fn fill(place: &Place) {
    let mut store = Store::open(&place.file("tables.sqlite")).unwrap();
    let about = |purpose| NewRun { purpose, host: "a <fast> & new one".to_owned(), ..NewRun::default() };
    let earlier = store.begin_run(&setting(), &about(Purpose::SearchSpaces)).unwrap();
    let key = OperatorKey::conv(3, 1, 64, 64, 16);
    store.insert_measurement(earlier, &key, 0.5, Some(0.001), Evidence::Measured, &[0.5]).unwrap();
    let roofline = Roofline { launch_ms: 0.01, ..Roofline::default() };
    store.set_model(earlier, &LatencyModel::additive(Prior::Roofline(roofline))).unwrap();
    store.finish_run(earlier, None).unwrap();
    let table = store.require_table(&setting(), &TableChoice::Best).unwrap();
    let predictor = Predictor::from_table(&table).unwrap();
    // Measured long ago, with other results; one of them is a calibration network since.
    for structure in [NETWORKS[0].0, CALIBRATION] {
        store.insert_check(earlier, &check(&predictor, structure, 5.0, None)).unwrap();
    }
    let run = store.begin_run(&setting(), &about(Purpose::SearchSpaces)).unwrap();
    let calibration = NetworkCheck { calibration: true, ..check(&predictor, CALIBRATION, 3.0, None) };
    store.insert_check(run, &calibration).unwrap();
    for (structure, off, repeat) in NETWORKS {
        store.insert_check(run, &check(&predictor, structure, off, repeat)).unwrap();
    }
    store.finish_run(run, None).unwrap();
    let given = store.begin_run(&setting(), &about(Purpose::Verification)).unwrap();
    store.insert_check(given, &check(&predictor, GIVEN, -0.5, None)).unwrap();
    store.insert_check(given, &check(&predictor, CALIBRATION, -0.5, None)).unwrap();
    store.finish_run(given, None).unwrap();
}

fn close(value: &serde_json::Value, expected: f64) {
    assert!((value.as_f64().unwrap() - expected).abs() < 1e-9, "{value} instead of {expected}");
}

#[test]
fn figures_are_those_of_the_held_out_networks_predicted_now() {
    let place = Place::new();
    fill(&place);
    let report = place.done("zen-profile", "report mine --json --worst 2 --svg plot.svg").json();
    assert_eq!((&report["comparison"], &report["networks"]), (&"held_out".into(), &5.into()));
    let figures = &report["figures"];
    close(&figures["mape"], (0.02 + 0.04 + 0.08 + 0.20 + 0.06) / 5.0);
    close(&figures["bias"], (0.02 - 0.04 + 0.08 + 0.20 - 0.06) / 5.0);
    close(&figures["within5"], 0.4);
    close(&figures["within10"], 0.8);
    close(&figures["kendall_tau"], 1.0);
    let noise = &report["noise_floor"];
    assert_eq!(noise["networks"], 3);
    close(&noise["mape"], 0.04 / 3.0);
    close(&noise["bias"], -0.02 / 3.0);
    close(&noise["within5"], 1.0);
    // Nothing in this table says how far its errors spread.
    assert!(report["coverage"].is_null() && report["compared"][0]["interval"].is_null());

    let worst = report["worst"].as_array().unwrap();
    assert_eq!(
        worst.iter().map(|case| case["structure"].as_str().unwrap()).collect::<Vec<_>>(),
        [NETWORKS[3].0, NETWORKS[2].0]
    );
    close(&worst[0]["off"], 0.20);
    close(&worst[0]["stderr_ms"], 0.01 * worst[0]["measured_ms"].as_f64().unwrap());
    let breakdown = &worst[0]["breakdown"];
    let kinds = breakdown["kinds"].as_array().unwrap();
    close(&kinds.iter().map(|kind| kind["share"].as_f64().unwrap()).sum::<f64>().into(), 1.0);
    close(
        &kinds.iter().map(|kind| kind["ms"].as_f64().unwrap()).sum::<f64>().into(),
        worst[0]["predicted_ms"].as_f64().unwrap(),
    );
    let dearest = &breakdown["operators"][0];
    assert!(dearest["operator"].as_str().unwrap().starts_with("conv 5x5"), "{dearest}");
    assert_eq!(dearest["evidence"], "interpolated");

    // The given network is named with its error, the calibration network is nowhere.
    let left_out = report["left_out"].as_array().unwrap();
    assert_eq!(left_out.len(), 1);
    assert_eq!(left_out[0]["name"], GIVEN);
    close(&left_out[0]["predicted_ms"], 0.5 * left_out[0]["measured_ms"].as_f64().unwrap());

    let text = place.done("zen-profile", &format!("report {SETTING} --worst 1")).stdout;
    for part in [
        "device mine, runtime tract, fp32, batch 1, 1 thread",
        "5 random networks held out, measured here; 1 others calibrate",
        "MAPE 8.0%, 40% within 5%, 80% within 10%, Kendall tau 1.000, bias +4.0%",
        "MAPE 1.3%, 100% within 5%",
        "so there is no coverage",
        "+20.0%",
        GIVEN,
    ] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    assert!(!text.contains(CALIBRATION) && !text.contains(NETWORKS[2].0), "{text}");
    let show = place.done("zen-profile", "show mine").stdout;
    assert!(show.contains("noise floor MAPE 1.3%"), "{show}");
}

#[test]
fn the_plot_is_well_formed_and_complete() {
    let place = Place::new();
    fill(&place);
    place.done("zen-profile", "report mine --svg plot.svg");
    let svg = place.text("plot.svg");
    let mut open = Vec::new();
    for tag in svg.split('<').skip(1) {
        let (tag, after) = tag.split_once('>').unwrap();
        assert!(!after.contains('>'), "{after}");
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if tag.ends_with('/') => {}
            None => open.push(tag.split(' ').next().unwrap()),
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
    }
    assert!(open.is_empty(), "{open:?}");
    // Five networks, the given one as a ring, and the ring in the legend.
    assert_eq!(svg.matches("<circle").count(), 5 + 1 + 1);
    for part in [
        "device mine, runtime tract, fp32, batch 1, 1 thread",
        ">measured, ms per call with 1 image<",
        ">predicted, ms per call with 1 image<",
        "5 random networks held out of every fit",
        "(+20.0%)",
    ] {
        assert!(svg.contains(part), "{part}");
    }
    place.fails("zen-profile", "report mine --svg no/such/folder/x.svg", 3, &["no/such/folder/x.svg"]);
}

#[test]
fn a_shared_table_is_reported_on_like_ones_own() {
    let place = Place::new();
    fill(&place);
    let own = place.done("zen-profile", "report mine --json").json();
    place.done("zen-profile", "export mine -o mine.csv");
    let text = place.text("mine.csv");
    assert!(text.contains("# networks: 6\n") && text.contains(CALIBRATION) && !text.contains(GIVEN), "{text}");

    let other = Place::new();
    other.write("theirs.csv", &text);
    other.done("zen-profile", "import theirs.csv");
    let report = other.done("zen-profile", "report mine --json").json();
    assert_eq!(report["networks"], 5);
    for figure in ["mape", "bias", "within5", "within10", "kendall_tau"] {
        let (theirs, mine) = (&report["figures"][figure], own["figures"][figure].as_f64().unwrap());
        assert!((theirs.as_f64().unwrap() - mine).abs() < 1e-5, "{figure}: {theirs} instead of {mine}");
    }
    other.done("zen-profile", "export mine -o again.csv");
    assert_eq!(other.text("again.csv"), text);
    other.done("zen-profile", "import theirs.csv");
    assert_eq!(other.done("zen-profile", "report mine --json").json(), report);

    other.write("bad.csv", text.replace("held_out,64", "held_out,x"));
    let line = text.lines().position(|line| line.starts_with("held_out")).unwrap() + 1;
    other.fails("zen-profile", "import bad.csv", 3, &["bad.csv", &format!("line {line}"), "`x` is not a positive"]);
}

#[test]
fn fitted_tables_are_reported_by_leaving_one_out() {
    let place = Place::new();
    for (setting, mape) in
        [("v100/published/fp16/b64", 0.0433), ("t4/tensorrt/int8/b64", 0.0675), ("pixel2/published/fp32/b1", 0.061)]
    {
        let report = place.done("zen-profile", &format!("report {setting} --json")).json();
        assert_eq!((&report["comparison"], &report["networks"]), (&"leave_one_out".into(), &11.into()), "{setting}");
        assert!((report["figures"]["mape"].as_f64().unwrap() - mape).abs() < 6e-4, "{}", report["figures"]);
        // Times in a table's text have six digits.
        let stated = report["stated"]["mape"].as_f64().unwrap();
        assert!((report["figures"]["mape"].as_f64().unwrap() - stated).abs() < 1e-6, "{setting}");
    }
    let text = place.done("zen-profile", "report v100 --runtime published").stdout;
    assert!(text.contains("flops900M") && text.contains("compared with was published"), "{text}");
}

#[test]
fn without_whole_networks_the_stated_error_stands_with_its_method() {
    let place = Place::new();
    let report = place.done("zen-profile", "report v100 --precision int8 --batch-size 64 --json --svg x.svg");
    assert!(report.stderr.contains("no network to draw") && !place.file("x.svg").exists(), "{}", report.stderr);
    let report = report.json();
    assert_eq!(report["setting"]["id"], "v100/tensorrt/int8/b64");
    assert_eq!((&report["networks"], &report["comparison"]), (&0.into(), &"none".into()));
    let text = place.done("zen-profile", "report v100/tensorrt/int8/b64").stdout;
    for part in ["no whole network", "never checked on whole networks"] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
}

#[test]
fn what_cannot_be_reported_on_is_named() {
    let place = Place::new();
    fill(&place);
    for (arguments, code, expected) in [
        ("report t5", 3, "did you mean `t4`"),
        ("report t4/tensorrt", 3, "device/runtime/precision/bBATCH"),
        ("report t4/tensorrt/int8/b7", 3, "t4/tensorrt/int8/b64"),
        ("report t4/tensorrt/int8/b64 --batch-size 1", 3, "an option says otherwise"),
        ("report mine --batch-size 2", 3, SETTING),
        ("report mine --space idv", 3, "did you mean idw"),
        ("report mine --space idw", 3, "none of its 5 networks"),
        ("report mine --worst -1", 2, "--worst"),
        ("report", 2, "DEVICE"),
    ] {
        place.fails("zen-profile", arguments, code, &[expected]);
    }
}
