//! `zen-profile` as a user runs it, interrupted: Ctrl-C, connections that break, machines that stay away.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::Value;
use zen_nas::latency::Setting;

use super::agent::{agent, keys};
use super::phone::Phone;
use super::programs::{SMALL, User, assert_checked, host_options, left, own_device};
use super::remote::program;
use super::sshd::Server;

/// Starts a session in the background; what it says goes to files.
fn start(user: &User, arguments: &str) -> Child {
    let [out, err] = ["out", "err"].map(|name| fs::File::create(user.file(name)).unwrap());
    let mut command = user.command("zen-profile", arguments);
    // Shells start their background jobs deaf to Ctrl-C, and these tests may run in one.
    // SAFETY: `signal` is safe to call between fork and exec, and nothing else is done there.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGINT, libc::SIG_DFL);
            Ok(())
        });
    }
    command.stdout(out).stderr(err).spawn().unwrap()
}

fn interrupt(child: &Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}

/// Waits for a program to end and returns its code and how long that took.
fn end(child: &mut Child) -> (Option<i32>, Duration) {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return (status.code(), start.elapsed());
        }
        assert!(start.elapsed() < Duration::from_secs(60), "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Operators of a table that may not be there yet.
fn stored(user: &User, setting: &Setting) -> usize {
    if user.file("tables.sqlite").exists() { keys(&user.store(), setting).len() } else { 0 }
}

#[test]
fn ctrl_c_at_any_moment_keeps_what_is_finished_and_a_rerun_completes_it() {
    let Some(server) = Server::start("") else { return };
    let user = User::new(Path::new("/nowhere"));
    own_device(&user, "my-box");
    let setting: Setting = "my-box/tract/fp32/b1/t1".parse().unwrap();
    let arguments = format!("--device my-box {} {SMALL} --operators 60 --networks 2 --json", host_options(&server));
    let mut kept = 0;
    for wait_ms in [20, 150, 400, 800, 1500, 2500] {
        let mut child = start(&user, &arguments);
        std::thread::sleep(Duration::from_millis(wait_ms));
        interrupt(&child);
        let (code, _) = end(&mut child);
        // Before it listens for the signal, the system ends it.
        assert!(
            matches!(code, Some(130) | None),
            "{wait_ms}: {code:?} {}",
            fs::read_to_string(user.file("err")).unwrap()
        );
        let now = stored(&user, &setting);
        assert!(now >= kept, "{wait_ms}: {now} of {kept}");
        kept = now;
        if code.is_some() {
            assert_eq!(left(&server), 0, "{wait_ms}: a private folder was left");
        }
    }
    let (outcome, _) = user.json("zen-profile", &arguments);
    assert_eq!(outcome["stored"].as_u64(), Some(kept as u64), "{outcome}");
    assert_checked(&outcome, &setting.id(), 0, 2);
    assert!(keys(&user.store(), &setting).len() >= 60);
}

#[test]
fn ctrl_c_ends_a_block_that_hangs() {
    let Some(server) = Server::start("") else { return };
    let user = User::new(Path::new("/nowhere"));
    own_device(&user, "my-box");
    // The third run of the agent hangs for ever.
    let (count, agent) = (server.path("count"), agent());
    let script = format!(
        "echo x >>'{count}'\n[ $(wc -l <'{count}') -lt 3 ] || exec sleep 1000\nexec '{agent}' \"$@\"",
        count = count.display(),
        agent = agent.display()
    );
    let wrapper = program(&server.path("bin"), "wrapper", &script);
    let arguments = format!("--device my-box {} {SMALL} --agent {wrapper} --json", host_options(&server));
    let mut child = start(&user, &arguments);
    let begun = Instant::now();
    while fs::read_to_string(&count).unwrap_or_default().lines().count() < 3 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", fs::read_to_string(user.file("err")).unwrap());
        std::thread::sleep(Duration::from_millis(10));
    }
    interrupt(&child);
    let (code, took) = end(&mut child);
    assert_eq!(code, Some(130), "{}", fs::read_to_string(user.file("err")).unwrap());
    // The limit of the block is minutes away.
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert_eq!(left(&server), 0);
    let outcome: Value = serde_json::from_str(&fs::read_to_string(user.file("out")).unwrap()).unwrap();
    assert_eq!(outcome["ending"], "interrupted", "{outcome}");
}

/// Waits until a session in the background has stored its first operators.
fn wait_for_operators(user: &User, setting: &Setting) {
    let begun = Instant::now();
    while stored(user, setting) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", fs::read_to_string(user.file("err")).unwrap());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A session whose connection is cut in the middle ends well all the same, with every operator once.
fn goes_on_after(user: &User, arguments: &str, setting: &Setting, cut: impl FnOnce()) {
    let mut child = start(user, arguments);
    wait_for_operators(user, setting);
    cut();
    let (code, _) = end(&mut child);
    let said = fs::read_to_string(user.file("err")).unwrap();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("connecting again") && said.contains("connected again"), "{said}");
    let outcome: Value = serde_json::from_str(&fs::read_to_string(user.file("out")).unwrap()).unwrap();
    let rows = keys(&user.store(), setting).len();
    assert!(rows >= 60 && outcome["measured"].as_u64() == Some(rows as u64), "{outcome}");
}

#[test]
fn a_connection_that_breaks_is_opened_again_in_the_same_session() {
    let Some(server) = Server::start("") else { return };
    let user = User::new(Path::new("/nowhere"));
    own_device(&user, "my-box");
    let setting: Setting = "my-box/tract/fp32/b1/t1".parse().unwrap();
    let arguments = format!("--device my-box {} {SMALL} --operators 60 --networks 2 --json", host_options(&server));
    goes_on_after(&user, &arguments, &setting, || server.cut());
    // What the lost connection left is gone, too.
    assert_eq!(left(&server), 0);
}

#[test]
fn a_cable_that_is_plugged_in_again_goes_on_in_the_same_session() {
    let Some(phone) = Phone::start(&[]) else { return };
    let user = User::new(phone.adb_folder());
    let setting: Setting = "android/tract/fp32/b1/t1".parse().unwrap();
    let [serial, agent] = [phone.address(), agent().display().to_string()];
    let arguments = format!(
        "--device android --serial {serial} --agent {agent} --cores 1 {SMALL} --operators 60 --networks 2 --json"
    );
    goes_on_after(&user, &arguments, &setting, || phone.cut());
    assert_eq!(phone.left(), Vec::<String>::new());
}

#[test]
fn a_machine_that_stays_away_ends_it_with_a_code_of_its_own() {
    let Some(server) = Server::start("") else { return };
    let user = User::new(Path::new("/nowhere"));
    own_device(&user, "my-box");
    let setting: Setting = "my-box/tract/fp32/b1/t1".parse().unwrap();
    let arguments = format!("--device my-box {} {SMALL} --operators 60 --networks 2 --json", host_options(&server));
    let mut child = start(&user, &arguments);
    wait_for_operators(&user, &setting);
    // A key that is not known is refused.
    fs::write(server.path("known_hosts"), "").unwrap();
    server.cut();
    let (code, _) = end(&mut child);
    let said = fs::read_to_string(user.file("err")).unwrap();
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("attempt 4 of 4 failed") && said.contains("run the same command again"), "{said}");
    let kept = stored(&user, &setting);
    server.trust("host_ed25519");
    let (outcome, _) = user.json("zen-profile", &arguments);
    assert_eq!(outcome["stored"].as_u64(), Some(kept as u64), "{outcome}");
    assert_checked(&outcome, &setting.id(), 0, 2);
}
