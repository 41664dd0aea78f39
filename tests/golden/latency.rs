//! Latency: built-in tables against their headers and themselves.

use std::collections::BTreeSet;

use proptest::prelude::*;
use zen_nas::latency::{
    Evidence, Fuser, OperatorKey, Precision, PredictScratch, Predictor, Setting, Store, Table, TableChoice, UNIT,
    built_in_settings, built_in_table,
};
use zen_nas::net::{Graph, LowerOptions, Network};

fn graph(structure: &str, resolution: u32, squeeze_excite: bool) -> Graph {
    let options = LowerOptions { squeeze_excite, ..LowerOptions::new(resolution, 1000) };
    Network::parse(structure).unwrap().lower(&options).unwrap()
}

/// The built-in tables, each as its file has it.
fn built_in() -> Vec<(Setting, Table, String)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("latency_tables");
    let table = |setting: Setting| {
        let file = folder.join(format!("{}.csv", setting.id().replace('/', "_")));
        let text = std::fs::read_to_string(file).unwrap();
        (setting.clone(), built_in_table(&setting).unwrap().unwrap(), text)
    };
    built_in_settings().unwrap().into_iter().map(table).collect()
}

fn predictor(setting: &Setting) -> Predictor {
    Predictor::from_table(&built_in_table(setting).unwrap().unwrap()).unwrap()
}

#[test]
fn headers_say_what_the_files_hold() {
    for (name, table, text) in built_in() {
        assert_eq!(table.setting, name);
        assert_eq!(table.to_text(), text, "{name} is not in its printed form");
        assert!(text.contains(&format!("# rows: {}\n", table.rows.len())), "{name}");
        assert!(text.contains(&format!("# evidence: {}\n", table.evidence)), "{name}");
        assert!(text.contains(&format!("# unit: {UNIT}\n")));
        assert!(table.rows.iter().all(|row| row.evidence == table.evidence), "{name}");
        assert!(table.rows.iter().all(|row| row.ms > 0.0), "{name}");
        let keys: BTreeSet<OperatorKey> = table.rows.iter().map(|row| row.key).collect();
        assert_eq!(keys.len(), table.rows.len(), "{name} repeats a key");
        assert!(table.model.is_some() && !table.rows.is_empty() || table.evidence == Evidence::Fitted, "{name}");
        if let Some(error) = table.error {
            assert!(error.mape > 0.0 && error.mape < 0.2 && !error.method.is_empty(), "{name}");
        }
        let about = table.about;
        assert!(
            [about.origin, about.licence, about.method, about.host, about.runtime_version, table.date]
                .iter()
                .all(|text| !text.is_empty() && text != "not stated"),
            "{name}"
        );
    }
}

#[test]
fn rows_are_found_exactly_and_keep_their_evidence() {
    let structure = "SuperConvK3BNRELU(3,64,1,1)SuperConvK1BNRELU(64,128,1,1)";
    for (setting, expected) in [
        (Setting::new("v100", "tensorrt", Precision::Fp16, 64), Evidence::Measured),
        (Setting::new("t4", "tensorrt", Precision::Int8, 64), Evidence::Fitted),
    ] {
        let rows = built_in_table(&setting).unwrap().unwrap().rows;
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
        let prediction = predictor(&setting).predict(&graph(&structure, in_height, false));
        // The row has no activation: on these settings a fused one is free.
        let found = &prediction.operators[1];
        // A fit on whole networks has seen none that is so fast.
        let is_unlike = expected == Evidence::Fitted;
        assert_eq!((found.ms, found.evidence, found.extrapolated), (row.ms, expected, is_unlike), "{}", found.key);
        let shares = prediction.evidence;
        let count = shares.measured_count + shares.fitted_count + shares.interpolated_count + shares.extrapolated_count;
        let time = shares.measured_time + shares.fitted_time + shares.interpolated_time + shares.extrapolated_time;
        assert!((count - 1.0).abs() < 1e-9 && (time - 1.0).abs() < 1e-9, "{shares:?}");
    }
}

