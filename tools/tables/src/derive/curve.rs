//! How many rows a table needs: the error of whole networks with more and more of them.
//!
//! Two measures: sums over rows that were set aside, for every table; and networks that others
//! measured, where there are any (OFA-MobileNetV3 on a V100, fp32, batch 1, 32, 64). Not here: which
//! rows (`select`).

use std::fmt::Write as _;

use serde::Serialize;
use zen_nas::latency::{Precision, Predictor};

use super::tensorrt::Source;
use crate::evaluate::networks::{BATCHES, MeasuredNetwork};
use crate::evaluate::whole::{DRAWS, errors_of};

/// Numbers of rows that are tried. With the largest, all tables together stay below 2 MB.
pub const SIZES: [usize; 6] = [50, 100, 200, 400, 800, 1600];
/// Most rows of a table.
pub const MOST: usize = SIZES[SIZES.len() - 1];
/// A number of rows is enough when it and every larger one has at most this much more error than all
/// rows together, as a share.
const MARGIN: f64 = 0.002;

/// Errors of one setting by number of rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curve {
    pub setting: String,
    pub measures: Vec<Measure>,
    /// The number that is shipped: the fewest that are enough by every measure, else the most.
    pub chosen: usize,
}

/// Errors of whole networks by one measure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measure {
    pub networks: &'static str,
    /// Number of rows and mean absolute relative error, as a share.
    pub points: Vec<(usize, f64)>,
    /// The same with every row there is to choose from.
    pub all: (usize, f64),
    /// The fewest rows that are enough, if any are.
    pub enough: Option<usize>,
}

impl Curve {
    /// Tries every number of [`SIZES`].
    pub(super) fn new(source: &Source, networks: &[MeasuredNetwork]) -> Self {
        let some: Vec<(usize, Predictor)> =
            SIZES.iter().map(|size| (*size, source.predictor(&source.rows(*size)))).collect();
        let all = source.predictor(&source.candidates);
        let measure = |networks: &'static str, error: &dyn Fn(&Predictor) -> f64| {
            let points: Vec<_> = some.iter().map(|(size, predictor)| (*size, error(predictor))).collect();
            let all = (source.candidates.len(), error(&all));
            Measure { networks, enough: enough(&points, all.1), points, all }
        };
        let mut measures = vec![measure("held-out sums", &|predictor| {
            source.error_of_sums(predictor).map_or(f64::NAN, |error| error.mape)
        })];
        let batch = BATCHES.iter().position(|batch| *batch == source.setting.batch_size);
        if let Some(batch) = batch.filter(|_| source.setting.precision == Precision::Fp32) {
            measures.push(measure("measured", &|predictor| errors_of(networks, batch, predictor, DRAWS).mape));
        }
        let chosen = measures.iter().map(|measure| measure.enough.unwrap_or(MOST)).max().unwrap_or(MOST);
        Self { setting: source.setting.id(), measures, chosen }
    }

    /// Why so many rows, in a few words.
    pub(super) fn choice(&self) -> String {
        match self.measures.iter().find(|measure| measure.enough.is_none()) {
            None => "the fewest (50, 100, 200 and so on) whose errors are within 0.2 points of what all rows give"
                .to_owned(),
            Some(measure) => {
                let with = measure.points.last().map_or(f64::NAN, |point| point.1);
                format!(
                    "as many as a table may have (sums of operators held out are {:.1}% off, {:.1}% with all rows)",
                    100.0 * with,
                    100.0 * measure.all.1
                )
            }
        }
    }
}

/// The fewest rows from which on every point is within [`MARGIN`] of `all`.
fn enough(points: &[(usize, f64)], all: f64) -> Option<usize> {
    let first = points.iter().rposition(|(_, error)| *error > all + MARGIN).map_or(0, |last_far| last_far + 1);
    points.get(first).map(|(rows, _)| *rows)
}

/// Curves as a Markdown table, errors in percent.
pub fn to_text(curves: &[Curve]) -> String {
    let mut text = String::from("| setting | networks |");
    SIZES.iter().for_each(|size| text.push_str(&format!(" {size} rows |")));
    text.push_str(" all rows | enough | shipped |\n|---|---|");
    text.push_str(&"--:|".repeat(SIZES.len() + 3));
    text.push('\n');
    for Curve { setting, measures, chosen } in curves {
        for Measure { networks, points, all, enough } in measures {
            // Writing to a string cannot fail.
            let _ = write!(text, "| {setting} | {networks} |");
            points.iter().for_each(|(_, error)| text.push_str(&format!(" {:.2}% |", 100.0 * error)));
            let enough = enough.map_or("-".to_owned(), |rows| rows.to_string());
            let _ = writeln!(text, " {:.2}% ({}) | {enough} | {chosen} |", 100.0 * all.1, all.0);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_is_within_the_margin_from_there_on() {
        let points = [(50, 0.05), (100, 0.031), (200, 0.035), (400, 0.0319), (800, 0.029)];
        assert_eq!(enough(&points, 0.03), Some(400), "100 was luck");
        assert_eq!(enough(&points, 0.02), None);
        assert_eq!(enough(&points, 0.06), Some(50));
    }

    #[test]
    fn text_has_a_line_for_each_measure() {
        let measure = |enough| Measure { networks: "sums", points: vec![(50, 0.05); 6], all: (9000, 0.03), enough };
        let curve = Curve { setting: "a/b".to_owned(), measures: vec![measure(None), measure(Some(50))], chosen: 1600 };
        assert!(curve.choice().contains("are 5.0% off, 3.0% with all rows"), "{}", curve.choice());
        let text = to_text(&[curve]);
        assert_eq!(text.lines().count(), 4);
        assert!(text.ends_with("| 3.00% (9000) | 50 | 1600 |\n"), "{text}");
    }
}
