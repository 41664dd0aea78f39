//! What the guard rails leave of the score: winners with rails under the budgets of the published networks.
//!
//! `cargo bench --bench rails` gives every published network of the built-in spaces a search with its own cost as the
//! budget (parameters at 32 pixels, FLOPs for the depthwise space, latency on the V100 for the others) and its own layers.
//! For each: whether the winner is inside the rails, its exact Zen-score and the published network's with their
//! standard errors, and how far apart they are. A name restricts it to the networks that contain it.

use zen_nas::latency::{PredictScratch, Predictor, Setting, Store, TableChoice};
use zen_nas::net::{Graph, LowerOptions};
use zen_nas::score::{Evaluation, Evaluator, Sampling, Until, find};
use zen_nas::search::SearchConfig;
use zen_nas::search::budget::{Budget, Flops, Latency, Layers, Parameters};
use zen_nas::search::solve::Problem;
use zen_nas::space::{Draw, PublishedNetwork, Rules, SPACES, Space};

const V100: &str = "v100/published/fp16/b64";

fn main() {
    let name = std::env::args().skip(1).find(|argument| argument != "--bench");
    let store = Store::in_memory().expect("an empty database");
    println!(
        "| budget of | bound with rails | winner, of the bound | exact score of the winner | of the published network | \
         ahead by, standard errors | inside the rails |"
    );
    println!("|---|--:|--:|--:|--:|--:|---|");
    for space in SPACES.iter() {
        for published in &space.published {
            if name.as_ref().is_none_or(|name| published.name.contains(name)) {
                compare(&store, space, published);
            }
        }
    }
}

fn compare(store: &Store, space: &std::sync::Arc<Space>, published: &PublishedNetwork) {
    let PublishedNetwork { name, resolution, network } = published;
    let is_depthwise = space.name == "idw";
    let classes = if *resolution < 96 { 10 } else { 1000 };
    let lower = LowerOptions { squeeze_excite: is_depthwise, ..LowerOptions::new(*resolution, classes) };
    let graph = network.lower(&lower).expect("a published network lowers");
    let cost = graph.cost();
    let budget = match (classes, is_depthwise) {
        (10, _) => Budget::new(Parameters, cost.parameters as f64),
        (_, true) => Budget::new(Flops, cost.flops as f64),
        _ => {
            let setting: Setting = V100.parse().expect("a setting");
            let table = store.table(&setting, &TableChoice::BuiltIn).ok().flatten().expect("a built-in table");
            let predictor = Predictor::from_table(&table).expect("a model");
            let ms = predictor.predict_ms(&graph, &mut PredictScratch::default());
            Budget::new(Latency::new(predictor.into()), ms)
        }
    };
    let config = SearchConfig {
        rules: Rules::within(space, &space.rails).expect("the space's own rails"),
        initial: space.initial(*resolution),
        space: space.clone(),
        lower,
        proxy: find("zen-closed").expect("a built-in proxy"),
        sampling: Sampling::default(),
        budgets: vec![Budget::new(Layers, f64::from(network.layers())), budget],
        population_size: SearchConfig::DEFAULT_POPULATION,
        iterations: 0,
        draw: Draw::Uniform,
        seed: 0,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
    };
    let solution = Problem::new(&config).expect("the spaces can be solved");
    let solution = solution.solve(&|| false, &mut |_| ()).expect("there are networks");
    let (winner, score) = &solution.networks[0];
    let winner_graph = winner.lower(&lower).expect("a winner lowers");
    let off = space.rails.violations(winner, &winner_graph);
    let (ours, theirs) = (exact(&winner_graph, config.threads), exact(&graph, config.threads));
    let error = |found: &Evaluation| found.standard_error.unwrap_or(f64::NAN);
    let ahead = (ours.score - theirs.score) / error(&ours).hypot(error(&theirs));
    println!(
        "| {name} | {:.2} | {:.2}% | {:.2} +- {:.2} | {:.2} +- {:.2} | {ahead:.0} | {} |",
        solution.certificate.bound,
        score / solution.certificate.bound * 100.0,
        ours.score,
        error(&ours),
        theirs.score,
        error(&theirs),
        if off.is_empty() { "yes".to_owned() } else { off[0].to_string() }
    );
}

/// The exact Zen-score, to a standard error of 0.3.
fn exact(graph: &Graph, threads: usize) -> Evaluation {
    let sampling = Sampling { until: Some(Until::StandardError(0.3)), threads, ..Sampling::default() };
    let proxy = find("zen").expect("a built-in proxy");
    Evaluator::new(sampling).evaluate(proxy, graph, &mut |_| ()).expect("a score")
}
