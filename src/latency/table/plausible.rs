//! Whether the rows of a user's file can be true: times that no machine reaches, shapes that no operator has.
//!
//! Not here: the form of a row (`rows`), what is done about a row that cannot be true (`import`).

use std::collections::BTreeMap;

use super::super::store::Row;
use super::super::{KeyKind, OperatorKey, Setting};
use crate::stats::median;

/// Multiply-adds and bytes per second that no single machine reaches (a GPU of 2024 has about 2e15 and 8e12).
const MOST_MACS_PER_S: f64 = 5e15;
const MOST_BYTES_PER_S: f64 = 2e14;
/// Multiply-adds per second and thread of a processor, in fp32 and in smaller numbers.
const MOST_THREAD_MACS_PER_S: [f64; 2] = [1e12, 4e12];
/// Shorter is no operator, in milliseconds.
const SHORTEST_MS: f64 = 1e-5;
/// Longer is no operator of a network on one image or a batch, in milliseconds: 15 minutes.
const LONGEST_MS: f64 = 9e5;
/// Milliseconds that the median of a table's operators exceeds on every device.
const SHORT_MEDIAN_MS: f64 = 5e-4;
/// Sides and strides up to which an operator may be larger than its map: deep networks have them on small images.
const KERNEL_ON_SMALL_MAPS: u32 = 7;
const STRIDE_ON_SMALL_MAPS: u32 = 2;
/// Share by which times of one operator may differ.
const SAME: f64 = 0.1;

/// A line that cannot be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// From 1.
    pub line: usize,
    pub reason: String,
}

/// Lines that cannot be true, in their order; `lines` are those of the rows.
pub fn doubts(setting: &Setting, rows: &[Row], lines: &[usize]) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    let mut first: BTreeMap<OperatorKey, (usize, f64)> = BTreeMap::new();
    let mut too_fast = 0;
    for (row, line) in rows.iter().zip(lines) {
        let mut doubt = |reason: String| doubts.push(Doubt { line: *line, reason });
        if let Some(reason) = shape(&row.key) {
            doubt(reason);
        }
        if row.merged {
            continue;
        }
        if let Some(reason) = speed(setting, row) {
            too_fast += usize::from(row.ms <= LONGEST_MS);
            doubt(reason);
        }
        let (first_line, first_ms) = *first.entry(row.key).or_insert((*line, row.ms));
        if (row.ms / first_ms).ln().abs() > (1.0 + SAME).ln() {
            doubt(format!(
                "{} takes {} ms here and {first_ms} ms in line {first_line}; keep the time that is right",
                row.key, row.ms
            ));
        }
    }
    let times: Vec<f64> = rows.iter().filter(|row| !row.merged).map(|row| row.ms).collect();
    let short = median(&times).is_some_and(|ms| ms < SHORT_MEDIAN_MS);
    if let (true, Some(line)) = (short || (too_fast > 0 && 2 * too_fast > times.len()), lines.first()) {
        let reason =
            "the column `ms` is probably in seconds: most of its times are too short for milliseconds; multiply \
                      them by 1000"
                .to_owned();
        doubts.insert(0, Doubt { line: *line, reason });
    }
    doubts
}

/// Operators that stand in a table more than once, with times that agree.
pub fn repeated(rows: &[Row]) -> usize {
    let mut keys: Vec<OperatorKey> = rows.iter().map(|row| row.key).collect();
    keys.sort_unstable();
    keys.chunk_by(|a, b| a == b).filter(|same| same.len() > 1).count()
}

/// What is wrong with a shape.
fn shape(key: &OperatorKey) -> Option<String> {
    let side = key.in_height.min(key.in_width);
    let OperatorKey { kind, kernel, stride, groups, in_channels, out_channels, in_height, in_width, .. } = key;
    if *kernel > side.max(KERNEL_ON_SMALL_MAPS) {
        return Some(format!("a kernel of {kernel} on a map of {in_height}x{in_width}"));
    }
    if *stride > side.max(STRIDE_ON_SMALL_MAPS) {
        return Some(format!("a stride of {stride} on a map of {in_height}x{in_width}"));
    }
    let keeps = [KeyKind::Depthwise, KeyKind::MaxPool, KeyKind::AveragePool, KeyKind::GlobalPool].contains(kind);
    if keeps && in_channels != out_channels {
        return Some(format!("{kind} makes {out_channels} channels of {in_channels}, but keeps their number"));
    }
    if in_channels % groups != 0 || (*kind == KeyKind::Conv && out_channels % groups != 0) {
        return Some(format!("{groups} groups do not divide {in_channels} and {out_channels} channels"));
    }
    None
}

