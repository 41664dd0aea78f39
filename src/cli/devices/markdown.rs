//! Devices as a table for documents: what is built in, the same on every machine.

use super::{DeviceSetting, DeviceSummary, summaries};
use crate::latency::{Device, LatencyError, ReachKind, Setting, Store};

/// One line for each device with a built-in table: its name, what it is, and its settings, each with its error and the
/// number of whole networks behind that.
///
/// # Errors
/// When a built-in table or device file does not read.
pub fn devices_markdown() -> Result<String, LatencyError> {
    let store = Store::in_memory()?;
    // Tables of this machine's processor are told under the processor's name.
    let devices = Device::all_in(None)?.into_iter().filter(|device| device.reach.kind != ReachKind::Local);
    let devices = summaries(&store, devices.collect())?;
    let mut text =
        String::from("| device | what it is | settings: error on whole networks (networks) |\n|---|---|---|\n");
    for device in devices.iter().filter(|device| !device.settings.is_empty()) {
        let (name, about, settings) = (&device.name, &device.about, settings(device));
        text.push_str(&format!("| `{name}` | {about} | {settings} |\n"));
    }
    Ok(text)
}

/// A line for each runtime, the default in bold: `tensorrt **fp32 3.8% (89)**, batch 32 2.5% (89); fp16 3.7% (89)`.
fn settings(device: &DeviceSummary) -> String {
    let mut text = String::new();
    let mut before: Option<&Setting> = None;
    for found in &device.settings {
        let DeviceSetting { setting, is_default, .. } = found;
        let same_runtime = before.is_some_and(|before| before.runtime == setting.runtime);
        let same_precision = same_runtime && before.is_some_and(|before| before.precision == setting.precision);
        if before.is_some() {
            text.push_str(match (same_runtime, same_precision) {
                (false, _) => "<br>",
                (true, false) => "; ",
                (true, true) => ", ",
            });
        }
        if !same_runtime {
            text.push_str(&format!("{} ", setting.runtime));
        }
        let mut words = if same_precision { Vec::new() } else { vec![setting.precision.to_string()] };
        if setting.batch_size != 1 {
            words.push(format!("batch {}", setting.batch_size));
        }
        match setting.threads {
            0 => {}
            1 => words.push("1 thread".to_owned()),
            threads => words.push(format!("{threads} threads")),
        }
        if words.is_empty() {
            words.push("batch 1".to_owned());
        }
        words.push(error(found));
        let words = words.join(" ");
        text.push_str(&if *is_default { format!("**{words}**") } else { words });
        before = Some(setting);
    }
    text
}

fn error(found: &DeviceSetting) -> String {
    match (found.mape, found.networks) {
        (Some(mape), Some(networks)) => format!("{:.1}% ({networks})", mape * 100.0),
        (Some(mape), None) => format!("{:.1}%", mape * 100.0),
        (None, _) => "never checked".to_owned(),
    }
}
