//! Watching the machine: what is measured again, and what is counted.

use super::super::super::{REFERENCE, RunnerAbout};
use super::*;

/// A session whose reference is looked at after every operator.
fn watched(operators: usize) -> SessionOptions {
    let drift = DriftOptions { every: Duration::ZERO, settling: Duration::ZERO };
    SessionOptions { drift: Some(drift), ..options(operators, 0) }
}

#[test]
fn what_was_measured_in_a_jump_is_measured_again() {
    let options = watched(10);
    let (operators, last) = (Cell::new(0), std::cell::RefCell::new(String::new()));
    let script = |subject: &Subject, _| {
        let reference = subject.name == REFERENCE;
        if !reference && last.replace(subject.name.clone()) != subject.name {
            operators.set(operators.get() + 1);
        }
        // The machine slows down for good while it measures the fourth operator.
        let slower = if operators.get() < 4 { 1.0 } else { 1.2 };
        Ok(if reference { vec![slower; 3] } else { by_size(subject).iter().map(|ms| ms * slower).collect() })
    };
    let mut store = Store::in_memory_empty().unwrap();
    let outcome = run(&mut store, &options, &mut Mock::new(script), &|| false);
    let drift = outcome.drift.clone().unwrap();
    assert_eq!((outcome.measured, outcome.remaining, outcome.failed.len()), (10, 0, 0));
    assert_eq!((drift.jumps, drift.repeated, drift.kept), (1, 1, 0), "{drift:?}");
    assert!((drift.trend - 0.2).abs() < 1e-9 && drift.moved > 0.15, "{drift:?}");
    assert_eq!(operators.get(), 11, "one of them twice");
    assert_eq!(store.table(&outcome.setting, &TableChoice::Best).unwrap().unwrap().rows.len(), 10);
    assert_eq!(store.measured_keys(outcome.run).unwrap().len(), 10, "each is stored once");
    let readings = store.drift(outcome.run).unwrap();
    assert_eq!(readings.iter().filter(|reading| reading.jump).count(), 1);
    assert_eq!(readings.len(), drift.readings);
}

#[test]
fn a_single_reading_that_is_off_repeats_nothing() {
    let references = Cell::new(0);
    let target = Target::network();
    let script = |subject: &Subject, _| {
        if subject.name != REFERENCE {
            return Ok(by_size(subject));
        }
        references.set(references.get() + 1);
        // The third reading as a whole, and no other.
        let reading = (references.get() - 1) / target.min_blocks;
        Ok(vec![if reading == 2 { 1.5 } else { 1.0 }; 3])
    };
    let mut store = Store::in_memory_empty().unwrap();
    let outcome = run(&mut store, &watched(6), &mut Mock::new(script), &|| false);
    let drift = outcome.drift.unwrap();
    assert_eq!((drift.jumps, drift.repeated, drift.trend), (0, 0, 0.0));
    assert!((drift.moved - 0.5).abs() < 1e-9);
    assert_eq!((outcome.measured, outcome.settled, outcome.unsettled), (6, 6, 0));
}

#[test]
fn networks_measured_in_a_jump_are_taken_back() {
    let networks = Cell::new(0);
    let slower = || if networks.get() < 9 { 1.0 } else { 1.2 };
    let mut mock = Mock::new(|subject, _| Ok(vec![slower() * network_ms(&subject.name)])).with_parts(|subject| {
        networks.set(networks.get() + 1);
        Ok(fused(&subject.name).iter().map(|key| slower() * operator_ms(key)).collect())
    });
    let mut store = Store::in_memory_empty().unwrap();
    let options = SessionOptions { plan: PlanOptions { operators: 150, ..watched(1).plan }, ..watched(1) };
    let outcome = run(&mut store, &options, &mut mock, &|| false);
    let drift = outcome.drift.unwrap();
    assert!(drift.jumps == 1 && drift.repeated > 0, "{drift:?}");
    let keys: std::collections::BTreeSet<_> = store.measured_keys(outcome.run).unwrap().into_iter().collect();
    assert_eq!((outcome.measured, keys.len()), (keys.len(), outcome.measured));
    assert!(outcome.measured >= 150);
}

