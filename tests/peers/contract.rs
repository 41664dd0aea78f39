//! What every transport must do, whatever it is made of.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use zen_nas::profile::transport::{Exit, FileMode, Limits, Line, Outcome, Transport, TransportError};

type Open<'a> = &'a dyn Fn() -> Box<dyn Transport>;
type Check = fn(&mut dyn Transport);

/// Runs the whole suite; `open` reaches the same machine each time.
pub fn check(open: Open<'_>) {
    let mut transport = open();
    let checks: &[(&str, Check)] = &[
        ("arguments arrive unchanged", arguments_arrive_unchanged),
        ("files arrive unchanged", files_arrive_unchanged),
        ("a script that was put runs", a_put_script_runs),
        ("bad names and arguments are refused", bad_names_and_arguments_are_refused),
        ("exit codes and signals are told", exit_codes_and_signals),
        ("much standard error does not stall", much_stderr_does_not_stall),
        ("a long line is bounded", a_long_line_is_bounded),
        ("lines come one by one", lines_come_one_by_one),
        ("standard input is empty", standard_input_is_empty),
        ("closed outputs do not end a command", closed_outputs_do_not_end_a_command),
        ("silence has a limit", silence_has_a_limit),
        ("time has a limit", time_has_a_limit),
        ("the caller can stop", the_caller_can_stop),
    ];
    for (name, check) in checks {
        let start = Instant::now();
        check(transport.as_mut());
        eprintln!("{}: {name} ({:.2} s)", transport.target(), start.elapsed().as_secs_f64());
    }
    the_folder_is_private_and_removed(open, transport);
}

/// Runs a command and collects its lines.
pub fn collect(
    transport: &mut dyn Transport,
    argv: &[&str],
    limits: &Limits<'_>,
) -> (Result<Outcome, TransportError>, Vec<(String, bool)>) {
    let mut lines = Vec::new();
    let outcome = transport.run(argv, limits, &mut |line: Line<'_>| {
        lines.push((line.text.to_owned(), line.truncated));
        ControlFlow::Continue(())
    });
    (outcome, lines)
}

/// Runs a shell script that must succeed and returns its lines.
pub fn lines_of(transport: &mut dyn Transport, script: &str) -> Vec<String> {
    let (outcome, lines) = collect(transport, &["sh", "-c", script], &Limits::default());
    let outcome = outcome.unwrap();
    assert_eq!(outcome.exit, Exit::Code(0), "{script}: {}", outcome.stderr);
    lines.into_iter().map(|(text, _)| text).collect()
}

