//! Budgets as they stand in `config.toml`, and what becomes of them.
//!
//! ```toml
//! [[budget]]
//! kind = "latency_ms"
//! limit = 5.0
//! setting = "t4/tensorrt/fp16/b1"
//! ```
//!
//! Earlier versions wrote one table, `[budgets]`, with a key for each kind; it still reads.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor, value};
use serde::{Deserialize as DeserializeDerive, Serialize};

use super::{BUDGETS, Budget, BudgetKind};
use crate::latency::{LatencyError, Precision, Predictor};
use crate::search::SearchError;

/// A limit by names and numbers.
#[derive(Clone, Debug, PartialEq, Serialize, DeserializeDerive)]
#[serde(deny_unknown_fields)]
pub struct BudgetSpec {
    /// Name of a [`BudgetKind`].
    pub kind: String,
    pub limit: f64,
    /// Id of the setting of a latency; the search's own if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setting: Option<String>,
    /// Precision of weights; fp32 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
}

/// What budgets of a search share.
#[derive(Clone, Copy)]
pub struct Circumstances<'s> {
    /// One for each setting of the search.
    pub predictors: &'s [Arc<Predictor>],
    /// Id of the search's own setting.
    pub setting: Option<&'s str>,
    /// Probability with which a latency is within its limit; as predicted if absent.
    pub confidence: Option<f64>,
}

impl Circumstances<'_> {
    /// The predictor of a latency budget.
    ///
    /// # Errors
    /// When neither the budget nor the search names a setting, or it has no predictor.
    pub fn predictor(&self, spec: &BudgetSpec) -> Result<&Arc<Predictor>, SearchError> {
        let setting = spec.setting.as_deref().or(self.setting).ok_or(SearchError::NoSetting)?;
        let found = self.predictors.iter().find(|predictor| predictor.setting().id() == setting);
        found.ok_or_else(|| SearchError::NoPredictor { setting: setting.to_owned() })
    }
}

impl BudgetSpec {
    /// A limit that depends on nothing.
    pub fn new(kind: &str, limit: f64) -> Self {
        Self { kind: kind.to_owned(), limit, setting: None, precision: None }
    }

    /// The precision that is named, if one is.
    ///
    /// # Errors
    /// When there is no such precision.
    pub fn precision(&self) -> Result<Option<Precision>, SearchError> {
        let parsed = self.precision.as_ref().map(|name| name.parse().map_err(|reason| (name, reason)));
        let bad = |(name, reason): (&String, String)| LatencyError::BadSetting { text: name.clone(), reason };
        Ok(parsed.transpose().map_err(bad)?)
    }

    /// What the search checks.
    ///
    /// # Errors
    /// For an unknown kind or precision, and a latency without a predictor.
    pub fn to_budget(&self, circumstances: &Circumstances<'_>) -> Result<Budget, SearchError> {
        let quantity = (BudgetKind::find(&self.kind)?.quantity)(self, circumstances)?;
        Ok(Budget { quantity, limit: self.limit })
    }
}