#[test]
fn a_time_that_came_to_a_limit_is_counted() {
    let blocks = Cell::new(0);
    let noisy = |_: &Subject, _| {
        blocks.set(blocks.get() + 1);
        Ok(vec![f64::from(1 + blocks.get() % 3)])
    };
    let mut store = Store::in_memory_empty().unwrap();
    let outcome = run(&mut store, &options(5, 0), &mut Mock::new(noisy), &|| false);
    assert_eq!((outcome.settled, outcome.unsettled), (0, 5));
    assert!(outcome.drift.is_none());
}

/// A machine that grows hot: for some looks it is not fit.
struct Hot<'s> {
    inner: Mock<'s>,
    looks: &'s Cell<u32>,
    unfit: &'s [u32],
}

impl Runner for Hot<'_> {
    fn about(&self) -> RunnerAbout {
        self.inner.about()
    }

    fn block(&mut self, subject: &Subject, limits: &zen_agent::Limits) -> Result<Vec<f64>, RunnerError> {
        self.inner.block(subject, limits)
    }

    fn await_fit(&mut self) -> Result<Vec<String>, RunnerError> {
        self.looks.set(self.looks.get() + 1);
        let unfit = self.unfit.contains(&self.looks.get());
        Ok(if unfit { vec!["it is too hot".to_owned()] } else { Vec::new() })
    }
}

#[test]
fn what_was_measured_on_a_hot_machine_is_measured_again() {
    // Two looks at every reading, before it and after it: hot before the fourth reading, which follows the second
    // operator, and during the sixth.
    for (unfit, jumps, repeated, readings) in [(vec![], 0, 0, 11), (vec![7], 1, 1, 12), (vec![12], 0, 0, 12)] {
        let (operators, looks, last) = (Cell::new(0), Cell::new(0), std::cell::RefCell::new(String::new()));
        let script = |subject: &Subject, _| {
            if subject.name != REFERENCE && last.replace(subject.name.clone()) != subject.name {
                operators.set(operators.get() + 1);
            }
            Ok(by_size(subject))
        };
        let mut runner = Hot { inner: Mock::new(script), looks: &looks, unfit: &unfit };
        let mut store = Store::in_memory_empty().unwrap();
        let outcome = run(&mut store, &watched(8), &mut runner, &|| false);
        let drift = outcome.drift.unwrap();
        assert_eq!((drift.jumps, drift.repeated, drift.unfit), (jumps, repeated, unfit.len()), "{drift:?}");
        assert_eq!((outcome.measured, outcome.remaining), (8, 0));
        assert_eq!(operators.get(), 8 + repeated, "{unfit:?}");
        assert_eq!(store.measured_keys(outcome.run).unwrap().len(), 8, "each is stored once");
        assert_eq!(drift.readings, readings, "{unfit:?}");
    }
}

#[test]
fn a_machine_that_does_not_become_fit_ends_the_session_and_keeps_its_rows() {
    struct Melting<'s>(Hot<'s>);
    impl Runner for Melting<'_> {
        fn about(&self) -> RunnerAbout {
            self.0.about()
        }

        fn block(&mut self, subject: &Subject, limits: &zen_agent::Limits) -> Result<Vec<f64>, RunnerError> {
            self.0.block(subject, limits)
        }

        fn await_fit(&mut self) -> Result<Vec<String>, RunnerError> {
            match self.0.await_fit()?.is_empty() {
                true => Ok(Vec::new()),
                false => Err(RunnerError::Lost("not fit to be measured".to_owned())),
            }
        }
    }
    let looks = Cell::new(0);
    let hot = Hot { inner: Mock::new(|subject, _| Ok(by_size(subject))), looks: &looks, unfit: &[7] };
    let mut store = Store::in_memory_empty().unwrap();
    let error = profile(&mut store, &mut Melting(hot), &watched(8), &|| false, &mut |_| {}).unwrap_err();
    assert!(matches!(&error, ProfileError::Lost(reason) if reason.contains("not fit")), "{error}");
    let outcome = run(&mut store, &watched(8), &mut Mock::new(|subject, _| Ok(by_size(subject))), &|| false);
    assert!(outcome.stored >= 2 && outcome.stored + outcome.measured == 8, "{outcome:?}");
}
