//! One forward pass over a chain, in training mode, for one or two groups of images at once.
//!
//! Maps are channels-last and hold what a convolution wrote; normalisation and ReLU happen when the
//! next step reads them, with statistics that were gathered while they were written. Each group has
//! its own statistics, so the clean and the perturbed batch share one pass over the weights.
//! Single precision, statistics in double. Not here: what is drawn, and the score.

use pulp::Arch;

use super::EngineError;
use super::chain::{Chain, Step};
use super::convolve::{Norm, Work};
use super::pack::stored;
use crate::net::TrunkConv;

/// Where weights come from.
pub trait Weights {
    /// Fills the packed weights (see [`super::pack`]) of convolution `number` of the chain.
    fn convolution(&mut self, number: usize, conv: &TrunkConv, packed: &mut [f32]);

    /// Weight and bias of batch norm `number`, if they are not 1 and 0.
    fn batch_norm(&mut self, _number: usize) -> Option<(Vec<f32>, Vec<f32>)> {
        None
    }

    /// The two matrices of gate `number`: reduced x channels, then channels x reduced.
    fn gate(&mut self, number: usize, channels: usize, reduced: usize) -> [Vec<f32>; 2];
}

/// What a batch norm saw in one group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// Biased variance, averaged over the channels.
    pub variance: f64,
    /// Values per channel.
    pub count: usize,
}

/// A map as it stands behind a batch norm.
pub struct Map<'a> {
    /// Image x pixel x stored channels, before normalisation.
    pub raw: &'a [f32],
    /// Channels that count.
    pub channels: usize,
    /// Channels as stored.
    pub stored: usize,
    pub images_per_group: usize,
    /// Group x stored channels.
    pub scale: &'a [f32],
    pub shift: &'a [f32],
}

impl Map<'_> {
    /// Values of one image before the ReLU: pixel after pixel, channel after channel.
    pub fn normalised(&self, image: usize) -> impl Iterator<Item = f32> + '_ {
        let size = self.image_size();
        let group = image / self.images_per_group * self.stored;
        self.raw[image * size..][..size].chunks_exact(self.stored).flat_map(move |pixel| {
            let constants = self.scale[group..].iter().zip(&self.shift[group..]);
            pixel[..self.channels].iter().zip(constants).map(|(x, (scale, shift))| x * scale + shift)
        })
    }

    /// Stored floats of an image.
    pub fn image_size(&self) -> usize {
        self.raw.len() / self.images()
    }

    /// Images of all groups.
    pub fn images(&self) -> usize {
        self.scale.len() / self.stored * self.images_per_group
    }
}

/// Buffers that are kept between passes.
#[derive(Debug, Default)]
pub struct Engine {
    /// Image x pixel x channels of the first step's input; set before [`Engine::run`].
    pub input: Vec<f32>,
    pub(super) maps: [Vec<f32>; 2],
    work: Work,
    pub(super) scale: Vec<f32>,
    pub(super) shift: Vec<f32>,
    pub(super) gates: Vec<f32>,
}

/// How the images stand.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    pub images_per_group: usize,
    /// One or two.
    pub groups: usize,
}

impl Batch {
    pub fn images(self) -> usize {
        self.images_per_group * self.groups
    }
}

