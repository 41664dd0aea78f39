//! Solving a search for many limits at once: the front of score and costs, each point with a bound of its own.
//!
//! The tables of operators do not depend on limits, nor do the planes below the bound, and a network found for one limit
//! is a start for its neighbours. So a further limit takes a few coarse evaluations, seldom a full one, and few walks.

use super::dual::{Level, Prices};
use super::polish::{Effort, Pool};
use super::{Problem, Solution, SolveError, SolveProgress};

/// Coarse evaluations for the first limits, and for each further one.
const COARSE_STEPS: [usize; 2] = [60, 8];
/// Full evaluations for each set of limits.
const FULL_STEPS: usize = 3;
/// Share of the bound at which looking for better prices ends.
const CLOSE: [f64; 2] = [3e-4, 7e-4];
/// Share of the bound within which a network is as good as the best.
const CLOSE_ENOUGH: f64 = 1.5e-3;

impl Problem<'_> {
    /// Solves for each set of limits on the budgets `axes` (places among the configuration's): the best network and its
    /// bound, in the order of `limits`; no network where none was found. Limits come best from large to small. Those that
    /// are nowhere above a set without a network are not tried.
    ///
    /// # Errors
    /// When an axis is no sum over operators, or there is no network in the rails at all.
    pub fn solve_front(
        &self,
        axes: &[usize],
        limits: &[Vec<f64>],
        stop: &(dyn Fn() -> bool + Sync),
        observe: &mut dyn FnMut(SolveProgress),
    ) -> Result<Vec<Solution>, SolveError> {
        let sums = limits.iter().map(|limits| self.limits_with(axes, limits)).collect::<Result<Vec<_>, _>>()?;
        let mut pool = Pool::new(self.config, &self.frame.skeleton);
        let mut prices = Prices::new(self.limits());
        let mut steps = COARSE_STEPS[0];
        let share = |part: f64, from: f64, i: usize| SolveProgress {
            share: from + part * i as f64 / limits.len() as f64,
            bound: None,
            best: None,
        };
        for (level, from, part) in [(Level::Coarse, 0.0, 0.2), (Level::Full, 0.2, 0.4)] {
            let model = self.model(level)?;
            for (i, sums) in sums.iter().enumerate() {
                prices.set_limits(sums.clone());
                for _ in 0..steps {
                    if stop() || !self.descend(&model, CLOSE[level as usize], &mut prices, &mut pool)? {
                        break;
                    }
                }
                steps = if level == Level::Coarse { COARSE_STEPS[1] } else { FULL_STEPS };
                observe(share(part, from, i + 1));
            }
            steps = FULL_STEPS;
        }
        let mut without: Vec<&Vec<f64>> = Vec::new();
        for (i, (sums, limits)) in sums.iter().zip(limits).enumerate() {
            if without.iter().any(|other| limits.iter().zip(*other).all(|(a, b)| a <= b)) {
                continue;
            }
            prices.set_limits(sums.clone());
            pool.set_limits(self.budget_limits(axes, limits));
            let certificate = self.certificate(&prices)?;
            let enough = certificate.bound * (1.0 - CLOSE_ENOUGH);
            pool.polish(&self.weights_by_budget(&certificate), Effort::OF_MANY, enough, stop);
            if pool.best().is_none() {
                without.push(limits);
            }
            let bound = Some(certificate.bound);
            observe(SolveProgress { bound, best: pool.best(), ..share(0.4, 0.6, i + 1) });
        }
        // What was found for one limit may be the best for another.
        let solution = |(sums, limits): (&Vec<f64>, &Vec<f64>)| {
            prices.set_limits(sums.clone());
            pool.set_limits(self.budget_limits(axes, limits));
            Ok(Solution {
                certificate: self.certificate(&prices)?,
                networks: pool.best_network().into_iter().collect(),
                alternatives: Vec::new(),
            })
        };
        sums.iter().zip(limits).map(solution).collect()
    }

    /// The limits of the budgets that are sums, with those of the axes replaced.
    fn limits_with(&self, axes: &[usize], limits: &[f64]) -> Result<Vec<f64>, SolveError> {
        let mut all = self.limits();
        for (axis, limit) in axes.iter().zip(limits) {
            let quantity = &self.config.budgets[*axis].quantity;
            let place = self.places.iter().position(|place| place == axis);
            let (Some(place), Some(additive)) = (place, quantity.additive(*limit)) else {
                return Err(SolveError::Axis(quantity.kind().name));
            };
            all[place] = additive.limit;
        }
        Ok(all)
    }

    /// The limits of all budgets, with those of the axes replaced.
    fn budget_limits(&self, axes: &[usize], limits: &[f64]) -> Vec<f64> {
        let mut all: Vec<f64> = self.config.budgets.iter().map(|budget| budget.limit).collect();
        for (axis, limit) in axes.iter().zip(limits) {
            all[*axis] = *limit;
        }
        all
    }
}
