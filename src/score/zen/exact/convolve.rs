//! One convolution of all images: tile by tile into the scratch, from there by the arithmetic that
//! fits, with sums of what is written.

use pulp::Arch;

use super::chain::is_depthwise;
use super::dense::Dense;
use super::depthwise::{Depthwise, slack};
use super::engine::{Batch, Source, grow};
use super::geometry::{Geometry, Tile};
use super::pack::{packed_len, stored};
use super::read::{Reading, Rows};
use super::winograd::{InputTransform, OutputTransform, PLACES, WeightTransform, place_pitch};
use crate::net::TrunkConv;

/// Constants of the reading of a map.
pub struct Norm<'a> {
    /// Group x stored channels.
    pub scale: &'a [f32],
    pub shift: &'a [f32],
    /// Image x stored channels; empty without gates.
    pub gates: &'a [f32],
}

/// Buffers of a convolution.
#[derive(Debug, Default)]
pub struct Work {
    /// Packed weights.
    weights: Vec<f32>,
    /// Whether the last convolution went from the last tile to the first.
    backwards: bool,
    scratch: Vec<f32>,
    offsets: Vec<usize>,
    runs: Vec<usize>,
    /// Of convolutions by windows: weights, inputs, products.
    transformed: [Vec<f32>; 3],
    /// Of one tile: group x {values, squares} x stored channels.
    sums: Vec<f32>,
    /// Of all tiles of the last convolution, in the same order.
    pub totals: Vec<f64>,
}

impl Work {
    /// Forgets what passes before have left: the order of sums is the same for every pass.
    pub fn begin(&mut self) {
        self.backwards = true;
    }

    /// Room for the packed weights of a convolution, to be filled before [`Work::convolve`].
    pub fn weights_of(&mut self, conv: &TrunkConv) -> &mut [f32] {
        grow(&mut self.weights, packed_len(conv));
        &mut self.weights[..packed_len(conv)]
    }

    /// Convolves `from` into `to`.
    #[allow(clippy::too_many_arguments)]
    pub fn convolve(
        &mut self,
        arch: Arch,
        conv: &TrunkConv,
        batch: Batch,
        source: &Source,
        norm: &Norm,
        from: &[f32],
        to: &mut [f32],
    ) {
        let geometry = Geometry::of(conv, batch);
        let out_stored = stored(conv.out_channels);
        let out_side = conv.out_side as usize;
        grow(&mut self.scratch, geometry.tile_floats() + slack(geometry.kernel, geometry.stride, geometry.channels));
        self.totals.clear();
        self.totals.resize(batch.groups * 2 * out_stored, 0.0);
        self.sums.clear();
        self.sums.resize(batch.groups * 2 * out_stored, 0.0);
        self.runs.clear();
        self.runs.extend((0..geometry.kernel).map(|ky| ky * geometry.pitch()));
        if geometry.outputs > 1 {
            let size = PLACES * place_pitch(geometry.channels * out_stored);
            grow(&mut self.transformed[0], size);
            arch.dispatch(WeightTransform {
                kernel: geometry.kernel,
                in_channels: geometry.channels,
                out_channels: conv.out_channels,
                weights: &self.weights[..packed_len(conv)],
                transformed: &mut self.transformed[0][..size],
            });
        }
        self.backwards = !self.backwards;
        let mut tiles: Vec<_> = geometry.tiles(batch).collect();
        if self.backwards {
            // What was written last is still in the cache.
            tiles.reverse();
        }
        for tile in tiles {
            self.read(arch, conv, batch, source, norm, from, &geometry, &tile);
            let start = (tile.image * out_side + tile.row) * out_side * out_stored;
            let out = &mut to[start..][..tile.images * tile.rows * out_side * out_stored];
            let split = batch.images_per_group.saturating_sub(tile.image).min(tile.images);
            if geometry.outputs > 1 {
                self.by_windows(arch, conv, &geometry, &tile, split, out);
            } else {
                self.directly(arch, conv, &geometry, &tile, split, out);
            }
            // Single precision is good for one tile.
            for (total, sum) in self.totals.iter_mut().zip(&mut self.sums) {
                *total += std::mem::take(sum) as f64;
            }
        }
    }

