//! Small dense matrices: sums of squares and outer products, solved by Cholesky's method.
//!
//! For the dozens of coefficients of a fit, no more.

/// A symmetric matrix, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Symmetric {
    size: usize,
    values: Vec<f64>,
}

impl Symmetric {
    pub fn zero(size: usize) -> Self {
        Self { size, values: vec![0.0; size * size] }
    }

    /// Adds `value` to the diagonal at `place`.
    pub fn add_diagonal(&mut self, place: usize, value: f64) {
        self.values[place * self.size + place] += value;
    }

    pub fn diagonal(&self, place: usize) -> f64 {
        self.values[place * self.size + place]
    }

    /// Adds `factor` times the outer product of a vector with itself.
    pub fn add_outer(&mut self, factor: f64, vector: &[f64]) {
        for (row, a) in vector.iter().enumerate() {
            for (column, b) in vector.iter().enumerate() {
                self.values[row * self.size + column] += factor * a * b;
            }
        }
    }

    /// Adds `factor` times another matrix.
    pub fn add(&mut self, factor: f64, other: &Self) {
        self.values.iter_mut().zip(&other.values).for_each(|(value, other)| *value += factor * other);
    }

    /// Product with a vector.
    pub fn times(&self, vector: &[f64]) -> Vec<f64> {
        self.values.chunks(self.size.max(1)).map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum()).collect()
    }

    /// The vector that this matrix makes `right` of; none where the matrix is not positive definite.
    pub fn solve(&self, right: &[f64]) -> Option<Vec<f64>> {
        let (n, lower) = (self.size, self.cholesky()?);
        let mut x = right.to_vec();
        for row in 0..n {
            let known: f64 = (0..row).map(|column| lower[row * n + column] * x[column]).sum();
            x[row] = (x[row] - known) / lower[row * n + row];
        }
        for row in (0..n).rev() {
            let known: f64 = (row + 1..n).map(|column| lower[column * n + row] * x[column]).sum();
            x[row] = (x[row] - known) / lower[row * n + row];
        }
        Some(x)
    }

    /// The inverse; none where the matrix is not positive definite.
    pub fn inverse(&self) -> Option<Self> {
        let mut inverse = Self::zero(self.size);
        for column in 0..self.size {
            let mut unit = vec![0.0; self.size];
            unit[column] = 1.0;
            for (row, value) in self.solve(&unit)?.into_iter().enumerate() {
                inverse.values[row * self.size + column] = value;
            }
        }
        Some(inverse)
    }

    /// The lower triangle whose product with its transpose is this matrix.
    fn cholesky(&self) -> Option<Vec<f64>> {
        let n = self.size;
        let mut lower = vec![0.0; n * n];
        for row in 0..n {
            for column in 0..=row {
                let known: f64 = (0..column).map(|k| lower[row * n + k] * lower[column * n + k]).sum();
                let rest = self.values[row * n + column] - known;
                lower[row * n + column] = if row != column {
                    rest / lower[column * n + column]
                } else if rest > 0.0 {
                    rest.sqrt()
                } else {
                    return None;
                };
            }
        }
        Some(lower)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solutions_and_inverses_by_hand() {
        // [[4, 2], [2, 3]].
        let mut matrix = Symmetric::zero(2);
        matrix.add_outer(1.0, &[2.0, 1.0]);
        matrix.add_diagonal(1, 2.0);
        assert_eq!(matrix.times(&[1.0, 2.0]), [8.0, 8.0]);
        let solution = matrix.solve(&[8.0, 8.0]).unwrap();
        assert!((solution[0] - 1.0).abs() < 1e-12 && (solution[1] - 2.0).abs() < 1e-12);
        let inverse = matrix.inverse().unwrap();
        let identity = matrix.times(&inverse.times(&[3.0, 5.0]));
        assert!((identity[0] - 3.0).abs() < 1e-12 && (identity[1] - 5.0).abs() < 1e-12);
        matrix.add_diagonal(0, -4.0);
        assert_eq!(matrix.solve(&[1.0, 1.0]), None);
    }
}
