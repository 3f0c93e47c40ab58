//! What a client is told: `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10)
//! and `Retry-After` (RFC 9110, 10.2.3).

use std::fmt::Write;
use std::time::Duration;

use crate::{Quota, Verdict, strictest};

/// A name longer than that is cut: fields are sent with every answer.
const LONGEST_NAME: usize = 64;
/// No integer of a structured field is larger (RFC 9651, 3.3.1).
const LARGEST: u64 = 999_999_999_999_999;
const NANOS: u128 = 1_000_000_000;

/// The value of `RateLimit-Policy`: all limits of a request, by their names. A window that is not a
/// whole number of seconds cannot be said, and is left out.
pub fn policy<'a>(limits: impl IntoIterator<Item = (&'a str, &'a Quota)>) -> String {
    let mut value = String::new();
    for (name, quota) in limits {
        if !value.is_empty() {
            value.push_str(", ");
        }
        quote(&mut value, name);
        // Writing to a string does not fail.
        let _ = write!(value, ";q={}", quota.count());
        let (seconds, rest) = (quota.per().as_secs(), quota.per().subsec_nanos());
        if rest == 0 && seconds <= LARGEST {
            let _ = write!(value, ";w={seconds}");
        }
    }
    value
}

/// The value of `RateLimit`: what the strictest of the limits has said. `names` are in the order of the
/// verdicts. `None` when there are none.
///
/// `t` is until all tokens are back, or, in a refusal, the same time as in `Retry-After`. Of a
/// refusal that waiting does not help there is no `t`.
pub fn limit(names: &[&str], verdicts: &[Verdict]) -> Option<String> {
    let at = strictest(verdicts)?;
    let (name, verdict) = (names.get(at)?, verdicts.get(at)?);
    let mut value = String::new();
    quote(&mut value, name);
    let _ = write!(value, ";r={}", verdict.remaining);
    let time = if verdict.is_allowed { Some(verdict.reset) } else { verdict.retry_after };
    if let Some(time) = time {
        let _ = write!(value, ";t={}", seconds(time));
    }
    Some(value)
}

/// The value of `Retry-After` for what the strictest of the limits has said: whole seconds, rounded up,
/// as who comes a moment too early is refused again, and at least one. `None` when all allow it, or
/// waiting does not help.
pub fn retry_after(verdicts: &[Verdict]) -> Option<u64> {
    let verdict = verdicts.get(strictest(verdicts)?)?;
    let time = verdict.retry_after.filter(|_| !verdict.is_allowed)?;
    Some(seconds(time).max(1))
}

fn seconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(NANOS)).unwrap_or(LARGEST).min(LARGEST)
}

/// A string of structured fields (RFC 9651, 3.3.3), which holds printable ASCII only.
fn quote(value: &mut String, name: &str) {
    value.push('"');
    for character in name.chars().take(LONGEST_NAME) {
        match character {
            '"' | '\\' => value.extend(['\\', character]),
            ' '..='~' => value.push(character),
            _ => value.push('?'),
        }
    }
    value.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step;

    const SECOND: u64 = 1_000_000_000;

    fn quota(count: u32, seconds: u64, burst: u32) -> Quota {
        Quota::new(count, Duration::from_secs(seconds), burst).unwrap()
    }

    #[test]
    fn the_policy_names_all_limits() {
        let (minute, day) = (quota(100, 60, 20), quota(5_000, 86_400, 5_000));
        assert_eq!(policy([("minute", &minute)]), "\"minute\";q=100;w=60");
        let both = "\"minute\";q=100;w=60, \"day\";q=5000;w=86400";
        assert_eq!(policy([("minute", &minute), ("day", &day)]), both);
        assert_eq!(policy([]), "");
    }

    #[test]
    fn a_window_of_half_a_second_is_not_told_as_another() {
        let quota = Quota::new(10, Duration::from_millis(500), 10).unwrap();
        assert_eq!(policy([("half", &quota)]), "\"half\";q=10");
    }

    #[test]
    fn the_strictest_tells_what_is_left() {
        let (wide, narrow) = (quota(100, 100, 100), quota(10, 100, 10));
        let verdicts = [&wide, &narrow].map(|quota| step(0, SECOND, 1, quota).0);
        let value = limit(&["wide", "narrow"], &verdicts);
        assert_eq!(value.as_deref(), Some("\"narrow\";r=9;t=10"));
        assert_eq!(retry_after(&verdicts), None);
    }

    #[test]
    fn a_refusal_tells_one_time_in_both_fields_rounded_up() {
        let quota = quota(10, 25, 1);
        let (_, full) = step(0, SECOND, 1, &quota);
        let verdict = step(full, SECOND, 1, &quota).0;
        assert_eq!(verdict.retry_after, Some(Duration::from_millis(2_500)));
        assert_eq!(limit(&["one"], &[verdict]).as_deref(), Some("\"one\";r=0;t=3"));
        assert_eq!(retry_after(&[verdict]), Some(3));
    }

    #[test]
    fn what_never_passes_is_told_no_time() {
        let verdict = step(0, SECOND, 2, &quota(10, 25, 1)).0;
        assert_eq!(limit(&["one"], &[verdict]).as_deref(), Some("\"one\";r=1"));
        assert_eq!(retry_after(&[verdict]), None);
    }

    #[test]
    fn a_name_can_break_neither_the_field_nor_the_header() {
        let quota = quota(1, 1, 1);
        let name = "a\"b\\c\r\nd\u{e9}";
        assert_eq!(policy([(name, &quota)]), "\"a\\\"b\\\\c??d?\";q=1;w=1");
        let long = "n".repeat(1_000);
        assert!(policy([(long.as_str(), &quota)]).len() < 80);
    }

    #[test]
    fn fewer_names_than_verdicts_are_no_field() {
        let verdict = step(0, SECOND, 1, &quota(1, 1, 1)).0;
        assert_eq!(limit(&[], &[verdict]), None);
    }
}
