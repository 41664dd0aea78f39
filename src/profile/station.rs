//! One machine that is measured over a connection: connected again when it is lost, and looked at
//! between measurements.
//!
//! A connection that breaks is opened again a few times, with growing pauses, and what it left on the
//! machine is removed; then the block under way is begun anew. Another machine that answers in its
//! place ends the session. Not here: how a machine is reached (`reach`), several of them (`farm`).

use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use zen_agent::Limits;

use super::phone::{Phone, Reason, Verdict};
use super::transport::{Limits as RunLimits, Transport, TransportError};
use super::{OperatorForm, Parts, ProfileError, Runner, RunnerAbout, RunnerError, Subject};

/// Hears a line for the user.
pub type Tell = Rc<dyn Fn(&str)>;

/// A runner on a machine, and the machine's state where it is a phone.
pub(super) type Opened = (Box<dyn Runner>, Option<Phone>);

/// Opens the connection and starts the runner.
pub(super) type OpenStation = Box<dyn FnMut() -> Result<Opened, ProfileError>>;

/// Times a lost connection is opened again before the machine counts as lost.
pub const RECONNECTS: u32 = 4;
/// Pause before the first time; twice as long before each further one.
const PAUSE: Duration = Duration::from_secs(1);
/// Losses in a row without an answer in between.
const MAX_LOSSES: u32 = 3;
/// How long a phone may take to become fit.
pub(super) const PHONE_WAIT: Duration = Duration::from_secs(300);
/// How often the wish to stop is looked at.
const STOP_POLL: Duration = Duration::from_millis(50);

/// What all stations of a session have in common.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub tell: Tell,
    /// Set from elsewhere (Ctrl-C).
    pub stop: Option<&'static AtomicBool>,
    /// Pause before the first reconnection.
    pub pause: Duration,
}

impl Surroundings {
    pub fn new(tell: Tell, stop: Option<&'static AtomicBool>) -> Self {
        Self { tell, stop, pause: PAUSE }
    }

    pub fn stop_requested(&self) -> bool {
        self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }
}

/// A runner that outlives its connection.
pub(super) struct Station {
    address: String,
    /// None while there is no connection.
    runner: Option<Box<dyn Runner>>,
    /// As it was first; what may change is asked for.
    about: RunnerAbout,
    form: OperatorForm,
    times_parts: bool,
    /// Of a phone.
    phone: Option<Phone>,
    open: OpenStation,
    surroundings: Surroundings,
    losses: u32,
    reconnected: u32,
}

impl Station {
    /// Opens it for the first time, without a second try.
    ///
    /// # Errors
    /// As `open`.
    pub fn open(address: &str, mut open: OpenStation, surroundings: Surroundings) -> Result<Self, ProfileError> {
        let (runner, phone) = open()?;
        Ok(Self {
            address: address.to_owned(),
            about: runner.about(),
            form: runner.operator_form(),
            times_parts: runner.times_parts(),
            runner: Some(runner),
            phone,
            open,
            surroundings,
            losses: 0,
            reconnected: 0,
        })
    }

    /// Asks the runner until it answers or the machine is lost.
    fn ask<T>(&mut self, mut ask: impl FnMut(&mut dyn Runner) -> Result<T, RunnerError>) -> Result<T, RunnerError> {
        loop {
            let answer = match &mut self.runner {
                Some(runner) => ask(runner.as_mut()),
                None => Err(RunnerError::Disconnected(format!("{} is not connected", self.address))),
            };
            match answer {
                Err(RunnerError::Disconnected(reason)) => {
                    self.losses += 1;
                    if self.losses > MAX_LOSSES {
                        let losses = self.losses;
                        return Err(RunnerError::Lost(format!("{reason}; that was the {losses}th loss in a row")));
                    }
                    self.reconnect(&reason)?;
                }
                answer => {
                    self.losses = 0;
                    return answer;
                }
            }
        }
    }

    fn reconnect(&mut self, reason: &str) -> Result<(), RunnerError> {
        let address = self.address.clone();
        (self.surroundings.tell)(&format!("{address}: {reason}; connecting again"));
        // It removes what it can.
        self.runner = None;
        let mut again = String::new();
        for attempt in 0..RECONNECTS {
            self.pause(self.surroundings.pause * 2_u32.pow(attempt))?;
            match (self.open)() {
                Ok((runner, phone)) => {
                    if let Some(what) = difference(&self.about, &runner.about()) {
                        let problem = format!("another machine than before answers as {address}: its {what}");
                        return Err(RunnerError::Lost(problem));
                    }
                    self.reconnected += 1;
                    (self.surroundings.tell)(&format!("{address}: connected again"));
                    (self.runner, self.phone) = (Some(runner), phone);
                    return Ok(());
                }
                Err(ProfileError::Interrupted) => return Err(RunnerError::Interrupted),
                Err(error) => again = error.to_string(),
            }
            (self.surroundings.tell)(&format!("{address}: attempt {} of {RECONNECTS} failed: {again}", attempt + 1));
        }
        Err(RunnerError::Lost(format!("{reason}; connecting again failed {RECONNECTS} times: {again}")))
    }

    fn pause(&self, pause: Duration) -> Result<(), RunnerError> {
        let start = Instant::now();
        while start.elapsed() < pause {
            if self.surroundings.stop_requested() {
                return Err(RunnerError::Interrupted);
            }
            std::thread::sleep(STOP_POLL.min(pause));
        }
        Ok(())
    }
}

