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

#[cfg(test)]
mod tests {
    use super::super::messages::{Graph as File, Node};
    use super::*;
    use crate::net::{LowerOptions, Network};

    fn node(name: &str, inputs: &[&str], output: &str) -> Node {
        let input = inputs.iter().map(|name| (*name).to_owned()).collect();
        Node { name: name.to_owned(), input, output: vec![output.to_owned()], ..Node::default() }
    }

    #[test]
    fn what_an_operator_alone_reads_is_part_of_it() {
        // Only the names of the operators matter.
        let network = Network::parse("SuperConvK3BNRELU(3,8,2,1)").unwrap();
        let mut graph = Graph::default();
        let names = ["image", "conv", "number 4", "pool"];
        for (operator, name) in network.lower(&LowerOptions::new(16, 10)).unwrap().operators().iter().zip(names) {
            graph.push(*operator);
            graph.name_last(name);
        }
        let nodes = vec![
            node("conv", &["image", "weights"], "a"),
            node("shape", &["a"], "size"),
            node("sigmoid", &["a"], "b"),
            node("", &["a", "b"], "c"),
            node("pool", &["c", "size"], "d"),
            node("both", &["c"], "e"),
        ];
        let model = Model { graph: Some(File { node: nodes, ..File::default() }), ..Model::default() };
        let mut found = operator_names(&model, &graph);
        found.sort();
        let expected = [
            ("a", "conv"),
            ("b", "number 4"),
            ("c", "number 4"),
            ("conv", "conv"),
            ("d", "pool"),
            ("pool", "pool"),
            ("shape", "pool"),
            ("sigmoid", "number 4"),
            ("size", "pool"),
        ];
        assert_eq!(found, expected.map(|(node, operator)| (node.to_owned(), operator.to_owned())));
    }
}