#[test]
fn shapes_outside_the_table_are_flagged() {
    let predictor = predictor(&Setting::new("v100", "paddle-tensorrt", Precision::Fp32, 1));
    let far = predictor.predict(&graph("SuperConvK3BNRELU(3,64,1,1)SuperConvK3BNRELU(64,20000,1,1)", 56, false));
    assert!(far.operators[1].extrapolated && far.extrapolated_share > 0.9, "{far:?}");
    let near = predictor.predict(&graph("SuperConvK3BNRELU(3,64,1,1)SuperConvK3BNRELU(64,100,1,4)", 56, false));
    assert!(!near.operators[1].extrapolated);
    // The table's error says nothing about a network that is mostly outside it.
    assert!(
        far.error.is_none() && far.error_method.contains("lies outside what its networks support"),
        "{}",
        far.error_method
    );
    assert_eq!(near.error, predictor.error().map(|error| error.mape));
}

#[test]
fn operator_times_of_others_state_no_error_of_networks() {
    for setting in built_in_settings().unwrap() {
        if (setting.device.as_str(), setting.runtime.as_str()) == ("v100", "tensorrt") {
            let prediction = predictor(&setting).predict(&graph("SuperConvK3BNRELU(3,64,1,1)", 56, false));
            assert_eq!((prediction.error, prediction.interval), (None, None), "{setting}");
            assert_eq!(prediction.error_method, "never checked on whole networks");
        }
    }
}

/// A search would add what costs nothing. (The regimes of the Zen-NAS publication were fitted on what its networks
/// have, no more.)
#[test]
fn nothing_is_free() {
    let operators = [
        "conv 1x1 s1 64->64 @28x28",
        "conv 3x3 s1 64->64 @28x28 +add +relu",
        "conv 3x3 s1 g4 64->64 @28x28",
        "depthwise 5x5 s1 64 @28x28",
        "dense 64->1000 @1x1",
        "global_pool 64 @28x28",
        "max_pool 3x3 s2 64 @28x28",
        "gate 64 @28x28",
        "add 64 @28x28",
        "elementwise 64 @28x28 +relu",
        "elementwise 64 @28x28 +swish",
        "concat 64 @28x28",
        "rearrange 64 @28x28",
    ];
    for setting in built_in_settings().unwrap().into_iter().filter(|setting| setting.runtime != "published") {
        let predictor = predictor(&setting);
        for operator in operators {
            let ms = predictor.operator_ms(&operator.parse().unwrap());
            assert!(ms > 0.0, "{operator} costs nothing on {setting}");
        }
    }
}

#[test]
fn batches_without_a_table_are_refused() {
    let store = Store::in_memory().unwrap();
    let refused = |setting: &Setting| store.require_table(setting, &TableChoice::Best).unwrap_err().to_string();
    let error = refused(&Setting::new("t4", "tensorrt", Precision::Int8, 8));
    assert!(error.contains("t4/tensorrt/int8/b1, t4/tensorrt/int8/b64"), "{error}");
    let error = refused(&Setting::new("abacus", "beads", Precision::Fp32, 1));
    assert!(error.contains("zen-profile devices"), "{error}");
}

/// More work takes longer: twice the channels, a larger kernel, a larger image.
#[test]
fn larger_networks_take_longer() {
    for setting in built_in_settings().unwrap() {
        let predictor = predictor(&setting);
        let ms = |structure: &str, resolution| predictor.predict(&graph(structure, resolution, false)).ms;
        let small = ms("SuperConvK3BNRELU(3,32,2,1)SuperResK1K3K1(32,256,2,64,3)SuperConvK1BNRELU(256,512,1,1)", 224);
        let wide = ms("SuperConvK3BNRELU(3,64,2,1)SuperResK1K3K1(64,512,2,256,3)SuperConvK1BNRELU(512,1024,1,1)", 224);
        let kernel = ms("SuperConvK3BNRELU(3,32,2,1)SuperResK1K7K1(32,256,2,64,3)SuperConvK1BNRELU(256,512,1,1)", 224);
        let image = ms("SuperConvK3BNRELU(3,32,2,1)SuperResK1K3K1(32,256,2,64,3)SuperConvK1BNRELU(256,512,1,1)", 320);
        assert!(wide > small && kernel > small && image > small, "{setting}: {small} {wide} {kernel} {image}");
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
                built_in_settings().unwrap().iter().map(predictor).collect()
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
