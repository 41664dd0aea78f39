//! Devices with their settings, and the words that choose among them.

use super::*;

fn built_in() -> Vec<DeviceSummary> {
    summaries(&Store::in_memory().unwrap(), Device::all_in(None).unwrap()).unwrap()
}

#[test]
fn every_setting_is_told_once_and_one_is_the_default() {
    let (devices, store) = (built_in(), Store::in_memory().unwrap());
    let told: Vec<&Setting> = devices.iter().flat_map(|device| &device.settings).map(|found| &found.setting).collect();
    let mut all: Vec<&Setting> = told.clone();
    all.sort();
    assert_eq!(all.into_iter().cloned().collect::<Vec<_>>(), store.settings().unwrap());
    for device in devices.iter().filter(|device| !device.settings.is_empty()) {
        let defaults: Vec<bool> = device.settings.iter().map(|found| found.is_default).collect();
        assert!(defaults[0] && defaults[1..].iter().all(|is_default| !is_default), "{}", device.name);
    }
    let text = describe_devices(&devices, None, false);
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
}

#[test]
fn words_choose() {
    let with = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        devices_with(built_in(), &words)
    };
    let names =
        |words: &[&str]| -> Vec<String> { with(words).unwrap().into_iter().map(|device| device.name).collect() };
    assert_eq!(names(&["galaxy"]), ["galaxy-s24", "galaxy-s25"]);
    assert_eq!(names(&["Galaxy S24"]), ["galaxy-s24"]);
    assert_eq!(names(&["rpi5"]), ["raspberry-pi-5"]);
    assert_eq!(names(&["t4/tensorrt"]), ["t4"]);
    for found in with(&["litert"]).unwrap() {
        assert!(found.settings.iter().all(|found| found.setting.runtime.starts_with("tflite")), "{found:?}");
    }
    let int8 = with(&["v100", "int8"]).unwrap();
    assert!(int8.len() == 1 && int8[0].settings.len() >= 4);
    assert!(int8[0].tables.iter().all(|table| table.setting.precision.name() == "int8"));
    assert!(with(&["galxy"]).unwrap_err().to_string().contains("unknown device `galxy`"));
}

/// `cargo test --release -p zen-nas --lib prints_the_table_for_documents -- --nocapture` prints it.
#[test]
fn prints_the_table_for_documents() {
    let text = devices_markdown().unwrap();
    println!("{text}");
    let line = |name: &str| text.lines().find(|line| line.starts_with(&format!("| `{name}` |"))).unwrap().to_owned();
    assert!(line("pixel2").contains("tflite **fp32 1 thread ") && line("pixel2").contains("<br>published fp32 "));
    assert!(line("cpu-amd-epyc").contains("a processor of this kind"));
    assert!(text.lines().all(|line| line.matches('|').count() == 4) && !text.contains("| `android` |"), "{text}");
}
