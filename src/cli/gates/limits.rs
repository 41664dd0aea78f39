//! Budgets as options of a program that looks at given networks: each holds on every device that it is for.

use clap::{ArgGroup, ArgMatches, Command};

use super::{GATE_GROUP, Tables};
use crate::cli::budgets::{Asked, asked_of, images, names_no_device, with_flags};
use crate::cli::setting::SettingArgs;
use crate::latency::{Precision, SettingQuery};
use crate::search::SearchError;
use crate::search::budget::{BUDGETS, Budget, BudgetSpec, Circumstances, DependsOn, Stage};

/// All limits that were given.
#[derive(Clone, Default)]
pub struct LimitArgs {
    asked: Vec<Asked>,
}

impl LimitArgs {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// Whether a latency is limited, and needs a table.
    pub fn need_tables(&self) -> bool {
        self.on_settings().next().is_some()
    }

    fn on_settings(&self) -> impl Iterator<Item = &Asked> {
        self.asked.iter().filter(|asked| asked.kind.depends_on == DependsOn::Setting)
    }

    /// Whether the limits can be for these inputs: `file` is one that holds an ONNX model.
    ///
    /// # Errors
    /// Says what to write, for the option parser.
    pub fn check(&self, file: Option<&str>) -> Result<(), String> {
        if let Some(Asked { flag, .. }) = self.asked.iter().find(|asked| asked.from.is_some()) {
            return Err(format!(
                "--{} is a range, which only a trade-off of zen-search has: give one limit",
                flag.name
            ));
        }
        match (self.asked.iter().find(|asked| asked.kind.stage == Stage::Network), file) {
            (Some(Asked { flag, .. }), Some(file)) => Err(format!(
                "--{} counts the blocks of structures, and {file} is an ONNX file: leave it out, or score them apart",
                flag.name
            )),
            _ => Ok(()),
        }
    }

    /// The settings to predict for: those of `on_device`, as its limits want them, and those that limits name.
    ///
    /// # Errors
    /// When a limit names no device and there is none.
    pub fn queries(&self, setting: &SettingArgs, on_device: &[SettingQuery]) -> Result<Vec<SettingQuery>, String> {
        let without = || self.on_settings().filter(|asked| asked.on.is_none());
        if let (Some(Asked { flag, limit, .. }), []) = (without().next(), on_device) {
            return Err(names_no_device(flag, limit.unwrap_or_default()));
        }
        let mut queries = if without().next().is_none() { on_device.to_vec() } else { Vec::new() };
        for query in self.on_settings().flat_map(|asked| queries_of(asked, setting, on_device)) {
            if !queries.contains(&query) {
                queries.push(query);
            }
        }
        Ok(queries)
    }

    /// The limits on a network that is predicted from these tables.
    ///
    /// # Errors
    /// When there is no table for one of them.
    pub(super) fn budgets(
        &self,
        setting: &SettingArgs,
        tables: &Tables<'_>,
        confidence: Option<f64>,
    ) -> Result<Vec<Budget>, SearchError> {
        let predictors: Vec<_> = tables.opened.iter().map(|table| table.predictor.clone()).collect();
        let circumstances = Circumstances { predictors: &predictors, setting: None, confidence };
        let mut budgets = Vec::new();
        for asked in &self.asked {
            let Some(limit) = asked.limit else { continue };
            let mut add = |spec: BudgetSpec| -> Result<(), SearchError> {
                budgets.push(spec.to_budget(&circumstances)?);
                Ok(())
            };
            let spec = BudgetSpec::new(asked.kind.name, limit);
            match asked.kind.depends_on {
                DependsOn::Nothing => add(spec)?,
                DependsOn::Precision => {
                    let of_table = predictors.first().map(|predictor| predictor.setting().precision);
                    let precision: Precision = setting.precision.or(of_table).unwrap_or_default();
                    add(BudgetSpec { precision: Some(precision.to_string()), ..spec })?;
                }
                DependsOn::Setting => {
                    for query in queries_of(asked, setting, tables.on_device) {
                        // A device without a table was told of before.
                        let Some((_, place)) = tables.answers.iter().find(|(known, _)| *known == query) else {
                            continue;
                        };
                        let Some(found) = predictors.get(*place).map(|predictor| predictor.setting()) else { continue };
                        let limit = limit * images(asked.flag, found);
                        add(BudgetSpec { setting: Some(found.id()), limit, ..spec.clone() })?;
                    }
                }
            }
        }
        Ok(budgets)
    }
}

/// The settings that a limit on a latency is for.
fn queries_of(asked: &Asked, setting: &SettingArgs, on_device: &[SettingQuery]) -> Vec<SettingQuery> {
    let mut queries = match &asked.on {
        Some(named) => vec![setting.query_on(named)],
        None => on_device.to_vec(),
    };
    queries.iter_mut().for_each(|query| query.preferred_batch_size = asked.flag.images);
    queries
}

impl clap::FromArgMatches for LimitArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self { asked: asked_of(matches) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for LimitArgs {
    fn augment_args(command: Command) -> Command {
        let flags = BUDGETS.iter().flat_map(|kind| kind.flags).map(|flag| flag.name);
        let gates = ArgGroup::new(GATE_GROUP).multiple(true).args(flags);
        with_flags(command, |_, flag| flag.help.to_owned()).group(gates)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
