//! The text of a device file: TOML with a setting, how the device is reached, and what runs there.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::super::{LatencyError, Precision, Setting};
use super::{Device, DeviceSource, Measure, Reach, ReachKind, Tools};

/// Most machines of one device.
const MAX_ADDRESSES: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    about: String,
    #[serde(default)]
    aliases: Vec<Spanned<String>>,
    setting: FileSetting,
    measure: Option<FileMeasure>,
    reach: FileReach,
    #[serde(default)]
    tools: Tools,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSetting {
    runtime: Spanned<String>,
    precision: Spanned<String>,
    batch_size: Spanned<u32>,
    #[serde(default)]
    threads: u32,
    why: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileMeasure {
    runtime: Spanned<String>,
    precision: Option<Spanned<String>>,
    threads: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileReach {
    kind: Spanned<ReachKind>,
    connect: Option<String>,
    hosts: Option<Spanned<Vec<String>>>,
    serials: Option<Spanned<Vec<String>>>,
    gpu: Option<String>,
}

/// Reads a device file.
pub fn parse(name: &str, text: &str, source: DeviceSource) -> Result<Device, LatencyError> {
    let shown = match &source {
        DeviceSource::BuiltIn => format!("{name}.toml"),
        DeviceSource::User { path, .. } => path.display().to_string(),
    };
    let bad = |span: Option<Range<usize>>, reason: String| {
        let line = span.map(|span| format!(", line {}", line_of(text, span.start))).unwrap_or_default();
        LatencyError::DeviceFile { file: format!("{shown}{line}"), reason }
    };
    let file: File = toml::from_str(text).map_err(|error| bad(error.span(), error.message().to_owned()))?;
    let FileSetting { runtime, precision, batch_size, threads, why } = &file.setting;
    if *batch_size.get_ref() == 0 {
        return Err(bad(Some(batch_size.span()), "batch_size is 0".to_owned()));
    }
    let read = |precision: &Spanned<String>| -> Result<Precision, LatencyError> {
        precision.get_ref().parse().map_err(|reason| bad(Some(precision.span()), reason))
    };
    // Names in settings keep to a form, and this is where they come from.
    let of_runtime = |runtime: &Spanned<String>, precision| {
        let setting = Setting::new(name, runtime.get_ref(), precision, *batch_size.get_ref());
        if setting.id().parse().ok().as_ref() == Some(&setting) {
            return Ok(setting);
        }
        let reason = format!("`{}` is not a name of letters, digits, `-`, `_` and `.`", runtime.get_ref());
        Err(bad(Some(runtime.span()), reason))
    };
    let setting = of_runtime(runtime, read(precision)?)?.with_threads(*threads);
    let measure = match &file.measure {
        None => None,
        Some(FileMeasure { runtime, precision, threads }) => {
            let precision = precision.as_ref().map(read).transpose()?.unwrap_or(Precision::Fp32);
            let Setting { runtime, precision, .. } = of_runtime(runtime, precision)?;
            Some(Measure { runtime, precision, threads: threads.unwrap_or(1) })
        }
    };
    if let Some(alias) = file.aliases.iter().find(|alias| alias.get_ref().trim().is_empty()) {
        return Err(bad(Some(alias.span()), "an alias is empty".to_owned()));
    }
    let kind = *file.reach.kind.get_ref();
    if name == "cpu" && kind != ReachKind::Local {
        let reason = "cpu is this machine; give a machine that is reached another way a name of its own".to_owned();
        return Err(bad(Some(file.reach.kind.span()), reason));
    }
    let addresses = |given: Option<Spanned<Vec<String>>>, of: ReachKind, field: &str| {
        let Some(given) = given else { return Ok(Vec::new()) };
        let (span, list) = (given.span(), given.into_inner());
        let reason = if kind != of {
            format!("{field} belong to kind = \"{}\", this device has kind = \"{}\"", of.name(), kind.name())
        } else if list.len() > MAX_ADDRESSES {
            format!("{} {field}, but at most {MAX_ADDRESSES} are taken", list.len())
        } else if let Some(bad) = list.iter().find(|address| !is_address(address)) {
            format!("`{}` is no address", bad.escape_debug())
        } else if let Some(twice) = list.iter().enumerate().find(|(i, address)| list[..*i].contains(address)) {
            format!("`{}` is named twice", twice.1)
        } else {
            return Ok(list);
        };
        Err(bad(Some(span), reason))
    };
    let hosts = addresses(file.reach.hosts, ReachKind::Ssh, "hosts")?;
    let serials = addresses(file.reach.serials, ReachKind::Adb, "serials")?;
    let connect = file.reach.connect.unwrap_or_else(|| default_connect(kind).to_owned());
    Ok(Device {
        name: name.to_owned(),
        about: file.about,
        aliases: file.aliases.into_iter().map(Spanned::into_inner).collect(),
        default_setting: setting,
        why: why.clone(),
        measure,
        reach: Reach { kind, connect, hosts, serials, gpu: file.reach.gpu },
        tools: file.tools,
        source,
    })
}

/// Whether a text can be an address: an option or a blank would be misread by the programs that get it.
pub(crate) fn is_address(text: &str) -> bool {
    let visible = text.chars().all(|c| !c.is_whitespace() && !c.is_control());
    visible && !text.is_empty() && text.len() <= 255 && !text.starts_with('-')
}

fn default_connect(kind: ReachKind) -> &'static str {
    match kind {
        ReachKind::Local => "nothing: the operators are timed on this machine",
        ReachKind::Ssh => "a machine with an ssh server",
        ReachKind::Adb => "a phone with USB debugging allowed (`adb devices` lists it)",
    }
}

/// Lines are counted from 1.
fn line_of(text: &str, byte: usize) -> usize {
    1 + text.bytes().take(byte).filter(|byte| *byte == b'\n').count()
}
