//! The transport contract on this machine.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use zen_nas::profile::transport::{Dialogue, Exit, Limits, OpenOptions, Outcome, TransportError, find};

use super::contract;

#[test]
fn local_keeps_the_contract() {
    contract::check(&|| (find("local").unwrap().open)("", OpenOptions::default()).unwrap());
}

/// The lines of an answer up to `end`, and how the program ended if it did.
fn ask(dialogue: &mut dyn Dialogue, line: &str, limits: &Limits<'_>) -> (Vec<String>, Result<Option<Outcome>, String>) {
    let mut lines = Vec::new();
    let ended = dialogue.ask(Some(line), limits, &mut |line| {
        lines.push(line.text.to_owned());
        if line.text == "end" { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    (lines, ended.map_err(|error| error.to_string()))
}

#[cfg(unix)]
#[test]
fn a_program_that_stays_answers_lines_until_it_ends_or_hangs() {
    let mut transport = (find("local").unwrap().open)("", OpenOptions::default()).unwrap();
    assert!(transport.is_here());
    let script = "n=0; while read word; do n=$((n+1)); case $word in die) echo last >&2; exit 3;; hang) sleep 60;; esac; \
                  echo \"$n $word\"; echo end; done";
    let mut start = || transport.start(&["sh", "-c", script]).unwrap().unwrap();
    let mut dialogue = start();
    let limits = Limits::default();
    for (number, word) in ["a", "b c"].iter().enumerate() {
        let expected = (vec![format!("{} {word}", number + 1), "end".to_owned()], Ok(None));
        assert_eq!(ask(dialogue.as_mut(), word, &limits), expected);
    }
    let (lines, ended) = ask(dialogue.as_mut(), "die", &limits);
    let ended = ended.unwrap().unwrap();
    assert_eq!((lines.len(), ended.exit, ended.stderr.trim()), (0, Exit::Code(3), "last"));
    let begun = Instant::now();
    let short = Limits { total: Duration::from_millis(300), ..limits };
    let (_, hung) = ask(start().as_mut(), "hang", &short);
    assert!(hung.unwrap_err().contains("sh") && begun.elapsed() < Duration::from_secs(20));
    let absent =
        transport.start(&["no-such-program"]).unwrap().unwrap().ask(None, &limits, &mut |_| ControlFlow::Break(()));
    assert!(matches!(absent, Ok(Some(Outcome { exit: Exit::Code(127), .. }))), "{absent:?}");
    assert!(matches!(transport.start(&["-x"]), Err(TransportError::Argument { .. })));
}
