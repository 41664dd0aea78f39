//! Settings: which device, runtime, precision, batch and threads a latency belongs to.
//!
//! A setting has a stable text id, `v100/tensorrt/fp16/b64` or `cpu/tract/fp32/b1/t1`, used in the
//! database, in table files and in output. Not here: how a device is reached (`device`).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use super::LatencyError;
use crate::names::{named, serialized_by_name};

/// Arithmetic an operator runs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Precision {
    #[default]
    Fp32,
    Fp16,
    Int8,
}

impl Precision {
    pub const ALL: [Precision; 3] = [Precision::Fp32, Precision::Fp16, Precision::Int8];

    /// Name in ids and options.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Fp32 => "fp32",
            Precision::Fp16 => "fp16",
            Precision::Int8 => "int8",
        }
    }

    /// Bytes of one element.
    pub fn bytes(self) -> f64 {
        match self {
            Precision::Fp32 => 4.0,
            Precision::Fp16 => 2.0,
            Precision::Int8 => 1.0,
        }
    }
}

/// How a number came about. Ordered: stronger evidence is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Evidence {
    /// Estimated from measured operators nearby.
    Interpolated,
    /// From a formula fitted to whole networks or to another device's table.
    Fitted,
    /// Timed on the device.
    Measured,
}

impl Evidence {
    pub const ALL: [Evidence; 3] = [Evidence::Measured, Evidence::Fitted, Evidence::Interpolated];

    /// Name in tables and output.
    pub fn name(self) -> &'static str {
        match self {
            Evidence::Interpolated => "interpolated",
            Evidence::Fitted => "fitted",
            Evidence::Measured => "measured",
        }
    }
}

named!(Precision, "precision");
named!(Evidence, "evidence");
serialized_by_name!(Precision);
serialized_by_name!(Evidence);

/// Other names of runtimes, with the one in settings.
const RUNTIME_NAMES: [(&str, &str); 7] = [
    ("litert", "tflite"),
    ("tf-lite", "tflite"),
    ("tensorflow-lite", "tflite"),
    ("trt", "tensorrt"),
    ("ort", "onnxruntime"),
    ("onnx-runtime", "onnxruntime"),
    ("paddlelite", "paddle-lite"),
];

/// Endings of a runtime's name for parts of a device other than its processor, with what to call them.
const RUNTIME_PARTS: [(&str, &str); 2] = [("-npu", "NPU"), ("-vulkan", "GPU")];

/// A runtime's name in settings, from the way a user writes it: `LiteRT` is `tflite`. Unknown names stay.
pub fn runtime_name(text: &str) -> String {
    let written: String =
        text.trim().to_lowercase().chars().map(|c| if c == '_' || c.is_whitespace() { '-' } else { c }).collect();
    let known = |name: &str| RUNTIME_NAMES.iter().find(|(other, _)| *other == name).map(|(_, name)| *name);
    if let Some(name) = known(&written) {
        return name.to_owned();
    }
    // `litert-npu` is `tflite-npu`.
    for (ending, _) in RUNTIME_PARTS {
        if let Some(name) = written.strip_suffix(ending).and_then(known) {
            return format!("{name}{ending}");
        }
    }
    written
}

/// The part of a device that a runtime runs on, where it is the named one on a part of its own: `tflite-npu` of
/// `tflite` on the NPU.
pub fn part_of_runtime(named: &str, runtime: &str) -> Option<&'static str> {
    let ending = runtime.strip_prefix(named)?;
    RUNTIME_PARTS.iter().find(|(known, _)| *known == ending).map(|(_, part)| *part)
}

/// What a latency belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Setting {
    pub device: String,
    /// `tensorrt`, `tract`, `tflite-npu` and so on, or `published` for a regime known from publications.
    pub runtime: String,
    pub precision: Precision,
    /// Images in one inference call.
    pub batch_size: u32,
    /// Threads of the runtime on a processor; 0 where the number means nothing (GPUs).
    pub threads: u32,
}

impl Setting {
    /// A setting of a device whose threads mean nothing.
    pub fn new(device: &str, runtime: &str, precision: Precision, batch_size: u32) -> Self {
        Self { device: device.to_owned(), runtime: runtime.to_owned(), precision, batch_size, threads: 0 }
    }

