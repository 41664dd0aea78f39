//! Limits that a pipeline holds networks to: budgets, and an earlier result.
//!
//! `limits` makes budgets of options, `baseline` reads an earlier result, `verdict` is what came of both; `markdown` and
//! `junit` write it for a pull request and for a CI server. Not here: what a budget measures (`search::budget`).

mod baseline;
mod junit;
mod limits;
mod markdown;
mod verdict;

use std::path::PathBuf;

use clap::Args;

use super::budgets::BUDGET_GROUP;
use super::networks::InputError;
use super::number::{Confidence, confidence, percentage};
use super::options::OpenTable;
use super::setting::SettingArgs;
use crate::latency::{PredictScratch, SettingQuery};
use crate::net::{Graph, Network};
use crate::search::SearchError;
use crate::search::budget::{Flops, Latency, Parameters, Quantity};

pub use baseline::{Baseline, Key};
pub use junit::to_junit;
pub use limits::LimitArgs;
pub use markdown::to_markdown;
pub use verdict::{Check, CheckKind, Unmatched, Verdict};

/// Group of the options that make `zen-score` judge networks.
pub const GATE_GROUP: &str = "gates";

/// What networks are held to.
#[derive(Args, Clone)]
#[command(next_help_heading = "Limits to hold networks to (exit code 7 when one is broken)")]
pub struct GateArgs {
    #[command(flatten)]
    pub limits: LimitArgs,
    /// Probability, by the calibrated interval of its table, with which a network must meet a latency budget, from 0.5
    /// to 0.99; `none` compares the prediction itself
    #[arg(long, value_name = "P|none", default_value = "0.9", value_parser = confidence, requires = BUDGET_GROUP, allow_negative_numbers = true)]
    pub confidence: Confidence,
    /// Earlier result, written by --json: parameters, FLOPs and predicted latency of the same network on the same setting
    /// may not grow by more than --tolerance
    #[arg(long, value_name = "FILE", group = GATE_GROUP)]
    pub baseline: Option<PathBuf>,
    /// How much a figure may be above the baseline, as a percentage
    #[arg(long, value_name = "P%", default_value = "0%", value_parser = percentage, requires = "baseline", allow_negative_numbers = true)]
    pub tolerance: f64,
    /// Also write the result of every check to this file as JUnit XML, for CI servers
    #[arg(long, value_name = "FILE", requires = GATE_GROUP)]
    pub junit: Option<PathBuf>,
}

impl GateArgs {
    /// Whether anything is limited.
    pub fn are_given(&self) -> bool {
        self.baseline.is_some() || !self.limits.is_empty()
    }
}

/// The latency tables that one network is predicted from, and what each was asked for by.
pub struct Tables<'t> {
    pub opened: Vec<&'t OpenTable>,
    /// A query with its place among `opened`.
    pub answers: &'t [(SettingQuery, usize)],
    /// What limits without a setting are for.
    pub on_device: &'t [SettingQuery],
}

/// Holds networks to limits, one after another.
pub struct Judge<'j> {
    args: &'j GateArgs,
    setting: &'j SettingArgs,
    baseline: Option<Baseline>,
    verdict: Verdict,
    scratch: PredictScratch,
}

impl<'j> Judge<'j> {
    /// # Errors
    /// When the baseline cannot be read.
    pub fn new(args: &'j GateArgs, setting: &'j SettingArgs) -> Result<Self, InputError> {
        let baseline = args.baseline.as_deref().map(Baseline::read).transpose()?;
        Ok(Self { args, setting, baseline, verdict: Verdict::default(), scratch: PredictScratch::default() })
    }

    /// What the baseline knows a network by; all that will be judged, so that one that was renamed is told from one that
    /// is there beside it.
    pub fn expect(&mut self, keys: &[Key]) {
        if let Some(baseline) = &mut self.baseline {
            baseline.expect(keys);
        }
    }

    /// Holds one network to every limit; `network` is none for one from a file, which no budget on blocks is for.
    ///
    /// # Errors
    /// When there is no table for a limit.
    pub fn judge(
        &mut self,
        key: &Key,
        network: Option<&Network>,
        graph: &Graph,
        tables: &Tables<'_>,
    ) -> Result<(), SearchError> {
        let label = key.label();
        let predicted = |setting: Option<&str>| {
            let setting = setting?;
            let of = tables.opened.iter().find(|table| table.predictor.setting().id() == setting)?;
            Some(of.predictor.predict(graph))
        };
        let no_blocks = Network::from_chained(Vec::new());
        for budget in self.args.limits.budgets(self.setting, tables, self.args.confidence.0)? {
            let network = network.unwrap_or(&no_blocks);
            let used = budget.quantity.budget_use(network, graph, budget.limit, &mut self.scratch);
            let prediction = predicted(used.setting.as_deref());
            self.verdict.checks.push(Check::of_budget(&label, used, prediction.as_ref()));
        }
        let Some(baseline) = &mut self.baseline else { return Ok(()) };
        let Some(mut before) = baseline.take(key) else {
            self.verdict.new.push(Unmatched { network: label, setting: None });
            return Ok(());
        };
        let mut compare = |quantity: &dyn Quantity, now: f64, before: f64| {
            let prediction = predicted(quantity.setting().map(|setting| setting.id()).as_deref());
            let tolerance = self.args.tolerance;
            let check = Check::of_baseline(&label, quantity, [now, before], tolerance, prediction.as_ref());
            self.verdict.checks.push(check);
        };
        let (parameters, flops) = graph.parameters_and_flops();
        compare(&Parameters, parameters as f64, before.parameters);
        compare(&Flops, flops as f64, before.flops);
        for table in &tables.opened {
            let setting = table.predictor.setting();
            match before.take_latency(&setting.id()) {
                Some((ms, is_same_table)) => {
                    let quantity = Latency::new(table.predictor.clone());
                    let now = table.predictor.predict_ms(graph, &mut self.scratch);
                    compare(&quantity, now, ms);
                    if !is_same_table(&table.quality.table) {
                        self.verdict.other_tables.insert(setting.id());
                    }
                }
                None => self.verdict.new.push(Unmatched { network: label.clone(), setting: Some(setting.id()) }),
            }
        }
        let rest = before.settings();
        self.verdict.missing.extend(rest.map(|id| Unmatched { network: label.clone(), setting: Some(id) }));
        Ok(())
    }

    /// What came of it; `failed` are messages on what could not be judged.
    ///
    /// # Errors
    /// When the baseline has nothing in common with what was judged.
    pub fn finish(mut self, failed: Vec<String>) -> Result<Verdict, InputError> {
        self.verdict.failed = failed;
        if let Some(baseline) = self.baseline {
            if self.verdict.checks.iter().all(|check| check.kind != CheckKind::Baseline)
                && self.verdict.failed.is_empty()
            {
                return Err(baseline.has_nothing_in_common());
            }
            self.verdict.missing.extend(baseline.rest().map(|network| Unmatched { network, setting: None }));
        }
        Ok(self.verdict)
    }
}
