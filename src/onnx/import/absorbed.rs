//! Which operator of the graph each node of the file belongs to, by the names that runtimes know.
//!
//! Several nodes may have become one operator (`rewrite`): those before it whose every reader belongs to it
//! are part of it. Runtimes call a node by its name, or by its output where it has none.

use rustc_hash::{FxHashMap, FxHashSet};

use super::messages::Model;
use crate::net::Graph;

/// Names of the file's nodes, each with the name of its operator in `graph`; nodes that are nowhere in the
/// graph, such as arithmetic on sizes, are left out.
pub(super) fn operator_names(model: &Model, graph: &Graph) -> Vec<(String, String)> {
    let known: FxHashSet<&str> = graph.iter().filter_map(|(id, _)| graph.name(id)).collect();
    let nodes = model.graph.as_ref().map_or(&[][..], |graph| &graph.node);
    let mut names = Vec::new();
    // Operator of the nodes that read a value; none where they belong to several, or to nothing.
    let mut readers: FxHashMap<&str, Option<String>> = FxHashMap::default();
    // Readers come behind what they read.
    for (place, node) in nodes.iter().enumerate().rev() {
        let label = super::network::label(&node.name, place);
        let operator = match known.contains(label.as_str()) {
            true => Some(label),
            false => common(node.output.iter().filter_map(|output| readers.get(output.as_str()))),
        };
        for input in node.input.iter().filter(|input| !input.is_empty()) {
            let reader = readers.entry(input).or_insert_with(|| operator.clone());
            if *reader != operator {
                *reader = None;
            }
        }
        let Some(operator) = operator else { continue };
        let called = [Some(&node.name), node.output.first()];
        let called = called.into_iter().flatten().filter(|name| !name.is_empty());
        names.extend(called.map(|name| (name.clone(), operator.clone())));
    }
    names
}

/// The one operator that all readers belong to.
fn common<'r>(mut readers: impl Iterator<Item = &'r Option<String>>) -> Option<String> {
    let first = readers.next()?.clone()?;
    readers.all(|reader| reader.as_ref() == Some(&first)).then_some(first)
}
