//! An error report for people.

use super::{columns, table};
use crate::latency::{ErrorFigures, Setting};
use crate::report::{Breakdown, ComparedNetwork, Comparison, Group, Report, WorstCase, decision_lines, stated_error};

/// A setting in words: `device t4, runtime tensorrt, int8, batch 1`.
pub fn describe_setting(setting: &Setting) -> String {
    let threads = match setting.threads {
        0 => String::new(),
        1 => ", 1 thread".to_owned(),
        n => format!(", {n} threads"),
    };
    let Setting { device, runtime, precision, batch_size, .. } = setting;
    format!("device {device}, runtime {runtime}, {precision}, batch {batch_size}{threads}")
}

/// The report.
pub fn describe_report(report: &Report) -> String {
    let mut lines = vec![("setting", describe_setting(&report.setting))];
    if !report.runtime_version.is_empty() {
        lines.push(("", format!("{} version: {}", report.setting.runtime, report.runtime_version)));
    }
    match decision_lines(&report.decision) {
        said if said.is_empty() => lines.push(("table", report.table.to_string())),
        said => lines.extend(said.into_iter().enumerate().map(|(i, line)| (if i == 0 { "table" } else { "" }, line))),
    }
    lines.push(("unit", report.unit.to_owned()));
    let measured = match report.comparison {
        Comparison::LeaveOneOut => "published",
        _ => "measured",
    };
    lines.push(("networks", report.method.clone()));
    let (Some(figures), Some(evidence)) = (&report.figures, &report.evidence) else {
        lines.push(("stated error", stated_error(report.stated.as_ref())));
        return table(&lines);
    };
    lines.push(("evidence", format!("{evidence} of the predicted time; what it is compared with was {measured}")));
    lines.push(("error", in_full(figures)));
    lines.push(("interval", interval(report)));
    lines.push((
        "noise floor",
        match &report.noise_floor {
            Some(noise) => format!("{}; {} networks measured once more, later", in_full(noise), noise.networks),
            None if report.comparison == Comparison::LeaveOneOut => "not known: published once".to_owned(),
            None => "not known: no network was measured twice".to_owned(),
        },
    ));
    let mut text = table(&lines);
    if !report.groups.is_empty() {
        text.push_str("\n\nBy kind of network\n");
        text.push_str(&columns(&group_lines(&report.groups)));
    }
    if !report.worst.is_empty() {
        text.push_str(&format!("\n\nWorst cases, ms per call on {}", report.setting));
        for case in &report.worst {
            text.push_str(&format!("\n\n{}", worst_case(case, measured, report.setting.batch_size)));
        }
    }
    if !report.left_out.is_empty() {
        text.push_str(&format!("\n\nNot among them, ms per call on {}", report.setting));
    }
    for network in &report.left_out {
        let off = |ms: f64| percent(ms / network.measured_ms - 1.0);
        let predicted =
            network.predicted_ms.map_or(String::new(), |ms| format!(", predicted {} ms ({})", digits(ms), off(ms)));
        text.push_str(&format!(
            "\n{measured} {} ms{predicted}: {}: {}",
            digits(network.measured_ms),
            network.name,
            network.reason
        ));
    }
    text
}

fn in_full(figures: &ErrorFigures) -> String {
    format!("{figures}, bias {}", percent(figures.bias))
}

fn interval(report: &Report) -> String {
    match &report.coverage {
        Some(coverage) => format!(
            "holds {:.0}% of {} networks, meant to hold {:.0}%; {:.0}% of the prediction wide on average",
            coverage.found * 100.0,
            coverage.networks,
            coverage.stated * 100.0,
            coverage.width * 100.0
        ),
        None => "none: the spread of this table's errors was not calibrated, so there is no coverage".to_owned(),
    }
}

