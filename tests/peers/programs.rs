//! The programs as a user runs them: `zen-profile` fills a table over a real connection, and
//! `zen-search` uses it at once.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use zen_nas::latency::{Fuser, Setting, Store};
use zen_nas::net::{LowerOptions, Network};
use zen_nas::onnx::{ExportOptions, Weights, model_bytes};

use super::agent::agent;
use super::phone::{Phone, skip};
use super::sshd::Server;
use super::tensorrt;

/// Small enough for seconds, checked on whole networks all the same.
pub const SMALL: &str = "--space xxbl --resolution 32 --classes 10 --minutes 1";

/// A user's folder: database, configuration, a PATH of their own.
pub struct User {
    folder: TempDir,
    path: String,
}

impl User {
    /// Programs in `programs` come first on the PATH.
    pub fn new(programs: &Path) -> Self {
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        Self { folder: tempfile::tempdir().unwrap(), path }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, program: &str, arguments: &str) -> Command {
        let program = match program {
            "zen-profile" => env!("CARGO_BIN_EXE_zen-profile"),
            _ => env!("CARGO_BIN_EXE_zen-search"),
        };
        let mut command = Command::new(program);
        command.args(arguments.split_whitespace()).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("ZEN_NAS_DB", self.file("tables.sqlite")).env("ZEN_NAS_CONFIG", self.file("configuration"));
        command.env("PATH", &self.path);
        command
    }

    /// What a program prints as JSON, and what it says beside.
    pub fn json(&self, program: &str, arguments: &str) -> (Value, String) {
        let Output { status, stdout, stderr } = self.command(program, arguments).output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        assert!(status.success(), "{program} {arguments}: {status} {stderr}");
        (serde_json::from_slice(&stdout).unwrap(), stderr)
    }

    /// The table that a device's search reads, and what the search says of it.
    fn search(&self, device: &str) -> (Value, String) {
        let arguments = format!(
            "--device {device} --latency-ms 1e6 --resolution 32 --classes 10 --iterations 20 --finalists 0 --no-onnx \
             --json --out run-{device}"
        );
        let (found, notes) = self.json("zen-search", &arguments);
        (found["table"].clone(), notes)
    }

    pub fn store(&self) -> Store {
        Store::open(&self.file("tables.sqlite")).unwrap()
    }
}

/// The session ended with the error on whole networks that were measured there.
pub fn assert_checked(outcome: &Value, setting: &str, operators: usize, networks: usize) {
    assert_eq!(outcome["setting"]["id"], setting, "{outcome}");
    let check = &outcome["check"];
    assert_eq!(check["networks"].as_array().map(Vec::len), Some(networks), "{outcome}");
    let errors = [&check["mape"], &check["bias"], &check["noise"]["mape"]];
    assert!(errors.iter().all(|error| error.as_f64().is_some_and(f64::is_finite)), "{check}");
    assert!(outcome["measured"].as_u64().unwrap() >= operators as u64, "{outcome}");
    assert!(outcome["drift"]["readings"].as_u64().unwrap() >= 2, "{outcome}");
}

/// What `--host` takes for a server, and the options that reach it with the test's keys.
pub fn host_options(server: &Server) -> String {
    let identity = format!(" IdentityFile {}", server.path("id").display());
    server.configure("id", &identity);
    let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    format!("--host {}@127.0.0.1:{} --ssh-config {}", user.trim(), server.port, server.path("config").display())
}

pub fn left(server: &Server) -> usize {
    fs::read_dir(server.path("tmp")).unwrap().count()
}

/// A device file of the user's.
pub fn own_device(user: &User, name: &str) {
    fs::create_dir_all(user.file("configuration/devices")).unwrap();
    let text = format!(
        "about = \"the box below the desk\"\n\n[setting]\nruntime = \"tract\"\nprecision = \"fp32\"\nbatch_size = 1\n\
         threads = 1\n\n[reach]\nkind = \"ssh\"\n\n[tools]\nagent = \"{}\"\n",
        agent().display()
    );
    fs::write(user.file(&format!("configuration/devices/{name}.toml")), text).unwrap();
}

#[test]
fn a_gpu_server_with_trtexec_on_its_path() {
    let Some(server) = Server::start("") else { return };
    let state = tempfile::tempdir().unwrap();
    if !tensorrt::install(&server.path("bin"), state.path()) {
        return;
    }
    let user = User::new(Path::new("/nowhere"));
    let arguments = format!("--device t4 {} {SMALL} --operators 4 --networks 2 --json", host_options(&server));
    let (outcome, _) = user.json("zen-profile", &arguments);
    // A stand-in says so, and what it measures is never the device's.
    assert_checked(&outcome, "t4-emulated/tensorrt/fp16/b1", 4, 2);
    let (table, notes) = user.search("t4-emulated");
    assert_eq!(table["kind"], "local", "{table}");
    assert!(table["host"].as_str().unwrap().contains("zen-nas stand-in GPU"), "{table}");
    assert!(notes.contains("127.0.0.1"), "{notes}");
    assert_eq!(user.search("t4").0["kind"], "built_in");
    assert_eq!(left(&server), 0);
}

