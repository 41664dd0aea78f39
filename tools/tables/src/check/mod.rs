//! Checking the built-in tables against every published whole network.
use std::path::Path;

use zen_nas::latency::LatencyError;

use crate::evaluate::built_in;
use crate::fit::fit_all;
use crate::fit::networks::Networks;

pub fn check(raw: &Path) -> Result<String, LatencyError> {
    let networks = Networks::read(raw)?;
    let mut text = String::new();
    for one in fit_all(raw, &networks, &built_in)? {
        if std::env::var("NETS").is_ok_and(|v| one.setting.id().contains(&v)) {
            for n in &one.networks {
                eprintln!(
                    "{} {} {:.3} loo {:+.3} fit {:+.3}",
                    one.setting,
                    n.figure.id,
                    n.figure.ms,
                    n.log_error(),
                    (n.fit_ms / n.figure.ms).ln()
                );
            }
        }
        let e = one.error;
        let inside =
            one.networks.iter().filter(|n| n.log_error().abs() <= one.reach).count() as f64 / one.networks.len() as f64;
        text += &format!(
            "{} | {} | {:.1} | {:.1} | {:+.1} | {:.0} | {:.0} | {:.2} | {:.1} | {:.3} | {:.0} | {}\n",
            one.setting,
            e.networks,
            100. * e.mape,
            100. * e.median,
            100. * e.bias,
            100. * e.within10,
            100. * e.within20,
            e.kendall_tau.unwrap_or(0.),
            100. * one.fit_mape,
            one.reach,
            100. * inside,
            one.tried.unwrap_or_default()
        );
    }
    Ok(text)
}
