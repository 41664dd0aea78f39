//! The options that set budgets, made from the list of budgets, and the settings that their latencies are predicted for.
//!
//! Not here: what a budget measures (`search::budget`), which table a setting has (`trial`).

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};

use super::options::{OutputArgs, resolve_telling};
use super::setting::{HAS_PRECISION, ON_DEVICE, SettingArgs};
use crate::latency::{Setting, SettingChoice, SettingQuery, Store};
use crate::search::SearchError;
use crate::search::budget::{BUDGETS, BudgetFlag, BudgetKind, BudgetSpec, DependsOn};

/// A limit as a user gave it.
#[derive(Clone)]
struct Asked {
    kind: &'static BudgetKind,
    flag: &'static BudgetFlag,
    /// None for `none`.
    limit: Option<f64>,
    /// The setting behind the `@`, if there is one.
    on: Option<SettingQuery>,
}

/// All limits that were given, in the order of [`BUDGETS`].
#[derive(Clone, Default)]
pub struct BudgetArgs {
    asked: Vec<Asked>,
}

/// What budgets and setting options come to.
#[derive(Clone, Debug, Default)]
pub struct ResolvedBudgets {
    /// The setting of --device, or else the first of a budget.
    pub setting: Option<Setting>,
    /// Why settings were chosen, where a device has several that fit.
    pub choices: Vec<SettingChoice>,
    pub budgets: Vec<BudgetSpec>,
}

impl BudgetArgs {
    /// Whether there is a budget at all, and each has its device.
    ///
    /// # Errors
    /// Says what to add, for the option parser.
    pub fn check(&self, setting: &SettingArgs) -> Result<(), String> {
        if self.asked.iter().all(|asked| asked.limit.is_none()) {
            let flags: Vec<String> =
                BUDGETS.iter().flat_map(|kind| kind.flags).map(|flag| format!("--{}", flag.name)).collect();
            return Err(format!("give at least one budget: {}", flags.join(", ")));
        }
        let homeless = self.asked.iter().find(|asked| {
            asked.kind.depends_on == DependsOn::Setting && asked.on.is_none() && setting.table.device.is_none()
        });
        match homeless {
            Some(Asked { flag, limit, .. }) => {
                let (flag, limit) = (flag.name, limit.unwrap_or_default());
                Err(format!("--{flag} {limit} names no device: write --{flag} {limit}@t4, or add --device t4"))
            }
            None => Ok(()),
        }
    }

    /// Whether something was said of a kind of budget.
    pub fn names(&self, kind: &str) -> bool {
        self.asked.iter().any(|asked| asked.kind.name == kind)
    }

    /// Whether a kind of budget was limited.
    pub fn limits(&self, kind: &str) -> bool {
        self.asked.iter().any(|asked| asked.kind.name == kind && asked.limit.is_some())
    }

    /// The first latency budget as a part of a folder's name, e.g. `-5ms`.
    pub fn in_name(&self) -> String {
        let latency = self.asked.iter().find(|asked| asked.kind.depends_on == DependsOn::Setting);
        latency.map_or_else(String::new, |Asked { flag, limit, .. }| {
            let per_image = if flag.images.is_some() { "-per-image" } else { "" };
            format!("-{}ms{per_image}", limit.unwrap_or_default())
        })
    }

