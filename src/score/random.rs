//! Counter-based random streams: the value at a place depends on seed, draw, purpose and place
//! alone, so whatever is drawn first, or on whichever thread, the numbers are the same.
//!
//! Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), sixteen
//! counters side by side, and the Box-Muller transform with polynomials, so that a compiler turns
//! it into vector instructions. No operation is fused, so the numbers are also the same on every
//! processor.

use pulp::{Arch, Scalar, Simd, WithSimd};

/// Values of one step: sixteen counters of four words.
const CHUNK: usize = 64;
const LANES: usize = 16;

/// The random numbers of one draw: weights, inputs and labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    pub seed: u64,
    /// Number of the draw, from 0.
    pub number: u32,
}

/// What numbers are drawn for; streams of different purposes share no counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The clean input.
    Input,
    /// What is added to the input, before it is scaled.
    Perturbation,
    /// Labels of a batch.
    Labels,
    /// The weights of a layer, by its number.
    Weights(u32),
    /// Whatever else a proxy draws.
    Other(u32),
}

impl Purpose {
    fn word(self) -> u32 {
        match self {
            Self::Input => 0,
            Self::Perturbation => 1,
            Self::Labels => 2,
            Self::Weights(layer) => 1 << 30 | layer,
            Self::Other(number) => 2 << 30 | number,
        }
    }
}

impl Draw {
    /// Fills with independent N(0, 1) values.
    pub fn normal(self, purpose: Purpose, out: &mut [f32]) {
        Arch::new().dispatch(Normal { draw: self, purpose, out });
    }

    /// Uniform random words.
    pub fn words(self, purpose: Purpose, out: &mut [u32]) {
        for (chunk, out) in out.chunks_mut(CHUNK).enumerate() {
            let words = counted(Scalar, self, purpose, chunk as u32);
            out.iter_mut().zip(words.as_flattened()).for_each(|(out, word)| *out = *word);
        }
    }

    /// Labels of a batch, uniform over the classes.
    pub fn labels(self, batch_size: usize, classes: u32) -> Vec<u32> {
        let mut words = vec![0; batch_size];
        self.words(Purpose::Labels, &mut words);
        words.into_iter().map(|word| ((word as u64 * classes as u64) >> 32) as u32).collect()
    }
}

struct Normal<'a> {
    draw: Draw,
    purpose: Purpose,
    out: &'a mut [f32],
}

impl WithSimd for Normal<'_> {
    type Output = ();

    /// Plain loops over arrays: what matters is that they are compiled for the instruction set.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (whole, rest) = self.out.as_chunks_mut::<CHUNK>();
        let mut number = 0;
        for chunk in whole {
            *chunk = normal_chunk(simd, self.draw, self.purpose, number);
            number += 1;
        }
        rest.copy_from_slice(&normal_chunk(simd, self.draw, self.purpose, number)[..rest.len()]);
    }
}

/// The words of sixteen neighbouring counters, word by word.
#[inline(always)]
fn counted<S: Simd>(simd: S, draw: Draw, purpose: Purpose, chunk: u32) -> [[u32; LANES]; 4] {
    let first = chunk.wrapping_mul(LANES as u32);
    let counter = std::array::from_fn(|lane| first.wrapping_add(lane as u32));
    let key = [draw.seed as u32, (draw.seed >> 32) as u32];
    philox(simd, [counter, [purpose.word(); LANES], [draw.number; LANES], [0; LANES]], key)
}

