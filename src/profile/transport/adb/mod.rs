//! An Android phone, over USB or the network, through the adb program.
//!
//! A private folder is made below /data/local/tmp and removed again. What adb says of success is
//! not believed: outputs end with a mark (`shell`), files are compared by checksum before they get
//! their name (`put`), the phone's state is read from the list of devices. After a cut the next call
//! reconnects, a bounded number of times, and ends what still runs in the folder.
//!
//! `ANDROID_ADB_SERVER_PORT` and `HOME` mean what they mean to adb.

mod client;
mod devices;
mod link;
mod put;
mod shell;

use std::ops::ControlFlow;
use std::time::Duration;

use self::client::Client;
use self::devices::State;
use self::shell::Ran;
use super::lines::{Tail, printable};
use super::process::End;
use super::quote::{quote, quote_all};
use super::{
    Exit, FileMode, Limit, Limits, Line, OpenOptions, Outcome, Transport, TransportError, check_arguments,
    check_file_name, unless_interrupted,
};

/// Longest wait for an answer of adb itself.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// How often a lost phone is connected to again before the call fails.
const RECONNECTS: u32 = 3;
/// Limits of our own small scripts.
const SCRIPT_LIMITS: Limits<'static> = Limits {
    inactivity: Duration::from_secs(10),
    total: Duration::from_secs(20),
    line_bytes: 4096,
    stderr_bytes: 4096,
    stop: None,
};
/// What every private folder's name begins with.
const FOLDER_PREFIX: &str = "zen-nas.";

/// A phone over adb.
pub struct Adb {
    client: Client,
    serial: String,
    /// For messages.
    target: String,
    directory: String,
    open: bool,
    /// Why the phone was lost, until it is found again.
    lost: Option<String>,
}

impl Adb {
    /// Finds adb and the phone, and makes the private folder. The address is a serial number,
    /// host:port, or empty for the only phone.
    ///
    /// # Errors
    /// No adb, no such phone or several, a phone that is not authorised, offline or older than
    /// Android 7, no room for a folder; each says the way out.
    pub fn open(address: &str, options: OpenOptions<'_>) -> Result<Self, TransportError> {
        let client = Client::find(options.adb.as_deref(), options.stop)?;
        devices::check_address(address)?;
        client.start_server()?;
        let listed = link::list(&client)?;
        let serial = devices::choose(address, &listed)?;
        let target = format!("phone {serial}");
        let mut adb = Self { client, serial, target, directory: String::new(), open: false, lost: None };
        if !listed.iter().any(|phone| phone.serial == adb.serial && phone.state == State::Ready) {
            adb.connect(listed.iter().any(|phone| phone.serial == adb.serial))?;
        }
        let features = adb.client.call(&["-s", &adb.serial, "features"], ANSWER_LIMIT)?;
        if !features.success {
            let (target, problem) = (adb.target.clone(), format!("it does not answer ({})", features.message));
            return Err(TransportError::NotReady { target, problem, advice: "unplug it and plug it in again" });
        }
        if !features.stdout.lines().any(|feature| feature.trim() == "shell_v2") {
            let (target, problem) = (adb.target.clone(), "its shell is too old".to_owned());
            return Err(TransportError::NotReady { target, problem, advice: "Android 7 or newer is needed" });
        }
        adb.directory = adb.make_folder()?;
        adb.open = true;
        Ok(adb)
    }

