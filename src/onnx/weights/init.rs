//! Untrained weights from a seed.

use rand::SeedableRng;
use rand::distr::Distribution;
use rand_distr::StandardNormal;
use rand_pcg::Pcg64Mcg;

use super::{Role, TensorSpec};
use crate::hash::fnv1a;

/// Standard deviation of classifier weights; small, so that an untrained classifier starts near
/// equal class scores.
const LINEAR_DEVIATION: f32 = 0.01;

/// The values of the tensor `spec` for `seed`, from a random stream of its own.
pub fn draw(seed: u64, spec: &TensorSpec) -> Vec<f32> {
    let elements = spec.elements() as usize;
    let he_deviation = || {
        let fan_in: usize = spec.shape[1..].iter().product();
        (2.0 / fan_in as f32).sqrt()
    };
    match spec.role {
        Role::ConvWeight => normal(seed, &spec.name, elements, he_deviation()),
        Role::UnitEndWeight { units } => normal(seed, &spec.name, elements, he_deviation() / (units as f32).sqrt()),
        Role::LinearWeight => normal(seed, &spec.name, elements, LINEAR_DEVIATION),
        Role::NormWeight | Role::NormVariance => vec![1.0; elements],
        Role::ConvBias | Role::NormBias | Role::NormMean | Role::LinearBias => vec![0.0; elements],
    }
}

/// He-normal values for a weight with `fan_in` inputs per output.
pub fn he_normal(seed: u64, name: &str, elements: usize, fan_in: u32) -> Vec<f32> {
    normal(seed, name, elements, (2.0 / fan_in as f32).sqrt())
}

/// `elements` draws from N(0, deviation^2).
pub fn normal(seed: u64, name: &str, elements: usize, deviation: f32) -> Vec<f32> {
    let mut stream = Pcg64Mcg::seed_from_u64(seed ^ fnv1a(name.bytes()));
    (0..elements)
        .map(|_| {
            let value: f32 = StandardNormal.sample(&mut stream);
            deviation * value
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, shape: &[usize], role: Role) -> TensorSpec {
        TensorSpec { name: name.into(), shape: shape.into(), role }
    }

    #[test]
    fn deviation_follows_the_fan_in_of_a_group() {
        for shape in [[64, 32, 3, 3], [256, 1, 5, 5]] {
            let fan_in = shape[1] * shape[2] * shape[3];
            let values = draw(7, &spec("w", &shape, Role::ConvWeight));
            let count = values.len() as f64;
            let mean = values.iter().map(|v| *v as f64).sum::<f64>() / count;
            let variance = values.iter().map(|v| (*v as f64 - mean).powi(2)).sum::<f64>() / count;
            let expected = 2.0 / fan_in as f64;
            // Four standard errors of a normal sample's mean and variance.
            assert!(mean.abs() < 4.0 * (expected / count).sqrt(), "{mean}");
            assert!((variance / expected - 1.0).abs() < 4.0 * (2.0 / count).sqrt(), "{variance} {expected}");
        }
    }

    #[test]
    fn a_tensor_depends_on_seed_and_name() {
        let weight = |seed, name| draw(seed, &spec(name, &[4, 4, 1, 1], Role::ConvWeight));
        assert_eq!(weight(1, "a"), weight(1, "a"));
        assert_ne!(weight(1, "a"), weight(2, "a"));
        assert_ne!(weight(1, "a"), weight(1, "b"));
    }

    #[test]
    fn the_stream_is_stable() {
        // Recorded: a change here changes every exported untrained network.
        assert_eq!(fnv1a(*b"a"), 0xaf63_dc4c_8601_ec8c);
        let values = normal(0, "a", 3, 1.0);
        assert_eq!(values, RECORDED, "{values:?}");
    }

    const RECORDED: [f32; 3] = [-0.75959504, 0.5125649, -0.32618824];
}
