//! Latency: shipped tables against their headers and themselves.

use std::collections::BTreeSet;

use proptest::prelude::*;
use zen_nas::latency::{
    Evidence, Fuser, LatencyModel, OperatorKey, Precision, PredictScratch, Predictor, Prior, SHIPPED, Setting, Store,
    Table, UNIT, export_table,
};
use zen_nas::net::{Graph, LowerOptions, Network};

fn graph(structure: &str, resolution: u32, squeeze_excite: bool) -> Graph {
    let options = LowerOptions { squeeze_excite, ..LowerOptions::new(resolution, 1000) };
    Network::parse(structure).unwrap().lower(&options).unwrap()
}

/// What stands between two markers of the tables' README.
fn readme_block(what: &str) -> &'static str {
    let readme = include_str!("../../latency_tables/README.md");
    let block = readme.split(&format!("<!-- begin {what} -->\n")).nth(1).unwrap();
    block.split(&format!("<!-- end {what} -->")).next().unwrap().trim()
}

/// The README lists exactly the files there are, each with what its header says.
#[test]
fn readme_lists_the_files() {
    let mut lines = readme_block("shipped tables").lines();
    assert_eq!(lines.next(), Some("| file | evidence | rows | error | from | licence |"));
    let listed: Vec<Vec<&str>> =
        lines.skip(1).map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("latency_tables");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".csv").map(str::to_owned))
        .filter(|name| name != "published")
        .collect();
    files.sort();
    assert_eq!(files, SHIPPED.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    assert_eq!(files.len(), listed.len());
    for ((name, text), line) in SHIPPED.iter().zip(&listed) {
        let table = Table::parse(name, text).unwrap();
        let rows = if table.rows.is_empty() { "formula".to_owned() } else { table.rows.len().to_string() };
        let [file, evidence, listed_rows, error, from, licence] = line.as_slice() else { panic!("{line:?}") };
        assert_eq!(*file, format!("`{name}`"));
        assert_eq!((*evidence, *listed_rows), (table.evidence.name(), rows.as_str()), "{name}");
        let mape: f64 = error.split('%').next().unwrap().parse().unwrap();
        assert!((mape - 100.0 * table.error.unwrap().mape).abs() < 0.051, "{name}: {error}");
        assert_eq!((*from, *licence), (table.about.origin.as_str(), table.about.licence.as_str()), "{name}");
    }
}

/// Every setting the user is promised, and no more.
#[test]
fn the_shipped_settings_are_complete() {
    let mut expected: Vec<String> = Vec::new();
    for precision in Precision::ALL {
        expected.extend([1, 32, 64, 128].map(|batch| format!("v100/tensorrt/{precision}/b{batch}")));
    }
    for id in ["v100/published/fp16/b64", "t4/tensorrt/int8/b1", "t4/tensorrt/int8/b64", "pixel2/published/fp32/b1"] {
        expected.push(id.to_owned());
    }
    expected.extend(["fp32", "int8"].map(|precision| format!("pixel2/tflite/{precision}/b1/t1")));
    expected.sort();
    let mut found: Vec<String> = SHIPPED
        .iter()
        .map(|(name, text)| Table::parse(name, text).unwrap().setting.id())
        .filter(|id| !id.starts_with("cpu-"))
        .collect();
    found.sort();
    assert_eq!(found, expected);
}

/// The phone's two runtimes: no class of operators is nearly free through TFLite.
#[test]
fn tflite_charges_every_convolution_alike() {
    let store = Store::in_memory().unwrap();
    for (precision, per_gmac) in [(Precision::Fp32, 245.0), (Precision::Int8, 78.0)] {
        let setting = Setting::new("pixel2", "tflite", precision, 1).with_threads(1);
        let Some(LatencyModel { prior: Prior::Linear(linear), .. }) = store.model(&setting).unwrap() else {
            panic!("{setting} is no formula")
        };
        let rates = [linear.pointwise_ms_per_gmac, linear.spatial_ms_per_gmac, linear.depthwise_ms_per_gmac];
        assert!(rates.iter().all(|rate| (rate / per_gmac - 1.0).abs() < 0.01), "{rates:?}");
        assert!(linear.activation_ms_per_giga > 2000.0);
    }
}

