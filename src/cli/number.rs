//! Numbers on the command line: positive, finite, and written as people write them.

/// A positive finite number, e.g. milliseconds.
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
/// Says what is wrong, for the option parser.
pub fn large_number(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let suffixes = [('k', 1e3), ('K', 1e3), ('M', 1e6), ('G', 1e9), ('B', 1e9)];
    let (digits, factor) = match suffixes.iter().find(|(suffix, _)| text.ends_with(*suffix)) {
        Some((suffix, factor)) => (text.trim_end_matches(*suffix), *factor),
        None => (text, 1.0),
    };
    let value = positive(digits).map_err(|reason| format!("{reason}; write e.g. 1000000, 1e6, 1M or 1.5G"))? * factor;
    if value >= 1.0 && value <= 2f64.powi(53) {
        Ok(value.round())
    } else {
        Err("must be at least 1 and at most 2^53".to_owned())
    }
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

/// A whole number from 0.
///
/// # Errors
/// Says what is wrong, for the option parser.
pub fn count_or_none(text: &str) -> Result<u32, String> {
    text.trim().parse().map_err(|_| format!("must be a whole number from 0 to {}", u32::MAX))
}

/// Threads that were asked for, or one for each core.
pub fn threads(asked: Option<u32>) -> usize {
    asked.map_or_else(|| std::thread::available_parallelism().map_or(1, |cores| cores.get()), |asked| asked as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_people_write() {
        for (text, value) in [("1e6", 1e6), ("600M", 6e8), ("1.5G", 1.5e9), ("12k", 12e3), ("7", 7.0)] {
            assert_eq!(large_number(text), Ok(value), "{text}");
        }
        for text in ["", "0", "-1", "-1M", "M", "nan", "inf", "1e300", "5x"] {
            assert!(large_number(text).is_err(), "{text}");
        }
        for text in ["0", "-5", "nan", "inf", "five", ""] {
            assert!(positive(text).is_err(), "{text}");
        }
        assert_eq!(positive("0.5"), Ok(0.5));
        assert!(count("0").is_err() && count("-1").is_err() && count("1.5").is_err());
        assert_eq!(count("64"), Ok(64));
        assert_eq!(count_or_none("0"), Ok(0));
        assert!(count_or_none("-1").is_err() && count_or_none("").is_err());
    }
}
