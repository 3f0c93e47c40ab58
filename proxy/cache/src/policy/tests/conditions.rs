//! On what else than the fields of freshness it hangs whether an answer is stored.

use std::time::Duration;

use super::*;

#[test]
fn only_statuses_that_are_understood_are_stored() {
    let answer = headers(&[("cache-control", "max-age=3600")]);
    for status in 200..=599 {
        let is_stored = judge(&strict(), &HeaderMap::new(), status, &answer).is_ok();
        let expected = matches!(
            status,
            200 | 203 | 204 | 300 | 301 | 302 | 303 | 307 | 308 | 404 | 405 | 410 | 414 | 451 | 501
        );
        assert_eq!(is_stored, expected, "status-{status}-fresh");
    }
}

#[test]
fn an_answer_to_someone_known_is_stored_only_if_it_is_for_everyone() {
    let with_keys = Policy { credentials: vec![HeaderName::from_static("x-api-key")], ..strict() };
    let known = headers(&[("authorization", "FOO")]);
    let keyed = headers(&[("x-api-key", "FOO")]);
    for (id, control, expected) in [
        ("other-authorization", "max-age=3600", Err(Refusal::Credentials)),
        ("other-authorization-public", "max-age=3600, public", Ok(3600)),
        ("other-authorization-smaxage", "s-maxage=3600", Ok(3600)),
        // RFC 9111 would allow it.
        (
            "other-authorization-must-revalidate",
            "max-age=3600, must-revalidate",
            Err(Refusal::Credentials),
        ),
    ] {
        let answer = headers(&[("cache-control", control)]);
        let found = judge(&strict(), &known, 200, &answer).map(|terms| terms.lifetime);
        assert_eq!(found, expected, "{id}");
        let found = judge(&with_keys, &keyed, 200, &answer).map(|terms| terms.lifetime);
        assert_eq!(found, expected, "own: {id} by a key");
        assert!(judge(&strict(), &keyed, 200, &answer).is_ok());
    }
}

#[test]
fn a_guess_needs_the_operator_a_fitting_status_and_a_request_without_cookies() {
    let guessing = Policy { default_lifetime: Some(Duration::from_mins(1)), ..strict() };
    let careful = strict();
    let (anyone, someone) = (HeaderMap::new(), headers(&[("cookie", "a=b")]));
    let (bare, public) = (HeaderMap::new(), headers(&[("cache-control", "public")]));
    let lifetime = |policy: &Policy, request: &HeaderMap, status, answer: &HeaderMap| {
        judge(policy, request, status, answer).ok().map(|terms| terms.lifetime)
    };
    assert_eq!(lifetime(&careful, &anyone, 200, &bare), None);
    assert_eq!(lifetime(&guessing, &anyone, 200, &bare), Some(60));
    assert_eq!(lifetime(&guessing, &anyone, 404, &bare), Some(60));
    assert_eq!(lifetime(&guessing, &anyone, 302, &bare), None);
    assert_eq!(judge(&guessing, &someone, 200, &bare).unwrap_err(), Refusal::Cookie);
    assert_eq!(lifetime(&guessing, &someone, 200, &public), Some(60));
    let stated = headers(&[("cache-control", "max-age=5")]);
    assert_eq!(lifetime(&guessing, &anyone, 200, &stated), Some(5));
    // What is there counts, even if it cannot be read.
    assert_eq!(lifetime(&guessing, &anyone, 200, &headers(&[("expires", "0")])), None);
}

#[test]
fn the_time_that_an_answer_took_counts_as_age() {
    let answer = headers(&[("cache-control", "max-age=60"), ("age", "10")]);
    let timing = Timing { asked: at(0), answered: at(4) };
    let terms = terms(&strict(), &Wish::default(), StatusCode::OK, &answer, timing).unwrap();
    assert_eq!(terms.age(at(4)), 14);
    assert_eq!(terms.age(at(10)), 20);
}

#[test]
fn a_clock_that_is_set_makes_nothing_fresh_again() {
    let terms =
        judge(&strict(), &HeaderMap::new(), 200, &headers(&[("cache-control", "max-age=9")]))
            .unwrap();
    let set_back = crate::Now { unix: 0, ..at(10) };
    assert_eq!(terms.standing(&Wish::default(), set_back), Standing::Stale);
}
