//! The decision by value: whose table, what it covers, what its error rests on.

use zen_agent::Machine;

use super::*;
use crate::latency::{NewRun, Precision, Row, Verdict, built_in_table};
use crate::net::{LowerOptions, Network};

fn local() -> TableSource {
    TableSource::Local { host: "here".to_owned() }
}

fn imported(file: &str) -> TableSource {
    TableSource::Imported { file: file.to_owned(), content: file.to_owned() }
}

fn built_in() -> TableSource {
    TableSource::BuiltIn { name: "x".to_owned() }
}

fn v100() -> Setting {
    Setting::new("v100", "tensorrt", Precision::Fp16, 64)
}

/// A candidate whose error of 5% is that of so many networks.
fn candidate(source: TableSource, networks: u32, covered: f64) -> Candidate {
    let error = TableError { mape: 0.05, networks: Some(networks), ..TableError::default() };
    Candidate {
        source,
        error: Some(error).filter(|_| networks > 0),
        checked_networks: networks,
        covered: Some(covered),
        machine: TableMachine::Device,
        spot_check: None,
        warning: String::new(),
        lacks: Vec::new(),
    }
}

fn check(verdict: Verdict) -> SpotCheck {
    SpotCheck {
        setting: String::new(),
        content: String::new(),
        processor: "p".to_owned(),
        host: "h".to_owned(),
        runtime_version: "1".to_owned(),
        at: "2026-01-01T00:00:00Z".to_owned(),
        factor: 1.5,
        scatter: 0.04,
        mape: 0.035,
        networks: 5,
        verdict,
    }
}

fn decided(candidates: Vec<Candidate>) -> (Reason, usize) {
    let table = built_in_table(&v100()).unwrap().unwrap();
    let chosen = |candidate| Chosen { table: table.clone(), candidate };
    decide(&candidates.into_iter().map(chosen).enumerate().collect::<Vec<_>>()).unwrap()
}

#[test]
fn an_own_table_replaces_the_built_in_one_where_it_covers_and_was_checked() {
    use Reason::{BetterSupported, CoversAndChecked, OnlyTable};
    let of = |source, networks, covered| candidate(source, networks, covered);
    for (candidates, expected) in [
        (vec![of(local(), 0, 0.1)], (OnlyTable, 0)),
        (vec![of(local(), 10, 0.9), of(built_in(), 500, 1.0)], (CoversAndChecked, 0)),
        (vec![of(local(), 9, 0.95), of(built_in(), 500, 1.0)], (BetterSupported, 1)),
        (vec![of(local(), 40, 0.89), of(built_in(), 500, 1.0)], (BetterSupported, 1)),
        (vec![of(imported("a"), 40, 0.95), of(built_in(), 500, 1.0)], (CoversAndChecked, 0)),
        (vec![of(imported("a"), 40, 0.95), of(local(), 40, 0.95), of(built_in(), 500, 1.0)], (CoversAndChecked, 1)),
        // Neither error says anything: what covers is better, then what has an error, then what was measured here.
        (vec![of(imported("a"), 0, 0.05), of(built_in(), 0, 1.0)], (BetterSupported, 1)),
        (vec![of(local(), 0, 1.0), of(built_in(), 500, 0.3)], (BetterSupported, 0)),
        (vec![of(local(), 0, 1.0), of(built_in(), 3, 1.0)], (BetterSupported, 1)),
        (vec![of(imported("a"), 0, 1.0), of(local(), 0, 1.0), of(built_in(), 0, 1.0)], (BetterSupported, 1)),
        (vec![of(imported("new"), 0, 1.0), of(imported("old"), 0, 1.0)], (BetterSupported, 0)),
    ] {
        assert_eq!(decided(candidates.clone()), expected, "{candidates:?}");
    }
    let marked = Candidate { warning: "no".to_owned(), ..of(imported("a"), 40, 0.95) };
    assert_eq!(decided(vec![marked, of(built_in(), 0, 1.0)]), (BetterSupported, 1));
}

#[test]
fn another_machines_error_counts_once_the_table_was_tried_here() {
    let another = |verdict: Option<Verdict>| Candidate {
        machine: TableMachine::AnotherMachine,
        spot_check: verdict.map(check),
        ..candidate(built_in(), 100, 1.0)
    };
    let own = |networks| Candidate { machine: TableMachine::ThisMachine, ..candidate(local(), networks, 1.0) };
    assert_eq!(decided(vec![own(0), another(None)]), (Reason::BetterSupported, 0));
    assert_eq!(decided(vec![own(0), another(Some(Verdict::Confirmed))]), (Reason::BetterSupported, 1));
    assert_eq!(decided(vec![own(0), another(Some(Verdict::Refused))]), (Reason::BetterSupported, 0));
    assert_eq!(decided(vec![own(10), another(Some(Verdict::Confirmed))]), (Reason::CoversAndChecked, 0));
    let refused = another(Some(Verdict::Refused));
    assert_eq!(refused.missing(), ["was refused by the check on this machine"]);
    assert_eq!(another(None).missing(), ["is another machine's"]);
    let little = candidate(local(), 3, 0.4);
    assert_eq!(
        little.missing(),
        ["covers 40% of the predicted time (90% are needed)", "was checked on 3 held-out networks (10 are needed)"]
    );
}

