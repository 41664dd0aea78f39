//! What `trtexec` prints and the files it writes.

use serde::Deserialize;

/// Most entries of a times file, and most layers of a profile.
const MAX_ENTRIES: usize = 100_000;
/// What our stand-in for tests says of itself; the real program has no such line.
const STAND_IN: &str = "zen-nas stand-in";

/// Who answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Banner {
    pub version: String,
    /// Whether it only imitates TensorRT.
    pub emulated: bool,
}

/// Reads who answered; none where the version is not said.
pub(super) fn banner(lines: &[String]) -> Option<Banner> {
    let emulated = lines.iter().any(|line| line.contains(STAND_IN));
    let said = lines.iter().find_map(|line| line.split_once("TensorRT version: ").map(|(_, version)| version.trim()));
    let said = said.filter(|version| version.len() <= 40 && version.starts_with(|c: char| c.is_ascii_digit()));
    let version = said.map(str::to_owned).or_else(|| lines.iter().find_map(|line| version_in_tag(line)))?;
    Some(Banner { version, emulated })
}

/// `[TensorRT v8601]` is 8.6.1; from 10 on two digits more: `v100300` is 10.3.0.
fn version_in_tag(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("[TensorRT v")?;
    let number: u32 = rest.split(']').next()?.parse().ok()?;
    let major = if number < 10_000 { 1000 } else { 10_000 };
    Some(format!("{}.{}.{}", number / major, number % major / 100, number % 100))
}

/// Whether the last verdict is that it went well.
pub(super) fn passed(lines: &[String]) -> bool {
    lines.iter().rev().find(|line| line.starts_with("&&&& ")).is_some_and(|line| line.starts_with("&&&& PASSED"))
}

/// What it complained of; empty where it did not.
pub(super) fn complaints(lines: &[String]) -> String {
    let errors: Vec<&str> = lines.iter().filter_map(|line| line.split_once("[E] ").map(|(_, text)| text)).collect();
    errors[errors.len().saturating_sub(3)..].join("; ")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Time {
    compute_ms: Option<f64>,
    latency_ms: Option<f64>,
    #[serde(default)]
    h2d_ms: f64,
    #[serde(default)]
    d2h_ms: f64,
}

/// Milliseconds on the GPU of each of at least `iterations` calls.
///
/// # Errors
/// When the file is none of times, or holds fewer.
pub(super) fn times(text: &str, iterations: usize) -> Result<Vec<f64>, String> {
    let entries: Vec<Time> =
        serde_json::from_str(text).map_err(|error| format!("its times file does not read: {error}"))?;
    if entries.len() < iterations || entries.len() > MAX_ENTRIES {
        return Err(format!("its times file holds {} calls, {iterations} were asked for", entries.len()));
    }
    let gpu_ms = |time: &Time| {
        // Older versions say only how long a call took with its copies.
        let ms = time.compute_ms.or_else(|| Some(time.latency_ms? - time.h2d_ms - time.d2h_ms));
        ms.filter(|ms| ms.is_finite() && *ms > 0.0).ok_or("its times file holds a call without a time")
    };
    Ok(entries.iter().map(gpu_ms).collect::<Result<_, _>>()?)
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ProfileEntry {
    Layer {
        #[serde(rename = "name")]
        _name: String,
        #[serde(rename = "averageMs")]
        average_ms: f64,
    },
    Count {
        count: usize,
    },
}

/// Layers of the profile; it must be of at least `iterations` calls.
///
/// # Errors
/// When the file is no profile, or of fewer calls.
pub(super) fn layers(text: &str, iterations: usize) -> Result<usize, String> {
    let entries: Vec<ProfileEntry> =
        serde_json::from_str(text).map_err(|error| format!("its profile does not read: {error}"))?;
    let [ProfileEntry::Count { count }, layers @ ..] = entries.as_slice() else {
        return Err("its profile does not begin with a count".to_owned());
    };
    let good = |entry: &ProfileEntry| matches!(entry, ProfileEntry::Layer { average_ms, .. } if average_ms.is_finite() && *average_ms >= 0.0);
    if *count < iterations {
        return Err(format!("its profile is of {count} calls, {iterations} were asked for"));
    }
    if layers.is_empty() || layers.len() > MAX_ENTRIES || !layers.iter().all(good) {
        return Err("its profile holds no layers with times".to_owned());
    }
    Ok(layers.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn versions_in_both_forms() {
        let version = |text: &str| banner(&lines(text)).map(|banner| banner.version);
        assert_eq!(version("&&&& RUNNING TensorRT.trtexec [TensorRT v8601] # trtexec").as_deref(), Some("8.6.1"));
        assert_eq!(version("&&&& RUNNING TensorRT.trtexec [TensorRT v100300] # x").as_deref(), Some("10.3.0"));
        assert_eq!(version("[I] TensorRT version: 9.2.0\n").as_deref(), Some("9.2.0"));
        for junk in ["", "hello", "[TensorRT vx]", "TensorRT version: \u{1b}[2J"] {
            assert_eq!(version(junk), None);
        }
        let found = banner(&lines("[I] TensorRT version: 8.6.1\n[I] Emulated: zen-nas stand-in")).unwrap();
        assert!(found.emulated && !banner(&lines("[I] TensorRT version: 8.6.1")).unwrap().emulated);
    }

    #[test]
    fn verdict_and_complaints() {
        assert!(passed(&lines("&&&& RUNNING x\n&&&& PASSED x")));
        assert!(!passed(&lines("&&&& PASSED x\n&&&& FAILED x")) && !passed(&lines("&&&& RUNNING x")));
        assert_eq!(complaints(&lines("[E] one\n[I] fine\n[1/2] [E] two")), "one; two");
    }

    #[test]
    fn times_in_both_forms() {
        assert_eq!(times(r#"[{"computeMs": 0.5, "latencyMs": 0.7}, {"computeMs": 0.25}]"#, 2).unwrap(), [0.5, 0.25]);
        let old = r#"[{"latencyMs": 1.0, "h2dMs": 0.25, "d2hMs": 0.125}, {"latencyMs": 2.0}]"#;
        assert_eq!(times(old, 2).unwrap(), [0.625, 2.0]);
        for (text, problem) in [
            (r#"[{"computeMs": 0.5}]"#, "holds 1 calls"),
            (r#"[{"computeMs": 0.5}, {"computeMs": 0.0}]"#, "without a time"),
            (r#"[{"computeMs": 0.5}, {}]"#, "without a time"),
            (r#"[{"computeMs": 0.5}, "#, "does not read"),
            (r#"{"computeMs": 0.5}"#, "does not read"),
        ] {
            assert!(times(text, 2).unwrap_err().contains(problem), "{text}");
        }
    }

    #[test]
    fn profiles_are_checked() {
        let layer = r#"{"name": "a + b", "timeMs": 1.0, "averageMs": 0.1, "medianMs": 0.1, "percentage": 100}"#;
        assert_eq!(layers(&format!(r#"[{{"count": 10}}, {layer}, {layer}]"#), 10), Ok(2));
        for (text, problem) in [
            (format!(r#"[{{"count": 9}}, {layer}]"#), "of 9 calls"),
            (r#"[{"count": 10}]"#.to_owned(), "no layers"),
            (format!("[{layer}]"), "begin with a count"),
            (r#"[{"count": 10}, {"name": "a"#.to_owned(), "does not read"),
        ] {
            assert!(layers(&text, 10).unwrap_err().contains(problem), "{text}");
        }
    }
}
