//! Published times of whole networks: reading the files, and the rows that a fit uses.

use std::collections::BTreeMap;
use std::path::Path;

use zen_nas::latency::LatencyError;

use super::networks::{Networks, id_of};
use super::registry::{File, Filter, Repeats};
use crate::sheet::{Sheet, number};

/// One published time.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    file: File,
    /// Publisher, and the commit of its text.
    pub source: String,
    pub commit: String,
    /// Name in the publication.
    pub network: String,
    /// Network among the operators; empty where it was not rebuilt.
    pub id: String,
    /// Side of the image, or HEIGHTxWIDTH.
    pub input: String,
    pub device: String,
    pub runtime: String,
    pub precision: String,
    pub batch: u32,
    /// 0 where it is not given.
    threads: u32,
    includes: String,
    notes: String,
    pub ms: f64,
}

/// Publisher and commit of the files that do not say theirs.
const AIHUB: (&str, &str) = ("Qualcomm AI Hub", "52c080d2");
const TFLITE: &str = "e0807946";

/// On the AI Hub a time is dropped where another runtime of the device takes less than this part of it: the network
/// did not run as it should have.
const FASTEST_OTHER: f64 = 1.0 / 2.5;
/// Runtimes there that are fitted.
const AIHUB_RUNTIMES: [&str; 3] = ["tflite", "qnn_dlc", "onnx"];

/// Every published time.
#[derive(Debug)]
pub struct Figures(Vec<Figure>);

impl Figures {
    /// Reads the three files.
    ///
    /// # Errors
    /// When a file is missing or does not read.
    pub fn read(raw: &Path) -> Result<Self, LatencyError> {
        let mut figures = Vec::new();
        read_published(raw, &mut figures)?;
        read_aihub(raw, &mut figures)?;
        read_tflite(raw, &mut figures)?;
        Ok(Self(figures))
    }

    /// The rows that one of the filters takes, of rebuilt networks; `names` are networks of files that have names
    /// of their own. Repeated rows become what `repeats` says.
    pub fn used(
        &self,
        filters: &[Filter],
        names: &BTreeMap<String, String>,
        networks: &Networks,
        repeats: Repeats,
    ) -> Vec<Figure> {
        let slow =
            if filters.iter().any(|filter| filter.file == Some(File::Aihub)) { self.slow(names) } else { Vec::new() };
        let mut used: Vec<Figure> = Vec::new();
        for filter in filters {
            for figure in &self.0 {
                if !filter.takes(figure) {
                    continue;
                }
                let id = match (filter.names.get(&figure.network), figure.file) {
                    (Some(arch), _) => id_of(arch, &figure.input),
                    (None, File::Published) => figure.id.clone(),
                    (None, _) => names.get(&figure.network).cloned().unwrap_or_default(),
                };
                if networks.get(&id).is_none() || slow.contains(&key_of(figure)) {
                    continue;
                }
                let input = id.split_once('@').map_or_else(String::new, |(_, input)| input.to_owned());
                used.push(Figure { id, input, ..figure.clone() });
            }
        }
        match repeats {
            Repeats::Each => {
                let mut once: Vec<Figure> = Vec::new();
                for figure in used {
                    let same = |other: &Figure| {
                        (&other.source, &other.id, other.batch, other.ms)
                            == (&figure.source, &figure.id, figure.batch, figure.ms)
                    };
                    if !once.iter().any(same) {
                        once.push(figure);
                    }
                }
                once
            }
            Repeats::Mean => mean(used),
        }
    }

    /// Rows of the AI Hub whose device is much faster by another runtime.
    fn slow(&self, names: &BTreeMap<String, String>) -> Vec<[String; 4]> {
        let known = |figure: &&Figure| {
            let named = names.contains_key(&figure.network) && AIHUB_RUNTIMES.contains(&figure.runtime.as_str());
            figure.file == File::Aihub && named
        };
        let mut by_runtime: BTreeMap<[String; 4], Vec<f64>> = BTreeMap::new();
        for figure in self.0.iter().filter(known) {
            by_runtime.entry(key_of(figure)).or_default().push(figure.ms);
        }
        let means: Vec<([String; 4], f64)> =
            by_runtime.into_iter().map(|(key, times)| (key, geometric_mean(&times))).collect();
        let slow = |(key, ms): &&([String; 4], f64)| {
            means.iter().any(|(other, other_ms)| key[..3] == other[..3] && *other_ms < FASTEST_OTHER * ms)
        };
        means.iter().filter(slow).map(|(key, _)| key.clone()).collect()
    }
}

/// Device, precision, network and runtime.
fn key_of(figure: &Figure) -> [String; 4] {
    let Figure { device, precision, network, runtime, .. } = figure;
    [device, precision, network, runtime].map(String::clone)
}

