//! The published networks and their published latencies: what the fitted tables were fitted on,
//! and how far predictions are from it.
//!
//! Nine are networks of the Zen-NAS publication with their structures, three are EfficientNets it
//! compares with, known here by their sums over operators. Not here: deriving those sums
//! (`derive`).

mod report;
mod shipped;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use zen_nas::latency::{LatencyError, Observation, Precision, Setting, TableError, error_of_pairs, non_negative};

use crate::features::Features;

pub use report::{report, update};

/// Network whose published row disagrees with every model by 20 to 30% on all three devices:
/// reported, not fitted.
pub const EXCLUDED: &str = "flops900M";

/// Embedded rows.
static TEXT: &str = include_str!("../../../../latency_tables/published.csv");

/// One published network.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedNetwork {
    pub name: String,
    /// None where structure strings cannot express it.
    pub structure: Option<String>,
    pub resolution: u32,
    pub squeeze_excite: bool,
    /// Published milliseconds per image, in the order of [`REGIMES`].
    pub published_ms: [f64; 3],
    /// Sums over its fused operators.
    pub(crate) features: Features,
    /// Predicted V100 int8 milliseconds per image at batch 64, everything but depthwise and gates.
    pub(crate) int8_conv_ms: f64,
    /// The same of depthwise convolutions.
    pub(crate) int8_depthwise_ms: f64,
}

/// One column of the publication with the features it is fitted on.
#[derive(Debug)]
pub struct Regime {
    pub name: &'static str,
    pub about: &'static str,
    setting: (&'static str, &'static str, Precision, u32),
    column: usize,
    pub(crate) features: fn(&PublishedNetwork) -> Vec<f64>,
}

/// The published regimes.
pub static REGIMES: [Regime; 3] = [
    Regime {
        name: "v100",
        about: "NVIDIA V100, framework eager fp16, batch 64",
        setting: ("v100", "published", Precision::Fp16, 64),
        column: 0,
        features: |network| {
            let Features { pointwise, spatial, depthwise, eager, .. } = network.features;
            vec![1e-9 * (pointwise + spatial), 1e-9 * depthwise, 1e-9 * eager]
        },
    },
    Regime {
        name: "t4",
        about: "NVIDIA T4, TensorRT int8, batch 64",
        setting: ("t4", "tensorrt", Precision::Int8, 64),
        column: 1,
        features: |network| vec![network.int8_conv_ms, network.int8_depthwise_ms, 1e-9 * network.features.gate],
    },
    Regime {
        name: "pixel2",
        about: "Google Pixel 2, batch 1",
        setting: ("pixel2", "published", Precision::Fp32, 1),
        column: 2,
        features: |network| {
            let Features { pointwise, spatial, activation, .. } = network.features;
            vec![1e-9 * (pointwise + spatial), 1e-9 * activation]
        },
    },
];

/// The alternative for the Pixel 2 that was not taken: its error is half, but it makes 1x1
/// convolutions nearly free (8.9 against 125 ms per 1e9 multiply-adds), which a search exploits.
pub static PIXEL2_SPLIT: Regime = Regime {
    name: "pixel2-split",
    about: "Google Pixel 2, batch 1, by kind of convolution",
    setting: ("pixel2", "published", Precision::Fp32, 1),
    column: 2,
    features: |network| {
        let Features { pointwise, spatial, depthwise, gate, .. } = network.features;
        vec![1e-9 * pointwise, 1e-9 * spatial, 1e-9 * depthwise, 1e-9 * gate]
    },
};

impl Regime {
    /// The setting whose table reproduces the column.
    pub fn setting(&self) -> Setting {
        let (device, runtime, precision, batch_size) = self.setting;
        Setting::new(device, runtime, precision, batch_size)
    }

    /// The setting whose operator times the T4's column is fitted on.
    pub(crate) fn based_on(&self) -> Setting {
        Setting { device: "v100".to_owned(), ..self.setting() }
    }

    /// Published milliseconds per image.
    pub fn published_ms(&self, network: &PublishedNetwork) -> f64 {
        network.published_ms[self.column]
    }

    /// Coefficients fitted on every network but [`EXCLUDED`].
    pub fn fit(&self, networks: &[PublishedNetwork]) -> Vec<f64> {
        non_negative(&self.observations(networks))
    }

    /// Milliseconds per image of each network, as predicted by the fit to all others; the excluded
    /// network by the fit to all that are fitted.
    pub fn left_out_ms(&self, networks: &[PublishedNetwork]) -> Vec<f64> {
        self.left_out_ms_with(networks, networks)
    }

