//! The rails by name: key in a space file, flag on the command line, meaning, and how a value is read.
//!
//! Space files, flags and the reference page all come from this one list.

use super::Rails;
use crate::units::{count, positive};

/// One rail.
pub struct Rail {
    /// Key in `[rails]` of a space file and of `config.toml`.
    pub key: &'static str,
    /// Long flag of `zen-search`, without the dashes.
    pub flag: &'static str,
    /// What stands for the value in help.
    pub value_name: &'static str,
    /// One line for people.
    pub about: &'static str,
    set: fn(&mut Rails, Option<&str>) -> Result<(), String>,
}

impl Rail {
    /// The rail of that key.
    pub fn of(key: &str) -> Option<&'static Self> {
        RAILS.iter().find(|rail| rail.key == key)
    }

    /// Sets the rail from text; `none` takes it away.
    ///
    /// # Errors
    /// Says which values are possible.
    pub fn set(&self, rails: &mut Rails, text: &str) -> Result<(), String> {
        let text = text.trim();
        (self.set)(rails, (text != "none").then_some(text))
    }
}

impl std::fmt::Debug for Rail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.key)
    }
}

/// An entry whose field has the name of its key.
macro_rules! rail {
    ($key:ident, $flag:literal, $value_name:literal, $read:expr, $about:literal) => {
        Rail {
            key: stringify!($key),
            flag: $flag,
            value_name: $value_name,
            about: $about,
            set: |rails, text| {
                rails.$key = text.map($read).transpose()?;
                Ok(())
            },
        }
    };
}

/// Every rail.
pub static RAILS: &[Rail] = &[
    rail!(
        width_fall,
        "max-width-fall",
        "X",
        factor,
        "A width falls at most by this factor from one residual block to the next"
    ),
    rail!(
        output_per_bottleneck,
        "max-output-per-bottleneck",
        "X",
        positive,
        "A residual block has at most this many times as many outputs as bottleneck channels"
    ),
    rail!(narrowest, "min-width", "N", count, "Fewest output channels of a residual block"),
    rail!(narrowest_bottleneck, "min-bottleneck", "N", count, "Fewest bottleneck channels"),
    rail!(widest, "max-width", "N", count, "Most output channels of a residual block"),
    rail!(widest_bottleneck, "max-bottleneck", "N", count, "Most bottleneck channels"),
    rail!(widest_tail, "max-tail", "N", count, "Most output channels of the tail"),
    rail!(stage_layers, "max-stage-layers", "N", count, "Most layers in one stage"),
    rail!(
        stage_share,
        "max-stage-share",
        "X",
        share,
        "Largest share of the layers of all residual blocks in one stage"
    ),
    rail!(tail_share, "max-tail-share", "X", share, "Largest share of the parameters in tail and classifier"),
    rail!(kernels, "kernels", "N,N", list, "Kernels that residual blocks may have"),
    rail!(channel_multiple, "channel-multiple", "N", count, "Channels are multiples of this"),
];

fn number(text: &str, fits: impl Fn(f64) -> bool, expected: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|value: &f64| value.is_finite() && fits(*value));
    value.ok_or_else(|| format!("must be {expected}"))
}

fn factor(text: &str) -> Result<f64, String> {
    number(text, |value| value >= 1.0, "a number from 1")
}

fn share(text: &str) -> Result<f64, String> {
    number(text, |value| value > 0.0 && value <= 1.0, "a share above 0 and at most 1")
}

fn list(text: &str) -> Result<Vec<u32>, String> {
    let numbers: Result<Vec<u32>, String> = text.split(',').map(|number| count(number.trim())).collect();
    numbers.map_err(|_| "must be whole numbers from 1 such as 3,5".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_every_field_and_says_the_same_as_the_schema() {
        let schema = schemars::schema_for!(Rails);
        let fields = schema.get("properties").unwrap().as_object().unwrap();
        let about = |rail: &Rail| fields.get(rail.key).and_then(|field| field["description"].as_str());
        for rail in RAILS {
            assert_eq!(about(rail), Some(rail.about), "{rail:?}");
        }
        assert_eq!(fields.len(), RAILS.len());
    }

    #[test]
    fn values_are_read_within_their_ranges() {
        let mut rails = Rails::default();
        let mut set = |key: &str, text: &str| Rail::of(key).unwrap().set(&mut rails, text);
        for (key, text) in [("width_fall", "1"), ("stage_share", "0.72"), ("kernels", "3, 5"), ("narrowest", "16")] {
            assert_eq!(set(key, text), Ok(()), "{key}");
        }
        for (key, text) in [
            ("width_fall", "0.5"),
            ("width_fall", "nan"),
            ("stage_share", "1.1"),
            ("tail_share", "0"),
            ("kernels", ""),
            ("kernels", "3,x"),
            ("narrowest", "0"),
            ("widest", "1e3"),
        ] {
            assert!(set(key, text).unwrap_err().starts_with("must be"), "{key}");
        }
        assert_eq!(set("narrowest", "none"), Ok(()));
        let expected =
            Rails { width_fall: Some(1.0), stage_share: Some(0.72), kernels: Some(vec![3, 5]), ..Rails::default() };
        assert_eq!(rails, expected);
    }
}
