//! Another machine, over SSH (libssh2).
//!
//! The machine's login shell only ever sees the constant `exec sh -s`; what to run comes on that
//! shell's standard input, strictly quoted, so the login shell's own rules do not matter. A private
//! folder is made there and removed again; what a lost connection leaves stays behind in the
//! folder for temporary files.

mod auth;
mod config;
mod exec;
mod host_key;

use std::cell::RefCell;
use std::io::Write;
use std::net::{TcpStream, ToSocketAddrs};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Child;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::time::Duration;

use ssh2::{ErrorCode, OpenFlags, OpenType, Session, Sftp};

use self::config::{Address, HostConfig};
use self::exec::Remote;
use self::host_key::KnownHosts;
use super::lines::printable;
use super::quote::{quote, quote_all};
use super::{
    Exit, FileMode, Limits, Line, OpenOptions, Outcome, Transport, TransportError, check_arguments, check_file_name,
    is_set, unless_interrupted,
};

/// Longest wait for one answer of the server.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Silence after which the server is asked for a sign of life, in seconds.
const KEEPALIVE_SECONDS: u32 = 15;
/// A file goes out in pieces of this many bytes.
const CHUNK_BYTES: usize = 128 << 10;
/// How often the wish to stop is looked at.
const STOP_POLL: Duration = Duration::from_millis(50);
/// What every private folder's name begins with.
const FOLDER_PREFIX: &str = "zen-nas.";

/// A machine over SSH.
pub struct Ssh {
    remote: Remote,
    sftp: Option<Sftp>,
    directory: String,
    open: bool,
    stop: Option<&'static AtomicBool>,
    /// The ssh executable that carries the bytes through jump hosts.
    carrier: Option<Carrier>,
}

impl Ssh {
    /// Connects, verifies the host's key, logs in and makes the private folder.
    ///
    /// # Errors
    /// See [`TransportError`]: an address that cannot be read or reached, a key that is unknown,
    /// changed or revoked, a login that fails, a machine without `sh` or room for a folder.
    pub fn open(address: &str, mut options: OpenOptions<'_>) -> Result<Self, TransportError> {
        let config = HostConfig::resolve(Address::parse(address)?, options.ssh_config.as_deref())?;
        let target = config.target();
        let problem = |error: ssh2::Error| TransportError::Connect {
            target: target.clone(),
            problem: printable(error.message()),
        };
        let mut session = Session::new().map_err(problem)?;
        session.set_timeout(millis(config.connect_timeout));
        let known_hosts = KnownHosts::read(&session, &config)?;
        known_hosts.prefer_known_types(&session).map_err(problem)?;
        let stop = options.stop;
        let mut carrier = None;
        match &config.jump {
            Some(jump) => {
                carrier = Some(Carrier::start(&config, jump, options.ssh_config.as_deref(), &mut session)?);
            }
            None => session.set_tcp_stream(connect(&config, stop)?),
        }
        session.handshake().map_err(problem)?;
        known_hosts.verify(&session, &config)?;
        session.set_timeout(millis(ANSWER_TIMEOUT));
        auth::log_in(&session, &config, &mut options)?;
        session.set_keepalive(true, KEEPALIVE_SECONDS);
        let remote = Remote { session, target, lost: RefCell::new(None) };
        let directory = make_folder(&remote)?;
        Ok(Self { remote, sftp: None, directory, open: true, stop, carrier })
    }

