//! `zen-export`: a structure, with random or trained weights, as an ONNX file; or as a PyTorch module.

mod args;
mod quantized;
mod training;

use std::process::ExitCode;

use anyhow::Context;
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};
use serde_json::json;
use zen_nas::cli::{self, Exit, Trial};
use zen_nas::latency::Precision;
use zen_nas::net::Network;
use zen_nas::onnx::{Batch, ExportOptions, Weights, export_with_progress};
use zen_nas::search::run::latency_metadata;

use args::Args;

fn main() -> ExitCode {
    let mut command = Args::command();
    let given = command.get_matches_mut();
    let args = Args::from_arg_matches(&given).unwrap_or_else(|error| error.format(&mut command).exit());
    if args.completions.print::<Args>() {
        return Exit::Done.into();
    }
    if !args.writes_onnx()
        && let Some(argument) = args::without_meaning_in_python(&command, &given)
    {
        let reason = format!("{argument} says nothing about the files that are to be written");
        command.error(ErrorKind::ArgumentConflict, reason).exit();
    }
    if args.precision != Some(Precision::Int8)
        && let Some(argument) = args::only_for_int8(&command, &given)
    {
        command.error(ErrorKind::ArgumentConflict, format!("{argument} is for --precision int8")).exit();
    }
    cli::finish(write(&args))
}

fn write(args: &Args) -> anyhow::Result<Exit> {
    let Some(structure) = &args.structure else {
        anyhow::bail!("a structure is needed");
    };
    let structures = cli::read_structures(structure)?;
    if let [first, _, ..] = &structures[..] {
        args.output.note(format!("note: {structure} holds {} structures, the first is exported", structures.len()));
        args.output.note(format!("note: {}", first.origin));
    }
    let network = Network::parse(&structures[0].text)?;
    let mut options = args.lowering.options();
    options.residual = !args.no_residual;
    let graph = network.lower(&options)?;
    if !args.writes_onnx() {
        return training::write(args, &network, &options, &graph);
    }
    let Some(path) = &args.path else {
        anyhow::bail!("a file to write is needed");
    };
    let weights = match &args.weights {
        Some(file) => Weights::load(file)?,
        None => Weights::seeded(args.seed),
    };
    let mut metadata = vec![("squeeze_excite".to_owned(), args.lowering.squeeze_excite.to_string())];
    let table = cli::open_table(args.query().as_ref(), &[&graph], &Trial::of_earlier(&args.database, &args.output))
        .context("the latency table (--table-precision chooses its precision)")?;
    let prediction = table.as_ref().map(|table| table.predictor.predict(&graph));
    metadata.extend(prediction.iter().flat_map(latency_metadata));
    let export_options = ExportOptions {
        batch: args.batch.map_or(Batch::Symbolic, Batch::Fixed),
        precision: args.precision.unwrap_or_default(),
        interface: args.interface()?,
        quantization: args.quantization()?,
        structure: Some(network.to_string()),
        metadata,
    };
    quantized::notes(args, &export_options);
    let mut progress = cli::Progress::shares("calibrating and comparing", args.output.quiet);
    let on_share = &mut |share| progress.set_share(share, String::new);
    let summary = export_with_progress(&graph, &weights, &export_options, path, on_share)?;
    progress.finish();
    quantized::write_report(args, &summary)?;
    let initial = training::initial_weights(args, &network, &graph)?;
    if args.output.json {
        let value = json!({ "structure": network.to_string(), "export": summary, "initial_weights": initial, "latency": prediction });
        cli::print(&serde_json::to_string_pretty(&value)?);
    } else {
        let mut checked = summary.verified.runtime.clone();
        checked.push_str(match export_options.precision {
            Precision::Fp32 => "",
            Precision::Fp16 => ", computing in fp32",
            Precision::Int8 => ", computing in fp32 between the roundings to integers",
        });
        let mut lines = vec![
            (
                "written to",
                format!("{}, {:.1} MB, {} nodes", path.display(), summary.bytes as f64 / 1e6, summary.nodes),
            ),
            ("weights", weights.description().to_owned()),
            ("precision", export_options.precision.to_string()),
            ("checked in", checked),
        ];
        lines.extend(initial.as_ref().map(training::initial_line));
        lines.extend(cli::cost_lines(network.layers(), &graph.cost()));
        if let (Some(prediction), Some(table)) = (&prediction, &table) {
            lines.extend(cli::describe_latency(prediction, &table.quality));
        }
        if let Some(report) = &summary.quantization {
            lines.extend(quantized::lines(report));
            cli::print(&quantized::layers(report));
            cli::print("");
        }
        cli::print(&cli::table(&lines));
    }
    Ok(Exit::Done)
}
