//! Verdicts and records of phones.

use super::*;

fn core(index: u32, maximum_khz: u32) -> Core {
    let (current_khz, limit_khz) = (Some(300_000), Some(maximum_khz));
    Core { index, governor: Some("schedutil".to_owned()), current_khz, limit_khz, maximum_khz: Some(maximum_khz) }
}

/// A Pixel 2 that is fit.
fn pixel() -> Phone {
    Phone {
        model: Some("Pixel 2".to_owned()),
        abi: Some("arm64-v8a".to_owned()),
        build: Some("google/walleye/walleye:11/RP1A.201005.004.A1/6934943:user/release-keys".to_owned()),
        thermal_status: Some(0),
        battery: Battery { level_percent: Some(87), temperature_c: Some(28.7), charging: Some(true) },
        wakefulness: Some("Awake".to_owned()),
        cores: (0..8).map(|index| core(index, if index < 4 { 1_900_800 } else { 2_457_600 })).collect(),
    }
}

#[test]
fn a_quiet_phone_is_measured_on_its_fast_cores() {
    let phone = pixel();
    assert_eq!(phone.verdict(), Verdict::Measure);
    assert_eq!(phone.core_mask().as_deref(), Some("f0"));
    assert_eq!(
        phone.conditions(),
        "thermal status 0; fast cores f0: governor schedutil, 300000 kHz now, limit 2457600, maximum 2457600; \
         battery 87%, 28.7 °C, charging; Awake; Pixel 2, arm64-v8a, \
         build google/walleye/walleye:11/RP1A.201005.004.A1/6934943:user/release-keys"
    );
}

#[test]
fn cores_of_other_phones() {
    let mask = |maxima: &[u32]| {
        let cores = maxima.iter().enumerate().map(|(index, khz)| core(index as u32, *khz)).collect();
        Phone { cores, ..Phone::default() }.core_mask()
    };
    // Three groups: the single fastest core. All alike: no mask is needed.
    assert_eq!(mask(&[18, 18, 18, 18, 24, 24, 24, 28]).as_deref(), Some("80"));
    assert_eq!(mask(&[20; 4]), None);
    assert_eq!(mask(&[]), None);
    // Some phones number the fast ones first.
    assert_eq!(mask(&[26, 26, 18, 18]).as_deref(), Some("3"));
    let mut phone = pixel();
    phone.cores[7].maximum_khz = None;
    assert_eq!(phone.core_mask().as_deref(), Some("70"));
}

#[test]
fn every_reason_to_wait_is_told() {
    type Change = fn(&mut Phone);
    let waits: &[(Change, &str)] = &[
        (|phone| phone.thermal_status = Some(2), "too hot (thermal status 2)"),
        (|phone| phone.battery.temperature_c = Some(41.5), "41.5 °C"),
        (
            |phone| phone.battery = Battery { level_percent: Some(10), charging: Some(false), temperature_c: None },
            "at 10%",
        ),
        (|phone| phone.wakefulness = Some("Dozing".to_owned()), "not awake (Dozing)"),
        (|phone| phone.cores[5].limit_khz = Some(1_500_000), "core 5 is held at 1500000 of 2457600 kHz"),
        (|phone| phone.cores[4].governor = Some("powersave".to_owned()), "core 4 has the governor powersave"),
    ];
    for (change, words) in waits {
        let mut phone = pixel();
        change(&mut phone);
        let Verdict::Wait(reasons) = phone.verdict() else { panic!("{words}: {:?}", phone.verdict()) };
        assert_eq!(reasons.len(), 1, "{reasons:?}");
        assert!(reasons[0].to_string().contains(words), "{}", reasons[0]);
    }
    // What the slow cores do does not matter.
    let mut phone = pixel();
    phone.cores[0].limit_khz = Some(600_000);
    assert_eq!(phone.verdict(), Verdict::Measure);
    let phone = Phone { abi: Some("armeabi-v7a".to_owned()), thermal_status: Some(3), ..pixel() };
    assert_eq!(phone.verdict(), Verdict::Unfit(Reason::Abi { abi: "armeabi-v7a".to_owned() }));
}

#[test]
fn what_is_unknown_is_said_to_be() {
    let phone = Phone::default();
    assert_eq!(phone.verdict(), Verdict::Measure);
    assert_eq!(
        phone.conditions(),
        "thermal status unknown; fast cores unknown; battery unknown, unknown, charging unknown; wakefulness unknown; \
         model unknown, ABI unknown, build unknown"
    );
}
