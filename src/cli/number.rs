//! Counts on the command line that may be 0 or left out. Not here: other numbers (`units`).

pub use crate::units::count;

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
}
