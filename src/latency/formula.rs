//! Formulas: an operator's time as a sum of features of its shape, each times a coefficient.
//!
//! Coefficients are fitted on whole networks. Not here: the features (`features`), what a call costs beside its
//! operators ([`Composition`](super::Composition)), finding coefficients.

mod features;

use self::features::Work;
use super::OperatorKey;
use super::key::KeyClass;

pub use features::{FEATURES, Feature};

/// Stands among the coefficients for the multiple that channels are padded to.
const CHANNEL_MULTIPLE: &str = "channel_multiple";

/// A coefficient for some of the features; the others cost nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Formula {
    /// Places in [`FEATURES`] with milliseconds per unit, in that order.
    terms: Vec<(usize, f64)>,
    /// Channels are padded to a multiple of this.
    channel_multiple: u32,
}

impl Default for Formula {
    fn default() -> Self {
        Self { terms: Vec::new(), channel_multiple: 1 }
    }
}

impl Formula {
    /// From names of features with milliseconds per unit, and `channel_multiple` where channels are padded.
    ///
    /// # Errors
    /// Names an unknown feature or a multiple that is no whole number.
    pub fn new<'n>(coefficients: impl IntoIterator<Item = (&'n str, f64)>) -> Result<Self, String> {
        let mut formula = Self::default();
        for (name, value) in coefficients {
            if name == CHANNEL_MULTIPLE {
                if !(1.0..=4096.0).contains(&value) || value.fract() != 0.0 {
                    return Err(format!("`formula.{name}` is {value}, but must be a whole number from 1 to 4096"));
                }
                formula.channel_multiple = value as u32;
                continue;
            }
            let place = FEATURES.iter().position(|feature| feature.name == name);
            formula.terms.push((place.ok_or_else(|| format!("unknown coefficient `formula.{name}`"))?, value));
        }
        formula.terms.sort_by_key(|(place, _)| *place);
        Ok(formula)
    }

    /// Names of the features with milliseconds per unit, and `channel_multiple` where channels are padded.
    pub fn coefficients(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let padded = (self.channel_multiple > 1).then_some((CHANNEL_MULTIPLE, f64::from(self.channel_multiple)));
        self.terms.iter().map(|(place, value)| (FEATURES[*place].name, *value)).chain(padded)
    }

    /// Milliseconds of an operator for a batch.
    pub fn ms(&self, key: &OperatorKey, batch_size: u32) -> f64 {
        let work = Work::new(key, batch_size, self.channel_multiple);
        let mut sum_ms = 0.0;
        for (place, value) in &self.terms {
            let feature = &FEATURES[*place];
            let ms = value * feature.of(&work);
            if feature.is_alone() && ms > 0.0 {
                return ms;
            }
            sum_ms += ms;
        }
        sum_ms
    }

    /// The same on a device where classes of operators take longer by factors: convolutions and dense layers,
    /// depthwise, everything else.
    pub fn scaled_by_class(&self, [conv, depthwise, traffic]: [f64; 3]) -> Self {
        let scaled = |(place, value): &(usize, f64)| {
            let factor = match FEATURES[*place].class {
                KeyClass::Conv => conv,
                KeyClass::Depthwise => depthwise,
                KeyClass::Traffic => traffic,
            };
            (*place, value * factor)
        };
        Self { terms: self.terms.iter().map(scaled).collect(), ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::super::KeyKind;
    use super::*;
    use crate::net::Activation;

    fn key(kind: KeyKind, channels: u32, out_channels: u32, side: u32) -> OperatorKey {
        OperatorKey { kind, ..OperatorKey::conv(1, 1, channels, out_channels, side) }
    }

    fn padded(key: &OperatorKey, batch: u32, channel_multiple: u32) -> Vec<(&'static str, f64)> {
        let amount = |feature: &Feature| {
            Some((feature.name, feature.amount(key, batch, channel_multiple))).filter(|(_, amount)| *amount != 0.0)
        };
        FEATURES.iter().filter_map(amount).collect()
    }

    fn amounts(key: &OperatorKey, batch: u32) -> Vec<(&'static str, f64)> {
        padded(key, batch, 1)
    }

    #[test]
    fn names_are_unique_and_formulas_read_back() {
        let mut names: Vec<_> = FEATURES.iter().map(|feature| feature.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FEATURES.len());
        let formula = Formula::new([("light_ms", 2.0), ("channel_multiple", 32.0), ("conv_ms", 1.0)]).unwrap();
        let written = [("conv_ms", 1.0), ("light_ms", 2.0), ("channel_multiple", 32.0)];
        assert_eq!(formula.coefficients().collect::<Vec<_>>(), written);
        assert_eq!(Formula::new(formula.coefficients()).unwrap(), formula);
        assert!(Formula::new([("channel_multiple", 1.5)]).unwrap_err().contains("1.5"));
        assert!(Formula::new([("lihgt_ms", 2.0)]).unwrap_err().contains("formula.lihgt_ms"));
    }

    /// By hand: 8 images of 64 x 14 x 14, 64 -> 128 channels.
    #[test]
    fn amounts_of_convolutions() {
        let conv = OperatorKey { residual_add: true, ..OperatorKey::conv(1, 2, 64, 128, 14) };
        let (written, macs) = (128.0 * 49.0, 64.0 * 128.0 * 49.0);
        let expected = [
            ("operator_ms", 1.0),
            ("kernel_ms", 1.0),
            ("conv_ms", 1.0),
            ("conv1_ms_per_gmac", 8e-9 * macs),
            ("weight_ms_per_mega", 64.0 * 128.0 * 1e-6),
            ("reduction_ms_per_kilo", 0.064),
            // A quarter of the pixels is read.
            ("conv_ms_per_mega", 8e-6 * (64.0 * 49.0 + 2.0 * written)),
            ("pointwise_ms_per_gmac", 8e-9 * macs),
            ("eager_ms_per_giga", 8e-9 * 5.0 * written),
            ("activation_ms_per_giga", 8e-9 * (64.0 * 196.0 + written)),
        ];
        assert_eq!(amounts(&conv, 8).len(), expected.len());
        for ((name, found), (expected_name, expected)) in amounts(&conv, 8).into_iter().zip(expected) {
            assert_eq!(name, expected_name);
            assert!((found / expected - 1.0).abs() < 1e-12, "{name}: {found}, expected {expected}");
        }
        let grouped = OperatorKey { groups: 8, ..OperatorKey::conv(3, 1, 64, 64, 14) };
        let of =
            |key: &OperatorKey, name: &str| amounts(key, 1).iter().find(|(n, _)| *n == name).map_or(0.0, |(_, x)| *x);
        assert_eq!((of(&grouped, "group_ms_per_kilo"), of(&grouped, "wide_group_ms_per_kilo")), (0.008, 0.0));
        assert_eq!((of(&grouped, "winograd_ms_per_gmac"), of(&grouped, "kernel_ms")), (0.0, 8.0));
        let pixel = key(KeyKind::Conv, 64, 16, 1);
        assert_eq!((of(&pixel, "pixel_conv_ms"), of(&pixel, "conv_ms")), (1.0, 0.0));
    }

    #[test]
    fn amounts_of_operators_that_move_maps() {
        const ONE: [(&str, f64); 2] = [("operator_ms", 1.0), ("kernel_ms", 1.0)];
        let elements = 50.0 * 400.0;
        for (kind, expected) in [
            (
                KeyKind::Add,
                vec![ONE[0], ONE[1], ("light_ms", 1.0), ("light_ms_per_mega", 3e-6), ("eager_ms_per_giga", 3e-9)],
            ),
            (
                KeyKind::Gate,
                vec![
                    ONE[0],
                    ONE[1],
                    ("light_ms", 1.0),
                    ("light_ms_per_mega", 2e-6),
                    ("eager_ms_per_giga", 4e-9),
                    ("gate_ms_per_giga", 3e-9),
                    ("activation_ms_per_giga", 2e-9),
                ],
            ),
            (
                KeyKind::Concat,
                vec![
                    ONE[0],
                    ONE[1],
                    ("light_ms", 1.0),
                    ("move_ms", 1.0),
                    ("move_ms_per_mega", 2e-6),
                    ("eager_ms_per_giga", 2e-9),
                ],
            ),
        ] {
            let found = amounts(&key(kind, 50, 50, 20), 1);
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for ((name, found), (expected_name, expected)) in found.into_iter().zip(expected) {
                let expected = if expected == 1.0 { 1.0 } else { expected * elements };
                assert!(name == expected_name && (found / expected - 1.0).abs() < 1e-9, "{name} {found} {expected}");
            }
        }
        let swish = OperatorKey { activation: Some(Activation::Swish), ..key(KeyKind::Elementwise, 50, 50, 20) };
        assert!(amounts(&swish, 1).contains(&("activation_ms", 1.0)));
    }

    /// 40 -> 70 channels in multiples of 32 are 64 -> 96; an image keeps its 3.
    #[test]
    fn channels_are_padded() {
        let of = |key: &OperatorKey, name: &str| {
            padded(key, 1, 32).iter().find(|(found, _)| *found == name).map_or(0.0, |(_, amount)| *amount)
        };
        let close = |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 1e-12, "{found} {expected}");
        let conv = OperatorKey::conv(3, 1, 40, 70, 10);
        close(of(&conv, "winograd_ms_per_gmac"), 64.0 * 96.0 * 900.0 * 1e-9);
        close(of(&conv, "conv_ms_per_mega"), (64.0 + 96.0) * 100.0 * 1e-6);
        close(of(&conv, "weight_ms_per_mega"), 40.0 * 70.0 * 9.0 * 1e-6);
        close(of(&OperatorKey::conv(3, 2, 3, 32, 10), "convk_ms_per_gmac"), 3.0 * 32.0 * 9.0 * 25.0 * 1e-9);
        close(of(&OperatorKey::depthwise(3, 1, 40, 10), "depthwise_ms_per_gmac"), 64.0 * 900.0 * 1e-9);
    }

    #[test]
    fn operators_on_the_image_cost_nothing_else() {
        let [image, map] = [3, 8].map(|channels| key(KeyKind::Elementwise, channels, channels, 100));
        let formula = |thin| Formula::new([("operator_ms", 5.0)].into_iter().chain(thin)).unwrap();
        let with = formula(Some(("thin_ms_per_mega", 2.0)));
        assert_eq!((with.ms(&image, 1), with.ms(&map, 1), formula(None).ms(&image, 1)), (0.02, 5.0, 5.0));
    }
}
