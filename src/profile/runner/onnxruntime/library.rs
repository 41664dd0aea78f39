//! The shared library of onnxruntime: where it lies, and whether it can be used.
//!
//! Looked for in this order: the path that was given, `ORT_DYLIB_PATH`, beside the wheel of the
//! active virtual environment, of `python3`, of `python`. Nothing is run but that interpreter.
//! Not here: sessions (`session`).

use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ort::sys::{ORT_API_VERSION, OrtApiBase};

/// Names the library, as the `ort` crate knows it.
const VARIABLE: &str = "ORT_DYLIB_PATH";
/// How long an interpreter may take to say where a package lies.
const PYTHON_TIME_LIMIT: Duration = Duration::from_secs(20);
/// Prints where the package lies, without importing it or anything from the working directory.
const PYTHON_QUESTION: &str = "import sys; sys.path = [p for p in sys.path if p]; import importlib.util; \
     s = importlib.util.find_spec('onnxruntime'); \
     print(*(s.submodule_search_locations or []) if s else '', sep='\\n')";

/// A library that was looked at and can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Library {
    pub path: PathBuf,
    /// As the library names itself.
    pub version: String,
}

/// Finds the library and checks it.
///
/// # Errors
/// When none is found (says where it was looked for), or the first one found cannot be used.
pub(super) fn find(given: Option<&Path>) -> Result<Library, String> {
    if let Some(path) = given {
        return check(path).map_err(|reason| format!("--runtime-library {}: {reason}", path.display()));
    }
    if let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        let path = Path::new(&path);
        return check(path).map_err(|reason| format!("{VARIABLE} is {}: {reason}", path.display()));
    }
    let interpreters = interpreters(std::env::var_os("VIRTUAL_ENV").as_deref());
    match interpreters.iter().find_map(|python| beside_wheel(python)) {
        Some(path) => check(&path).map_err(|reason| format!("{}: {reason}", path.display())),
        None => {
            let asked: Vec<_> = interpreters.iter().map(|python| python.display().to_string()).collect();
            Err(format!(
                "its library was not found: no --runtime-library, {VARIABLE} is not set, and no onnxruntime package \
                 is installed for {}; run `pip install onnxruntime`, or name the library with --runtime-library FILE",
                asked.join(", ")
            ))
        }
    }
}

/// Interpreters to ask, the active virtual environment's first.
fn interpreters(virtual_env: Option<&OsStr>) -> Vec<PathBuf> {
    let inside = if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" };
    let active = virtual_env.filter(|folder| !folder.is_empty()).map(|folder| Path::new(folder).join(inside));
    active.into_iter().chain(["python3".into(), "python".into()]).collect()
}

