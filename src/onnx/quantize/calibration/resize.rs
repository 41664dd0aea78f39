//! An image at the size a network was trained on: shorter side to 8/7 of the resolution (256 for
//! 224), then the middle of it. Bilinear, wider where the image shrinks, so that every pixel counts;
//! the same as Pillow's and so as most training code's.

/// 8-bit pixels, row by row, red, green and blue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<u8>,
}

const CHANNELS: usize = 3;

/// What a network of `height` x `width` sees of a picture.
pub fn middle(picture: &Picture, height: usize, width: usize) -> Picture {
    // Rounded to the nearest.
    let shorter = (16 * height.max(width) + 7) / 14;
    let scaled = |side: usize| shorter * side / picture.height.min(picture.width);
    let rows = taps(picture.height, scaled(picture.height), height);
    let columns = taps(picture.width, scaled(picture.width), width);
    // Columns first, for the rows that are needed.
    let needed = rows.iter().map(|taps| taps.first).min().unwrap_or(0)
        ..rows.iter().map(|taps| taps.first + taps.weights.len()).max().unwrap_or(0);
    let mut narrow = Vec::with_capacity(needed.len() * width * CHANNELS);
    for row in needed.clone() {
        let row = &picture.pixels[row * picture.width * CHANNELS..][..picture.width * CHANNELS];
        for taps in &columns {
            narrow.extend((0..CHANNELS).map(|channel| taps.of(|column| row[column * CHANNELS + channel])));
        }
    }
    let mut pixels = Vec::with_capacity(height * width * CHANNELS);
    for taps in &rows {
        pixels.extend(
            (0..width * CHANNELS).map(|at| taps.of(|row| narrow[(row - needed.start) * width * CHANNELS + at])),
        );
    }
    Picture { width, height, pixels }
}

/// What one pixel is made of along one side.
struct Taps {
    first: usize,
    weights: Vec<f64>,
}

impl Taps {
    fn of(&self, value: impl Fn(usize) -> u8) -> u8 {
        let sum: f64 = self.weights.iter().enumerate().map(|(i, weight)| weight * value(self.first + i) as f64).sum();
        sum.round().clamp(0.0, 255.0) as u8
    }
}

/// For the middle `wanted` pixels of a side of `length` that becomes `scaled`, at least `wanted`.
fn taps(length: usize, scaled: usize, wanted: usize) -> Vec<Taps> {
    let step = length as f64 / scaled as f64;
    let skipped = ((scaled - wanted) as f64 / 2.0).round_ties_even();
    let reach = step.max(1.0);
    let taps = (0..wanted).map(|pixel| {
        let centre = (pixel as f64 + skipped + 0.5) * step;
        // A pixel counts by how near its middle is.
        let first = (centre - reach + 0.5).max(0.0) as usize;
        let last = ((centre + reach + 0.5) as usize).min(length).max(first + 1);
        let weight = |pixel: usize| (1.0 - (pixel as f64 + 0.5 - centre).abs() / reach).max(0.0);
        let weights: Vec<f64> = (first..last).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        Taps { first, weights: weights.iter().map(|weight| weight / sum).collect() }
    });
    taps.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: usize, height: usize, pixel: impl Fn(usize, usize) -> u8) -> Picture {
        let pixels = (0..width * height).flat_map(|at| [pixel(at % width, at / width); 3]).collect();
        Picture { width, height, pixels }
    }

    #[test]
    fn the_middle_of_an_image_of_the_right_size() {
        let found = middle(&picture(8, 8, |x, y| (10 * x + y) as u8), 7, 7);
        // Half a pixel too many on either side: the one behind is left out.
        assert_eq!(found, picture(7, 7, |x, y| (10 * x + y) as u8));
    }

    #[test]
    fn shrinking_takes_every_pixel_into_account() {
        // Lines one pixel wide: nearest neighbours would give black or white.
        let found = middle(&picture(512, 512, |x, _| if x % 2 == 0 { 0 } else { 200 }), 56, 56);
        assert!(found.pixels.iter().all(|value| value.abs_diff(100) <= 2), "{:?}", &found.pixels[..9]);
        // By hand: twice as small, weights 1/8 3/8 3/8 1/8.
        let taps = &taps(16, 8, 8)[3];
        assert_eq!((taps.first, taps.weights.as_slice()), (5, &[0.125, 0.375, 0.375, 0.125][..]));
    }

    #[test]
    fn the_same_as_pillow() {
        // Pillow 9.4, resize with BILINEAR and crop, of a picture that is smooth in parts only.
        for ((width, height), expected) in [
            (
                (40, 26),
                [
                    130, 129, 131, 128, 123, 139, 129, 126, 131, 126, 126, 129, 128, 125, 129, 128, 126, 128, 126, 125,
                    125, 129, 128, 132, 129, 127, 123,
                ],
            ),
            (
                (5, 9),
                [
                    69, 122, 174, 97, 160, 132, 157, 184, 67, 127, 182, 211, 155, 152, 91, 181, 78, 145, 185, 140, 90,
                    202, 60, 128, 107, 130, 142,
                ],
            ),
            (
                (3, 3),
                [
                    0, 50, 100, 7, 57, 107, 28, 78, 128, 31, 81, 131, 38, 91, 144, 59, 115, 171, 62, 112, 162, 69, 125,
                    181, 90, 152, 214,
                ],
            ),
        ] {
            let value = |x: usize, y: usize, c: usize| ((x * x * 7 + y * 31 + x * y * c * 3 + c * 50) % 256) as u8;
            let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
            let pixels = places.flat_map(|(x, y)| [0, 1, 2].map(|c| value(x, y, c))).collect();
            let found = middle(&Picture { width, height, pixels }, 3, 3).pixels;
            // Pillow's weights are integers.
            assert!(found.iter().zip(&expected).all(|(a, b): (&u8, &u8)| a.abs_diff(*b) <= 1), "{found:?}");
        }
    }

    #[test]
    fn any_shape_and_size() {
        for (width, height) in [(1, 1), (1, 500), (500, 1), (3, 7), (640, 480), (33, 32)] {
            for side in [1, 9, 32, 97] {
                let found = middle(&picture(width, height, |_, _| 77), side, side);
                assert_eq!((found.pixels.len(), found.pixels[0]), (side * side * 3, 77), "{width} x {height}");
                assert!(found.pixels.iter().all(|value| *value == 77));
            }
        }
    }
}
