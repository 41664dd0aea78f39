//! The adb transport: the real adb client against a stand-in for a phone.
//!
//! Runs when `ZEN_NAS_PEER_ADB` names the adb program (Debian package adb); `python3` runs the
//! stand-in. `ZEN_NAS_PEER_ARM_AGENT` names a zen-agent for 64-bit ARM (`android/build-agent.sh`).

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use zen_nas::profile::phone::{Phone as State, Reason, Verdict};
use zen_nas::profile::transport::{Exit, FileMode, Limits, OpenOptions, Transport, TransportError, find};

use super::contract::{self, collect, lines_of};
use super::phone::{Phone, skip};

fn hello(transport: &mut dyn Transport) -> Vec<String> {
    lines_of(transport, "echo hello")
}

#[test]
fn adb_keeps_the_contract() {
    let Some(phone) = Phone::start(&[]) else { return };
    contract::check(&|| phone.open());
    assert_eq!(phone.left(), Vec::<String>::new(), "private folders were left");
}

#[test]
fn the_only_phone_needs_no_address() {
    let Some(phone) = Phone::start(&[]) else { return };
    let error = phone.error("").to_string();
    assert!(error.contains("none is connected") && error.contains("USB debugging"), "{error}");
    let error = phone.error("NOSUCHSERIAL").to_string();
    assert!(error.contains("adb does not see it"), "{error}");
    let mut transport = phone.open();
    assert_eq!(hello(transport.as_mut()), ["hello"]);
    assert_eq!(hello(phone.open_as("").unwrap().as_mut()), ["hello"]);
    assert!(phone.root().join("data/local/tmp").read_dir().unwrap().count() == 1);
    // Nothing is there to connect to.
    let error = phone.error("127.0.0.1:1");
    assert!(matches!(error, TransportError::NotReady { .. }), "{error}");
    assert!(error.to_string().contains("connect"), "{error}");
    transport.close().unwrap();
    assert_eq!(phone.left(), Vec::<String>::new());
}

#[test]
fn a_missing_adb_is_told_with_how_to_install_it() {
    let options = OpenOptions { adb: Some("/nowhere/adb".into()), ..OpenOptions::default() };
    let Err(error) = (find("adb").unwrap().open)("", options) else { panic!("it was opened") };
    assert!(matches!(error, TransportError::NoProgram { .. }), "{error}");
    assert!(error.to_string().contains("apt install adb"), "{error}");
}

