//! The latency tables of a search: one for each setting, chosen, tried and told.

use std::sync::Arc;

use zen_nas::cli::{Trial, json::TableJson};
use zen_nas::latency::{ChosenTable, Predictor, SettingChoice, SpotChecks, Store, require_choice};
use zen_nas::report::Quality;
use zen_nas::search::RunSpec;
use zen_nas::search::repeat::UsedTable;

use super::args::Args;

/// What latencies are predicted by, in the order of [`RunSpec::settings`].
#[derive(Default)]
pub struct Tables {
    pub predictors: Vec<Arc<Predictor>>,
    pub qualities: Vec<Quality>,
    used: Vec<UsedTable>,
}

impl Tables {
    /// Of the settings that the search names. A resumed run predicts as it did: what was found then on this machine
    /// counts, and nothing is tried again.
    pub fn choose(args: &Args, store: &Store, spec: &mut RunSpec, resumed: bool) -> anyhow::Result<Self> {
        let settings = spec.settings()?;
        if settings.is_empty() {
            return Ok(Self::default());
        }
        let tables = if resumed {
            Self::of_run(store, spec)?
        } else {
            let (choice, initial) = (spec.table_choice()?, spec.initial_graph()?);
            let trial = Trial::new(&args.database, &args.output, args.check);
            let mut tables = Self::default();
            for setting in &settings {
                let chosen = trial.choose(store, setting, &choice, &[&initial])?;
                spec.spot_checks.extend(chosen.decision.used.spot_check.clone());
                tables.add(&chosen)?;
            }
            tables
        };
        spec.used_tables.clone_from(&tables.used);
        tables.tell(args, spec);
        Ok(tables)
    }

    /// Those of a run by what was found on this machine when it began; nothing is tried again.
    pub fn of_run(store: &Store, spec: &RunSpec) -> anyhow::Result<Self> {
        let (choice, initial) = (spec.table_choice()?, spec.initial_graph()?);
        let mut tables = Self::default();
        for setting in &spec.settings()? {
            let checks = spec.spot_check(setting).map_or(SpotChecks::Ignore, SpotChecks::With);
            tables.add(&require_choice(store, setting, &choice, &[&initial], checks)?)?;
        }
        Ok(tables)
    }

    fn add(&mut self, chosen: &ChosenTable) -> anyhow::Result<()> {
        self.predictors.push(Arc::new(Predictor::from_table(&chosen.table)?));
        self.qualities.push(Quality::of(chosen));
        self.used.push(UsedTable::of(chosen));
        Ok(())
    }

    /// Which table each setting has and why, and why the setting was chosen where it was.
    pub fn json<'t>(&'t self, choices: &'t [SettingChoice]) -> Vec<TableJson<'t>> {
        let of_setting = |(predictor, quality): (&'t Arc<Predictor>, &'t Quality)| {
            let setting = predictor.setting();
            TableJson {
                setting,
                table: &quality.table,
                table_choice: &quality.decision,
                setting_choice: choices.iter().find(|choice| choice.setting == *setting),
            }
        };
        self.predictors.iter().zip(&self.qualities).map(of_setting).collect()
    }

    fn tell(&self, args: &Args, spec: &RunSpec) {
        for (predictor, quality) in self.predictors.iter().zip(&self.qualities) {
            let setting = predictor.setting();
            args.output.note(format!("latencies are predicted, ms per call on {setting}; table error {quality}"));
            for line in quality.lines() {
                args.output.note(format!("note: {setting}: {line}"));
            }
            let limited = spec.budgets.iter().any(|budget| budget.setting.as_deref() == Some(&setting.id()));
            if limited && spec.confidence.is_some() && !predictor.has_interval() {
                args.output.note(format!(
                    "note: {setting}: the table has no calibrated interval, so its budget is compared with the \
                     prediction itself"
                ));
            }
        }
    }
}