    /// Budgets with the settings that they are for; `defaults` hold where nothing was said of their kind. Says on stderr
    /// which settings were chosen for the user and why.
    ///
    /// # Errors
    /// When no table fits a device that is named, or a setting has two limits.
    pub fn resolve(
        &self,
        setting: &SettingArgs,
        defaults: &[BudgetSpec],
        store: &Store,
        output: &OutputArgs,
    ) -> anyhow::Result<ResolvedBudgets> {
        let mut resolver = Resolver { store, output, known: Vec::new(), choices: Vec::new() };
        let mut latencies: Vec<(Setting, &Asked, f64)> = Vec::new();
        // What is asked of --device first: its setting is the search's own.
        let mut asked: Vec<_> = self.asked.iter().filter(|asked| asked.kind.depends_on == DependsOn::Setting).collect();
        asked.sort_by_key(|asked| asked.on.is_some());
        if let (Some(query), true) = (setting.query(), asked.first().is_none_or(|asked| asked.on.is_some())) {
            resolver.find(query)?;
        }
        for asked in asked {
            let mut query = match &asked.on {
                Some(named) => setting.query_on(named),
                None => setting.query().ok_or(SearchError::NoSetting)?,
            };
            query.preferred_batch_size = asked.flag.images;
            let found = resolver.find(query)?;
            let images = if asked.flag.images.is_some() { f64::from(found.batch_size) } else { 1.0 };
            let limit = asked.limit.unwrap_or_default() * images;
            if let Some((_, _, first)) = latencies.iter().find(|(other, ..)| *other == found) {
                let (flag, setting, first) = (asked.flag.name, found.id(), *first);
                return Err(SearchError::TwoLimits { flag, setting, first, second: limit }.into());
            }
            latencies.push((found, asked, limit));
        }
        let own = resolver.known.first().map(|(_, setting)| setting.clone());
        let mut budgets = Vec::new();
        for kind in BUDGETS {
            let of_kind = latencies.iter().filter(|(_, asked, _)| std::ptr::eq(asked.kind, *kind));
            budgets.extend(of_kind.map(|(setting, _, limit)| BudgetSpec {
                setting: Some(setting.id()),
                ..BudgetSpec::new(kind.name, *limit)
            }));
            if kind.depends_on == DependsOn::Setting {
                continue;
            }
            let limit = match self.asked.iter().find(|asked| std::ptr::eq(asked.kind, *kind)) {
                Some(asked) => asked.limit,
                None => defaults.iter().find(|budget| budget.kind == kind.name).map(|budget| budget.limit),
            };
            let precision = setting.precision.or(own.as_ref().map(|own| own.precision)).unwrap_or_default();
            budgets.extend(limit.map(|limit| BudgetSpec {
                precision: (kind.depends_on == DependsOn::Precision).then(|| precision.to_string()),
                ..BudgetSpec::new(kind.name, limit)
            }));
        }
        Ok(ResolvedBudgets { setting: own, choices: resolver.choices, budgets })
    }
}

/// Settings of queries, each resolved and told once.
struct Resolver<'a> {
    store: &'a Store,
    output: &'a OutputArgs,
    known: Vec<(SettingQuery, Setting)>,
    choices: Vec<SettingChoice>,
}

impl Resolver<'_> {
    fn find(&mut self, query: SettingQuery) -> anyhow::Result<Setting> {
        if let Some((_, setting)) = self.known.iter().find(|(known, _)| *known == query) {
            return Ok(setting.clone());
        }
        let found = resolve_telling(self.store, &query, self.output)?;
        self.choices.extend(found.choice);
        self.known.push((query, found.setting.clone()));
        Ok(found.setting)
    }
}

/// Reads the value of a flag.
fn parse(kind: &'static BudgetKind, flag: &'static BudgetFlag, text: &str) -> Result<Asked, String> {
    if kind.has_default && text.trim() == "none" {
        return Ok(Asked { kind, flag, limit: None, on: None });
    }
    let (limit, on) = match text.split_once('@') {
        Some((limit, on)) if kind.depends_on == DependsOn::Setting => {
            (limit, Some(on.parse::<SettingQuery>().map_err(|error| error.to_string())?))
        }
        _ => (text, None),
    };
    let or_none = |reason| if kind.has_default { format!("{reason}, or `none`") } else { reason };
    Ok(Asked { kind, flag, limit: Some((flag.parse)(limit).map_err(or_none)?), on })
}

impl clap::FromArgMatches for BudgetArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let flags = BUDGETS.iter().flat_map(|kind| kind.flags);
        let asked = flags.filter_map(|flag| matches.get_many::<Asked>(flag.name)).flatten().cloned().collect();
        Ok(Self { asked })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for BudgetArgs {
    fn augment_args(command: Command) -> Command {
        // Options of a device go with --device and with a budget on one; a precision with a budget on weights, too.
        let groups = [ON_DEVICE, HAS_PRECISION].map(|name| ArgGroup::new(name).multiple(true));
        let mut command = command.groups(groups);
        // What is asked for most comes first in the help.
        for (kind, flag) in BUDGETS.iter().rev().flat_map(|kind| kind.flags.iter().map(move |flag| (*kind, flag))) {
            let arg = Arg::new(flag.name)
                .long(flag.name)
                .value_name(flag.value_name)
                .help(flag.help)
                .value_parser(move |text: &str| parse(kind, flag, text))
                .allow_hyphen_values(true)
                .conflicts_with("resume");
            command = command.arg(match kind.depends_on {
                DependsOn::Nothing => arg,
                DependsOn::Precision => arg.group(HAS_PRECISION),
                DependsOn::Setting => arg.groups([ON_DEVICE, HAS_PRECISION]).action(ArgAction::Append),
            });
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

#[cfg(test)]
mod tests;
