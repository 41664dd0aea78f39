//! What a user asked of a search, as it stands in `config.toml`: everything needed to repeat it.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::budget::{BudgetSpec, Circumstances, one_or_old};
use super::front::FrontSpec;
use super::optimise::Optimiser;
use super::repeat::UsedTable;
use super::{FinalRound, SearchConfig, SearchError};
use crate::latency::{LatencyError, Precision, Predictor, Setting, SpotCheck, TableChoice};
use crate::net::{Graph, Header, LowerOptions, Network};
use crate::score::{self, Compute, Sampling, Until};
use crate::space::{Draw, Rails, Rules, Space, SpaceError};

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
    /// Name of the space.
    pub space: String,
    /// Text of the space's file where the space is not built in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space_file: Option<String>,
    pub initial: String,
    pub resolution: u32,
    pub classes: u32,
    pub squeeze_excite: bool,
    /// Whether networks have residual links.
    #[serde(default = "yes")]
    pub residual_links: bool,
    pub proxy: String,
    /// What looks for networks; a run that knows nothing of it evolves.
    #[serde(default = "evolution")]
    pub optimiser: Optimiser,
    /// Networks that really differ, the winner among them, that are looked for.
    #[serde(default = "one")]
    pub top: u32,
    pub draw: Draw,
    pub seed: u64,
    pub iterations: u64,
    pub population: usize,
    /// Draws for each candidate, by a proxy that draws.
    #[serde(default = "one_draw")]
    pub draws: u32,
    /// Networks that the final round scores precisely; a run that knows nothing of it ends without.
    #[serde(default)]
    pub finalists: usize,
    /// Time limit of the final round, in seconds of a nominal core: it makes the same draws on every machine.
    #[serde(default = "default_final_seconds")]
    pub final_seconds: f64,
    /// Standard error that the final round goes down to, in units of its score; the proxy's own if
    /// absent.
    pub standard_error: Option<f64>,
    /// Images of a draw; the proxy's own number if absent.
    pub score_batch_size: Option<u32>,
    /// Setting of the first reported latency, and of latency budgets that name none.
    pub setting: Option<String>,
    /// `local`, `built-in` or `imported` where the settings' tables were chosen; otherwise the best ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// What earlier versions wrote for `table = "built-in"`.
    #[serde(default, skip_serializing)]
    pub shipped_table: bool,
    /// The published mutation without rails: what a run does that knows of nothing else.
    #[serde(default = "yes")]
    pub published_rules: bool,
    /// Limits on shapes, unless the published rules hold.
    #[serde(default)]
    pub rails: Rails,
    /// Whether tables of other machines were used on this one without trying them.
    #[serde(default)]
    pub no_check: bool,
    /// Database of the latency tables where one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Probability with which a latency is within its budget, by the table's calibrated interval; if absent, the
    /// prediction itself is compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Minutes after which the search ends; what it has found by then depends on the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<f64>,
    /// Where exact scores are computed: `cpu` or `cuda:N`.
    #[serde(default = "on_cpu")]
    pub device_compute: String,
    /// Whether no ONNX file is written.
    #[serde(default)]
    pub no_onnx: bool,
    #[serde(default, rename = "budget", alias = "budgets", deserialize_with = "one_or_old")]
    pub budgets: Vec<BudgetSpec>,
    /// The trade-off that is searched for; one network if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub front: Option<FrontSpec>,
    /// What trying tables on the machine of the search showed, where they were tried: a resumed run predicts as before.
    #[serde(default, rename = "spot_check", deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub spot_checks: Vec<SpotCheck>,
    /// The tables that latencies were predicted from.
    #[serde(default, rename = "used_table", skip_serializing_if = "Vec::is_empty")]
    pub used_tables: Vec<UsedTable>,
}

fn one() -> u32 {
    1
}

fn evolution() -> Optimiser {
    Optimiser::Evolution
}

fn on_cpu() -> String {
    Compute::Cpu.to_string()
}

/// Several, or the one that earlier versions wrote.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SpotCheck>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        One(SpotCheck),
        Many(Vec<SpotCheck>),
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::One(check) => vec![check],
        Either::Many(checks) => checks,
    })
}

fn yes() -> bool {
    true
}

fn default_final_seconds() -> f64 {
    RunSpec::DEFAULT_FINAL_SECONDS
}

fn one_draw() -> u32 {
    1
}

impl RunSpec {
    /// Networks that really differ, unless the user says otherwise.
    pub const DEFAULT_TOP: u32 = 3;
    /// Networks in the final round unless the user says otherwise.
    pub const DEFAULT_FINALISTS: usize = 4;
    /// Its time limit unless the user says otherwise.
    pub const DEFAULT_FINAL_SECONDS: f64 = 4.0;

    /// Beyond, some dozens of networks that an interval was calibrated on say nothing.
    pub const MOST_CONFIDENCE: f64 = 0.99;

