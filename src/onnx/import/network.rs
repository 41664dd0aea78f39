//! The file's graph with names resolved: nodes that refer to values by number.
//!
//! Not here: what nodes mean (`operators`), which sizes values have (`reader`).

use std::rc::Rc;

use prost::bytes::Bytes;
use rustc_hash::FxHashMap;

use super::constant::Constant;
use super::error::{Problem, shown};
use super::messages::{Attribute, Graph, Model, TensorShape, ValueInfo, attribute_type};

/// Number of a value in its [`Network`].
pub(crate) type ValueId = usize;

/// One node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    pub operation: String,
    /// Empty for ONNX's own operators.
    pub domain: String,
    /// Its name, or its number and first output.
    pub name: String,
    /// None for optional inputs that are left out.
    pub inputs: Vec<Option<ValueId>>,
    pub outputs: Vec<Option<ValueId>>,
    pub attributes: Vec<Attribute>,
}

/// A whole network.
#[derive(Debug, Default)]
pub(super) struct Network {
    pub nodes: Vec<Node>,
    /// Tensors that the file holds, by value.
    pub constants: Vec<Option<Constant>>,
    /// Sizes that the file states, by value.
    pub declared: FxHashMap<ValueId, TensorShape>,
    /// Inputs that are not weights.
    pub inputs: Vec<(ValueId, ValueInfo)>,
    pub outputs: Vec<ValueId>,
    /// Names of the values.
    names: Vec<String>,
    /// Pairs of an input and an output of one node.
    pairs: usize,
}

/// Pairs of an input and an output of one node, in all nodes: each may become an edge of the graph.
const MAX_PAIRS: usize = 4_000_000;

/// Operators of ONNX itself.
const OWN_DOMAINS: [&str; 2] = ["", "ai.onnx"];

impl Node {
    /// The problem with this node for `reason`.
    pub(super) fn problem(&self, reason: impl Into<String>) -> Problem {
        let domain = if self.domain.is_empty() { String::new() } else { format!("{}:", self.domain) };
        Problem::Node {
            node: self.name.clone(),
            operation: format!("{domain}{}", self.operation),
            reason: reason.into(),
        }
    }

    pub fn attribute(&self, name: &str, expected: i32) -> Result<Option<&Attribute>, String> {
        let Some(attribute) = self.attributes.iter().find(|attribute| attribute.name == name) else {
            return Ok(None);
        };
        if attribute.r#type != 0 && attribute.r#type != expected {
            return Err(format!("its attribute `{name}` has the wrong type {}", attribute.r#type));
        }
        Ok(Some(attribute))
    }

    pub fn int(&self, name: &str) -> Result<Option<i64>, String> {
        Ok(self.attribute(name, attribute_type::INT)?.map(|attribute| attribute.i))
    }

    pub fn ints(&self, name: &str) -> Result<Option<&[i64]>, String> {
        Ok(self.attribute(name, attribute_type::INTS)?.map(|attribute| attribute.ints.as_slice()))
    }

    pub fn float(&self, name: &str) -> Result<Option<f64>, String> {
        Ok(self.attribute(name, attribute_type::FLOAT)?.map(|attribute| attribute.f.into()))
    }

    pub fn floats(&self, name: &str) -> Result<Option<&[f32]>, String> {
        Ok(self.attribute(name, attribute_type::FLOATS)?.map(|attribute| attribute.floats.as_slice()))
    }

    pub fn text(&self, name: &str) -> Result<Option<&Bytes>, String> {
        Ok(self.attribute(name, attribute_type::STRING)?.map(|attribute| &attribute.s))
    }

    /// The input at `place`, if it is there.
    pub fn input(&self, place: usize) -> Option<ValueId> {
        self.inputs.get(place).copied().flatten()
    }
}

impl Network {
    /// Resolves the names of `model`'s graph.
    pub fn read(model: Model) -> Result<Self, Problem> {
        let mut graph =
            model.graph.ok_or_else(|| Problem::Model("it holds no graph; is it an ONNX model?".to_owned()))?;
        let mut names = Names::default();
        let mut network = Self::default();
        network.read_constants(&mut graph, &mut names)?;
        for (place, node) in graph.node.into_iter().enumerate() {
            network.read_node(place, node, &mut names)?;
        }
        for info in graph.input {
            let id = names.id(&info.name);
            if !names.is_defined(id) {
                names.define(id);
                network.inputs.push((id, info));
            } else if network.constant(id).is_none() {
                return Err(twice(&info.name));
            }
        }
        for output in &graph.output {
            network.outputs.push(names.id(&output.name));
        }
        for info in graph.value_info.into_iter().chain(graph.output) {
            let shape = info.r#type.and_then(|t| t.tensor_type).and_then(|tensor| tensor.shape);
            if let (Some(shape), Some(id)) = (shape, names.known.get(&info.name)) {
                network.declared.insert(*id, shape);
            }
        }
        network.check_inputs(&names)?;
        network.constants.resize(names.known.len(), None);
        network.names = names.in_order();
        Ok(network)
    }

    fn read_constants(&mut self, graph: &mut Graph, names: &mut Names) -> Result<(), Problem> {
        for tensor in std::mem::take(&mut graph.initializer) {
            let constant = Constant::read(&tensor, false)
                .map_err(|reason| Problem::Tensor { tensor: tensor.name.clone(), reason })?;
            let tensor = Rc::new(tensor);
            self.add_constant(&tensor.name, Constant { tensor: Some(tensor.clone()), ..constant }, names)?;
        }
        for sparse in &graph.sparse_initializer {
            let Some(values) = &sparse.values else { continue };
            let problem = |reason| Problem::Tensor { tensor: values.name.clone(), reason };
            let (dims, _) = super::constant::checked_dims(&sparse.dims).map_err(problem)?;
            let constant = Constant {
                dims,
                values: None,
                data_type: values.data_type,
                is_external: values.data_location == 1,
                in_node: false,
                tensor: None,
            };
            self.add_constant(&values.name, constant, names)?;
        }
        Ok(())
    }

