//! One script in a phone's shell, between two marks that tell whether all of it was heard.
//!
//! A cable that is pulled makes adb end with code 0 and half of the output. So the script itself
//! writes a mark with its process number when it begins and a mark with the code when it ended;
//! the marks hold a random word that the output cannot know.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::ops::ControlFlow;

use super::super::lines::Tail;
use super::super::process::{End, Input, Process, signal_name};
use super::super::quote::quote;
use super::super::{Exit, Limits, Line};
use super::client::Client;

/// How a script ended.
pub enum Ran {
    Ended(Exit),
    /// The caller or a limit ended it; the process number is that of its group, which still runs.
    Cut(End, Option<u32>),
    /// It was running, and then nothing was heard of it any more.
    Lost,
    /// The shell did not begin it.
    NotStarted,
}

/// Runs a script in a folder of the phone.
pub fn run(
    (client, serial): (&Client, &str),
    directory: &str,
    script: &str,
    limits: &Limits<'_>,
    stderr: &mut Tail,
    on_line: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>,
) -> io::Result<Ran> {
    let token = format!("zen-nas-{:016x}", RandomState::new().build_hasher().finish());
    // The script comes on standard input: adb has a short limit for commands, and no shell but
    // this one reads it. It runs in a shell of its own, whose end is not that of the marks.
    let input = format!(
        "cd -- {} || exit 1\nprintf '\\n%s %s\\n' {token} \"$$\"\n( {script}\n) </dev/null\nprintf '\\n%s end %s\\n' {token} \"$?\"\n",
        quote(directory)
    );
    let mut command = client.command(&["-s", serial, "shell", "-T", "exec sh -s"]);
    let mut process = Process::start(&mut command, Input::Bytes(input.into_bytes()))?;
    let mut marks = Marks::new(token);
    let end = process.drive(limits, stderr, &mut |line| marks.line(line, on_line));
    process.kill();
    let status = match end? {
        End::Exited(status) => status,
        end => return Ok(Ran::Cut(end, marks.process)),
    };
    Ok(match (marks.process, marks.code, status.code()) {
        (Some(_), Some(code), _) => Ran::Ended(exit_of(code)),
        // Something killed the whole group, the script's shell with it.
        (Some(_), None, Some(code)) if (129..=192).contains(&code) => Ran::Ended(exit_of(code)),
        (Some(_), None, _) => Ran::Lost,
        (None, ..) => Ran::NotStarted,
    })
}

/// A shell tells a signal as 128 and its number; a program that ends with such a code by itself
/// cannot be told apart.
fn exit_of(code: i32) -> Exit {
    match code {
        129..=192 => Exit::Signal(signal_name(code - 128)),
        code => Exit::Code(code),
    }
}

/// Takes the marks out of the lines.
struct Marks {
    token: String,
    process: Option<u32>,
    code: Option<i32>,
    /// An empty line that may be the one before the last mark.
    held: bool,
}

impl Marks {
    fn new(token: String) -> Self {
        Self { token, process: None, code: None, held: false }
    }

    fn line(&mut self, line: Line<'_>, on_line: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        if self.code.is_some() {
            // From processes that outlive the script.
            return ControlFlow::Continue(());
        }
        let mark = line.text.strip_prefix(&self.token).and_then(|rest| rest.strip_prefix(' '));
        let mark = mark.filter(|_| !line.truncated);
        if self.process.is_none() {
            self.process = mark.and_then(|number| number.parse().ok()).filter(|number| *number > 1);
            return ControlFlow::Continue(());
        }
        self.code = mark.and_then(|mark| mark.strip_prefix("end ")).and_then(|code| code.parse().ok());
        if self.code.is_some() {
            return ControlFlow::Continue(());
        }
        let empty = Line { text: "", truncated: false };
        if std::mem::take(&mut self.held) {
            on_line(empty)?;
        }
        if line == empty {
            self.held = true;
            return ControlFlow::Continue(());
        }
        on_line(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the caller hears of a text, and the marks found.
    fn hear(text: &str) -> (Vec<String>, Option<u32>, Option<i32>) {
        let mut heard = Vec::new();
        let mut marks = Marks::new("TOKEN".to_owned());
        for text in text.lines() {
            let flow = marks.line(Line { text, truncated: false }, &mut |line| {
                heard.push(line.text.to_owned());
                ControlFlow::Continue(())
            });
            assert!(flow.is_continue());
        }
        (heard, marks.process, marks.code)
    }

    #[test]
    fn marks_frame_the_output() {
        assert_eq!(
            hear("noise\n\nTOKEN 17\na\n\nb\nTOKEN end 3\nlate\n"),
            (vec!["a".into(), "".into(), "b".into()], Some(17), Some(3))
        );
        // The empty line before the last mark is the mark's own; those before it are the program's.
        assert_eq!(hear("TOKEN 17\na\n\n\nTOKEN end 0\n"), (vec!["a".into(), "".into()], Some(17), Some(0)));
        assert_eq!(hear("TOKEN 17\n\nTOKEN end 137\n"), (vec![], Some(17), Some(137)));
    }

    #[test]
    fn without_both_marks_nothing_is_believed() {
        assert_eq!(hear("\nTOKEN 17\na\n"), (vec!["a".into()], Some(17), None));
        assert_eq!(hear("TOKEN end 0\n"), (vec![], None, None));
        assert_eq!(hear("TOKEN x\nTOKEN 1\nOTHER 5\n"), (vec![], None, None));
        assert_eq!(hear("TOKEN 5\nTOKEN end zero\nTOKENend 0\n").2, None);
    }

    #[test]
    fn codes_of_signals() {
        assert_eq!(exit_of(128), Exit::Code(128));
        assert_eq!(exit_of(137), Exit::Signal("KILL".to_owned()));
        assert_eq!(exit_of(255), Exit::Code(255));
    }
}
