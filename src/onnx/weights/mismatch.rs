//! The difference between the tensors a network needs and those that are there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Tensor, TensorSpec};

/// Everything that does not fit, each with the tensor's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WeightMismatch {
    /// Needed, but not there.
    pub missing: Vec<String>,
    /// There, but not needed.
    pub surplus: Vec<String>,
    /// There in another shape: name, its shape, the needed shape.
    pub misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl WeightMismatch {
    pub(super) fn between(required: &[TensorSpec], tensors: &BTreeMap<String, Tensor>) -> Self {
        let mut mismatch = Self::default();
        for spec in required {
            mismatch.compare(spec, tensors.get(&spec.name));
        }
        let known: BTreeSet<&str> = required.iter().map(|spec| spec.name.as_str()).collect();
        mismatch.surplus = tensors.keys().filter(|name| !known.contains(name.as_str())).cloned().collect();
        mismatch
    }

    pub(super) fn compare(&mut self, spec: &TensorSpec, tensor: Option<&Tensor>) {
        match tensor {
            None => self.missing.push(spec.name.clone()),
            Some(tensor) if tensor.shape != spec.shape => {
                self.misshapen.push((spec.name.clone(), tensor.shape.clone(), spec.shape.clone()));
            }
            Some(_) => {}
        }
    }

    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.surplus.is_empty() && self.misshapen.is_empty()
    }
}

impl fmt::Display for WeightMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = |dimensions: &[usize]| {
            let dimensions: Vec<_> = dimensions.iter().map(usize::to_string).collect();
            if dimensions.is_empty() { "a single value".to_owned() } else { dimensions.join("x") }
        };
        let mut parts = Vec::new();
        if !self.missing.is_empty() {
            parts.push(format!("{} missing: {}", self.missing.len(), self.missing.join(", ")));
        }
        if !self.surplus.is_empty() {
            parts.push(format!("{} not in the network: {}", self.surplus.len(), self.surplus.join(", ")));
        }
        if !self.misshapen.is_empty() {
            let each: Vec<_> = self
                .misshapen
                .iter()
                .map(|(name, found, needed)| format!("{name} is {} instead of {}", shape(found), shape(needed)))
                .collect();
            parts.push(format!("{} of another shape: {}", each.len(), each.join(", ")));
        }
        f.write_str(&parts.join("; "))
    }
}
