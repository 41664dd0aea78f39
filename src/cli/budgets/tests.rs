//! Options for budgets, from words to specifications.

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    budgets: BudgetArgs,
    #[command(flatten)]
    setting: SettingArgs,
    #[arg(long, conflicts_with = BUDGET_GROUP)]
    resume: bool,
}

fn resolved(arguments: &str) -> Result<ResolvedBudgets, String> {
    let words = format!("program {arguments}");
    let program = Program::try_parse_from(words.split_whitespace()).map_err(|error| error.to_string())?;
    assert!(!program.resume);
    program.budgets.check(&program.setting)?;
    let store = Store::in_memory().unwrap();
    let output = OutputArgs { quiet: true, ..OutputArgs::default() };
    let defaults = [BudgetSpec::new("layers", 30.0)];
    program.budgets.resolve(&program.setting, &defaults, &store, &output).map_err(|error| error.to_string())
}

/// Kind, limit, and setting or precision.
fn told(arguments: &str) -> Vec<String> {
    let found = resolved(arguments).unwrap_or_else(|error| panic!("{arguments}: {error}"));
    let told = |budget: &BudgetSpec| {
        let what = budget.setting.as_ref().or(budget.precision.as_ref());
        format!("{} {}{}", budget.kind, budget.limit, what.map_or(String::new(), |what| format!(" {what}")))
    };
    found.budgets.iter().map(told).collect()
}

#[test]
fn every_flag_is_an_option() {
    let command = <Program as clap::CommandFactory>::command();
    for flag in BUDGETS.iter().flat_map(|kind| kind.flags) {
        let arg = command.get_arguments().find(|arg| arg.get_long() == Some(flag.name)).unwrap();
        assert!(arg.get_help().unwrap().to_string().starts_with(flag.help));
    }
}

#[test]
fn any_one_is_enough_and_units_are_understood() {
    for (arguments, expected) in [
        ("--max-layers 12", "layers 12"),
        ("--max-params 1M --max-layers none", "parameters 1000000"),
        ("--max-flops 4e8 --max-layers none", "flops 400000000"),
        ("--max-size 6MB --max-layers none", "weight_bytes 6000000 fp32"),
        ("--max-size 6MiB --precision int8 --max-layers none", "weight_bytes 6291456 int8"),
        ("--max-activation-bytes 4MB --max-layers none", "activation_bytes 4000000"),
        ("--latency-ms 0.5s --device t4 --max-layers none", "latency_ms 500 t4/tensorrt/fp16/b1"),
        ("--latency-ms 5ms@t4/tensorrt/int8/b1 --max-layers none", "latency_ms 5 t4/tensorrt/int8/b1"),
        ("--ms-per-image 0.25@v100 --max-layers none", "latency_ms 16 v100/onnxruntime-tensorrt/fp16/b64"),
        ("--ms-per-image 0.25@v100//b1 --max-layers none", ""),
    ] {
        match expected {
            "" => assert!(resolved(arguments).unwrap_err().contains("a part is empty"), "{arguments}"),
            _ => assert_eq!(told(arguments), [expected], "{arguments}"),
        }
    }
    assert_eq!(told("--max-params 1M"), ["layers 30", "parameters 1000000"]);
    for arguments in ["", "--max-layers none", "--device t4"] {
        assert!(resolved(arguments).unwrap_err().contains("at least one budget"), "{arguments}");
    }
}

#[test]
fn several_settings_at_once() {
    let both = "--max-layers none --latency-ms 90@pixel2 --latency-ms 5 --device t4 --max-size 20MB";
    let found = resolved(both).unwrap();
    assert_eq!(found.setting.unwrap().id(), "t4/tensorrt/fp16/b1");
    assert_eq!(
        told(both),
        ["weight_bytes 20000000 fp16", "latency_ms 5 t4/tensorrt/fp16/b1", "latency_ms 90 pixel2/tflite/fp32/b1/t1"]
    );
    // Options go with --device, and without it with every setting that leaves them open.
    let int8 = "--max-layers none --latency-ms 5@t4 --latency-ms 90@pixel2 --precision int8";
    assert_eq!(told(int8), ["latency_ms 5 t4/tensorrt/int8/b1", "latency_ms 90 pixel2/tflite/int8/b1/t1"]);
    let own = "--max-layers none --device t4 --precision int8 --latency-ms 90@pixel2 --latency-ms 5";
    assert_eq!(told(own), ["latency_ms 5 t4/tensorrt/int8/b1", "latency_ms 90 pixel2/tflite/fp32/b1/t1"]);
    let reported = resolved("--device t4 --latency-ms 90@pixel2").unwrap();
    assert_eq!(reported.setting.unwrap().id(), "t4/tensorrt/fp16/b1");
    let twice = resolved("--latency-ms 5@t4 --latency-ms 6@T4").unwrap_err();
    assert_eq!(twice, "--latency-ms is given twice for t4/tensorrt/fp16/b1: 5 and 6; leave one out");
}

#[test]
fn errors_name_flag_value_and_what_is_accepted() {
    for (arguments, parts) in [
        ("--latency-ms 5", &["--latency-ms 5 names no device", "5@t4"][..]),
        ("--latency-ms 5@t5", &["unknown device `t5`"]),
        ("--latency-ms 5@t4/tensorrt/fp8", &["5@t4/tensorrt/fp8", "--latency-ms", "fp8"]),
        ("--latency-ms 5min@t4", &["5min@t4", "--latency-ms", "0.5s"]),
        ("--latency-ms none@t4", &["none@t4", "--latency-ms"]),
        ("--max-size 6TB", &["6TB", "--max-size", "6MB, 6MiB or 1GB"]),
        ("--max-params 1X", &["1X", "--max-params", "1M or 1.5G"]),
        ("--max-params 1M@t4", &["1M@t4", "--max-params"]),
        ("--max-layers 1.5", &["1.5", "--max-layers", "`none`"]),
        ("--max-params 1M --max-params 2M", &["--max-params", "cannot be used multiple times"]),
        ("--max-params 1M --precision int8", &["--device", "--max-size"]),
        ("--max-size 6MB --runtime tensorrt", &["--device", "--latency-ms"]),
        ("--resume --max-params 1M", &["--resume", "--max-params"]),
    ] {
        let error = resolved(arguments).err().unwrap_or_else(|| panic!("{arguments}"));
        for part in parts {
            assert!(error.contains(part), "{arguments}: no `{part}` in {error}");
        }
    }
}
