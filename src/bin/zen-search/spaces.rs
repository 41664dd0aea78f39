//! `zen-search spaces`: what the search spaces hold, their files, and the schema of such files.

use std::sync::Arc;

use zen_nas::cli::{self, Exit, OutputArgs, SpaceSummary};
use zen_nas::space::{SPACES, Space, schema};

/// Prints the named spaces, or all built-in ones.
pub fn list(names: &[String], wants_schema: bool, wants_toml: bool, output: &OutputArgs) -> anyhow::Result<Exit> {
    if wants_schema {
        cli::print(&serde_json::to_string_pretty(&schema())?);
        return Ok(Exit::Done);
    }
    let named = names.iter().map(|name| Space::find(name)).collect::<Result<Vec<Arc<Space>>, _>>()?;
    let spaces = if names.is_empty() { &SPACES[..] } else { &named };
    let texts: Vec<String> = match (wants_toml, output.json) {
        (true, _) => spaces.iter().map(|space| space.text.trim_end().to_owned()).collect(),
        (false, true) => {
            let summaries: Vec<_> = spaces.iter().map(|space| SpaceSummary::of(space)).collect();
            vec![serde_json::to_string_pretty(&summaries)?]
        }
        (false, false) => spaces.iter().map(|space| cli::describe_space(space)).collect(),
    };
    cli::print(&texts.join("\n\n"));
    Ok(Exit::Done)
}