/// Philox 4x32-10 of sixteen counters, on the vectors of the instruction set.
#[inline(always)]
fn philox<S: Simd>(simd: S, mut x: [[u32; LANES]; 4], key: [u32; 2]) -> [[u32; LANES]; 4] {
    const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
    const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
    let multipliers = MULTIPLIERS.map(|multiplier| simd.splat_u32s(multiplier));
    for start in (0..LANES).step_by(S::U32_LANES) {
        let mut words = x.each_ref().map(|words| S::as_simd_u32s(&words[start..start + S::U32_LANES]).0[0]);
        let mut key = key;
        for _ in 0..10 {
            let (low0, high0) = simd.widening_mul_u32s(multipliers[0], words[0]);
            let (low1, high1) = simd.widening_mul_u32s(multipliers[1], words[2]);
            let keys = key.map(|key| simd.splat_u32s(key));
            words = [
                simd.xor_u32s(simd.xor_u32s(high1, words[1]), keys[0]),
                low1,
                simd.xor_u32s(simd.xor_u32s(high0, words[3]), keys[1]),
                low0,
            ];
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        for (to, word) in x.iter_mut().zip(words) {
            S::as_mut_simd_u32s(&mut to[start..start + S::U32_LANES]).0[0] = word;
        }
    }
    x
}

/// Two pairs of words become two pairs of values (Box and Muller, 1958).
#[inline(always)]
fn normal_chunk<S: Simd>(simd: S, draw: Draw, purpose: Purpose, chunk: u32) -> [f32; CHUNK] {
    let words = counted(simd, draw, purpose, chunk);
    let mut out = [[0.0; LANES]; 4];
    for pair in 0..2 {
        for lane in 0..LANES {
            let (cos, sin) = cos_sin_turns(words[2 * pair + 1][lane]);
            let radius = (-2.0 * ln_unit(words[2 * pair][lane])).sqrt();
            out[2 * pair][lane] = radius * cos;
            out[2 * pair + 1][lane] = radius * sin;
        }
    }
    let mut flat = [0.0; CHUNK];
    flat.copy_from_slice(out.as_flattened());
    flat
}

/// Logarithm of a word as a number in (0, 1]; polynomial of the Cephes library's `logf`.
#[inline(always)]
fn ln_unit(word: u32) -> f32 {
    const COEFFICIENTS: [f32; 9] = [
        7.037_683_6e-2,
        -1.151_461e-1,
        1.167_699_9e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ];
    let unit = (word >> 1) as i32 as f32 * (0.5f32).powi(31) + (0.5f32).powi(32);
    // unit = (1 + x) 2^exponent with 1 + x from sqrt(1/2) to sqrt(2).
    let bits = unit.to_bits().wrapping_add(0x3f80_0000 - std::f32::consts::FRAC_1_SQRT_2.to_bits());
    let exponent = (bits >> 23) as i32 - 127;
    let mantissa = f32::from_bits((bits & 0x007f_ffff) + std::f32::consts::FRAC_1_SQRT_2.to_bits());
    let x = mantissa - 1.0;
    let polynomial = COEFFICIENTS.iter().fold(0.0, |sum, coefficient| sum * x + coefficient);
    let square = x * x;
    exponent as f32 * std::f32::consts::LN_2 + (polynomial * square * x - 0.5 * square + x)
}

/// Cosine and sine of a word as a share of a turn; polynomials of the Cephes library's `sinf`.
#[inline(always)]
fn cos_sin_turns(word: u32) -> (f32, f32) {
    /// Adding it rounds to a whole number, whose lowest bits are then those of the sum.
    const ROUND: f32 = 12_582_912.0;
    let quarters = word as i32 as f32 * (0.5f32).powi(30);
    let rounded = quarters + ROUND;
    let quadrant = rounded.to_bits();
    let angle = (quarters - (rounded - ROUND)) * std::f32::consts::FRAC_PI_2;
    let square = angle * angle;
    let sin = angle + angle * square * ((-1.951_529_6e-4 * square + 8.332_161e-3) * square - 1.666_665_5e-1);
    let cos =
        1.0 - 0.5 * square + square * square * ((2.443_315_7e-5 * square - 1.388_731_6e-3) * square + 4.166_664_6e-2);
    let (first, second) = if quadrant & 1 == 0 { (cos, sin) } else { (sin, cos) };
    // Cosine changes its sign in quadrants 1 and 2, sine in 2 and 3.
    let negative = |flag: u32| (flag & 2) << 30;
    (
        f32::from_bits(first.to_bits() ^ negative(quadrant.wrapping_add(1))),
        f32::from_bits(second.to_bits() ^ negative(quadrant)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers that Random123, the published implementation, is tested with.
    #[test]
    fn philox_known_answers() {
        let answer =
            |counter: [u32; 4], key| philox(Scalar, counter.map(|word| [word; LANES]), key).map(|words| words[7]);
        assert_eq!(answer([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(answer([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        let expected = [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1];
        assert_eq!(answer(pi, [0xa409_3822, 0x299f_31d0]), expected);
    }

    #[test]
    fn functions_agree_with_the_standard_library() {
        for i in 0..100_000u32 {
            let word = i.wrapping_mul(2_654_435_761);
            let unit = ((word | 1) as f64) / 2f64.powi(32);
            assert!((ln_unit(word) as f64 - unit.ln()).abs() < 3e-7 * (1.0 + unit.ln().abs()), "{word}");
            let angle = word as i32 as f64 / 2f64.powi(32) * std::f64::consts::TAU;
            let (cos, sin) = cos_sin_turns(word);
            assert!((cos as f64 - angle.cos()).abs() < 3e-7 && (sin as f64 - angle.sin()).abs() < 3e-7, "{word}");
        }
        for word in [0, 1, u32::MAX, u32::MAX / 2] {
            assert!(ln_unit(word).is_finite() && ln_unit(word) <= 0.0);
        }
    }

    #[test]
    fn values_depend_on_their_place_alone() {
        let draw = Draw { seed: 7, number: 3 };
        let mut long = vec![0.0; 1000];
        draw.normal(Purpose::Weights(2), &mut long);
        let mut short = vec![0.0; 77];
        draw.normal(Purpose::Weights(2), &mut short);
        assert_eq!(short, long[..77]);
        for other in [Purpose::Weights(3), Purpose::Input, Purpose::Other(2)] {
            draw.normal(other, &mut short);
            assert_ne!(short, long[..77]);
        }
        Draw { seed: 8, ..draw }.normal(Purpose::Weights(2), &mut short);
        assert_ne!(short, long[..77]);
    }

    /// Moments and tails of the normal distribution; the tolerances are five standard errors.
    #[test]
    fn values_are_normal() {
        let n = 1 << 20;
        let mut values = vec![0.0; n];
        Draw { seed: 1, number: 0 }.normal(Purpose::Input, &mut values);
        let mean = |f: &dyn Fn(f64) -> f64| values.iter().map(|v| f(*v as f64)).sum::<f64>() / n as f64;
        let tolerance = |variance: f64| 5.0 * (variance / n as f64).sqrt();
        assert!(mean(&|v| v).abs() < tolerance(1.0));
        assert!((mean(&|v| v * v) - 1.0).abs() < tolerance(2.0));
        assert!(mean(&|v| v.powi(3)).abs() < tolerance(15.0));
        assert!((mean(&|v| v.powi(4)) - 3.0).abs() < tolerance(96.0));
        for (limit, share) in [(1.0, 0.317_310_5), (2.0, 0.045_500_3), (3.0, 0.002_699_8), (4.0, 6.334e-5)] {
            assert!((mean(&|v| (v.abs() > limit) as u32 as f64) - share).abs() < tolerance(share), "{limit}");
        }
        let neighbours: f64 = values.windows(2).map(|pair| pair[0] as f64 * pair[1] as f64).sum();
        assert!((neighbours / n as f64).abs() < tolerance(1.0));
        let labels = Draw { seed: 1, number: 0 }.labels(10_000, 10);
        for label in 0..10 {
            let share = labels.iter().filter(|found| **found == label).count() as f64 / 1e4;
            assert!((share - 0.1).abs() < 5.0 * (0.09f64 / 1e4).sqrt(), "{label}: {share}");
        }
    }
}
