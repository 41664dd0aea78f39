//! Who draws how often: a few draws for everyone, then more for the winner and those not told apart from it, until the
//! order is settled, means are known well enough, or the allowance is used up.
//!
//! Not here: who takes part, what a draw costs, what is told apart (`compare`).

use super::compare::Comparison;
use super::{FinalProgress, Member};
use crate::net::Graph;
use crate::score::{Evaluation, Evaluator, Proxy, Sampling, Trials, Until};

/// Values from which the spread of one draw is known well enough to tell anybody apart, beyond one for each network.
const DEGREES_OF_FREEDOM: usize = 12;

/// Draws of everyone who takes part: with fewer there is no standard error.
pub(super) const LEAST_DRAWS: u32 = 2;

/// A network in the race.
pub(super) struct Lane<'m> {
    pub member: &'m Member,
    pub graph: Graph,
    pub trials: Trials,
    /// Of a draw, in multiply-adds.
    pub cost: f64,
    /// The proxy has no score for it.
    pub failed: bool,
}

impl Lane<'_> {
    fn evaluation(&self) -> Option<Evaluation> {
        if self.failed { None } else { self.trials.evaluation() }
    }

    fn draws(&self) -> u32 {
        self.trials.evaluation().map_or(0, |evaluation| evaluation.draws)
    }
}

/// Networks in the order of the search.
pub(super) struct Race<'r, 'm> {
    pub proxy: &'static dyn Proxy,
    pub lanes: Vec<Lane<'m>>,
    /// Multiply-adds for all draws together; the least draws are made whatever they cost.
    pub allowance: f64,
    pub stop: &'r dyn Fn() -> bool,
    pub observe: &'r mut dyn FnMut(FinalProgress),
}

impl Race<'_, '_> {
    /// Whether it came to its end.
    pub fn run(&mut self, evaluator: &mut Evaluator) -> bool {
        let Some(rule) = self.lanes.first().map(|lane| lane.trials.until()) else { return true };
        let (first, target) = match rule {
            Until::Draws(draws) => (draws.max(1), None),
            Until::StandardError(target) => (first_draws(self.lanes.len()), Some(target)),
        };
        let mut aims = vec![first; self.lanes.len()];
        loop {
            self.fit(&mut aims);
            if self.lanes.iter().zip(&aims).all(|(lane, aim)| lane.failed || lane.draws() >= *aim) {
                return true;
            }
            let expected = aims.iter().sum();
            if !(0..aims.len()).all(|lane| self.extend(evaluator, lane, aims[lane], expected)) {
                return false;
            }
            aims = match target {
                Some(target) => self.next_aims(target),
                None => return true,
            };
        }
    }

    pub fn comparison(&self) -> Comparison {
        Comparison::of(self.lanes.iter().map(Lane::evaluation).collect())
    }

    /// Lowers the aims to what is left of the allowance, by the same share for everyone.
    fn fit(&self, aims: &mut [u32]) {
        let draws = |lane: &Lane, aim: u32| f64::from(aim.saturating_sub(lane.draws()));
        let left = self.allowance - self.lanes.iter().map(|lane| f64::from(lane.draws()) * lane.cost).sum::<f64>();
        let cost: f64 = self.lanes.iter().zip(&*aims).map(|(lane, aim)| draws(lane, *aim) * lane.cost).sum();
        if cost <= left {
            return;
        }
        let share = left.max(0.0) / cost;
        for (lane, aim) in self.lanes.iter().zip(aims) {
            let fitting = lane.draws() + (draws(lane, *aim) * share) as u32;
            *aim = fitting.max(LEAST_DRAWS.min(*aim));
        }
    }

    /// One lane up to that many draws; whether nothing stopped it.
    fn extend(&mut self, evaluator: &mut Evaluator, lane: usize, aim: u32, expected: u32) -> bool {
        self.lanes[lane].trials.set_until(Until::Draws(aim));
        while !self.lanes[lane].failed && self.lanes[lane].draws() < aim {
            if (self.stop)() {
                return false;
            }
            let Lane { graph, trials, failed, .. } = &mut self.lanes[lane];
            *failed = evaluator.advance(self.proxy, graph, trials, &mut |_| ()).is_err();
            self.tell(expected);
        }
        true
    }

    fn tell(&mut self, expected: u32) {
        let draws = self.lanes.iter().map(Lane::draws).sum();
        if let Some(best) = self.comparison().winner().and_then(|winner| self.lanes[winner].evaluation()) {
            (self.observe)(FinalProgress { draws, expected: expected.max(draws), best });
        }
    }

    /// Draws that everyone should have next; those made already where more would change nothing. A network that is told
    /// apart from the winner has no more, one that is not has them until its mean is known to `target`. The winner's own
    /// error has to be believable by itself.
    fn next_aims(&self, target: f64) -> Vec<u32> {
        let comparison = self.comparison();
        let Some(winner) = comparison.winner() else { return vec![0; self.lanes.len()] };
        let enough = |variance: f64| (variance / (target * target)).ceil().min(f64::from(Sampling::MOST_DRAWS)) as u32;
        let aim = |(i, lane): (usize, &Lane)| {
            let Some(Evaluation { standard_error, draws, .. }) = lane.evaluation() else { return 0 };
            let own = standard_error.unwrap_or_default().powi(2) * f64::from(draws);
            let wanted = match i {
                _ if i == winner => enough(own).max(Sampling::LEAST_DRAWS),
                _ if comparison.is_open(winner, i) => enough(comparison.variance.unwrap_or_default()),
                _ => draws,
            };
            wanted.min(2 * draws).max(draws)
        };
        self.lanes.iter().enumerate().map(aim).collect()
    }
}

/// Draws of everybody before anybody is told apart.
pub(super) fn first_draws(lanes: usize) -> u32 {
    (1 + DEGREES_OF_FREEDOM.div_ceil(lanes.max(1)) as u32).clamp(LEAST_DRAWS, Sampling::LEAST_DRAWS)
}