fn geometric_mean(times: &[f64]) -> f64 {
    (times.iter().map(|ms| ms.ln()).sum::<f64>() / times.len() as f64).exp()
}

/// One figure for each network, the geometric mean of its rows.
fn mean(figures: Vec<Figure>) -> Vec<Figure> {
    let mut means: Vec<(Figure, Vec<f64>)> = Vec::new();
    for figure in figures {
        match means.iter_mut().find(|(first, _)| (&first.id, first.batch) == (&figure.id, figure.batch)) {
            Some((_, times)) => times.push(figure.ms),
            None => {
                let ms = figure.ms;
                means.push((figure, vec![ms]));
            }
        }
    }
    means.into_iter().map(|(figure, times)| Figure { ms: geometric_mean(&times), ..figure }).collect()
}

impl Filter {
    fn takes(&self, figure: &Figure) -> bool {
        let text = |asked: &Option<String>, given: &str| asked.as_ref().is_none_or(|asked| asked == given);
        self.file.unwrap_or(File::Published) == figure.file
            && text(&self.source, &figure.source)
            && text(&self.device, &figure.device)
            && text(&self.runtime, &figure.runtime)
            && text(&self.precision, &figure.precision)
            && self.batch.is_none_or(|batch| batch == figure.batch)
            && (self.batches.is_empty() || self.batches.contains(&figure.batch))
            && self.threads.is_none_or(|threads| threads == figure.threads)
            && self.includes.as_ref().is_none_or(|words| figure.includes.starts_with(words))
            && self.notes.as_ref().is_none_or(|words| figure.notes.contains(words))
            && !self.without.iter().any(|part| figure.network.contains(part))
            && (self.names.is_empty() || self.names.contains_key(&figure.network))
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match number::<f64>(text)? {
        ms if ms > 0.0 && ms.is_finite() => Ok(ms),
        ms => Err(format!("{ms} is no time")),
    }
}

fn read_published(raw: &Path, figures: &mut Vec<Figure>) -> Result<(), LatencyError> {
    Sheet::open(raw.join("whole").join("published.csv"))?.each(|field| {
        let (arch, input, source) = (field("arch")?, field("input")?, field("source")?);
        let (source, commit) = source.split_once('@').unwrap_or((&source, ""));
        let threads = field("threads")?;
        figures.push(Figure {
            file: File::Published,
            source: source.to_owned(),
            commit: commit.to_owned(),
            network: field("network")?,
            id: if arch.is_empty() { String::new() } else { id_of(&arch, &input) },
            input,
            device: field("device")?,
            runtime: field("runtime")?,
            precision: field("precision")?,
            batch: number(&field("batch")?)?,
            threads: if threads.is_empty() { 0 } else { number(&threads)? },
            includes: field("includes")?,
            notes: field("notes")?,
            ms: positive(&field("ms_per_call")?)?,
        });
        Ok(())
    })
}

/// Networks that ran wholly on the NPU.
fn read_aihub(raw: &Path, figures: &mut Vec<Figure>) -> Result<(), LatencyError> {
    Sheet::open(raw.join("aihub").join("perf.csv"))?.each(|field| {
        let elsewhere = !field("layers_gpu")?.is_empty() || !field("layers_cpu")?.is_empty();
        if field("compute_unit")? != "NPU" || elsewhere || field("layers_npu")? != field("layers")? {
            return Ok(());
        }
        figures.push(Figure {
            file: File::Aihub,
            source: AIHUB.0.to_owned(),
            commit: AIHUB.1.to_owned(),
            network: field("model")?,
            id: String::new(),
            input: String::new(),
            device: field("device")?,
            runtime: field("runtime")?,
            precision: field("precision")?,
            batch: 1,
            threads: 0,
            includes: String::new(),
            notes: String::new(),
            ms: positive(&field("ms_per_call")?)?,
        });
        Ok(())
    })
}

fn read_tflite(raw: &Path, figures: &mut Vec<Figure>) -> Result<(), LatencyError> {
    Sheet::open(raw.join("tflite_pixel").join("pixel_tflite.csv"))?.each(|field| {
        figures.push(Figure {
            file: File::Tflite,
            source: field("source")?,
            commit: TFLITE.to_owned(),
            network: field("model")?,
            id: String::new(),
            input: String::new(),
            device: field("device")?,
            runtime: field("runtime")?,
            precision: field("precision")?,
            batch: number(&field("batch")?)?,
            threads: number(&field("threads")?)?,
            includes: String::new(),
            notes: String::new(),
            ms: positive(&field("ms")?)?,
        });
        Ok(())
    })
}
