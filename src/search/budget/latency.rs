//! Latency on one setting: as predicted, or what it stays below with a given probability.

use std::sync::Arc;

use super::{AdditiveBudget, BudgetFlag, BudgetKind, BudgetUse, DependsOn, Quantity, Stage, Sum};
use crate::latency::{PredictScratch, Predictor, Setting, UNIT};
use crate::net::{Graph, Network};
use crate::units;

pub(super) static KIND: BudgetKind = BudgetKind {
    name: "latency_ms",
    unit: UNIT,
    stage: Stage::Table,
    flags: &[
        BudgetFlag {
            alias: Some("max-latency-ms"),
            ..BudgetFlag::new(
                "latency-ms",
                "MS[@SETTING]",
                "Budget of latency: time of one inference call with the whole batch, in milliseconds or as 0.5s, on \
                 the device of --device or as in 5@t4 or 5@t4/tensorrt/fp16/b1; may be given for several devices",
                units::milliseconds,
            )
        },
        BudgetFlag {
            images: Some(64),
            ..BudgetFlag::new(
                "ms-per-image",
                "MS[@SETTING]",
                "Budget of latency as papers give it: milliseconds per image, at batch 64 unless --batch-size or the \
                 setting says otherwise",
                units::milliseconds,
            )
        },
    ],
    depends_on: DependsOn::Setting,
    has_default: false,
    quantity: |spec, circumstances| {
        let predictor = circumstances.predictor(spec)?.clone();
        Ok(Box::new(Latency::with_confidence(predictor, circumstances.confidence)))
    },
};

/// Milliseconds of one inference call, whole batch, on the predictor's setting.
pub struct Latency {
    predictor: Arc<Predictor>,
    upper: Option<Upper>,
}

/// The one-sided quantile that is compared with a limit, see [`Predictor::upper_factor`].
struct Upper {
    confidence: f64,
    /// From the prediction to the quantile, at least.
    least_factor: f64,
    is_constant: bool,
}

impl Latency {
    /// As predicted.
    pub fn new(predictor: Arc<Predictor>) -> Self {
        Self { predictor, upper: None }
    }

    /// What the latency stays below with that probability; as predicted where the table has no calibrated interval.
    pub fn with_confidence(predictor: Arc<Predictor>, confidence: Option<f64>) -> Self {
        let upper = confidence.and_then(|confidence| {
            let least_factor = predictor.least_upper_factor(confidence)?;
            Some(Upper { confidence, least_factor, is_constant: predictor.has_constant_spread() })
        });
        Self { predictor, upper }
    }

    pub fn predictor(&self) -> &Arc<Predictor> {
        &self.predictor
    }

    /// The probability with which latencies are below what is compared; none where predictions are compared.
    pub fn confidence(&self) -> Option<f64> {
        self.upper.as_ref().map(|upper| upper.confidence)
    }

    /// The largest prediction that can be within a limit; where operators are known less well, a smaller one is over it
    /// already.
    pub fn largest_prediction_ms(&self, limit_ms: f64) -> f64 {
        limit_ms / self.upper.as_ref().map_or(1.0, |upper| upper.least_factor)
    }

    /// From the prediction for a network to what is compared.
    fn factor(&self, graph: &Graph, scratch: &mut PredictScratch) -> f64 {
        match &self.upper {
            None => 1.0,
            Some(Upper { least_factor, is_constant: true, .. }) => *least_factor,
            Some(Upper { confidence, least_factor, .. }) => {
                self.predictor.upper_factor(graph, *confidence, scratch).unwrap_or(*least_factor)
            }
        }
    }
}

impl Quantity for Latency {
    fn kind(&self) -> &'static BudgetKind {
        &KIND
    }

    fn format(&self, value: f64) -> String {
        if value < 1.0 { format!("{value:.4} ms") } else { format!("{value:.2} ms") }
    }

    fn setting(&self) -> Option<&Setting> {
        Some(self.predictor.setting())
    }

    fn measure(&self, _: &Network, graph: &Graph, scratch: &mut PredictScratch) -> f64 {
        self.predictor.predict_ms(graph, scratch) * self.factor(graph, scratch)
    }

    /// Most candidates are over by their prediction alone, and how well their operators are known need not be asked.
    fn is_over(&self, _: &Network, graph: &Graph, limit: f64, scratch: &mut PredictScratch) -> bool {
        let ms = self.predictor.predict_ms(graph, scratch);
        ms > self.largest_prediction_ms(limit) || ms * self.factor(graph, scratch) > limit
    }

    fn budget_use(&self, _: &Network, graph: &Graph, limit: f64, scratch: &mut PredictScratch) -> BudgetUse {
        let prediction = self.predictor.predict(graph);
        let value = prediction.ms * self.factor(graph, scratch);
        let setting = self.predictor.setting().id();
        let (predicted, compared, most) = (self.format(prediction.ms), self.format(value), self.format(limit));
        let confidence = self.confidence();
        let text = match confidence {
            None => format!("{predicted} per call predicted, of at most {most} on {setting}"),
            Some(confidence) => {
                let percent = (confidence * 1e6).round() / 1e4;
                let holds = match prediction.interval {
                    Some(_) => "",
                    None => " if the table's errors held for networks like this one, which they may not",
                };
                format!(
                    "{predicted} per call predicted, {compared} with {percent}% confidence{holds}, of at most {most} \
                     on {setting}"
                )
            }
        };
        BudgetUse {
            name: KIND.name.to_owned(),
            value,
            limit,
            unit: KIND.unit.to_owned(),
            setting: Some(setting),
            predicted_ms: confidence.map(|_| prediction.ms),
            confidence,
            text,
        }
    }

    fn as_latency(&self) -> Option<&Latency> {
        Some(self)
    }

    fn additive(&self, limit: f64) -> Option<AdditiveBudget> {
        let predictor = self.predictor.clone();
        let limit = predictor.largest_sum_ms(self.largest_prediction_ms(limit));
        Some(AdditiveBudget { sum: Sum::Fused(Box::new(move |key| predictor.weighted_ms(key))), limit })
    }
}
