//! An evaluation as Markdown tables.

use std::fmt::Write as _;

use super::whole::Coverage;
use super::{Errors, Evaluation};

impl Evaluation {
    /// Two tables with a line of protocol above each; shares in percent.
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "Whole networks: {} OFA-MobileNetV3 on a V100 (eager, fp32), milliseconds per call. {} random networks\n\
             calibrate, the others are predicted; means of {} draws. Operator times: TensorRT fp32 of the same batch.\n\
             \"host from batch 1\": the calibrating networks, measured at batch 1 as well, say what launching costs.\n\n\
             | batch | operator times from | MAPE | worst draw | within 5% | within 10% | Kendall tau | bias | \
             in the 90% interval | +- |\n\
             |--:|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
            self.networks, self.calibration_networks, self.draws
        );
        for found in &self.whole {
            let Errors { mape, within5, within10, kendall_tau, bias } = found.errors;
            let interval = found.interval.map_or("- | -".to_owned(), |Coverage { share, half_width }| {
                format!("{:.1}% | {:.1}%", 100.0 * share, 100.0 * half_width)
            });
            let _ = writeln!(
                text,
                "| {} | {} | {:.2}% | {:.2}% | {:.1}% | {:.1}% | {kendall_tau:.3} | {:+.2}% | {interval} |",
                found.batch_size,
                found.predictor,
                100.0 * mape,
                100.0 * found.worst_mape,
                100.0 * within5,
                100.0 * within10,
                100.0 * bias
            );
        }
        text.push_str(
            "\nOperators that no predictor has seen, milliseconds per call. \"linear\" is the table's own interpolation,\n\
             in channels and side.\n\n\
             | setting | predicted from | operators | MAPE | within 5% | within 10% | Kendall tau | bias |\n\
             |---|---|--:|--:|--:|--:|--:|--:|\n",
        );
        for found in &self.operators {
            let Errors { mape, within5, within10, kendall_tau, bias } = found.errors;
            let _ = writeln!(
                text,
                "| {} | {} | {} | {:.2}% | {:.1}% | {:.1}% | {kendall_tau:.3} | {:+.2}% |",
                found.setting,
                found.predictor,
                found.held_out,
                100.0 * mape,
                100.0 * within5,
                100.0 * within10,
                100.0 * bias
            );
        }
        text
    }
}
