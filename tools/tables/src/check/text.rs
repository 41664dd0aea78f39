//! A check as Markdown.

use std::fmt::Write as _;

use super::{Checked, Line};

const HEADER: &str = "MAPE | median | bias | within 10% | within 20% | Kendall tau | in the 90% interval |";
const RULE: &str = "--:|--:|--:|--:|--:|--:|--:|";

impl Checked {
    /// Tables of settings, groups, orders of devices, and what was tried; figures in percent.
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "Each network is predicted by a fit that has not seen it or its near-copies (\"fit\": by the fit that has).\n\
             Inside their 90% intervals: {:.1}% of {} networks of {} settings.\n\n\
             | setting | networks | {HEADER} fit |\n|---|--:|{RULE}--:|\n",
            100.0 * self.inside,
            self.networks,
            self.settings.len()
        );
        for line in &self.settings {
            let fit = line.fit_mape.map_or("-".to_owned(), |mape| format!("{:.1}", 100.0 * mape));
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{} {fit} |", figures(line));
        }
        let _ = write!(
            text,
            "\nSome networks of a setting, or those of several settings together:\n\n\
             | networks of | networks | {HEADER} note |\n|---|--:|{RULE}---|\n"
        );
        for line in &self.groups {
            let _ = writeln!(text, "{} {} |", figures(line), line.note);
        }
        let _ = write!(
            text,
            "\nThe order of devices, over every rebuilt network:\n\n\
             | faster | slower | networks | not slower on | time, geometric mean |\n|---|---|--:|--:|--:|\n"
        );
        for order in &self.orders {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {:.1}% | {:.2} |",
                order.faster,
                order.slower,
                order.networks,
                100.0 * order.share,
                order.ratio
            );
        }
        let _ =
            write!(text, "\nTried and not shipped:\n\n| setting | networks | {HEADER} reason |\n|---|--:|{RULE}---|\n");
        for line in &self.tried {
            let _ = writeln!(text, "{} {} |", figures(line), line.note);
        }
        if !self.outdated.is_empty() {
            let _ = writeln!(text, "\nBUILT-IN TABLES THAT ARE NOT THOSE OF THE FITS: {}", self.outdated.join(", "));
        }
        text
    }
}

fn figures(line: &Line) -> String {
    let error = &line.error;
    let tau = error.kendall_tau.map_or("-".to_owned(), |tau| format!("{tau:.2}"));
    let inside = line.inside.map_or("-".to_owned(), |inside| format!("{:.0}", 100.0 * inside));
    format!(
        "| {} | {} | {:.1} | {:.1} | {:+.1} | {:.0} | {:.0} | {tau} | {inside} |",
        line.what,
        error.networks,
        100.0 * error.mape,
        100.0 * error.median,
        100.0 * error.bias,
        100.0 * error.within10,
        100.0 * error.within20
    )
}
