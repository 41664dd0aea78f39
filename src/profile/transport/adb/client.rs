//! Calling the adb program: finding it, its server, bounded answers.

use std::env;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::super::TransportError;
use super::super::lines::Tail;
use super::super::process::{End, Input, Process};
use super::super::{Limits, lines::printable};

/// Longest start of adb's server.
const SERVER_LIMIT: Duration = Duration::from_secs(30);
/// Most lines kept of an answer.
const MAX_LINES: usize = 1000;
const INSTALL: &str = "install it (Debian, Ubuntu: `apt install adb`; macOS: `brew install android-platform-tools`; \
                       elsewhere the Android SDK Platform-Tools) and put it on the PATH";

/// The adb program.
pub struct Client {
    program: PathBuf,
    /// Ends what is under way.
    pub stop: Option<&'static AtomicBool>,
}

/// What adb answered.
pub struct Answer {
    pub success: bool,
    pub stdout: String,
    /// The last thing it said on either output, fit for a message.
    pub message: String,
}

impl Client {
    /// The program named, or the one on the PATH, or that of the Android SDK.
    ///
    /// # Errors
    /// Where there is none: says how to install it.
    pub fn find(named: Option<&Path>, stop: Option<&'static AtomicBool>) -> Result<Self, TransportError> {
        let file = format!("adb{}", env::consts::EXE_SUFFIX);
        let path = env::var_os("PATH").unwrap_or_default();
        let sdk = ["ANDROID_HOME", "ANDROID_SDK_ROOT"].into_iter().filter_map(env::var_os);
        let mut candidates: Vec<PathBuf> = match named {
            Some(program) => vec![program.to_owned()],
            None => env::split_paths(&path)
                .map(|folder| folder.join(&file))
                .chain(sdk.map(|folder| Path::new(&folder).join("platform-tools").join(&file)))
                .collect(),
        };
        candidates.retain(|program| program.is_file());
        let program = candidates.into_iter().next();
        program
            .map(|program| Self { program, stop })
            .ok_or(TransportError::NoProgram { program: "adb", install: INSTALL })
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments);
        command
    }

    /// Starts the server where none runs, apart from other calls: it would keep their outputs open.
    pub fn start_server(&self) -> Result<(), TransportError> {
        let doing = || TransportError::io("starting the adb server");
        let mut command = self.command(&["start-server"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(doing())?;
        let start = Instant::now();
        loop {
            let problem = match child.try_wait().map_err(doing())? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => format!("it ended with {status}"),
                None if start.elapsed() < SERVER_LIMIT => {
                    std::thread::sleep(Duration::from_millis(10));
                    continue;
                }
                None => {
                    let _ = child.kill();
                    let _ = child.wait();
                    "it did not start in time".to_owned()
                }
            };
            let advice = "run `adb start-server` to see why";
            return Err(TransportError::NotReady { target: "the adb server".to_owned(), problem, advice });
        }
    }

    /// Calls adb and waits for its answer, at most for `total`.
    pub fn call(&self, arguments: &[&str], total: Duration) -> Result<Answer, TransportError> {
        let doing = || TransportError::io(format!("running adb {}", arguments.first().unwrap_or(&"")));
        let limits = Limits { inactivity: total, total, line_bytes: 4096, stderr_bytes: 4096, stop: self.stop };
        let mut process = Process::start(&mut self.command(arguments), Input::Nothing).map_err(doing())?;
        let (mut stderr, mut lines) = (Tail::new(limits.stderr_bytes), Vec::new());
        let end = process.drive(&limits, &mut stderr, &mut |line| {
            if lines.len() < MAX_LINES {
                lines.push(line.text.to_owned());
            }
            ControlFlow::Continue(())
        });
        let success = match end.map_err(doing())? {
            End::Exited(status) => status.success(),
            End::Stopped => return Err(TransportError::Interrupted { target: "adb".to_owned() }),
            End::Inactive | End::TimeLimit => {
                let message = format!("it did not answer within {} s", total.as_secs());
                return Ok(Answer { success: false, stdout: String::new(), message });
            }
        };
        let errors = stderr.text();
        // Some errors are printed on standard output, below them what was done all the same.
        let said = || lines.iter().map(String::as_str).chain(errors.lines()).filter(|line| !line.trim().is_empty());
        let last = said().rfind(|line| line.contains("error")).or_else(|| said().next_back());
        let message = printable(last.unwrap_or("it said nothing"));
        Ok(Answer { success, stdout: lines.join("\n"), message })
    }
}