#[test]
fn shipped_headers_say_what_the_files_hold() {
    for (name, text) in SHIPPED {
        let table = Table::parse(name, text).unwrap();
        assert_eq!(table.to_text(), *text, "{name} is not in its printed form");
        assert_eq!(table.setting.id().replace('/', "_"), *name);
        assert!(text.contains(&format!("# rows: {}\n", table.rows.len())), "{name}");
        assert!(text.contains(&format!("# evidence: {}\n", table.evidence)), "{name}");
        assert!(text.contains(&format!("# unit: {UNIT}\n")));
        assert!(table.rows.iter().all(|row| row.evidence == table.evidence), "{name}");
        assert!(table.rows.iter().all(|row| row.ms > 0.0), "{name}");
        let keys: BTreeSet<OperatorKey> = table.rows.iter().map(|row| row.key).collect();
        assert_eq!(keys.len(), table.rows.len(), "{name} repeats a key");
        assert!(table.model.is_some() && !table.rows.is_empty() || table.evidence == Evidence::Fitted, "{name}");
        let error = table.error.unwrap();
        assert!(error.mape > 0.0 && error.mape < 0.5 && !error.method.is_empty(), "{name}");
        let about = table.about;
        assert!(
            [about.origin, about.licence, about.method, about.host, about.runtime_version, table.date]
                .iter()
                .all(|text| !text.is_empty() && text != "not stated"),
            "{name}"
        );
    }
    let published = include_str!("../../latency_tables/published.csv").len();
    assert!(SHIPPED.iter().map(|(_, text)| text.len()).sum::<usize>() + published <= 2_000_000);
}

#[test]
fn rows_are_found_exactly_and_keep_their_evidence() {
    let store = Store::in_memory().unwrap();
    let structure = "SuperConvK3BNRELU(3,64,1,1)SuperConvK1BNRELU(64,128,1,1)";
    for (setting, expected) in [
        (Setting::new("v100", "tensorrt", Precision::Fp16, 64), Evidence::Measured),
        (Setting::new("t4", "tensorrt", Precision::Int8, 64), Evidence::Fitted),
    ] {
        let rows = store.rows(&setting).unwrap();
        let row = rows
            .iter()
            .find(|row| {
                row.key == OperatorKey::conv(1, 1, row.key.in_channels, row.key.out_channels, row.key.in_height)
            })
            .unwrap();
        let OperatorKey { in_channels, out_channels, in_height, .. } = row.key;
        let structure = structure
            .replace("(3,64", &format!("(3,{in_channels}"))
            .replace("(64,128", &format!("({in_channels},{out_channels}"));
        let prediction = Predictor::new(&store, &setting).unwrap().predict(&graph(&structure, in_height, false));
        // The row has no activation: on these settings a fused one is free.
        let found = &prediction.operators[1];
        assert_eq!((found.ms, found.evidence, found.extrapolated), (row.ms, expected, false), "{}", found.key);
        let shares = prediction.evidence;
        assert!((shares.measured_count + shares.fitted_count + shares.interpolated_count - 1.0).abs() < 1e-9);
        assert!((shares.measured_time + shares.fitted_time + shares.interpolated_time - 1.0).abs() < 1e-9);
    }
}

#[test]
fn shapes_outside_the_table_are_flagged() {
    let store = Store::in_memory().unwrap();
    let predictor = Predictor::new(&store, &Setting::new("v100", "tensorrt", Precision::Fp16, 1)).unwrap();
    let far = predictor.predict(&graph("SuperConvK3BNRELU(3,64,1,1)SuperConvK3BNRELU(64,20000,1,1)", 56, false));
    assert!(far.operators[1].extrapolated && far.extrapolated_share > 0.9, "{far:?}");
    let near = predictor.predict(&graph("SuperConvK3BNRELU(3,64,1,1)SuperConvK3BNRELU(64,100,1,4)", 56, false));
    assert!(!near.operators[1].extrapolated);
    // The table's error says nothing about a network that is mostly outside it.
    assert!(far.error.is_none() && far.error_method.contains("lies outside the table"), "{}", far.error_method);
    assert_eq!(near.error, predictor.error().map(|error| error.mape));
}

