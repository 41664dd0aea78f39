//! How far an integer model is from the float model it was made of: per tensor, and in its result.
//!
//! Both run in tract on the same images. tract computes a QDQ model in float between the roundings,
//! so the noise is that of the integers, and the last bits are not those of any integer kernel.

use super::calibration::{Image, ModelInput};
use super::insert::dequantized;
use super::plan::Plan;
use super::watch::Watched;
use crate::onnx::OUTPUT_NAME;
use onnx_protobuf::ModelProto;

/// Sums over images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// One for each place of the plan, then one for the logits.
    noise: Vec<Noise>,
    pub images: usize,
    /// Images whose first class is the same.
    pub agreeing: usize,
    /// Sums for the cosine between both logits.
    product: f64,
    squares: [f64; 2],
}

/// Energy of a tensor and of what the integers change about it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Noise {
    signal: f64,
    noise: f64,
}

impl Noise {
    fn add(&mut self, float: &[f32], integer: &[f32]) {
        for (float, integer) in float.iter().zip(integer) {
            self.signal += (*float as f64).powi(2);
            self.noise += (*float as f64 - *integer as f64).powi(2);
        }
    }

    /// Signal-to-noise ratio in decibels; none where there is no noise or no signal.
    pub fn decibels(&self) -> Option<f64> {
        let ratio = 10.0 * (self.signal / self.noise).log10();
        ratio.is_finite().then_some(ratio)
    }
}

/// The tensors of the float model that are compared.
pub fn float_tensors(plan: &Plan) -> Vec<String> {
    let places = plan.places().iter().map(|place| place.tensor.clone());
    places.chain([OUTPUT_NAME.to_owned()]).collect()
}

/// An integer model beside its float one.
pub struct Comparing<'f> {
    float: &'f Watched,
    integer: Watched,
    sums: Comparison,
}

impl<'f> Comparing<'f> {
    /// `float` shows [`float_tensors`].
    ///
    /// # Errors
    /// When tract does not run `model`.
    pub fn new(float: &'f Watched, model: &mut ModelProto, plan: &Plan, input: &ModelInput) -> Result<Self, String> {
        let mut tensors: Vec<_> = plan.places().iter().map(|place| dequantized(&place.tensor)).collect();
        tensors.push(OUTPUT_NAME.to_owned());
        let integer = Watched::new(model, &tensors, input)?;
        let sums = Comparison { noise: vec![Noise::default(); tensors.len()], ..Comparison::default() };
        Ok(Self { float, integer, sums })
    }

    /// # Errors
    /// When tract does not run one of the models.
    pub fn add(&mut self, image: &Image) -> Result<(), String> {
        let mut floats: Vec<Vec<f32>> = Vec::with_capacity(self.sums.noise.len());
        self.float.run(image, |_, values| {
            floats.push(values.to_vec());
            Ok(())
        })?;
        let sums = &mut self.sums;
        self.integer.run(image, |place, values| {
            sums.noise[place].add(&floats[place], values);
            if place + 1 == floats.len() {
                sums.logits(&floats[place], values);
            }
            Ok(())
        })?;
        self.sums.images += 1;
        Ok(())
    }

    pub fn finish(self) -> Comparison {
        self.sums
    }
}

impl Comparison {
    fn logits(&mut self, float: &[f32], integer: &[f32]) {
        self.agreeing += usize::from(first_class(float) == first_class(integer));
        for (float, integer) in float.iter().zip(integer) {
            let (float, integer) = (*float as f64, *integer as f64);
            self.product += float * integer;
            self.squares[0] += float * float;
            self.squares[1] += integer * integer;
        }
    }

    /// Of a place of the plan.
    pub fn of_place(&self, place: usize) -> Option<f64> {
        self.noise.get(place).and_then(Noise::decibels)
    }

    pub fn of_logits(&self) -> Option<f64> {
        self.noise.last().and_then(Noise::decibels)
    }

    /// Cosine between the float and the integer logits of all images; none where one is zero.
    pub fn cosine(&self) -> Option<f64> {
        let cosine = self.product / (self.squares[0] * self.squares[1]).sqrt();
        cosine.is_finite().then_some(cosine)
    }
}

/// Place of the largest value, the first of equal ones.
fn first_class(logits: &[f32]) -> usize {
    let mut first = 0;
    for (class, value) in logits.iter().enumerate() {
        if *value > logits[first] {
            first = class;
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decibels_by_hand() {
        let mut noise = Noise::default();
        noise.add(&[3.0, 4.0], &[3.0, 4.0]);
        assert_eq!(noise.decibels(), None);
        noise.add(&[5.0, 5.0], &[5.5, 4.5]);
        // 75 against 0.5.
        assert!((noise.decibels().unwrap() - 10.0 * 150f64.log10()).abs() < 1e-12);
        assert_eq!(Noise::default().decibels(), None);
    }

    #[test]
    fn agreement_and_cosine_by_hand() {
        let mut sums = Comparison::default();
        sums.logits(&[1.0, 2.0, 2.0], &[1.0, 2.0, 1.5]);
        sums.logits(&[3.0, 0.0, 0.0], &[0.0, 3.0, 0.0]);
        assert_eq!(sums.agreeing, 1);
        let expected = 8.0 / (18f64 * 16.25).sqrt();
        assert!((sums.cosine().unwrap() - expected).abs() < 1e-12);
        assert_eq!(Comparison::default().cosine(), None);
    }
}
