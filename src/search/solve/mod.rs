//! Solving a search: the best network that there is within the budgets, and a proven bound on every other.
//!
//! Where score and budgets are sums over operators, the search is a longest path with prices on the budgets
//! (`dynamic`); the best prices (`dual`) give an upper bound on the score of every network of the space, and the
//! networks met on the way, improved by small steps (`polish`), come close to it. The method is Lagrangian relaxation
//! (Everett, 1963; Fisher, 1981).
//!
//! The bound holds for a superset of the space: blocks may follow each other in any number, budgets that are no sums
//! hold at the end alone. Not here: evolution, which takes any score.

mod atom;
mod certificate;
mod change;
mod dual;
mod dynamic;
mod frame;
mod front;
mod maxplus;
mod polish;
mod price;
mod reach;
mod slot;
#[cfg(test)]
mod tests;
mod values;
mod walk;

use super::SearchConfig;
use super::budget::{AdditiveBudget, Place, Sum};
use crate::latency::Fuser;
use crate::net::{Graph, LowerError, Network};
use crate::score::AdditiveScore;
use crate::space::{NoSkeleton, Rails, Rules};
pub use certificate::{BudgetPrice, Certificate};
use dual::{Cut, Level, Prices};
use dynamic::{Evaluation, Model};
use frame::Frame;
use reach::{numbers, within_reach};
use values::{AllValues, Choices, Measures};

