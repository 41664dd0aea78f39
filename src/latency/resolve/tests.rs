//! From names to settings.

use super::*;
use crate::latency::Evidence;

fn query(device: &str) -> SettingQuery {
    SettingQuery { device: device.to_owned(), ..SettingQuery::default() }
}

fn with_runtime_named(device: &str, runtime: &str) -> SettingQuery {
    SettingQuery { runtime: Some(runtime.to_owned()), ..query(device) }
}

/// A table with one row and an error.
fn import(store: &mut Store, setting: &str, networks: u32, mape: f64) {
    let text = format!(
        "# setting: {setting}\n# evidence: measured\n# error_mape: {mape}\n# error_networks: {networks}\n\
         # error_method: by hand\nkind,kernel,stride,in_channels,out_channels,in_height,in_width,ms\n\
         conv,3,2,3,32,224,224,0.02\n"
    );
    assert!(store.import_table(setting, &text).unwrap());
}

#[test]
fn defaults_and_overrides() {
    let store = Store::in_memory().unwrap();
    let id = |query: &SettingQuery| resolve(&store, query).map(|setting| setting.id()).map_err(|e| e.to_string());
    assert!(id(&query("t4")).unwrap().starts_with("t4/tensorrt/"));
    assert_eq!(id(&query("cpu-amd-epyc")).unwrap(), "cpu-amd-epyc/tract/fp32/b1/t1");
    assert_eq!(id(&with_runtime_named("cpu-amd-epyc", "ORT")).unwrap(), "cpu-amd-epyc/onnxruntime/fp32/b1/t1");
    let per_image = SettingQuery { preferred_batch_size: Some(64), ..query("v100") };
    assert_eq!(resolve(&store, &per_image).unwrap().batch_size, 64);
    // What was checked on whole networks comes first, and what nobody asked for is said.
    let found = resolve_noting(&store, &per_image).unwrap();
    assert_eq!(found.setting.id(), "v100/onnxruntime-tensorrt/fp16/b64");
    assert!(found.notes[0].ends_with("it is fp16, not fp32"), "{:?}", found.notes);
    assert_eq!(resolve_noting(&store, &query("v100")).unwrap().notes, Vec::<String>::new());
    let alone = SettingQuery { preferred_batch_size: Some(64), ..query("pixel2") };
    assert!(resolve_noting(&store, &alone).unwrap().notes[0].ends_with("it is batch 1, not 64"));
    assert_eq!(id(&with_runtime_named("v100", "published")).unwrap(), "v100/published/fp16/b64");
    let int8 = SettingQuery { precision: Some(Precision::Int8), ..query("v100") };
    assert_eq!(id(&int8).unwrap(), "v100/tensorrt/int8/b1");
    // The published regime is nobody's default.
    for device in ["pixel2", "Pixel 2", "PIXEL_2", "sd835"] {
        assert_eq!(id(&query(device)).unwrap(), "pixel2/tflite/fp32/b1/t1", "{device}");
    }
    assert_eq!(id(&with_runtime_named("pixel2", "LiteRT")).unwrap(), "pixel2/tflite/fp32/b1/t1");
    let int8 = SettingQuery { precision: Some(Precision::Int8), ..query("pixel2") };
    assert_eq!(id(&int8).unwrap(), "pixel2/tflite/int8/b1/t1");
    let batch = SettingQuery { batch_size: Some(7), ..query("v100") };
    assert!(id(&batch).unwrap_err().contains("v100/tensorrt/fp16/b64"));
    let typo = id(&with_runtime_named("pixel2", "tflit")).unwrap_err();
    assert!(typo.ends_with("; did you mean tflite?"), "{typo}");
    let unknown = id(&query("t5")).unwrap_err();
    assert_eq!(unknown, "unknown device `t5`, did you mean `t4`? `zen-profile devices` lists all");
    let epyc = id(&query("cpu-amd-epic")).unwrap_err();
    assert!(epyc.contains("`cpu-amd-epyc`"), "{epyc}");
    assert!(id(&query("t4,v100")).unwrap_err().contains("several devices"));
}

#[test]
fn the_default_of_a_device_is_what_its_file_says() {
    for (name, _) in crate::latency::DEVICES {
        let device = Device::find_in(None, name).unwrap();
        assert_ne!(device.default_setting.runtime, "published", "{name}");
    }
    let mut store = Store::in_memory_empty().unwrap();
    for setting in ["t4/tensorrt/int8/b1", "t4/paddle-tensorrt/fp16/b1", "t4/tensorrt/fp16/b1", "t4/tensorrt/fp16/b4"] {
        import(&mut store, setting, 10, 0.1);
    }
    assert_eq!(resolve(&store, &query("T4")).unwrap().id(), "t4/tensorrt/fp16/b1");
    // Threads of the default come before those of the first id.
    for setting in ["snapdragon-855/paddle-lite/fp32/b1/t1", "snapdragon-855/paddle-lite/fp32/b1/t4"] {
        import(&mut store, setting, 10, 0.1);
    }
    assert_eq!(resolve(&store, &query("SD855")).unwrap().threads, 4);
}

