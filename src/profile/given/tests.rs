//! Sessions for given networks against a scripted runner.

use std::cell::Cell;

use super::super::runner::mock::Mock;
use super::super::session::Ending;
use super::super::session::tests::by_size;
use super::*;
use crate::latency::{KeyKind, Predictor, Reason, SpotChecks, TableChoice, TableSource, choose_table};

fn options(fresh: bool) -> GivenOptions {
    GivenOptions {
        batch_size: 1,
        fresh,
        time_limit: None,
        seed: 0,
        operator_target: Target::operator(),
        network_target: Target::network(),
        drift: None,
    }
}

fn network(structure: &str) -> GivenNetwork {
    let network = Network::parse(structure).unwrap();
    let lower = LowerOptions::new(32, 10);
    GivenNetwork::Structure { graph: network.lower(&lower).unwrap(), network, lower }
}

fn run(store: &mut Store, networks: &[GivenNetwork], fresh: bool, interrupted: &dyn Fn() -> bool) -> Outcome {
    let mut mock = Mock::new(|subject, _| Ok(by_size(subject)));
    profile_given(store, &mut mock, networks, &options(fresh), interrupted, &mut |_| {}).unwrap()
}

#[test]
fn each_operator_is_measured_once_and_an_interrupted_session_goes_on() {
    let networks = [network("SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,1)")];
    let needed = distinct(&networks);
    let mut store = Store::in_memory_empty().unwrap();
    let asked = Cell::new(0);
    let first = run(&mut store, &networks, false, &|| asked.replace(asked.get() + 1) == 3);
    assert_eq!((first.measured, first.remaining, first.ending), (3, needed.len() - 3, Ending::Interrupted));
    let second = run(&mut store, &networks, false, &|| false);
    assert_eq!((second.run, second.measured, second.stored), (first.run, needed.len() - 3, 3));
    assert_eq!(store.measured_keys(first.run).unwrap(), needed);
    let third = run(&mut store, &networks, false, &|| false);
    assert_eq!((third.run, third.measured, third.stored), (first.run, 0, needed.len()));

    // Another network needs only what is not there.
    let other = [network("SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,2)")];
    let new = distinct(&other).iter().filter(|key| !needed.contains(key)).count();
    let fourth = run(&mut store, &other, false, &|| false);
    assert!(new > 0 && fourth.measured == new && fourth.run != first.run);

    // Again and again: an interrupted one goes on, a finished one begins anew.
    let asked = Cell::new(0);
    let fifth = run(&mut store, &networks, true, &|| asked.replace(asked.get() + 1) == 2);
    let sixth = run(&mut store, &networks, true, &|| false);
    assert_eq!((fifth.measured, sixth.measured, sixth.run), (2, needed.len() - 2, fifth.run));
    assert_eq!(run(&mut store, &networks, true, &|| false).measured, needed.len());
}

#[test]
fn a_few_operators_are_no_table_for_other_networks() {
    let text = "SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,1)";
    let networks = [network(text)];
    let mut store = Store::in_memory_empty().unwrap();
    let outcome = run(&mut store, &networks, false, &|| false);
    let setting = outcome.setting;
    let table = store.require_table(&setting, &TableChoice::Best).unwrap();
    // As if a table of such machines had been imported.
    store.import_table("a file", &table.to_text()).unwrap();
    let usual = store.require_table(&setting, &TableChoice::Best).unwrap().source;
    assert!(matches!(usual, TableSource::Imported { .. }), "{usual}");
    let choose = |network: &GivenNetwork| {
        choose_table(&store, &setting, &TableChoice::Best, &[network.graph()], SpotChecks::Stored).unwrap().unwrap()
    };
    let found = choose(&networks[0]);
    assert_eq!(found.table.source, TableSource::Local { host: "none".to_owned() });
    assert_eq!(found.decision.reason, Reason::MeasuredForTheNetwork);
    assert_eq!(found.decision.others[0].source, usual);
    let other = network("SuperConvK3BNRELU(3,16,2,1)");
    assert_eq!(choose(&other).table.source, usual);
}

#[test]
fn an_operator_without_a_node_of_its_own_is_merged_and_teaches_nothing_about_others() {
    let given = network("SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,1)");
    let parts = given.parts();
    let gone = parts.keys().iter().position(|key| key.kind == KeyKind::GlobalPool).unwrap();
    let mut store = Store::in_memory_empty().unwrap();
    // One part more than there are operators: nodes that change layouts.
    let times = |hidden_ms: f64| {
        let mut times: Vec<f64> = (0..parts.keys().len()).map(|part| 1.0 + part as f64).collect();
        times[gone] = 0.0;
        times.push(5.0 + hidden_ms);
        times
    };
    let mut mock = Mock::new(|subject, _| Ok(by_size(subject))).with_parts(|_| Ok(times(0.0)));
    let networks = [given.clone()];
    let outcome = profile_given(&mut store, &mut mock, &networks, &options(false), &|| false, &mut |_| {}).unwrap();
    assert_eq!((outcome.measured, outcome.failed.len()), (distinct(&networks).len(), 0));
    let table = store.require_table(&outcome.setting, &TableChoice::Best).unwrap();
    for row in &table.rows {
        let places = parts.keys().iter().enumerate().filter(|(_, key)| **key == row.key);
        let ms: Vec<f64> = places.map(|(place, _)| times(0.0)[place]).collect();
        let merged = row.key == parts.keys()[gone];
        let expected = if merged { 0.0 } else { crate::stats::median(&ms).unwrap() };
        assert_eq!((row.merged, row.ms), (merged, expected), "{}", row.key);
    }
    let prediction = Predictor::from_table(&table).unwrap().predict(given.graph());
    let gaps = prediction.gaps();
    assert_eq!((gaps.merged, gaps.without_evidence.len()), (1, 0));
    // A pool of another size is as unknown as if this one had never been measured.
    let other = network("SuperConvK3BNRELU(3,24,2,1)SuperConvK1BNRELU(24,32,2,1)");
    let prediction = Predictor::from_table(&table).unwrap().predict(other.graph());
    let gaps = prediction.gaps();
    assert!(gaps.merged == 0 && gaps.without_evidence.iter().any(|gap| gap.what == "global_pool"), "{gaps:?}");
}
