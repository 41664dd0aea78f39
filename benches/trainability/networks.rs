//! Networks of one budget at several shares of the proven bound, and baselines. Not here: training.

use std::cell::RefCell;
use std::path::Path;

use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};
use zen_nas::net::{LowerOptions, Network};
use zen_nas::pytorch;
use zen_nas::score::{Evaluator, Sampling, find};
use zen_nas::search::apart::{REALLY_DIFFERENT, really_different};
use zen_nas::search::budget::{Budget, Layers, Parameters};
use zen_nas::search::solve::Problem;
use zen_nas::search::{Evolution, SearchConfig};
use zen_nas::space::{Draw, Rules, Space};

pub const RESOLUTION: u32 = 12;
pub const CLASSES: u32 = 10;
pub const MOST_PARAMETERS: u64 = 100_000;
pub const MOST_LAYERS: u32 = 12;
/// Networks have at least this share of the parameters.
const LEAST_OF_BUDGET: f64 = 0.85;
/// Shares of the bound at which evolution is stopped, and how far off a network may be.
const SHARES: [f64; 2] = [0.94, 0.97];
const TOLERANCE: f64 = 0.005;
/// Networks of each kind.
const OF_A_KIND: usize = 2;
/// Maps of 6 and 3 pixels, so that a network trains in seconds.
const INITIAL: &str = "SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,1,8,1)SuperResK3K3(16,32,2,16,1)\
                       SuperResK3K3(32,64,1,32,1)SuperConvK1BNRELU(64,128,1,1)";

/// A network to be trained.
#[derive(Serialize, Deserialize)]
pub struct Candidate {
    /// What it is called in tables, and the file of its module.
    pub name: String,
    pub rails: bool,
    pub structure: String,
    /// Its `zen-closed`, and the highest that any network of these rules can have.
    pub score: f64,
    pub bound: f64,
    pub layers: u32,
    pub parameters: u64,
    pub flops: u64,
}

/// The networks of `networks.json` in that folder; where there is none, new ones, written there with their modules.
pub fn in_folder(folder: &Path) -> Vec<Candidate> {
    let list = folder.join("networks.json");
    if let Ok(text) = std::fs::read_to_string(&list) {
        return serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", list.display()));
    }
    std::fs::create_dir_all(folder).expect("a folder for the networks");
    let candidates = all();
    for candidate in &candidates {
        let network = Network::parse(&candidate.structure).expect("a structure");
        let path = folder.join(format!("{}.py", candidate.name));
        pytorch::write_module(&network, &lower(), &path).expect("a module");
    }
    let text = serde_json::to_string_pretty(&candidates).expect("a list");
    std::fs::write(list, text).expect("networks.json");
    candidates
}

/// The networks of both kinds of rules.
fn all() -> Vec<Candidate> {
    let space = Space::find("xxbl").expect("a built-in space");
    let within = Rules::within(&space, &space.rails).expect("the space's own rails");
    [(true, within), (false, Rules::published(&space))]
        .into_iter()
        .flat_map(|(rails, rules)| of_rules(rails, &config(space.clone(), rules)))
        .collect()
}

fn lower() -> LowerOptions {
    LowerOptions::new(RESOLUTION, CLASSES)
}

fn config(space: std::sync::Arc<Space>, rules: Rules) -> SearchConfig {
    SearchConfig {
        initial: Network::parse(INITIAL).expect("a structure"),
        space,
        rules,
        lower: lower(),
        proxy: find("zen-closed").expect("a built-in proxy"),
        sampling: Sampling::default(),
        budgets: vec![Budget::new(Layers, f64::from(MOST_LAYERS)), Budget::new(Parameters, MOST_PARAMETERS as f64)],
        population_size: SearchConfig::DEFAULT_POPULATION,
        iterations: SearchConfig::DEFAULT_ITERATIONS,
        draw: Draw::Uniform,
        seed: 0,
        threads: 1,
    }
}