    fn upload(&mut self, name: &str, content: &[u8], mode: FileMode) -> Result<(), ssh2::Error> {
        if self.sftp.is_none() {
            self.sftp = Some(self.remote.session.sftp()?);
        }
        let Some(sftp) = &self.sftp else { return Ok(()) };
        let part = format!("{}/.{name}.part", self.directory);
        let part = Path::new(&part);
        let finish = || -> Result<(), ssh2::Error> {
            let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
            let mut file = sftp.open_mode(part, flags, mode.bits() as i32, OpenType::File)?;
            for chunk in content.chunks(CHUNK_BYTES) {
                if is_set(self.stop) {
                    return Err(ssh2::Error::new(ErrorCode::SFTP(SFTP_FAILURE), "interrupted"));
                }
                // The reason is kept by the session, not by the io error.
                file.write_all(chunk).map_err(|_| last_error(&self.remote.session))?;
            }
            file.close()?;
            let arrived = sftp.stat(part)?.size;
            if arrived != Some(content.len() as u64) {
                return Err(ssh2::Error::new(ErrorCode::SFTP(SFTP_FAILURE), "only a part of the file arrived"));
            }
            let path = format!("{}/{name}", self.directory);
            // Renaming over an existing file fails in the protocol's version 3.
            match sftp.unlink(Path::new(&path)) {
                Err(error) if error.code() != ErrorCode::SFTP(SFTP_NO_SUCH_FILE) => Err(error),
                _ => sftp.rename(part, Path::new(&path), None),
            }
        };
        finish().inspect_err(|error| {
            if !is_lost(error) {
                let _ = sftp.unlink(part);
            }
        })
    }

    /// Removes the folder and disconnects, once.
    fn shut(&mut self) -> Result<(), TransportError> {
        if !std::mem::take(&mut self.open) {
            return Ok(());
        }
        self.sftp = None;
        let removed = self.remote.script(&format!("rm -rf -- {}", quote(&self.directory)), "rm");
        let _ = self.remote.session.disconnect(None, "done", None);
        self.carrier = None;
        removed.map(|_| ())
    }
}

impl Transport for Ssh {
    fn target(&self) -> &str {
        &self.remote.target
    }

    fn directory(&self) -> &str {
        &self.directory
    }

    fn put(&mut self, name: &str, content: &[u8], mode: FileMode) -> Result<String, TransportError> {
        check_file_name(name)?;
        let doing = format!("putting {name}");
        self.remote.check_alive(&doing)?;
        self.upload(name, content, mode).map_err(|error| {
            let target = self.remote.target.clone();
            if is_set(self.stop) {
                return TransportError::Interrupted { target };
            }
            let problem = printable(error.message());
            if self.remote.is_lost(&error) {
                return self.remote.lost(&doing, problem);
            }
            let hint = match error.code() {
                ErrorCode::SFTP(SFTP_FAILURE) => " (is the device full?)",
                ErrorCode::SFTP(_) => "",
                ErrorCode::Session(_) => " (the server must offer sftp)",
            };
            TransportError::Put { target, name: name.to_owned(), problem: format!("{problem}{hint}") }
        })?;
        Ok(format!("{}/{name}", self.directory))
    }

    fn run(
        &mut self,
        argv: &[&str],
        limits: &Limits<'_>,
        on_line: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>,
    ) -> Result<Outcome, TransportError> {
        let program = check_arguments(&self.remote.target, argv)?;
        let (script, limits) = (format!("exec {}", quote_all(argv)), limits.or_stop(self.stop));
        let outcome = self.remote.run(&self.directory, &script, program, &limits, on_line)?;
        unless_interrupted(&self.remote.target, outcome, self.stop)
    }

    fn close(mut self: Box<Self>) -> Result<(), TransportError> {
        self.shut()
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        let _ = self.shut();
    }
}

const SFTP_NO_SUCH_FILE: i32 = 2;
const SFTP_FAILURE: i32 = 4;

/// Errors of libssh2 after which the connection is gone. It hides some behind the failure of a
/// channel: see [`Remote::is_lost`].
fn is_lost(error: &ssh2::Error) -> bool {
    // SOCKET_NONE, SOCKET_SEND, TIMEOUT, SOCKET_DISCONNECT, PROTO, SOCKET_TIMEOUT, SOCKET_RECV, BAD_SOCKET.
    matches!(error.code(), ErrorCode::Session(-1 | -7 | -9 | -13 | -14 | -30 | -43 | -45))
}

