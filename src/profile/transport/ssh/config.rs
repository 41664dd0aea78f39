//! Where a host is and how to log in there: the user's ssh configuration, resolved by `ssh -G`.
//!
//! Host keys are always verified: `StrictHostKeyChecking` is not looked at.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::super::TransportError;

/// A host as the configuration resolves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostConfig {
    /// Name or address to connect to.
    pub host: String,
    pub port: u16,
    pub user: String,
    /// The name that known_hosts uses in place of host and port.
    pub key_alias: Option<String>,
    pub identity_files: Vec<PathBuf>,
    /// Offer only the identity files' keys, even when the agent has more.
    pub identities_only: bool,
    pub agent: Agent,
    /// The user's files first.
    pub known_hosts: Vec<PathBuf>,
    pub connect_timeout: Duration,
    /// Hosts to pass through, `[user@]host[:port]`, comma separated.
    pub jump: Option<String>,
}

/// Which agent holds keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agent {
    /// The one that `SSH_AUTH_SOCK` names.
    Environment,
    Socket(PathBuf),
    None,
}

/// `[user@]host[:port]` as the user gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    pub user: Option<&'a str>,
    pub host: &'a str,
    pub port: Option<u16>,
}

impl<'a> Address<'a> {
    /// Reads an address; an IPv6 address with a port stands in brackets.
    pub fn parse(given: &'a str) -> Result<Self, TransportError> {
        let error = |problem| TransportError::Address { given: given.to_owned(), problem };
        if given.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(error("it contains spaces or control characters"));
        }
        let (user, rest) = match given.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, given),
        };
        let (host, port) = match rest.strip_prefix('[') {
            Some(inner) => {
                let (host, after) = inner.split_once(']').ok_or_else(|| error("a bracket is not closed"))?;
                match after.strip_prefix(':') {
                    Some(port) => (host, Some(port)),
                    None if after.is_empty() => (host, None),
                    None => return Err(error("only a port may follow the bracket")),
                }
            }
            None => match rest.split_once(':') {
                Some((_, more)) if more.contains(':') => (rest, None),
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let port = match port.map(str::parse) {
            None => None,
            Some(Ok(port)) if port > 0 => Some(port),
            Some(_) => return Err(error("the port is not a number from 1 to 65535")),
        };
        if host.is_empty() || user == Some("") {
            return Err(error("the user or the host is empty"));
        }
        // Neither may be taken for an option by the ssh executable.
        if host.starts_with('-') || user.is_some_and(|user| user.starts_with('-')) {
            return Err(error("neither user nor host may begin with '-'"));
        }
        Ok(Self { user, host, port })
    }
}

