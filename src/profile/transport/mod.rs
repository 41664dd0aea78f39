//! How to reach a machine: put a file there, run a command, read its lines, leave nothing behind.
//!
//! A transport knows nothing of models or timing (those are runners). Everything that comes from
//! the other side is bounded in size and time, and no argument is ever read by a shell as code.
//!
//! Adding one: write `x.rs` that implements [`Transport`], list it in [`TRANSPORTS`], and hand it to
//! the suite in `tests/peers/contract.rs`, which every transport must pass.

pub mod adb;
pub(crate) mod cksum;
mod error;
mod limits;
mod lines;
pub mod local;
mod process;
mod quote;
#[cfg(feature = "ssh")]
pub mod ssh;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

pub use error::TransportError;
pub use limits::Limits;
use limits::{Limit, is_set, unless_interrupted};
pub(crate) use lines::printable;

/// An open way to a machine, with a private folder there (mode 700) that lives as long as it does.
pub trait Transport {
    /// The machine, for messages: `this machine`, `user@host:port`.
    fn target(&self) -> &str;

    /// Absolute path of the private folder on the machine; commands run in it.
    fn directory(&self) -> &str;

    /// Puts a file into the private folder and returns its absolute path there. The file appears
    /// under its name only once all of it has arrived; an older file of that name is replaced.
    ///
    /// # Errors
    /// A name that is not a plain file name, a full device, a lost connection.
    fn put(&mut self, name: &str, content: &[u8], mode: FileMode) -> Result<String, TransportError>;

    /// Runs a program with its arguments and hands each line of its standard output to `on_line`,
    /// without the line end. Standard error is drained all the while; its end is in the outcome.
    /// Standard input is empty. `on_line` stops the program by returning `Break`.
    ///
    /// A program that does not exist ends with code 127, as in a shell.
    ///
    /// # Errors
    /// An argument that cannot be passed on, a limit that was reached, a lost connection. The
    /// program and its children are killed before a limit is reported.
    fn run(
        &mut self,
        argv: &[&str],
        limits: &Limits<'_>,
        on_line: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>,
    ) -> Result<Outcome, TransportError>;

    /// Starts a program that stays and answers what it is told. None where this way to a machine does not
    /// keep programs: they are run anew each time.
    ///
    /// # Errors
    /// As [`Transport::run`]; a program that does not exist is told by the first answer.
    fn start(&mut self, argv: &[&str]) -> Result<Option<Box<dyn Dialogue>>, TransportError> {
        let _ = argv;
        Ok(None)
    }

    /// Whether the machine is this one.
    fn is_here(&self) -> bool {
        false
    }

    /// Removes the private folder and lets go of the machine. Dropping does the same, but cannot
    /// report that it failed.
    fn close(self: Box<Self>) -> Result<(), TransportError>;
}

/// A program that runs and is told lines; killed when it is dropped.
pub trait Dialogue {
    /// Says a line, if there is one, and hands on lines of standard output until `on_line` returns `Break`: the
    /// answer has ended, and the program goes on. Where the program ended instead, how it did.
    ///
    /// # Errors
    /// A limit that was reached; the program is killed before it is reported.
    fn ask(
        &mut self,
        line: Option<&str>,
        limits: &Limits<'_>,
        on_line: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>,
    ) -> Result<Option<Outcome>, TransportError>;
}

/// Who may do what with a file that was put; others than the owner never see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileMode {
    /// 600.
    Data,
    /// 700.
    Executable,
}

impl FileMode {
    pub(crate) fn bits(self) -> u32 {
        match self {
            Self::Data => 0o600,
            Self::Executable => 0o700,
        }
    }
}

/// One line of a command's standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Without the line end; bytes that are not UTF-8 are replaced.
    pub text: &'a str,
    /// Whether the line was longer than [`Limits::line_bytes`] and its rest is missing.
    pub truncated: bool,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub exit: Exit,
    /// The end of standard error.
    pub stderr: String,
}

/// The way a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By a signal, named without `SIG`: `KILL`, `SEGV`.
    Signal(String),
    /// Killed because the caller asked for it.
    Stopped,
}

impl Exit {
    pub fn is_success(&self) -> bool {
        *self == Self::Code(0)
    }
}

/// Asks for the passphrase of an encrypted key file; `None` gives up on that key.
pub type AskPassphrase<'a> = &'a mut dyn FnMut(&Path) -> Option<String>;

/// Opens a transport to an address.
pub type Open = fn(address: &str, options: OpenOptions<'_>) -> Result<Box<dyn Transport>, TransportError>;

/// What opening a transport may need beyond an address.
#[derive(Default)]
pub struct OpenOptions<'a> {
    /// The ssh configuration file to use instead of the user's.
    pub ssh_config: Option<PathBuf>,
    /// Without it, encrypted keys are passed over unless the agent holds them.
    pub passphrase: Option<AskPassphrase<'a>>,
    /// The adb program to use instead of the one on the search path.
    pub adb: Option<PathBuf>,
    /// Set from elsewhere (Ctrl-C) to end whatever is under way on the machine: a command is killed, a
    /// file is not sent to its end, and both end in [`TransportError::Interrupted`]. The private
    /// folder is removed all the same.
    pub stop: Option<&'static AtomicBool>,
}