fn last_error(session: &Session) -> ssh2::Error {
    ssh2::Error::last_session_error(session)
        .unwrap_or_else(|| ssh2::Error::new(ErrorCode::SFTP(SFTP_FAILURE), "writing failed"))
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

/// Tries the host's addresses one after another.
fn connect(config: &HostConfig, stop: Option<&'static AtomicBool>) -> Result<TcpStream, TransportError> {
    let error = |problem: String| TransportError::Connect { target: config.target(), problem };
    let addresses = (config.host.as_str(), config.port).to_socket_addrs().map_err(|e| error(e.to_string()))?;
    let mut last = "the name has no address".to_owned();
    for address in addresses {
        // In a thread, as nothing else ends the wait for a host that does not answer.
        let (sender, answer) = mpsc::channel();
        let limit = config.connect_timeout;
        std::thread::spawn(move || sender.send(TcpStream::connect_timeout(&address, limit)));
        let connected = loop {
            match answer.recv_timeout(STOP_POLL) {
                Err(mpsc::RecvTimeoutError::Timeout) if is_set(stop) => {
                    return Err(TransportError::Interrupted { target: config.target() });
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return Err(error("no answer".to_owned())),
                Ok(connected) => break connected,
            }
        };
        match connected {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(|e| error(e.to_string()))?;
                return Ok(stream);
            }
            Err(e) => last = e.to_string(),
        }
    }
    Err(error(last))
}

/// Makes the private folder and returns its path.
fn make_folder(remote: &Remote) -> Result<String, TransportError> {
    let script = format!(
        "umask 077; d=$(mktemp -d \"${{TMPDIR:-/tmp}}/{FOLDER_PREFIX}XXXXXXXXXX\") || exit 1; printf '%s\\n' \"$d\""
    );
    let (outcome, lines) = remote.script(&script, "mktemp")?;
    let error = |problem| Err(TransportError::Setup { target: remote.target.clone(), problem });
    if outcome.exit != Exit::Code(0) {
        return error(format!("mktemp failed: {}", printable(&outcome.stderr)));
    }
    match lines.as_slice() {
        // The path goes into `rm -rf` later.
        [path] if path.starts_with('/') && path.contains(&format!("/{FOLDER_PREFIX}")) && !path.contains("/../") => {
            Ok(path.clone())
        }
        lines => error(format!("mktemp did not answer with a path but with {:?}", printable(&lines.join("\n")))),
    }
}

/// `ssh -W` through the jump hosts; ends with its owner.
struct Carrier(Child);

impl Carrier {
    #[cfg(unix)]
    fn start(
        config: &HostConfig,
        jump: &str,
        config_file: Option<&Path>,
        session: &mut Session,
    ) -> Result<Self, TransportError> {
        use std::os::{fd::OwnedFd, unix::net::UnixStream};
        use std::process::Stdio;
        let doing = || TransportError::io(format!("starting ssh to pass through {jump}"));
        let (ours, theirs) = UnixStream::pair().map_err(doing())?;
        let output = theirs.try_clone().map_err(doing())?;
        let (before, last) = match jump.rsplit_once(',') {
            Some((before, last)) => (Some(before), last),
            None => (None, jump),
        };
        let mut command = config::ssh_command(config_file);
        command.args(["-o", "BatchMode=yes", "-W", &format!("{}:{}", config.bracketed_host(), config.port)]);
        if let Some(before) = before {
            command.args(["-J", before]);
        }
        let last = if last.starts_with("ssh://") { last.to_owned() } else { format!("ssh://{last}") };
        command
            .args(["--", &last])
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(OwnedFd::from(output)));
        // Out of reach of a Ctrl-C at the terminal: what lies on the machine is still to be removed through it.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().map_err(doing())?;
        session.set_tcp_stream(ours);
        Ok(Self(child))
    }

    #[cfg(not(unix))]
    fn start(config: &HostConfig, _: &str, _: Option<&Path>, _: &mut Session) -> Result<Self, TransportError> {
        let problem = "ProxyJump is not supported on this system".to_owned();
        Err(TransportError::Configuration { target: config.target(), problem })
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