#[test]
fn a_machine_of_ones_own() {
    let Some(server) = Server::start("") else { return };
    let user = User::new(Path::new("/nowhere"));
    own_device(&user, "my-box");
    let arguments = format!("--device my-box {} {SMALL} --operators 20 --networks 2 --json", host_options(&server));
    let (outcome, _) = user.json("zen-profile", &arguments);
    assert_checked(&outcome, "my-box/tract/fp32/b1/t1", 20, 2);
    let (table, notes) = user.search("my-box");
    assert_eq!(table["kind"], "local", "{table}");
    let host = format!("127.0.0.1:{}", server.port);
    assert!(table["host"].as_str().unwrap().contains(&host) && notes.contains(&host), "{table} {notes}");
    assert_eq!(left(&server), 0);
}

#[test]
fn the_operators_of_one_file_on_another_machine() {
    let Some(server) = Server::start("") else { return };
    let user = User::new(Path::new("/nowhere"));
    own_device(&user, "my-box");
    let network = Network::parse("SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,1)").unwrap();
    let graph = network.lower(&LowerOptions::new(32, 10)).unwrap();
    let model = model_bytes(&graph, &Weights::seeded(0), &ExportOptions::default()).unwrap();
    fs::write(user.file("net.onnx"), model).unwrap();
    let arguments = format!("--device my-box {} --for net.onnx --json", host_options(&server));
    let (found, _) = user.json("zen-profile", &arguments);
    let needed: BTreeSet<_> = Fuser::default().fuse(&graph).iter().copied().collect();
    let (operators, whole) = (&found["operators"], &found["whole"]["networks"][0]);
    assert_eq!((operators["measured"].as_u64(), &whole["file"]), (Some(needed.len() as u64), &"net.onnx".into()));
    assert!(whole["measured_ms"].as_f64().unwrap() > 0.0 && whole["predicted_ms"].as_f64().unwrap() > 0.0, "{found}");
    assert_eq!(user.json("zen-profile", &arguments).0["operators"]["measured"], 0);
    assert_eq!(left(&server), 0);
}

#[test]
fn equal_machines_fill_one_table_and_say_how_fast_each_is() {
    let (Some(first), Some(second)) = (Server::start(""), Server::start("")) else { return };
    let user = User::new(Path::new("/nowhere"));
    own_device(&user, "my-farm");
    let hosts = host_options(&first);
    // One file of known hosts and one key let into both.
    let known = first.known_line("host_ed25519") + &second.known_line("host_ed25519");
    fs::write(first.path("known_hosts"), known).unwrap();
    fs::copy(first.path("authorized_keys"), second.path("authorized_keys")).unwrap();
    let name = hosts.split_whitespace().nth(1).unwrap();
    let other = name.replace(&first.port.to_string(), &second.port.to_string());
    let arguments = format!("--device my-farm {hosts} --host {other} {SMALL} --operators 40 --networks 2 --json");
    let (outcome, _) = user.json("zen-profile", &arguments);
    assert_checked(&outcome, "my-farm/tract/fp32/b1/t1", 40, 2);
    let members = outcome["members"].as_array().unwrap();
    let addresses: Vec<_> = members.iter().map(|member| member["address"].as_str().unwrap()).collect();
    assert_eq!(addresses, [name, other.as_str()]);
    for member in members {
        assert!(member["scale"].as_f64().is_some_and(|scale| scale > 0.0) && member["lost"].is_null(), "{member}");
        assert!(member["subjects"].as_u64() > Some(0), "{member}");
    }
    assert!(user.search("my-farm").0["host"].as_str().unwrap().contains("a farm"));
    assert_eq!((left(&first), left(&second)), (0, 0));
}

#[test]
fn a_phone_that_is_emulated() {
    let qemu = format!("qemu-{}-static", std::env::consts::ARCH);
    let arm = std::env::var_os("ZEN_NAS_PEER_ARM_AGENT").map(PathBuf::from);
    let (qemu, agent) = match arm {
        Some(agent) => ("qemu-aarch64-static".to_owned(), agent),
        None => (qemu, agent()),
    };
    if !Path::new("/usr/bin").join(&qemu).is_file() {
        return skip(&format!("install qemu-user-static for {qemu} to profile an emulated phone"));
    }
    let Some(phone) = Phone::start(&["--qemu", &qemu]) else { return };
    let user = User::new(phone.adb_folder());
    let arguments = format!(
        "--device pixel2 --serial {} --agent {} --cores 1 {} --operators 20 --networks 2 --json",
        phone.address(),
        agent.display(),
        SMALL.replace("32", "16")
    );
    let (outcome, notes) = user.json("zen-profile", &arguments);
    assert!(notes.contains("default runtime of pixel2"), "{notes}");
    assert_checked(&outcome, "pixel2-emulated/tract/fp32/b1/t1", 20, 2);
    let (table, notes) = user.search("pixel2-emulated");
    assert_eq!(table["kind"], "local", "{table}");
    assert!(table["host"].as_str().unwrap().contains(&phone.address()) && notes.contains("phone"), "{table} {notes}");
    assert_eq!(user.search("pixel2").0["kind"], "built_in");
    // The state of the phone is stored with every reading of the reference.
    let store = user.store();
    let setting: Setting = "pixel2-emulated/tract/fp32/b1/t1".parse().unwrap();
    let run = store.runs(&setting).unwrap().into_iter().find(|run| run.imported.is_none()).unwrap();
    let readings = store.drift(run.id).unwrap();
    assert!(readings.iter().all(|reading| reading.conditions.contains("thermal status 0")), "{readings:?}");
    assert_eq!(phone.left(), Vec::<String>::new());
}
