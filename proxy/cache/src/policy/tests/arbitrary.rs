//! Whatever the fields hold, nothing panics, and what must never be stored is not.

use std::time::Duration;

use http::HeaderValue;
use proptest::prelude::*;

use super::*;
use crate::fields::MOST_SECONDS;
use crate::variant::Variant;

/// Names that count, and pieces that their values are made of.
const NAMES: [&str; 14] = [
    "age",
    "authorization",
    "cache-control",
    "cdn-cache-control",
    "content-range",
    "cookie",
    "date",
    "etag",
    "expires",
    "if-modified-since",
    "if-none-match",
    "last-modified",
    "pragma",
    "vary",
];
const PIECES: [&str; 22] = [
    "max-age=",
    "s-maxage=",
    "60",
    "0",
    "99999999999",
    "no-cache",
    "no-store",
    "private",
    "public",
    "stale-if-error=5",
    "stale-while-revalidate=5",
    "must-revalidate",
    ",",
    "=",
    "\"",
    "\\",
    " ",
    "*",
    "W/\"a\"",
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Wed, 06 Nov 2052 08:49:37 GMT",
    "x-y",
];

fn value() -> impl Strategy<Value = HeaderValue> {
    let of_pieces = prop::collection::vec(prop::sample::select(&PIECES[..]), 0..8)
        .prop_map(|pieces| pieces.concat().into_bytes());
    let of_bytes = prop::collection::vec(any::<u8>(), 0..24);
    prop_oneof![4 => of_pieces, 1 => of_bytes]
        .prop_filter_map("no field value", |bytes| HeaderValue::from_bytes(&bytes).ok())
}

fn fields() -> impl Strategy<Value = HeaderMap> {
    let field = (prop::sample::select(&NAMES[..]), value());
    prop::collection::vec(field, 0..6).prop_map(|fields| {
        let named = |(name, value)| (HeaderName::from_static(name), value);
        fields.into_iter().map(named).collect::<Vec<_>>().into_iter().fold(
            HeaderMap::new(),
            |mut headers, (name, value)| {
                headers.append(name, value);
                headers
            },
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_fields_panic_and_the_forbidden_is_never_stored(
        request in fields(),
        answer in fields(),
        status in 100_u16..1000,
        age in 0_u64..200,
    ) {
        let policy = Policy { default_lifetime: Some(Duration::from_mins(1)), ..strict() };
        let policy = Policy { targeted: None, ..policy };
        let Ok(wish) = wish(&policy, &Method::GET, &request, false) else { return Ok(()) };
        let status = StatusCode::from_u16(status).unwrap();
        let timing = Timing { asked: at(0), answered: at(1) };
        let _ = Variant::of(&request, &answer).map(|variant| variant.matches(&request));
        let Ok(terms) = terms(&policy, &wish, status, &answer, timing) else { return Ok(()) };
        prop_assert!(!answer.contains_key("content-range"));
        let control: Vec<_> = answer.get_all("cache-control").iter().collect();
        let has = |name: &str| control.iter().any(|line| *line == name);
        prop_assert!(!has("no-store") && !has("private"));
        prop_assert!(terms.lifetime <= MOST_SECONDS);
        prop_assert!(!request.contains_key("authorization") || terms.is_public);
        if terms.standing(&wish, at(age)) == Standing::Fresh {
            prop_assert!(terms.age(at(age)) < terms.lifetime);
        }
        let _ = terms.may_hide_failure(&wish, at(age));
    }

    #[test]
    fn a_variant_is_for_the_request_that_it_was_chosen_by(
        request in fields(),
        answer in fields(),
    ) {
        let Ok(variant) = Variant::of(&request, &answer) else { return Ok(()) };
        prop_assert!(variant.matches(&request));
        prop_assert_eq!(variant.same_fields(&request), variant);
    }
}
