//! What a user asked of a search, as it stands in `config.toml`: everything needed to repeat it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::budget::{ActivationMemory, Budget, Flops, Latency, Layers, Parameters};
use super::repeat::UsedTable;
use super::{FinalRound, SearchConfig, SearchError};
use crate::latency::{LatencyError, Predictor, Setting, SpotCheck, TableChoice};
use crate::net::{Graph, Header, LowerOptions, Network};
use crate::score::{self, Sampling, Until};
use crate::space::{Draw, Rails, Space};

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
    /// Draws for each child, by a proxy that draws.
    #[serde(default = "one_draw")]
    pub draws: u32,
    /// Networks that the final round scores precisely; a run that knows nothing of it ends without.
    #[serde(default)]
    pub finalists: usize,
    /// Standard error that the final round goes down to, in units of its score; the proxy's own if
    /// absent.
    pub standard_error: Option<f64>,
    /// Images of a draw; the proxy's own number if absent.
    pub score_batch_size: Option<u32>,
    /// Setting of the latency budget and of the reported latency.
    pub setting: Option<String>,
    /// `local`, `built-in` or `imported` where the setting's table was chosen; otherwise the best one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// What earlier versions wrote for `table = "built-in"`.
    #[serde(default, skip_serializing)]
    pub shipped_table: bool,
    pub budgets: Limits,
    /// What trying the table on the machine of the search showed, where it was tried: a resumed run predicts as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot_check: Option<SpotCheck>,
    /// The table that latencies were predicted from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_table: Option<UsedTable>,
}

fn one_draw() -> u32 {
    1
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
    /// Networks in the final round unless the user says otherwise.
    pub const DEFAULT_FINALISTS: usize = 16;

    /// Setting and kind of the latency table, if the search names one.
    ///
    /// # Errors
    /// When a text is no setting or no kind of table.
    pub fn table_choice(&self) -> Result<Option<(Setting, TableChoice)>, SearchError> {
        let Some(setting) = &self.setting else { return Ok(None) };
        let setting: Setting = setting.parse()?;
        let choice = match &self.table {
            Some(name) => name.parse().map_err(|reason| LatencyError::BadSetting { text: name.clone(), reason })?,
            None if self.shipped_table => TableChoice::BuiltIn,
            None => TableChoice::Best,
        };
        Ok(Some((setting, choice)))
    }

    /// The network that the search starts from: what it asks of a table.
    ///
    /// # Errors
    /// For a malformed initial structure, and one that does not fit the image.
    pub fn initial_graph(&self) -> Result<Graph, SearchError> {
        Ok(Network::parse(&self.initial)?.lower(&self.lower_options())?)
    }

    /// Resolves names to what the search runs on; `predictor` is made from the table of [`RunSpec::table_choice`].
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
            rails: Rails::default(),
            initial: Network::parse(&self.initial)?,
            lower: self.lower_options(),
            proxy: score::find(&self.proxy)?,
            sampling: Sampling {
                seed: self.seed,
                until: Some(Until::Draws(self.draws.max(1))),
                batch_size: self.batch_size(),
                threads: 1,
                ..Sampling::default()
            },
            budgets,
            population_size: self.population,
            iterations: self.iterations,
            draw: self.draw,
            seed: self.seed,
            threads,
        })
    }

    /// The final round of the search, if it has one; `config` is [`RunSpec::to_config`]'s.
    pub fn final_round(&self, config: &SearchConfig) -> Option<FinalRound> {
        FinalRound::of(config, self.finalists, self.standard_error.map(Until::StandardError), self.batch_size())
    }

    fn batch_size(&self) -> Option<usize> {
        self.score_batch_size.map(|images| images as usize)
    }

    /// How networks of this search are lowered.
    pub fn lower_options(&self) -> LowerOptions {
        LowerOptions { squeeze_excite: self.squeeze_excite, ..LowerOptions::new(self.resolution, self.classes) }
    }

    /// What the structures of this search are made for, as it stands above them in files.
    pub fn header(&self) -> Header {
        Header {
            setting: self.setting.clone(),
            table: self.table.clone().or_else(|| self.shipped_table.then(|| TableChoice::BuiltIn.to_string())),
            proxy: Some(self.proxy.clone()),
            ..Header::of(&self.lower_options())
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// As written before there was a final round.
    pub const OLD: &str = r#"
        format = 1
        version = "0.1.0"
        space = "xxbl"
        initial = "SuperConvK3BNRELU(3,8,1,1)"
        resolution = 32
        classes = 10
        squeeze_excite = false
        proxy = "zen-closed"
        draw = "uniform"
        seed = 0
        iterations = 100
        population = 8
        [budgets]
        parameters = 1e6
    "#;

    #[test]
    fn older_runs_open_and_end_as_they_would_have() {
        let spec: RunSpec = toml::from_str(OLD).unwrap();
        assert_eq!((spec.draws, spec.finalists, spec.standard_error, spec.score_batch_size), (1, 0, None, None));
        let config = spec.to_config(None, 1).unwrap();
        assert_eq!(config.sampling.until, Some(Until::Draws(1)));
        assert!(spec.final_round(&config).is_none());
        let written: RunSpec = toml::from_str(&toml::to_string(&spec).unwrap()).unwrap();
        assert_eq!(written, spec);
        assert!(toml::from_str::<RunSpec>(&OLD.replace("seed = 0", "seed = 0\nfinalist = 3")).is_err());
    }
}
