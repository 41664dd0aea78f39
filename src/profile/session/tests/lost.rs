//! Devices that are lost in the middle: what is finished stays, and the next session goes on.

use std::collections::BTreeSet;

use super::*;

/// Loses the device at a call, counted over whole networks and parts; never where it is none.
fn losing(at: Option<u32>) -> Mock<'static> {
    let calls = std::rc::Rc::new(Cell::new(0));
    let count = move || {
        calls.set(calls.get() + 1);
        match at == Some(calls.get()) {
            true => Err(RunnerError::Lost("cable".to_owned())),
            false => Ok(()),
        }
    };
    let count_parts = count.clone();
    let whole = move |subject: &Subject, _| count().map(|()| vec![network_ms(&subject.name)]);
    let parts = move |subject: &Subject| count_parts().map(|()| fused(&subject.name).iter().map(operator_ms).collect());
    Mock::new(whole).with_parts(parts)
}

#[test]
fn a_device_lost_inside_networks_keeps_its_operators_and_a_rerun_completes() {
    let options = options(250, 3);
    let mut undisturbed = Store::in_memory_empty().unwrap();
    let networks = run(&mut undisturbed, &options, &mut losing(None), &|| false).inside_networks;
    assert!(networks > 6, "{networks}");
    // In the first instance, between two, in the whole of a network that was predicted, in the check.
    for at in [1, 4, 15, 16, 17, 18] {
        let mut store = Store::in_memory_empty().unwrap();
        let mut learned = 0;
        let mut count = |event: Event<'_>| {
            if let Event::Learned { operators, .. } = event {
                learned = operators;
            }
        };
        let mut mock = losing(Some(at));
        let error = profile(&mut store, &mut mock, &options, &|| false, &mut count).unwrap_err();
        assert!(matches!(&error, ProfileError::Lost(reason) if reason == "cable"), "{at}: {error}");
        let setting = setting_of(&mock.about(), 1);
        let kept: BTreeSet<OperatorKey> = store.rows(&setting).unwrap().iter().map(|row| row.key).collect();
        // All that was reported, and the operators of a network whose whole was not measured any more.
        assert!(kept.len() >= learned, "{at}: {} of {learned}", kept.len());
        assert_eq!(store.runs(&setting).unwrap()[0].finished_at, None);
        let outcome = run(&mut store, &options, &mut losing(None), &|| false);
        assert_eq!((outcome.ending, outcome.stored), (Ending::Complete, kept.len()), "{at}");
        assert_eq!(outcome.check.unwrap().networks.len(), 3);
        let rows = store.rows(&setting).unwrap();
        let keys: BTreeSet<OperatorKey> = rows.iter().map(|row| row.key).collect();
        assert!(keys.len() == rows.len() && keys.len() >= 250 && keys.is_superset(&kept), "{at}");
        assert_eq!(store.runs(&setting).unwrap().len(), 1);
    }
}

#[test]
fn operators_of_a_network_are_kept_where_its_whole_is_not_measured() {
    let options = options(250, 3);
    // Two instances of each of the six networks before the first table, two of the seventh, its whole.
    let mut store = Store::in_memory_empty().unwrap();
    let mut learned = 0;
    let mut count = |event: Event<'_>| {
        if let Event::Learned { operators, .. } = event {
            learned = operators;
        }
    };
    let mut mock = losing(Some(15));
    profile(&mut store, &mut mock, &options, &|| false, &mut count).unwrap_err();
    let kept = store.rows(&setting_of(&mock.about(), 1)).unwrap().len();
    assert!(kept > learned, "{kept} of {learned}");
}
