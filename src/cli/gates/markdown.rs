//! Networks and a verdict as Markdown tables, for the comment on a pull request.

use super::verdict::{CheckKind, Verdict};
use crate::cli::print::human;
use crate::cli::scores::with_error;
use crate::latency::Prediction;
use crate::net::Cost;
use crate::report::scores::{ForeignNetwork, ScoredNetwork};
use crate::score::Scored;

/// Characters of a structure that is shown.
const MOST_CHARACTERS: usize = 80;

/// What is shown of any network.
struct Row<'r> {
    label: &'r str,
    scores: &'r [(&'static str, Option<Scored>)],
    cost: &'r Cost,
    latencies: Vec<&'r Prediction>,
}

/// Tables of costs and scores, of latencies, and of checks.
pub fn to_markdown(networks: &[ScoredNetwork], files: &[ForeignNetwork], verdict: Option<&Verdict>) -> String {
    let structures = networks.iter().map(|network| Row {
        label: network.name.as_deref().unwrap_or(&network.structure),
        scores: &network.scores,
        cost: &network.cost,
        latencies: network.latency.iter().chain(&network.latencies).collect(),
    });
    let files = files.iter().map(|network| Row {
        label: &network.file,
        scores: &network.scores,
        cost: &network.cost,
        latencies: network.latency.iter().chain(&network.latencies).collect(),
    });
    let rows: Vec<Row<'_>> = structures.chain(files).collect();
    let mut parts = Vec::new();
    if let Some(verdict) = verdict {
        let mark = if verdict.broken().next().is_none() { "" } else { "**" };
        parts.push(format!("{mark}zen-score: {}{mark}", verdict.headline()));
        parts.extend(checks(verdict));
    }
    parts.extend(figures(&rows));
    parts.extend(latencies(&rows));
    parts.join("\n\n")
}

fn checks(verdict: &Verdict) -> Option<String> {
    let mut lines: Vec<Vec<String>> = Vec::new();
    for check in &verdict.checks {
        let result = if check.holds { "ok" } else { "**broken**" };
        let against = match check.kind {
            CheckKind::Budget => "budget",
            CheckKind::Baseline => "baseline",
        };
        lines.push(vec![result.to_owned(), code(&check.network), against.to_owned(), plain(&check.used.text)]);
    }
    lines.extend(verdict.remarks().into_iter().map(|remark| {
        let figure = remark.setting.map_or(String::new(), |id| format!("latency on {id}: "));
        let network = remark.network.map_or(String::new(), code);
        vec![remark.what.to_owned(), network, "baseline".to_owned(), plain(&format!("{figure}{}", remark.text))]
    }));
    let failed = verdict.failed.iter();
    lines.extend(failed.map(|message| vec!["**failed**".to_owned(), String::new(), String::new(), plain(message)]));
    table(&["result", "network", "against", "figure"], &[], &lines)
}

fn figures(rows: &[Row<'_>]) -> Option<String> {
    let mut proxies: Vec<&str> = Vec::new();
    for (proxy, _) in rows.iter().flat_map(|row| row.scores) {
        // What no network has is no column.
        let is_known = rows.iter().flat_map(|row| row.scores).any(|(name, scored)| name == proxy && scored.is_some());
        if is_known && !proxies.contains(proxy) {
            proxies.push(proxy);
        }
    }
    let header: Vec<&str> =
        ["network", "parameters", "multiply-adds"].into_iter().chain(proxies.iter().copied()).collect();
    let line = |row: &Row<'_>| {
        let score = |proxy: &&str| {
            let found = row.scores.iter().find(|(name, _)| name == proxy).and_then(|(_, scored)| scored.as_ref());
            found.map_or_else(|| "-".to_owned(), |scored| with_error(&scored.evaluation))
        };
        let costs = [code(row.label), human(row.cost.parameters as f64), human(row.cost.flops as f64)];
        costs.into_iter().chain(proxies.iter().map(score)).collect()
    };
    let lines: Vec<Vec<String>> = rows.iter().map(line).collect();
    table(&header, &(1..header.len()).collect::<Vec<_>>(), &lines)
}

fn latencies(rows: &[Row<'_>]) -> Option<String> {
    let mut lines: Vec<Vec<String>> = Vec::new();
    for row in rows {
        for prediction in &row.latencies {
            let percent = |share: f64| format!("{:.1}%", share * 100.0);
            let error = prediction.error.map_or_else(|| "unknown".to_owned(), |error| format!("±{}", percent(error)));
            let interval =
                prediction.interval.map(|interval| format!("{:.3} to {:.3}", interval.low_ms, interval.high_ms));
            lines.push(vec![
                code(row.label),
                plain(&prediction.setting.id()),
                format!("{:.3}", prediction.ms),
                error,
                interval.unwrap_or_else(|| "-".to_owned()),
                percent(prediction.gaps().without_evidence_share),
                plain(&prediction.evidence.to_string()),
            ]);
        }
    }
    let header =
        ["network", "predicted on", "ms per call", "error", "90% interval, ms", "not measured", "evidence, by time"];
    table(&header, &[2, 3, 4, 5], &lines)
}

/// A table, if it has lines; the columns named `right` are numbers.
fn table(header: &[&str], right: &[usize], lines: &[Vec<String>]) -> Option<String> {
    let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
    let rule: Vec<String> =
        (0..header.len()).map(|i| if right.contains(&i) { "--:" } else { "---" }.to_owned()).collect();
    let header: Vec<String> = header.iter().map(|name| plain(name)).collect();
    let all: Vec<String> = [header, rule].iter().chain(lines).map(|cells| line(cells)).collect();
    (!lines.is_empty()).then(|| all.join("\n"))
}

/// A name from outside as code, where mentions and references are not looked for; a long one is cut.
fn code(text: &str) -> String {
    let mut shown: String = text.chars().take(MOST_CHARACTERS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("<code>{}</code>", plain(&shown))
}

/// Text in which no character means anything to Markdown or HTML: whatever could is written by its number.
fn plain(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let is_link = ["www.", "://", "mailto:", "xmpp:"].iter().any(|part| text.to_ascii_lowercase().contains(part));
    for c in text.chars() {
        match c {
            c if c.is_control() => written.push(' '),
            '.' if is_link => written.push_str("&#46;"),
            ':' if !is_link => written.push(c),
            ' ' | '.' | ',' | '-' | '+' | '%' | '/' | '(' | ')' | '\'' | ';' => written.push(c),
            c if c.is_ascii_punctuation() => written.push_str(&format!("&#{};", u32::from(c))),
            c => written.push(c),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_outside_stay_text() {
        let name = "a|b`c*_<img src=x>&amp;[x](y)@all #1\n\\|https://x www.x";
        let written = code(name);
        for markup in ["|", "`", "*", "_", "<img", "&amp;", "[", "@", "\n", "\\", "://", "www."] {
            assert!(!written.contains(markup), "{markup} in {written}");
        }
        assert_eq!(code("net-1.onnx"), "<code>net-1.onnx</code>");
        assert!(code(&"x".repeat(200)).ends_with("x…</code>"));
    }
}
