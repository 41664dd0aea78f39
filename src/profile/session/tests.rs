//! Sessions against a scripted runner: no clock, so whole tables compare exactly.

mod drift;
mod lost;
mod others;

use std::cell::Cell;

use super::super::runner::mock::Mock;
use super::super::{Runner, RunnerError, Source, Subject, plan};
use super::*;
use crate::latency::Evidence;
use crate::latency::Fuser;
use crate::latency::{Precision, TableChoice};
use crate::net::{LowerOptions, Network};
use crate::space::Space;

pub(in super::super) fn options(operators: usize, networks: usize) -> SessionOptions {
    SessionOptions {
        plan: PlanOptions {
            sources: vec![Source { space: Space::find("xxbl").unwrap(), lower: LowerOptions::new(32, 10) }],
            operators,
            seed: 3,
        },
        batch_size: 1,
        networks,
        time_limit: None,
        target_within10: None,
        adapt_from: None,
        only_check: false,
        operator_target: Target::operator(),
        network_target: Target::network(),
        drift: None,
    }
}

/// A time in proportion to the model's size.
pub(in super::super) fn by_size(subject: &Subject) -> Vec<f64> {
    vec![1e-6 * subject.model.len() as f64; 3]
}

pub(in super::super) fn run(
    store: &mut Store,
    options: &SessionOptions,
    runner: &mut dyn Runner,
    interrupted: &dyn Fn() -> bool,
) -> Outcome {
    profile(store, runner, options, interrupted, &mut |_| {}).unwrap()
}

#[test]
fn an_interrupted_session_goes_on_and_ends_in_the_same_table() {
    let options = options(25, 0);
    let mut whole = Store::in_memory_empty().unwrap();
    let outcome = run(&mut whole, &options, &mut Mock::new(|subject, _| Ok(by_size(subject))), &|| false);
    assert_eq!((outcome.measured, outcome.stored, outcome.remaining), (25, 0, 0));
    assert_eq!(outcome.ending, Ending::Complete);

    let mut parts = Store::in_memory_empty().unwrap();
    let asked = Cell::new(0);
    let interrupted = || asked.replace(asked.get() + 1) == 10;
    let outcome = run(&mut parts, &options, &mut Mock::new(|subject, _| Ok(by_size(subject))), &interrupted);
    assert_eq!((outcome.measured, outcome.remaining, outcome.ending), (10, 15, Ending::Interrupted));
    assert_eq!(parts.runs(&outcome.setting).unwrap()[0].finished_at, None);
    let outcome = run(&mut parts, &options, &mut Mock::new(|subject, _| Ok(by_size(subject))), &|| false);
    assert_eq!((outcome.measured, outcome.stored, outcome.remaining), (15, 10, 0));
    assert_eq!(
        parts.table(&outcome.setting, &TableChoice::Best).unwrap().unwrap().rows,
        whole.table(&outcome.setting, &TableChoice::Best).unwrap().unwrap().rows
    );
    let row = &whole.table(&outcome.setting, &TableChoice::Best).unwrap().unwrap().rows[0];
    assert_eq!(row.evidence, Evidence::Measured);
    assert_eq!(whole.samples(&outcome.setting, &row.key).unwrap().len(), 5 * 3);
}

#[test]
fn a_failed_operator_is_a_row_with_a_reason_and_is_tried_again() {
    let options = options(20, 0);
    let mut store = Store::in_memory_empty().unwrap();
    let fail = |subject: &Subject, _| match subject.name.contains("7x7") {
        true => Err(RunnerError::Model("no kernel for it".to_owned())),
        false => Ok(by_size(subject)),
    };
    let outcome = run(&mut store, &options, &mut Mock::new(fail), &|| false);
    assert!(!outcome.failed.is_empty() && outcome.measured + outcome.failed.len() == 20);
    let failures = store.failures(&outcome.setting).unwrap();
    assert_eq!(failures.len(), outcome.failed.len());
    assert!(failures.iter().all(|(key, reason)| key.kernel == 7 && reason == "no kernel for it"));
    let failed = failures.len();
    let outcome = run(&mut store, &options, &mut Mock::new(|subject, _| Ok(by_size(subject))), &|| false);
    assert_eq!((outcome.measured, outcome.failed.len()), (failed, 0));
    assert!(store.failures(&outcome.setting).unwrap().is_empty());
}

