//! What kind of processor a machine has, as exactly as the system tells: two processors of one name may differ.
//!
//! Read from `/proc/cpuinfo` and `/sys/devices/system/cpu/cpu0/cache`; a virtual machine may hide or invent any of it.
//! Not here: the machine's name and cores (`machine`).

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest text that is read.
const MAX_TEXT_BYTES: usize = 1000;

/// The kind of a processor. What the system does not tell is none, or absent from the set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Processor {
    /// Maker as the system writes it: `GenuineIntel`, `AuthenticAMD`; `0x41` on ARM.
    pub vendor: Option<String>,
    /// `cpu family`, or ARM's `CPU architecture`.
    pub family: Option<u32>,
    /// `model`, or ARM's `CPU part`.
    pub model: Option<u32>,
    /// `stepping`, or ARM's `CPU revision`.
    pub stepping: Option<u32>,
    /// Instruction sets that decide how fast a network runs: `avx2`, `amx_int8`, `dotprod`.
    pub instructions: BTreeSet<String>,
    /// Data cache of the first core, in KiB, and so on outwards.
    pub l1d_kib: Option<u32>,
    pub l2_kib: Option<u32>,
    pub l3_kib: Option<u32>,
    /// Whether a hypervisor stands between: the rest is then what it lets through.
    pub is_virtual: bool,
}

impl Processor {
    /// That of this machine; none where the system tells nothing of it.
    pub fn here() -> Option<Self> {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let found = Self::of_cpuinfo(&info).with_caches(Path::new("/sys/devices/system/cpu/cpu0/cache"));
        (found != Self::default()).then_some(found)
    }

    /// Whether a table that was measured on `self` holds on `other`: maker, family, model, instruction sets and
    /// caches are known on both and the same. The stepping and a hypervisor may differ.
    pub fn is_same_kind(&self, other: &Self) -> bool {
        let identity = |processor: &Self| {
            let Self { vendor, family, model, l1d_kib, l2_kib, l3_kib, .. } = processor.clone();
            Some((vendor?, family?, model?, l1d_kib?, l2_kib?, l3_kib))
        };
        identity(self).is_some() && identity(self) == identity(other) && self.instructions == other.instructions
    }

    /// From the first core in the text of `/proc/cpuinfo`.
    fn of_cpuinfo(info: &str) -> Self {
        let field = |names: [&str; 2]| {
            let mut lines = info.lines().filter_map(|line| line.split_once(':'));
            lines.find(|(name, _)| names.contains(&name.trim())).map(|(_, value)| value.trim())
        };
        let number = |names: [&str; 2]| {
            let text = field(names)?;
            match text.strip_prefix("0x") {
                Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok(),
                None => text.parse().ok(),
            }
        };
        let flags: BTreeSet<&str> = field(["flags", "Features"]).unwrap_or_default().split_whitespace().collect();
        let word = |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
        Self {
            vendor: field(["vendor_id", "CPU implementer"]).filter(word).map(str::to_owned),
            family: number(["cpu family", "CPU architecture"]),
            model: number(["model", "CPU part"]),
            stepping: number(["stepping", "CPU revision"]),
            instructions: instructions(&flags),
            is_virtual: flags.contains("hypervisor"),
            ..Self::default()
        }
    }

    /// With the caches that a folder of the system describes.
    fn with_caches(mut self, folder: &Path) -> Self {
        for index in 0..8 {
            let read = |name: &str| std::fs::read_to_string(folder.join(format!("index{index}")).join(name)).ok();
            let (Some(level), Some(kind), Some(size)) = (read("level"), read("type"), read("size")) else { continue };
            let Some(kib) = size.trim().strip_suffix('K').and_then(|kib| kib.parse().ok()) else { continue };
            match (level.trim(), kind.trim()) {
                ("1", "Data" | "Unified") => self.l1d_kib = Some(kib),
                ("2", "Data" | "Unified") => self.l2_kib = Some(kib),
                ("3", _) => self.l3_kib = Some(kib),
                _ => {}
            }
        }
        self
    }
}

/// The flags that matter, by one name each.
fn instructions(flags: &BTreeSet<&str>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for flag in flags {
        let plain = ["avx", "avx2", "fma", "avx_vnni", "i8mm", "bf16"].contains(flag)
            || ["avx512", "amx_", "sve"].iter().any(|begin| flag.starts_with(begin));
        let name = match *flag {
            "sse4_2" => "sse4",
            "asimd" | "neon" => "neon",
            "asimddp" => "dotprod",
            "asimdhp" => "fp16",
            flag if plain => flag,
            _ => continue,
        };
        found.insert(name.to_owned());
    }
    found
}

/// `GenuineIntel, family 6, model 143, stepping 8; avx avx2 fma; L1d 48 KiB, L2 2048 KiB; virtual machine`.
impl fmt::Display for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.vendor.as_deref().unwrap_or("unknown"))?;
        for (name, value) in [("family", self.family), ("model", self.model), ("stepping", self.stepping)] {
            if let Some(value) = value {
                write!(f, ", {name} {value}")?;
            }
        }
        let words: Vec<&str> = self.instructions.iter().map(String::as_str).collect();
        if !words.is_empty() {
            write!(f, "; {}", words.join(" "))?;
        }
        let caches = [("L1d", self.l1d_kib), ("L2", self.l2_kib), ("L3", self.l3_kib)];
        let sizes: Vec<String> =
            caches.into_iter().filter_map(|(name, kib)| Some(format!("{name} {} KiB", kib?))).collect();
        if !sizes.is_empty() {
            write!(f, "; {}", sizes.join(", "))?;
        }
        f.write_str(if self.is_virtual { "; virtual machine" } else { "" })
    }
}

