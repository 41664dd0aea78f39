//! `zen-export`: a structure, with random or trained weights, as an ONNX file, a LiteRT file or a PyTorch module; an
//! ONNX file as a LiteRT file.

mod args;
mod format;
mod litert;
mod quantized;
mod training;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};
use zen_nas::cli::{self, Exit, OpenTable, Trial, json::ExportJson, json::LitertJson};
use zen_nas::latency::Precision;
use zen_nas::litert::LitertSummary;
use zen_nas::net::{Graph, Header, Network};
use zen_nas::onnx::{Batch, ExportOptions, ExportSummary, Weights, export_with_progress};
use zen_nas::search::run::{header_metadata, latency_metadata};

use args::Args;
use format::Format;

fn main() -> ExitCode {
    let mut command = Args::command();
    let given = command.get_matches_mut();
    let args = Args::from_arg_matches(&given).unwrap_or_else(|error| error.format(&mut command).exit());
    if args.completions.print::<Args>() {
        return Exit::Done.into();
    }
    let format = match args.model_format() {
        Ok(format) => format,
        Err(reason) => command.error(ErrorKind::ValueValidation, reason).exit(),
    };
    if format.is_none()
        && let Some(argument) = args::without_meaning_in_python(&command, &given)
    {
        let reason = format!("{argument} says nothing about the files that are to be written");
        command.error(ErrorKind::ArgumentConflict, reason).exit();
    }
    let only_for_int8 = args::only_for_int8(&command, &given);
    if let Some(file) = args.structure.as_deref().filter(|structure| cli::is_model(structure)) {
        return onnx_file(&args, file, format, &mut command, &given);
    }
    if given.contains_id("channels") {
        command.error(ErrorKind::ArgumentConflict, "--channels is for ONNX files").exit();
    }
    cli::finish(write(&args, format, only_for_int8.as_deref()))
}

/// Writes an ONNX file as LiteRT.
fn onnx_file(
    args: &Args,
    file: &str,
    format: Option<Format>,
    command: &mut clap::Command,
    given: &clap::ArgMatches,
) -> ExitCode {
    let conflict = |command: &mut clap::Command, reason: String| -> ! {
        command.error(ErrorKind::ArgumentConflict, reason).exit()
    };
    let Some(path) = args.path.as_deref().filter(|_| format == Some(Format::Litert)) else {
        conflict(command, format!("{file} is an ONNX file, which is written as LiteRT only (-o network.tflite)"));
    };
    if let Some(argument) = litert::without_meaning(command, given) {
        conflict(command, format!("{argument} is for structures, and {file} is an ONNX file"));
    }
    let only_for_int8 = args::only_for_int8(command, given);
    if let Some(argument) = only_for_int8.filter(|_| args.precision != Some(Precision::Int8)) {
        conflict(command, format!("{argument} is for --precision int8"));
    }
    cli::finish(litert::of_onnx(args, file, path))
}

/// Writes what was asked for; `only_for_int8` is an option that only an int8 model has a use for.
fn write(args: &Args, format: Option<Format>, only_for_int8: Option<&str>) -> anyhow::Result<Exit> {
    let Some(structure) = &args.structure else {
        anyhow::bail!("a structure is needed");
    };
    let (found, structures) = cli::read_structure(structure, args.rank)?;
    if structures > 1 && args.rank.is_none() {
        args.output.note(format!("note: {structure} holds {structures} structures, the first is exported (--rank)"));
        args.output.note(format!("note: {}", found.origin));
    }
    let weights = match &args.weights {
        Some(file) => Weights::load(file)?,
        None => Weights::seeded(args.seed),
    };
    // What the structure leaves open its weights may say.
    let header = weights.header().map_or_else(|| found.header.clone(), |trained| found.header.clone().or(trained));
    let precision = precision(args, format, &header)?;
    if let Some(argument) = only_for_int8.filter(|_| precision != Precision::Int8) {
        let reason = format!("{argument} is for --precision int8");
        Args::command().error(ErrorKind::ArgumentConflict, reason).exit();
    }
    args.lowering.tell([(found.origin.as_str(), &header)], &args.output);
    let mut options = args.lowering.options_for(&header);
    options.residual &= !args.no_residual;
    if let Some(note) = weights.check_use(&options)? {
        args.output.note(format!("note: {note}"));
    }
    let network = Network::parse(&found.text)?;
    let graph = network.lower(&options)?;
    let table = open_table(args, &header, &graph)?;
    if format.is_none() {
        return training::write(args, &network, &options, &graph, table.as_ref());
    }
    let Some(path) = &args.path else {
        anyhow::bail!("a file to write is needed");
    };
    let prediction = table.as_ref().map(|table| table.predictor.predict(&graph));
    let setting = match (&prediction, &args.table.device) {
        (Some(prediction), _) => Some(prediction.setting.id()),
        (None, None) => header.setting,
        (None, Some(_)) => None,
    };
    let mut metadata = header_metadata(&Header { setting, ..Header::of(&options) });
    metadata.extend(prediction.iter().flat_map(latency_metadata));
    let export_options = ExportOptions {
        batch: args.batch.map_or(Batch::Symbolic, Batch::Fixed),
        precision,
        interface: args.interface()?,
        quantization: args.quantization()?,
        structure: Some(network.to_string()),
        metadata,
    };
    quantized::notes(args, &export_options);
    let (summary, mut lines) = match format {
        Some(Format::Litert) => {
            let options = litert::options(args, export_options);
            let summary = zen_nas::litert::export(&graph, &weights, &options, path)?;
            quantized::write_report(args, summary.quantization.as_ref())?;
            let lines = litert::lines(&summary);
            (Written::Litert(summary), lines)
        }
        _ => onnx(args, &graph, &weights, &export_options, path)?,
    };
    let initial = training::initial_weights(args, &network, &options, &graph)?;
    if args.output.json {
        let (initial_weights, latency) = (initial.as_ref(), prediction.as_ref());
        let structure = network.to_string();
        cli::print(&match &summary {
            Written::Onnx(export) => {
                serde_json::to_string_pretty(&ExportJson { structure, export, initial_weights, latency })?
            }
            Written::Litert(export) => {
                let structure = Some(structure);
                let value = LitertJson { structure, source: None, export, initial_weights, latency };
                serde_json::to_string_pretty(&value)?
            }
        });
    } else {
        lines.insert(1, ("weights", weights.description().to_owned()));
        lines.extend(initial.as_ref().map(training::initial_line));
        lines.extend(cli::cost_lines(network.layers(), &graph.cost()));
        if let (Some(prediction), Some(table)) = (&prediction, &table) {
            lines.extend(cli::describe_latency(prediction, &table.quality));
        }
        cli::print(&cli::table(&lines));
    }
    Ok(Exit::Done)
}

