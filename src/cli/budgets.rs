//! The options that set budgets, made from the list of budgets, and the settings that their latencies are predicted for.
//!
//! Not here: what a budget measures (`search::budget`), which table a setting has (`trial`).

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};

use super::axes::{AxesArg, AxisArg};
use super::options::{OutputArgs, resolve_telling};
use super::setting::{HAS_PRECISION, ON_DEVICE, SettingArgs};
use crate::latency::{Setting, SettingChoice, SettingQuery, Store};
use crate::search::SearchError;
use crate::search::budget::{BUDGETS, BudgetFlag, BudgetKind, BudgetSpec, DependsOn};
use crate::search::front::AxisSpec;

/// Group of all flags that set a budget.
pub const BUDGET_GROUP: &str = "budgets";

/// A limit as a user gave it.
#[derive(Clone)]
pub(super) struct Asked {
    pub kind: &'static BudgetKind,
    pub flag: &'static BudgetFlag,
    /// None for `none`; infinite where it is left to the search.
    pub limit: Option<f64>,
    /// The lower end where it is a range.
    pub from: Option<f64>,
    /// The place of the trade-off's axis that it is for, if it is for one.
    axis: Option<usize>,
    /// The setting behind the `@`, if there is one.
    pub on: Option<SettingQuery>,
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
    /// The axes of the trade-off, if there is one.
    pub axes: Vec<AxisSpec>,
}

impl BudgetArgs {
    /// Whether there is a budget at all, and each has its device.
    ///
    /// # Errors
    /// Says what to add, for the option parser.
    pub fn check(&self, setting: &SettingArgs) -> Result<(), String> {
        if let Some(Asked { flag, .. }) = self.asked.iter().find(|asked| asked.from.is_some() && asked.axis.is_none()) {
            let flag = flag.name;
            return Err(format!(
                "--{flag} is a range, which only an axis of a trade-off has: name it in --pareto, or give --{flag} one limit"
            ));
        }
        if self.asked.iter().all(|asked| asked.limit.is_none()) {
            let flags: Vec<String> =
                BUDGETS.iter().flat_map(|kind| kind.flags).map(|flag| format!("--{}", flag.name)).collect();
            return Err(format!("give at least one budget: {}", flags.join(", ")));
        }
        let homeless = self.asked.iter().find(|asked| {
            asked.kind.depends_on == DependsOn::Setting && asked.on.is_none() && setting.table.device.is_none()
        });
        match homeless {
            Some(Asked { axis: Some(_), .. }) => {
                Err("the axis `latency` names no device: write it as latency:t4, or add --device t4".to_owned())
            }
            Some(Asked { flag, limit, .. }) => Err(names_no_device(flag, limit.unwrap_or_default())),
            None => Ok(()),
        }
    }

    /// The budgets with those of a trade-off's axes: limits that were given for an axis are the ends of its range.
    pub fn with_axes(&self, axes: &AxesArg) -> Self {
        let mut all = self.clone();
        let of_kind =
            |kind: &BudgetKind| axes.0.iter().filter(|axis| axis.kind.is_some_and(|k| std::ptr::eq(k, kind))).count();
        for (i, AxisArg { kind, on }) in axes.0.iter().enumerate() {
            let Some(kind) = *kind else { continue };
            let is_it = |asked: &&mut Asked| {
                std::ptr::eq(asked.kind, kind) && (asked.on == *on || asked.on.is_none() && of_kind(kind) == 1)
            };
            match all.asked.iter_mut().find(is_it) {
                Some(asked) => {
                    asked.axis = Some(i);
                    asked.on = asked.on.take().or_else(|| on.clone());
                    asked.limit = asked.limit.or(Some(f64::INFINITY));
                }
                None => {
                    let (flag, limit) = (&kind.flags[0], Some(f64::INFINITY));
                    all.asked.push(Asked { kind, flag, limit, from: None, axis: Some(i), on: on.clone() });
                }
            }
        }
        all
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
        latency.filter(|asked| asked.limit.is_none_or(f64::is_finite)).map_or_else(
            String::new,
            |Asked { flag, limit, .. }| {
                let per_image = if flag.images.is_some() { "-per-image" } else { "" };
                format!("-{}ms{per_image}", limit.unwrap_or_default())
            },
        )
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
            let limit = asked.limit.unwrap_or_default() * images(asked.flag, &found);
            if let Some((_, _, first)) = latencies.iter().find(|(other, ..)| *other == found) {
                let (flag, setting, first) = (asked.flag.name, found.id(), *first);
                return Err(SearchError::TwoLimits { flag, setting, first, second: limit }.into());
            }
            latencies.push((found, asked, limit));
        }
        let own = resolver.known.first().map(|(_, setting)| setting.clone());
        let mut budgets = Vec::new();
        let mut axes: Vec<(usize, AxisSpec)> = Vec::new();
        let mut keep_axis = |asked: &Asked, images: f64, setting: Option<&Setting>| {
            axes.extend(asked.axis.map(|axis| {
                let (kind, least) = (asked.kind.name.to_owned(), asked.from.map(|from| from * images));
                (axis, AxisSpec { kind, setting: setting.map(Setting::id), least })
            }));
        };
        for (setting, asked, _) in &latencies {
            keep_axis(asked, images(asked.flag, setting), Some(setting));
        }
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
                Some(asked) => {
                    keep_axis(asked, 1.0, None);
                    asked.limit
                }
                None => defaults.iter().find(|budget| budget.kind == kind.name).map(|budget| budget.limit),
            };
            let precision = setting.precision.or(own.as_ref().map(|own| own.precision)).unwrap_or_default();
            budgets.extend(limit.map(|limit| BudgetSpec {
                precision: (kind.depends_on == DependsOn::Precision).then(|| precision.to_string()),
                ..BudgetSpec::new(kind.name, limit)
            }));
        }
        axes.sort_by_key(|(axis, _)| *axis);
        let axes = axes.into_iter().map(|(_, axis)| axis).collect();
        Ok(ResolvedBudgets { setting: own, choices: resolver.choices, budgets, axes })
    }
}

