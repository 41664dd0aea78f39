//! Staying on chosen processors.

use crate::AgentError;

/// Processors that a mask can name.
const MAX_CORES: usize = 1024;

/// Keeps the calling thread on the processors of a hexadecimal mask, as `taskset` takes it: bit 0
/// is processor 0.
///
/// # Errors
/// When the mask is not hexadecimal, names no processor or one that cannot be had, or the system
/// cannot do it.
pub fn stay_on(mask: &str) -> Result<(), AgentError> {
    let cores = parse_mask(mask)?;
    pin(&cores).map_err(|reason| AgentError::Cores { mask: mask.to_owned(), reason })
}

/// The processors of a mask, in ascending order.
///
/// # Errors
/// When it is not hexadecimal or names no processor.
pub fn parse_mask(mask: &str) -> Result<Vec<usize>, AgentError> {
    let bad = |reason: &str| AgentError::Cores { mask: mask.chars().take(80).collect(), reason: reason.to_owned() };
    let digits = mask.trim_start_matches("0x");
    if digits.is_empty() || digits.len() > MAX_CORES / 4 {
        return Err(bad("a mask has 1 to 256 hexadecimal digits"));
    }
    let mut cores = Vec::new();
    for (place, digit) in digits.chars().rev().enumerate() {
        let digit = digit.to_digit(16).ok_or_else(|| bad("it is not a hexadecimal number"))?;
        cores.extend((0..4).filter(|bit| digit >> bit & 1 == 1).map(|bit| 4 * place + bit));
    }
    if cores.is_empty() {
        return Err(bad("it names no processor"));
    }
    Ok(cores)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn pin(cores: &[usize]) -> Result<(), String> {
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: a cpu_set_t is an array of integers; CPU_SET writes inside it, as parse_mask bounds
    // the cores, and both calls get its true size. 0 is the calling thread.
    let (wanted, actual) = unsafe {
        let mut wanted: libc::cpu_set_t = std::mem::zeroed();
        for core in cores {
            libc::CPU_SET(*core, &mut wanted);
        }
        if libc::sched_setaffinity(0, size, &wanted) != 0 {
            return Err(std::io::Error::last_os_error().to_string());
        }
        let mut actual: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size, &mut actual) != 0 {
            return Err(std::io::Error::last_os_error().to_string());
        }
        (wanted, actual)
    };
    // The kernel leaves out processors that are not there or not allowed.
    // SAFETY: as above.
    let missing = cores.iter().find(|core| unsafe { !libc::CPU_ISSET(**core, &actual) });
    match missing {
        Some(core) => Err(format!("processor {core} is not there or not allowed")),
        // SAFETY: as above.
        None if unsafe { !libc::CPU_EQUAL(&actual, &wanted) } => Err("the system gave other processors".to_owned()),
        None => Ok(()),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn pin(_: &[usize]) -> Result<(), String> {
    Err("this system cannot keep a program on processors".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_hexadecimal() {
        assert_eq!(parse_mask("f0").unwrap(), [4, 5, 6, 7]);
        assert_eq!(parse_mask("0x11").unwrap(), [0, 4]);
        for mask in ["", "0x", "g", "0", "-1", &"f".repeat(257)] {
            assert!(parse_mask(mask).is_err(), "{mask}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_stays_on_its_core() {
        // On a thread of its own: the other tests keep their cores.
        let results = std::thread::spawn(|| {
            let first =
                (0..MAX_CORES).find(|core| stay_on(&format!("{:x}{}", 1 << (core % 4), "0".repeat(core / 4))).is_ok());
            let cores = std::thread::available_parallelism().unwrap().get();
            (first, cores, stay_on(&format!("8{}", "0".repeat(255))).unwrap_err().to_string())
        });
        let (first, cores, error) = results.join().unwrap();
        assert!(first.is_some());
        assert_eq!(cores, 1);
        assert!(error.starts_with("staying on the processors 8000"), "{error}");
    }
}
