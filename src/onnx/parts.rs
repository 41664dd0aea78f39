//! Which node of a network's file belongs to which fused operator.
//!
//! Runtimes keep the names of the nodes they read and append to them when they rewrite, so that the
//! times of a running network's nodes can be told apart by operator. Not here: timing them.

use std::collections::HashMap;

use super::emit::node_names;
use crate::latency::{Fuser, OperatorKey};
use crate::net::Graph;

/// The fused operators of a network and the names of their nodes.
#[derive(Clone, Debug)]
pub struct NetworkParts {
    keys: Vec<OperatorKey>,
    /// Fused operator of each node that the model has.
    nodes: HashMap<String, usize>,
}

impl NetworkParts {
    pub fn new(graph: &Graph) -> Self {
        let mut fuser = Fuser::default();
        let keys = fuser.fuse(graph).to_vec();
        let named = node_names(graph).into_iter().zip(fuser.owners());
        let nodes = named.filter_map(|(name, owner)| Some((name, owner?))).collect();
        Self { keys, nodes }
    }

    /// Of a network that was read from a file; `names` are its nodes' names, each with the name of its
    /// operator in the graph.
    pub fn of_file(graph: &Graph, names: &[(String, String)]) -> Self {
        let mut fuser = Fuser::default();
        let keys = fuser.fuse(graph).to_vec();
        let named = graph.iter().zip(fuser.owners());
        let operators: HashMap<&str, usize> =
            named.filter_map(|((id, _), owner)| Some((graph.name(id)?, owner?))).collect();
        let nodes = names.iter().filter_map(|(node, name)| Some((node.clone(), *operators.get(name.as_str())?)));
        Self { keys, nodes: nodes.collect() }
    }

    /// The fused operators, in execution order.
    pub fn keys(&self) -> &[OperatorKey] {
        &self.keys
    }

    /// Index into [`NetworkParts::keys`] of the operator that a runtime's node belongs to; none for
    /// nodes that the runtime put between operators.
    pub fn owner(&self, node: &str) -> Option<usize> {
        // What a runtime appends begins with something that no name of ours has inside a word.
        let ends = node.char_indices().filter(|(_, c)| !c.is_ascii_alphanumeric()).map(|(i, _)| i);
        let mut ends: Vec<usize> = ends.chain([node.len()]).collect();
        ends.reverse();
        ends.into_iter().find_map(|end| self.nodes.get(&node[..end]).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{LowerOptions, Network};

    #[test]
    fn rewritten_nodes_keep_their_operator() {
        let network = Network::parse("SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,2)").unwrap();
        let parts = NetworkParts::new(&network.lower(&LowerOptions::new(16, 10)).unwrap());
        let key = |node: &str| parts.owner(node).map(|part| parts.keys()[part].to_string());
        assert_eq!(key("block0_conv0").unwrap(), "conv 3x3 s2 3->8 @16x16 +relu");
        assert_eq!(key("block0_conv0.im2col"), key("block0_conv0"));
        assert_eq!(key("block0_relu0"), key("block0_conv0"));
        assert_eq!(key("block1_unit0_conv1_nchwc").unwrap(), "conv 3x3 s1 8->16 @4x4 +add +relu");
        assert_eq!(key("block1_unit0_add"), key("block1_unit0_conv1"));
        assert_ne!(key("block1_unit1_conv0"), key("block1_unit0_conv0"));
        assert_eq!(key("ReorderInput_3"), None);
        assert_eq!(key("block1_unit0_conv12"), None);
    }
}
