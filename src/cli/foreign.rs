//! ONNX files, for people: which argument is such a file, the options to read it with, and what is printed of it.

use std::io::Read;
use std::path::Path;

use clap::Args;

use super::lowering::LoweringArgs;
use super::number::count;
use super::options::OpenTable;
use super::print::activations;
use super::print::{columns, describe_latency, human, table};
use super::scores::with_error;
use crate::latency::{Gap, Gaps, OperatorPrediction, Prediction};
use crate::net::Cost;
use crate::onnx::import::ImportOptions;
use crate::report::scores::ForeignNetwork;

/// What an ONNX file leaves open, beside what a structure does.
#[derive(Args, Clone, Copy, Debug)]
pub struct ImportArgs {
    /// Channels of the image of an ONNX file that leaves them open [default: 3]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub channels: Option<u32>,
}

impl ImportArgs {
    /// With the resolution, if one was asked for.
    pub fn options(self, lowering: &LoweringArgs) -> ImportOptions {
        ImportOptions { resolution: lowering.resolution.map(|side| [side; 2]), channels: self.channels }
    }
}

/// Operators shown by `--explain`.
const EXPLAINED: usize = 10;
/// Kinds named in one line.
const NAMED: usize = 6;
/// First byte of an ONNX file as exporters write it: its field `ir_version`. No text begins with it.
const ONNX_FIRST_BYTE: u8 = 0x08;

/// Endings of model files.
const MODEL_ENDINGS: [&str; 2] = ["onnx", "tflite"];

