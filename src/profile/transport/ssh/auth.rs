//! Logging in: keys of the agent, then key files. Passwords are never sent.

use std::path::{Path, PathBuf};

use ssh2::{ErrorCode, Session};

use super::super::{OpenOptions, TransportError};
use super::config::{Agent, HostConfig};
use super::host_key::base64;

/// libssh2: the key was offered and refused.
const AUTHENTICATION_FAILED: i32 = -18;
/// libssh2: the signature was not accepted.
const PUBLIC_KEY_UNVERIFIED: i32 = -19;

/// Beginning of the base64 text of a key in OpenSSH's format without a passphrase
/// (`openssh-key-v1`, cipher `none`).
const OPENSSH_UNENCRYPTED: &str = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU";

/// Logs in, or says what was tried.
pub fn log_in(session: &Session, config: &HostConfig, options: &mut OpenOptions<'_>) -> Result<(), TransportError> {
    let mut attempts = Attempts { tried: Vec::new() };
    // Asking which ways exist logs in at once where none is needed.
    let methods = session.auth_methods(&config.user).map(str::to_owned).unwrap_or_default();
    if session.authenticated() {
        return Ok(());
    }
    if methods.contains("publickey") || methods.is_empty() {
        if attempts.agent(session, config)? || attempts.files(session, config, options)? {
            return Ok(());
        }
    } else {
        attempts.tried.push(format!("the server takes no keys, only {methods}"));
    }
    if attempts.tried.is_empty() {
        attempts.tried.push("there is no key: make one with ssh-keygen and install it with ssh-copy-id".to_owned());
    }
    Err(TransportError::Authentication { target: config.target(), tried: attempts.tried.join("; ") })
}

struct Attempts {
    /// What did not work, for the message.
    tried: Vec<String>,
}

impl Attempts {
    /// Offers the agent's keys, those of the configured identity files first.
    fn agent(&mut self, session: &Session, config: &HostConfig) -> Result<bool, TransportError> {
        if config.agent == Agent::None
            || (config.agent == Agent::Environment && std::env::var_os("SSH_AUTH_SOCK").is_none())
        {
            return Ok(false);
        }
        let Ok(mut agent) = session.agent() else { return Ok(false) };
        let listed = || -> Result<_, ssh2::Error> {
            if let Agent::Socket(path) = &config.agent {
                agent.set_identity_path(path)?;
            }
            agent.connect()?;
            agent.list_identities()?;
            let identities = agent.identities()?;
            Ok((agent, identities))
        };
        let (agent, identities) = match listed() {
            Ok(listed) => listed,
            Err(error) => {
                self.tried.push(format!("the ssh agent did not answer ({})", error.message()));
                return Ok(false);
            }
        };
        let configured: Vec<String> = config.identity_files.iter().filter_map(|file| public_half(file)).collect();
        let is_configured = |identity: &ssh2::PublicKey| configured.contains(&base64(identity.blob()));
        let (first, rest): (Vec<_>, Vec<_>) = identities.into_iter().partition(is_configured);
        let rest = if config.identities_only { Vec::new() } else { rest };
        for identity in first.into_iter().chain(rest) {
            match agent.userauth(&config.user, &identity) {
                Ok(()) => return Ok(true),
                Err(error) => self.refused(config, format!("agent key {}", identity.comment()), &error)?,
            }
        }
        Ok(false)
    }

    /// Offers the key files that exist.
    fn files(
        &mut self,
        session: &Session,
        config: &HostConfig,
        options: &mut OpenOptions<'_>,
    ) -> Result<bool, TransportError> {
        for file in config.identity_files.iter().filter(|file| file.is_file()) {
            let mut passphrase = None;
            if is_encrypted(file) {
                passphrase = options.passphrase.as_mut().and_then(|ask| ask(file));
                if passphrase.is_none() {
                    let file = file.display();
                    self.tried.push(format!("{file} needs a passphrase (ssh-add {file} hands it to the agent)"));
                    continue;
                }
            }
            let result = session.userauth_pubkey_file(&config.user, None, file, passphrase.as_deref());
            match result {
                Ok(()) => return Ok(true),
                Err(_) if passphrase.is_some() && !was_refused(result.as_ref().err()) => {
                    self.tried.push(format!("the passphrase of {} is wrong", file.display()));
                }
                Err(error) => self.refused(config, file.display().to_string(), &error)?,
            }
        }
        Ok(false)
    }

    fn refused(&mut self, config: &HostConfig, key: String, error: &ssh2::Error) -> Result<(), TransportError> {
        if super::is_lost(error) {
            let (doing, problem) = ("logging in".to_owned(), error.message().to_owned());
            return Err(TransportError::ConnectionLost { target: config.target(), doing, problem });
        }
        let why = if was_refused(Some(error)) { "was not accepted" } else { error.message() };
        self.tried.push(format!("{key}: {why}"));
        Ok(())
    }
}

fn was_refused(error: Option<&ssh2::Error>) -> bool {
    error.is_some_and(|error| matches!(error.code(), ErrorCode::Session(AUTHENTICATION_FAILED | PUBLIC_KEY_UNVERIFIED)))
}

/// The base64 text in the `.pub` file beside a private key.
fn public_half(file: &Path) -> Option<String> {
    let mut name = file.as_os_str().to_owned();
    name.push(".pub");
    let text = std::fs::read_to_string(PathBuf::from(name)).ok()?;
    text.split_whitespace().nth(1).map(str::to_owned)
}

/// Whether a private key needs a passphrase: libssh2 only says that it cannot read it.
fn is_encrypted(file: &Path) -> bool {
    let Ok(text) = std::fs::read_to_string(file) else { return false };
    match text.split_once("-----BEGIN OPENSSH PRIVATE KEY-----") {
        Some((_, body)) => !body.trim_start().starts_with(OPENSSH_UNENCRYPTED),
        None => text.contains("ENCRYPTED"),
    }
}