    /// Runs one of our own scripts and collects its few lines.
    fn script(&mut self, directory: &str, script: &str, name: &str) -> Result<(Outcome, Vec<String>), TransportError> {
        let mut lines = Vec::new();
        let outcome = self.run_script(directory, script, name, &SCRIPT_LIMITS, &mut |line| {
            lines.push(line.text.to_owned());
            if lines.len() < 100 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok((outcome, lines))
    }

    fn run_script(
        &mut self,
        directory: &str,
        script: &str,
        program: &str,
        limits: &Limits<'_>,
        on_line: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>,
    ) -> Result<Outcome, TransportError> {
        let mut stderr = Tail::new(limits.stderr_bytes);
        let doing = format!("running {program}");
        let ran = shell::run((&self.client, &self.serial), directory, script, limits, &mut stderr, on_line);
        let (end, process) = match ran.map_err(TransportError::io("running adb shell"))? {
            Ran::Ended(exit) => return Ok(Outcome { exit, stderr: stderr.text() }),
            Ran::Lost => {
                return Err(self.lost(&doing, format!("its output broke off{}", stderr.for_message())));
            }
            Ran::NotStarted => {
                let said = stderr.for_message();
                if let Some((problem, _)) = devices::problem(self.state()?.as_ref()) {
                    return Err(self.lost(&doing, format!("{problem}{said}")));
                }
                // A connection that is cut at this moment leaves nothing but silence.
                if said.is_empty() || said.contains("error: ") {
                    return Err(self.lost(&doing, format!("the shell did not begin{said}")));
                }
                let problem = format!("the phone's shell did not start it{said}");
                let target = self.target.clone();
                return Err(TransportError::Run { target, program: program.to_owned(), problem });
            }
            Ran::Cut(end, process) => (end, process),
        };
        // adb's end does not end the program. A phone that was lost in silence shows here.
        if let Some(number) = process
            && let Err(problem) = self.kill(number)
        {
            return Err(self.lost(&doing, problem));
        }
        let limit = match end {
            End::Inactive => Limit::Inactivity,
            End::TimeLimit => Limit::Total,
            End::Stopped | End::Exited(_) => return Ok(Outcome { exit: Exit::Stopped, stderr: stderr.text() }),
        };
        Err(limits.reached(limit, &self.target, program, &stderr))
    }

    /// Kills a process and its children: a phone gives each command a group of its own.
    fn kill(&self, number: u32) -> Result<(), String> {
        let script = format!("kill -s KILL -- -{number} 2>/dev/null || kill -s KILL {number} 2>/dev/null");
        let mut stderr = Tail::new(SCRIPT_LIMITS.stderr_bytes);
        let phone = (&self.client, self.serial.as_str());
        match shell::run(phone, "/", &script, &SCRIPT_LIMITS, &mut stderr, &mut |_| ControlFlow::Continue(())) {
            Ok(Ran::Ended(_)) => Ok(()),
            Ok(_) => Err(format!("it does not answer any more{}", stderr.for_message())),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Makes the private folder and returns its path.
    fn make_folder(&mut self) -> Result<String, TransportError> {
        // Phones set TMPDIR for adb's shell, to the same.
        let script = format!("umask 077; mktemp -d \"${{TMPDIR:-/data/local/tmp}}/{FOLDER_PREFIX}XXXXXXXXXX\"");
        let (outcome, lines) = self.script("/", &script, "mktemp")?;
        let error = |problem| Err(TransportError::Setup { target: self.target.clone(), problem });
        if !outcome.exit.is_success() {
            return error(format!("mktemp failed: {}", printable(&outcome.stderr)));
        }
        match lines.as_slice() {
            // The path goes into `rm -rf` later.
            [path]
                if path.starts_with('/') && path.contains(&format!("/{FOLDER_PREFIX}")) && !path.contains("/../") =>
            {
                Ok(path.clone())
            }
            lines => error(format!("mktemp did not answer with a path but with {:?}", printable(&lines.join("\n")))),
        }
    }

    /// Removes the folder, once.
    fn shut(&mut self) -> Result<(), TransportError> {
        if !std::mem::take(&mut self.open) {
            return Ok(());
        }
        self.client.stop = None;
        self.ready(&format!("removing {}", self.directory), 1)?;
        let (outcome, _) = self.script("/", &format!("rm -rf -- {}", quote(&self.directory)), "rm")?;
        if outcome.exit.is_success() {
            return Ok(());
        }
        let problem = format!("{} cannot be removed: {}", self.directory, printable(&outcome.stderr));
        Err(TransportError::Setup { target: self.target.clone(), problem })
    }
}

impl Transport for Adb {
    fn target(&self) -> &str {
        &self.target
    }

    fn directory(&self) -> &str {
        &self.directory
    }

    fn put(&mut self, name: &str, content: &[u8], mode: FileMode) -> Result<String, TransportError> {
        check_file_name(name)?;
        self.ready(&format!("putting {name}"), RECONNECTS)?;
        self.upload(name, content, mode)?;
        Ok(format!("{}/{name}", self.directory))
    }

    fn run(
        &mut self,
        argv: &[&str],
        limits: &Limits<'_>,
        on_line: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>,
    ) -> Result<Outcome, TransportError> {
        let program = check_arguments(&self.target, argv)?;
        self.ready(&format!("running {program}"), RECONNECTS)?;
        let directory = self.directory.clone();
        let (script, stop) = (format!("exec {}", quote_all(argv)), self.client.stop);
        let outcome = self.run_script(&directory, &script, program, &limits.or_stop(stop), on_line)?;
        unless_interrupted(&self.target, outcome, stop)
    }

    fn close(mut self: Box<Self>) -> Result<(), TransportError> {
        self.shut()
    }
}

impl Drop for Adb {
    fn drop(&mut self) {
        let _ = self.shut();
    }
}
