//! The stand-in for a phone (`adbd.py`), the real adb client, and a server of the test's own.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use zen_nas::profile::transport::{OpenOptions, Transport, TransportError, find};

/// A phone, and adb with its own server and keys.
pub struct Phone {
    folder: TempDir,
    port: u16,
    process: Child,
}

/// Says it past the test harness, which hides what passing tests print.
pub fn skip(why: &str) {
    std::io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes()).unwrap();
}

impl Phone {
    /// Starts one, or says loudly why the test is skipped.
    pub fn start(switches: &[&str]) -> Option<Self> {
        let Some(adb) = std::env::var_os("ZEN_NAS_PEER_ADB") else {
            skip("set ZEN_NAS_PEER_ADB to the adb program (Debian package adb) to test the adb transport");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let server_port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // adb's environment is its own, not that of all tests of this process.
        let wrapper = format!(
            "#!/bin/sh\nHOME='{}' ANDROID_ADB_SERVER_PORT={server_port} exec '{}' \"$@\"\n",
            folder.path().display(),
            Path::new(&adb).display()
        );
        let mut file = fs::File::create(folder.path().join("adb")).unwrap();
        file.set_permissions(fs::Permissions::from_mode(0o755)).unwrap();
        file.write_all(wrapper.as_bytes()).unwrap();
        drop(file);
        fs::create_dir(folder.path().join("root")).unwrap();
        let (process, port) = stand_in(&folder.path().join("root"), switches);
        Some(Self { folder, port, process })
    }

    /// The root of the phone's own files.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Opens the phone; an empty address means the only one.
    pub fn open_as(&self, address: &str) -> Result<Box<dyn Transport>, TransportError> {
        let options = OpenOptions { adb: Some(self.folder.path().join("adb")), ..OpenOptions::default() };
        (find("adb").unwrap().open)(address, options)
    }

    pub fn open(&self) -> Box<dyn Transport> {
        self.open_as(&self.address()).unwrap()
    }

    pub fn error(&self, address: &str) -> TransportError {
        match self.open_as(address) {
            Ok(_) => panic!("{address:?} was opened"),
            Err(error) => error,
        }
    }

    /// Pulls the cable; it can be connected again.
    pub fn cut(&self) {
        self.signal("-USR1");
    }

    /// The folder with an adb that belongs to this phone, for a PATH.
    #[cfg(feature = "ssh")]
    pub fn adb_folder(&self) -> &Path {
        self.folder.path()
    }

    /// Breaks things, see `adbd.py`; no words repair them.
    #[cfg(feature = "ssh")]
    pub fn break_by(&self, words: &str) {
        fs::write(self.root().join("faults.new"), words).unwrap();
        fs::rename(self.root().join("faults.new"), self.root().join("faults")).unwrap();
    }

    /// From now on nothing is answered.
    pub fn hang(&self) {
        self.signal("-USR2");
    }

    /// Breaks the phone for good.
    pub fn destroy(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// What is left in the folder for temporary files.
    pub fn left(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root().join("data/local/tmp")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.process.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        let _ = Command::new(self.folder.path().join("adb"))
            .arg("kill-server")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts the stand-in and reads its port.
fn stand_in(root: &Path, switches: &[&str]) -> (Child, u16) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/adbd.py");
    let mut process =
        Command::new("python3").arg(script).arg(root).args(switches).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (process, line.trim().parse().unwrap())
}
