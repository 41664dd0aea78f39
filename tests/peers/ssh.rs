//! The ssh transport against a real OpenSSH server on loopback.
//!
//! Runs when `ZEN_NAS_PEER_SSHD` is set, to the server's path or to 1, and the server is installed
//! (package openssh-server).

use std::fs;
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use zen_nas::profile::transport::{Exit, FileMode, Limits, OpenOptions, Transport, TransportError, find};

use super::contract::{self, collect, lines_of};
use super::sshd::{Server, keygen};

fn sh(script: &str) {
    assert!(Command::new("sh").args(["-c", script]).status().unwrap().success(), "{script}");
}

fn whoami(mut transport: Box<dyn Transport>) -> Vec<String> {
    lines_of(transport.as_mut(), "echo hello")
}

#[test]
fn ssh_keeps_the_contract() {
    let Some(server) = Server::start("") else { return };
    contract::check(&|| server.open("box").unwrap());
    assert_eq!(fs::read_dir(server.path("tmp")).unwrap().count(), 0, "private folders were left");
}

#[test]
fn an_unknown_key_is_refused_until_it_is_accepted_by_the_command_shown() {
    let Some(server) = Server::start("") else { return };
    fs::remove_file(server.path("known_hosts")).unwrap();
    let error = server.error("box");
    let TransportError::HostKeyUnknown { key_type, fingerprint, command, .. } = &error else { panic!("{error}") };
    let shown = Command::new("ssh-keygen")
        .arg("-lf")
        .arg(server.path(&format!("host_{}.pub", key_type.trim_start_matches("ssh-"))))
        .output()
        .unwrap();
    assert!(String::from_utf8(shown.stdout).unwrap().contains(fingerprint.as_str()), "{fingerprint}");
    assert!(error.to_string().contains(command.as_str()));
    sh(command);
    assert_eq!(whoami(server.open("box").unwrap()), ["hello"]);
    // OpenSSH's own tools understand the line, and hashed names are found, too.
    let file = server.path("known_hosts");
    keygen(&["-H", "-f", file.to_str().unwrap()]);
    assert!(fs::read_to_string(&file).unwrap().starts_with("|1|"));
    assert_eq!(whoami(server.open("box").unwrap()), ["hello"]);
}

#[test]
fn a_changed_key_is_refused() {
    let Some(server) = Server::start("") else { return };
    let line = server.known_line("id");
    fs::write(server.path("known_hosts"), format!("# a comment\n{line}")).unwrap();
    let error = server.error("box");
    let TransportError::HostKeyChanged { line: 2, command, .. } = &error else { panic!("{error}") };
    sh(command);
    assert!(matches!(server.error("box"), TransportError::HostKeyUnknown { .. }));
    // A key of another type does not make up for it.
    fs::write(server.path("known_hosts"), server.known_line("id_rsa")).unwrap();
    assert!(matches!(server.error("box"), TransportError::HostKeyChanged { line: 1, .. }));
}

#[test]
fn a_revoked_key_is_refused_even_when_it_is_listed() {
    let Some(server) = Server::start("") else { return };
    let line = server.known_line("host_ed25519");
    fs::write(server.path("known_hosts"), format!("{line}@revoked {line}")).unwrap();
    let error = server.error("box");
    assert!(matches!(error, TransportError::HostKeyRevoked { line: 2, .. }), "{error}");
}

#[test]
fn the_known_key_is_asked_for_where_the_server_has_several() {
    let Some(server) = Server::start("") else { return };
    for key in ["host_ecdsa", "host_ed25519"] {
        server.trust(key);
        assert_eq!(whoami(server.open("box").unwrap()), ["hello"], "{key}");
    }
    let keys = ["*.1 ", "[127.0.0.?]:* "]
        .map(|pattern| server.known_line("host_ecdsa").replacen(&format!("[127.0.0.1]:{} ", server.port), pattern, 1));
    for line in keys {
        fs::write(server.path("known_hosts"), line).unwrap();
        assert_eq!(whoami(server.open("box").unwrap()), ["hello"]);
    }
}

