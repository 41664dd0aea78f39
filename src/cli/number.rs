//! Numbers on the command line that may be 0, left out or a percentage. Not here: other numbers (`units`).

use crate::search::RunSpec;
pub use crate::units::count;

/// The probability with which a latency is within its budget; none to compare predictions themselves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Confidence(pub Option<f64>);

/// A probability such as 0.9 or 90%, or `none`.
///
/// # Errors
/// Says what is accepted, for the option parser.
pub fn confidence(text: &str) -> Result<Confidence, String> {
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse(),
    };
    match share {
        _ if text == "none" => Ok(Confidence(None)),
        Ok(share) if (0.5..=RunSpec::MOST_CONFIDENCE).contains(&share) => Ok(Confidence(Some(share))),
        _ => Err(format!("must be from 0.5 to {}, such as 0.9 or 90%, or `none`", RunSpec::MOST_CONFIDENCE)),
    }
}

/// A share written as a percentage, e.g. 5%; a bare number could be either, and is refused.
///
/// # Errors
/// Says what is accepted, for the option parser.
pub fn percentage(text: &str) -> Result<f64, String> {
    let percent = text.trim().strip_suffix('%').and_then(|percent| percent.trim().parse::<f64>().ok());
    let percent = percent.filter(|percent| (0.0..=1000.0).contains(percent));
    percent.map(|percent| percent / 100.0).ok_or_else(|| "must be a percentage from 0% to 1000%, such as 5%".to_owned())
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
    fn none_is_a_count() {
        assert_eq!(count_or_none("0"), Ok(0));
        assert!(count_or_none("-1").is_err() && count_or_none("").is_err());
    }

    #[test]
    fn percentages_say_so() {
        assert_eq!((percentage("5%"), percentage("0 %")), (Ok(0.05), Ok(0.0)));
        for text in ["5", "0.05", "-1%", "nan%", "inf%", "%", "", "2000%"] {
            assert!(percentage(text).is_err(), "{text}");
        }
    }
}
