//! The way to the phone: connecting, and finding it again after a cut.

use std::time::{Duration, Instant};

use super::super::TransportError;
use super::super::quote::quote;
use super::client::Client;
use super::devices::{self, Listed, State};
use super::{ANSWER_LIMIT, Adb};

/// Longest wait for a phone to become ready, once adb knows it.
const READY_LIMIT: Duration = Duration::from_secs(6);

/// The phones that adb sees.
pub fn list(client: &Client) -> Result<Vec<Listed>, TransportError> {
    let answer = client.call(&["devices", "-l"], ANSWER_LIMIT)?;
    if answer.success {
        return Ok(devices::parse(&answer.stdout));
    }
    let advice = "run `adb kill-server` and try again";
    Err(TransportError::NotReady { target: "the adb server".to_owned(), problem: answer.message, advice })
}

impl Adb {
    /// Connects where the address is one of the network, and waits until the phone is ready.
    pub(super) fn connect(&self, listed: bool) -> Result<(), TransportError> {
        let mut said = None;
        if devices::is_network(&self.serial) {
            if listed {
                self.client.call(&["disconnect", &self.serial], ANSWER_LIMIT)?;
            }
            // It ends with code 0 even where nothing was connected.
            said = Some(self.client.call(&["connect", &self.serial], ANSWER_LIMIT)?.message);
        }
        let Some((mut problem, advice)) = self.wait_ready()? else { return Ok(()) };
        if let Some(said) = said {
            problem = format!("{problem} (adb: {said})");
        }
        Err(TransportError::NotReady { target: self.target.clone(), problem, advice })
    }

    /// Why the phone does not become ready; none as soon as it is.
    pub(super) fn wait_ready(&self) -> Result<Option<(String, &'static str)>, TransportError> {
        let start = Instant::now();
        loop {
            let state = self.state()?;
            let problem = devices::problem(state.as_ref());
            // What cannot be connected to is not listed at all.
            let hopeless = state.is_none() && devices::is_network(&self.serial);
            if problem.is_none() || hopeless || start.elapsed() > READY_LIMIT {
                return Ok(problem);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    pub(super) fn state(&self) -> Result<Option<State>, TransportError> {
        Ok(list(&self.client)?.into_iter().find(|phone| phone.serial == self.serial).map(|phone| phone.state))
    }

    pub(super) fn lost(&mut self, doing: &str, problem: String) -> TransportError {
        self.lost = Some(problem.clone());
        TransportError::ConnectionLost { target: self.target.clone(), doing: doing.to_owned(), problem }
    }

    /// Finds a lost phone again, in at most so many attempts.
    pub(super) fn ready(&mut self, doing: &str, attempts: u32) -> Result<(), TransportError> {
        let Some(problem) = self.lost.take() else { return Ok(()) };
        let mut again = String::new();
        for attempt in 0..attempts {
            if attempt > 0 {
                std::thread::sleep(Duration::from_millis(500) * attempt);
            }
            match self.reconnect() {
                Ok(()) => {
                    // An attempt before may have been lost, too.
                    self.lost = None;
                    return Ok(());
                }
                Err(error @ TransportError::Interrupted { .. }) => {
                    self.lost = Some(problem);
                    return Err(error);
                }
                Err(error) => again = error.to_string(),
            }
        }
        let (target, doing) = (self.target.clone(), doing.to_owned());
        let told = format!("{problem}; connecting again failed: {again}");
        self.lost = Some(problem);
        Err(TransportError::ConnectionLost { target, doing, problem: told })
    }

    /// Connects again and checks that the phone is still the one with our folder.
    pub(super) fn reconnect(&mut self) -> Result<(), TransportError> {
        self.client.start_server()?;
        let state = self.state()?;
        if state != Some(State::Ready) {
            if !devices::is_network(&self.serial) && state.is_some() {
                self.client.call(&["-s", &self.serial, "reconnect"], ANSWER_LIMIT)?;
            }
            self.connect(state.is_some())?;
        }
        // What still runs there would disturb what is measured next.
        let directory = quote(&self.directory);
        let script = format!(
            "test -d {directory} || exit 1; for p in /proc/[0-9]*; do \
             [ \"$(readlink \"$p/cwd\" 2>/dev/null)\" = {directory} ] && kill -s KILL \"${{p##*/}}\" 2>/dev/null; done; true"
        );
        let (outcome, _) = self.script("/", &script, "the shell")?;
        if outcome.exit.is_success() {
            return Ok(());
        }
        let problem = format!("the folder {} is gone", self.directory);
        Err(TransportError::Setup { target: self.target.clone(), problem })
    }
}
