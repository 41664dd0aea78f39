//! `zen-export`: a structure, with random or trained weights, as an ONNX file.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use serde_json::json;
use zen_nas::cli::{self, CompletionArgs, DatabaseArgs, Exit, LoweringArgs, OutputArgs, SettingArgs, count};
use zen_nas::net::Network;
use zen_nas::onnx::{Batch, ExportOptions, Weights, export};
use zen_nas::search::run::latency_metadata;

/// Writes a structure as an ONNX file that onnxruntime, TensorRT and mobile converters accept.
///
/// Batch norms are folded into their convolutions. The file is loaded and run before it appears;
/// if that fails there is none.
#[derive(Parser)]
#[command(name = "zen-export", version, after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{}", cli::exit_help()))]
struct Args {
    /// A structure, or a file with one (- for stdin)
    #[arg(value_name = "STRUCTURE|FILE", required_unless_present = "completions")]
    structure: Option<String>,
    /// File to write
    #[arg(long = "output", short = 'o', value_name = "FILE", required_unless_present = "completions")]
    path: Option<PathBuf>,
    /// Weights: safetensors, or a PyTorch checkpoint (.pth) with the published names [default: random]
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Seed of random weights
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "weights")]
    seed: u64,
    /// Fix the batch instead of leaving it symbolic
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    batch: Option<u32>,
    #[command(flatten)]
    lowering: LoweringArgs,
    /// Leave the residual links out
    #[arg(long)]
    no_residual: bool,
    /// Predicts a latency that is written into the file's metadata
    #[command(flatten)]
    setting: SettingArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    completions: CompletionArgs,
}

const EXAMPLES: &str = "Examples:
  zen-export best.txt -o network.onnx
  zen-export best.txt --weights trained.safetensors --classes 100 -o network.onnx
  zen-export 'SuperConvK3BNRELU(3,16,2,1)SuperResK3K3(16,32,2,16,1)' --resolution 96 --batch 1 -o small.onnx";

fn main() -> ExitCode {
    let args = Args::parse();
    if args.completions.print::<Args>() {
        return Exit::Done.into();
    }
    cli::finish(write(&args))
}

fn write(args: &Args) -> anyhow::Result<Exit> {
    let (Some(structure), Some(path)) = (&args.structure, &args.path) else {
        anyhow::bail!("a structure and --output are needed");
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
    let weights = match &args.weights {
        Some(file) => Weights::load(file)?,
        None => Weights::seeded(args.seed),
    };
    let mut metadata = vec![("squeeze_excite".to_owned(), args.lowering.squeeze_excite.to_string())];
    let table = cli::open_table(&args.setting, &args.database)?;
    let prediction = table.as_ref().map(|table| table.predictor.predict(&graph));
    metadata.extend(prediction.iter().flat_map(latency_metadata));
    let export_options = ExportOptions {
        batch: args.batch.map_or(Batch::Symbolic, Batch::Fixed),
        structure: Some(network.to_string()),
        metadata,
    };
    let summary = export(&graph, &weights, &export_options, path)?;
    if args.output.json {
        let value = json!({ "structure": network.to_string(), "export": summary, "latency": prediction });
        cli::print(&serde_json::to_string_pretty(&value)?);
    } else {
        let mut lines = vec![
            (
                "written to",
                format!("{}, {:.1} MB, {} nodes", path.display(), summary.bytes as f64 / 1e6, summary.nodes),
            ),
            ("weights", weights.description().to_owned()),
            ("checked in", summary.verified.runtime.clone()),
        ];
        lines.extend(cli::cost_lines(network.layers(), &graph.cost()));
        if let (Some(prediction), Some(table)) = (&prediction, &table) {
            lines.extend(cli::describe_latency(prediction, &table.quality));
        }
        cli::print(&cli::table(&lines));
    }
    Ok(Exit::Done)
}
