//! The axes of a trade-off as `--pareto` takes them: `latency:t4,score`.
//!
//! Not here: the limits on an axis, which are those of its budget's flag (`budgets`).

use std::str::FromStr;

use crate::latency::SettingQuery;
use crate::search::budget::{BUDGETS, BudgetKind, DependsOn};
use crate::search::front::SCORE;

/// One axis.
#[derive(Clone, Debug)]
pub(super) struct AxisArg {
    /// None for the score.
    pub kind: Option<&'static BudgetKind>,
    /// The setting behind the colon, if there is one.
    pub on: Option<SettingQuery>,
}

/// Two or three axes, one of them the score.
#[derive(Clone, Debug)]
pub struct AxesArg(pub(super) Vec<AxisArg>);

impl AxesArg {
    /// The place of the score among the axes.
    pub fn score(&self) -> usize {
        self.0.iter().position(|axis| axis.kind.is_none()).unwrap_or_default()
    }
}

/// Names of a budget as an axis: the one of `config.toml`, or its first word; parameters and sizes as their flags say.
fn names(kind: &BudgetKind) -> impl Iterator<Item = &'static str> {
    let first = kind.name.split('_').next();
    let flag = kind.flags[0].name.strip_prefix("max-");
    [Some(kind.name), first, flag].into_iter().flatten()
}

impl FromStr for AxisArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, on) = match text.split_once(':') {
            Some((name, on)) => (name, Some(on)),
            None => (text, None),
        };
        let kind = match name {
            SCORE => None,
            name => Some(*BUDGETS.iter().find(|kind| names(kind).any(|known| known == name)).ok_or_else(|| {
                let known = BUDGETS.iter().filter_map(|kind| names(kind).last());
                let known = known.map(|name| if name == "latency-ms" { "latency" } else { name });
                format!("unknown axis `{name}`, known are score, {}", known.collect::<Vec<_>>().join(", "))
            })?),
        };
        let has_setting = kind.is_some_and(|kind| kind.depends_on == DependsOn::Setting);
        match on {
            Some(on) if !has_setting => Err(format!("axis `{name}` has no device: leave out `:{on}`")),
            Some(on) => Ok(Self { kind, on: Some(on.parse().map_err(|error| format!("axis `{text}`: {error}"))?) }),
            None => Ok(Self { kind, on: None }),
        }
    }
}

impl FromStr for AxesArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let axes = text.split(',').map(|axis| axis.trim().parse()).collect::<Result<Vec<AxisArg>, _>>()?;
        let scores = axes.iter().filter(|axis| axis.kind.is_none()).count();
        if !(2..=3).contains(&axes.len()) || scores != 1 {
            let found = axes.len();
            return Err(format!(
                "a trade-off has two or three axes, exactly one of them `score`, as in latency:t4,score; there are {found}, \
                 {scores} of them `score`"
            ));
        }
        let is_twice = |(i, a): (usize, &AxisArg)| {
            axes[..i].iter().any(|b| a.kind.map(|kind| kind.name) == b.kind.map(|kind| kind.name) && a.on == b.on)
        };
        match axes.iter().enumerate().any(is_twice) {
            true => Err("an axis is there twice".to_owned()),
            false => Ok(Self(axes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Result<Vec<&'static str>, String> {
        let axes: AxesArg = text.parse()?;
        Ok(axes.0.iter().map(|axis| axis.kind.map_or(SCORE, |kind| kind.name)).collect())
    }

    #[test]
    fn axes_are_named_as_budgets_are() {
        assert_eq!(kinds("latency:t4,score"), Ok(vec!["latency_ms", SCORE]));
        assert_eq!(kinds("score,params"), Ok(vec![SCORE, "parameters"]));
        assert_eq!(kinds("flops,size,score"), Ok(vec!["flops", "weight_bytes", SCORE]));
        assert_eq!(kinds("latency:t4,latency:pixel2,score").unwrap().len(), 3);
        let axes: AxesArg = "latency:t4/tensorrt/int8/b1,score".parse().unwrap();
        assert_eq!((axes.0[0].on.as_ref().map(|on| on.device.as_str()), axes.score()), (Some("t4"), 1));
        for (text, reason) in [
            ("speed,score", "unknown axis `speed`, known are score, layers, params"),
            ("latency:t4", "there are 1, 0 of them"),
            ("score,score,params", "there are 3, 2 of them"),
            ("params,flops", "there are 2, 0 of them"),
            ("params,flops,layers,score", "there are 4"),
            ("params:t4,score", "has no device"),
            ("params,params,score", "twice"),
        ] {
            let error = kinds(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