fn of_rules(rails: bool, config: &SearchConfig) -> Vec<Candidate> {
    let solution = Problem::new(config).and_then(|problem| problem.solve(&|| false, &mut |_| ()));
    let solution = solution.expect("the space can be solved");
    let bound = solution.certificate.bound;
    let kind = if rails { "rails" } else { "free" };
    let mut candidates = Vec::new();
    let mut add = |what: &str, networks: Vec<Network>| {
        for (i, network) in networks.iter().enumerate() {
            candidates.push(candidate(format!("{kind}-{what}-{}", i + 1), rails, network, bound));
        }
    };
    for share in SHARES {
        let networks = (0..OF_A_KIND as u64).filter_map(|seed| evolved(config, share * bound, TOLERANCE * bound, seed));
        add(&format!("{:.0}", share * 100.0), networks.collect());
    }
    let solved = solution.networks.into_iter().filter(|(_, score)| *score >= (1.0 - TOLERANCE) * bound);
    let solved = solved.map(|(network, _)| network);
    add("100", really_different(solved, |network| network, OF_A_KIND, REALLY_DIFFERENT));
    add("random", (0..).filter_map(|seed| random(config, seed)).take(OF_A_KIND).collect());
    add("flops", vec![most_flops(config)]);
    candidates
}

/// A member of the population once one has a score about `score` and nearly all parameters.
fn evolved(config: &SearchConfig, score: f64, tolerance: f64, seed: u64) -> Option<Network> {
    let config = SearchConfig { seed, ..again(config) };
    let found = RefCell::new(None);
    let mut evolution = Evolution::start(&config).expect("there are networks");
    evolution.run(&|| found.borrow().is_some(), &mut |evolution| {
        let near = evolution
            .population()
            .members()
            .iter()
            .filter(|member| (member.score - score).abs() <= tolerance && uses_budget(&config, &member.network));
        let best = near.min_by(|a, b| (a.score - score).abs().total_cmp(&(b.score - score).abs()));
        found.replace(best.map(|member| member.network.clone()));
    });
    found.into_inner()
}

/// A network some random steps from the initial one; none where it does not use the budget.
fn random(config: &SearchConfig, seed: u64) -> Option<Network> {
    const STEPS: usize = 60;
    let rng = &mut Pcg64Mcg::seed_from_u64(seed);
    let mut network = config.rules.fit(&config.initial);
    for _ in 0..STEPS {
        let child = config.space.child(&network, &config.rules, 2, config.draw, rng);
        let graph = child.lower(&config.lower).ok()?;
        if child.layers() <= MOST_LAYERS && graph.cost().parameters <= MOST_PARAMETERS {
            network = child;
        }
    }
    let graph = network.lower(&config.lower).ok()?;
    (uses_budget(config, &network) && config.rules.hold(&network, &graph)).then_some(network)
}

fn most_flops(config: &SearchConfig) -> Network {
    let config = SearchConfig { proxy: find("flops").expect("a built-in proxy"), ..again(config) };
    let solution = Problem::new(&config).and_then(|problem| problem.solve(&|| false, &mut |_| ()));
    solution.expect("the space can be solved").networks.swap_remove(0).0
}

/// The same search, to be changed.
fn again(of: &SearchConfig) -> SearchConfig {
    config(of.space.clone(), of.rules.clone())
}

fn uses_budget(config: &SearchConfig, network: &Network) -> bool {
    let parameters = network.lower(&config.lower).map_or(0, |graph| graph.cost().parameters);
    parameters as f64 >= LEAST_OF_BUDGET * MOST_PARAMETERS as f64
}

fn candidate(name: String, rails: bool, network: &Network, bound: f64) -> Candidate {
    let graph = network.lower(&lower()).expect("a network of the space");
    let cost = graph.cost();
    let proxy = find("zen-closed").expect("a built-in proxy");
    let score = Evaluator::new(Sampling::default()).evaluate(proxy, &graph, &mut |_| ()).expect("a score").score;
    Candidate {
        name,
        rails,
        structure: network.to_string(),
        score,
        bound,
        layers: network.layers(),
        parameters: cost.parameters,
        flops: cost.flops,
    }
}