/// A file that was written.
enum Written {
    Onnx(ExportSummary),
    Litert(LitertSummary),
}

/// Writes an ONNX file: what it is for programs, and lines for people.
fn onnx(
    args: &Args,
    graph: &Graph,
    weights: &Weights,
    options: &ExportOptions,
    path: &Path,
) -> anyhow::Result<(Written, Vec<(&'static str, String)>)> {
    let mut progress = cli::Progress::shares("calibrating and comparing", args.output.quiet);
    let on_share = &mut |share| progress.set_share(share, String::new);
    let summary = export_with_progress(graph, weights, options, path, on_share)?;
    progress.finish();
    quantized::write_report(args, summary.quantization.as_ref())?;
    let mut checked = summary.verified.runtime.clone();
    checked.push_str(match options.precision {
        Precision::Fp32 => "",
        Precision::Fp16 => ", computing in fp32",
        Precision::Int8 => ", computing in fp32 between the roundings to integers",
    });
    let mut lines = vec![
        ("written to", format!("{}, {:.1} MB, {} nodes", path.display(), summary.bytes as f64 / 1e6, summary.nodes)),
        ("precision", options.precision.to_string()),
        ("checked in", checked),
    ];
    if let Some(report) = &summary.quantization {
        lines.extend(quantized::lines(report));
        if !args.output.json {
            cli::print(&quantized::layers(report));
            cli::print("");
        }
    }
    Ok((Written::Onnx(summary), lines))
}

/// The precision of the file: what an option says, else that of the setting that the network was searched for. Int8
/// takes images to calibrate on, so it is not taken without them.
fn precision(args: &Args, format: Option<Format>, header: &Header) -> anyhow::Result<Precision> {
    let implied = if args.table.device.is_none() { cli::query_of(header)? } else { None };
    let implied = implied.and_then(|query| query.precision).unwrap_or_default();
    let setting = header.setting.as_deref().unwrap_or_default();
    match (args.precision, implied) {
        (Some(precision), _) => return Ok(precision),
        // A Python file has no precision.
        _ if format.is_none() => return Ok(Precision::Fp32),
        (None, Precision::Fp32) => {}
        (None, Precision::Int8) if args.calibration.is_none() => {
            let way = "--precision int8 --calibration IMAGES makes it so";
            args.output.note(format!("note: written in fp32, although {setting} is in int8: {way}"));
            return Ok(Precision::Fp32);
        }
        (None, precision) => {
            args.output.note(format!("note: written in {precision}, as {setting} says (--precision fp32 for float32)"));
        }
    }
    Ok(implied)
}

/// The latency table of the options, else that of the network's run or file, if it can be opened.
fn open_table(args: &Args, header: &Header, graph: &Graph) -> anyhow::Result<Option<OpenTable>> {
    let trial = Trial::of_earlier(&args.database, &args.output);
    if let Some(query) = args.query() {
        return cli::open_table(Some(&query), &[graph], &trial)
            .context("the latency table (--table-precision chooses its precision)");
    }
    let opened = cli::open_table(cli::query_of(header)?.as_ref(), &[graph], &trial);
    Ok(opened.unwrap_or_else(|error| {
        args.output.note(format!("note: no latency: {error}"));
        None
    }))
}