/// What is wrong with a time.
fn speed(setting: &Setting, row: &Row) -> Option<String> {
    let Row { key, ms, .. } = row;
    if *ms < SHORTEST_MS {
        return Some(format!("{ms} ms is shorter than any operator ({SHORTEST_MS} ms)"));
    }
    let images = f64::from(setting.batch_size);
    if *ms > LONGEST_MS {
        return Some(format!("{ms} ms is longer than any operator ({LONGEST_MS} ms)"));
    }
    let macs_per_s = images * key.flops() as f64 / (ms * 1e-3);
    let small = usize::from(setting.precision.bytes() < 4.0);
    let (most, whose) = match setting.threads {
        0 => (MOST_MACS_PER_S, "any machine".to_owned()),
        1 => (MOST_THREAD_MACS_PER_S[small], "one thread of any processor".to_owned()),
        threads => (MOST_THREAD_MACS_PER_S[small] * f64::from(threads), format!("{threads} threads of any processor")),
    };
    if macs_per_s > most {
        return Some(format!("{macs_per_s:.1e} multiply-adds per second are more than {whose} does ({most:.0e})"));
    }
    let elements = (key.in_elements() + key.second_elements() + key.out_elements()) as f64 * images;
    let bytes_per_s = setting.precision.bytes() * (elements + key.weights() as f64) / (ms * 1e-3);
    let moved = bytes_per_s > MOST_BYTES_PER_S;
    moved
        .then(|| format!("{bytes_per_s:.1e} bytes per second are more than any machine moves ({MOST_BYTES_PER_S:.0e})"))
}

#[cfg(test)]
mod tests {
    use super::super::super::{Evidence, Precision, built_in_settings, built_in_table};
    use super::*;

    fn row(key: OperatorKey, ms: f64) -> Row {
        Row::new(key, ms, Evidence::Measured)
    }

    fn of(setting: &Setting, rows: &[Row]) -> Vec<(usize, String)> {
        let lines: Vec<usize> = (4..4 + rows.len()).collect();
        doubts(setting, rows, &lines).into_iter().map(|doubt| (doubt.line, doubt.reason)).collect()
    }

    #[test]
    fn what_cannot_be_true_is_named_with_its_line() {
        let gpu = Setting::new("my-gpu", "tensorrt", Precision::Fp16, 1);
        let conv = OperatorKey::conv(3, 1, 64, 64, 56);
        let good = [row(conv, 0.02), row(OperatorKey::depthwise(7, 2, 64, 2), 0.01), row(conv, 0.0215)];
        assert_eq!((of(&gpu, &good), repeated(&good)), (Vec::new(), 1));
        for (bad, reason) in [
            (row(OperatorKey::conv(224, 1, 3, 64, 3), 0.1), "a kernel of 224 on a map of 3x3"),
            (row(OperatorKey { stride: 8, ..OperatorKey::conv(1, 1, 8, 8, 4) }, 0.1), "a stride of 8 on a map of 4x4"),
            (row(OperatorKey { out_channels: 32, ..OperatorKey::depthwise(3, 1, 64, 28) }, 0.1), "keeps their number"),
            (row(OperatorKey { groups: 5, ..conv }, 0.1), "5 groups do not divide 64 and 64"),
            (row(OperatorKey::conv(1, 1, 8, 8, 7), 9e-6), "shorter than any operator"),
            (row(OperatorKey::conv(1, 1, 8, 8, 7), 1e9), "longer than any operator"),
            (row(OperatorKey::conv(3, 1, 512, 512, 112), 0.001), "multiply-adds per second"),
            (
                row(OperatorKey { kind: KeyKind::Add, ..OperatorKey::conv(1, 1, 4096, 4096, 224) }, 0.001),
                "bytes per second",
            ),
            (row(conv, 0.0225), "ms in line 4"),
        ] {
            let mut rows = good.to_vec();
            rows.push(bad);
            let found = of(&gpu, &rows);
            assert!(found.len() == 1 && found[0].0 == 7 && found[0].1.contains(reason), "{reason}: {found:?}");
        }
    }

    #[test]
    fn seconds_are_suspected_where_most_times_are_far_too_short() {
        let conv = |channels| OperatorKey::conv(3, 1, channels, channels, 56);
        let phone = Setting::new("my-phone", "tflite", Precision::Fp32, 1).with_threads(1);
        let rows: Vec<Row> =
            [32, 64, 128].map(|channels| row(conv(channels), conv(channels).flops() as f64 / 1e7)).into();
        assert_eq!(of(&phone, &rows), []);
        let seconds: Vec<Row> = rows.iter().map(|row| Row { ms: row.ms * 1e-3, ..row.clone() }).collect();
        assert!(of(&phone, &seconds)[0].1.contains("probably in seconds"), "{:?}", of(&phone, &seconds));
        let gpu = Setting::new("my-gpu", "tensorrt", Precision::Fp16, 1);
        let seconds = [row(conv(32), 1.4e-5), row(conv(64), 2.1e-5)];
        assert!(of(&gpu, &seconds)[0].1.contains("probably in seconds"));
    }

    #[test]
    fn every_built_in_table_could_be_imported() {
        for setting in built_in_settings().unwrap() {
            let rows = built_in_table(&setting).unwrap().unwrap().rows;
            let lines: Vec<usize> = (1..=rows.len()).collect();
            assert_eq!(doubts(&setting, &rows, &lines), [], "{setting}");
        }
    }
}
