//! The files to train with: a PyTorch module, initial weights.

use zen_nas::cli::{self, Exit, OpenTable, json::ModuleJson};
use zen_nas::net::{Graph, HEADER_KEY, Header, LowerOptions, Network};
use zen_nas::onnx::Weights;
use zen_nas::onnx::weights::SavedWeights;
use zen_nas::pytorch::write_module;

use crate::args::Args;

/// Writes the module, the initial weights, or both.
pub fn write(
    args: &Args,
    network: &Network,
    options: &LowerOptions,
    graph: &Graph,
    table: Option<&OpenTable>,
) -> anyhow::Result<Exit> {
    let prediction = table.map(|table| table.predictor.predict(graph));
    let module = args.path.as_ref().map(|path| write_module(network, options, path)).transpose()?;
    let initial = initial_weights(args, network, options, graph)?;
    if args.output.json {
        let value = ModuleJson {
            structure: network.to_string(),
            module: module.as_ref(),
            initial_weights: initial.as_ref(),
            latency: prediction.as_ref(),
        };
        cli::print(&serde_json::to_string_pretty(&value)?);
    } else {
        let module = module.map(|module| ("written to", format!("{}, a PyTorch module", module.path.display())));
        let mut lines: Vec<_> = module.into_iter().chain(initial.as_ref().map(initial_line)).collect();
        lines.extend(cli::cost_lines(network.layers(), &graph.cost()));
        if let (Some(prediction), Some(table)) = (&prediction, table) {
            lines.extend(cli::describe_latency(prediction, &table.quality));
        }
        cli::print(&cli::table(&lines));
    }
    Ok(Exit::Done)
}

/// Writes the weights of the seed as safetensors, if they are asked for.
pub fn initial_weights(
    args: &Args,
    network: &Network,
    options: &LowerOptions,
    graph: &Graph,
) -> anyhow::Result<Option<SavedWeights>> {
    let Some(path) = &args.init_weights else { return Ok(None) };
    let (structure, made_for) = (network.to_string(), Header::of(options).to_string());
    let metadata = [("structure", structure.as_str()), (HEADER_KEY, &made_for)];
    Ok(Some(Weights::seeded(args.seed).save(graph, &metadata, path)?))
}

/// The weights that were written, for people.
pub fn initial_line(saved: &SavedWeights) -> (&'static str, String) {
    let text = format!(
        "{}, {:.1} MB, {} ({} tensors)",
        saved.path.display(),
        saved.bytes as f64 / 1e6,
        saved.weights,
        saved.tensors
    );
    ("initial weights", text)
}