/// What decides a time and is different now, if anything is.
pub(super) fn difference(a: &RunnerAbout, b: &RunnerAbout) -> Option<String> {
    let parts = |about: &RunnerAbout| {
        [
            ("runtime", about.runtime.to_owned()),
            ("runtime version", about.runtime_version.clone()),
            ("device", about.device.clone()),
            ("processor", machine(&about.host).to_owned()),
            ("threads", about.threads.to_string()),
            ("precision", about.precision.to_string()),
            ("clock", about.clock.clone()),
            ("emulation", about.emulated.to_string()),
        ]
    };
    let pairs = parts(a).into_iter().zip(parts(b));
    pairs.into_iter().find(|(a, b)| a != b).map(|((what, a), (_, b))| format!("{what} ({a} and {b})"))
}

/// A machine without where it is reached, which runners add after `, at `.
pub(super) fn machine(host: &str) -> &str {
    host.rsplit_once(", at ").map_or(host, |(machine, _)| machine)
}

/// Waits until a phone is fit; returns its state and why it was not fit at first.
///
/// # Errors
/// When it does not become fit, the connection is lost or the user stops it.
pub(super) fn fit_phone(
    transport: &mut dyn Transport,
    surroundings: &Surroundings,
) -> Result<(Phone, Vec<String>), ProfileError> {
    let target = transport.target().to_owned();
    let mut first: Option<Vec<String>> = None;
    let mut tell = |reasons: &[Reason]| {
        first.get_or_insert_with(|| reasons.iter().map(Reason::to_string).collect());
        (surroundings.tell)(&format!("waiting for {target}: {}", list(reasons)));
    };
    let waited = Phone::wait_until_fit(transport, PHONE_WAIT, &|| surroundings.stop_requested(), &mut tell);
    let (phone, verdict) = waited.map_err(|error| ProfileError::of_transport(&error))?;
    match verdict {
        Verdict::Measure => Ok((phone, first.unwrap_or_default())),
        Verdict::Wait(_) if surroundings.stop_requested() => Err(ProfileError::Interrupted),
        Verdict::Wait(reasons) => Err(ProfileError::Unfit { target, reasons: list(&reasons) }),
        Verdict::Unfit(reason) => Err(ProfileError::Unfit { target, reasons: reason.to_string() }),
    }
}

fn list(reasons: &[Reason]) -> String {
    reasons.iter().map(Reason::to_string).collect::<Vec<_>>().join("; ")
}

/// Ends what still runs in the private folder of a connection that is gone, and removes it.
pub(super) fn clear_folder(transport: &mut dyn Transport, folder: &str) -> Result<(), TransportError> {
    const SCRIPT: &str = "for p in /proc/[0-9]*; do [ \"$(readlink \"$p/cwd\" 2>/dev/null)\" = \"$1\" ] && \
                          kill -s KILL \"${p##*/}\" 2>/dev/null; done; rm -rf -- \"$1\"";
    let limit = Duration::from_secs(60);
    let limits = RunLimits { inactivity: limit, total: limit, ..RunLimits::default() };
    transport.run(&["sh", "-c", SCRIPT, "clear", folder], &limits, &mut |_| std::ops::ControlFlow::Continue(()))?;
    Ok(())
}

impl Runner for Station {
    fn about(&self) -> RunnerAbout {
        let now = self.runner.as_ref().map(|runner| runner.about().conditions);
        let mut conditions = vec![now.unwrap_or_else(|| self.about.conditions.clone())];
        conditions.extend(self.phone.as_ref().map(Phone::conditions));
        if self.reconnected > 0 {
            conditions.push(format!("connected again {} times", self.reconnected));
        }
        conditions.retain(|condition| !condition.is_empty());
        RunnerAbout { conditions: conditions.join("; "), ..self.about.clone() }
    }

    fn operator_form(&self) -> OperatorForm {
        self.form
    }

    fn times_parts(&self) -> bool {
        self.times_parts
    }

    fn block(&mut self, subject: &Subject, limits: &Limits) -> Result<Vec<f64>, RunnerError> {
        self.ask(|runner| runner.block(subject, limits))
    }

    fn blocks(&mut self, models: &[&[u8]], name: &str, limits: &Limits) -> Result<Vec<Vec<f64>>, RunnerError> {
        self.ask(|runner| runner.blocks(models, name, limits))
    }

    fn parts(
        &mut self,
        subject: &Subject,
        owners: &dyn Fn(&str) -> Option<usize>,
        count: usize,
        limits: &Limits,
    ) -> Result<Parts, RunnerError> {
        self.ask(|runner| runner.parts(subject, owners, count, limits))
    }

    fn await_fit(&mut self) -> Result<Vec<String>, RunnerError> {
        if self.phone.is_none() {
            return self.ask(|runner| runner.await_fit());
        }
        let surroundings = self.surroundings.clone();
        let (phone, reasons) = self
            .ask(|runner| match runner.transport() {
                Some(transport) => fit_phone(transport, &surroundings).map(Some).map_err(|error| match error {
                    ProfileError::Interrupted => RunnerError::Interrupted,
                    ProfileError::Lost(reason) => RunnerError::Disconnected(reason),
                    error => RunnerError::Lost(error.to_string()),
                }),
                None => Ok(None),
            })?
            .unzip();
        self.phone = phone.or(self.phone.take());
        Ok(reasons.unwrap_or_default())
    }

    fn transport(&mut self) -> Option<&mut dyn Transport> {
        self.runner.as_mut()?.transport()
    }
}

#[cfg(test)]
mod tests;
