//! PyTorch: a network as one Python file, to be trained.
//!
//! [`module_text`] fills the templates beside this file, with the functions of the block families that the network uses
//! (`net/block/*.py`): they are the same for every network, its super-blocks are a list of arguments. The state dict has
//! the published names, so weights come back through [`onnx::Weights`](crate::onnx::Weights). Not here: weights, training
//! (`docs/guide/train.py`).

mod error;
mod literal;

use std::path::{Path, PathBuf};

pub use error::PytorchError;

use crate::files;
use crate::net::block::{FAMILIES, Family};
use crate::net::{BATCH_NORM_EPSILON, Cost, LowerOptions, Network, SuperBlock};

/// What was written.
#[derive(Clone, Debug, serde::Serialize, schemars::JsonSchema)]
pub struct ModuleSummary {
    pub path: PathBuf,
    /// Size of the file.
    pub bytes: u64,
    /// Trainable parameters, as [`Graph::cost`](crate::net::Graph::cost) counts them.
    pub parameters: u64,
}

/// Writes [`module_text`] to `path`, whole or not at all.
///
/// # Errors
/// When the options do not fit the network or the file cannot be written.
pub fn write_module(network: &Network, options: &LowerOptions, path: &Path) -> Result<ModuleSummary, PytorchError> {
    let cost = network.lower(options)?.cost();
    let text = text(network, options, &cost);
    files::write(path, text.as_bytes()).map_err(|source| PytorchError::Write { path: path.to_owned(), source })?;
    Ok(ModuleSummary { path: path.to_owned(), bytes: text.len() as u64, parameters: cost.parameters })
}

/// A Python file with the class `ZenNet`: the network as a `torch.nn.Module` (PyTorch 1.13 or
/// newer, no other package), and functions that read weights.
///
/// # Errors
/// When the options do not fit the network.
pub fn module_text(network: &Network, options: &LowerOptions) -> Result<String, PytorchError> {
    Ok(text(network, options, &network.lower(options)?.cost()))
}

fn text(network: &Network, options: &LowerOptions, cost: &Cost) -> String {
    let value = |key: &str| match key {
        "VERSION" => env!("CARGO_PKG_VERSION").to_owned(),
        "PARAMETERS" => cost.parameters.to_string(),
        "FLOPS" => cost.flops.to_string(),
        "OPTIONS" => command_options(options),
        "STRUCTURE" => structure_lines(network),
        "RESOLUTION" => options.resolution.to_string(),
        "CLASSES" => options.classes.to_string(),
        "SQUEEZE_EXCITE" => literal::boolean(options.squeeze_excite).to_owned(),
        "RESIDUAL_LINKS" => literal::boolean(options.residual).to_owned(),
        "EPSILON" => BATCH_NORM_EPSILON.to_string(),
        "BLOCKS" => network.blocks().iter().map(block_line).collect::<Vec<_>>().join("\n"),
        _ => unreachable!("no template asks for {key}"),
    };
    let used = |family: &&&Family| network.blocks().iter().any(|block| block.kind.family().name == family.name);
    let mut text = fill(include_str!("template/head.py"), value);
    text.push_str(include_str!("template/layers.py"));
    for family in FAMILIES.iter().filter(used) {
        text.push_str(family.python.text);
    }
    text.push_str(&fill(include_str!("template/blocks.py"), value));
    text.push_str(include_str!("template/network.py"));
    text
}

/// Replaces every `@KEY@`. One pass, so that no value is taken for a key.
fn fill(template: &str, value: impl Fn(&str) -> String) -> String {
    let parts = template.split('@').enumerate();
    parts.map(|(i, part)| if i % 2 == 0 { part.to_owned() } else { value(part) }).collect()
}

/// The options of `zen-export` that belong to the network.
fn command_options(options: &LowerOptions) -> String {
    let mut text = format!("--resolution {} --classes {}", options.resolution, options.classes);
    for (wanted, flag) in [(options.squeeze_excite, " --squeeze-excite"), (!options.residual, " --no-residual")] {
        text.push_str(if wanted { flag } else { "" });
    }
    text
}

/// The structure string, a literal for each super-block.
fn structure_lines(network: &Network) -> String {
    // A block name has no parentheses, so each one closed ends a super-block.
    let text = network.to_string();
    let lines: Vec<_> = text.split_inclusive(')').map(|block| format!("    {}", literal::string(block))).collect();
    lines.join("\n")
}

/// A super-block as arguments of the Python class `SuperBlock`.
fn block_line(block: &SuperBlock) -> String {
    let (family, block_type) = (block.kind.family(), block.kind.block_type());
    let mut line = format!("    dict(layer={}, kernel={}", family.python.function, block_type.kernel);
    if family.types.iter().any(|other| other.expansion != 1) {
        line += &format!(", expansion={}", block_type.expansion);
    }
    line += &format!(", inputs={}, outputs={}, stride={}", block.in_channels, block.out_channels, block.stride);
    if let Some(bottleneck) = block.bottleneck {
        line += &format!(", bottleneck={bottleneck}");
    }
    line + &format!(", layers={}),", block.sub_layers)
}

#[cfg(test)]
mod tests;
