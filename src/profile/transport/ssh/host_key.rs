//! Is this the machine it claims to be? Its key against the known_hosts files.
//!
//! libssh2 does this too, but calls a revoked key unknown, knows no patterns, and takes a key of
//! another type for a changed one; so the files are read here, and libssh2 compares hashed names.

use std::path::{Path, PathBuf};

use ssh2::{CheckResult, HashType, KnownHostFileKind, MethodType, Session};

use super::super::TransportError;
use super::super::quote::quote;
use super::config::HostConfig;

/// One line of a known_hosts file that concerns the host, or that revokes a key.
struct Entry {
    file: PathBuf,
    line: usize,
    revoked: bool,
    /// The name with its port matched, not only the bare host.
    exact: bool,
    key_type: String,
    /// As in the file: base64.
    key: String,
}

/// The lines of all known_hosts files that concern one host.
pub struct KnownHosts {
    /// Name of the host in these files.
    name: String,
    entries: Vec<Entry>,
}

impl KnownHosts {
    /// Reads the files; those that do not exist count as empty.
    pub fn read(session: &Session, config: &HostConfig) -> Result<Self, TransportError> {
        let (name, bare) = match &config.key_alias {
            Some(alias) => (alias.clone(), alias.clone()),
            None if config.port == 22 => (config.host.clone(), config.host.clone()),
            None => (format!("[{}]:{}", config.host, config.port), config.host.clone()),
        };
        let mut entries = Vec::new();
        for file in &config.known_hosts {
            let text = match std::fs::read(file) {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(TransportError::io(format!("reading {}", file.display()))(error)),
            };
            for (i, line) in text.lines().enumerate() {
                let Some((marker, names, key_type, key)) = fields(line) else { continue };
                let exact = names_match(session, names, &name);
                let revoked = marker == Some("@revoked");
                // A revoked key is refused wherever it turns up; other markers (certificate
                // authorities) give no key to compare.
                if revoked || (marker.is_none() && (exact || names_match(session, names, &bare))) {
                    let (key_type, key) = (key_type.to_owned(), key.to_owned());
                    entries.push(Entry { file: file.clone(), line: i + 1, revoked, exact, key_type, key });
                }
            }
        }
        Ok(Self { name, entries })
    }

    /// Makes the server show a key of a type that the files know, if it has one.
    pub fn prefer_known_types(&self, session: &Session) -> Result<(), ssh2::Error> {
        let mut order: Vec<&str> = Vec::new();
        let known = self.entries.iter().filter(|entry| !entry.revoked).map(|entry| entry.key_type.as_str());
        let all = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"];
        for key_type in known.chain(all).filter(|key_type| all.contains(key_type)) {
            // RSA keys sign with SHA-2; their SHA-1 signatures are no longer trusted.
            let algorithms: &[&str] =
                if key_type == "ssh-rsa" { &["rsa-sha2-512", "rsa-sha2-256"] } else { &[key_type] };
            order.extend(algorithms.iter().filter(|name| !order.contains(*name)).copied().collect::<Vec<_>>());
        }
        let supported = session.supported_algs(MethodType::HostKey)?;
        order.retain(|name| supported.contains(name));
        session.method_pref(MethodType::HostKey, &order.join(","))
    }

    /// Checks the key that the server has proved to hold.
    ///
    /// # Errors
    /// [`TransportError::HostKeyUnknown`], [`TransportError::HostKeyChanged`] or
    /// [`TransportError::HostKeyRevoked`].
    pub fn verify(&self, session: &Session, config: &HostConfig) -> Result<(), TransportError> {
        let target = config.target();
        let (Some((blob, _)), Some(hash)) = (session.host_key(), session.host_key_hash(HashType::Sha256)) else {
            return Err(TransportError::Connect { target, problem: "the server showed no key".to_owned() });
        };
        let key = base64(blob);
        let fingerprint = format!("SHA256:{}", base64(hash).trim_end_matches('='));
        let key_type = key_type(blob).unwrap_or_default().to_owned();
        let same = |entry: &&Entry| entry.key == key;
        if let Some(entry) = self.entries.iter().find(|entry| entry.revoked && same(entry)) {
            let file = entry.file.display().to_string();
            return Err(TransportError::HostKeyRevoked { target, fingerprint, file, line: entry.line });
        }
        let mut plain = self.entries.iter().filter(|entry| !entry.revoked);
        if plain.clone().any(|entry| same(&entry)) {
            return Ok(());
        }
        // A line for the bare host speaks of the server on port 22, not of this one.
        if let Some(entry) = plain.find(|entry| entry.exact) {
            let file = entry.file.display().to_string();
            let command = format!("ssh-keygen -f {} -R {}", quote(&file), quote(&self.name)).into();
            let (file, line) = (file.into(), entry.line);
            return Err(TransportError::HostKeyChanged { target, key_type, fingerprint, file, line, command });
        }
        let command = accept_command(&self.name, &key_type, &key, config.known_hosts.first());
        Err(TransportError::HostKeyUnknown { target, key_type, fingerprint, command })
    }
}

