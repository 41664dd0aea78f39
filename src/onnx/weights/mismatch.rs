//! The difference between the tensors a network needs and those that are there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::TensorSpec;
use super::float::FLOATS;

/// Everything that does not fit, each with the tensor's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WeightMismatch {
    /// Needed, but not there.
    pub missing: Vec<String>,
    /// There, but not needed.
    pub surplus: Vec<String>,
    /// There in another shape: name, its shape, the needed shape.
    pub misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// There as something that is no float: name and type.
    pub mistyped: Vec<(String, String)>,
}

/// What is there of a tensor.
#[derive(Clone, Copy)]
pub(super) struct Found<'t> {
    pub shape: &'t [usize],
    /// The type, if it is no float.
    pub odd_type: Option<&'t str>,
}

impl WeightMismatch {
    pub(super) fn between<'t>(required: &[TensorSpec], found: impl Iterator<Item = (&'t str, Found<'t>)>) -> Self {
        let found: BTreeMap<&str, Found<'_>> = found.collect();
        let mut mismatch = Self::default();
        for spec in required {
            mismatch.compare(spec, found.get(spec.name.as_str()).copied());
        }
        let known: BTreeSet<&str> = required.iter().map(|spec| spec.name.as_str()).collect();
        let surplus = found.keys().filter(|name| !known.contains(**name));
        mismatch.surplus = surplus.map(|name| (*name).to_owned()).collect();
        mismatch
    }

    pub(super) fn compare(&mut self, spec: &TensorSpec, found: Option<Found<'_>>) {
        let Some(Found { shape, odd_type }) = found else {
            return self.missing.push(spec.name.clone());
        };
        if shape != spec.shape {
            self.misshapen.push((spec.name.clone(), shape.to_vec(), spec.shape.clone()));
        }
        if let Some(odd_type) = odd_type {
            self.mistyped.push((spec.name.clone(), odd_type.to_owned()));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.surplus.is_empty() && self.misshapen.is_empty() && self.mistyped.is_empty()
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
        if !self.mistyped.is_empty() {
            let each: Vec<_> = self.mistyped.iter().map(|(name, odd_type)| format!("{name} is {odd_type}")).collect();
            parts.push(format!("{} not of type {FLOATS}: {}", each.len(), each.join(", ")));
        }
        f.write_str(&parts.join("; "))
    }
}
