//! Connections that break, phones that grow hot, and the stop button, by script.

use std::cell::{Cell, RefCell};
use std::sync::atomic::AtomicBool;

use super::super::runner::mock::Mock;
use super::super::session::tests::{by_size, options, run};
use super::super::{Ending, profile, setting_of};
use super::*;
use crate::latency::{Store, TableChoice};

/// A machine of a script: which blocks break the connection, which openings fail.
#[derive(Default)]
struct Script {
    blocks: Cell<u32>,
    breaks: RefCell<Vec<u32>>,
    openings: Cell<u32>,
    /// The openings that fail, counted from 1.
    failing: RefCell<Vec<u32>>,
    /// From this opening on another machine answers.
    exchanged_at: Cell<u32>,
    told: RefCell<Vec<String>>,
}

/// Says that it is another machine.
struct Another(Mock<'static>);

impl Runner for Another {
    fn about(&self) -> RunnerAbout {
        RunnerAbout { host: "another processor, at x".to_owned(), ..self.0.about() }
    }

    fn block(&mut self, subject: &Subject, limits: &Limits) -> Result<Vec<f64>, RunnerError> {
        self.0.block(subject, limits)
    }
}

fn surroundings(script: &Rc<Script>, stop: Option<&'static AtomicBool>) -> Surroundings {
    let script = script.clone();
    let tell = Rc::new(move |line: &str| script.told.borrow_mut().push(line.to_owned()));
    Surroundings { tell, stop, pause: Duration::ZERO }
}

fn station(script: &Rc<Script>) -> Station {
    let of = script.clone();
    let open = move || {
        of.openings.set(of.openings.get() + 1);
        if of.failing.borrow().contains(&of.openings.get()) {
            return Err(ProfileError::Lost("no route".to_owned()));
        }
        let blocks = of.clone();
        let mock = Mock::new(move |subject: &Subject, _| {
            blocks.blocks.set(blocks.blocks.get() + 1);
            match blocks.breaks.borrow().contains(&blocks.blocks.get()) {
                true => Err(RunnerError::Disconnected("cable".to_owned())),
                false => Ok(by_size(subject)),
            }
        });
        let exchanged = of.exchanged_at.get() != 0 && of.openings.get() >= of.exchanged_at.get();
        let runner: Box<dyn Runner> = if exchanged { Box::new(Another(mock)) } else { Box::new(mock) };
        Ok((runner, None))
    };
    Station::open("me@box", Box::new(open), surroundings(script, None)).unwrap()
}

#[test]
fn a_broken_connection_is_opened_again_and_the_session_goes_on() {
    let script = Rc::new(Script::default());
    // Five blocks an operator; the second time right after the first.
    script.breaks.replace(vec![3, 12, 13]);
    script.failing.replace(vec![3]);
    let mut store = Store::in_memory_empty().unwrap();
    let mut machine = station(&script);
    let outcome = profile(&mut store, &mut machine, &options(20, 0), &|| false, &mut |_| {}).unwrap();
    assert_eq!((outcome.measured, outcome.failed.len(), outcome.ending), (20, 0, Ending::Complete));
    assert_eq!(store.table(&outcome.setting, &TableChoice::Best).unwrap().unwrap().rows.len(), 20);
    assert_eq!(store.measured_keys(outcome.run).unwrap().len(), 20, "each is stored once");
    assert_eq!((script.blocks.get(), script.openings.get()), (20 * 5 + 3, 1 + 3 + 1));
    assert!(machine.about().conditions.ends_with("connected again 3 times"), "{}", machine.about().conditions);
    let told = script.told.borrow();
    assert_eq!(told.iter().filter(|line| line.ends_with("connected again")).count(), 3, "{told:?}");
    assert!(told[0].contains("me@box: cable; connecting again") && told[3].contains("attempt 1 of 4"), "{told:?}");
}

#[test]
fn after_some_attempts_the_machine_is_lost_and_a_rerun_completes_the_table() {
    let mut store = Store::in_memory_empty().unwrap();
    for (breaks, failing, exchanged, reason) in [
        (vec![13], vec![2, 3, 4, 5], 0, "connecting again failed 4 times: the device is lost: no route"),
        (vec![13, 14, 15, 16], vec![], 0, "cable; that was the 4th loss in a row"),
        (
            vec![13],
            vec![],
            2,
            "another machine than before answers as me@box: its processor (none and another processor)",
        ),
    ] {
        let script = Rc::new(Script::default());
        script.breaks.replace(breaks);
        script.failing.replace(failing);
        script.exchanged_at.set(exchanged);
        let error = profile(&mut store, &mut station(&script), &options(20, 0), &|| false, &mut |_| {}).unwrap_err();
        assert!(matches!(&error, ProfileError::Lost(why) if why.contains(reason)), "{reason}: {error}");
    }
    // Two operators each time.
    let mut machine = station(&Rc::default());
    let outcome = run(&mut store, &options(20, 0), &mut machine, &|| false);
    assert_eq!((outcome.stored, outcome.measured), (6, 14));
    assert_eq!(store.table(&setting_of(&machine.about(), 1), &TableChoice::Best).unwrap().unwrap().rows.len(), 20);
    assert_eq!(store.runs(&outcome.setting).unwrap().len(), 1);
}

#[test]
fn a_stop_ends_the_wait_for_a_connection() {
    let stop: &'static AtomicBool = Box::leak(Box::default());
    let script = Rc::new(Script::default());
    script.breaks.replace(vec![7]);
    let mut machine = station(&script);
    machine.surroundings = Surroundings { pause: Duration::from_secs(3600), ..surroundings(&script, Some(stop)) };
    let told = machine.surroundings.tell.clone();
    machine.surroundings.tell = Rc::new(move |line| {
        told(line);
        stop.store(true, Ordering::Relaxed);
    });
    let mut store = Store::in_memory_empty().unwrap();
    let outcome = run(&mut store, &options(20, 0), &mut machine, &|| false);
    assert_eq!((outcome.ending, outcome.measured, outcome.remaining), (Ending::Interrupted, 1, 19));
    assert_eq!(store.runs(&outcome.setting).unwrap()[0].finished_at, None);
    let outcome = run(&mut store, &options(20, 0), &mut station(&Rc::default()), &|| false);
    assert_eq!((outcome.stored, outcome.measured), (1, 19));
}