    fn add_constant(&mut self, name: &str, constant: Constant, names: &mut Names) -> Result<(), Problem> {
        let id = names.id(name);
        if names.is_defined(id) {
            return Err(twice(name));
        }
        names.define(id);
        self.constants.resize(self.constants.len().max(id + 1), None);
        self.constants[id] = Some(constant);
        Ok(())
    }

    fn read_node(&mut self, place: usize, node: super::messages::Node, names: &mut Names) -> Result<(), Problem> {
        let label = label(&node.name, place);
        let own = OWN_DOMAINS.contains(&node.domain.as_str());
        let mut read = Node {
            operation: node.op_type,
            domain: if own { String::new() } else { node.domain },
            name: label,
            inputs: Vec::new(),
            outputs: Vec::new(),
            attributes: node.attribute,
        };
        if let Some(attribute) = read.attributes.iter().find(|attribute| attribute.g.is_some() || attribute.r#type == 5)
        {
            let reason = format!(
                "its attribute `{}` holds a graph, and control flow has no fixed cost; export the network without it",
                attribute.name
            );
            return Err(read.problem(reason));
        }
        if read.attributes.iter().any(|attribute| attribute.r#type == 10) {
            return Err(read.problem("it holds graphs, and control flow has no fixed cost; export without it"));
        }
        if own && read.operation == "Constant" {
            let constant = Constant::of_node(&read).map_err(|reason| read.problem(reason))?;
            let output = node.output.first().map_or("", String::as_str);
            return self.add_constant(output, constant, names);
        }
        self.pairs += node.input.len() * node.output.len();
        if self.pairs > MAX_PAIRS {
            let (inputs, outputs) = (node.input.len(), node.output.len());
            let reason = format!(
                "it has {inputs} inputs and {outputs} outputs, and up to it that makes more than {MAX_PAIRS} pairs, \
                 which is no network this reads; is it the right file?"
            );
            return Err(read.problem(reason));
        }
        let id = |name: &String, names: &mut Names| (!name.is_empty()).then(|| names.id(name));
        read.inputs = node.input.iter().map(|name| id(name, names)).collect();
        for name in &node.output {
            let output = id(name, names);
            if let Some(output) = output {
                if names.is_defined(output) {
                    return Err(read.problem(format!("its output `{}` is defined twice", shown(name))));
                }
                names.define(output);
            }
            read.outputs.push(output);
        }
        self.nodes.push(read);
        Ok(())
    }

    fn check_inputs(&self, names: &Names) -> Result<(), Problem> {
        let undefined = |id: &ValueId| !names.is_defined(*id);
        for node in &self.nodes {
            if let Some(id) = node.inputs.iter().flatten().find(|id| undefined(id)) {
                let name = names.known.iter().find(|(_, known)| *known == id).map_or("", |(name, _)| name);
                let reason =
                    format!("its input `{}` comes from no node, weight or input; export the model again", shown(name));
                return Err(node.problem(reason));
            }
        }
        match self.outputs.iter().find(|id| undefined(id)) {
            Some(_) => Err(Problem::Model("an output comes from no node; export the model again".to_owned())),
            None if self.outputs.is_empty() => {
                Err(Problem::Model("it has no output; export the model again".to_owned()))
            }
            None => Ok(()),
        }
    }

    pub fn constant(&self, id: ValueId) -> Option<&Constant> {
        self.constants.get(id).and_then(Option::as_ref)
    }

    /// The only value of a constant of one element.
    pub fn scalar(&self, id: Option<ValueId>) -> Option<f64> {
        let values = self.constant(id?)?.values.as_ref()?;
        (values.len() == 1).then(|| values.floats()[0])
    }

    /// A constant that the file does not have.
    pub fn add_value(&mut self, constant: Constant) -> ValueId {
        self.constants.push(Some(constant));
        self.names.push(String::new());
        self.names.len() - 1
    }

    pub fn name(&self, id: ValueId) -> &str {
        &self.names[id]
    }

    /// Number of values.
    pub fn values(&self) -> usize {
        self.names.len()
    }
}

/// What a node is called in messages and in the graph.
pub(super) fn label(name: &str, place: usize) -> String {
    if name.is_empty() { format!("number {}", place + 1) } else { name.to_owned() }
}

fn twice(name: &str) -> Problem {
    Problem::Model(format!("the name `{}` is defined twice; export the model again", shown(name)))
}

/// Numbers of names as they are met.
#[derive(Default)]
struct Names {
    known: FxHashMap<String, ValueId>,
    defined: Vec<bool>,
}

impl Names {
    fn id(&mut self, name: &str) -> ValueId {
        if let Some(id) = self.known.get(name) {
            return *id;
        }
        let id = self.known.len();
        self.known.insert(name.to_owned(), id);
        self.defined.push(false);
        id
    }

    fn is_defined(&self, id: ValueId) -> bool {
        self.defined[id]
    }

    fn define(&mut self, id: ValueId) {
        self.defined[id] = true;
    }

    fn in_order(self) -> Vec<String> {
        let mut names = vec![String::new(); self.known.len()];
        for (name, id) in self.known {
            names[id] = name;
        }
        names
    }
}
