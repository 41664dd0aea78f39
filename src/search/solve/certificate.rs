//! What is proven: the bound, what the budgets are worth, and the set of networks that it covers.

use super::dual::{Level, Prices};
use super::{Problem, SolveError};
use crate::space::{Channels, Rails};

/// An upper bound on the score of every network within the budgets.
#[derive(Clone, Debug, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Certificate {
    /// No network of the superset has a higher score.
    pub bound: f64,
    /// Of the budgets, in units of the score for the whole of each: what a little more of it is worth.
    pub prices: Vec<BudgetPrice>,
    /// What the bound holds for.
    pub superset: String,
}

/// What the whole of a budget is worth.
#[derive(Clone, Debug, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct BudgetPrice {
    /// Name of the budget, or `tail_share` for that rail.
    pub budget: String,
    /// In units of the score.
    pub score: f64,
}

impl Problem<'_> {
    /// The proven bound under the limits of the prices.
    pub(super) fn certificate(&self, prices: &Prices) -> Result<Certificate, SolveError> {
        let bound = prices.bound_by_layers(Level::Full).ok_or(SolveError::Empty)?;
        let names = self.places.iter().map(|place| self.config.budgets[*place].quantity.kind().name.to_owned());
        let names = names.chain(std::iter::once("tail_share".to_owned()));
        let of_budgets = prices.of_budgets(Level::Full).unwrap_or_default();
        Ok(Certificate {
            bound,
            prices: names.zip(of_budgets).map(|(budget, score)| BudgetPrice { budget, score }).collect(),
            superset: self.superset(),
        })
    }

    /// Budgets that the bound takes no account of: they are no sums over operators.
    pub fn not_in_bound(&self) -> Vec<&'static str> {
        let others = (0..self.config.budgets.len()).filter(|place| !self.places.contains(place));
        let names = others.map(|place| self.config.budgets[place].quantity.kind().name);
        names.filter(|name| *name != "layers").collect()
    }

    fn superset(&self) -> String {
        let skeleton = &self.frame.skeleton;
        let others = self.not_in_bound();
        let range = |sets: Vec<&Channels>| {
            let ends: Vec<u32> =
                sets.iter().flat_map(|set| set.values().next().into_iter().chain(set.values().last())).collect();
            let [least, most] = [ends.iter().min(), ends.iter().max()].map(|end| end.copied().unwrap_or(0));
            if least == most { most.to_string() } else { format!("{least} to {most}") }
        };
        let stages = || skeleton.stages.iter();
        let rails = if self.rails == Rails::default() { "" } else { " within its rails" };
        let deepest = stages().map(|stage| stage.most_layers).max().unwrap_or(0);
        let deepest = deepest.min(self.rails.most_stage_layers(self.most_layers));
        let of_stage = if deepest < self.most_layers {
            format!("stages of at most {deepest} layers")
        } else {
            "stages of any depth".to_owned()
        };
        let mut text = format!(
            "all networks of the space {}{rails} with these strides and at most {} layers: stems of {} channels, widths of \
             {}, bottlenecks of {}, tails of {}, {of_stage}",
            self.config.space.name,
            self.most_layers + 2,
            range(vec![&skeleton.stem_channels]),
            range(stages().map(|stage| &stage.channels).collect()),
            range(stages().map(|stage| &stage.bottleneck).collect()),
            range(vec![&skeleton.tail_channels]),
        );
        if !others.is_empty() {
            text.push_str(&format!(
                "; the bound takes no account of {}, which the network found keeps to",
                others.join(", ")
            ));
        }
        text
    }
}
