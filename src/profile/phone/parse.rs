//! Reading what a phone's programs print. Texts of other versions leave values absent.

/// A phone's battery.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Battery {
    pub level_percent: Option<u8>,
    pub temperature_c: Option<f64>,
    pub charging: Option<bool>,
}

/// A processor core and its frequencies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Core {
    pub index: u32,
    pub governor: Option<String>,
    pub current_khz: Option<u32>,
    /// The highest frequency allowed now; below the maximum where the phone is throttled.
    pub limit_khz: Option<u32>,
    /// The highest frequency of the hardware.
    pub maximum_khz: Option<u32>,
}

/// Longest word taken from a phone, in characters.
const MAX_WORD: usize = 200;
/// Cores that a mask has room for.
const MAX_CORES: u32 = 64;

/// A property's value.
pub fn property(text: &str) -> Option<String> {
    word(text.lines().next()?)
}

/// `Thermal Status: 0` of `dumpsys thermalservice`.
pub fn thermal_status(text: &str) -> Option<u8> {
    value(text, "Thermal Status:")?.parse().ok().filter(|status| *status <= 6)
}

/// `dumpsys battery`: tenths of a degree; status 2 is charging, 5 full.
pub fn battery(text: &str) -> Battery {
    let tenths = value(text, "temperature:").and_then(|tenths| tenths.parse::<i32>().ok());
    Battery {
        level_percent: value(text, "level:").and_then(|level| level.parse().ok()).filter(|level| *level <= 100),
        temperature_c: tenths.filter(|tenths| (-500..1500).contains(tenths)).map(|tenths| f64::from(tenths) / 10.0),
        charging: match value(text, "status:").and_then(|status| status.parse::<u8>().ok()) {
            Some(2) => Some(true),
            Some(3..=5) => Some(false),
            _ => None,
        },
    }
}

/// `mWakefulness=Awake` of `dumpsys power`.
pub fn wakefulness(text: &str) -> Option<String> {
    word(value(text, "mWakefulness=")?)
}

/// Lines `cpu0 scaling_cur_freq 1900800`, one for each file of each core; without a value where
/// it is denied.
pub fn cores(text: &str) -> Vec<Core> {
    let mut cores: Vec<Core> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(name), Some(file), value, None) = (words.next(), words.next(), words.next(), words.next()) else {
            continue;
        };
        let index = name.strip_prefix("cpu").and_then(|index| index.parse().ok());
        let Some(index) = index.filter(|index: &u32| *index < MAX_CORES) else { continue };
        let place = cores.iter().position(|core| core.index == index).unwrap_or_else(|| {
            cores.push(Core { index, ..Core::default() });
            cores.len() - 1
        });
        let khz = value.and_then(|khz| khz.parse().ok());
        match file {
            "scaling_governor" => cores[place].governor = value.and_then(word),
            "scaling_cur_freq" => cores[place].current_khz = khz,
            "scaling_max_freq" => cores[place].limit_khz = khz,
            "cpuinfo_max_freq" => cores[place].maximum_khz = khz,
            _ => {}
        }
    }
    cores.sort_by_key(|core| core.index);
    cores
}

/// What follows a key at the beginning of a line.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.trim_start().strip_prefix(key)).map(str::trim)
}

/// Text fit for a record: printable, short, not empty.
fn word(text: &str) -> Option<String> {
    let text: String = text.trim().chars().filter(|c| !c.is_control()).take(MAX_WORD).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THERMAL: &str = "IsStatusOverride: false\nThermalEventListeners:\n\tcallbacks: 2\n\tkilled: false\n\
        ThermalStatusListeners:\n\tcallbacks: 3\nThermal Status: 2\nCached temperatures:\n\
        \tTemperature{mValue=41.8, mType=3, mName=skin, mStatus=2}\nHAL Ready: true\nHAL connection:\n\
        \tThermalHAL 2.0 connected: yes\n";
    const BATTERY: &str = "Current Battery Service state:\n  AC powered: false\n  USB powered: true\n  \
        Wireless powered: false\n  Max charging current: 500000\n  Charge counter: 2310000\n  status: 2\n  health: 2\n  \
        present: true\n  level: 87\n  scale: 100\n  voltage: 4231\n  temperature: 287\n  technology: Li-ion\n";
    const POWER: &str = "POWER MANAGER (dumpsys power)\n\nPower Manager State:\n  mDirty=0x0\n  mWakefulness=Dozing\n  \
        mWakefulnessChanging=false\n  mIsPowered=true\n  mPlugType=2\n";

    #[test]
    fn the_services_of_a_phone() {
        assert_eq!(thermal_status(THERMAL), Some(2));
        let expected = Battery { level_percent: Some(87), temperature_c: Some(28.7), charging: Some(true) };
        assert_eq!(battery(BATTERY), expected);
        assert_eq!(battery(&BATTERY.replace("status: 2", "status: 3")).charging, Some(false));
        assert_eq!(wakefulness(POWER).as_deref(), Some("Dozing"));
        assert_eq!(property("Pixel 2\n").as_deref(), Some("Pixel 2"));
    }

    #[test]
    fn what_is_denied_or_strange_is_unknown() {
        for text in ["", "Can't find service: thermalservice\n", "Thermal Status: 99\n", "Thermal Status:\n", "\0\0"] {
            assert_eq!(thermal_status(text), None, "{text:?}");
            assert_eq!(battery(text), Battery::default());
            assert_eq!(wakefulness(text), None);
            assert_eq!(cores(text), []);
        }
        assert_eq!(battery("  level: 101\n  temperature: 99999999999\n  status: 1\n"), Battery::default());
        assert_eq!(property("\n"), None);
        assert_eq!(property("a\u{1b}[31mb\n").as_deref(), Some("a[31mb"));
        assert_eq!(property(&"x".repeat(1000)).map(|text| text.len()), Some(MAX_WORD));
    }

    #[test]
    fn cores_with_and_without_values() {
        let text = "cpu4 scaling_governor schedutil\ncpu4 scaling_cur_freq 1113600\ncpu4 scaling_max_freq 2457600\n\
            cpu4 cpuinfo_max_freq 2457600\ncpu0 scaling_governor \ncpu0 scaling_cur_freq \ncpu0 scaling_max_freq 1\n\
            cpu0 cpuinfo_max_freq x\ncpu999 cpuinfo_max_freq 1\ncpu1 too many words\nnoise\n";
        let expected = [
            Core { index: 0, limit_khz: Some(1), ..Core::default() },
            Core {
                index: 4,
                governor: Some("schedutil".to_owned()),
                current_khz: Some(1_113_600),
                limit_khz: Some(2_457_600),
                maximum_khz: Some(2_457_600),
            },
        ];
        assert_eq!(cores(text), expected);
    }
}