    /// The same setting with a number of threads.
    pub fn with_threads(self, threads: u32) -> Self {
        Self { threads, ..self }
    }

    /// `tflite int8 b1 t4`, its device aside.
    pub fn short(&self) -> String {
        let threads = if self.threads == 0 { String::new() } else { format!(" t{}", self.threads) };
        format!("{} {} b{}{threads}", self.runtime, self.precision, self.batch_size)
    }

    /// Stable text form, as `Display`.
    pub fn id(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/b{}", self.device, self.runtime, self.precision, self.batch_size)?;
        if self.threads > 0 {
            write!(f, "/t{}", self.threads)?;
        }
        Ok(())
    }
}

impl FromStr for Setting {
    type Err = LatencyError;

    fn from_str(text: &str) -> Result<Self, LatencyError> {
        let bad = |reason: String| LatencyError::BadSetting { text: text.to_owned(), reason };
        let parts: Vec<&str> = text.split('/').collect();
        let (&[device, runtime, precision, batch], rest) = parts
            .split_first_chunk::<4>()
            .ok_or_else(|| bad(format!("{} of its at least 4 parts are there", parts.len())))?;
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        for name in [device, runtime] {
            if !is_name(name) {
                return Err(bad(format!("`{name}` is not a name of letters, digits, `-`, `_` and `.`")));
            }
        }
        let count = |part: &str, letter: char| {
            part.strip_prefix(letter)
                .and_then(|digits| digits.parse::<u32>().ok())
                .filter(|count| *count > 0)
                .ok_or_else(|| bad(format!("`{part}` is not `{letter}` and a positive number")))
        };
        let threads = match rest {
            [] => 0,
            [threads] => count(threads, 't')?,
            _ => return Err(bad(format!("`{}` is left over", rest[1..].join("/")))),
        };
        Ok(Self {
            device: device.to_owned(),
            runtime: runtime.to_owned(),
            precision: precision.parse().map_err(bad)?,
            batch_size: count(batch, 'b')?,
            threads,
        })
    }
}

/// A setting in JSON: its id and the parts of it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Setting")]
struct Written<'s> {
    id: String,
    device: &'s str,
    runtime: &'s str,
    precision: Precision,
    batch_size: u32,
    /// 0 where the runtime has no such thing.
    threads: u32,
}

impl Serialize for Setting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { device, runtime, precision, batch_size, threads } = self;
        let (precision, batch_size, threads) = (*precision, *batch_size, *threads);
        Written { id: self.id(), device, runtime, precision, batch_size, threads }.serialize(serializer)
    }
}

impl JsonSchema for Setting {
    fn schema_name() -> Cow<'static, str> {
        Written::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Written::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back() {
        for id in ["v100/tensorrt/fp16/b64", "cpu/tract/fp32/b1/t1", "pixel2/published/fp32/b1"] {
            assert_eq!(id.parse::<Setting>().unwrap().id(), id);
        }
    }

    #[test]
    fn bad_ids_name_the_part() {
        for (id, part) in [
            ("v100", "at least 4"),
            ("v100/tensorrt/fp8/b1", "fp8"),
            ("v100/tensorrt/fp16/b0", "`b0`"),
            ("v100/tensorrt/fp16/64", "`64`"),
            ("/tensorrt/fp16/b1", "``"),
            ("v100/tensorrt/fp16/b1/t1/x", "`x`"),
        ] {
            let error = id.parse::<Setting>().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn runtimes_have_several_names() {
        for (written, name) in [
            ("LiteRT", "tflite"),
            ("litert-npu", "tflite-npu"),
            ("TensorFlow Lite", "tflite"),
            ("paddle_lite", "paddle-lite"),
            ("trt", "tensorrt"),
            ("mine", "mine"),
        ] {
            assert_eq!(runtime_name(written), name);
        }
        assert_eq!(part_of_runtime("tflite", "tflite-npu"), Some("NPU"));
        assert_eq!(part_of_runtime("ncnn", "ncnn-vulkan"), Some("GPU"));
        assert_eq!(part_of_runtime("tflite", "tflite"), None);
        assert_eq!(part_of_runtime("onnxruntime", "onnxruntime-tensorrt"), None);
    }

    #[test]
    fn measured_is_the_strongest() {
        assert!(Evidence::Measured > Evidence::Fitted && Evidence::Fitted > Evidence::Interpolated);
    }
}
