//! Reading the Prometheus text format.

/// The sum of `name` over all series that have these labels; none without such a series.
pub fn sum(text: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let series = text.lines().filter(|line| !line.starts_with('#'));
    let values = series.filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let (own_name, own_labels) = series.split_once('{').unwrap_or((series, ""));
        let has = |(key, value): &(&str, &str)| own_labels.contains(&format!("{key}=\"{value}\""));
        (own_name == name && labels.iter().all(has)).then(|| value.parse::<f64>().ok())?
    });
    values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

#[cfg(test)]
mod tests {
    use super::sum;

    #[test]
    fn series_with_the_labels_are_added_up() {
        let text =
            "# TYPE a counter\na{x=\"1\",y=\"2\"} 3\na{x=\"1\",y=\"3\"} 4\nab{x=\"1\"} 9\nc 5\n";
        assert_eq!(sum(text, "a", &[("x", "1")]), Some(7.0));
        assert_eq!(sum(text, "a", &[("y", "3")]), Some(4.0));
        assert_eq!(sum(text, "c", &[]), Some(5.0));
        assert_eq!(sum(text, "d", &[]), None);
    }
}