#[test]
fn batches_without_a_table_are_refused() {
    let store = Store::in_memory().unwrap();
    let error = Predictor::new(&store, &Setting::new("t4", "tensorrt", Precision::Int8, 8)).unwrap_err().to_string();
    assert!(error.contains("t4/tensorrt/int8/b1, t4/tensorrt/int8/b64"), "{error}");
    let error = Predictor::new(&store, &Setting::new("abacus", "beads", Precision::Fp32, 1)).unwrap_err().to_string();
    assert!(error.contains("pixel2/published/fp32/b1"), "{error}");
}

/// More work takes longer: twice the channels, a larger kernel, a larger image.
#[test]
fn larger_networks_take_longer() {
    let store = Store::in_memory().unwrap();
    for setting in store.settings().unwrap() {
        let predictor = Predictor::new(&store, &setting).unwrap();
        let ms = |structure: &str, resolution| predictor.predict(&graph(structure, resolution, false)).ms;
        let small = ms("SuperConvK3BNRELU(3,32,2,1)SuperResK1K3K1(32,256,2,64,3)SuperConvK1BNRELU(256,512,1,1)", 224);
        let wide = ms("SuperConvK3BNRELU(3,64,2,1)SuperResK1K3K1(64,512,2,256,3)SuperConvK1BNRELU(512,1024,1,1)", 224);
        let kernel = ms("SuperConvK3BNRELU(3,32,2,1)SuperResK1K7K1(32,256,2,64,3)SuperConvK1BNRELU(256,512,1,1)", 224);
        let image = ms("SuperConvK3BNRELU(3,32,2,1)SuperResK1K3K1(32,256,2,64,3)SuperConvK1BNRELU(256,512,1,1)", 320);
        assert!(wide > small && kernel > small && image > small, "{setting}: {small} {wide} {kernel} {image}");
    }
}

#[test]
fn exported_tables_read_back() {
    let store = Store::in_memory().unwrap();
    for setting in store.settings().unwrap() {
        let table = Table::parse("exported", &export_table(&store, &setting).unwrap()).unwrap();
        assert_eq!(table.rows, store.rows(&setting).unwrap());
        assert_eq!(table.model, store.model(&setting).unwrap());
        assert_eq!(table.error, store.table_error(&setting).unwrap());
    }
}

/// Structures of a few blocks with channels in eights.
fn structures() -> impl Strategy<Value = (String, u32, bool)> {
    let block = (0..6_usize, 1..40_u32, 1..=2_u32, 1..12_u32, 1..=3_u32);
    (prop::collection::vec(block, 1..6), 1..=8_u32, any::<bool>()).prop_map(|(blocks, image, squeeze_excite)| {
        let mut text = "SuperConvK3BNRELU(3,16,2,1)".to_owned();
        let mut channels = 16;
        for (kind, outputs, stride, middle, layers) in blocks {
            let outputs = 8 * outputs;
            let name = ["ResK1K3K1", "ResK1K7K1", "ResIDWE2K5", "ResIDWE4K7", "ResK3K3", "ResK5K5"][kind];
            text += &format!("Super{name}({channels},{outputs},{stride},{},{layers})", 8 * middle);
            channels = outputs;
        }
        (text, 64 + 32 * image, squeeze_excite)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// The fast path gives the very same number, whatever its scratch saw before, also from keys
    /// and when another predictor used the scratch.
    #[test]
    fn fast_path_agrees((structure, resolution, squeeze_excite) in structures()) {
        thread_local! {
            static PREDICTORS: Vec<Predictor> = {
                let store = Store::in_memory().unwrap();
                store.settings().unwrap().iter().map(|setting| Predictor::new(&store, setting).unwrap()).collect()
            };
            static SCRATCH: std::cell::RefCell<PredictScratch> = std::cell::RefCell::default();
        }
        let graph = graph(&structure, resolution, squeeze_excite);
        let keys = Fuser::default().fuse(&graph).to_vec();
        PREDICTORS.with(|predictors| SCRATCH.with(|scratch| {
            let scratch = &mut scratch.borrow_mut();
            for predictor in predictors {
                let ms = predictor.predict(&graph).ms;
                prop_assert!(ms.is_finite() && ms > 0.0);
                prop_assert_eq!(predictor.predict_ms(&graph, scratch), ms);
                prop_assert_eq!(predictor.predict_keys_ms(&keys, scratch), ms);
            }
            Ok(())
        }))?;
    }
}

#[test]
fn predictors_are_shared_between_threads() {
    fn shared<T: Sync + Send>() {}
    shared::<Predictor>();
}
