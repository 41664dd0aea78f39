//! Files that appear whole or not at all.

use std::ffi::OsStr;
use std::io::{Error, ErrorKind, Write};
use std::path::Path;

use tempfile::NamedTempFile;

/// Beginning and end of the names of files that are not whole yet.
const TEMPORARY: (&str, &str) = (".zen-nas-", ".partial");

/// Whether a name is that of a file that is not whole yet, or of one that a kill left so.
pub fn is_temporary(name: &OsStr) -> bool {
    let (prefix, suffix) = TEMPORARY;
    name.to_str().is_some_and(|name| name.starts_with(prefix) && name.ends_with(suffix))
}

/// A new hidden file beside `path`, to be renamed to it; removed again unless it is.
///
/// # Errors
/// When the folder of `path` cannot be written.
pub fn temporary_beside(path: &Path) -> Result<NamedTempFile, Error> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY.0).suffix(TEMPORARY.1);
    #[cfg(unix)]
    {
        // As for any other new file: the user's umask decides who reads it.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(directory)
}

/// Whether a file can be written to `path`: tried before long work, an unwritable destination shows at once. Nothing is kept,
/// so that whoever interrupts the work leaves nothing behind.
///
/// # Errors
/// When `path` is a folder, or its folder cannot be written.
pub fn try_destination(path: &Path) -> Result<(), Error> {
    if path.is_dir() || path.file_name().is_none() {
        return Err(Error::from(ErrorKind::IsADirectory));
    }
    temporary_beside(path).map(drop)
}

/// Writes a file or replaces it in one step: no reader sees half of it, and a failure leaves what
/// was there.
///
/// # Errors
/// When the folder cannot be written or the disk is full.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut file = temporary_beside(path)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_whole_files_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert!(write(&folder.path().join("missing/b.txt"), b"x").is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