    /// Reads a tile's inputs into the scratch.
    #[allow(clippy::too_many_arguments)]
    fn read(
        &mut self,
        arch: Arch,
        conv: &TrunkConv,
        batch: Batch,
        source: &Source,
        norm: &Norm,
        from: &[f32],
        geometry: &Geometry,
        tile: &Tile,
    ) {
        let slab = geometry.slab(tile.rows);
        for (i, image) in (tile.image..tile.image + tile.images).enumerate() {
            let group = image / batch.images_per_group * source.stored;
            let reading = if source.plain {
                Reading::Plain
            } else {
                Reading::Normalised {
                    scale: &norm.scale[group..][..source.stored],
                    shift: &norm.shift[group..][..source.stored],
                }
            };
            arch.dispatch(Rows {
                image: &from[image * source.image_size()..][..source.image_size()],
                from_channels: source.stored,
                side: source.side,
                reading,
                gate: norm.gates.get(image * source.stored..(image + 1) * source.stored),
                scratch: &mut self.scratch[i * slab..(i + 1) * slab],
                columns: geometry.columns,
                to_channels: geometry.channels,
                first_row: (tile.row * conv.stride as usize) as isize - geometry.padding as isize,
                padding: geometry.padding,
                step: geometry.step,
            });
        }
    }

    /// Multiplies every weight with every input; `split` images are of the first group.
    fn directly(
        &mut self,
        arch: Arch,
        conv: &TrunkConv,
        geometry: &Geometry,
        tile: &Tile,
        split: usize,
        out: &mut [f32],
    ) {
        let out_side = conv.out_side as usize;
        let (slab, pitch) = (geometry.slab(tile.rows), geometry.pitch());
        let weights = &self.weights[..packed_len(conv)];
        let rows = (0..tile.images * tile.rows).map(|i| i / tile.rows * slab + i % tile.rows * geometry.stride * pitch);
        self.offsets.clear();
        if is_depthwise(conv) {
            self.offsets.extend(rows);
            return arch.dispatch(Depthwise {
                scratch: &self.scratch,
                rows: &self.offsets,
                split: split * tile.rows,
                pitch,
                kernel: geometry.kernel,
                stride: geometry.stride,
                weights,
                out_side,
                out,
                sums: &mut self.sums,
            });
        }
        let step = geometry.stride * geometry.channels;
        self.offsets.extend(rows.flat_map(|row| (0..out_side).map(move |x| row + x * step)));
        arch.dispatch(Dense {
            scratch: &self.scratch,
            offsets: &self.offsets,
            split: split * tile.rows * out_side,
            runs: &self.runs,
            run: geometry.kernel * geometry.channels,
            weights,
            out_channels: conv.out_channels,
            out,
            sums: &mut self.sums,
        });
    }

    /// Transforms windows, multiplies them place by place, and transforms back.
    fn by_windows(
        &mut self,
        arch: Arch,
        conv: &TrunkConv,
        geometry: &Geometry,
        tile: &Tile,
        split: usize,
        out: &mut [f32],
    ) {
        let (channels, out_stored) = (geometry.channels, stored(conv.out_channels));
        let out_side = conv.out_side as usize;
        let (across, down) = (out_side.div_ceil(geometry.outputs), tile.rows.div_ceil(geometry.outputs));
        let count = tile.images * across * down;
        let (slab, pitch) = (geometry.slab(tile.rows), geometry.pitch());
        self.offsets.clear();
        self.offsets.extend((0..count).map(|window| {
            let (image, place) = (window / (across * down), window % (across * down));
            let (row, column) = (place / across, place % across);
            image * slab + row * geometry.outputs * pitch + column * geometry.outputs * channels
        }));
        let [weights, inputs, products] = &mut self.transformed;
        let [weight_pitch, input_pitch, product_pitch] =
            [channels * out_stored, count * channels, count * out_stored].map(place_pitch);
        grow(inputs, PLACES * input_pitch);
        grow(products, PLACES * product_pitch);
        let (inputs, products) = (&mut inputs[..PLACES * input_pitch], &mut products[..PLACES * product_pitch]);
        arch.dispatch(InputTransform {
            scratch: &self.scratch,
            channels,
            pitch,
            windows: &self.offsets,
            transformed: inputs,
        });
        self.offsets.clear();
        self.offsets.extend((0..count).map(|window| window * channels));
        let places = inputs.chunks_exact(input_pitch).zip(products.chunks_exact_mut(product_pitch));
        for ((inputs, products), weights) in places.zip(weights.chunks_exact(weight_pitch)) {
            arch.dispatch(Dense {
                scratch: inputs,
                offsets: &self.offsets,
                split: count,
                runs: &[0],
                run: channels,
                weights,
                out_channels: conv.out_channels,
                out: &mut products[..count * out_stored],
                sums: &mut [],
            });
        }
        arch.dispatch(OutputTransform {
            products,
            kernel: geometry.kernel,
            windows: count,
            across,
            down,
            out_side,
            rows: tile.rows,
            split,
            stored: out_stored,
            out,
            sums: &mut self.sums,
        });
    }
}
