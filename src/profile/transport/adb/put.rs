//! Putting a file on the phone, whole or not at all.

use std::io::Write;
use std::time::Duration;

use super::super::lines::printable;
use super::super::quote::quote;
use super::super::{Exit, FileMode, TransportError};
use super::{ANSWER_LIMIT, Adb, devices};
use crate::profile::transport::cksum::cksum;

/// Slowest push that is waited for, in bytes per second, beyond [`ANSWER_LIMIT`].
const SLOWEST_PUSH: u64 = 100_000;
/// The code of the script that finishes a push where the file is not the one that was sent.
const DIFFERENT: i32 = 9;

impl Adb {
    /// Sends a file under a temporary name, compares it there and gives it its name.
    pub(super) fn upload(&mut self, name: &str, content: &[u8], mode: FileMode) -> Result<(), TransportError> {
        let doing = format!("putting {name}");
        let io = || TransportError::io("writing a temporary file");
        let mut file = tempfile::Builder::new().prefix("zen-nas.").tempfile().map_err(io())?;
        file.write_all(content).and_then(|()| file.flush()).map_err(io())?;
        let part = format!(".{name}.part");
        let local = file.path().to_string_lossy().into_owned();
        let limit = ANSWER_LIMIT + Duration::from_secs(content.len() as u64 / SLOWEST_PUSH);
        let remote = format!("{}/{part}", self.directory);
        let pushed = self.client.call(&["-s", &self.serial, "push", &local, &remote], limit)?;
        let (part, put) = (quote(&part), |problem: String| TransportError::Put {
            target: self.target.clone(),
            name: name.to_owned(),
            problem,
        });
        if !pushed.success {
            if let Some((problem, _)) = devices::problem(self.state()?.as_ref()) {
                return Err(self.lost(&doing, format!("{problem} ({})", pushed.message)));
            }
            let hint = if pushed.message.contains("No space left") {
                "; the phone is full: delete something there"
            } else {
                ""
            };
            let error = put(format!("{}{hint}", pushed.message));
            let directory = self.directory.clone();
            self.script(&directory, &format!("rm -f -- {part}"), "rm")?;
            return Err(error);
        }
        // A phone without `cksum` is asked for the size only.
        let expected = cksum(content);
        let script = format!(
            "set -- $(cksum <{part} 2>/dev/null); [ $# -ge 2 ] || set -- none $(wc -c <{part})\n\
             case \"$1 $2\" in '{expected}'|'none {}') ;; *) rm -f -- {part}; exit {DIFFERENT};; esac\n\
             chmod {:o} {part} && mv -f -- {part} {}",
            content.len(),
            mode.bits(),
            quote(name)
        );
        let directory = self.directory.clone();
        let (outcome, _) = self.script(&directory, &script, "mv")?;
        let problem = match outcome.exit {
            Exit::Code(0) => return Ok(()),
            Exit::Code(DIFFERENT) => "what arrived is not what was sent".to_owned(),
            _ => format!("it cannot get its name: {}", printable(&outcome.stderr)),
        };
        Err(TransportError::Put { target: self.target.clone(), name: name.to_owned(), problem })
    }
}
