//! Configurations of this version and of earlier ones.

use super::*;

/// As written before there was a final round.
pub(in crate::search) const OLD: &str = r#"
    format = 1
    version = "0.1.0"
    space = "xxbl"
    initial = "SuperConvK3BNRELU(3,8,1,1)"
    resolution = 32
    classes = 10
    squeeze_excite = false
    proxy = "zen-closed"
    draw = "uniform"
    seed = 0
    iterations = 100
    population = 8
    [budgets]
    parameters = 1e6
"#;

#[test]
fn older_runs_open_and_end_as_they_would_have() {
    let spec: RunSpec = toml::from_str(OLD).unwrap();
    assert_eq!((spec.draws, spec.finalists, spec.standard_error, spec.score_batch_size), (1, 0, None, None));
    let config = spec.to_config(&[], 1).unwrap();
    assert_eq!(config.sampling.until, Some(Until::Draws(1)));
    assert!(spec.final_round(&config).is_none());
    let written: RunSpec = toml::from_str(&spec.to_toml().unwrap()).unwrap();
    assert_eq!(written, spec);
    assert_eq!(written.budgets, [BudgetSpec::new("parameters", 1e6)]);
    assert_eq!((spec.confidence, spec.no_onnx, spec.device_compute.as_str()), (None, false, "cpu"));
    assert!(toml::from_str::<RunSpec>(&OLD.replace("seed = 0", "seed = 0\nfinalist = 3")).is_err());
}

#[test]
fn a_run_of_one_setting_reads_as_one_of_several() {
    let old = OLD.replace("[budgets]", "setting = \"t4/tensorrt/fp16/b1\"\n[budgets]\nlatency_ms = 5.0");
    let check = "[spot_check]\nsetting = \"t4/tensorrt/fp16/b1\"\ncontent = \"x\"\nprocessor = \"\"\nhost = \"\"\n\
                 runtime_version = \"\"\nat = \"\"\nfactor = 1.5\nscatter = 0.1\nmape = 0.1\nnetworks = 6\n\
                 verdict = \"scaled\"\n";
    let spec: RunSpec = toml::from_str(&format!("{old}\n{check}")).unwrap();
    let settings = spec.settings().unwrap();
    assert_eq!(settings.iter().map(Setting::id).collect::<Vec<_>>(), ["t4/tensorrt/fp16/b1"]);
    assert_eq!(spec.spot_check(&settings[0]).unwrap().factor, 1.5);
    assert_eq!(spec.budgets.iter().map(|budget| budget.limit).collect::<Vec<_>>(), [1e6, 5.0]);
    let text = spec.to_toml().unwrap();
    assert!(text.contains("[[spot_check]]") && text.contains("[[budget]]"), "{text}");
    assert_eq!(toml::from_str::<RunSpec>(&text).unwrap(), spec);
    assert!(matches!(spec.to_config(&[], 1), Err(SearchError::NoPredictor { .. })));
    let both =
        BudgetSpec { setting: Some("pixel2/tflite/fp32/b1/t1".to_owned()), ..BudgetSpec::new("latency_ms", 9.0) };
    let spec = RunSpec { budgets: vec![both.clone(), both], ..spec };
    assert_eq!(spec.settings().unwrap().len(), 2);
}

#[test]
fn what_is_out_of_range_is_refused() {
    let spec: RunSpec = toml::from_str(OLD).unwrap();
    for confidence in [0.0, 0.49, 1.0, f64::NAN] {
        let spec = RunSpec { confidence: Some(confidence), ..spec.clone() };
        assert!(matches!(spec.to_config(&[], 1), Err(SearchError::Confidence(_))), "{confidence}");
    }
    for minutes in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
        let spec = RunSpec { minutes: Some(minutes), ..spec.clone() };
        assert!(matches!(spec.time_limit(), Err(SearchError::Minutes(_))), "{minutes}");
    }
    let limited = RunSpec { minutes: Some(0.5), ..spec };
    assert_eq!(limited.time_limit().unwrap(), Some(Duration::from_secs(30)));
    assert!(limited.to_toml().unwrap().starts_with("# A time limit"));
}
