//! The plain baselines every training-free score has to beat: network size.

use super::{AdditiveScore, Proxy, ScoreError, Scratch, Trial};
use crate::net::{Graph, LoneOperator};

/// Multiply-adds for one image.
#[derive(Debug)]
pub struct Flops;

impl Proxy for Flops {
    fn name(&self) -> &'static str {
        "flops"
    }

    fn about(&self) -> &'static str {
        "multiply-adds for one image: the baseline"
    }

    fn takes_foreign(&self) -> bool {
        true
    }

    fn score(&self, graph: &Graph, _: &Trial, _: &mut Scratch) -> Result<f64, ScoreError> {
        Ok(graph.parameters_and_flops().1 as f64)
    }

    fn additive(&self) -> Option<&dyn AdditiveScore> {
        Some(self)
    }
}

impl AdditiveScore for Flops {
    fn value(&self, operator: &LoneOperator, _: bool) -> f64 {
        operator.parameters_and_flops().1 as f64
    }
}

/// Trainable parameters.
#[derive(Debug)]
pub struct Parameters;

impl Proxy for Parameters {
    fn name(&self) -> &'static str {
        "params"
    }

    fn about(&self) -> &'static str {
        "trainable parameters: the other baseline"
    }

    fn takes_foreign(&self) -> bool {
        true
    }

    fn score(&self, graph: &Graph, _: &Trial, _: &mut Scratch) -> Result<f64, ScoreError> {
        Ok(graph.parameters_and_flops().0 as f64)
    }

    fn additive(&self) -> Option<&dyn AdditiveScore> {
        Some(self)
    }
}

impl AdditiveScore for Parameters {
    fn value(&self, operator: &LoneOperator, _: bool) -> f64 {
        operator.parameters_and_flops().0 as f64
    }
}