#[test]
fn a_lost_device_ends_the_session_but_keeps_its_rows() {
    let mut store = Store::in_memory_empty().unwrap();
    // Five blocks an operator: lost in the third.
    let lose = |subject: &Subject, block| match block {
        12 => Err(RunnerError::Lost("cable".to_owned())),
        _ => Ok(by_size(subject)),
    };
    let mut mock = Mock::new(lose);
    let error = profile(&mut store, &mut mock, &options(20, 0), &|| false, &mut |_| {}).unwrap_err();
    assert!(matches!(&error, ProfileError::Lost(reason) if reason == "cable"), "{error}");
    let setting = setting_of(&mock.about(), 1);
    assert_eq!(store.table(&setting, &TableChoice::Best).unwrap().unwrap().rows.len(), 2);
}

/// A processor whose operators take a known time wherever they stand.
fn operator_ms(key: &OperatorKey) -> f64 {
    1e-3 + 1e-7 * (key.flops() + key.in_elements()) as f64
}

fn fused(structure: &str) -> Vec<OperatorKey> {
    let graph = Network::parse(structure).unwrap().lower(&LowerOptions::new(32, 10)).unwrap();
    Fuser::default().fuse(&graph).to_vec()
}

/// Networks take 1.1 times the sum of their operators.
fn network_ms(structure: &str) -> f64 {
    1.1 * fused(structure).iter().map(operator_ms).sum::<f64>()
}

#[test]
fn the_check_recovers_how_operators_compose() {
    // Every operator of the space is measured.
    let options = options(MAX_OPERATORS as usize, 12);
    let keys = plan(&options.plan).unwrap().keys;
    let script = |subject: &Subject, _| {
        let known = keys.iter().find(|key| key.to_string() == subject.name);
        Ok(vec![known.map_or_else(|| network_ms(&subject.name), operator_ms)])
    };
    let mut store = Store::in_memory_empty().unwrap();
    let outcome = run(&mut store, &options, &mut Mock::new(script), &|| false);
    let check = outcome.check.unwrap();
    assert_eq!((check.calibration_networks, check.networks.len()), (4, 12));
    assert!(check.error.mape < 0.02 && check.bias.abs() < 0.02, "{:?}", check.error);
    assert_eq!(check.error.within5, Some(1.0));
    assert_eq!(check.noise.unwrap().mape, 0.0);
    let stored = store.runs(&outcome.setting).unwrap().remove(0);
    assert_eq!((stored.error, stored.finished_at.is_some()), (Some(check.error), true));
    let checks = store.checks(outcome.run).unwrap();
    let held_out: Vec<_> = checks.iter().filter(|check| !check.calibration).collect();
    assert_eq!((checks.len(), held_out.len()), (16, 12));
    assert!(held_out.iter().all(|check| check.repeat_ms == Some(check.measured_ms)));
}

/// A runner that times nodes.
fn by_parts() -> Mock<'static> {
    Mock::new(|subject, _| Ok(vec![network_ms(&subject.name)]))
        .with_parts(|subject| Ok(fused(&subject.name).iter().map(operator_ms).collect()))
}

#[test]
fn operators_are_learned_inside_networks() {
    let options = options(1200, 12);
    let mut store = Store::in_memory_empty().unwrap();
    let mut last_operators = 0;
    let mut show = |event: Event<'_>| {
        if let Event::Learned { operators, .. } = event {
            assert!(operators >= last_operators);
            last_operators = operators;
        }
    };
    let outcome = profile(&mut store, &mut by_parts(), &options, &|| false, &mut show).unwrap();
    assert_eq!((outcome.ending, outcome.measured), (Ending::Complete, last_operators));
    for row in store.table(&outcome.setting, &TableChoice::Best).unwrap().unwrap().rows {
        assert!((row.ms / operator_ms(&row.key) - 1.0).abs() < 1e-12);
    }
    let check = outcome.check.unwrap();
    assert!(check.error.mape < 0.01 && check.error.within5 == Some(1.0), "{:?}", check.error);
    // Networks that taught the table are stored as such, and none of them is held out.
    let checks = store.checks(outcome.run).unwrap();
    let (seen, held_out): (Vec<_>, Vec<_>) = checks.into_iter().partition(|check| check.calibration);
    assert_eq!(held_out.len(), 12);
    assert!(seen.len() >= 20 && seen.iter().all(|seen| held_out.iter().all(|held| held.structure != seen.structure)));
    assert!(outcome.more_time.unwrap().mape_now < 0.05);
}

