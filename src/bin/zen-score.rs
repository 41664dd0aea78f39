//! `zen-score`: score, cost and predicted latency of given structures.

use std::process::ExitCode;

use clap::Parser;
use serde_json::json;
use zen_nas::cli::{
    self, CompletionArgs, ComputeArgs, DatabaseArgs, Exit, LoweringArgs, NamedStructure, OpenTable, OutputArgs,
    Progress, SettingArgs,
};
use zen_nas::latency::{Prediction, Predictor};
use zen_nas::net::{Cost, Network};
use zen_nas::score::{Evaluator, PROXIES, Proxy, Sampling, find};

/// Prints score, cost and predicted latency of structures.
///
/// A structure is a string such as 'SuperConvK3BNRELU(3,16,2,1)SuperResIDWE1K7(16,40,2,40,1)';
/// a file holds one on each line. One bad structure does not stop the others.
#[derive(Parser)]
#[command(name = "zen-score", version, after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{}\n\n{}", proxies(), cli::exit_help()))]
struct Args {
    /// A structure, a file with one on each line, or - for stdin
    #[arg(value_name = "STRUCTURE|FILE", required_unless_present = "completions")]
    structures: Vec<String>,
    /// Proxies to print, separated by commas
    #[arg(long, value_name = "NAMES", default_value = "zen-closed", value_delimiter = ',')]
    proxy: Vec<String>,
    #[command(flatten)]
    compute: ComputeArgs,
    #[command(flatten)]
    setting: SettingArgs,
    #[command(flatten)]
    lowering: LoweringArgs,
    /// Leave the residual links out (the network that the Zen-score looks at)
    #[arg(long)]
    no_residual: bool,
    /// With one structure and a device: the most expensive operators and how each time is known
    #[arg(long, requires = "device")]
    explain: bool,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    completions: CompletionArgs,
}

const EXAMPLES: &str = "Examples:
  zen-score zen-runs/t4-5ms-1795519895/best.txt --device t4
  zen-score networks.txt --proxy zen-closed,params --resolution 32 --classes 10 --json
  zen-search --max-flops 400M --json | jq -r .structure | zen-score - --device pixel2";