    /// Settings that latencies are predicted for: the search's own first, then those of budgets, each once.
    ///
    /// # Errors
    /// When a text is no setting.
    pub fn settings(&self) -> Result<Vec<Setting>, SearchError> {
        let mut settings: Vec<Setting> = Vec::new();
        for id in self.setting.iter().chain(self.budgets.iter().filter_map(|budget| budget.setting.as_ref())) {
            let setting = id.parse()?;
            if !settings.contains(&setting) {
                settings.push(setting);
            }
        }
        Ok(settings)
    }

    /// Kind of the latency tables.
    ///
    /// # Errors
    /// When a text is no kind of table.
    pub fn table_choice(&self) -> Result<TableChoice, SearchError> {
        match &self.table {
            Some(name) => {
                let bad = |reason| LatencyError::BadSetting { text: name.clone(), reason };
                Ok(name.parse().map_err(bad)?)
            }
            None if self.shipped_table => Ok(TableChoice::BuiltIn),
            None => Ok(TableChoice::Best),
        }
    }

    /// What trying the table of a setting showed, where it was tried.
    pub fn spot_check(&self, setting: &Setting) -> Option<&SpotCheck> {
        let id = setting.id();
        self.spot_checks.iter().find(|check| check.setting == id)
    }

    /// Time after which the search ends, if it has a limit.
    ///
    /// # Errors
    /// When it is no positive, finite number of minutes.
    pub fn time_limit(&self) -> Result<Option<Duration>, SearchError> {
        let limit = self.minutes.map(|minutes| match minutes > 0.0 {
            true => Duration::try_from_secs_f64(minutes * 60.0).map_err(|_| SearchError::Minutes(minutes)),
            false => Err(SearchError::Minutes(minutes)),
        });
        limit.transpose()
    }

    /// The text of `config.toml`.
    ///
    /// # Errors
    /// When it cannot be written as TOML, which would be a defect.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        let note = match self.minutes {
            Some(_) => "# A time limit: the same configuration finds other networks on a faster or slower machine.\n",
            None => "",
        };
        Ok(format!("{note}{}", toml::to_string(self)?))
    }

    /// The network that the search starts from: what it asks of a table.
    ///
    /// # Errors
    /// For a malformed initial structure, and one that does not fit the image.
    pub fn initial_graph(&self) -> Result<Graph, SearchError> {
        Ok(Network::parse(&self.initial)?.lower(&self.lower_options())?)
    }

    /// Resolves names to what the search runs on; `predictors` are made from the tables of [`RunSpec::settings`].
    ///
    /// # Errors
    /// For unknown names, a malformed initial structure, or a latency budget without a setting.
    pub fn to_config(&self, predictors: &[Arc<Predictor>], threads: usize) -> Result<SearchConfig, SearchError> {
        if self.format != RUN_FORMAT {
            return Err(SearchError::Format { found: self.format, known: RUN_FORMAT });
        }
        let confidence = self.confidence;
        if let Some(confidence) = confidence.filter(|share| !(0.5..=Self::MOST_CONFIDENCE).contains(share)) {
            return Err(SearchError::Confidence(confidence));
        }
        let space = self.space()?;
        let initial = Network::parse(&self.initial)?;
        space.check_initial(&initial)?;
        let circumstances = Circumstances { predictors, setting: self.setting.as_deref(), confidence };
        let budgets = self.budgets.iter().map(|budget| budget.to_budget(&circumstances));
        let budgets = budgets.collect::<Result<Vec<_>, _>>()?;
        Ok(SearchConfig {
            rules: match self.published_rules {
                true => Rules::published(&space),
                false => Rules::within(&space, &self.rails)?,
            },
            space,
            initial,
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

    /// The space of the search.
    ///
    /// # Errors
    /// When it is unknown, or the text of its file is malformed.
    pub fn space(&self) -> Result<Arc<Space>, SpaceError> {
        match &self.space_file {
            Some(text) => Space::parse(text, &format!("{} (space_file)", self.space)).map(Arc::new),
            None => Ok(Space::built_in(&self.space)?.clone()),
        }
    }

    /// The final round of the search, if it has one; `config` is [`RunSpec::to_config`]'s.
    pub fn final_round(&self, config: &SearchConfig) -> Option<FinalRound> {
        let until = self.standard_error.map(Until::StandardError);
        FinalRound::of(config, self.finalists, self.final_seconds, until, self.batch_size())
    }

    fn batch_size(&self) -> Option<usize> {
        self.score_batch_size.map(|images| images as usize)
    }

    /// Precision of the ONNX file: that of the setting; fp32 where there is none, and for int8, which is calibrated on
    /// images ([`crate::onnx`]).
    ///
    /// # Errors
    /// When the setting is malformed.
    pub fn file_precision(&self) -> Result<Precision, LatencyError> {
        let setting: Option<Setting> = self.setting.as_deref().map(str::parse).transpose()?;
        Ok(match setting.map(|setting| setting.precision) {
            Some(Precision::Fp16) => Precision::Fp16,
            _ => Precision::Fp32,
        })
    }

    /// How networks of this search are lowered.
    pub fn lower_options(&self) -> LowerOptions {
        let Self { resolution, classes, squeeze_excite, residual_links: residual, .. } = *self;
        LowerOptions { resolution, classes, squeeze_excite, residual }
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
pub(super) mod tests;
