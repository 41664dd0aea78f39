//! Reading networks that others measured: one row each, as described in [`read`].

use std::path::Path;

use zen_nas::latency::LatencyError;

use super::ofa::{BLOCKS, OfaNetwork, STAGES};

/// A network with its measured times.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredNetwork {
    pub network: OfaNetwork,
    /// Milliseconds of one call, in the order of [`BATCHES`].
    pub ms: [f64; BATCHES.len()],
}

/// Batch sizes the networks were measured at.
pub const BATCHES: [u32; 3] = [1, 32, 64];

/// What a row may hold: beyond it the lowering means nothing.
const RESOLUTIONS: std::ops::RangeInclusive<u32> = 32..=1024;
const DEPTHS: std::ops::RangeInclusive<u32> = 1..=4;
const EXPANSIONS: std::ops::RangeInclusive<u32> = 1..=16;

/// Reads a CSV file with a header and the columns `resolution`, `depth0`.., `expand0`..,
/// `kernel0`.., `v100_b1_ms`, `v100_b32_ms`, `v100_b64_ms`; others are ignored.
///
/// # Errors
/// Names the line and column that is missing, no number or out of range.
pub fn read(path: &Path) -> Result<Vec<MeasuredNetwork>, LatencyError> {
    let bad = |reason: String| LatencyError::RawData { path: path.to_owned(), reason };
    let file = std::fs::File::open(path).map_err(|source| LatencyError::Io {
        doing: "opening the measured networks",
        path: path.to_owned(),
        source,
    })?;
    parse(file).map_err(bad)
}

fn parse(source: impl std::io::Read) -> Result<Vec<MeasuredNetwork>, String> {
    let mut reader = csv::Reader::from_reader(source);
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    let column = |name: String| {
        let found = header.iter().position(|column| column.trim() == name);
        found.ok_or_else(|| format!("no column `{name}`")).map(|index| (name, index))
    };
    let resolution = column("resolution".to_owned())?;
    let columns = |prefix: &str, count: usize| -> Result<Vec<_>, String> {
        (0..count).map(|index| column(format!("{prefix}{index}"))).collect()
    };
    let (depths, expansions, kernels) =
        (columns("depth", STAGES)?, columns("expand", BLOCKS)?, columns("kernel", BLOCKS)?);
    let times = BATCHES.map(|batch| column(format!("v100_b{batch}_ms")));
    let mut networks = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        let field = |(name, index): &(String, usize)| -> Result<f64, String> {
            let text = record.get(*index).unwrap_or_default().trim();
            let value: f64 = text.parse().map_err(|_| format!("line {line}: `{name}` is `{text}`, not a number"))?;
            if value.is_finite() && value > 0.0 {
                Ok(value)
            } else {
                Err(format!("line {line}: `{name}` is {text}, but must be positive"))
            }
        };
        let whole = |column: &(String, usize), allowed: &dyn Fn(u32) -> bool| -> Result<u32, String> {
            let value = field(column)?;
            if value.fract() == 0.0 && value <= 1e6 && allowed(value as u32) {
                Ok(value as u32)
            } else {
                Err(format!("line {line}: `{}` is {value}, which the space does not have", column.0))
            }
        };
        let mut network = OfaNetwork {
            resolution: whole(&resolution, &|value| RESOLUTIONS.contains(&value))?,
            depth: [0; STAGES],
            expand: [0; BLOCKS],
            kernel: [0; BLOCKS],
        };
        for (depth, column) in network.depth.iter_mut().zip(&depths) {
            *depth = whole(column, &|value| DEPTHS.contains(&value))?;
        }
        for (expand, column) in network.expand.iter_mut().zip(&expansions) {
            *expand = whole(column, &|value| EXPANSIONS.contains(&value))?;
        }
        for (kernel, column) in network.kernel.iter_mut().zip(&kernels) {
            *kernel = whole(column, &|value| matches!(value, 3 | 5 | 7))?;
        }
        let mut ms = [0.0; BATCHES.len()];
        for (ms, column) in ms.iter_mut().zip(&times) {
            *ms = field(column.as_ref().map_err(Clone::clone)?)?;
        }
        networks.push(MeasuredNetwork { network, ms });
    }
    Ok(networks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(change: impl Fn(&str) -> String) -> String {
        let names =
            |prefix: &str, count: usize| (0..count).map(|i| format!("{prefix}{i}")).collect::<Vec<_>>().join(",");
        let header = format!(
            "index,resolution,{},{},{},v100_b1_ms,v100_b32_ms,v100_b64_ms",
            names("depth", STAGES),
            names("expand", BLOCKS),
            names("kernel", BLOCKS)
        );
        let row = format!("7,160,2,3,4,2,3{}{},8.5,11,21.25", ",6".repeat(BLOCKS), ",5".repeat(BLOCKS));
        format!("{header}\n{}\n", change(&row))
    }

    #[test]
    fn a_row_reads() {
        let networks = parse(file(str::to_owned).as_bytes()).unwrap();
        let network = OfaNetwork { resolution: 160, depth: [2, 3, 4, 2, 3], expand: [6; BLOCKS], kernel: [5; BLOCKS] };
        assert_eq!(networks, [MeasuredNetwork { network, ms: [8.5, 11.0, 21.25] }]);
    }

    #[test]
    fn bad_rows_are_named() {
        for (from, to, expected) in [
            ("8.5", "-1", "line 2: `v100_b1_ms` is -1"),
            ("8.5", "nan", "line 2: `v100_b1_ms` is nan"),
            ("8.5", "fast", "line 2: `v100_b1_ms` is `fast`"),
            (",160,", ",0.5,", "line 2: `resolution` is 0.5"),
            (",160,", ",1e9,", "line 2: `resolution` is 1000000000"),
            (",2,3,4,2,3,", ",2,3,5,2,3,", "line 2: `depth2` is 5"),
            (",5,8.5", ",4,8.5", "line 2: `kernel19` is 4"),
        ] {
            let error = parse(file(|row| row.replacen(from, to, 1)).as_bytes()).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
        assert!(parse("index,resolution\n".as_bytes()).unwrap_err().contains("no column `depth0`"));
        let error = read(Path::new("no/such/file.csv")).unwrap_err().to_string();
        assert!(error.contains("no/such/file.csv"), "{error}");
    }
}
