//! Devices that are lost in the middle: what is finished stays, and the next session goes on.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::*;

/// Loses the device at a call, counted over whole networks and parts.
fn losing(at: Option<u32>, calls: &Rc<Cell<u32>>) -> Mock<'static> {
    let calls = calls.clone();
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
    let options = options(150, 2);
    let calls = Rc::new(Cell::new(0));
    let mut store = Store::in_memory_empty().unwrap();
    let undisturbed = run(&mut store, &options, &mut losing(None, &calls), &|| false);
    assert!(undisturbed.inside_networks > 6, "{}", undisturbed.inside_networks);
    // Two instances of each of the six networks before the first table, two of the seventh, its whole.
    const FIRST_WHOLE: u32 = 15;
    // In the first instance, between two, in the whole of a network, in the check.
    for at in [1, 4, FIRST_WHOLE, calls.get()] {
        let mut store = Store::in_memory_empty().unwrap();
        let mut learned = 0;
        let mut count = |event: Event<'_>| {
            if let Event::Learned { operators, .. } = event {
                learned = operators;
            }
        };
        let mut mock = losing(Some(at), &Rc::default());
        let error = profile(&mut store, &mut mock, &options, &|| false, &mut count).unwrap_err();
        assert!(matches!(&error, ProfileError::Lost(reason) if reason == "cable"), "{at}: {error}");
        let setting = setting_of(&mock.about(), 1);
        let kept: BTreeSet<OperatorKey> =
            store.table(&setting, &TableChoice::Best).unwrap().unwrap().rows.iter().map(|row| row.key).collect();
        // All that was reported; the operators of a network count, too, where its whole is not measured any more.
        assert!(
            kept.len() == learned || (at == FIRST_WHOLE && kept.len() > learned),
            "{at}: {} of {learned}",
            kept.len()
        );
        assert_eq!(store.runs(&setting).unwrap()[0].finished_at, None);
        let outcome = run(&mut store, &options, &mut losing(None, &Rc::default()), &|| false);
        assert_eq!((outcome.ending, outcome.stored), (Ending::Complete, kept.len()), "{at}");
        assert_eq!(outcome.check.unwrap().networks.len(), 2);
        let rows = store.table(&setting, &TableChoice::Best).unwrap().unwrap().rows;
        let keys: BTreeSet<OperatorKey> = rows.iter().map(|row| row.key).collect();
        assert!(keys.len() == rows.len() && keys.len() >= 150 && keys.is_superset(&kept), "{at}");
        assert_eq!(store.runs(&setting).unwrap().len(), 1);
    }
}