/// Reads budgets, also as earlier versions wrote them; those come in the order of [`BUDGETS`], as they did then.
pub(in crate::search) fn one_or_old<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<BudgetSpec>, D::Error> {
    struct Either;

    impl<'de> Visitor<'de> for Either {
        type Value = Vec<BudgetSpec>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("tables [[budget]]")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(value::SeqAccessDeserializer::new(seq))
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            let limits: BTreeMap<String, f64> = BTreeMap::deserialize(value::MapAccessDeserializer::new(map))?;
            for name in limits.keys() {
                BudgetKind::find(name).map_err(A::Error::custom)?;
            }
            let of_kind = |kind: &&BudgetKind| Some(BudgetSpec::new(kind.name, *limits.get(kind.name)?));
            Ok(BUDGETS.iter().filter_map(of_kind).collect())
        }
    }

    deserializer.deserialize_any(Either)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::{PredictScratch, Store, TableChoice};
    use crate::net::{LowerOptions, Network};

    #[derive(Debug, DeserializeDerive)]
    struct File {
        #[serde(deserialize_with = "one_or_old", alias = "budgets")]
        budget: Vec<BudgetSpec>,
    }

    fn read(text: &str) -> Result<Vec<BudgetSpec>, String> {
        toml::from_str::<File>(text).map(|file| file.budget).map_err(|error| error.to_string())
    }

    #[test]
    fn new_and_old_files_read() {
        let new = read("[[budget]]\nkind = \"latency_ms\"\nlimit = 5.0\nsetting = \"t4/tensorrt/fp16/b1\"\n").unwrap();
        let setting = Some("t4/tensorrt/fp16/b1".to_owned());
        assert_eq!(new, [BudgetSpec { setting, ..BudgetSpec::new("latency_ms", 5.0) }]);
        let old = read("[budgets]\nlatency_ms = 5.0\nflops = 4e8\nlayers = 30\n").unwrap();
        assert_eq!(old, [("layers", 30.0), ("flops", 4e8), ("latency_ms", 5.0)].map(|(k, l)| BudgetSpec::new(k, l)));
        assert!(read("[budgets]\nlatency = 5.0\n").unwrap_err().contains("did you mean latency_ms?"));
        assert!(read("[[budget]]\nkind = \"flops\"\nlimits = 5.0\n").unwrap_err().contains("limits"));
        assert!(read("budget = 3").unwrap_err().contains("[[budget]]"));
    }

    /// A predictor of a built-in table.
    fn predictor(setting: &str) -> Arc<Predictor> {
        let store = Store::in_memory().unwrap();
        let table = store.require_table(&setting.parse().unwrap(), &TableChoice::Best).unwrap();
        Arc::new(Predictor::from_table(&table).unwrap())
    }

    #[test]
    fn every_kind_is_measured_and_printed() {
        let predictors = [predictor("t4/tensorrt/fp16/b1")];
        let circumstances =
            Circumstances { predictors: &predictors, setting: Some("t4/tensorrt/fp16/b1"), confidence: Some(0.9) };
        let network: Network = "SuperConvK3BNRELU(3,32,2,1)SuperResK3K3(32,64,2,64,2)SuperResK3K3(64,128,2,64,2)\
                                SuperConvK1BNRELU(128,512,1,1)"
            .parse()
            .unwrap();
        let graph = network.lower(&LowerOptions::new(224, 1000)).unwrap();
        let mut scratch = PredictScratch::default();
        for kind in BUDGETS {
            let spec = BudgetSpec { precision: Some("fp16".to_owned()), ..BudgetSpec::new(kind.name, 1e7) };
            let budget = spec.to_budget(&circumstances).unwrap();
            let quantity = &*budget.quantity;
            assert_eq!(quantity.kind().name, kind.name);
            let value = quantity.measure(&network, &graph, &mut scratch);
            let used = quantity.budget_use(&network, &graph, budget.limit, &mut scratch);
            assert!(value > 0.0 && (used.value - value).abs() <= 1e-12 * value, "{used:?}");
            assert_eq!((used.name.as_str(), used.unit.as_str()), (kind.name, kind.unit));
            assert!(used.text.contains(" of at most "), "{}", used.text);
            for limit in [value * 0.999, value * 1.001] {
                assert_eq!(quantity.is_over(&network, &graph, limit, &mut scratch), value > limit, "{}", kind.name);
            }
        }
        let cost = graph.cost();
        let size = BudgetSpec { precision: Some("int8".to_owned()), ..BudgetSpec::new("weight_bytes", 1.0) };
        let bytes = |spec: &BudgetSpec| {
            spec.to_budget(&circumstances).unwrap().quantity.measure(&network, &graph, &mut PredictScratch::default())
        };
        assert_eq!(bytes(&size), cost.parameters as f64);
        assert_eq!(bytes(&BudgetSpec { precision: None, ..size.clone() }), 4.0 * cost.parameters as f64);
        let bad = BudgetSpec { precision: Some("fp8".to_owned()), ..size };
        assert!(bad.to_budget(&circumstances).err().unwrap().to_string().contains("fp8"));
    }

    #[test]
    fn latencies_are_compared_with_confidence_where_it_is_known() {
        let tables = ["t4/tensorrt/fp16/b1", "cpu-amd-epyc/tract/fp32/b1/t1", "t4/tensorrt/int8/b1"];
        let predictors = tables.map(predictor);
        let network: Network =
            "SuperConvK3BNRELU(3,32,2,1)SuperResK3K3(32,64,2,64,2)SuperConvK1BNRELU(64,512,1,1)".parse().unwrap();
        let graph = network.lower(&LowerOptions::new(224, 1000)).unwrap();
        let mut scratch = PredictScratch::default();
        for (setting, predictor) in tables.iter().zip(&predictors) {
            let latency = |confidence| {
                let circumstances = Circumstances { predictors: &predictors, setting: None, confidence };
                let spec = BudgetSpec { setting: Some((*setting).to_owned()), ..BudgetSpec::new("latency_ms", 10.0) };
                spec.to_budget(&circumstances).unwrap().quantity
            };
            let ms = latency(None).measure(&network, &graph, &mut scratch);
            let upper_ms = latency(Some(0.9)).measure(&network, &graph, &mut scratch);
            assert_eq!(upper_ms > ms, predictor.has_interval(), "{setting}");
            let used = latency(Some(0.9)).budget_use(&network, &graph, 10.0, &mut scratch);
            assert_eq!(used.text.contains("with 90% confidence"), predictor.has_interval(), "{}", used.text);
            assert!(used.text.ends_with(&format!("of at most 10.00 ms on {setting}")), "{}", used.text);
            assert_eq!(used.predicted_ms, predictor.has_interval().then_some(ms));
            // What can be within a limit at all is found by predictions alone.
            let latency = super::super::Latency::with_confidence(predictor.clone(), Some(0.9));
            assert!(latency.largest_prediction_ms(upper_ms) >= ms * (1.0 - 1e-12), "{setting}");
        }
        let nowhere = Circumstances { predictors: &predictors, setting: None, confidence: None };
        let without = BudgetSpec::new("latency_ms", 5.0).to_budget(&nowhere).err().unwrap().to_string();
        assert!(without.contains("--device"), "{without}");
    }
}