/// Adds exactly the key whose fingerprint was shown, not whatever the host shows next time.
fn accept_command(name: &str, key_type: &str, key: &str, file: Option<&PathBuf>) -> String {
    let file = file.map_or(Path::new("~/.ssh/known_hosts"), PathBuf::as_path);
    let folder = match file.parent() {
        Some(folder) if file.is_absolute() && !folder.exists() => {
            format!("mkdir -p -m 700 {} && ", quote(&folder.display().to_string()))
        }
        _ => String::new(),
    };
    let path = file.display().to_string();
    let path = if path.starts_with("~/") { path } else { quote(&path) };
    format!("{folder}printf '%s\\n' {} >> {path}", quote(&format!("{name} {key_type} {key}")))
}

/// Marker, names, key type and key of a line; `None` for comments and what is not understood.
fn fields(line: &str) -> Option<(Option<&str>, &str, &str, &str)> {
    let mut words = line.split_whitespace().peekable();
    let marker = words.next_if(|word| word.starts_with('@'));
    let (names, key_type, key) = (words.next()?, words.next()?, words.next()?);
    (!names.starts_with('#')).then_some((marker, names, key_type, key))
}

/// Whether a line's names include a host, as sshd(8) describes: comma-separated patterns with `*`,
/// `?` and a leading `!`, or one hashed name.
fn names_match(session: &Session, names: &str, host: &str) -> bool {
    if names.starts_with("|1|") {
        // Any key but the line's own: found is "mismatch", another host is "not found".
        let line = format!("{names} ssh-rsa AAAAB3NzaC1yc2E=\n");
        return session.known_hosts().is_ok_and(|mut hosts| {
            hosts.read_str(&line, KnownHostFileKind::OpenSSH).is_ok()
                && matches!(hosts.check(host, b"another"), CheckResult::Mismatch | CheckResult::Match)
        });
    }
    let host = host.to_lowercase();
    let mut found = false;
    for pattern in names.split(',') {
        let (negated, pattern) = match pattern.strip_prefix('!') {
            Some(pattern) => (true, pattern),
            None => (false, pattern),
        };
        if wildcard_match(pattern.to_lowercase().as_bytes(), host.as_bytes()) {
            if negated {
                return false;
            }
            found = true;
        }
    }
    found
}

/// `*` stands for any text, `?` for any one byte; linear in memory, no recursion.
fn wildcard_match(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == b'?' || pattern[p] == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((star_p, star_t)) = star {
            star = Some((star_p, star_t + 1));
            p = star_p + 1;
            t = star_t + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// The type that a key names at its beginning: length (4 bytes, big endian), text.
fn key_type(blob: &[u8]) -> Option<&str> {
    let length = u32::from_be_bytes(*blob.first_chunk()?) as usize;
    std::str::from_utf8(blob.get(4..4 + length)?).ok()
}

/// Base64 with padding, as RFC 4648 defines it.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | *byte as u32) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            text.push(if i <= chunk.len() { DIGITS[(bits >> (18 - 6 * i) & 63) as usize] as char } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_follows_the_vectors_of_rfc_4648() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn names_match_as_openssh_matches_them() {
        let session = Session::new().unwrap();
        let matches = |names, host| names_match(&session, names, host);
        assert!(matches("box", "BOX") && matches("a,box,c", "box") && matches("[box]:22?1", "[box]:2201"));
        assert!(matches("*.lab", "t4.lab") && !matches("*.lab", "lab") && !matches("*.lab,!t4.*", "t4.lab"));
        assert!(!matches("box", "box2") && !matches("b?x", "bx") && matches("*b**x*", "box"));
        // A hash of nothing; real ones are tested against ssh-keygen's.
        assert!(!matches("|1|AAAAAAAAAAAAAAAAAAAAAAAAAAA=|AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "box"));
    }

    #[test]
    fn lines_are_taken_apart() {
        assert_eq!(fields("box ssh-rsa AAAA comment"), Some((None, "box", "ssh-rsa", "AAAA")));
        assert_eq!(fields("@revoked * ssh-rsa AAAA"), Some((Some("@revoked"), "*", "ssh-rsa", "AAAA")));
        assert_eq!(fields("# box ssh-rsa AAAA"), None);
        assert_eq!(fields("box ssh-rsa"), None);
    }

    #[test]
    fn the_accepting_command_cannot_be_broken_out_of() {
        let command = accept_command("[x';id;']:7", "ssh-ed25519", "AAAA", Some(&PathBuf::from("/tmp/a b")));
        assert_eq!(command, r#"printf '%s\n' '[x'\'';id;'\'']:7 ssh-ed25519 AAAA' >> '/tmp/a b'"#);
    }
}
