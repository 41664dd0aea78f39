//! What a user asked of a search, as it stands in `config.toml`: everything needed to repeat it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::budget::{ActivationMemory, Budget, Flops, Latency, Layers, Parameters};
use super::{SearchConfig, SearchError};
use crate::latency::{Predictor, Setting, Store};
use crate::net::{LowerOptions, Network};
use crate::score::{self, Sampling, Until};
use crate::space::{Draw, Space};

/// Version of the run directory's layout; raised when older readers would misunderstand it.
pub const RUN_FORMAT: u32 = 1;

/// A search by names and numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSpec {
    /// [`RUN_FORMAT`].
    pub format: u32,
    /// Version of the program that started the run.
    pub version: String,
    pub space: String,
    pub initial: String,
    pub resolution: u32,
    pub classes: u32,
    pub squeeze_excite: bool,
    pub proxy: String,
    pub draw: Draw,
    pub seed: u64,
    pub iterations: u64,
    pub population: usize,
    /// Setting of the latency budget and of the reported latency.
    pub setting: Option<String>,
    pub budgets: Limits,
}

/// Upper limits; what is absent is not limited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub layers: Option<u32>,
    pub parameters: Option<f64>,
    /// Multiply-adds for one image.
    pub flops: Option<f64>,
    /// Peak float32 activations of one image.
    pub activation_bytes: Option<f64>,
    /// One inference call with the setting's batch.
    pub latency_ms: Option<f64>,
}

impl RunSpec {
    /// The predictor for the setting, if the search names one.
    ///
    /// # Errors
    /// When the text is not a setting, or the setting has no table.
    pub fn predictor(&self, store: &Store) -> Result<Option<Arc<Predictor>>, SearchError> {
        let setting: Option<Setting> = self.setting.as_deref().map(str::parse).transpose()?;
        Ok(setting.map(|setting| Predictor::new(store, &setting)).transpose()?.map(Arc::new))
    }

    /// Resolves names to what the search runs on; `predictor` is [`RunSpec::predictor`]'s.
    ///
    /// # Errors
    /// For unknown names, a malformed initial structure, or a latency budget without a setting.
    pub fn to_config(&self, predictor: Option<&Arc<Predictor>>, threads: usize) -> Result<SearchConfig, SearchError> {
        if self.format != RUN_FORMAT {
            return Err(SearchError::Format { found: self.format, known: RUN_FORMAT });
        }
        let limits = &self.budgets;
        let mut budgets = Vec::new();
        budgets.extend(limits.layers.map(|limit| Budget::new(Layers, limit as f64)));
        budgets.extend(limits.parameters.map(|limit| Budget::new(Parameters, limit)));
        budgets.extend(limits.flops.map(|limit| Budget::new(Flops, limit)));
        budgets.extend(limits.activation_bytes.map(|limit| Budget::new(ActivationMemory, limit)));
        if let Some(limit) = limits.latency_ms {
            let predictor = predictor.ok_or(SearchError::NoSetting)?;
            budgets.push(Budget::new(Latency::new(predictor.clone()), limit));
        }
        Ok(SearchConfig {
            space: Space::find(&self.space)?,
            initial: Network::parse(&self.initial)?,
            lower: self.lower_options(),
            proxy: score::find(&self.proxy)?,
            sampling: Sampling { seed: self.seed, until: Some(Until::Draws(1)), ..Sampling::default() },
            budgets,
            population_size: self.population,
            iterations: self.iterations,
            draw: self.draw,
            seed: self.seed,
            threads,
        })
    }

    /// How networks of this search are lowered.
    pub fn lower_options(&self) -> LowerOptions {
        LowerOptions { squeeze_excite: self.squeeze_excite, ..LowerOptions::new(self.resolution, self.classes) }
    }
}
