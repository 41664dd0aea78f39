//! Shares of evidence in words.

use std::fmt;

use super::EvidenceShares;

/// By time, the strongest first, without those that are absent: `62% measured, 38% interpolated`.
impl fmt::Display for EvidenceShares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [
            ("measured", self.measured_time),
            ("fitted", self.fitted_time),
            ("interpolated", self.interpolated_time),
            ("extrapolated", self.extrapolated_time),
        ];
        let present: Vec<_> = named
            .into_iter()
            .filter(|(_, share)| *share > 0.0)
            .map(|(name, share)| format!("{:.0}% {name}", share * 100.0))
            .collect();
        f.write_str(&present.join(", "))
    }
}