#[test]
fn learning_ends_when_fresh_networks_are_predicted_well() {
    let options = SessionOptions { target_within10: Some(0.9), ..options(MAX_OPERATORS as usize, 2) };
    let mut store = Store::in_memory_empty().unwrap();
    let outcome = run(&mut store, &options, &mut by_parts(), &|| false);
    assert_eq!(outcome.ending, Ending::TargetMet);
    assert!((60..400).contains(&outcome.inside_networks), "{}", outcome.inside_networks);
}

#[test]
fn an_interrupted_session_inside_networks_goes_on_in_the_same_run() {
    let options = options(600, 4);
    let mut store = Store::in_memory_empty().unwrap();
    let asked = Cell::new(0);
    let interrupted = || asked.replace(asked.get() + 1) == 15;
    let first = run(&mut store, &options, &mut by_parts(), &interrupted);
    assert_eq!((first.ending, first.inside_networks), (Ending::Interrupted, 15));
    assert!(store.table(&first.setting, &TableChoice::Best).unwrap().unwrap().rows.len() == first.measured);
    let second = run(&mut store, &options, &mut by_parts(), &|| false);
    assert_eq!((second.run, second.stored, second.ending), (first.run, first.measured, Ending::Complete));
    assert!(second.measured + second.stored >= 600);
    assert_eq!(store.runs(&first.setting).unwrap().len(), 1);
    // Interrupted in the check: what was measured is not measured again.
    let mut again = Store::in_memory_empty().unwrap();
    let checked = Cell::new(0);
    let count = |event: Event<'_>| {
        checked.set(checked.get() + u32::from(matches!(event, Event::Network { .. })));
    };
    let first = profile(&mut again, &mut by_parts(), &options, &|| checked.get() == 3, &mut { count }).unwrap();
    assert_eq!((first.ending, first.check), (Ending::Interrupted, None));
    checked.set(100);
    let second = profile(&mut again, &mut by_parts(), &options, &|| false, &mut { count }).unwrap();
    assert_eq!(checked.get() - 100, 5);
    assert_eq!(second.check.unwrap().networks.len(), 4);
}

#[test]
fn networks_that_fail_are_named_and_end_a_hopeless_session() {
    let mut mock = Mock::new(|_, _| Ok(vec![1.0])).with_parts(|_| Err(RunnerError::Model("no memory".to_owned())));
    let mut store = Store::in_memory_empty().unwrap();
    let outcome = run(&mut store, &options(100, 2), &mut mock, &|| false);
    assert_eq!((outcome.failed.len(), outcome.measured, outcome.check), (20, 0, None));
    assert_eq!(outcome.failed[0].reason, "no memory");
}

#[test]
fn a_time_limit_leaves_the_rest() {
    let options = SessionOptions { time_limit: Some(Duration::ZERO), ..options(5, 3) };
    let mut store = Store::in_memory_empty().unwrap();
    let outcome = run(&mut store, &options, &mut Mock::new(|subject, _| Ok(by_size(subject))), &|| false);
    assert_eq!((outcome.measured, outcome.remaining, outcome.ending), (0, 5, Ending::TimeLimit));
    assert_eq!(outcome.check, None);
}

#[test]
fn numbers_out_of_range_are_named() {
    let mut store = Store::in_memory_empty().unwrap();
    for (options, name) in [
        (options(0, 1), "operators"),
        (options(1, usize::MAX), "networks"),
        (SessionOptions { batch_size: 0, ..options(1, 1) }, "batch size"),
    ] {
        let mut mock = Mock::new(|subject, _| Ok(by_size(subject)));
        let error = profile(&mut store, &mut mock, &options, &|| false, &mut |_| {}).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}