/// One way of reaching machines.
pub struct TransportKind {
    pub name: &'static str,
    /// For people: what an address of it looks like.
    pub address: &'static str,
    /// For people: what must be there for it to work.
    pub needs: &'static str,
    /// Opens it; the address is ignored by transports that have none.
    pub open: Open,
}

/// All ways of reaching machines.
pub static TRANSPORTS: &[TransportKind] = &[
    TransportKind {
        name: "local",
        address: "(none)",
        needs: "nothing",
        open: |_, options| Ok(Box::new(local::Local::open_with(options.stop)?)),
    },
    TransportKind {
        name: "ssh",
        address: "[user@]host[:port] or a name from the ssh configuration",
        needs: "an ssh server with sftp and a POSIX sh on the machine, its key in known_hosts, a key or agent to log in with",
        #[cfg(feature = "ssh")]
        open: |address, options| Ok(Box::new(ssh::Ssh::open(address, options)?)),
        #[cfg(not(feature = "ssh"))]
        open: |_, _| Err(TransportError::NotBuiltIn { transport: "ssh", feature: "ssh" }),
    },
    TransportKind {
        name: "adb",
        address: "the phone's serial number (`adb devices` lists it) or host:port; empty for the only phone",
        needs: "the adb program, and a phone with Android 7 or newer and USB debugging allowed",
        open: |address, options| Ok(Box::new(adb::Adb::open(address, options)?)),
    },
];

/// Finds a transport by name.
///
/// # Errors
/// An unknown name; the message lists the known ones.
pub fn find(name: &str) -> Result<&'static TransportKind, TransportError> {
    TRANSPORTS.iter().find(|kind| kind.name == name).ok_or_else(|| TransportError::UnknownTransport {
        given: name.to_owned(),
        known: TRANSPORTS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", "),
    })
}

/// The bytes of all arguments together; longer commands fail on some systems, so on all of them.
const MAX_ARGUMENT_BYTES: usize = 96 << 10;

/// Refuses what not every transport can pass on unchanged, and returns the program's name.
fn check_arguments<'a>(target: &str, argv: &[&'a str]) -> Result<&'a str, TransportError> {
    let error = |index, problem| Err(TransportError::Argument { target: target.to_owned(), index, problem });
    let Some(program) = argv.first() else {
        return error(0, "there is no program");
    };
    if program.is_empty() || program.starts_with('-') {
        return error(0, "a program's name cannot be empty or begin with '-'");
    }
    if let Some(index) = argv.iter().position(|argument| argument.contains('\0')) {
        return error(index, "it contains a zero byte");
    }
    if argv.iter().map(|argument| argument.len() + 1).sum::<usize>() > MAX_ARGUMENT_BYTES {
        return error(0, "the arguments together are too long; put them into a file");
    }
    Ok(program)
}

/// Refuses file names that could leave the private folder or hide in it.
fn check_file_name(name: &str) -> Result<(), TransportError> {
    let problem = if name.is_empty() || name.len() > 200 {
        "it must have 1 to 200 bytes"
    } else if name.starts_with('.') || name.starts_with('-') {
        "it cannot begin with '.' or '-'"
    } else if name.contains(|c: char| c == '/' || c == '\\' || c.is_control()) {
        "it cannot contain slashes or control characters"
    } else {
        return Ok(());
    };
    Err(TransportError::FileName { name: name.to_owned(), problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transports_are_found_by_name_and_an_unknown_one_lists_them() {
        assert_eq!(find("ssh").unwrap().name, "ssh");
        let Err(error) = find("telnet") else { panic!("telnet was found") };
        assert_eq!(error.to_string(), "unknown transport \"telnet\"; known: local, ssh, adb");
    }

    #[test]
    fn file_names_stay_inside_the_folder() {
        for name in ["agent", "m 1.onnx", "größe.json"] {
            check_file_name(name).unwrap();
        }
        for name in ["", ".", "..", "../x", "a/b", "/etc/passwd", "-rf", ".part", "a\nb", "a\\b", &"x".repeat(201)] {
            assert!(matches!(check_file_name(name), Err(TransportError::FileName { .. })), "{name:?} was accepted");
        }
    }

    #[test]
    fn arguments_that_no_transport_can_pass_on_are_refused() {
        assert_eq!(check_arguments("x", &["echo", "-n", "\n'\""]).unwrap(), "echo");
        for (argv, index) in
            [(&[][..], 0), (&["-x"], 0), (&[""], 0), (&["echo", "a\0b"], 1), (&["a", &"x".repeat(1 << 20)], 0)]
        {
            let result = check_arguments("x", argv);
            assert!(matches!(result, Err(TransportError::Argument { index: i, .. }) if i == index), "{result:?}");
        }
    }
}