impl FromStr for Processor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = |what: &str| format!("`{}` in the description of a processor", what.escape_debug());
        if text.len() > MAX_TEXT_BYTES {
            return Err(format!("the description of a processor is longer than {MAX_TEXT_BYTES} bytes"));
        }
        let mut processor = Self::default();
        for (i, part) in text.split(';').map(str::trim).enumerate() {
            let is_word = |word: &str| {
                !word.is_empty() && word.len() < 32 && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            };
            if i == 0 {
                let mut fields = part.split(',').map(str::trim);
                let vendor = fields.next().unwrap_or_default();
                if !is_word(vendor) {
                    return Err(bad(vendor));
                }
                processor.vendor = Some(vendor.to_owned()).filter(|vendor| vendor != "unknown");
                for field in fields {
                    let (name, value) = field.split_once(' ').ok_or_else(|| bad(field))?;
                    let value = Some(value.parse().map_err(|_| bad(field))?);
                    match name {
                        "family" => processor.family = value,
                        "model" => processor.model = value,
                        "stepping" => processor.stepping = value,
                        _ => return Err(bad(field)),
                    }
                }
            } else if part == "virtual machine" {
                processor.is_virtual = true;
            } else if part.starts_with('L') {
                for field in part.split(',').map(str::trim) {
                    let kib = field.split_once(' ').and_then(|(name, size)| Some((name, size.strip_suffix(" KiB")?)));
                    let (name, kib) = kib.ok_or_else(|| bad(field))?;
                    let kib = Some(kib.parse().map_err(|_| bad(field))?);
                    match name {
                        "L1d" => processor.l1d_kib = kib,
                        "L2" => processor.l2_kib = kib,
                        "L3" => processor.l3_kib = kib,
                        _ => return Err(bad(field)),
                    }
                }
            } else {
                for word in part.split_whitespace() {
                    if !is_word(word) {
                        return Err(bad(word));
                    }
                    processor.instructions.insert(word.to_owned());
                }
            }
        }
        Ok(processor)
    }
}

impl From<Processor> for String {
    fn from(processor: Processor) -> Self {
        processor.to_string()
    }
}

impl TryFrom<String> for Processor {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X86: &str = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\nmodel name\t: Xeon\n\
                       stepping\t: 8\nflags\t\t: fpu sse4_1 sse4_2 avx f16c hypervisor avx2 fma avx512_vnni avx512f \
                       amx_int8\n\nprocessor\t: 1\nmodel\t\t: 7\n";
    const ARM: &str = "processor\t: 0\nFeatures\t: fp asimd fphp asimdhp asimddp i8mm sve\nCPU implementer\t: 0x41\n\
                       CPU architecture: 8\nCPU variant\t: 0x1\nCPU part\t: 0xd40\nCPU revision\t: 1\n";

    #[test]
    fn reads_both_forms_of_cpuinfo_and_its_own_text() {
        let x86 = Processor { l1d_kib: Some(48), l2_kib: Some(2048), ..Processor::of_cpuinfo(X86) };
        assert_eq!(
            x86.to_string(),
            "GenuineIntel, family 6, model 143, stepping 8; amx_int8 avx avx2 avx512_vnni avx512f fma sse4; \
             L1d 48 KiB, L2 2048 KiB; virtual machine"
        );
        let arm = Processor::of_cpuinfo(ARM);
        assert_eq!(arm.to_string(), "0x41, family 8, model 3392, stepping 1; dotprod fp16 i8mm neon sve");
        for processor in [x86, arm, Processor::default(), Processor { l3_kib: Some(5), ..Processor::default() }] {
            assert_eq!(processor.to_string().parse(), Ok(processor.clone()));
            assert_eq!(
                serde_json::from_str::<Processor>(&serde_json::to_string(&processor).unwrap()).unwrap(),
                processor
            );
        }
        for bad in ["", "a b", "x, family", "x, family six", "x, size 3", "x; a-b", "x; L9 3 KiB", "x; L2 3"] {
            assert!(bad.parse::<Processor>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_the_same() {
        let known = Processor { l1d_kib: Some(48), l2_kib: Some(2048), l3_kib: Some(99), ..Processor::of_cpuinfo(X86) };
        assert!(known.is_same_kind(&Processor { stepping: None, is_virtual: false, ..known.clone() }));
        for other in [
            Processor { family: None, ..known.clone() },
            Processor { model: Some(207), ..known.clone() },
            Processor { vendor: None, ..known.clone() },
            Processor { l3_kib: Some(98), ..known.clone() },
            Processor { instructions: BTreeSet::new(), ..known.clone() },
        ] {
            assert!(!known.is_same_kind(&other) && !other.is_same_kind(&known), "{other}");
        }
        let unknown = Processor::default();
        assert!(!unknown.is_same_kind(&unknown));
    }

    #[test]
    fn caches_are_read_from_the_folder_of_the_system() {
        let folder = std::env::temp_dir().join(format!("zen-agent-caches-{}", std::process::id()));
        for (index, level, kind, size) in [
            (0, "1", "Data", "48K"),
            (1, "1", "Instruction", "64K"),
            (2, "2", "Unified", "2048K"),
            (3, "3", "Unified", "x"),
        ] {
            let folder = folder.join(format!("index{index}"));
            std::fs::create_dir_all(&folder).unwrap();
            for (name, text) in [("level", level), ("type", kind), ("size", size)] {
                std::fs::write(folder.join(name), format!("{text}\n")).unwrap();
            }
        }
        let found = Processor::default().with_caches(&folder);
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!((found.l1d_kib, found.l2_kib, found.l3_kib), (Some(48), Some(2048), None));
    }
}