fn exit_of(transport: &mut dyn Transport, argv: &[&str]) -> Exit {
    collect(transport, argv, &Limits::default()).0.unwrap().exit
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn arguments_arrive_unchanged(transport: &mut dyn Transport) {
    let nasty = [
        "plain",
        "",
        " ",
        "a b",
        "'",
        "\"",
        "'\\''",
        "$(touch pwned)",
        "`touch pwned`",
        "${HOME}",
        "$HOME",
        "a\nb",
        "\n",
        "a\\nb",
        "\\",
        "-rf",
        "--",
        "-",
        ";touch pwned",
        "&&touch pwned",
        "|",
        "> pwned",
        "*",
        "~",
        "!!",
        "#no",
        "a\tb",
        "ü€😀",
        "x=1",
        "{a,b}",
        "%s%n",
        "\r",
        "\u{1b}[31m",
        "EOF",
        "'; touch pwned; '",
    ];
    let script = "for a; do printf %s \"$a\" | od -An -v -tx1 | tr -d ' \\n'; echo .; done";
    let mut argv = vec!["sh", "-c", script, "name"];
    argv.extend(nasty);
    let (outcome, lines) = collect(transport, &argv, &Limits::default());
    assert_eq!(outcome.unwrap().exit, Exit::Code(0));
    let expected: Vec<_> = nasty.iter().map(|argument| (format!("{}.", hex(argument.as_bytes())), false)).collect();
    assert_eq!(lines, expected);
    assert_eq!(lines_of(transport, "ls -A"), Vec::<String>::new());
}

fn files_arrive_unchanged(transport: &mut dyn Transport) {
    let content: Vec<u8> = (0..700_001u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for content in [&content[..], b"", b"shorter"] {
        let path = transport.put("a file.bin", content, FileMode::Data).unwrap();
        assert_eq!(path, format!("{}/a file.bin", transport.directory()));
        let (outcome, lines) = collect(transport, &["od", "-An", "-v", "-tx1", &path], &Limits::default());
        assert_eq!(outcome.unwrap().exit, Exit::Code(0));
        let arrived: String = lines.iter().map(|(text, _)| text.replace(' ', "")).collect();
        assert!(arrived == hex(content), "{} bytes did not arrive unchanged", content.len());
        assert_eq!(lines_of(transport, "ls -A; stat -c %a *"), ["a file.bin", "600"]);
    }
    lines_of(transport, "rm 'a file.bin'");
}

fn a_put_script_runs(transport: &mut dyn Transport) {
    let path = transport.put("say", b"#!/bin/sh\necho \"$1, $2\"; pwd; exit 3\n", FileMode::Executable).unwrap();
    let (outcome, lines) = collect(transport, &[&path, "it's", "$0"], &Limits::default());
    assert_eq!(outcome.unwrap().exit, Exit::Code(3));
    assert_eq!(lines[0].0, "it's, $0");
    assert_eq!(lines[1].0, transport.directory());
    assert_eq!(lines_of(transport, "stat -c %a say; rm say"), ["700"]);
}

fn bad_names_and_arguments_are_refused(transport: &mut dyn Transport) {
    for name in ["../outside", "/tmp/outside", "", "a\nb", ".hidden"] {
        let result = transport.put(name, b"x", FileMode::Data);
        assert!(matches!(result, Err(TransportError::FileName { .. })), "{name:?}: {result:?}");
    }
    for argv in [&[][..], &["-x"], &["echo", "a\0b"]] {
        let (result, _) = collect(transport, argv, &Limits::default());
        assert!(matches!(result, Err(TransportError::Argument { .. })), "{argv:?}: {result:?}");
    }
}

fn exit_codes_and_signals(transport: &mut dyn Transport) {
    for code in [0, 1, 7, 255] {
        assert_eq!(exit_of(transport, &["sh", "-c", &format!("exit {code}")]), Exit::Code(code));
    }
    assert_eq!(exit_of(transport, &["zen-nas-there-is-no-such-program"]), Exit::Code(127));
    for signal in ["KILL", "TERM", "SEGV"] {
        let script = format!("kill -{signal} $$");
        assert_eq!(exit_of(transport, &["sh", "-c", &script]), Exit::Signal(signal.to_owned()));
    }
}

fn much_stderr_does_not_stall(transport: &mut dyn Transport) {
    let script = "head -c 8000000 /dev/zero | tr '\\0' e >&2; echo between; head -c 8000000 /dev/zero | tr '\\0' f >&2; \
                  echo the end >&2; echo done";
    let limits = Limits { inactivity: Duration::from_secs(20), stderr_bytes: 1000, ..Limits::default() };
    let (outcome, lines) = collect(transport, &["sh", "-c", script], &limits);
    let outcome = outcome.unwrap();
    assert_eq!(outcome.exit, Exit::Code(0));
    assert_eq!(lines, [("between".to_owned(), false), ("done".to_owned(), false)]);
    assert_eq!(outcome.stderr.len(), 1000);
    assert!(outcome.stderr.ends_with("fffthe end\n"));
}

fn a_long_line_is_bounded(transport: &mut dyn Transport) {
    let script = "head -c 50000000 /dev/zero | tr '\\0' x; echo; echo next";
    let limits = Limits { line_bytes: 1000, ..Limits::default() };
    let (outcome, lines) = collect(transport, &["sh", "-c", script], &limits);
    assert_eq!(outcome.unwrap().exit, Exit::Code(0));
    assert_eq!(lines, [("x".repeat(1000), true), ("next".to_owned(), false)]);
}

fn lines_come_one_by_one(transport: &mut dyn Transport) {
    let mut seen = Vec::new();
    let start = Instant::now();
    let script = "echo first; sleep 1; printf 'second\\r\\n\\nlast'";
    let outcome = transport.run(&["sh", "-c", script], &Limits::default(), &mut |line| {
        seen.push((line.text.to_owned(), start.elapsed()));
        ControlFlow::Continue(())
    });
    assert_eq!(outcome.unwrap().exit, Exit::Code(0));
    let texts: Vec<_> = seen.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(texts, ["first", "second", "", "last"]);
    assert!(seen[1].1 - seen[0].1 > Duration::from_millis(500), "the first line was held back");
}

fn standard_input_is_empty(transport: &mut dyn Transport) {
    let limits = Limits { inactivity: Duration::from_secs(10), ..Limits::default() };
    let (outcome, lines) = collect(transport, &["cat"], &limits);
    assert_eq!((outcome.unwrap().exit, lines), (Exit::Code(0), Vec::new()));
}

fn closed_outputs_do_not_end_a_command(transport: &mut dyn Transport) {
    assert_eq!(exit_of(transport, &["sh", "-c", "echo x; exec >&- 2>&-; sleep 1; exit 5"]), Exit::Code(5));
}

/// Runs a script that prints the numbers of its processes and must end in a limit; then none of
/// them may be alive.
fn is_killed(transport: &mut dyn Transport, script: &str, limits: &Limits<'_>) -> Result<Outcome, TransportError> {
    let script = format!("echo $$; sleep 61 & echo $!; {script}");
    let start = Instant::now();
    let (outcome, lines) = collect(transport, &["sh", "-c", &script], limits);
    assert!(start.elapsed() < Duration::from_secs(15), "it took {:?}", start.elapsed());
    for (number, _) in &lines[..2] {
        // A killed process whose parent has not looked yet is a zombie: dead all the same.
        let state = lines_of(transport, &format!("sleep 0.2; ps -o stat= -p {number} || true"));
        assert!(state.iter().all(|state| state.starts_with('Z')), "process {number} is alive: {state:?}");
    }
    outcome
}

fn silence_has_a_limit(transport: &mut dyn Transport) {
    let limits = Limits { inactivity: Duration::from_secs(1), ..Limits::default() };
    let result = is_killed(transport, "echo stuck here >&2; sleep 60", &limits);
    let Err(error @ TransportError::Inactive { seconds: 1, .. }) = result else { panic!("{result:?}") };
    assert!(error.to_string().contains("stuck here"), "{error}");
}

fn time_has_a_limit(transport: &mut dyn Transport) {
    let limits = Limits { total: Duration::from_secs(1), ..Limits::default() };
    let result = is_killed(transport, "while :; do echo x; sleep 0.1; done", &limits);
    assert!(matches!(result, Err(TransportError::TimeLimit { seconds: 1, .. })), "{result:?}");
}

fn the_caller_can_stop(transport: &mut dyn Transport) {
    let mut count = 0;
    let script = "while :; do echo x; done";
    let outcome = transport.run(&["sh", "-c", script], &Limits::default(), &mut |_| {
        count += 1;
        if count < 1000 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    assert_eq!((outcome.unwrap().exit, count), (Exit::Stopped, 1000));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            stop.store(true, Ordering::Relaxed);
        });
        let limits = Limits { stop: Some(&stop), ..Limits::default() };
        assert_eq!(is_killed(transport, "sleep 60", &limits).unwrap().exit, Exit::Stopped);
    });
}

fn the_folder_is_private_and_removed(open: Open<'_>, mut transport: Box<dyn Transport>) {
    let mut other = open();
    let folder = transport.directory().to_owned();
    assert_ne!(folder, other.directory());
    assert_eq!(lines_of(other.as_mut(), &format!("stat -c %a {folder}")), ["700"]);
    transport.put("file", b"x", FileMode::Data).unwrap();
    transport.close().unwrap();
    assert_eq!(exit_of(other.as_mut(), &["test", "-e", &folder]), Exit::Code(1));
    let dropped = open();
    let folder = dropped.directory().to_owned();
    assert_eq!(exit_of(other.as_mut(), &["test", "-d", &folder]), Exit::Code(0));
    drop(dropped);
    assert_eq!(exit_of(other.as_mut(), &["test", "-e", &folder]), Exit::Code(1));
}