/// The library in the package that an interpreter would import.
pub(super) fn beside_wheel(python: &Path) -> Option<PathBuf> {
    let mut command = Command::new(python);
    command.args(["-c", PYTHON_QUESTION]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let start = Instant::now();
    let status = loop {
        match child.try_wait().ok()? {
            Some(status) => break status,
            None if start.elapsed() > PYTHON_TIME_LIMIT => {
                // An interpreter that hangs is one that knows nothing.
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let mut answer = String::new();
    child.stdout.take()?.take(1 << 16).read_to_string(&mut answer).ok()?;
    let folders = answer.lines().filter(|line| status.success() && !line.is_empty());
    folders.filter_map(|folder| in_folder(&Path::new(folder).join("capi"))).next()
}

/// `libonnxruntime.so.1.24.0`, `libonnxruntime.1.24.0.dylib` or `onnxruntime.dll` in a folder.
fn in_folder(folder: &Path) -> Option<PathBuf> {
    let names = std::fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut libraries: Vec<String> = names
        .filter(|name| match name.strip_prefix("libonnxruntime.") {
            Some(rest) => rest.starts_with("so") || rest.ends_with("dylib"),
            None => name == "onnxruntime.dll",
        })
        .collect();
    libraries.sort();
    libraries.first().map(|name| folder.join(name))
}

/// Loads a library and asks for its version. Everything that the `ort` crate would panic on is
/// refused here.
pub(super) fn check(path: &Path) -> Result<Library, String> {
    // An absolute path: the loader would look for a bare name in the system's folders.
    let path = path.canonicalize().map_err(|error| error.to_string())?;
    check_length(&path)?;
    // SAFETY: loading runs the library's initialisers; that it is onnxruntime's is the user's word.
    let library = unsafe { libloading::Library::new(&path) }.map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        format!("not a library that can be loaded: {}", cause.unwrap_or_else(|| error.to_string()))
    })?;
    // What was loaded stays: unloading would run finalisers while threads may still be in it.
    let library = std::mem::ManuallyDrop::new(library);
    let not_onnxruntime = || "not onnxruntime's library: it has no usable OrtGetApiBase".to_owned();
    // SAFETY: this is the symbol's type in onnxruntime's C interface, the same in all versions.
    let get_base = unsafe { library.get::<unsafe extern "C" fn() -> *const OrtApiBase>(b"OrtGetApiBase\0") };
    let get_base = get_base.map_err(|_| not_onnxruntime())?;
    // SAFETY: takes nothing, and gives null or a table that lives as long as the library.
    let base = unsafe { get_base().as_ref() }.ok_or_else(not_onnxruntime)?;
    // SAFETY: gives a C string that lives as long as the library.
    let version = unsafe {
        let version = (base.GetVersionString)();
        if version.is_null() {
            return Err(not_onnxruntime());
        }
        CStr::from_ptr(version).to_str().map_err(|_| not_onnxruntime())?.to_owned()
    };
    if minor_version(&version).ok_or_else(not_onnxruntime)? < ORT_API_VERSION {
        return Err(format!(
            "onnxruntime {version} is too old, 1.{ORT_API_VERSION} or newer is needed \
             (pip install --upgrade onnxruntime)"
        ));
    }
    // SAFETY: gives null or a table that lives as long as the library.
    if unsafe { (base.GetApi)(ORT_API_VERSION) }.is_null() {
        return Err(format!("onnxruntime {version} does not offer version {ORT_API_VERSION} of its interface"));
    }
    Ok(Library { path, version })
}

/// 24 of `1.24.0`; none for another major version.
fn minor_version(version: &str) -> Option<u32> {
    let mut parts = version.split('.');
    (parts.next() == Some("1")).then(|| parts.next()?.parse().ok())?
}

/// Refuses a 64-bit ELF file that ends before its table of sections, which stands at the end: the
/// loader would die of a cut-off file instead of reporting it.
fn check_length(path: &Path) -> Result<(), String> {
    let read = |error: std::io::Error| error.to_string();
    let mut file = File::open(path).map_err(read)?;
    let length = file.metadata().map_err(read)?.len();
    let mut header = [0; 64];
    if file.read_exact(&mut header).is_err() || !header.starts_with(b"\x7fELF\x02\x01") {
        return Ok(()); // The loader says what it thinks of it.
    }
    let number = |from: usize, bytes: usize| header[from..from + bytes].iter().rev().fold(0, |n, b| n << 8 | *b as u64);
    let end = number(40, 8).saturating_add(number(58, 2) * number(60, 2));
    if end > length {
        return Err(format!("it is cut off: {length} bytes of at least {end}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(minor_version("1.24.0"), Some(24));
        assert_eq!(minor_version("1.9.1-rc"), Some(9));
        for other in ["2.0.0", "", "1", "1.x"] {
            assert_eq!(minor_version(other), None, "{other}");
        }
    }

    #[test]
    fn the_active_environment_is_asked_first() {
        let asked = interpreters(Some(OsStr::new("/env")));
        assert!(asked.len() == 3 && asked[0].starts_with("/env"), "{asked:?}");
        assert_eq!(interpreters(Some(OsStr::new(""))).len(), 2);
    }

    #[test]
    fn libraries_in_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(in_folder(folder.path()), None);
        for name in ["libonnxruntime_providers_shared.so", "libonnxruntime.so.1.30.0", "__init__.py"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(in_folder(folder.path()), Some(folder.path().join("libonnxruntime.so.1.30.0")));
    }

    #[test]
    fn junk_is_refused_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("junk.so");
        let mut cut = b"\x7fELF\x02\x01".to_vec();
        cut.resize(64, 0xff);
        for (content, expected) in
            [(&b"junk"[..], "not a library"), (&b"\x7fELF"[..], "not a library"), (&cut[..], "cut off")]
        {
            std::fs::write(&path, content).unwrap();
            let error = check(&path).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert!(check(&folder.path().join("absent.so")).is_err());
        assert!(check(folder.path()).is_err());
    }
}
