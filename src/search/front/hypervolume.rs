//! The hypervolume of a front (Zitzler and Thiele, 1999): what its points dominate, up to a reference point.

/// The volume between the points and the reference, all axes to be small; points beyond the reference count for nothing.
/// By slices along the last axis.
pub fn hypervolume(points: &[Vec<f64>], reference: &[f64]) -> f64 {
    let inside = points.iter().filter(|point| point.iter().zip(reference).all(|(value, most)| value < most));
    let mut inside: Vec<&[f64]> = inside.map(Vec::as_slice).collect();
    volume(&mut inside, reference)
}

fn volume(points: &mut [&[f64]], reference: &[f64]) -> f64 {
    let Some((most, before)) = reference.split_last() else { return 1.0 };
    let last = before.len();
    points.sort_by(|a, b| a[last].total_cmp(&b[last]));
    let mut sum = 0.0;
    for i in 0..points.len() {
        let upper = points.get(i + 1).map_or(*most, |next| next[last]);
        let thickness = upper - points[i][last];
        if thickness > 0.0 {
            sum += thickness * volume(&mut points[..=i].to_vec(), before);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let close = |points: &[&[f64]], reference: &[f64], volume: f64| {
            let points: Vec<Vec<f64>> = points.iter().map(|point| point.to_vec()).collect();
            assert!((hypervolume(&points, reference) - volume).abs() < 1e-12, "{points:?}");
        };
        close(&[], &[1.0, 1.0], 0.0);
        close(&[&[0.25, 0.5]], &[1.0, 1.0], 0.375);
        // Two steps of a staircase; the dominated point and the one outside change nothing.
        close(&[&[1.0, 2.0], &[2.0, 1.0], &[2.0, 2.0], &[9.0, 0.0]], &[3.0, 3.0], 3.0);
        // Three cubes of 4, 4 and 4 that share the unit cube at the corner of the reference.
        close(&[&[0.0, 1.0, 1.0], &[1.0, 0.0, 1.0], &[1.0, 1.0, 0.0]], &[2.0, 2.0, 2.0], 4.0);
        close(&[&[0.0, 0.0, 0.0], &[1.0, 1.0, 1.0]], &[2.0, 2.0, 2.0], 8.0);
    }
}