pub(super) fn names_no_device(flag: &BudgetFlag, limit: f64) -> String {
    let flag = flag.name;
    format!("--{flag} {limit} names no device: write --{flag} {limit}@t4, or add --device t4")
}

/// Images that a limit of that flag is for one of.
pub(super) fn images(flag: &BudgetFlag, setting: &Setting) -> f64 {
    if flag.images.is_some() { f64::from(setting.batch_size) } else { 1.0 }
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
        return Ok(Asked { kind, flag, limit: None, from: None, axis: None, on: None });
    }
    let (limit, on) = match text.split_once('@') {
        Some((limit, on)) if kind.depends_on == DependsOn::Setting => {
            (limit, Some(on.parse::<SettingQuery>().map_err(|error| error.to_string())?))
        }
        _ => (text, None),
    };
    let or_none = |reason| if kind.has_default { format!("{reason}, or `none`") } else { reason };
    let (from, limit) = match limit.split_once("..") {
        Some((from, limit)) => (Some((flag.parse)(from)?), limit),
        None => (None, limit),
    };
    let limit = (flag.parse)(limit).map_err(or_none)?;
    match from {
        Some(from) if from >= limit => {
            Err("the range is empty: write the smaller limit first, as in 0.5..10".to_owned())
        }
        _ => Ok(Asked { kind, flag, limit: Some(limit), from, axis: None, on }),
    }
}

/// The limits among parsed options, in the order of [`BUDGETS`].
pub(super) fn asked_of(matches: &ArgMatches) -> Vec<Asked> {
    let flags = BUDGETS.iter().flat_map(|kind| kind.flags);
    flags.filter_map(|flag| matches.get_many::<Asked>(flag.name)).flatten().cloned().collect()
}

/// The flags of all budgets; `help` says what each is.
pub(super) fn with_flags(command: Command, help: impl Fn(&BudgetKind, &BudgetFlag) -> String) -> Command {
    // Options of a device go with --device and with a budget on one; a precision with a budget on weights, too.
    let groups = [BUDGET_GROUP, ON_DEVICE, HAS_PRECISION].map(|name| ArgGroup::new(name).multiple(true));
    let mut command = command.groups(groups);
    // What is asked for most comes first in the help.
    for (kind, flag) in BUDGETS.iter().rev().flat_map(|kind| kind.flags.iter().map(move |flag| (*kind, flag))) {
        let arg = Arg::new(flag.name)
            .long(flag.name)
            .value_name(flag.value_name)
            .help(help(kind, flag))
            .value_parser(move |text: &str| parse(kind, flag, text))
            .allow_hyphen_values(true)
            .group(BUDGET_GROUP);
        let arg = flag.alias.into_iter().fold(arg, Arg::visible_alias);
        command = command.arg(match kind.depends_on {
            DependsOn::Nothing => arg,
            DependsOn::Precision => arg.group(HAS_PRECISION),
            DependsOn::Setting => arg.groups([ON_DEVICE, HAS_PRECISION]).action(ArgAction::Append),
        });
    }
    command
}

impl clap::FromArgMatches for BudgetArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self { asked: asked_of(matches) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for BudgetArgs {
    fn augment_args(command: Command) -> Command {
        with_flags(command, |kind, flag| match kind.has_default {
            true => format!("{}; `none` for no limit [default: the search's own]", flag.help),
            false => flag.help.to_owned(),
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

#[cfg(test)]
mod tests;
