//! What int8 cost, for people.

use anyhow::Context;
use zen_nas::cli;
use zen_nas::latency::Precision;
use zen_nas::onnx::{Calibration, ExportOptions, InputForm, QuantizationReport};

use crate::args::Args;

/// Says what was assumed about calibration images.
pub fn notes(args: &Args, options: &ExportOptions) {
    if options.precision != Precision::Int8 {
        return;
    }
    match options.quantization.calibration {
        // Printed even when quiet: the model may be useless.
        Calibration::Random { .. } => eprintln!(
            "WARNING: calibrated on RANDOM inputs. Ranges of real images differ, and accuracy may be lost; give a \
             hundred or more images with --calibration"
        ),
        Calibration::Images { .. } => {
            let prepared = match (options.interface.input, &options.interface.normalization) {
                (InputForm::Uint8Nhwc, _) => "given as bytes",
                (InputForm::FloatNchw, Some(_)) => "given as values from 0 to 1",
                (InputForm::FloatNchw, None) => {
                    "normalised as for ImageNet (--normalize puts a normalisation into the model)"
                }
            };
            args.output.note(format!(
                "note: the shorter side of each image is scaled to 8/7 of the resolution, its middle is taken and {prepared}"
            ));
        }
        Calibration::Tensors { .. } => {}
    }
}

/// Writes the report of an int8 model, if it is asked for.
pub fn write_report(args: &Args, report: Option<&impl serde::Serialize>) -> anyhow::Result<()> {
    let (Some(path), Some(report)) = (&args.report, report) else { return Ok(()) };
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    zen_nas::files::write(path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

/// The whole, a line each.
pub fn lines(report: &QuantizationReport) -> Vec<(&'static str, String)> {
    let QuantizationReport { images, top1_agreeing, method, .. } = report;
    let images_are = match report.calibration {
        "images" | "tensors" => format!("{images} {}", report.calibration),
        other => format!("{images} {}", other.to_uppercase()),
    };
    let cosine = report.logits_cosine.map_or_else(|| "unknown".to_owned(), |cosine| format!("{cosine:.5}"));
    vec![
        ("integers for", report.quantized_for.to_string()),
        ("calibrated on", format!("{images_are}, {method}")),
        ("logits", format!("{} dB above the noise, cosine {cosine} to fp32", decibels(report.logits_snr_db))),
        (
            "top-1",
            format!("the same class as fp32 on {top1_agreeing} of {images} ({:.1}%)", 100.0 * report.top1_agreement),
        ),
    ]
}

/// A table of the tensors that became integers.
pub fn layers(report: &QuantizationReport) -> String {
    let heads = ["SNR dB", "from", "to", "scale", "zero", "operation", "tensor"].map(str::to_owned).to_vec();
    let rows = report.layers.iter().map(|layer| {
        vec![
            decibels(layer.snr_db),
            format!("{:.4}", layer.range.low),
            format!("{:.4}", layer.range.high),
            format!("{:.3e}", layer.scale.scale),
            layer.scale.zero_point.to_string(),
            layer.operation.clone().unwrap_or_else(|| "input".to_owned()),
            layer.tensor.clone(),
        ]
    });
    cli::columns(&std::iter::once(heads).chain(rows).collect::<Vec<_>>())
}

fn decibels(decibels: Option<f64>) -> String {
    decibels.map_or_else(|| "exact".to_owned(), |decibels| format!("{decibels:.1}"))
}