impl HostConfig {
    /// Resolves an address with the user's configuration where an ssh executable is installed, and
    /// with OpenSSH's defaults where none is.
    pub fn resolve(address: Address<'_>, config_file: Option<&Path>) -> Result<Self, TransportError> {
        let mut command = ssh_command(config_file);
        command.arg("-G");
        if let Some(port) = address.port {
            command.args(["-p", &port.to_string()]);
        }
        if let Some(user) = address.user {
            command.args(["-l", user]);
        }
        let problem = |problem: String| TransportError::Configuration { target: address.host.to_owned(), problem };
        match command.args(["--", address.host]).output() {
            Ok(output) if output.status.success() => {
                Self::from_ssh(address, &String::from_utf8_lossy(&output.stdout)).map_err(problem)
            }
            Ok(output) => Err(problem(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && config_file.is_none() => {
                Self::from_ssh(address, "").map_err(problem)
            }
            Err(error) => Err(problem(format!("ssh -G could not be run: {error}"))),
        }
    }

    /// Reads what `ssh -G` printed: one option a line, its name in lower case.
    fn from_ssh(address: Address<'_>, printed: &str) -> Result<Self, String> {
        let options = || printed.lines().filter_map(|line| line.trim().split_once(' '));
        let value = |name| options().find(|(n, _)| *n == name).map(|(_, value)| value.trim());
        let set = |name| value(name).filter(|value| *value != "none");
        let home = directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_owned()).unwrap_or_default();
        if let Some(command) = set("proxycommand") {
            return Err(format!("ProxyCommand ({command}) is not supported; use ProxyJump"));
        }
        let user = match address.user.or_else(|| value("user")) {
            Some(user) => user.to_owned(),
            None => ["USER", "LOGNAME"]
                .iter()
                .find_map(|name| std::env::var(name).ok())
                .ok_or("no user name is known; give user@host")?,
        };
        let port = match (address.port, value("port")) {
            (Some(port), _) => port,
            (None, None) => 22,
            (None, Some(text)) => text.parse().map_err(|_| format!("port {text:?} is not a number"))?,
        };
        let mut identity_files: Vec<_> =
            options().filter(|(name, _)| *name == "identityfile").map(|(_, file)| expand(file, &home)).collect();
        let mut known_hosts: Vec<_> = ["userknownhostsfile", "globalknownhostsfile"]
            .iter()
            .flat_map(|name| set(name).unwrap_or_default().split_whitespace())
            .map(|file| expand(file, &home))
            .collect();
        if printed.is_empty() {
            identity_files = ["id_ed25519", "id_ecdsa", "id_rsa"].map(|name| home.join(".ssh").join(name)).into();
            known_hosts = vec![home.join(".ssh/known_hosts"), PathBuf::from("/etc/ssh/ssh_known_hosts")];
        }
        let agent = match value("identityagent") {
            None | Some("SSH_AUTH_SOCK") => Agent::Environment,
            Some("none") => Agent::None,
            Some(path) => match path.strip_prefix('$') {
                Some(name) => std::env::var_os(name).map_or(Agent::None, |path| Agent::Socket(path.into())),
                None => Agent::Socket(expand(path, &home)),
            },
        };
        let seconds = set("connecttimeout").and_then(|text| text.parse().ok()).unwrap_or(20);
        Ok(Self {
            host: value("hostname").unwrap_or(address.host).to_owned(),
            port,
            user,
            key_alias: set("hostkeyalias").map(str::to_owned),
            identity_files,
            identities_only: value("identitiesonly") == Some("yes"),
            agent,
            known_hosts,
            connect_timeout: Duration::from_secs(seconds),
            jump: set("proxyjump").map(str::to_owned),
        })
    }

    /// `user@host:port`, for messages.
    pub fn target(&self) -> String {
        format!("{}@{}:{}", self.user, self.bracketed_host(), self.port)
    }

    /// The host as it stands before a port.
    pub fn bracketed_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

/// The ssh executable, with another configuration file where asked.
pub fn ssh_command(config_file: Option<&Path>) -> Command {
    let mut command = Command::new("ssh");
    if let Some(file) = config_file {
        command.arg("-F").arg(file);
    }
    command
}

/// Replaces a leading `~/` or `%d/`, as OpenSSH does.
fn expand(path: &str, home: &Path) -> PathBuf {
    let path = path.trim_matches('"');
    match path.strip_prefix("~/").or_else(|| path.strip_prefix("%d/")) {
        Some(rest) => home.join(rest),
        None => PathBuf::from(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_dangerous_ones_refused() {
        let address = |user, host, port| Address { user, host, port };
        assert_eq!(Address::parse("box").unwrap(), address(None, "box", None));
        assert_eq!(Address::parse("me@box:2201").unwrap(), address(Some("me"), "box", Some(2201)));
        assert_eq!(Address::parse("a@b@box").unwrap(), address(Some("a@b"), "box", None));
        assert_eq!(Address::parse("[::1]:22").unwrap(), address(None, "::1", Some(22)));
        assert_eq!(Address::parse("me@fe80::1").unwrap(), address(Some("me"), "fe80::1", None));
        for bad in
            ["", "@box", "me@", "-oProxyCommand=x", "-l@box", "box:0", "box:x", "box:70000", "a b", "[::1", "[::1]x"]
        {
            assert!(matches!(Address::parse(bad), Err(TransportError::Address { .. })), "{bad:?} was accepted");
        }
    }

    #[test]
    fn printed_options_are_read() {
        let printed = "host box\nuser me\nhostname 10.0.0.7\nport 2201\nidentityfile ~/.ssh/a\nidentityfile /k/b\n\
                       identitiesonly yes\nidentityagent none\nuserknownhostsfile /u/1 /u/2\nglobalknownhostsfile /g\n\
                       proxyjump a@hop:7\nconnecttimeout 3\n";
        let config = HostConfig::from_ssh(Address::parse("box").unwrap(), printed).unwrap();
        assert_eq!(config.target(), "me@10.0.0.7:2201");
        assert!(config.identity_files[0].ends_with(".ssh/a") && config.identity_files[0].is_absolute());
        assert_eq!(config.identity_files[1], Path::new("/k/b"));
        assert_eq!(config.known_hosts, ["/u/1", "/u/2", "/g"].map(PathBuf::from));
        assert_eq!((config.agent, config.identities_only), (Agent::None, true));
        assert_eq!(config.jump.as_deref(), Some("a@hop:7"));
        assert_eq!(config.connect_timeout, Duration::from_secs(3));
        let error = HostConfig::from_ssh(Address::parse("box").unwrap(), "proxycommand nc %h %p").unwrap_err();
        assert!(error.contains("use ProxyJump"), "{error}");
    }
}