/// Whether an argument names a model file, ONNX or LiteRT: by its ending, else as ONNX by its first byte.
pub fn is_model(argument: &str) -> bool {
    if argument.contains('(') || argument == "-" {
        return false;
    }
    if Path::new(argument)
        .extension()
        .is_some_and(|ending| MODEL_ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
    {
        return true;
    }
    let mut first = [0];
    let read = std::fs::File::open(argument).and_then(|mut file| file.read_exact(&mut first));
    read.is_ok() && first[0] == ONNX_FIRST_BYTE
}

/// One file's network, a line for each figure; `explain` adds the slowest operators.
pub fn describe_foreign(network: &ForeignNetwork, opened: Option<&OpenTable>, explain: bool) -> String {
    let ForeignNetwork { name, file, producer, opset, operators, cost, .. } = network;
    let writer = if producer.is_empty() { "an unnamed program".to_owned() } else { producer.clone() };
    let form = opset.map_or_else(|| "LiteRT".to_owned(), |opset| format!("opset {opset}"));
    let mut lines = vec![
        ("network", format!("{name}, from {file}, written by {writer}, {form}")),
        ("image", format!("{} (channels x height x width)", network.input)),
    ];
    let mut label = "score";
    for (proxy, scored) in &network.scores {
        let text = match scored {
            Some(scored) => format!("{} ({proxy})", with_error(&scored.evaluation)),
            None => format!("none ({proxy} needs a structure string; ONNX files are only timed)"),
        };
        lines.push((label, text));
        label = "";
    }
    lines.extend(costs(cost));
    lines.push(("operators", format!("{operators} before fusion")));
    if let (Some(prediction), Some(opened)) = (&network.latency, opened) {
        lines.extend(describe_latency(prediction, &opened.quality));
        lines.extend(network.gaps.as_ref().map(gap_lines).unwrap_or_default());
        if explain {
            lines.extend(slowest(prediction));
        }
    }
    table(&lines)
}

fn costs(cost: &Cost) -> [(&'static str, String); 3] {
    [
        ("parameters", human(cost.parameters as f64)),
        ("FLOPs", format!("{} multiply-adds per image", human(cost.flops as f64))),
        ("activations", activations(cost.peak_activation_bytes as f64)),
    ]
}

/// Lines on what a prediction does not know; they are there where everything is known, too.
pub fn gap_lines(gaps: &Gaps) -> Vec<(&'static str, String)> {
    let percent = |share: f64| format!("{:.1}%", share * 100.0);
    let mut lines = Vec::new();
    if gaps.without_evidence.is_empty() {
        lines.push((
            "not measured",
            "0% of the predicted time: rows or whole networks stand behind operators of every kind".to_owned(),
        ));
    } else {
        let share = percent(gaps.without_evidence_share);
        let kinds = list(&gaps.without_evidence);
        let text = format!("{share} of the predicted time comes from operators the table has no data for: {kinds}");
        lines.push(("NOT MEASURED", format!("{text}; error and interval are those of the rest")));
    }
    if gaps.approximated.is_empty() {
        lines.push(("approximated", "0% of the predicted time".to_owned()));
    }
    for (i, gap) in gaps.approximated.iter().enumerate() {
        let whole = format!("{} of the predicted time: ", percent(gaps.approximated_share));
        let text = gap.approximation.unwrap_or_default();
        let (what, share) = (counted(gap), percent(gap.time_share));
        lines.push(match i {
            0 => ("APPROXIMATED", format!("{whole}{what}, {share} ({text})")),
            _ => ("", format!("{what}, {share} ({text})")),
        });
    }
    if !gaps.without_time.is_empty() {
        let kinds = kinds(&gaps.without_time);
        lines
            .push(("NO TIME", format!("the formula has no term for {kinds}: other terms cover them, or nothing does")));
    }
    if gaps.merged > 0 {
        let count = gaps.merged;
        lines.push((
            "merged",
            format!("the runtime ran {count} operators inside their neighbours, whose times include them"),
        ));
    }
    lines
}

fn counted(gap: &Gap) -> String {
    if gap.operators == 1 { gap.what.clone() } else { format!("{} x {}", gap.operators, gap.what) }
}

fn kinds(gaps: &[Gap]) -> String {
    gaps.iter().map(counted).collect::<Vec<_>>().join(", ")
}

/// Kinds with their shares.
fn list(gaps: &[Gap]) -> String {
    let text = |gap: &Gap| format!("{} {:.1}%", counted(gap), gap.time_share * 100.0);
    let mut texts: Vec<String> = gaps.iter().take(NAMED).map(text).collect();
    if gaps.len() > NAMED {
        texts.push(format!("and {} more kinds", gaps.len() - NAMED));
    }
    texts.join(", ")
}

/// The slowest operators, in columns: time, share, node, operator, how it is known.
fn slowest(prediction: &Prediction) -> Vec<(&'static str, String)> {
    let whole_ms: f64 = prediction.operators.iter().map(|operator| operator.ms).sum();
    let mut operators: Vec<&OperatorPrediction> = prediction.operators.iter().collect();
    operators.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    operators.truncate(EXPLAINED);
    let node = |operator: &OperatorPrediction| operator.name.clone().unwrap_or_else(|| "(unnamed)".to_owned());
    let width = |text: &dyn Fn(&OperatorPrediction) -> String| {
        operators.iter().map(|operator| text(operator).chars().count()).max().unwrap_or(0)
    };
    let what = |operator: &OperatorPrediction| operator.key.to_string();
    let (nodes, whats) = (width(&node), width(&what));
    let line = |operator: &OperatorPrediction| {
        let share = 100.0 * operator.ms / whole_ms.max(f64::MIN_POSITIVE);
        let (node, what) = (node(operator), what(operator));
        format!("{:9.4} ms  {share:5.1}%  {node:nodes$}  {what:whats$}  {}", operator.ms, known(operator))
    };
    let label = |i: usize| if i == 0 { "slowest" } else { "" };
    operators.iter().enumerate().map(|(i, operator)| (label(i), line(operator))).collect()
}

/// How an operator's time was known.
fn known(operator: &OperatorPrediction) -> String {
    let mut text = format!("{}, by {}", operator.evidence, operator.basis.words());
    if operator.without_evidence {
        text.push_str(", NOT MEASURED");
    } else if operator.extrapolated {
        text.push_str(", outside the table");
    }
    if let Some(approximation) = operator.approximation {
        text.push_str(&format!(
            "; {}{approximation}",
            operator.operation.as_ref().map_or(String::new(), |operation| { format!("{operation}: ") })
        ));
    }
    text
}

/// Many files, a line each.
pub fn foreign_table(networks: &[ForeignNetwork]) -> String {
    let latency = networks.iter().find_map(|network| network.latency.as_ref());
    let mut header = ["parameters", "multiply-adds"].map(str::to_owned).to_vec();
    if let Some(prediction) = latency {
        header.push(format!("ms per call on {}", prediction.setting));
        header
            .extend(["error", "not measured", "approximated", "without time", "evidence, by time"].map(str::to_owned));
    }
    header.push("file".to_owned());
    let mut lines = vec![header];
    for network in networks {
        let mut cells = vec![human(network.cost.parameters as f64), human(network.cost.flops as f64)];
        if let (Some(prediction), Some(gaps)) = (&network.latency, &network.gaps) {
            cells.push(format!("{:.3}", prediction.ms));
            cells.push(prediction.error.map_or("unknown".to_owned(), |error| format!("+-{:.1}%", error * 100.0)));
            cells.extend([gaps.without_evidence_share, gaps.approximated_share].map(|s| format!("{:.1}%", s * 100.0)));
            let without_time: usize = gaps.without_time.iter().map(|gap| gap.operators).sum();
            cells.push(format!("{without_time} of {}", prediction.operators.len()));
            cells.push(prediction.evidence.to_string());
        }
        cells.push(network.file.clone());
        lines.push(cells);
    }
    columns(&lines)
}
