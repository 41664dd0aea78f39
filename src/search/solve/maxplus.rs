//! The product of two matrices where sums are maxima and products are sums: the inner loop of the solver.

/// Rows and columns that are worked on together, so that their maxima stay in registers.
const ROWS: usize = 4;
const COLUMNS: usize = 16;

/// `best[i][o] = max(best[i][o], across[i][o] + max over b of (inward[i][b] + outward[b][o]))`
///
/// `inward` has `middle` columns, the others `width`.
pub(super) fn max_plus(inward: &[f32], outward: &[f32], across: &[f32], middle: usize, width: usize, best: &mut [f32]) {
    pulp::Arch::new().dispatch(|| multiply(inward, outward, across, middle, width, best));
}

#[inline(always)]
fn multiply(inward: &[f32], outward: &[f32], across: &[f32], middle: usize, width: usize, best: &mut [f32]) {
    let rows = best.len() / width.max(1);
    for row in (0..rows).step_by(ROWS) {
        let height = ROWS.min(rows - row);
        for column in (0..width).step_by(COLUMNS) {
            let breadth = COLUMNS.min(width - column);
            let mut maxima = [[f32::NEG_INFINITY; COLUMNS]; ROWS];
            if height == ROWS && breadth == COLUMNS {
                for b in 0..middle {
                    let line: &[f32; COLUMNS] =
                        outward[b * width + column..][..COLUMNS].try_into().unwrap_or(&[0.0; COLUMNS]);
                    for (r, maxima) in maxima.iter_mut().enumerate() {
                        let value = inward[(row + r) * middle + b];
                        for (maximum, other) in maxima.iter_mut().zip(line) {
                            let sum = value + other;
                            *maximum = if sum > *maximum { sum } else { *maximum };
                        }
                    }
                }
            } else {
                for b in 0..middle {
                    for r in 0..height {
                        let value = inward[(row + r) * middle + b];
                        for c in 0..breadth {
                            maxima[r][c] = maxima[r][c].max(value + outward[b * width + column + c]);
                        }
                    }
                }
            }
            for (r, maxima) in maxima.iter().enumerate().take(height) {
                for (c, maximum) in maxima.iter().enumerate().take(breadth) {
                    let at = (row + r) * width + column + c;
                    best[at] = best[at].max(maximum + across[at]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_plain_double_loop() {
        let number = |i: usize| ((i * 7919) % 1009) as f32 / 100.0 - 3.0;
        for (rows, middle, width) in [(9, 5, 37), (4, 3, 16), (1, 1, 1), (20, 20, 20)] {
            let matrix = |n: usize, offset: usize| (0..n).map(|i| number(i + offset)).collect::<Vec<_>>();
            let (inward, mut outward) = (matrix(rows * middle, 1), matrix(middle * width, 77));
            outward[0] = f32::NEG_INFINITY;
            let across = matrix(rows * width, 5);
            let mut best = matrix(rows * width, 300);
            let before = best.clone();
            max_plus(&inward, &outward, &across, middle, width, &mut best);
            for i in 0..rows {
                for o in 0..width {
                    let sums = (0..middle).map(|b| inward[i * middle + b] + outward[b * width + o]);
                    let sum = across[i * width + o] + sums.fold(f32::NEG_INFINITY, f32::max);
                    assert_eq!(best[i * width + o], before[i * width + o].max(sum));
                }
            }
        }
    }
}
