//! LiteRT files, for people: of a structure, or of an ONNX file.

use std::path::Path;

use clap::ArgMatches;
use clap::parser::ValueSource;
use zen_nas::cli::json::LitertJson;
use zen_nas::cli::{self, Exit};
use zen_nas::latency::Precision;
use zen_nas::litert::{LitertOptions, LitertSummary, export_onnx};
use zen_nas::onnx::ExportOptions;

use crate::args::Args;
use crate::quantized;

/// Arguments that mean something for an ONNX file.
const WITH_ONNX_FILE: [&str; 13] = [
    "structure",
    "path",
    "format",
    "precision",
    "batch",
    "resolution",
    "channels",
    "calibration",
    "python",
    "report",
    "json",
    "quiet",
    "completions",
];

/// An argument on the command line that says nothing of an ONNX file.
pub fn without_meaning(command: &clap::Command, given: &ArgMatches) -> Option<String> {
    let arguments = command.get_arguments().filter(|argument| {
        let id = argument.get_id().as_str();
        !WITH_ONNX_FILE.contains(&id)
            && given.try_contains_id(id).is_ok()
            && given.value_source(id) == Some(ValueSource::CommandLine)
    });
    arguments.filter_map(|argument| argument.get_long()).map(|long| format!("--{long}")).next()
}

/// What a LiteRT file is made with.
pub fn options(args: &Args, export: ExportOptions) -> LitertOptions {
    LitertOptions { export, python: args.python.clone() }
}

/// Writes an ONNX file as LiteRT.
pub fn of_onnx(args: &Args, from: &str, path: &Path) -> anyhow::Result<Exit> {
    let export = ExportOptions {
        precision: args.precision.unwrap_or_default(),
        quantization: args.quantization()?,
        ..ExportOptions::default()
    };
    quantized::notes(args, &export);
    let options = options(args, export);
    let import = args.import.options(&args.lowering);
    let summary = export_onnx(Path::new(from), &import, args.batch, &options, path)?;
    quantized::write_report(args, summary.quantization.as_ref())?;
    if args.output.json {
        let (source, export) = (Some(from), &summary);
        let value = LitertJson { structure: None, source, export, initial_weights: None, latency: None };
        cli::print(&serde_json::to_string_pretty(&value)?);
    } else {
        cli::print(&cli::table(&lines(&summary)));
    }
    Ok(Exit::Done)
}

/// What was written, a line each.
pub fn lines(summary: &LitertSummary) -> Vec<(&'static str, String)> {
    let LitertSummary { path, bytes, operators, precision, verified, quantization } = summary;
    let size = *bytes as f64 / 1e6;
    let checked = match (verified.runtime, verified.largest_difference) {
        (Some(runtime), Some(difference)) => {
            format!(
                "read back; in {runtime} its outputs differ from the ONNX form's by {difference:.1e} of the largest"
            )
        }
        _ => format!("read back; not run, because tract has no {}", verified.not_run.join(", ")),
    };
    let kind = match precision {
        Precision::Fp16 => "fp16 (weights; computed in fp32 unless the runtime does otherwise)".to_owned(),
        other => other.to_string(),
    };
    let mut lines = vec![
        ("written to", format!("{}, {size:.1} MB, {operators} operators", path.display())),
        ("precision", kind),
        (if quantization.is_some() { "float file" } else { "checked" }, checked),
    ];
    if let Some(report) = quantization {
        let cosine = report.cosine.map_or_else(|| "unknown".to_owned(), |cosine| format!("{cosine:.5}"));
        let images = report.images;
        lines.extend([
            ("quantized by", report.quantizer.clone()),
            ("calibrated on", format!("{images} {}", report.calibration)),
            ("outputs", format!("cosine {cosine} to fp32, in LiteRT")),
            ("top-1", format!("the same class as fp32 on {} of {images}", report.top1_agreeing)),
        ]);
    }
    lines
}