#[test]
fn a_few_rows_do_not_displace_a_built_in_table_and_both_are_named() {
    let mut store = Store::in_memory().unwrap();
    let run = store.begin_run(&v100(), &NewRun { host: "mine".to_owned(), ..NewRun::default() }).unwrap();
    let key = OperatorKey::conv(3, 1, 64, 64, 56);
    store.insert_rows(run, &[Row::new(key, 1.0, Evidence::Measured)]).unwrap();
    store.finish_run(run, None).unwrap();
    let network = Network::parse("SuperConvK3BNRELU(3,32,2,1)SuperResK3K3(32,64,2,32,1)").unwrap();
    let graph = network.lower(&LowerOptions::new(224, 1000)).unwrap();
    let choose = |choice: TableChoice| {
        choose_table(&store, &v100(), &choice, &[&graph], SpotChecks::Stored).unwrap().unwrap().decision
    };
    let best = choose(TableChoice::Best);
    assert!(matches!(best.used.source, TableSource::BuiltIn { .. }) && best.reason == Reason::BetterSupported);
    let [other] = best.others.as_slice() else { panic!("{best:?}") };
    assert_eq!(other.source, TableSource::Local { host: "mine".to_owned() });
    assert!(other.covered.unwrap() < 0.3 && other.lacks.len() == 2, "{other:?}");
    let asked = choose(TableChoice::Local);
    assert_eq!((asked.reason, &asked.used.source), (Reason::AskedFor, &other.source));
    assert_eq!(asked.others[0].error, best.used.error);
    assert_eq!(choose_table(&store, &v100(), &TableChoice::Imported, &[], SpotChecks::Stored).unwrap(), None);
}

#[test]
fn a_table_of_this_processors_name_is_tried_once_and_used_as_that_says() {
    let machine = Machine::here();
    let setting = Setting::new(&machine.device_name(), "tract", Precision::Fp32, 1).with_threads(1);
    let other = Setting::new("cpu-amd-epyc", "tract", Precision::Fp32, 1).with_threads(1);
    let text = built_in_table(&other).unwrap().unwrap().to_text().replace(&other.id(), &setting.id());
    let mut store = Store::in_memory_empty().unwrap();
    store.import_table("colleague.csv", &text).unwrap();
    let choose = |store: &Store, checks: SpotChecks<'_>| {
        choose_table(store, &setting, &TableChoice::Best, &[], checks).unwrap().unwrap()
    };
    let first = choose(&store, SpotChecks::Stored);
    assert!(first.is_to_be_tried() && first.decision.used.machine == TableMachine::AnotherMachine);
    let processor = machine.processor.as_ref().map_or_else(String::new, ToString::to_string);
    let found = SpotCheck {
        setting: setting.id(),
        content: first.table.content(),
        processor: processor.clone(),
        host: machine.words(),
        ..check(Verdict::Scaled)
    };
    let scaled = choose(&store, SpotChecks::With(&found));
    assert!(!scaled.is_to_be_tried());
    assert_eq!(scaled.table.rows[0].ms, 1.5 * first.table.rows[0].ms);
    assert_eq!(scaled.table.error.as_ref().and_then(|error| error.networks), Some(5));
    store.insert_spot_check(&found).unwrap();
    assert_eq!(choose(&store, SpotChecks::Stored), scaled);
    assert!(choose(&store, SpotChecks::Ignore).is_to_be_tried());
    // Another kind of processor, and another table, know nothing of it.
    for (content, processor) in [(found.content.as_str(), "another"), ("another", processor.as_str())] {
        assert_eq!(store.spot_check(&setting.id(), content, processor, &machine.words()).unwrap(), None);
    }
    // The newest counts.
    store.insert_spot_check(&SpotCheck { verdict: Verdict::Refused, ..found }).unwrap();
    let refused = choose(&store, SpotChecks::Stored);
    assert_eq!(refused.decision.used.verdict(), Some(Verdict::Refused));
    assert_eq!(refused.table.rows, first.table.rows);
}

#[test]
fn whose_machine_a_table_is_of() {
    let mut machine = Machine::here();
    let processor: zen_agent::Processor =
        "GenuineIntel, family 6, model 143, stepping 8; avx2 fma; L1d 48 KiB, L2 2048 KiB, L3 1024 KiB"
            .parse()
            .unwrap();
    machine.processor = Some(processor.clone());
    let here = Here(Some(machine));
    let table = |source: TableSource, processor: Option<zen_agent::Processor>| {
        let table = built_in_table(&v100()).unwrap().unwrap();
        Table { source, about: NewRun { processor, ..table.about }, ..table }
    };
    let other = zen_agent::Processor { model: Some(207), ..processor.clone() };
    for (source, of_table, expected) in [
        (built_in(), Some(processor.clone()), TableMachine::ThisMachine),
        (built_in(), Some(other.clone()), TableMachine::AnotherMachine),
        (built_in(), None, TableMachine::AnotherMachine),
        (imported("a"), Some(processor), TableMachine::ThisMachine),
        (local(), None, TableMachine::ThisMachine),
        (local(), Some(other), TableMachine::AnotherMachine),
    ] {
        assert_eq!(here.machine_of(&table(source, of_table.clone())), expected, "{of_table:?}");
    }
    assert_eq!(Here::of(&v100()).machine_of(&table(built_in(), None)), TableMachine::Device);
}