/// A search that cannot be solved; it can be evolved.
#[derive(Debug, thiserror::Error)]
pub enum SolveError {
    #[error("{0} is no sum over operators")]
    Proxy(&'static str),
    #[error("{name} blocks: {reason}")]
    Block { name: &'static str, reason: String },
    #[error(transparent)]
    Skeleton(#[from] NoSkeleton),
    #[error(transparent)]
    Lower(#[from] LowerError),
    #[error("no network of the space is within the rails")]
    Empty,
    #[error("the budget {0} is no sum over operators")]
    Axis(&'static str),
}

/// The result of solving.
pub struct Solution {
    pub certificate: Certificate,
    /// Networks within all budgets and rails with their scores, best first.
    pub networks: Vec<(Network, f64)>,
    /// The best of them, and as many as were asked for that really differ from it and from each other.
    pub alternatives: Vec<(Network, f64)>,
}

/// How far solving is, for progress.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SolveProgress {
    /// From 0 to 1.
    pub share: f64,
    /// The least bound so far.
    pub bound: Option<f64>,
    /// The best score so far.
    pub best: Option<f64>,
}

/// Layers beyond which networks are not looked at where no budget says how many there may be.
const MOST_LAYERS: u32 = 128;
/// Ratio of neighbours among the channels that prices are looked for with.
const COARSE: f64 = 1.15;
/// Evaluations with few channels, and with all.
const COARSE_STEPS: usize = 60;
const FULL_STEPS: usize = 4;
/// Share of the bound at which looking for better prices ends.
const CLOSE: f64 = 2e-5;
/// Share of the bound within which a network is as good as the best.
const CLOSE_ENOUGH: f64 = 2e-4;
/// Sums of so many values in 32 bits are off by at most this share of them.
const ROUNDING: f64 = 64.0 * f32::EPSILON as f64;

/// A search as the solver sees it.
pub struct Problem<'c> {
    config: &'c SearchConfig,
    rails: Rails,
    score: &'c dyn AdditiveScore,
    frame: Frame,
    /// The budgets that are sums, and their places among the configuration's.
    budgets: Vec<AdditiveBudget>,
    places: Vec<usize>,
    most_layers: u32,
    alternatives: usize,
}

impl<'c> Problem<'c> {
    /// # Errors
    /// When the proxy is no sum, or the space or its blocks have another form.
    pub fn new(config: &'c SearchConfig) -> Result<Self, SolveError> {
        Self::under(config, &config.rules)
    }

    /// The search under other rules.
    fn under(config: &'c SearchConfig, rules: &Rules) -> Result<Self, SolveError> {
        let score = config.proxy.additive().ok_or(SolveError::Proxy(config.proxy.name()))?;
        let skeleton = within_reach(rules.bounds().skeleton(&rules.fit(&config.initial))?);
        let frame = Frame::new(skeleton, config.lower)?;
        let (mut budgets, mut places) = (Vec::new(), Vec::new());
        let mut most_layers = MOST_LAYERS;
        for (place, budget) in config.budgets.iter().enumerate() {
            if budget.quantity.kind().name == "layers" {
                most_layers = most_layers.min(budget.limit as u32);
            } else if let Some(additive) = budget.quantity.additive(budget.limit) {
                budgets.push(additive);
                places.push(place);
            }
        }
        let rails = rules.rails().clone();
        if let Some(share) = rails.tail_share {
            budgets.push(tail_share(share));
        }
        // Stem and tail are a layer each.
        let most_layers = most_layers.saturating_sub(2);
        Ok(Self { config, rails, score, frame, budgets, places, most_layers, alternatives: 1 })
    }

    /// Looks for so many networks that really differ from each other, the best among them.
    pub fn with_alternatives(self, alternatives: usize) -> Self {
        Self { alternatives, ..self }
    }

    /// Solves; ends early where `stop` says so.
    ///
    /// # Errors
    /// When there is no network in the rails at all.
    pub fn solve(
        &self,
        stop: &(dyn Fn() -> bool + Sync),
        observe: &mut dyn FnMut(SolveProgress),
    ) -> Result<Solution, SolveError> {
        let mut pool = polish::Pool::new(self.config, &self.frame.skeleton);
        let mut prices = Prices::new(self.limits());
        let mut told = SolveProgress { share: 0.0, bound: None, best: None };
        let mut tell = |share: f64, bound: Option<f64>, pool: &polish::Pool<'_>| {
            told = SolveProgress { share, bound: bound.or(told.bound), best: pool.best().or(told.best) };
            observe(told);
        };
        for (level, steps, from) in [(Level::Coarse, COARSE_STEPS, 0.0), (Level::Full, FULL_STEPS, 0.5)] {
            let model = self.model(level)?;
            for step in 0..steps {
                if stop() || !self.descend(&model, CLOSE, &mut prices, &mut pool)? {
                    break;
                }
                tell(from + 0.3 * step as f64 / steps as f64, prices.bound(Level::Full), &pool);
            }
        }
        let certificate = self.certificate(&prices)?;
        let enough = certificate.bound * (1.0 - CLOSE_ENOUGH);
        pool.polish(&self.weights_by_budget(&certificate), polish::Effort::ONE, enough, stop);
        tell(1.0, Some(certificate.bound), &pool);
        let alternatives = pool.alternatives(self.alternatives, &self.weights_by_budget(&certificate), stop);
        Ok(Solution { certificate, networks: pool.into_feasible(), alternatives })
    }

    /// The limits of the budgets that are sums.
    fn limits(&self) -> Vec<f64> {
        self.budgets.iter().map(|budget| budget.limit).collect()
    }

    /// One evaluation at the most promising prices; false once the bound cannot fall by more than that share of it.
    fn descend(
        &self,
        model: &Model<'_>,
        close: f64,
        prices: &mut Prices,
        pool: &mut polish::Pool<'_>,
    ) -> Result<bool, SolveError> {
        let Some(next) = prices.next(model.level, close) else { return Ok(false) };
        let (cut, evaluation, layers, network) = self.plane(model, next)?;
        prices.add(cut);
        pool.offer(network);
        // The best network within the limits may have a layer less or more than the best for these prices.
        for layers in [layers.wrapping_sub(1), layers + 1] {
            if let Some(network) = model.trace(&evaluation, layers) {
                pool.offer(network);
            }
        }
        Ok(true)
    }

    /// The bound at these prices, with the network that it is the value of.
    fn plane(&self, model: &Model<'_>, prices: Vec<f64>) -> Result<(Cut, Evaluation, usize, Network), SolveError> {
        let evaluation = model.evaluate(&prices);
        let (layers, value) = best_of(&evaluation).ok_or(SolveError::Empty)?;
        let network = model.trace(&evaluation, layers).ok_or(SolveError::Empty)?;
        let sums = self.sums(&network)?;
        let magnitude = value.abs() + sums.iter().zip(&prices).map(|(sum, price)| (sum * price).abs()).sum::<f64>();
        let rounding = magnitude * ROUNDING;
        let by_layers = evaluation.best.clone();
        Ok((Cut { level: model.level, prices, value, by_layers, sums, rounding }, evaluation, layers, network))
    }

    /// The tables for every channel, or for some of them.
    fn model(&self, level: Level) -> Result<Model<'_>, SolveError> {
        let ratio = if level == Level::Full { 1.0 } else { COARSE };
        let skeleton = &self.frame.skeleton;
        let stages = || skeleton.stages.iter();
        let choices = Choices {
            widths: numbers(stages().map(|stage| &stage.channels).chain([&skeleton.stem_channels]), ratio),
            bottlenecks: numbers(stages().map(|stage| &stage.bottleneck), ratio),
            tails: numbers([&skeleton.tail_channels], ratio),
        };
        if choices.widths.is_empty() || choices.bottlenecks.is_empty() || choices.tails.is_empty() {
            return Err(SolveError::Empty);
        }
        let threads = self.config.threads.max(1);
        let measures = Measures { score: self.score, budgets: &self.budgets };
        let values = AllValues::new(&self.frame, &choices, &measures, threads);
        let most_layers = self.most_layers as usize;
        let ends = self.frame.ends(self.score, most_layers);
        Ok(Model { level, frame: &self.frame, rails: &self.rails, choices, values, most_layers, ends, threads })
    }

    /// What a network has of each budget's sum.
    fn sums(&self, network: &Network) -> Result<Vec<f64>, SolveError> {
        let graph = network.lower(&self.config.lower)?;
        let mut fuser = Fuser::default();
        let keys = fuser.fuse(&graph);
        let sum = |budget: &AdditiveBudget| match &budget.sum {
            Sum::Fused(of) => keys.iter().map(of).sum(),
            Sum::Operators(of) => operators(&graph, network).map(|(operator, place)| of(&operator, place)).sum(),
        };
        Ok(self.budgets.iter().map(sum).collect())
    }

    /// Prices for each budget of the configuration.
    fn weights_by_budget(&self, certificate: &Certificate) -> Vec<f64> {
        let mut weights = vec![0.0; self.config.budgets.len()];
        for (place, price) in self.places.iter().zip(&certificate.prices) {
            weights[*place] = price.score;
        }
        weights
    }
}

/// Parameters of tail and classifier beyond their share, which must not be above 0.
fn tail_share(share: f64) -> AdditiveBudget {
    AdditiveBudget::operators(0.0, move |operator, place| {
        let parameters = operator.parameters_and_flops().0 as f64;
        parameters * (if place == Place::Tail { 1.0 } else { 0.0 } - share)
    })
}

/// The operators of a network with their places.
fn operators<'g>(
    graph: &'g Graph,
    network: &Network,
) -> impl Iterator<Item = (crate::net::LoneOperator, Place)> + use<'g> {
    let last = (network.blocks().len() - 1) as u16;
    graph.operators().iter().map(move |operator| {
        let place = match (operator.origin.block, operator.branch) {
            (_, crate::net::Branch::Head) => Place::Tail,
            (0, _) => Place::Stem,
            (block, _) if block == last => Place::Tail,
            _ => Place::Stage,
        };
        (graph.lone(operator), place)
    })
}

fn best_of(evaluation: &Evaluation) -> Option<(usize, f64)> {
    let all = evaluation.best.iter().enumerate().filter_map(|(layers, value)| Some((layers, (*value)?)));
    all.fold(None, |best: Option<(usize, f64)>, (layers, value)| match best {
        Some((_, before)) if before >= value => best,
        _ => Some((layers, value)),
    })
}
