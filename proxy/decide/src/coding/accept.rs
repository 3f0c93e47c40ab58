//! Which codings a client takes (RFC 9110, section 12.5.3).

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;
use marchproxy_conf::model::Coding;

use crate::wire::chars::trim;

/// A weight in thousandths.
type Weight = u16;

/// Which codings a client takes, and how gladly.
#[derive(Clone, Debug, Default)]
pub(super) struct Accepted {
    codings: [Option<Weight>; Coding::ALL.len()],
    /// For codings that are not named.
    others: Option<Weight>,
    identity: Option<Weight>,
}

impl Accepted {
    /// As its `Accept-Encoding` says. Without one only what is not coded is taken: anything would be
    /// allowed, but who takes codings says so.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut accepted = Self::default();
        let fields = headers.get_all(ACCEPT_ENCODING).iter();
        for element in fields.flat_map(|value| value.as_bytes().split(|c| *c == b',')) {
            let mut parts = element.split(|c| *c == b';');
            let name = trim(parts.next().unwrap_or_default());
            // What cannot be read is not taken.
            let weight = parts.next().map_or(1000, |text| weight(trim(text)).unwrap_or(0));
            if name == b"*" {
                accepted.others = Some(weight);
            } else if name.eq_ignore_ascii_case(b"identity") {
                accepted.identity = Some(weight);
            } else if let Some(coding) = coding(name)
                && let Some(known) = accepted.codings.get_mut(coding as usize)
            {
                *known = Some(weight);
            }
        }
        accepted
    }

    /// Whether it takes this coding.
    pub(super) fn takes(&self, coding: Coding) -> bool {
        self.weight(coding) > 0
    }

    /// Which of these it likes best, the first among equals; none when it takes none, or likes it
    /// better when nothing is coded.
    pub(super) fn best(&self, codings: &[Coding]) -> Option<Coding> {
        let mut best = None;
        let mut highest = self.identity.unwrap_or(0).saturating_sub(1);
        for coding in codings {
            let weight = self.weight(*coding);
            if weight > highest {
                (best, highest) = (Some(*coding), weight);
            }
        }
        best
    }

    fn weight(&self, coding: Coding) -> Weight {
        let named = self.codings.get(coding as usize).copied().flatten();
        named.or(self.others).unwrap_or(0)
    }
}

/// The coding of this name; of those that are known.
pub(super) fn coding(name: &[u8]) -> Option<Coding> {
    // RFC 9110, section 8.4.1.3: `x-gzip` is the same.
    if name.eq_ignore_ascii_case(b"x-gzip") {
        return Some(Coding::Gzip);
    }
    let mut all = Coding::ALL.into_iter();
    all.find(|coding| name.eq_ignore_ascii_case(coding.as_str().as_bytes()))
}

/// `q=0.5` in thousandths (RFC 9110, section 12.4.2).
fn weight(text: &[u8]) -> Option<Weight> {
    let (b"q=" | b"Q=", number) = text.split_at_checked(2)? else { return None };
    let (first, rest) = number.split_first()?;
    let digits = match rest.split_first() {
        None => &[],
        Some((b'.', digits)) if digits.len() <= 3 => digits,
        Some(_) => return None,
    };
    let mut weight = match first {
        b'0' => 0,
        b'1' if digits.iter().all(|digit| *digit == b'0') => return Some(1000),
        _ => return None,
    };
    for (digit, worth) in digits.iter().zip([100, 10, 1]) {
        let value =
            char::from(*digit).to_digit(10).and_then(|value| Weight::try_from(value).ok())?;
        weight += value * worth;
    }
    Some(weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(field: &str) -> Accepted {
        Accepted::of(&HeaderMap::from_iter([(ACCEPT_ENCODING, field.parse().unwrap())]))
    }

    #[test]
    fn the_coding_with_the_highest_weight_is_chosen_and_the_first_among_equals() {
        let all = [Coding::Zstd, Coding::Brotli, Coding::Gzip];
        let best = |field: &str| accepted(field).best(&all).map(Coding::as_str);
        for (field, expected) in [
            ("gzip", Some("gzip")),
            ("GZIP", Some("gzip")),
            ("x-gzip", Some("gzip")),
            ("gzip, deflate, br, zstd", Some("zstd")),
            ("gzip, br", Some("br")),
            ("gzip;q=1.0, br;q=0.9", Some("gzip")),
            ("gzip ; q=0.5 ,br;Q=0.501", Some("br")),
            ("*", Some("zstd")),
            ("*;q=0.1, gzip", Some("gzip")),
            ("*, zstd;q=0", Some("br")),
            ("zstd;q=0, *;q=0", None),
            ("identity", None),
            ("identity;q=0", None),
            ("identity;q=0, *", Some("zstd")),
            ("identity;q=0.5, gzip;q=0.4", None),
            ("identity;q=0.5, gzip;q=0.5", Some("gzip")),
            ("deflate", None),
            ("", None),
            (",,gzip,", Some("gzip")),
            ("gzip;q=0", None),
            ("gzip;q=0.000", None),
            ("gzip;q=0.001", Some("gzip")),
            ("gzip;q=1.001", None),
            ("gzip;q=2", None),
            ("gzip;q=0.0001", None),
            ("gzip;q=", None),
            ("gzip;q", None),
            ("gzip;level=9", None),
            ("gzip2", None),
        ] {
            assert_eq!(best(field), expected, "{field:?}");
        }
        assert_eq!(Accepted::of(&HeaderMap::new()).best(&all), None);
    }

    #[test]
    fn fields_that_come_several_times_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT_ENCODING, "br;q=0.2".parse().unwrap());
        headers.append(ACCEPT_ENCODING, "gzip".parse().unwrap());
        let accepted = Accepted::of(&headers);
        assert!(accepted.takes(Coding::Brotli) && accepted.takes(Coding::Gzip));
        assert!(!accepted.takes(Coding::Zstd));
    }
}
