//! Networks that a search would choose with the table as it is.
//!
//! Search exploits prediction errors: it favours networks whose latency the table underestimates. Measuring what small
//! searches choose corrects just these operators. Not here: the search itself (`search`).

use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::draw::{Drawn, Source};
use crate::latency::Predictor;
use crate::score;
use crate::search::budget::{Budget, Latency, Layers};
use crate::search::{Evolution, SearchConfig};
use crate::space::{Draw, Rules};

/// Children of a small search.
const ITERATIONS: u64 = 6_000;
/// Members of its population.
const POPULATION: usize = 32;
/// Latency budgets, in times of the latency of the space's initial network.
const BUDGETS: (f64, f64) = (0.8, 3.0);
const PROXY: &str = "zen-closed";

/// What a small search in a source's space chooses under a random latency budget; none when it finds
/// nothing within it.
pub(super) fn choose(source: &Source, predictor: &Arc<Predictor>, seed: u64) -> Option<Drawn> {
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let initial = source.space.initial(source.lower.resolution);
    let initial_ms = predictor.predict(&initial.lower(&source.lower).ok()?).ms;
    let (low, high) = (BUDGETS.0.ln(), BUDGETS.1.ln());
    let budget_ms = initial_ms * rng.random_range(low..high).exp();
    let config = SearchConfig {
        rules: Rules::published(&source.space),
        space: source.space.clone(),
        initial,
        lower: source.lower,
        proxy: score::find(PROXY).ok()?,
        sampling: score::Sampling::default(),
        budgets: vec![
            Budget::new(Layers, source.space.default_max_layers.into()),
            Budget::new(Latency::new(predictor.clone()), budget_ms),
        ],
        population_size: POPULATION,
        iterations: ITERATIONS,
        draw: Draw::Uniform,
        seed,
        threads: 1,
    };
    let mut evolution = Evolution::start(&config).ok()?;
    evolution.run(&|| false, &mut |_| ());
    let network = evolution.population().best()?.network.clone();
    let graph = network.lower(&source.lower).ok()?;
    Some(Drawn { source: source.clone(), network, graph })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::{Store, TableChoice, resolve};
    use crate::net::LowerOptions;
    use crate::space::Space;

    #[test]
    fn searches_prefer_what_scores_more_in_little_time() {
        let store = Store::in_memory().unwrap();
        let query = crate::latency::SettingQuery { device: "cpu-amd-epyc".to_owned(), ..Default::default() };
        let table = store.require_table(&resolve(&store, &query).unwrap(), &TableChoice::Best).unwrap();
        let predictor = Arc::new(Predictor::from_table(&table).unwrap());
        let source = Source { space: Space::find("xxbl").unwrap(), lower: LowerOptions::new(64, 10) };
        let chosen = choose(&source, &predictor, 4).unwrap();
        let initial = source.space.initial(64);
        let initial_ms = predictor.predict(&initial.lower(&source.lower).unwrap()).ms;
        assert_ne!(chosen.network, initial);
        assert!(predictor.predict(&chosen.graph).ms <= BUDGETS.1 * initial_ms);
        assert_eq!(choose(&source, &predictor, 4).unwrap().network, chosen.network);
    }
}