fn proxies() -> String {
    let lines = PROXIES.iter().map(|proxy| format!("  {:<24} {}", proxy.name(), proxy.about()));
    format!("Proxies:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// Everything that is printed of one structure.
struct Row {
    structure: String,
    layers: u32,
    scores: Vec<(&'static str, f64)>,
    cost: Cost,
    latency: Option<Prediction>,
}

/// Operators shown by `--explain`.
const EXPLAINED: usize = 10;

fn main() -> ExitCode {
    let args = Args::parse();
    if args.completions.print::<Args>() {
        return Exit::Done.into();
    }
    cli::finish(score(&args))
}

fn score(args: &Args) -> anyhow::Result<Exit> {
    let proxies = args.proxy.iter().map(|name| find(name)).collect::<Result<Vec<_>, _>>()?;
    let opened = cli::open_table(&args.setting, &args.database)?;
    let predictor = opened.as_ref().map(|opened| &opened.predictor);
    let mut structures = Vec::new();
    for argument in &args.structures {
        structures.extend(cli::read_structures(argument)?);
    }
    let mut progress = Progress::new("score", structures.len() as u64, args.output.quiet);
    let mut evaluator = Evaluator::new(Sampling { compute: args.compute.open()?, ..Sampling::default() });
    let mut rows = Vec::new();
    for (i, structure) in structures.iter().enumerate() {
        progress.set(i as u64, String::new);
        match row(args, structure, &proxies, predictor, &mut evaluator) {
            Ok(row) => rows.push(row),
            Err(error) => eprintln!("error: {}{error}", structure.prefix()),
        }
    }
    progress.finish();
    if args.output.json {
        let rows: Vec<_> = rows.iter().map(to_json).collect();
        cli::print(&serde_json::to_string_pretty(&rows)?);
    } else if let [row] = &rows[..] {
        cli::print(&describe(row, opened.as_ref(), args.explain));
    } else if !rows.is_empty() {
        cli::print(&table(&rows, opened.as_ref()));
    }
    Ok(match (rows.len(), structures.len()) {
        (good, all) if good == all => Exit::Done,
        (0, _) => Exit::BadInput,
        _ => Exit::Partial,
    })
}

fn row(
    args: &Args,
    structure: &NamedStructure,
    proxies: &[&'static dyn Proxy],
    predictor: Option<&Predictor>,
    evaluator: &mut Evaluator,
) -> anyhow::Result<Row> {
    let network = Network::parse(&structure.text)?;
    let mut options = args.lowering.options();
    options.residual = !args.no_residual;
    let graph = network.lower(&options)?;
    let mut scores = Vec::new();
    for proxy in proxies {
        scores.push((proxy.name(), evaluator.evaluate(*proxy, &graph, &mut |_| ())?.score));
    }
    Ok(Row {
        structure: network.to_string(),
        layers: network.layers(),
        scores,
        cost: graph.cost(),
        latency: predictor.map(|predictor| predictor.predict(&graph)),
    })
}

fn to_json(row: &Row) -> serde_json::Value {
    let scores: serde_json::Map<_, _> =
        row.scores.iter().map(|(name, score)| ((*name).to_owned(), json!(score))).collect();
    json!({
        "structure": row.structure,
        "layers": row.layers,
        "scores": scores,
        "parameters": row.cost.parameters,
        "flops": row.cost.flops,
        "peak_activation_bytes": row.cost.peak_activation_bytes,
        "latency": row.latency,
    })
}

fn describe(row: &Row, opened: Option<&OpenTable>, explain: bool) -> String {
    let mut lines = vec![("structure", row.structure.clone())];
    for (i, (name, score)) in row.scores.iter().enumerate() {
        lines.push((if i == 0 { "score" } else { "" }, format!("{score:.3} ({name})")));
    }
    lines.extend(cli::cost_lines(row.layers, &row.cost));
    if let (Some(prediction), Some(opened)) = (&row.latency, opened) {
        lines.extend(cli::describe_latency(prediction, &opened.quality));
        if explain {
            let mut operators: Vec<_> = prediction.operators.iter().collect();
            operators.sort_by(|a, b| b.ms.total_cmp(&a.ms));
            for (i, operator) in operators.iter().take(EXPLAINED).enumerate() {
                let outside = if operator.extrapolated { ", outside the table" } else { "" };
                let text = format!("{:.4} ms  {}  ({}{outside})", operator.ms, operator.key, operator.evidence);
                lines.push((if i == 0 { "operators" } else { "" }, text));
            }
        }
    }
    cli::table(&lines)
}

fn table(rows: &[Row], opened: Option<&OpenTable>) -> String {
    let mut header: Vec<String> = rows[0].scores.iter().map(|(name, _)| (*name).to_owned()).collect();
    header.extend(["parameters", "multiply-adds", "layers"].map(str::to_owned));
    if let Some(opened) = opened {
        header.push(format!("ms per call on {}", opened.predictor.setting()));
        header.extend(["error", "evidence, by time"].map(str::to_owned));
    }
    header.push("structure".to_owned());
    let mut lines = vec![header];
    for row in rows {
        let mut cells: Vec<String> = row.scores.iter().map(|(_, score)| format!("{score:.3}")).collect();
        cells.extend([
            cli::human(row.cost.parameters as f64),
            cli::human(row.cost.flops as f64),
            row.layers.to_string(),
        ]);
        if let Some(prediction) = &row.latency {
            cells.push(format!("{:.3}", prediction.ms));
            cells.push(prediction.error.map_or("unknown".to_owned(), |error| format!("+-{:.1}%", error * 100.0)));
            cells.push(prediction.evidence.to_string());
        }
        cells.push(row.structure.clone());
        lines.push(cells);
    }
    let mut text = cli::columns(&lines);
    if let Some(opened) = opened {
        text.push_str(&format!("\ntable error of {}: {}", opened.predictor.setting(), opened.quality));
    }
    text
}