#[test]
fn logging_in_with_files_passphrases_and_an_agent() {
    let Some(server) = Server::start("") else { return };
    server.configure("id_rsa", "");
    assert_eq!(whoami(server.open("box").unwrap()), ["hello"]);
    server.configure("id_locked", "");
    let error = server.error("box").to_string();
    assert!(error.contains("needs a passphrase (ssh-add "), "{error}");
    for (answer, works) in [("open sesame", true), ("wrong", false)] {
        let mut asked = Vec::new();
        let mut ask = |file: &Path| {
            asked.push(file.to_owned());
            Some(answer.to_owned())
        };
        let options = OpenOptions {
            ssh_config: Some(server.path("config")),
            passphrase: Some(&mut ask),
            ..OpenOptions::default()
        };
        match (find("ssh").unwrap().open)("box", options) {
            Ok(transport) if works => assert_eq!(whoami(transport), ["hello"]),
            Err(error) if !works => assert!(error.to_string().contains("the passphrase of "), "{error}"),
            other => panic!("{answer}: {:?}", other.err()),
        }
        assert_eq!(asked, [server.path("id_locked")]);
    }
    // A key that the server does not know.
    keygen(&["-t", "ed25519", "-N", "", "-f", server.path("stranger").to_str().unwrap()]);
    server.configure("stranger", "");
    let error = server.error("box");
    assert!(
        matches!(&error, TransportError::Authentication { tried, .. } if tried.contains("was not accepted")),
        "{error}"
    );
    let socket = server.path("agent");
    let mut agent = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
    while !socket.exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let add = Command::new("ssh-add").arg("-q").arg(server.path("id")).env("SSH_AUTH_SOCK", &socket).status().unwrap();
    assert!(add.success());
    let config = fs::read_to_string(server.path("config")).unwrap();
    let config = config.replace("IdentityAgent none", &format!("IdentityAgent {}", socket.display()));
    fs::write(server.path("config"), config).unwrap();
    let result = server.open("box");
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert_eq!(whoami(result.unwrap()), ["hello"]);
}

#[test]
fn a_cut_connection_is_a_typed_error() {
    let Some(server) = Server::start("") else { return };
    let mut transport = server.open("box").unwrap();
    let mut lines = Vec::new();
    let start = Instant::now();
    let result = transport.run(&["sh", "-c", "echo before; sleep 30; echo after"], &Limits::default(), &mut |line| {
        lines.push(line.text.to_owned());
        server.cut();
        ControlFlow::Continue(())
    });
    let error = result.unwrap_err();
    assert!(error.is_connection_lost(), "{error}");
    assert_eq!(lines, ["before"]);
    assert!(collect(transport.as_mut(), &["true"], &Limits::default()).0.unwrap_err().is_connection_lost());
    assert!(transport.put("file", b"x", FileMode::Data).unwrap_err().is_connection_lost());
    assert!(transport.close().unwrap_err().is_connection_lost());
    // Noticed first while putting a file.
    let mut transport = server.open("box").unwrap();
    transport.put("file", b"x", FileMode::Data).unwrap();
    server.cut();
    let error = transport.put("file", b"x", FileMode::Data).unwrap_err();
    assert!(error.is_connection_lost(), "{error:?}");
    let mut transport = server.open("box").unwrap();
    server.cut();
    let error = transport.put("file", b"x", FileMode::Data).unwrap_err();
    assert!(error.is_connection_lost(), "{error:?}");
    drop(transport);
    assert!(start.elapsed() < Duration::from_secs(25), "{:?}", start.elapsed());
    // The server is still there: a new connection works.
    assert_eq!(whoami(server.open("box").unwrap()), ["hello"]);
}

#[test]
fn what_login_scripts_print_is_not_taken_for_output() {
    let noise = "ForceCommand printf 'Welcome!\\n/tmp/zen-nas.x\\nno line end'; eval \"$SSH_ORIGINAL_COMMAND\"";
    let Some(server) = Server::start(noise) else { return };
    let mut transport = server.open("box").unwrap();
    let (outcome, lines) = collect(transport.as_mut(), &["echo", "hello"], &Limits::default());
    assert_eq!((outcome.unwrap().exit, lines), (Exit::Code(0), vec![("hello".to_owned(), false)]));
    transport.close().unwrap();
}

#[test]
fn a_machine_that_only_sends_files_is_no_machine_to_measure_on() {
    let Some(server) = Server::start("ForceCommand internal-sftp") else { return };
    let start = Instant::now();
    let error = server.error("box");
    assert!(
        matches!(
            error,
            TransportError::Run { .. } | TransportError::Inactive { .. } | TransportError::ConnectionLost { .. }
        ),
        "{error}"
    );
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn jump_hosts_are_passed_through() {
    let Some(server) = Server::start("") else { return };
    server.configure("id", "Host far\n ProxyJump near\n");
    let mut transport = server.open("far").unwrap();
    // The connection comes from the jump host, that is from the server itself.
    assert_eq!(lines_of(transport.as_mut(), "echo ${SSH_CONNECTION%% *}"), ["127.0.0.1"]);
    transport.put("file", b"x", FileMode::Data).unwrap();
    transport.close().unwrap();
}

#[test]
fn machines_that_do_not_answer_are_given_up() {
    let Some(server) = Server::start("") else { return };
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    server.configure("id", "");
    let config = fs::read_to_string(server.path("config")).unwrap().replace("ConnectTimeout 5", "ConnectTimeout 1");
    fs::write(server.path("config"), config).unwrap();
    let start = Instant::now();
    let error = server.error(&format!("127.0.0.1:{port}"));
    assert!(matches!(error, TransportError::Connect { .. }), "{error}");
    drop(silent);
    let error = server.error(&format!("127.0.0.1:{port}"));
    assert!(matches!(error, TransportError::Connect { .. }), "{error}");
    let error = server.error("no-such-host.invalid");
    assert!(matches!(error, TransportError::Connect { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}