#[test]
fn an_unauthorised_phone_is_told_with_what_to_do_on_it() {
    let Some(phone) = Phone::start(&["--unauthorised"]) else { return };
    let start = Instant::now();
    let error = phone.error(&phone.address()).to_string();
    assert!(error.contains("authoris") && error.contains("accept the question"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(40), "{:?}", start.elapsed());
}

#[test]
fn a_full_phone_keeps_the_old_file_and_no_part() {
    let Some(phone) = Phone::start(&["--full-after", "100000"]) else { return };
    let mut transport = phone.open();
    transport.put("model", b"old", FileMode::Data).unwrap();
    let error = transport.put("model", &[7; 300_000], FileMode::Data).unwrap_err();
    assert!(matches!(error, TransportError::Put { .. }), "{error:?}");
    assert!(error.to_string().contains("the phone is full"), "{error}");
    assert_eq!(lines_of(transport.as_mut(), "ls -A; cat model"), ["model", "old"]);
    transport.close().unwrap();
}

#[test]
fn a_file_that_arrives_changed_never_gets_its_name() {
    let Some(phone) = Phone::start(&["--spoil"]) else { return };
    let mut transport = phone.open();
    let error = transport.put("model", &[7; 1000], FileMode::Data).unwrap_err();
    assert!(matches!(error, TransportError::Put { .. }), "{error:?}");
    assert!(error.to_string().contains("not what was sent"), "{error}");
    assert_eq!(lines_of(transport.as_mut(), "ls -A"), Vec::<String>::new());
    transport.put("model", &[7; 1000], FileMode::Data).unwrap();
    transport.close().unwrap();
}

#[test]
fn a_cut_push_is_a_lost_connection_and_the_next_one_arrives() {
    let Some(phone) = Phone::start(&["--cut-push-after", "400000"]) else { return };
    let mut transport = phone.open();
    transport.put("model", b"old", FileMode::Data).unwrap();
    let content: Vec<u8> = (0..1_000_000u32).map(|i| (i * 7) as u8).collect();
    let error = transport.put("model", &content, FileMode::Data).unwrap_err();
    assert!(error.is_connection_lost(), "{error:?}");
    let folder = Path::new(transport.directory()).to_owned();
    assert_eq!(fs::read(folder.join("model")).unwrap(), b"old");
    transport.put("model", &content, FileMode::Data).unwrap();
    assert!(fs::read(folder.join("model")).unwrap() == content);
    assert_eq!(lines_of(transport.as_mut(), "ls -A"), ["model"]);
    transport.close().unwrap();
    assert_eq!(phone.left(), Vec::<String>::new());
}

#[test]
fn a_cut_shell_is_a_lost_connection_and_the_next_call_ends_what_still_runs() {
    let Some(phone) = Phone::start(&[]) else { return };
    let mut transport = phone.open();
    let mut lines = Vec::new();
    let script = "echo $$; trap '' HUP; sleep 57; echo after";
    let result = transport.run(&["sh", "-c", script], &Limits::default(), &mut |line| {
        lines.push(line.text.to_owned());
        phone.cut();
        ControlFlow::Continue(())
    });
    let error = result.unwrap_err();
    assert!(error.is_connection_lost(), "{error:?}");
    assert_eq!(lines.len(), 1);
    assert_eq!(hello(transport.as_mut()), ["hello"]);
    let state = lines_of(transport.as_mut(), &format!("ps -o stat= -p {} || true", lines[0]));
    assert!(state.iter().all(|state| state.starts_with('Z')), "the program still runs: {state:?}");
    // Between calls: the next one may fail, the one after it works.
    phone.cut();
    let (result, _) = collect(transport.as_mut(), &["true"], &Limits::default());
    assert!(result.is_ok() || result.as_ref().is_err_and(TransportError::is_connection_lost), "{result:?}");
    assert_eq!(hello(transport.as_mut()), ["hello"]);
    transport.close().unwrap();
    assert_eq!(phone.left(), Vec::<String>::new());
}

#[test]
fn a_phone_without_our_folder_is_not_taken_for_the_one_that_was_lost() {
    let Some(phone) = Phone::start(&[]) else { return };
    let mut transport = phone.open();
    let result = transport.run(&["sh", "-c", "echo x; sleep 30"], &Limits::default(), &mut |_| {
        phone.cut();
        ControlFlow::Continue(())
    });
    assert!(result.unwrap_err().is_connection_lost());
    fs::remove_dir_all(transport.directory()).unwrap();
    let error = collect(transport.as_mut(), &["true"], &Limits::default()).0.unwrap_err();
    assert!(error.is_connection_lost() && error.to_string().contains("is gone"), "{error}");
}

#[test]
fn a_phone_that_is_gone_for_good_is_lost_in_bounded_time() {
    let Some(mut phone) = Phone::start(&[]) else { return };
    let mut transport = phone.open();
    phone.destroy();
    let start = Instant::now();
    for _ in 0..2 {
        let (result, _) = collect(transport.as_mut(), &["true"], &Limits::default());
        assert!(result.as_ref().is_err_and(TransportError::is_connection_lost), "{result:?}");
    }
    assert!(transport.put("file", b"x", FileMode::Data).unwrap_err().is_connection_lost());
    assert!(transport.close().unwrap_err().is_connection_lost());
    assert!(start.elapsed() < Duration::from_secs(120), "{:?}", start.elapsed());
}

#[test]
fn a_phone_that_hangs_is_given_up() {
    let Some(phone) = Phone::start(&[]) else { return };
    let mut transport = phone.open();
    phone.hang();
    let start = Instant::now();
    let limits = Limits { inactivity: Duration::from_secs(1), ..Limits::default() };
    let (result, lines) = collect(transport.as_mut(), &["echo", "x"], &limits);
    assert!(
        matches!(result, Err(TransportError::Inactive { .. } | TransportError::ConnectionLost { .. })),
        "{result:?}"
    );
    assert_eq!(lines, []);
    drop(transport);
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

#[test]
fn a_phone_tells_its_state_and_is_waited_for_while_it_is_hot() {
    let Some(phone) = Phone::start(&[]) else { return };
    let mut transport = phone.open();
    let state = State::inspect(transport.as_mut()).unwrap();
    assert_eq!(state.verdict(), Verdict::Measure);
    assert_eq!(state.core_mask().as_deref(), Some("f0"));
    assert_eq!(
        state.conditions(),
        "thermal status 0; fast cores f0: governor schedutil, 2457600 kHz now, limit 2457600, maximum 2457600; \
         battery 87%, 28.7 °C, charging; Awake; Pixel 2, arm64-v8a, \
         build google/walleye/walleye:11/RP1A.201005.004.A1/6934943:user/release-keys"
    );
    let thermal = phone.root().join("thermal_status");
    fs::write(&thermal, "3").unwrap();
    let mut reasons = Vec::new();
    let limit = Duration::from_secs(60);
    let (state, verdict) = State::wait_until_fit(transport.as_mut(), limit, &|| false, &mut |why| {
        reasons.extend(why.to_vec());
        fs::write(&thermal, "0").unwrap();
    })
    .unwrap();
    assert_eq!((state.thermal_status, verdict), (Some(0), Verdict::Measure));
    assert_eq!(reasons, [Reason::Hot { thermal_status: 3 }]);
    fs::write(&thermal, "1").unwrap();
    let (_, verdict) = State::wait_until_fit(transport.as_mut(), limit, &|| true, &mut |_| ()).unwrap();
    assert_eq!(verdict, Verdict::Wait(vec![Reason::Hot { thermal_status: 1 }]));
    transport.close().unwrap();
}

#[test]
fn the_agent_for_phones_is_pushed_and_greets_through_qemu() {
    let Some(agent) = std::env::var_os("ZEN_NAS_PEER_ARM_AGENT") else {
        skip("set ZEN_NAS_PEER_ARM_AGENT to what android/build-agent.sh made to run it through qemu");
        return;
    };
    let Some(phone) = Phone::start(&["--qemu", "qemu-aarch64-static"]) else { return };
    let mut transport = phone.open();
    let agent = transport.put("zen-agent", &fs::read(agent).unwrap(), FileMode::Executable).unwrap();
    let (outcome, lines) = collect(transport.as_mut(), &["taskset", "f0", &agent, "--version"], &Limits::default());
    assert_eq!(outcome.unwrap().exit, Exit::Code(0));
    assert!(lines[0].0.starts_with("zen-agent "), "{lines:?}");
    assert_eq!(fs::read_to_string(phone.root().join("taskset.log")).unwrap(), "f0\n");
    transport.put("job.json", b"{\"protocol\": 0}", FileMode::Data).unwrap();
    let (outcome, _) = collect(transport.as_mut(), &[&agent, "job.json"], &Limits::default());
    assert_eq!(outcome.unwrap().exit, Exit::Code(3));
    transport.close().unwrap();
}
