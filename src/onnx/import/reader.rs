//! The graph while it is drawn: what is known of each value, and which weights were counted.
//!
//! Not here: what a reader of one node may do with it (`call`).

use rustc_hash::FxHashMap;

use super::constant::Constant;
use super::error::Problem;
use super::network::{Network, ValueId};
use super::tensor::{Tensor, WeightId};
use crate::net::{Branch, Graph, Operator, OperatorId, OperatorKind, Origin, Part};

/// Where an operator that no structure has stands.
pub(super) const ORIGIN: Origin = Origin { block: 0, unit: None, index: 0, part: Part::Module };

/// A tensor of weights.
#[derive(Debug)]
pub(super) struct Weight {
    pub elements: u64,
    pub is_float: bool,
    /// Whether a node holds it and not the list of weights.
    pub in_node: bool,
    /// Whether it has values along one dimension only.
    is_vector: bool,
    counted: bool,
}

/// The network so far.
#[derive(Debug)]
pub(super) struct Reader<'n> {
    pub network: &'n Network,
    pub graph: Graph,
    /// Images per run in the file, where it is fixed; sizes are kept for one.
    pub file_batch: Option<u64>,
    pub notes: Vec<String>,
    pub tensors: Vec<Option<Tensor>>,
    weights: Vec<Weight>,
    /// Nodes that read each value, and how many of them are convolutions.
    pub uses: Vec<(u32, u32)>,
    pub opset: i64,
}

impl<'n> Reader<'n> {
    pub fn new(network: &'n Network, opset: i64) -> Self {
        let mut uses = vec![(0, 0); network.values()];
        for node in &network.nodes {
            for input in node.inputs.iter().flatten() {
                uses[*input].0 += 1;
                uses[*input].1 += u32::from(node.operation == "Conv");
            }
        }
        for output in &network.outputs {
            uses[*output].0 += 1;
        }
        let mut reader = Self {
            network,
            graph: Graph::default(),
            file_batch: None,
            notes: Vec::new(),
            tensors: vec![None; network.values()],
            weights: Vec::new(),
            uses,
            opset,
        };
        for (id, constant) in network.constants.iter().enumerate() {
            reader.tensors[id] = constant.as_ref().map(|constant| reader.known(constant));
        }
        reader
    }

    fn known(&mut self, constant: &Constant) -> Tensor {
        self.weights.push(Weight {
            elements: constant.dims.iter().product(),
            is_float: constant.is_float(),
            in_node: constant.in_node,
            is_vector: constant.dims.iter().filter(|dim| **dim > 1).count() < 2,
            counted: false,
        });
        Tensor {
            dims: constant.dims.clone(),
            channel_axis: 1,
            values: constant.values.clone(),
            weights: vec![self.weights.len() - 1],
            ..Tensor::default()
        }
    }

    /// Adds the image.
    pub fn image(&mut self, id: ValueId, dims: Vec<u64>, channel_axis: usize) -> Result<(), Problem> {
        let tensor = Tensor { dims, channel_axis, map: Some(OperatorId(0)), ..Tensor::default() };
        let shape = tensor.shape().map_err(Problem::Model)?;
        let kind = OperatorKind::Input;
        self.graph.push(Operator { kind, inputs: [OperatorId(0); 2], shape, branch: Branch::Trunk, origin: ORIGIN });
        self.graph.name_last(self.network.name(id));
        self.tensors[id] = Some(tensor);
        Ok(())
    }

    pub fn tensor(&self, id: ValueId) -> Option<&Tensor> {
        self.tensors.get(id).and_then(Option::as_ref)
    }

    /// Counts weights, each once in the network; but vectors for every reader, since exporters store
    /// equal tensors once, and biases and scales of an untrained network are equal.
    pub fn claim(&mut self, ids: &[WeightId], counts: impl Fn(&Weight) -> bool) -> u64 {
        let mut parameters = 0;
        for id in ids {
            let weight = &mut self.weights[*id];
            if counts(weight) && (!std::mem::replace(&mut weight.counted, true) || weight.is_vector) {
                parameters += weight.elements;
            }
        }
        parameters
    }
}

/// The reader of each operation.
pub(super) type Readers = FxHashMap<&'static str, super::operators::ReadNode>;
