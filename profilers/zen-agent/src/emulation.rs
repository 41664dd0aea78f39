//! Whether this program runs on the processor it seems to run on.
//!
//! A user-mode emulator (qemu-user, Rosetta, box64) shows a program what it wants to see where it
//! is asked in the usual ways: `uname`, `/proc/self/exe`. Two things give it away: the kernel's own
//! link to the running executable, reached by a path that emulators do not rewrite, and a list of
//! processors of another kind. Neither sees a whole emulated machine, whose kernel is emulated,
//! too, except the Android emulator, which names itself.

use std::fs;

/// ELF's number of an architecture, as Rust names it.
fn elf_machine(architecture: &str) -> Option<u16> {
    Some(match architecture {
        "x86" => 3,
        "arm" => 40,
        "x86_64" => 62,
        "aarch64" => 183,
        "riscv64" => 243,
        _ => return None,
    })
}

/// Whether another processor stands behind this program.
pub(crate) fn is_emulated() -> bool {
    // What cannot be read tells nothing.
    let seen = fs::read_link("/proc/self/exe").ok();
    let executed = fs::read_link("/proc/thread-self/exe").ok();
    let differ = seen.zip(executed).is_some_and(|(seen, executed)| seen != executed);
    let header = read_start("/proc/thread-self/exe", 20).unwrap_or_default();
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    differ || is_elf_of_another(&header, std::env::consts::ARCH) || is_cpuinfo_of_another(&info, std::env::consts::ARCH)
}

fn read_start(path: &str, count: usize) -> Option<Vec<u8>> {
    use std::io::Read;
    let mut bytes = vec![0; count];
    fs::File::open(path).ok()?.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

/// An executable for another architecture than this program was built for runs it.
fn is_elf_of_another(header: &[u8], architecture: &str) -> bool {
    let Some(machine) = header.get(18..20).filter(|_| header.starts_with(b"\x7fELF")) else { return false };
    let number = match header[5] {
        2 => u16::from_be_bytes([machine[0], machine[1]]),
        _ => u16::from_le_bytes([machine[0], machine[1]]),
    };
    elf_machine(architecture).is_some_and(|own| own != number)
}

/// The kernel's processors are of the other of the two common families, or of the Android emulator.
fn is_cpuinfo_of_another(info: &str, architecture: &str) -> bool {
    let fields =
        |name: &str| info.lines().filter_map(|line| line.split_once(':')).any(|(field, _)| field.trim() == name);
    let values = info.lines().filter_map(|line| line.split_once(':')).filter(|(field, _)| field.trim() == "Hardware");
    let mut hardware = values.map(|(_, value)| value.trim().to_lowercase());
    let is_x86 = matches!(architecture, "x86" | "x86_64");
    let is_arm = matches!(architecture, "arm" | "aarch64");
    (is_arm && fields("vendor_id") && fields("flags"))
        || (is_x86 && fields("CPU implementer"))
        || hardware.any(|name| name.contains("ranchu") || name.contains("goldfish"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_real() {
        assert!(!is_emulated());
    }

    #[test]
    fn executables_of_other_architectures_are_told() {
        let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0".to_vec();
        assert!(!is_elf_of_another(&header, "aarch64"));
        assert!(is_elf_of_another(&header, "x86_64"));
        assert!(!is_elf_of_another(&header, "of tomorrow"));
        header[18] = 62;
        assert!(is_elf_of_another(&header, "aarch64"));
        assert!(!is_elf_of_another(&header[..10], "aarch64"));
        assert!(!is_elf_of_another(b"#!/bin/sh and some more", "aarch64"));
    }

    #[test]
    fn processors_of_other_kinds_are_told() {
        let x86 = "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu sse2\n";
        let arm = "processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x51\nHardware\t: Qualcomm MSM8998\n";
        for (info, architecture, other) in [
            (x86, "aarch64", true),
            (x86, "x86_64", false),
            (arm, "aarch64", false),
            (arm, "x86_64", true),
            ("Hardware\t: ranchu\n", "aarch64", true),
            ("", "aarch64", false),
        ] {
            assert_eq!(is_cpuinfo_of_another(info, architecture), other, "{architecture}: {info}");
        }
    }
}
