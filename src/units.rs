//! Numbers with units, as people write and read them: `5ms`, `6MB`, `400M`, `1e6`.
//!
//! Every parser takes the plain number, too. Not here: which option or key a number belongs to.

/// Thousands of a count, as in 400M.
const COUNTS: [(&str, f64); 5] = [("k", 1e3), ("K", 1e3), ("M", 1e6), ("G", 1e9), ("B", 1e9)];

/// Times in milliseconds.
const TIMES_MS: [(&str, f64); 4] = [("ms", 1.0), ("s", 1e3), ("us", 1e-3), ("µs", 1e-3)];

/// Sizes in bytes, in any case.
const SIZES_BYTES: [(&str, f64); 10] = [
    ("b", 1.0),
    ("k", 1e3),
    ("kb", 1e3),
    ("kib", 1024.0),
    ("m", 1e6),
    ("mb", 1e6),
    ("mib", 1_048_576.0),
    ("g", 1e9),
    ("gb", 1e9),
    ("gib", 1_073_741_824.0),
];

/// A positive finite number.
///
/// # Errors
/// Says what is wrong, for the option parser.
pub fn positive(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        Ok(_) => Err("must be a positive, finite number".to_owned()),
        Err(_) => Err("not a number".to_owned()),
    }
}

/// A positive whole number that may be written as 600M, 1.5G or 1e6.
///
/// # Errors
/// Says what is wrong and what is accepted, for the option parser.
pub fn large_number(text: &str) -> Result<f64, String> {
    let number = with_unit(text, |unit| factor(&COUNTS, unit));
    whole(number.map_err(|reason| format!("{reason}; write e.g. 1000000, 1e6, 1M or 1.5G"))?)
}

/// Milliseconds, written as 5, 5ms, 0.5s or 800us.
///
/// # Errors
/// Says what is wrong and what is accepted, for the option parser.
pub fn milliseconds(text: &str) -> Result<f64, String> {
    with_unit(text, |unit| factor(&TIMES_MS, unit))
        .map_err(|reason| format!("{reason}; write milliseconds, or a unit as in 5ms, 0.5s or 800us"))
}

/// Bytes, written as 6000000, 6MB (1000 x 1000 bytes) or 6MiB (1024 x 1024 bytes).
///
/// # Errors
/// Says what is wrong and what is accepted, for the option parser.
pub fn bytes(text: &str) -> Result<f64, String> {
    let number = with_unit(text, |unit| factor(&SIZES_BYTES, &unit.to_lowercase()));
    whole(number.map_err(|reason| format!("{reason}; write bytes, or a unit as in 500kB, 6MB, 6MiB or 1GB"))?)
}

/// A whole number from 1.
///
/// # Errors
/// Says what is wrong, for the option parser.
pub fn count(text: &str) -> Result<u32, String> {
    match text.trim().parse::<u32>() {
        Ok(value) if value > 0 => Ok(value),
        _ => Err(format!("must be a whole number from 1 to {}", u32::MAX)),
    }
}

/// A large number with a suffix: `1.234 M`.
pub fn human(value: f64) -> String {
    let (divisor, suffix) = match value.abs() {
        v if v >= 1e9 => (1e9, " G"),
        v if v >= 1e6 => (1e6, " M"),
        v if v >= 1e3 => (1e3, " k"),
        _ => return format!("{value}"),
    };
    format!("{:.3}{suffix}", value / divisor)
}

/// Bytes in the units that [`bytes`] reads: `1.234 MB`.
pub fn human_bytes(value: f64) -> String {
    if value.abs() < 1e3 { format!("{value} B") } else { format!("{}B", human(value)) }
}

fn factor(units: &[(&str, f64)], unit: &str) -> Option<f64> {
    units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor)
}

/// A positive number times the factor of the letters behind it, if there are any.
fn with_unit(text: &str, factor: impl Fn(&str) -> Option<f64>) -> Result<f64, String> {
    let text = text.trim();
    let number = text.trim_end_matches(char::is_alphabetic);
    let unit = &text[number.len()..];
    if number.is_empty() || unit.is_empty() {
        return positive(text);
    }
    let factor = factor(unit).ok_or_else(|| format!("unknown unit `{unit}`"))?;
    Ok(positive(number)? * factor)
}

fn whole(value: f64) -> Result<f64, String> {
    if (1.0..=2f64.powi(53)).contains(&value) {
        Ok(value.round())
    } else {
        Err("must be at least 1 and at most 2^53".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        for (text, value) in [("1e6", 1e6), ("600M", 6e8), ("1.5G", 1.5e9), ("12k", 12e3), ("7", 7.0), ("2 B", 2e9)] {
            assert_eq!(large_number(text), Ok(value), "{text}");
        }
        for text in ["", "0", "-1", "-1M", "M", "nan", "inf", "1e300", "5x", "5m", "0.2"] {
            assert!(large_number(text).is_err(), "{text}");
        }
        assert_eq!(large_number("5x").unwrap_err(), "unknown unit `x`; write e.g. 1000000, 1e6, 1M or 1.5G");
    }

    #[test]
    fn suffixes() {
        assert_eq!(human(1_234_567.0), "1.235 M");
        assert_eq!(human(12.0), "12");
        assert_eq!(human(5.5e9), "5.500 G");
        assert_eq!(human_bytes(980.0), "980 B");
        assert_eq!(human_bytes(1_003_520.0), "1.004 MB");
    }

    #[test]
    fn plain_numbers() {
        for text in ["0", "-5", "nan", "inf", "five", "", "5ms"] {
            assert!(positive(text).is_err(), "{text}");
        }
        assert_eq!(positive("0.5"), Ok(0.5));
    }

    #[test]
    fn whole_numbers() {
        assert!(count("0").is_err() && count("-1").is_err() && count("1.5").is_err());
        assert_eq!(count("64"), Ok(64));
    }

    #[test]
    fn times() {
        for (text, value) in
            [("5", 5.0), ("5ms", 5.0), ("0.5s", 500.0), ("800us", 0.8), ("800µs", 0.8), ("1e1 ms", 10.0)]
        {
            assert!((milliseconds(text).unwrap() - value).abs() < 1e-12, "{text}");
        }
        for text in ["", "ms", "0ms", "-5ms", "5MS", "5 m", "5ns", "nan", "1e400"] {
            assert!(milliseconds(text).unwrap_err().contains("5ms, 0.5s or 800us"), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, value) in [
            ("6MB", 6e6),
            ("6mb", 6e6),
            ("6MiB", 6_291_456.0),
            ("4M", 4e6),
            ("1.5 GB", 1.5e9),
            ("512KiB", 524_288.0),
            ("100", 100.0),
            ("100B", 100.0),
            ("1e6", 1e6),
        ] {
            assert_eq!(bytes(text), Ok(value), "{text}");
        }
        for text in ["", "MB", "0MB", "-6MB", "6MBit", "6TB"] {
            assert!(bytes(text).unwrap_err().contains("6MB, 6MiB or 1GB"), "{text}");
        }
        assert!(bytes("0.1").is_err());
    }
}
