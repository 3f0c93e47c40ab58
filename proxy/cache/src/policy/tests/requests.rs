//! Which requests are answered from the store, and with what.

use std::time::Duration;

use super::*;
use Standing::{Fresh, Stale, StaleByWish, StaleWhileRevalidate};

#[test]
fn only_plain_requests_use_the_cache() {
    let of = |method: &str, fields: &[(&str, &str)]| {
        wish(&strict(), &method.parse().unwrap(), &headers(fields), false).err()
    };
    assert_eq!(of("GET", &[]), None);
    assert_eq!(of("HEAD", &[]), None);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "M-SEARCH", "get"] {
        assert_eq!(of(method, &[]), Some(Bypass::Method), "{method}");
    }
    assert_eq!(of("GET", &[("range", "bytes=0-1")]), Some(Bypass::Range));
    assert_eq!(of("GET", &[("if-range", "\"a\"")]), Some(Bypass::Precondition));
    assert_eq!(of("GET", &[("if-match", "\"a\"")]), Some(Bypass::Precondition));
    assert_eq!(of("GET", &[("if-unmodified-since", "x")]), Some(Bypass::Precondition));
    assert_eq!(of("GET", &[("upgrade", "websocket")]), Some(Bypass::Upgrade));
    assert_eq!(of("GET", &[("cache-control", "no-store")]), Some(Bypass::NoStore));
    assert_eq!(of("GET", &[("cache-control", "max-age=x")]), Some(Bypass::Malformed));
    let with_body = wish(&strict(), &Method::GET, &HeaderMap::new(), true);
    assert_eq!(with_body, Err(Bypass::Body));
}

/// What a request gets that has this `Cache-Control`, of an answer that has that one and is so old.
fn standing(policy: &Policy, answer: &str, age: u64, request: &str) -> Standing {
    let answer = headers(&[("cache-control", answer), ("etag", "\"a\"")]);
    let terms = judge(policy, &HeaderMap::new(), 200, &answer).unwrap();
    let request = if request.is_empty() { vec![] } else { vec![("cache-control", request)] };
    let wish = wish(policy, &Method::GET, &headers(&request), false).unwrap();
    terms.standing(&wish, at(age))
}

#[test]
fn a_request_may_want_more_or_less_than_the_origin_says() {
    for (id, answer, age, request, expected) in [
        ("ccreq-ma0", "max-age=3600", 1, "max-age=0", Stale),
        ("ccreq-ma1", "max-age=3600", 3, "max-age=1", Stale),
        ("ccreq-magreaterage", "max-age=3600", 1800, "max-age=600", Stale),
        ("own: old enough", "max-age=3600", 600, "max-age=600", Fresh),
        ("ccreq-max-stale", "max-age=1", 3, "max-stale=1000", StaleByWish),
        ("ccreq-max-stale-age", "max-age=1500", 2000, "max-stale=1000", StaleByWish),
        ("own: too stale", "max-age=1500", 2501, "max-stale=1000", Stale),
        ("own: any", "max-age=1", 99999, "max-stale", StaleByWish),
        ("own: forbidden", "max-age=1, must-revalidate", 3, "max-stale", Stale),
        ("own: forbidden", "max-age=1, proxy-revalidate", 3, "max-stale", Stale),
        ("own: forbidden", "s-maxage=1", 3, "max-stale", Stale),
        ("ccreq-min-fresh", "max-age=1500", 0, "min-fresh=2000", Stale),
        ("ccreq-min-fresh-age", "max-age=1500", 1000, "min-fresh=1000", Stale),
        ("own: fresh enough", "max-age=1500", 500, "min-fresh=1000", Fresh),
        ("ccreq-no-cache", "max-age=3600", 0, "no-cache", Stale),
    ] {
        assert_eq!(standing(&strict(), answer, age, request), expected, "{id}");
    }
}

