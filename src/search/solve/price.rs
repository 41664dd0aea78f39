//! What each rail costs: by how much the bound rises without it.
//!
//! Looked at with few channels, which tells prices to about a tenth of a percent.

use super::dual::{Level, Prices};
use super::{COARSE_STEPS, Problem, SolveError};
use crate::search::RailPrice;
use crate::space::{RAILS, Rails, Rules};

/// Share of the bound at which looking for better prices ends.
const CLOSE: f64 = 5e-4;
/// Rails that cost less, in percent of the bound, cost nothing worth saying.
const LEAST_PERCENT: f64 = 0.1;

impl Problem<'_> {
    /// The rails that cost something, the dearest first, with the price of all together in front; nothing where no rail
    /// holds.
    ///
    /// # Errors
    /// When a search without a rail cannot be solved.
    pub fn rail_prices(&self, stop: &dyn Fn() -> bool) -> Result<Vec<RailPrice>, SolveError> {
        let rails = &self.rails;
        if *rails == Rails::default() {
            return Ok(Vec::new());
        }
        let Some(bound) = self.coarse_bound(stop)? else { return Ok(Vec::new()) };
        let without = |rails: &Rails| -> Result<Option<f64>, SolveError> {
            let Ok(rules) = Rules::within(&self.config.space, rails) else { return Ok(None) };
            let other = Problem::under(self.config, &rules)?.coarse_bound(stop)?;
            Ok(other.map(|other| (other / bound - 1.0) * 100.0))
        };
        let mut prices = Vec::new();
        for rail in RAILS {
            let mut others = rails.clone();
            // `none` is what every rail takes.
            let lifted = rail.set(&mut others, "none").is_ok() && others != *rails;
            if lifted && let Some(percent) = without(&others)?.filter(|percent| *percent >= LEAST_PERCENT) {
                prices.push(RailPrice { rail: rail.key.to_owned(), percent });
            }
        }
        prices.sort_by(|a, b| b.percent.total_cmp(&a.percent));
        if prices.len() > 1
            && let Some(percent) = without(&Rails::default())?
        {
            prices.insert(0, RailPrice { rail: "all".to_owned(), percent });
        }
        Ok(prices)
    }

    /// The bound for few channels.
    fn coarse_bound(&self, stop: &dyn Fn() -> bool) -> Result<Option<f64>, SolveError> {
        let model = self.model(Level::Coarse)?;
        let mut prices = Prices::new(self.limits());
        for _ in 0..COARSE_STEPS {
            if stop() {
                return Ok(None);
            }
            let Some(next) = prices.next(Level::Coarse, CLOSE) else { break };
            prices.add(self.plane(&model, next)?.0);
        }
        Ok(prices.bound(Level::Coarse))
    }
}