    /// The same where predictions use the features of `predicted`, fits those of `networks`.
    fn left_out_ms_with(&self, networks: &[PublishedNetwork], predicted: &[PublishedNetwork]) -> Vec<f64> {
        let left_out = |(index, network): (usize, &PublishedNetwork)| {
            let others = networks.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, other)| other);
            let weights = non_negative(&self.observations(others));
            (self.features)(network).iter().zip(&weights).map(|(feature, weight)| feature * weight).sum()
        };
        predicted.iter().enumerate().map(left_out).collect()
    }

    /// Leave-one-out error over the fitted networks.
    pub fn error(&self, networks: &[PublishedNetwork]) -> Option<TableError> {
        self.error_with(networks, networks)
    }

    /// The same where predictions use the features of `predicted`, fits those of `networks`.
    pub(crate) fn error_with(
        &self,
        networks: &[PublishedNetwork],
        predicted: &[PublishedNetwork],
    ) -> Option<TableError> {
        let left_out = self.left_out_with(networks, predicted).into_iter();
        let pairs: Vec<_> = left_out.map(|(_, predicted, published)| (predicted, published)).collect();
        let method = format!("leave-one-out over {} published networks ({EXCLUDED} is not among them)", pairs.len());
        error_of_pairs(&pairs, &method)
    }

    /// Fitted networks as (0, predicted by the fit to the others, published milliseconds): a formula says
    /// nothing about single operators.
    pub(crate) fn left_out(&self, networks: &[PublishedNetwork]) -> Vec<(f64, f64, f64)> {
        self.left_out_with(networks, networks)
    }

    fn left_out_with(&self, networks: &[PublishedNetwork], predicted: &[PublishedNetwork]) -> Vec<(f64, f64, f64)> {
        networks
            .iter()
            .zip(self.left_out_ms_with(networks, predicted))
            .filter(|(network, _)| network.name != EXCLUDED)
            .map(|(network, predicted)| (0.0, predicted, self.published_ms(network)))
            .collect()
    }

    fn observations<'n>(&self, networks: impl IntoIterator<Item = &'n PublishedNetwork>) -> Vec<Observation> {
        networks
            .into_iter()
            .filter(|network| network.name != EXCLUDED)
            .map(|network| Observation { features: (self.features)(network), ms: self.published_ms(network) })
            .collect()
    }
}

/// The published networks, embedded.
///
/// # Errors
/// When the embedded text does not read.
pub fn networks() -> Result<&'static [PublishedNetwork], LatencyError> {
    static NETWORKS: LazyLock<Result<Vec<PublishedNetwork>, String>> = LazyLock::new(|| parse(TEXT));
    match &*NETWORKS {
        Ok(networks) => Ok(networks),
        Err(reason) => Err(LatencyError::Published { name: "published.csv".to_owned(), reason: reason.clone() }),
    }
}

/// Columns of the text form.
const COLUMNS: [&str; 15] = [
    "name",
    "structure",
    "resolution",
    "squeeze_excite",
    "v100_ms",
    "t4_ms",
    "pixel2_ms",
    "pointwise_macs",
    "spatial_macs",
    "depthwise_macs",
    "eager_elements",
    "gate_elements",
    "activation_elements",
    "v100_int8_conv_ms",
    "v100_int8_depthwise_ms",
];

fn parse(text: &str) -> Result<Vec<PublishedNetwork>, String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| error.to_string())?;
    if header != COLUMNS.as_slice() {
        return Err(format!("expected the columns {}", COLUMNS.join(",")));
    }
    let row = |record: csv::StringRecord| -> Result<PublishedNetwork, String> {
        let field = |name: &str| {
            let column = COLUMNS.iter().position(|column| *column == name);
            column.and_then(|column| record.get(column)).unwrap_or_default().to_owned()
        };
        let number = |name: &str| {
            field(name).parse::<f64>().map_err(|_| format!("`{name}` is `{}`, which is not a number", field(name)))
        };
        Ok(PublishedNetwork {
            name: field("name"),
            structure: Some(field("structure")).filter(|structure| !structure.is_empty()),
            resolution: number("resolution")? as u32,
            squeeze_excite: number("squeeze_excite")? != 0.0,
            published_ms: [number("v100_ms")?, number("t4_ms")?, number("pixel2_ms")?],
            features: Features {
                pointwise: number("pointwise_macs")?,
                spatial: number("spatial_macs")?,
                depthwise: number("depthwise_macs")?,
                eager: number("eager_elements")?,
                gate: number("gate_elements")?,
                activation: number("activation_elements")?,
            },
            int8_conv_ms: number("v100_int8_conv_ms")?,
            int8_depthwise_ms: number("v100_int8_depthwise_ms")?,
        })
    };
    reader.records().map(|record| row(record.map_err(|error| error.to_string())?)).collect()
}

/// The text form that [`networks`] embeds.
pub(crate) fn to_text(networks: &[PublishedNetwork]) -> String {
    let mut text = COLUMNS.join(",");
    text.push('\n');
    for network in networks {
        let Features { pointwise, spatial, depthwise, eager, gate, activation } = network.features;
        let [v100, t4, pixel2] = network.published_ms;
        let structure = network.structure.as_deref().unwrap_or_default();
        text.push_str(&format!(
            "{},\"{structure}\",{},{},{v100},{t4},{pixel2},{pointwise},{spatial},{depthwise},{eager},{gate},{activation},{},{}\n",
            network.name,
            network.resolution,
            u8::from(network.squeeze_excite),
            network.int8_conv_ms,
            network.int8_depthwise_ms,
        ));
    }
    text
}
