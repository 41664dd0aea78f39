//! Scores for people: with their standard errors, and what they are worth.

use crate::score::{Evaluation, PROXIES};

/// Where the Zen-score is outside what it was made for; the last part of `--help`.
pub const SCORE_ADVICE: &str = "What the scores are worth:
  The Zen-score was made to rank networks of one space, one budget, one image size and one data set, as
  plain chains of convolutions. Outside of that do not rely on it:
  - Residual links, skip connections, squeeze-and-excitation and kinds of pooling are invisible to it.
  - In spaces made of skip and pooling choices, such as NAS-Bench-201, counting parameters ranks as well.
  - Scores at different resolutions, or for different data sets, are not comparable; nor are proxies with
    each other. Within one network family size alone ranks well: look at params and flops beside it.
  - It rewards depth without end, and networks that deep are hard to train: keep a limit on layers.
  It is no accuracy. `zen-score FILE --compare` shows what a score adds to counting parameters, on networks
  whose accuracy you know.";

/// Every proxy with what it is, for `--help`.
pub fn proxies_help() -> String {
    let lines = PROXIES.iter().map(|proxy| format!("  {:<24} {}", proxy.name(), proxy.about()));
    format!("Proxies:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// A score as people read it: `123.45 +- 0.29`, or the bare number where nothing was drawn. Digits as
/// far as they are known.
pub fn with_error(evaluation: &Evaluation) -> String {
    let Evaluation { score, standard_error, .. } = *evaluation;
    match standard_error {
        None if score.fract() == 0.0 && score.abs() < 2f64.powi(53) => format!("{score}"),
        None => format!("{score:.3}"),
        Some(error) => {
            // Two significant digits of the error.
            let decimals = if error > 0.0 { (1.0 - error.log10().floor()).clamp(0.0, 9.0) as usize } else { 3 };
            format!("{score:.decimals$} +- {error:.decimals$}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_follow_the_error() {
        let text = |score, standard_error| with_error(&Evaluation { score, standard_error, draws: 8 });
        assert_eq!(text(123.4512, Some(0.2913)), "123.45 +- 0.29");
        assert_eq!(text(123.4512, Some(2.913)), "123.5 +- 2.9");
        assert_eq!(text(5123.4, Some(291.3)), "5123 +- 291");
        assert_eq!(text(0.123_456, Some(0.001_234)), "0.1235 +- 0.0012");
        assert_eq!(text(123.4512, None), "123.451");
        assert_eq!(text(994_675.0, None), "994675");
        assert_eq!(text(1.0, Some(0.0)), "1.000 +- 0.000");
    }
}
