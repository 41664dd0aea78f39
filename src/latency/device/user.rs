//! A user's own device files: `devices/NAME.toml` in the configuration directory.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::super::LatencyError;
use super::{DEVICES, Device, DeviceSource, file};

/// Environment variable that names the configuration directory instead of the system's.
pub const CONFIGURATION_VARIABLE: &str = "ZEN_NAS_CONFIG";
/// Larger files are not written by hand.
const MAX_BYTES: u64 = 64 << 10;
/// Most files that are looked at.
const MAX_FILES: usize = 1000;
/// Longest name of a device.
const MAX_NAME_BYTES: usize = 64;

/// Where a user's device files are: `devices` in `ZEN_NAS_CONFIG`, or in the directory that the
/// system gives this program for configuration. None where the system names none.
pub fn user_directory() -> Option<PathBuf> {
    let named = std::env::var_os(CONFIGURATION_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    let usual = || directories::ProjectDirs::from("", "", "zen-nas").map(|found| found.config_dir().to_owned());
    named.or_else(usual).map(|directory| directory.join("devices"))
}

/// The user's device of a name, if there is a file for it.
pub fn find(directory: Option<&Path>, name: &str) -> Result<Option<Device>, LatencyError> {
    // Anything else could lead out of the directory.
    let Some(directory) = directory.filter(|_| is_name(name)) else { return Ok(None) };
    let path = directory.join(format!("{name}.toml"));
    let failed = |source| LatencyError::Io { doing: "reading the device file", path: path.clone(), source };
    let mut text = String::new();
    match std::fs::File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text)).map_err(failed)?,
    };
    if text.len() as u64 > MAX_BYTES {
        let reason = format!("is longer than {MAX_BYTES} bytes");
        return Err(LatencyError::DeviceFile { file: path.display().to_string(), reason });
    }
    let replaces_built_in = DEVICES.iter().any(|(known, _)| *known == name);
    file::parse(name, &text, DeviceSource::User { path, replaces_built_in }).map(Some)
}

/// Names of the user's device files, sorted; files of other names are passed over.
pub fn names(directory: Option<&Path>) -> Result<Vec<String>, LatencyError> {
    let Some(directory) = directory else { return Ok(Vec::new()) };
    let failed = |source| LatencyError::Io { doing: "listing the device files in", path: directory.to_owned(), source };
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries.take(MAX_FILES) {
        let name = entry.map_err(failed)?.file_name();
        let name = name.to_str().and_then(|name| name.strip_suffix(".toml")).filter(|name| is_name(name));
        names.extend(name.map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Whether a text is a device's name as settings take it.
fn is_name(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    plain && !name.is_empty() && name.len() <= MAX_NAME_BYTES && !name.starts_with(['.', '-'])
}
