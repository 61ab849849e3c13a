//! Medians and percentiles of what was measured.

/// The value below which `share` of the values lie; none of none. Sorts.
pub(crate) fn percentile(values: &mut [f64], share: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let at = (last as f64 * share).round() as usize;
    values.get(at).copied()
}

/// The middle, or the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    let upper = *sorted.get(half)?;
    Some(if sorted.len() % 2 == 1 { upper } else { f64::midpoint(sorted[half - 1], upper) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let mut values: Vec<f64> = (1..=101).rev().map(f64::from).collect();
        assert_eq!(percentile(&mut values, 0.5), Some(51.0));
        assert_eq!(percentile(&mut values, 0.99), Some(100.0));
        assert_eq!(percentile(&mut values, 1.0), Some(101.0));
        assert_eq!(percentile(&mut [], 0.5), None);
    }

    #[test]
    fn a_median_does_not_follow_an_outlier() {
        assert_eq!(median(&[3.0, 1.0, 900.0]), Some(3.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 900.0]), Some(3.0));
        assert_eq!(median(&[]), None);
    }
}
