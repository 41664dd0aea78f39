//! Evaluating networks one after another: what fails is told and left out, and the work may stop.

use super::{Missing, ScoredNetwork, Subject};
use crate::latency::Predictor;
use crate::net::{Graph, Network};
use crate::score::{Evaluation, Evaluator, Proxy, Randomness, Sampling, Scored, Until};

/// What is wanted of each network.
#[derive(Clone, Copy)]
pub struct Work<'w> {
    pub proxies: &'w [&'static dyn Proxy],
    pub sampling: Sampling,
    /// For the latency, if it is wanted.
    pub predictor: Option<&'w Predictor>,
    /// For latencies on several devices, if those are wanted.
    pub compared: &'w [&'w Predictor],
}

/// What happens on the way.
pub enum Step<'s> {
    /// A network or one of its scores is missing.
    Missing(&'s Subject, Missing),
    /// After each draw.
    Progress {
        /// Share of the whole work that is done, by multiply-adds.
        share: f64,
        proxy: &'static str,
        evaluation: Evaluation,
        /// Number of the network, from 1.
        network: usize,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Board {
    /// Those that could be lowered, in the order given; without those after an interruption.
    pub networks: Vec<ScoredNetwork>,
    /// Networks, or single scores, that are missing.
    pub missing: usize,
    pub interrupted: bool,
}

impl<'w> Work<'w> {
    /// The same with other predictors: one for the latency, or each for one of the latencies that are compared.
    pub fn with(self, predictors: &'w [&'w Predictor], compares: bool) -> Self {
        match (predictors, compares) {
            (_, true) => Self { predictor: None, compared: predictors, ..self },
            (_, false) => Self { predictor: predictors.first().copied(), compared: &[], ..self },
        }
    }

    /// Looks at every network in turn.
    pub fn run(&self, subjects: &[Subject], stop: &dyn Fn() -> bool, observe: &mut dyn FnMut(Step<'_>)) -> Board {
        let mut evaluator = Evaluator::new(self.sampling);
        let mut board = Board { networks: Vec::with_capacity(subjects.len()), missing: 0, interrupted: false };
        // A score costs about draws x multiply-adds, whatever the network.
        let mut graph = Graph::default();
        let costs = subjects.iter().map(|subject| {
            let network = Network::parse(&subject.text).ok()?;
            network.lower_into(&subject.options, &mut graph).ok().map(|()| graph.parameters_and_flops().1 as f64)
        });
        let costs: Vec<f64> = costs.map(Option::unwrap_or_default).collect();
        let draws: Vec<f64> = self.proxies.iter().map(|proxy| expected_draws(&evaluator, *proxy)).collect();
        let of_network: f64 = draws.iter().sum();
        let whole = costs.iter().sum::<f64>() * of_network;
        let mut done = 0.0;
        for (i, subject) in subjects.iter().enumerate() {
            let (network, graph) = match lower(subject) {
                Ok(lowered) => lowered,
                Err(missing) => {
                    board.missing += 1;
                    observe(Step::Missing(subject, missing));
                    continue;
                }
            };
            let mut scores = Vec::with_capacity(self.proxies.len());
            for (proxy, expected) in self.proxies.iter().zip(&draws) {
                let mut tell = |evaluation: &Evaluation| {
                    let part = (evaluation.draws as f64 / expected.max(1.0)).min(1.0) * expected * costs[i];
                    let (share, evaluation) = ((done + part) / whole.max(1.0), *evaluation);
                    observe(Step::Progress { share, proxy: proxy.name(), evaluation, network: i + 1 });
                };
                match score(&mut evaluator, *proxy, &graph, stop, &mut tell) {
                    Ok(Some(scored)) => scores.push((proxy.name(), Some(scored))),
                    Ok(None) => {
                        board.interrupted = true;
                        return board;
                    }
                    Err(missing) => {
                        board.missing += 1;
                        scores.push((proxy.name(), None));
                        observe(Step::Missing(subject, missing));
                    }
                }
                done += expected * costs[i];
            }
            board.networks.push(ScoredNetwork {
                name: subject.name.clone(),
                structure: network.to_string(),
                resolution: subject.options.resolution,
                classes: subject.options.classes,
                squeeze_excite: subject.options.squeeze_excite,
                dataset: subject.dataset.clone(),
                accuracy: subject.accuracy,
                layers: network.layers(),
                cost: graph.cost(),
                scores,
                latency: self.predictor.map(|predictor| predictor.predict(&graph)),
                latencies: self.compared.iter().map(|predictor| predictor.predict(&graph)).collect(),
            });
        }
        board
    }
}

fn lower(subject: &Subject) -> Result<(Network, Graph), Missing> {
    let network = Network::parse(&subject.text)?;
    let graph = network.lower(&subject.options)?;
    Ok((network, graph))
}

/// None if `stop` said so.
pub(super) fn score(
    evaluator: &mut Evaluator,
    proxy: &dyn Proxy,
    graph: &Graph,
    stop: &dyn Fn() -> bool,
    tell: &mut dyn FnMut(&Evaluation),
) -> Result<Option<Scored>, Missing> {
    let mut trials = evaluator.begin(proxy);
    loop {
        if stop() {
            return Ok(None);
        }
        if evaluator.advance(proxy, graph, &mut trials, tell)?.is_some() {
            return Ok(evaluator.scored(proxy, &trials));
        }
    }
}

/// Draws that a network will need, as far as is known; what draws nothing takes no time beside.
fn expected_draws(evaluator: &Evaluator, proxy: &dyn Proxy) -> f64 {
    match (proxy.randomness(), evaluator.begin(proxy).until()) {
        (Randomness::None, _) => 0.0,
        (_, Until::Draws(draws)) => draws as f64,
        (_, Until::StandardError(_)) => Sampling::LEAST_DRAWS as f64,
    }
}
