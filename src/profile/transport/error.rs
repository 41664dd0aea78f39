//! What can go wrong on the way to a machine.

use std::io;

/// A machine that could not be reached or did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    #[error("host {given:?}: {problem}; expected [user@]host[:port], or a name from your ssh configuration")]
    Address { given: String, problem: &'static str },
    #[error("unknown transport {given:?}; known: {known}")]
    UnknownTransport { given: String, known: String },
    #[error("this build cannot use {transport}: rebuild with the cargo feature `{feature}`")]
    NotBuiltIn { transport: &'static str, feature: &'static str },
    #[error("argument {index} of the command for {target}: {problem}")]
    Argument { target: String, index: usize, problem: &'static str },
    #[error("file name {name:?}: {problem}")]
    FileName { name: String, problem: &'static str },
    #[error("{doing}: {source}")]
    Io { doing: String, source: io::Error },
    #[error("ssh configuration of {target}: {problem}")]
    Configuration { target: String, problem: String },
    #[error("connecting to {target}: {problem}; check that the machine is up and that the address and port are right")]
    Connect { target: String, problem: String },
    #[error(
        "the key of {target} is not known, so the connection was refused\n  \
         fingerprint: {fingerprint} ({key_type})\n  \
         Compare it with the machine's own (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub there). If it is the same, accept it with:\n  \
         {command}"
    )]
    HostKeyUnknown { target: String, key_type: String, fingerprint: String, command: String },
    #[error(
        "the key of {target} is not the one in {file} (line {line}), so the connection was refused\n  \
         fingerprint now: {fingerprint} ({key_type})\n  \
         Either the machine was reinstalled or someone is in between. Ask its owner; then remove the old line with:\n  \
         {command}"
    )]
    HostKeyChanged {
        target: String,
        key_type: String,
        fingerprint: String,
        file: Box<str>,
        line: usize,
        command: Box<str>,
    },
    #[error(
        "the key of {target} ({fingerprint}) is marked as revoked in {file} (line {line}), so the connection was refused"
    )]
    HostKeyRevoked { target: String, fingerprint: String, file: String, line: usize },
    #[error("logging in to {target} failed; {tried}")]
    Authentication { target: String, tried: String },
    #[error("the program {program} was not found; {install}")]
    NoProgram { program: &'static str, install: &'static str },
    #[error("{target} cannot be used: {problem}; {advice}")]
    NotReady { target: String, problem: String, advice: &'static str },
    #[error("preparing a private folder on {target}: {problem}")]
    Setup { target: String, problem: String },
    #[error("putting {name} on {target}: {problem}")]
    Put { target: String, name: String, problem: String },
    #[error("running {program} on {target}: {problem}")]
    Run { target: String, program: String, problem: String },
    #[error("the connection to {target} was lost while {doing}: {problem}")]
    ConnectionLost { target: String, doing: String, problem: String },
    #[error("interrupted while working with {target}")]
    Interrupted { target: String },
    #[error("{program} on {target} wrote nothing for {seconds} s and was stopped{stderr}")]
    Inactive { target: String, program: String, seconds: u64, stderr: String },
    #[error("{program} on {target} did not end within {seconds} s and was stopped{stderr}")]
    TimeLimit { target: String, program: String, seconds: u64, stderr: String },
}

impl TransportError {
    /// Whether connecting again may help: the machine was reached and is gone now.
    pub fn is_connection_lost(&self) -> bool {
        matches!(self, Self::ConnectionLost { .. })
    }

    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}
