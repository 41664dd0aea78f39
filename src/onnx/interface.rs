//! What a model's input and output look like: layout and type of the image, its normalisation,
//! softmax, labels.
//!
//! Not here: the nodes these become (`emit/interface.rs`).

use std::str::FromStr;

use super::OnnxError;
use crate::names::named;

/// Layout and type of the image that a model takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InputForm {
    /// Batch x channels x height x width, float32 (float16 where a model asks for it).
    #[default]
    FloatNchw,
    /// Batch x height x width x channels, values from 0 to 255: what cameras and decoders give. The
    /// model divides by 255.
    Uint8Nhwc,
}

impl InputForm {
    pub const ALL: [InputForm; 2] = [InputForm::FloatNchw, InputForm::Uint8Nhwc];

    /// Name in options and metadata.
    pub fn name(self) -> &'static str {
        match self {
            InputForm::FloatNchw => "float-nchw",
            InputForm::Uint8Nhwc => "uint8-nhwc",
        }
    }
}

/// How a normalisation is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NormalizeAs {
    /// Scales go into the weights of the first convolution, the mean is subtracted by one node.
    ///
    /// The mean cannot go into a bias: a convolution pads the normalised image with zeros, which is
    /// the mean in the image as given, so that the border would come out wrong.
    #[default]
    Folded,
    /// Nodes of their own; every weight stays as trained.
    Nodes,
}

impl NormalizeAs {
    pub const ALL: [NormalizeAs; 2] = [NormalizeAs::Folded, NormalizeAs::Nodes];

    /// Name in options.
    pub fn name(self) -> &'static str {
        match self {
            NormalizeAs::Folded => "folded",
            NormalizeAs::Nodes => "nodes",
        }
    }
}

named!(InputForm, "input form");
named!(NormalizeAs, "form of a normalisation");

/// `(pixel - mean) / deviation` for each channel, of pixels from 0 to 1.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Normalization {
    pub mean: Vec<f32>,
    pub deviation: Vec<f32>,
}

/// Normalisations that have a name: mean and standard deviation of red, green and blue.
///
/// ImageNet's are those of torchvision's transforms, CIFAR's those of CIFAR-10's training images.
pub const NORMALIZATIONS: [(&str, [f32; 3], [f32; 3]); 2] = [
    ("imagenet", [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ("cifar", [0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]),
];

impl Normalization {
    /// # Errors
    /// When there is not one finite mean and one positive, finite deviation for each channel.
    pub(super) fn check(&self, channels: u32) -> Result<(), OnnxError> {
        let found = [self.mean.len(), self.deviation.len()];
        if found != [channels as usize; 2] {
            let [means, deviations] = found;
            let reason = format!("it has {means} means and {deviations} deviations for {channels} channels");
            return Err(OnnxError::Normalization { reason });
        }
        let bad = |value: &&f32| !(value.is_finite() && value.abs() <= 1e6);
        if let Some(mean) = self.mean.iter().find(bad) {
            return Err(OnnxError::Normalization { reason: format!("the mean {mean} is not a usable number") });
        }
        let tiny = |value: &&f32| bad(value) || **value < 1e-6;
        match self.deviation.iter().find(tiny) {
            Some(deviation) => {
                Err(OnnxError::Normalization { reason: format!("the deviation {deviation} is not positive") })
            }
            None => Ok(()),
        }
    }
}

impl FromStr for Normalization {
    type Err = String;

    /// A name, or `MEANS/DEVIATIONS` with a number for each channel: `0.5,0.5,0.5/0.25,0.25,0.25`.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((_, mean, deviation)) = NORMALIZATIONS.iter().find(|(name, ..)| *name == text) {
            return Ok(Self { mean: mean.to_vec(), deviation: deviation.to_vec() });
        }
        let names = || NORMALIZATIONS.map(|(name, ..)| name).join(" or ");
        let Some((mean, deviation)) = text.split_once('/') else {
            return Err(format!("write {} or MEANS/DEVIATIONS, e.g. 0.5,0.5,0.5/0.25,0.25,0.25", names()));
        };
        let numbers = |list: &str| -> Result<Vec<f32>, String> {
            let number = |part: &str| part.trim().parse().map_err(|_| format!("`{}` is not a number", part.trim()));
            list.split(',').map(number).collect()
        };
        Ok(Self { mean: numbers(mean)?, deviation: numbers(deviation)? })
    }
}

/// What a model has around the network itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interface {
    pub input: InputForm,
    /// In an fp16 model, floats at input and output too are float16 instead of float32.
    pub half: bool,
    /// Applied to the image inside the model.
    pub normalization: Option<Normalization>,
    pub normalize_as: NormalizeAs,
    /// Ends in class probabilities instead of logits.
    pub softmax: bool,
    /// Name of each class, in the order of the output; goes into the metadata.
    pub labels: Vec<String>,
}

impl Interface {
    /// # Errors
    /// When the normalisation does not fit an image of `channels`, or there is not one label for
    /// each class.
    pub(super) fn check(&self, channels: u32, classes: u32) -> Result<(), OnnxError> {
        if let Some(normalization) = &self.normalization {
            normalization.check(channels)?;
        }
        if !self.labels.is_empty() && self.labels.len() != classes as usize {
            return Err(OnnxError::Labels { labels: self.labels.len(), classes });
        }
        Ok(())
    }

    /// What is not the default, for the metadata of a model.
    pub(super) fn metadata(&self) -> Vec<(String, String)> {
        let mut metadata = Vec::new();
        let mut add = |key: &str, value: String| metadata.push((key.to_owned(), value));
        if self.input != InputForm::default() {
            add("input", self.input.to_string());
        }
        if let Some(normalization) = &self.normalization {
            // Not through a `Value`, which would show more digits than float32 has.
            add("normalization", serde_json::to_string(normalization).unwrap_or_default());
        }
        if !self.labels.is_empty() {
            add("labels", serde_json::json!(self.labels).to_string());
        }
        metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalizations_by_name_and_by_numbers() {
        let imagenet: Normalization = "imagenet".parse().unwrap();
        assert_eq!("0.485,0.456,0.406/0.229,0.224,0.225".parse(), Ok(imagenet.clone()));
        assert!(imagenet.check(3).is_ok());
        assert_eq!("0.5/0.25".parse(), Ok(Normalization { mean: vec![0.5], deviation: vec![0.25] }));
        for (text, part) in [("coco", "imagenet or cifar"), ("0.5,x/1,1", "`x`"), ("0.5", "MEANS/DEVIATIONS")] {
            let error = text.parse::<Normalization>().unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        for (text, part) in [
            ("0.5/0.25", "1 means"),
            ("0,0,0/1,0,1", "0 is not positive"),
            ("inf,0,0/1,1,1", "inf"),
            ("0,0,0/1,NaN,1", "NaN"),
        ] {
            let error = text.parse::<Normalization>().unwrap().check(3).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_label_for_each_class() {
        let interface = Interface { labels: vec!["cat".into(), "dog".into()], ..Interface::default() };
        assert!(interface.check(3, 2).is_ok());
        assert!(interface.check(3, 10).unwrap_err().to_string().contains("2 labels for 10 classes"));
        assert_eq!(interface.metadata(), [("labels".to_owned(), r#"["cat","dog"]"#.to_owned())]);
    }
}