#[test]
fn a_runtime_on_a_part_of_the_device_is_found_by_its_plain_name() {
    let mut store = Store::in_memory_empty().unwrap();
    import(&mut store, "galaxy-s24/tflite-npu/fp16/b1", 21, 0.07);
    import(&mut store, "galaxy-s24/tflite-npu/int8/b1", 14, 0.157);
    import(&mut store, "pixel2/ncnn/fp32/b1/t1", 11, 0.05);
    import(&mut store, "pixel2/ncnn-vulkan/fp32/b1", 10, 0.12);
    let found = resolve_noting(&store, &with_runtime_named("s24", "litert")).unwrap();
    assert_eq!(found.setting.id(), "galaxy-s24/tflite-npu/fp16/b1");
    assert_eq!(
        found.notes,
        [
            "note: s24 is galaxy-s24 here: Samsung Galaxy S24 (2024), phone, Snapdragon 8 Gen 3, Hexagon NPU",
            "note: galaxy-s24 has no table of tflite on its processor; tflite-npu is used, tflite on the NPU"
        ]
    );
    let exact = resolve_noting(&store, &with_runtime_named("pixel2", "ncnn")).unwrap();
    assert_eq!((exact.setting.id().as_str(), exact.notes.len()), ("pixel2/ncnn/fp32/b1/t1", 0));
    // The plain name does not stand for another precision of the part.
    let fp32 = SettingQuery { precision: Some(Precision::Fp32), ..with_runtime_named("s24", "tflite") };
    assert!(resolve(&store, &fp32).unwrap_err().to_string().contains("galaxy-s24/tflite-npu/int8/b1"));
}

#[test]
fn a_choice_says_why() {
    let mut store = Store::in_memory_empty().unwrap();
    let line = |store: &Store, query: &SettingQuery| {
        resolve_noting(store, query).unwrap().choice.map(|choice| choice.to_string())
    };
    import(&mut store, "galaxy-s24/tflite-npu/fp16/b1", 21, 0.07);
    assert_eq!(line(&store, &query("galaxy-s24")), None);
    import(&mut store, "galaxy-s24/tflite-npu/int8/b1", 14, 0.157);
    import(&mut store, "galaxy-s24/qnn-npu/fp16/b1", 20, 0.065);
    assert_eq!(
        line(&store, &query("Galaxy S24")).unwrap(),
        "galaxy-s24: tflite-npu fp16 batch 1 (the best supported of 3 settings: 21 networks, 7.0%; others: tflite-npu \
         int8 b1, qnn-npu fp16 b1)"
    );
    assert_eq!(line(&store, &with_runtime_named("galaxy-s24", "qnn")), None);
    let int8 = SettingQuery { precision: Some(Precision::Int8), ..query("galaxy-s24") };
    assert_eq!(line(&store, &int8), None);
    // What another setting is better at in both is not the best supported.
    import(&mut store, "galaxy-s24/onnxruntime-npu/fp16/b1", 30, 0.06);
    assert!(line(&store, &query("galaxy-s24")).unwrap().contains("(the default of 4 settings: 21 networks, 7.0%;"));
    for batch in [1, 2, 4, 8, 16, 32] {
        import(&mut store, &format!("v100/tensorrt/fp16/b{batch}"), 4, 0.08);
    }
    assert_eq!(
        line(&store, &query("v100")).unwrap(),
        "v100: tensorrt fp16 batch 1 (of 6 settings the closest to the device's default: 4 networks, 8.0%; others: \
         tensorrt fp16 b2, tensorrt fp16 b4, tensorrt fp16 b8, tensorrt fp16 b16, 1 more, see zen-profile devices v100)"
    );
    let t4 = Setting::new("t4", "tract", Precision::Fp32, 1).with_threads(1);
    import(&mut store, "t4/tensorrt/fp16/b1", 40, 0.083);
    let run = store.begin_run(&t4, &Default::default()).unwrap();
    let key = crate::latency::OperatorKey::conv(3, 1, 8, 8, 14);
    store.insert_measurement(run, &key, 1.0, None, Evidence::Measured, &[]).unwrap();
    store.finish_run(run, None).unwrap();
    assert_eq!(
        line(&store, &query("t4")).unwrap(),
        "t4: tract fp32 batch 1, 1 thread (measured by you, one of 2 settings; others: tensorrt fp16 b1)"
    );
}

#[test]
fn settings_may_be_written_in_part() {
    let parsed = |text: &str| text.parse::<SettingQuery>();
    assert_eq!(parsed("t4").unwrap(), query("t4"));
    assert_eq!(parsed("t4/trt").unwrap(), with_runtime_named("t4", "trt"));
    let whole = parsed("cpu/tract/fp32/b2/t4").unwrap();
    let expected = SettingQuery {
        precision: Some(Precision::Fp32),
        batch_size: Some(2),
        threads: Some(4),
        ..with_runtime_named("cpu", "tract")
    };
    assert_eq!(whole, expected);
    for (text, part) in [
        ("", "a part is empty"),
        ("t4//fp16", "a part is empty"),
        ("t4/tensorrt/fp8", "fp8"),
        ("t4/tensorrt/fp16/1", "`1` is not `b`"),
        ("t4/tensorrt/fp16/b0", "`b0`"),
        ("t4/tensorrt/fp16/b1/x", "`x` is not `t`"),
        ("t4/tensorrt/fp16/b1/t1/x", "`x` is left over"),
    ] {
        let error = parsed(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}
