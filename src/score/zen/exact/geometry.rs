//! How a convolution is cut into tiles: what lies in the scratch at one time, and where.

use super::chain::is_depthwise;
use super::engine::Batch;
use super::pack::{packed_len, stored};
use super::winograd::{PLACES, outputs};
use crate::net::TrunkConv;

/// Floats of scratch that a tile aims for: it should stay in a core's own cache.
const TILE: usize = 96 * 1024;
/// Floats of the transformed windows that a tile aims for.
const WINDOWS: usize = 64 * 1024;
/// Larger weights than this are worth larger tiles, since every tile reads them all.
const HEAVY: usize = 256 * 1024;

/// Rows of one image, or several whole images.
pub struct Tile {
    pub image: usize,
    pub images: usize,
    pub row: usize,
    pub rows: usize,
}

/// How a convolution lies in the scratch.
pub struct Geometry {
    pub kernel: usize,
    pub padding: usize,
    /// Between the windows of neighbouring pixels in the scratch.
    pub stride: usize,
    /// Between the rows and columns that are read from the map: of a 1 x 1 convolution only those
    /// that it looks at.
    pub step: usize,
    pub channels: usize,
    /// Outputs along the side of a window that is computed at once: 1 for direct convolutions, more
    /// where [`super::winograd`] is quicker.
    pub outputs: usize,
    /// Columns in the scratch.
    pub columns: usize,
    out_side: usize,
    /// Images in a tile, if it holds whole ones.
    images: usize,
    /// Output rows in a tile, if an image has more.
    rows: usize,
}

impl Geometry {
    pub fn of(conv: &TrunkConv, batch: Batch) -> Self {
        let kernel = conv.kernel as usize;
        let (stride, step) = if kernel == 1 { (1, conv.stride as usize) } else { (conv.stride as usize, 1) };
        let channels = if is_depthwise(conv) { stored(conv.in_channels) } else { conv.in_channels as usize };
        let out_side = conv.out_side as usize;
        let outputs = if quicker_by_windows(conv, batch) { outputs(kernel).unwrap_or(1) } else { 1 };
        let columns = (out_side.next_multiple_of(outputs) - 1) * stride + kernel;
        let padding = kernel / 2;
        let (images, rows) = (1, out_side);
        let mut geometry = Self { kernel, padding, stride, step, channels, outputs, columns, out_side, images, rows };
        let weights = packed_len(conv);
        let aim = if weights > HEAVY { TILE * (weights / HEAVY + 1).min(16) } else { TILE };
        let image = geometry.rows_in(out_side) * columns * channels;
        if image <= aim {
            geometry.images = (aim / image).clamp(1, batch.images());
        } else {
            let rows = (aim / (columns * channels)).saturating_sub(kernel - stride.min(kernel)) / stride;
            // Fewer rows would read more padding than map.
            geometry.rows = rows.clamp(kernel.min(out_side), out_side);
        }
        if outputs > 1 {
            geometry.fit_windows(conv, batch);
        }
        geometry
    }

    /// Rows of the scratch that `rows` output rows need.
    pub fn rows_in(&self, rows: usize) -> usize {
        (rows.next_multiple_of(self.outputs) - 1) * self.stride + self.kernel
    }

    /// Tiles of whole windows, as many as their transforms fit the cache next to the core's own.
    fn fit_windows(&mut self, conv: &TrunkConv, batch: Batch) {
        let across = self.out_side.div_ceil(self.outputs);
        let channels = stored(conv.in_channels.max(conv.out_channels));
        let windows = (WINDOWS / (PLACES * channels)).max(32);
        self.images = (windows / (across * across)).clamp(1, batch.images());
        self.rows = if self.images > 1 || windows >= across * across {
            self.out_side
        } else {
            ((windows / across).max(1) * self.outputs).min(self.out_side)
        };
    }

    /// Floats between rows of the scratch.
    pub fn pitch(&self) -> usize {
        self.columns * self.channels
    }

    /// Floats of one image's part of a tile with `rows` output rows.
    pub fn slab(&self, rows: usize) -> usize {
        self.rows_in(rows) * self.pitch()
    }

    pub fn tile_floats(&self) -> usize {
        self.images * self.slab(self.rows)
    }

    pub fn tiles(&self, batch: Batch) -> impl Iterator<Item = Tile> + use<> {
        let (images, rows, out_side) = (self.images, self.rows, self.out_side);
        (0..batch.images()).step_by(images).flat_map(move |image| {
            let count = images.min(batch.images() - image);
            (0..out_side).step_by(rows).map(move |row| Tile {
                image,
                images: count,
                row,
                rows: rows.min(out_side - row),
            })
        })
    }
}

/// Whether transforming windows pays: a model of the time in cycles of a core that multiplies and
/// adds 32 numbers in each, with constants fitted to layers of the published networks.
fn quicker_by_windows(conv: &TrunkConv, batch: Batch) -> bool {
    let kernel = conv.kernel as usize;
    let Some(outputs) =
        outputs(kernel).filter(|_| conv.stride == 1 && conv.groups == 1 && conv.in_channels.is_multiple_of(8))
    else {
        return false;
    };
    let [in_channels, out_channels] = [conv.in_channels, conv.out_channels].map(|channels| channels as f64);
    let side = conv.out_side as usize;
    let pixels = (side * side * batch.images()) as f64;
    let windows = (side.div_ceil(outputs).pow(2) * batch.images()) as f64;
    let pairs = in_channels * out_channels;
    let direct = pixels * (kernel * kernel) as f64 * pairs / 32.0;
    let products = 1.2 * windows * PLACES as f64 * pairs / 32.0;
    let transforms = 8.0 * windows * (in_channels + out_channels) + 30.0 * pairs;
    products + transforms < 0.85 * direct
}