fn group_lines(groups: &[Group]) -> Vec<Vec<String>> {
    let header = ["networks", "MAPE", "bias", "within 5%", "within 10%", "Kendall tau", "kind"];
    let mut lines = vec![header.map(str::to_owned).to_vec()];
    for Group { space, resolution, squeeze_excite, figures } in groups {
        let gates = if *squeeze_excite { ", squeeze-and-excitation" } else { "" };
        lines.push(vec![
            figures.networks.to_string(),
            format!("{:.1}%", figures.mape * 100.0),
            percent(figures.bias),
            format!("{:.0}%", figures.within5 * 100.0),
            format!("{:.0}%", figures.within10 * 100.0),
            figures.kendall_tau.map_or("-".to_owned(), |tau| format!("{tau:.3}")),
            format!("{space} at {resolution}x{resolution}{gates}"),
        ]);
    }
    lines
}

fn worst_case(case: &WorstCase, measured: &str, batch_size: u32) -> String {
    let ComparedNetwork { predicted_ms, measured_ms, interval, stderr_ms, off, .. } = &case.network;
    let mut summary = format!("predicted {} ms, {measured} {} ms", digits(*predicted_ms), digits(*measured_ms));
    if let Some(stderr_ms) = stderr_ms {
        summary.push_str(&format!(" +- {:.1}%", stderr_ms / measured_ms * 100.0));
    }
    if let Some(interval) = interval {
        let inside = (interval.low_ms..=interval.high_ms).contains(measured_ms);
        summary.push_str(&format!(
            ", {} the interval of {} to {} ms",
            if inside { "inside" } else { "outside" },
            digits(interval.low_ms),
            digits(interval.high_ms)
        ));
    }
    if batch_size > 1 {
        let images = f64::from(batch_size);
        let (predicted, measured) = (digits(predicted_ms / images), digits(measured_ms / images));
        summary.push_str(&format!("; per image {predicted} and {measured} ms"));
    }
    let off = percent(*off);
    let mut lines = vec![(off.as_str(), summary)];
    let network = &case.network;
    let gates = if network.squeeze_excite { ", squeeze-and-excitation" } else { "" };
    let what = network.name.clone().or_else(|| network.structure.clone()).unwrap_or_default();
    lines.push(("network", format!("{what} at {0}x{0}, {1} classes{gates}", network.resolution, network.classes)));
    if let (Some(_), Some(structure)) = (&network.name, &network.structure) {
        lines.push(("", structure.clone()));
    }
    match &case.breakdown {
        Some(breakdown) => lines.extend(breakdown_lines(breakdown)),
        None => lines.push(("operators", "not known: no structure expresses this network".to_owned())),
    }
    table(&lines)
}

fn breakdown_lines(breakdown: &Breakdown) -> Vec<(&'static str, String)> {
    let kinds: Vec<_> =
        breakdown.kinds.iter().map(|kind| format!("{} {:.0}%", kind.kind, kind.share * 100.0)).collect();
    let mut lines = vec![("time", kinds.join(", "))];
    if breakdown.host_bound {
        lines.push(("", "bound by the host's launches, not by the operators".to_owned()));
    }
    if breakdown.extrapolated_share > 0.005 {
        let share = breakdown.extrapolated_share * 100.0;
        lines.push(("", format!("{share:.0}% of it outside the shapes that the table covers")));
    }
    let operators = breakdown.operators.iter().map(|operator| {
        let outside = if operator.extrapolated { ", outside the table" } else { "" };
        vec![
            format!("{} ms", digits(operator.ms)),
            format!("{:.0}%", operator.share * 100.0),
            format!("{} x", operator.count),
            format!("{} ({}{outside})", operator.operator, operator.evidence),
        ]
    });
    let operators = operators.collect::<Vec<_>>();
    for (i, line) in columns(&operators).lines().enumerate() {
        lines.push((if i == 0 { "operators" } else { "" }, line.to_owned()));
    }
    lines
}

/// A share with its sign, in percent.
fn percent(share: f64) -> String {
    format!("{:+.1}%", share * 100.0)
}

/// Four significant digits, as far as people read.
fn digits(ms: f64) -> String {
    let before = if ms >= 1.0 { ms.log10().floor() as usize + 1 } else { 1 };
    format!("{ms:.0$}", 4usize.saturating_sub(before).max(usize::from(ms < 100.0)))
}
