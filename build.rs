//! Lists the built-in latency tables and device files, so that a new one is a new file and nothing else.
//!
//! Tables (`latency_tables/DEVICE_RUNTIME_PRECISION_bBATCH[_tTHREADS].csv`) are compressed, device files
//! (`profilers/devices/NAME.toml`) go in as they are.

use std::fmt::Write as _;
use std::io::{Error, Result, Write as _};
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::Compression;
use flate2::write::ZlibEncoder;

fn main() -> Result<()> {
    let variable = |name: &str| env::var_os(name).map(PathBuf::from).ok_or_else(|| Error::other(name.to_owned()));
    let (root, out) = (variable("CARGO_MANIFEST_DIR")?, variable("OUT_DIR")?);
    let mut tables = String::from("&[\n");
    for (name, path) in files(&root.join("latency_tables"), "csv")? {
        if name.split('_').count() < 4 {
            continue;
        }
        let packed = out.join(format!("{name}.zlib"));
        let mut encoder = ZlibEncoder::new(fs::File::create(&packed)?, Compression::best());
        encoder.write_all(&fs::read(&path)?)?;
        encoder.finish()?;
        line(&mut tables, &name, "include_bytes!", &packed);
    }
    fs::write(out.join("built_in_tables.rs"), tables + "]\n")?;
    let mut devices = String::from("&[\n");
    for (name, path) in files(&root.join("profilers/devices"), "toml")? {
        line(&mut devices, &name, "include_str!", &path);
    }
    fs::write(out.join("device_files.rs"), devices + "]\n")
}

fn line(code: &mut String, name: &str, include: &str, path: &Path) {
    // Writing to a string cannot fail.
    let _ = writeln!(code, "    ({name:?}, {include}({path:?})),");
}

/// Files of a folder with an ending, by name; the build is repeated when one changes or appears.
fn files(folder: &Path, ending: &str) -> Result<Vec<(String, PathBuf)>> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).map(str::to_owned);
        if let (Some(name), true) = (name, path.extension().is_some_and(|other| other == ending)) {
            println!("cargo::rerun-if-changed={}", path.display());
            found.push((name, path));
        }
    }
    found.sort();
    Ok(found)
}
