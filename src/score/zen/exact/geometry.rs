//! How a convolution is cut into tiles: what lies in the scratch at one time, and where.

use super::chain::is_depthwise;
use super::engine::Batch;
use super::pack::{packed_len, stored};
use crate::net::TrunkConv;

/// Floats of scratch that a tile aims for: it should stay in a core's own cache.
const TILE: usize = 96 * 1024;
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
        let columns = (out_side - 1) * stride + kernel;
        let mut geometry =
            Self { kernel, padding: kernel / 2, stride, step, channels, columns, out_side, images: 1, rows: out_side };
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
        geometry
    }

    /// Rows of the scratch that `rows` output rows need.
    pub fn rows_in(&self, rows: usize) -> usize {
        (rows - 1) * self.stride + self.kernel
    }

    pub fn tile_floats(&self) -> usize {
        self.images * self.rows_in(self.rows) * self.columns * self.channels
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
