//! A real OpenSSH server of the test's own, on loopback.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use zen_nas::profile::transport::{OpenOptions, Transport, TransportError, find};

/// The server: what `ZEN_NAS_PEER_SSHD` names, or where the package puts it if that is no file.
fn sshd() -> Option<PathBuf> {
    let named = PathBuf::from(std::env::var_os("ZEN_NAS_PEER_SSHD")?);
    [named, PathBuf::from("/usr/sbin/sshd")].into_iter().find(|path| path.is_file() && path.is_absolute())
}

/// A private OpenSSH server with keys of its own, and the client's files.
pub struct Server {
    folder: TempDir,
    pub port: u16,
    process: Child,
}

impl Server {
    /// Starts one, or says loudly why the test is skipped.
    pub fn start(extra: &str) -> Option<Self> {
        let Some(sshd) = sshd() else {
            let why = "SKIPPED: set ZEN_NAS_PEER_SSHD=1 and install openssh-server to test the ssh transport\n";
            // Past the test harness, which hides what passing tests print.
            std::io::stderr().write_all(why.as_bytes()).unwrap();
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        for (kind, name) in [("ed25519", "host_ed25519"), ("ecdsa", "host_ecdsa"), ("ed25519", "id"), ("rsa", "id_rsa")]
        {
            keygen(&[
                "-t",
                kind,
                "-b",
                if kind == "rsa" { "2048" } else { "256" },
                "-N",
                "",
                "-f",
                &format!("{path}/{name}"),
            ]);
        }
        keygen(&["-t", "ed25519", "-N", "open sesame", "-f", &format!("{path}/id_locked")]);
        let public =
            ["id.pub", "id_rsa.pub", "id_locked.pub"].map(|name| fs::read_to_string(folder.path().join(name)).unwrap());
        fs::write(folder.path().join("authorized_keys"), public.concat()).unwrap();
        for name in ["tmp", "bin"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        // Wanted by a server that runs as root.
        let _ = fs::create_dir_all("/run/sshd");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // Programs in its folder `bin` are on the PATH there.
        let rest = std::env::var("PATH").unwrap();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {path}/host_ed25519\nHostKey {path}/host_ecdsa\n\
             PidFile none\nAuthorizedKeysFile {path}/authorized_keys\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n\
             Subsystem sftp internal-sftp\nMaxStartups 50:30:100\nSetEnv TMPDIR={path}/tmp PATH={path}/bin:{rest}\n{extra}\n"
        );
        fs::write(folder.path().join("sshd_config"), config).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let process = Command::new(sshd)
            .args(["-D", "-e", "-f"])
            .arg(folder.path().join("sshd_config"))
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        let server = Self { folder, port, process };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(10), "{}", fs::read_to_string(server.path("log")).unwrap());
            std::thread::sleep(Duration::from_millis(20));
        }
        server.trust("host_ed25519");
        server.configure("id", "");
        Some(server)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The host's line in known_hosts for one of its keys, after an optional marker.
    pub fn known_line(&self, key: &str) -> String {
        let public = fs::read_to_string(self.path(&format!("{key}.pub"))).unwrap();
        format!("[127.0.0.1]:{} {public}", self.port)
    }

    pub fn trust(&self, key: &str) {
        fs::write(self.path("known_hosts"), self.known_line(key)).unwrap();
    }

    /// Writes the client's configuration: the host `box` with one identity.
    pub fn configure(&self, identity: &str, extra: &str) {
        let (folder, port) = (self.folder.path().display(), self.port);
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let config = format!(
            "Host box far near\n HostName 127.0.0.1\n Port {port}\n User {user}\n IdentityFile {folder}/{identity}\n\
             Match all\n IdentityAgent none\n UserKnownHostsFile {folder}/known_hosts\n GlobalKnownHostsFile none\n ConnectTimeout 5\n{extra}\n"
        );
        fs::write(self.path("config"), config).unwrap();
    }

    pub fn open(&self, address: &str) -> Result<Box<dyn Transport>, TransportError> {
        let options = OpenOptions { ssh_config: Some(self.path("config")), ..OpenOptions::default() };
        (find("ssh").unwrap().open)(address, options)
    }

    pub fn error(&self, address: &str) -> TransportError {
        match self.open(address) {
            Ok(_) => panic!("{address} was reached"),
            Err(error) => error,
        }
    }

    /// Kills the processes that serve connections, as a server that crashes.
    pub fn cut(&self) {
        let number = self.process.id();
        let children = fs::read_to_string(format!("/proc/{number}/task/{number}/children")).unwrap();
        assert!(!children.trim().is_empty(), "there is no connection to cut");
        Command::new("kill").arg("-KILL").args(children.split_whitespace()).status().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn keygen(args: &[&str]) {
    assert!(Command::new("ssh-keygen").arg("-q").args(args).status().unwrap().success());
}