#[test]
fn clients_are_not_heard_where_the_operator_says_so() {
    let deaf = Policy { heeds_clients: false, ..strict() };
    for request in ["no-cache", "max-age=0", "min-fresh=9999"] {
        assert_eq!(standing(&deaf, "max-age=3600", 1, request), Fresh, "{request}");
    }
    assert_eq!(standing(&deaf, "max-age=1", 3, "max-stale"), Stale);
    let no_store = headers(&[("cache-control", "no-store")]);
    assert_eq!(wish(&deaf, &Method::GET, &no_store, false), Err(Bypass::NoStore));
    let only = headers(&[("cache-control", "only-if-cached")]);
    assert!(wish(&deaf, &Method::GET, &only, false).unwrap().only_if_cached);
}

#[test]
fn an_answer_is_used_stale_while_the_origin_is_asked_if_it_says_so() {
    for (answer, age, expected) in [
        ("max-age=10, stale-while-revalidate=5", 9, Fresh),
        ("max-age=10, stale-while-revalidate=5", 10, StaleWhileRevalidate),
        ("max-age=10, stale-while-revalidate=5", 14, StaleWhileRevalidate),
        ("max-age=10, stale-while-revalidate=5", 15, Stale),
        ("s-maxage=10, stale-while-revalidate=5", 11, StaleWhileRevalidate),
        ("max-age=10, stale-while-revalidate=5, must-revalidate", 11, Stale),
        ("max-age=10, stale-while-revalidate=5, proxy-revalidate", 11, Stale),
        ("max-age=10, stale-while-revalidate=5, no-cache", 1, Stale),
        ("max-age=10", 11, Stale),
    ] {
        assert_eq!(standing(&strict(), answer, age, ""), expected, "{answer} {age}");
    }
}

#[test]
fn the_operators_word_on_staleness_counts_only_where_the_origin_has_none() {
    let minute = Duration::from_mins(1);
    let policy = Policy { stale_while_revalidate: minute, stale_if_error: minute, ..strict() };
    for (answer, expected) in [
        ("max-age=10", StaleWhileRevalidate),
        ("max-age=10, stale-while-revalidate=0", Stale),
        ("max-age=10, must-revalidate", Stale),
        ("s-maxage=10", Stale),
    ] {
        assert_eq!(standing(&policy, answer, 11, ""), expected, "{answer}");
    }
    // An origin that wants nothing used again has said so.
    for answer in [("cache-control", "max-age=0"), ("expires", "0")] {
        let refused = judge(&policy, &HeaderMap::new(), 200, &headers(&[answer]));
        assert_eq!(refused.unwrap_err(), Refusal::NeverFresh, "{answer:?}");
    }
    assert_eq!(
        standing(&policy, "max-age=0, stale-while-revalidate=60", 1, ""),
        StaleWhileRevalidate
    );
}

#[test]
fn a_failure_is_hidden_only_with_permission() {
    let minute = Duration::from_mins(1);
    let lenient = Policy { stale_if_error: minute, ..strict() };
    let may = |policy: &Policy, answer: &str, age: u64, wish: Wish| {
        let answer = headers(&[("cache-control", answer)]);
        let terms = judge(policy, &HeaderMap::new(), 200, &answer).unwrap();
        terms.may_hide_failure(&wish, at(age))
    };
    let any = Wish::default();
    for (id, policy, answer, age, wish, expected) in [
        ("stale-close", strict(), "max-age=2", 3, any, false),
        ("stale-close", lenient.clone(), "max-age=2", 3, any, true),
        ("stale-sie-close", strict(), "max-age=2, stale-if-error=60", 3, any, true),
        ("own: too late", strict(), "max-age=2, stale-if-error=60", 62, any, false),
        (
            "stale-close-must-revalidate",
            lenient.clone(),
            "max-age=2, must-revalidate",
            3,
            any,
            false,
        ),
        (
            "stale-close-proxy-revalidate",
            lenient.clone(),
            "max-age=2, proxy-revalidate",
            3,
            any,
            false,
        ),
        ("stale-close-s-maxage=2", lenient.clone(), "s-maxage=2", 3, any, false),
        (
            "own: the client does not want it",
            lenient.clone(),
            "max-age=2",
            3,
            Wish { no_cache: true, ..any },
            false,
        ),
        (
            "own: the client does not want it",
            lenient,
            "max-age=2",
            3,
            Wish { max_age: Some(2), ..any },
            false,
        ),
    ] {
        assert_eq!(may(&policy, answer, age, wish), expected, "{id}: {answer} {age}");
    }
}
