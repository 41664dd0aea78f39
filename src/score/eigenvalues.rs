//! Eigenvalues of small symmetric matrices. Not here: eigenvectors, large matrices.

/// Sweeps at most; six or seven are usual.
const SWEEPS: usize = 60;

/// Eigenvalues in ascending order of a symmetric matrix, `size` x `size`, which is overwritten.
///
/// Cyclic Jacobi rotations (Golub and Van Loan, "Matrix computations", 4th edition, section 8.5):
/// slow for large matrices, but eigenvalues are exact to a few units of the largest one's last place.
pub(crate) fn eigenvalues(matrix: &mut [f64], size: usize) -> Vec<f64> {
    debug_assert_eq!(matrix.len(), size * size);
    let total: f64 = matrix.iter().map(|x| x * x).sum();
    for _ in 0..SWEEPS {
        let off_diagonal = |i: usize| (0..i).map(|j| matrix[i * size + j].powi(2)).sum::<f64>();
        if (0..size).map(off_diagonal).sum::<f64>() <= total * f64::EPSILON * f64::EPSILON {
            break;
        }
        for p in 0..size {
            for q in p + 1..size {
                rotate(matrix, size, p, q);
            }
        }
    }
    let mut found: Vec<f64> = (0..size).map(|i| matrix[i * size + i]).collect();
    found.sort_by(f64::total_cmp);
    found
}

/// Turns rows and columns p and q so that their common element becomes 0.
fn rotate(matrix: &mut [f64], size: usize, p: usize, q: usize) {
    let common = matrix[p * size + q];
    if common == 0.0 {
        return;
    }
    let theta = (matrix[q * size + q] - matrix[p * size + p]) / (2.0 * common);
    let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let cos = 1.0 / tangent.hypot(1.0);
    let sin = tangent * cos;
    for k in 0..size {
        let (a, b) = (matrix[k * size + p], matrix[k * size + q]);
        (matrix[k * size + p], matrix[k * size + q]) = (cos * a - sin * b, sin * a + cos * b);
    }
    for k in 0..size {
        let (a, b) = (matrix[p * size + k], matrix[q * size + k]);
        (matrix[p * size + k], matrix[q * size + k]) = (cos * a - sin * b, sin * a + cos * b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_near(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        let largest = expected.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-14 * largest * found.len() as f64, "{found:?}, expected {expected:?}");
        }
    }

    #[test]
    fn known_matrices() {
        assert_near(&eigenvalues(&mut [], 0), &[]);
        assert_near(&eigenvalues(&mut [3.0], 1), &[3.0]);
        assert_near(&eigenvalues(&mut [2.0, 1.0, 1.0, 2.0], 2), &[1.0, 3.0]);
        assert_near(&eigenvalues(&mut [0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, -5.0], 3), &[-5.0, -1.0, 1.0]);
        // All ones: one eigenvalue is the size, the others are 0.
        assert_near(&eigenvalues(&mut [1.0; 16], 4), &[0.0, 0.0, 0.0, 4.0]);
    }

    /// The second difference: 2 - 2 cos(pi i / (n + 1)).
    #[test]
    fn second_difference() {
        let size = 20;
        let mut matrix = vec![0.0; size * size];
        for i in 0..size {
            matrix[i * size + i] = 2.0;
            if i + 1 < size {
                matrix[i * size + i + 1] = -1.0;
                matrix[(i + 1) * size + i] = -1.0;
            }
        }
        let angle = |i| std::f64::consts::PI * i as f64 / (size + 1) as f64;
        let expected: Vec<f64> = (1..=size).map(|i| 2.0 - 2.0 * angle(i).cos()).collect();
        assert_near(&eigenvalues(&mut matrix, size), &expected);
    }
}
