//! What someone who mistyped a word most likely meant.

/// The known word that is nearest to `word`; `None` when none is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().take(MOST_CHARS + 1).collect();
    if word.is_empty() || word.len() > MOST_CHARS {
        return None;
    }
    let allowed = if word.len() <= 3 { 1 } else { word.len().div_ceil(3) };
    known
        .into_iter()
        .map(|candidate| (distance(&word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Longer words are not compared.
const MOST_CHARS: usize = 64;

/// How many letters must be added, removed, replaced or swapped with their neighbour; `_` and `-`
/// are the same, and so are capitals and small letters.
fn distance(word: &[char], candidate: &str) -> usize {
    let candidate: Vec<char> = candidate.chars().take(2 * MOST_CHARS).collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=candidate.len()).collect();
    let mut previous = None;
    for (row, own) in word.iter().enumerate() {
        let mut current = Vec::with_capacity(last.len());
        current.push(row + 1);
        let mut left = row + 1;
        for (column, other) in candidate.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX);
            let mut best = (at(&last, column) + usize::from(!same(*own, *other)))
                .min(at(&last, column + 1) + 1)
                .min(left + 1);
            let swapped = column
                .checked_sub(1)
                .filter(|before| previous == Some(*other) && candidate.get(*before) == Some(own));
            if let Some(before) = swapped {
                best = best.min(at(&before_last, before).saturating_add(1));
            }
            current.push(best);
            left = best;
        }
        previous = Some(*own);
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

fn same(one: char, other: char) -> bool {
    let plain = |c: char| if c == '-' { '_' } else { c.to_ascii_lowercase() };
    plain(one) == plain(other)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn swapped_missing_and_wrong_letters_are_forgiven() {
        let known = ["upstream", "listeners", "redirect", "rewrite"];
        assert_eq!(nearest("upsteam", known), Some("upstream"));
        assert_eq!(nearest("upstraem", known), Some("upstream"));
        assert_eq!(nearest("Redirect", known), Some("redirect"));
        assert_eq!(nearest("listener", known), Some("listeners"));
    }

    #[test]
    fn another_word_is_not_taken_for_a_mistyped_one() {
        assert_eq!(nearest("timeout", ["upstream", "tls"]), None);
        assert_eq!(nearest("", ["tls"]), None);
        assert_eq!(nearest(&"x".repeat(100_000), ["tls"]), None);
    }

    #[test]
    fn the_nearest_wins() {
        assert_eq!(nearest("per_sourc", ["per_route", "per_source"]), Some("per_source"));
        assert_eq!(nearest("head-time", ["head_size", "head_time"]), Some("head_time"));
    }
}
