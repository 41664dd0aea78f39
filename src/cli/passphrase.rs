//! Asking for a passphrase at the terminal, without showing it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Longest passphrase in bytes.
#[cfg(unix)]
const MAX_BYTES: usize = 1024;

/// Remembers what was typed, so that several machines ask once for one key.
#[derive(Default)]
pub struct Passphrases(HashMap<PathBuf, Option<String>>);

impl Passphrases {
    /// The passphrase of a key file; none where there is no terminal, or the user gave up on it
    /// (Ctrl-C, Ctrl-D or an empty line).
    pub fn ask(&mut self, key: &Path) -> Option<String> {
        self.0
            .entry(key.to_owned())
            .or_insert_with(|| read_hidden(&format!("passphrase of {}: ", key.display())))
            .clone()
    }
}

#[cfg(not(unix))]
fn read_hidden(_: &str) -> Option<String> {
    None
}

/// Reads a line from the terminal itself, whatever stdin and stdout are.
#[cfg(unix)]
fn read_hidden(prompt: &str) -> Option<String> {
    use std::io::{Read, Write};

    let mut terminal = std::fs::File::options().read(true).write(true).open("/dev/tty").ok()?;
    let hidden = Hidden::new(&terminal)?;
    terminal.write_all(prompt.as_bytes()).ok()?;
    let mut typed = Vec::new();
    let mut byte = [0];
    let done = loop {
        if terminal.read(&mut byte).ok()? == 0 {
            break false;
        }
        match byte[0] {
            b'\r' | b'\n' => break !typed.is_empty(),
            // Ctrl-C and Ctrl-D: with the signals off nobody else sees them.
            3 | 4 => break false,
            8 | 127 => {
                // One character, not one byte.
                while typed.pop().is_some_and(|last: u8| last & 0xc0 == 0x80) {}
            }
            other if typed.len() < MAX_BYTES => typed.push(other),
            _ => break false,
        }
    };
    drop(hidden);
    let _ = terminal.write_all(b"\n");
    if done { String::from_utf8(typed).ok() } else { None }
}

/// A terminal that shows nothing and sends no signals; as it was when dropped.
#[cfg(unix)]
struct Hidden {
    terminal: std::os::fd::RawFd,
    before: libc::termios,
}

#[cfg(unix)]
impl Hidden {
    fn new(terminal: &std::fs::File) -> Option<Self> {
        use std::os::fd::AsRawFd;

        let terminal = terminal.as_raw_fd();
        let mut before = std::mem::MaybeUninit::<libc::termios>::uninit();
        // SAFETY: the descriptor is open, and tcgetattr fills the structure when it returns 0.
        let before = unsafe {
            if libc::tcgetattr(terminal, before.as_mut_ptr()) != 0 {
                return None;
            }
            before.assume_init()
        };
        let mut hidden = before;
        hidden.c_lflag &= !(libc::ECHO | libc::ICANON | libc::ISIG);
        hidden.c_cc[libc::VMIN] = 1;
        hidden.c_cc[libc::VTIME] = 0;
        // SAFETY: as above, with a structure that tcgetattr made.
        let set = unsafe { libc::tcsetattr(terminal, libc::TCSAFLUSH, &hidden) };
        (set == 0).then_some(Self { terminal, before })
    }
}

#[cfg(unix)]
impl Drop for Hidden {
    fn drop(&mut self) {
        // SAFETY: the terminal's file outlives this guard.
        unsafe { libc::tcsetattr(self.terminal, libc::TCSAFLUSH, &self.before) };
    }
}
