//! Sessions against a scripted runner: no clock, so whole tables compare exactly.

use std::cell::Cell;

use super::super::runner::mock::Mock;
use super::*;
use crate::latency::Fuser;
use crate::net::{LowerOptions, Network};
use crate::space::Space;

fn options(operators: usize, networks: usize) -> SessionOptions {
    SessionOptions {
        plan: PlanOptions { space: Space::find("xxbl").unwrap(), lower: LowerOptions::new(32, 10), operators, seed: 3 },
        batch_size: 1,
        networks,
        time_limit: None,
        operator_target: Target::operator(),
        network_target: Target::network(),
    }
}

/// A time in proportion to the model's size.
fn by_size(subject: &Subject) -> Vec<f64> {
    vec![1e-6 * subject.model.len() as f64; 3]
}

fn run(store: &mut Store, options: &SessionOptions, mock: &mut Mock<'_>, interrupted: &dyn Fn() -> bool) -> Outcome {
    profile(store, mock, options, interrupted, &mut |_| {}).unwrap()
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
    assert_eq!(parts.rows(&outcome.setting).unwrap(), whole.rows(&outcome.setting).unwrap());
    let row = &whole.rows(&outcome.setting).unwrap()[0];
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
    let setting = local_setting(&mock.about(), 1);
    assert_eq!(store.rows(&setting).unwrap().len(), 2);
}

#[test]
fn the_check_recovers_how_operators_compose() {
    // Every operator of the space is measured, and networks take 1.1 times their sum.
    let options = options(MAX_OPERATORS as usize, 12);
    let keys = plan(&options.plan).unwrap().keys;
    let lower = options.plan.lower;
    let operator_ms = |key: &OperatorKey| 1e-3 + 1e-7 * (key.flops() + key.in_elements()) as f64;
    let script = |subject: &Subject, _| {
        let ms = match keys.iter().find(|key| key.to_string() == subject.name) {
            Some(key) => operator_ms(key),
            None => {
                let graph = Network::parse(&subject.name).unwrap().lower(&lower).unwrap();
                1.1 * Fuser::default().fuse(&graph).iter().map(operator_ms).sum::<f64>()
            }
        };
        Ok(vec![ms])
    };
    let mut store = Store::in_memory_empty().unwrap();
    let outcome = run(&mut store, &options, &mut Mock::new(script), &|| false);
    let check = outcome.check.unwrap();
    assert_eq!((check.calibration_networks, check.networks.len()), (4, 8));
    assert!(check.error.mape < 0.02 && check.bias.abs() < 0.02, "{:?}", check.error);
    assert_eq!(check.error.within5, Some(1.0));
    let stored = store.runs(&outcome.setting).unwrap().remove(0);
    assert_eq!((stored.error, stored.finished_at.is_some()), (Some(check.error), true));
    assert_eq!(store.checks(outcome.run).unwrap().len(), 8);
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