impl Engine {
    /// Runs the chain. `observe` sees the map behind every batch norm of a convolution; the last
    /// one is the chain's result. Returns what each batch norm saw: group by group, in order.
    ///
    /// # Errors
    /// When a batch norm sees a single value per channel.
    pub fn run(
        &mut self,
        chain: &Chain,
        batch: Batch,
        weights: &mut dyn Weights,
        observe: &mut dyn FnMut(usize, &Map),
    ) -> Result<Vec<[Seen; 2]>, EngineError> {
        let arch = Arch::new();
        let mut seen = Vec::with_capacity(chain.steps.len());
        let (mut convs, mut gates) = (0, 0);
        self.work.begin();
        let (channels, side) = chain.input();
        let mut source = Source { channels, stored: channels, side, plain: true };
        for (number, step) in chain.steps.iter().enumerate() {
            match *step {
                Step::Conv(conv) => {
                    let pixels = (conv.out_side as usize).pow(2) * batch.images_per_group;
                    if pixels < 2 {
                        return Err(EngineError::SingleValue { layer: convs });
                    }
                    weights.convolution(convs, &conv, self.work.weights_of(&conv));
                    self.convolve(arch, &conv, batch, &source, convs == 0);
                    let norm = weights.batch_norm(seen.len());
                    seen.push(self.normalise(&conv, batch, pixels, chain.epsilon, norm));
                    let channels = conv.out_channels as usize;
                    let stored = stored(conv.out_channels);
                    source = Source { channels, stored, side: conv.out_side as usize, plain: false };
                    convs += 1;
                    self.gates.clear();
                    let (scale, shift) = (&self.scale[..], &self.shift[..]);
                    let raw = &self.maps[0][..batch.images() * source.image_size()];
                    let images_per_group = batch.images_per_group;
                    observe(number, &Map { raw, channels, stored, images_per_group, scale, shift });
                }
                Step::MaxPool { out_side, .. } => {
                    self.max_pool(batch, &source, out_side as usize);
                    source = Source { side: out_side as usize, plain: true, ..source };
                }
                Step::Gate { channels, reduced } => {
                    let matrices = weights.gate(gates, channels as usize, reduced as usize);
                    self.gate(batch, &source, &matrices, chain.epsilon, &mut seen)?;
                    gates += 1;
                }
            }
        }
        Ok(seen)
    }

    /// Convolves `maps[0]` (or the input) into `maps[1]` and swaps them; the sums are left in
    /// `work`.
    fn convolve(&mut self, arch: Arch, conv: &TrunkConv, batch: Batch, source: &Source, first: bool) {
        let [from, to] = &mut self.maps;
        grow(to, batch.images() * (conv.out_side as usize).pow(2) * stored(conv.out_channels));
        let from: &[f32] = if first { &self.input } else { from };
        let norm = Norm { scale: &self.scale, shift: &self.shift, gates: &self.gates };
        self.work.convolve(arch, conv, batch, source, &norm, from, to);
        self.maps.swap(0, 1);
    }

    /// From the sums to the scale and shift of the next reading.
    fn normalise(
        &mut self,
        conv: &TrunkConv,
        batch: Batch,
        count: usize,
        epsilon: f32,
        norm: Option<(Vec<f32>, Vec<f32>)>,
    ) -> [Seen; 2] {
        let stored = stored(conv.out_channels);
        let channels = conv.out_channels as usize;
        for buffer in [&mut self.scale, &mut self.shift] {
            buffer.clear();
            buffer.resize(batch.groups * stored, 0.0);
        }
        let mut seen = [Seen { variance: f64::NAN, count }; 2];
        for (group, seen) in seen.iter_mut().enumerate().take(batch.groups) {
            let (sums, squares) = self.work.totals[group * 2 * stored..][..2 * stored].split_at(stored);
            let mut total = 0.0;
            for channel in 0..channels {
                let mean = sums[channel] / count as f64;
                let variance = (squares[channel] / count as f64 - mean * mean).max(0.0);
                total += variance;
                let (weight, bias) = match &norm {
                    Some((weight, bias)) => (weight[channel] as f64, bias[channel] as f64),
                    None => (1.0, 0.0),
                };
                let scale = weight / (variance + epsilon as f64).sqrt();
                self.scale[group * stored + channel] = scale as f32;
                self.shift[group * stored + channel] = (bias - mean * scale) as f32;
            }
            seen.variance = total / channels as f64;
        }
        seen
    }
}

/// The map that a step reads.
pub(super) struct Source {
    pub channels: usize,
    /// Floats of a pixel.
    pub stored: usize,
    pub side: usize,
    /// Whether it is read as it is.
    pub plain: bool,
}

impl Source {
    pub fn image_size(&self) -> usize {
        self.side * self.side * self.stored
    }
}

/// Enlarges a buffer; what it held is of no interest.
pub(super) fn grow(buffer: &mut Vec<f32>, length: usize) {
    if buffer.len() < length {
        // Not `resize` alone, which would copy.
        buffer.clear();
        buffer.resize(length, 0.0);
    }
}
