//! Tables that begin with another's, and tables that are only checked.

use super::*;

#[test]
fn a_table_of_another_device_is_adapted_with_ten_networks() {
    let mut store = Store::in_memory_empty().unwrap();
    let from = Setting::new("other-device", "mock", Precision::Fp32, 1).with_threads(1);
    let options = options(MAX_OPERATORS as usize, 6);
    let source = store.begin_run(&from, &NewRun::default()).unwrap();
    for key in plan(&options.plan).unwrap().keys {
        store.insert_measurement(source, &key, operator_ms(&key), None, Evidence::Measured, &[]).unwrap();
    }
    store.finish_run(source, None).unwrap();
    let options = SessionOptions { adapt_from: Some(from.clone()), ..options };
    // This device takes 2.2 times as long as the other.
    let mut mock = Mock::new(|subject, _| Ok(vec![2.0 * network_ms(&subject.name)]));
    let outcome = run(&mut store, &options, &mut mock, &|| false);
    assert_eq!((outcome.measured, outcome.ending), (0, Ending::Complete));
    let left_out = outcome.left_out.unwrap();
    assert!(left_out.networks == Some(10) && left_out.mape < 0.02, "{left_out:?}");
    assert!(left_out.method.contains("other-device/mock/fp32/b1/t1"));
    let check = outcome.check.unwrap();
    assert!(check.error.mape < 0.02 && check.error.networks == Some(6), "{:?}", check.error);
    let rows = store.table(&outcome.setting, &TableChoice::Best).unwrap().unwrap().rows;
    assert!(rows.len() > 100 && rows.iter().all(|row| row.evidence == Evidence::Fitted));
    let conv = rows.iter().find(|row| row.key.kernel == 7).unwrap();
    assert!((conv.ms / operator_ms(&conv.key) / 2.2 - 1.0).abs() < 0.02, "{conv:?}");
    // What is measured already is not weakened.
    let here = NewRun { host: mock.about().host, ..NewRun::default() };
    let run = store.begin_run(&outcome.setting, &here).unwrap();
    store.insert_measurement(run, &conv.key, 1.0, None, Evidence::Measured, &[]).unwrap();
    let error = profile(&mut store, &mut mock, &options, &|| false, &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("1 operators that were measured"), "{error}");
    // Another batch size is refused.
    let options = SessionOptions { batch_size: 2, ..options };
    let error = profile(&mut store, &mut mock, &options, &|| false, &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("--adapt-from"), "{error}");
}

#[test]
fn a_table_is_checked_without_being_changed() {
    let mut store = Store::in_memory_empty().unwrap();
    let options = options(400, 4);
    let first = run(&mut store, &options, &mut by_parts(), &|| false);
    let model = store.table(&first.setting, &TableChoice::Best).unwrap().unwrap().model;
    let again = PlanOptions { seed: 77, ..options.plan.clone() };
    let options = SessionOptions { only_check: true, networks: 9, plan: again, ..options };
    let outcome = run(&mut store, &options, &mut by_parts(), &|| false);
    let check = outcome.check.unwrap();
    assert_eq!((outcome.measured, check.networks.len()), (0, 9));
    assert!(check.networks.iter().all(|network| {
        first
            .check
            .as_ref()
            .is_some_and(|first| first.networks.iter().all(|other| other.structure != network.structure))
    }));
    assert!(check.error.mape < 0.03, "{:?}", check.error);
    assert_eq!(store.table(&first.setting, &TableChoice::Best).unwrap().unwrap().model, model);
    assert_eq!(store.table(&first.setting, &TableChoice::Best).unwrap().unwrap().error, Some(check.error));
    // As a file the table still says how its operators were measured.
    let table = store.require_table(&first.setting, &TableChoice::Best).unwrap();
    assert!(table.about.method.starts_with("operators inside"), "{}", table.about.method);
    assert_eq!(table.networks.iter().filter(|network| !network.check.calibration).count(), 4 + 9);
    // Without a table there is nothing to check.
    let error = profile(&mut Store::in_memory_empty().unwrap(), &mut by_parts(), &options, &|| false, &mut |_| {});
    let error = error.unwrap_err().to_string();
    assert!(error.contains("no latency table"), "{error}");
}
