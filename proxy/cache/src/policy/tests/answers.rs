//! Which answers are stored, and how long they are fresh.

use super::*;
use crate::testing::date;
use Expected::{Fresh, Never, Validated};

/// What becomes of an answer that came three seconds ago.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Expected {
    /// It is stored, and fresh; it says that it is so old.
    Fresh(u64),
    /// It is stored, and used only after a validation.
    Validated,
    /// It is not stored.
    Never(Refusal),
}

type Case = (&'static str, &'static [(&'static str, &'static str)], Expected);

/// Dates are written as numbers of seconds from now.
fn expected(policy: &Policy, fields: &[(&str, &str)]) -> Expected {
    let mut answer = HeaderMap::new();
    for (name, value) in fields {
        let is_date = matches!(*name, "date" | "expires" | "last-modified");
        let value = match value.parse::<i64>() {
            Ok(seconds) if is_date && value.starts_with(['+', '-']) => date(seconds),
            _ => (*value).to_owned(),
        };
        let name: HeaderName = name.parse().unwrap();
        answer.append(name, value.parse().unwrap());
    }
    match judge(policy, &HeaderMap::new(), 200, &answer) {
        Err(refusal) => Never(refusal),
        Ok(terms) => match terms.standing(&Wish::default(), at(3)) {
            Standing::Fresh => Fresh(terms.age(at(3))),
            _ => Validated,
        },
    }
}

fn check(policy: &Policy, cases: &[Case]) {
    for (id, fields, outcome) in cases {
        assert_eq!(expected(policy, fields), *outcome, "{id}");
    }
}

const NEVER_FRESH: Expected = Never(Refusal::NeverFresh);
const MALFORMED: Expected = Never(Refusal::Malformed);

#[test]
fn cache_control_tells_how_long_an_answer_is_fresh() {
    let cases: &[Case] = &[
        ("freshness-none", &[], NEVER_FRESH),
        ("freshness-max-age", &[("cache-control", "max-age=3600")], Fresh(3)),
        (
            "freshness-max-age-stale",
            &[("cache-control", "max-age=2"), ("etag", "\"a\"")],
            Validated,
        ),
        ("freshness-max-age-0", &[("cache-control", "max-age=0")], NEVER_FRESH),
        ("freshness-max-age-max", &[("cache-control", "max-age=2147483648")], Fresh(3)),
        ("freshness-max-age-max-plus", &[("cache-control", "max-age=99999999999")], Fresh(3)),
        (
            "freshness-max-age-age",
            &[("date", "+0"), ("cache-control", "max-age=3600"), ("age", "7200")],
            NEVER_FRESH,
        ),
        (
            "freshness-max-age-date",
            &[("date", "-7200"), ("cache-control", "max-age=3600")],
            NEVER_FRESH,
        ),
        (
            "freshness-max-age-expires",
            &[("cache-control", "max-age=3600"), ("expires", "-7200"), ("date", "+0")],
            Fresh(3),
        ),
        (
            "freshness-max-age-expires-invalid",
            &[("cache-control", "max-age=3600"), ("expires", "0"), ("date", "+0")],
            Fresh(3),
        ),
        (
            "freshness-max-age-0-expires",
            &[("expires", "+3600"), ("cache-control", "max-age=0"), ("date", "+0")],
            NEVER_FRESH,
        ),
        ("freshness-max-age-extension", &[("cache-control", "foobar, max-age=3600")], Fresh(3)),
        ("freshness-max-age-case-insenstive", &[("cache-control", "MaX-aGe=3600")], Fresh(3)),
    ];
    check(&strict(), cases);
}

#[test]
fn a_shared_cache_prefers_what_is_said_to_shared_ones() {
    let cases: &[Case] = &[
        ("freshness-s-maxage-shared", &[("cache-control", "s-maxage=3600")], Fresh(3)),
        (
            "freshness-max-age-s-maxage-shared-longer",
            &[("cache-control", "max-age=3600, s-maxage=1"), ("etag", "\"a\"")],
            Validated,
        ),
        (
            "freshness-max-age-s-maxage-shared-longer-multiple",
            &[
                ("cache-control", "max-age=3600"),
                ("cache-control", "s-maxage=1"),
                ("etag", "\"a\""),
            ],
            Validated,
        ),
        (
            "freshness-max-age-s-maxage-shared-shorter",
            &[("cache-control", "max-age=1, s-maxage=3600")],
            Fresh(3),
        ),
    ];
    check(&strict(), cases);
}

#[test]
fn what_is_malformed_or_contradicts_itself_is_not_stored() {
    let cases: &[Case] = &[
        ("freshness-max-age-negative", &[("cache-control", "max-age=-3600")], MALFORMED),
        (
            "freshness-max-age-two-fresh-stale-sameline",
            &[("cache-control", "max-age=1800, max-age=1")],
            MALFORMED,
        ),
        (
            "freshness-max-age-two-stale-fresh-sepline",
            &[("cache-control", "max-age=1"), ("cache-control", "max-age=1800")],
            MALFORMED,
        ),
        (
            "freshness-max-age-ignore-quoted",
            &[("cache-control", "extension=\"max-age=3600\", max-age=1"), ("etag", "\"a\"")],
            Validated,
        ),
        (
            "freshness-max-age-ignore-quoted-rev",
            &[("cache-control", "max-age=1, extension=\"max-age=3600\""), ("etag", "\"a\"")],
            Validated,
        ),
        ("freshness-max-age-quoted", &[("cache-control", "max-age=\"3600\"")], Fresh(3)),
        ("freshness-max-age-space-before-equals", &[("cache-control", "max-age =3600")], MALFORMED),
        ("freshness-max-age-space-after-equals", &[("cache-control", "max-age= 3600")], MALFORMED),
        ("freshness-max-age-leading-zero", &[("cache-control", "max-age=003600")], Fresh(3)),
        ("freshness-max-age-single-quoted", &[("cache-control", "max-age='3600'")], MALFORMED),
        ("freshness-max-age-decimal-zero", &[("cache-control", "max-age=3600.0")], MALFORMED),
        ("freshness-max-age-decimal-five", &[("cache-control", "max-age=3600.5")], MALFORMED),
        ("freshness-max-age-a100", &[("cache-control", "max-age=a3600")], MALFORMED),
        ("freshness-max-age-100a", &[("cache-control", "max-age=3600a")], MALFORMED),
        ("own: an open quote", &[("cache-control", "max-age=60, a=\"b")], MALFORMED),
        ("own: a date that is none", &[("cache-control", "max-age=60"), ("date", "x")], MALFORMED),
        (
            "own: two dates",
            &[("cache-control", "max-age=60"), ("date", "+0"), ("date", "+0")],
            MALFORMED,
        ),
    ];
    check(&strict(), cases);
}

#[test]
fn expires_counts_from_the_date_of_the_answer() {
    const DAY: &str = "Thu, 18 Aug 2050 02:01:18 GMT";
    let cases: &[Case] = &[
        ("freshness-expires-future", &[("expires", "+3600"), ("date", "+0")], Fresh(3)),
        ("freshness-expires-past", &[("expires", "-3600"), ("date", "+0")], NEVER_FRESH),
        ("freshness-expires-present", &[("expires", "+0"), ("date", "+0")], NEVER_FRESH),
        ("freshness-expires-old-date", &[("expires", "+10"), ("date", "-3600")], Fresh(3603)),
        ("freshness-expires-invalid", &[("expires", "0"), ("date", "+0")], NEVER_FRESH),
        (
            "freshness-expires-age-slow-date",
            &[("date", "-10"), ("expires", "+10"), ("age", "25")],
            NEVER_FRESH,
        ),
        ("freshness-expires-32bit", &[("expires", DAY), ("date", "+0")], Fresh(3)),
        (
            "freshness-expires-rfc850",
            &[("expires", "Thursday, 18-Aug-50 02:01:18 GMT"), ("date", "+0")],
            Fresh(3),
        ),
        (
            "freshness-expires-ansi-c",
            &[("expires", "Thu Aug 18 02:01:18 2050"), ("date", "+0")],
            Fresh(3),
        ),
        (
            "freshness-expires-invalid-utc",
            &[("expires", "Thu, 18 Aug 2050 02:01:18 UTC"), ("date", "+0")],
            NEVER_FRESH,
        ),
        (
            "freshness-expires-invalid-2-digit-year",
            &[("expires", "Thu, 18 Aug 50 02:01:18 GMT"), ("date", "+0")],
            NEVER_FRESH,
        ),
        (
            "freshness-expires-invalid-no-comma",
            &[("expires", "Thu 18 Aug 2050 02:01:18 GMT"), ("date", "+0")],
            NEVER_FRESH,
        ),
        ("own: several", &[("expires", DAY), ("expires", DAY), ("date", "+0")], NEVER_FRESH),
    ];
    check(&strict(), cases);
}

#[test]
fn of_several_ages_the_greatest_counts() {
    const MAX_AGE: (&str, &str) = ("cache-control", "max-age=3600");
    let cases: &[Case] = &[
        ("age-parse-nonnumeric", &[MAX_AGE, ("age", "abc")], MALFORMED),
        ("age-parse-negative", &[MAX_AGE, ("age", "-7200")], MALFORMED),
        ("age-parse-float", &[MAX_AGE, ("age", "7200.0")], MALFORMED),
        ("age-parse-large", &[MAX_AGE, ("age", "2147483649")], NEVER_FRESH),
        ("age-parse-larger", &[MAX_AGE, ("age", "99999999999")], NEVER_FRESH),
        ("age-parse-suffix", &[MAX_AGE, ("age", "7200,0")], NEVER_FRESH),
        ("age-parse-suffix-twoline", &[MAX_AGE, ("age", "7200"), ("age", "0")], NEVER_FRESH),
        ("age-parse-prefix", &[MAX_AGE, ("age", "0,7200")], NEVER_FRESH),
        ("age-parse-prefix-twoline", &[MAX_AGE, ("age", "0"), ("age", "7200")], NEVER_FRESH),
        ("age-parse-dup-0", &[MAX_AGE, ("age", "0, 0")], Fresh(3)),
        ("age-parse-dup-old", &[MAX_AGE, ("age", "7200, 7200")], NEVER_FRESH),
        ("other-age-update-max-age", &[MAX_AGE, ("age", "30")], Fresh(33)),
        ("other-age-update-expires", &[("expires", "+3600"), ("age", "30")], Fresh(33)),
    ];
    check(&strict(), cases);
}

#[test]
fn what_an_origin_does_not_want_kept_is_not() {
    let cases: &[Case] = &[
        (
            "cc-resp-private-shared",
            &[("cache-control", "private, max-age=3600")],
            Never(Refusal::Private),
        ),
        ("cc-resp-no-store", &[("cache-control", "no-store")], Never(Refusal::NoStore)),
        (
            "cc-resp-no-store-case-insensitive",
            &[("cache-control", "No-StOrE")],
            Never(Refusal::NoStore),
        ),
        (
            "cc-resp-no-store-fresh",
            &[("cache-control", "max-age=10000, no-store"), ("expires", "+10000")],
            Never(Refusal::NoStore),
        ),
        (
            "other-set-cookie (ours is stricter)",
            &[("cache-control", "max-age=3600"), ("set-cookie", "a=b")],
            Never(Refusal::SetCookie),
        ),
        (
            "partial",
            &[("cache-control", "max-age=3600"), ("content-range", "bytes 0-1/2")],
            Never(Refusal::Partial),
        ),
        (
            "own: must-understand",
            &[("cache-control", "must-understand, no-store, max-age=9")],
            Never(Refusal::NoStore),
        ),
    ];
    check(&strict(), cases);
}

#[test]
fn what_must_be_validated_is_stored_only_if_it_can_be() {
    const TAG: (&str, &str) = ("etag", "\"abcd\"");
    let cases: &[Case] = &[
        ("cc-resp-no-cache", &[("cache-control", "max-age=10000, no-cache")], NEVER_FRESH),
        ("cc-resp-no-cache-revalidate", &[("cache-control", "no-cache"), TAG], Validated),
        (
            "cc-resp-no-cache-revalidate-fresh",
            &[("cache-control", "max-age=10000, no-cache"), TAG],
            Validated,
        ),
        (
            "cc-resp-must-revalidate-fresh",
            &[("cache-control", "max-age=10000, must-revalidate"), TAG],
            Fresh(3),
        ),
        (
            "cc-resp-must-revalidate-stale",
            &[("cache-control", "max-age=2, must-revalidate"), TAG],
            Validated,
        ),
        (
            "pragma-response-no-cache",
            &[("cache-control", "max-age=3600"), ("pragma", "no-cache")],
            Fresh(3),
        ),
    ];
    check(&strict(), cases);
}

#[test]
fn the_targeted_field_counts_before_the_others() {
    let cases: &[Case] = &[
        ("cdn-max-age", &[("cdn-cache-control", "max-age=3600")], Fresh(3)),
        (
            "cdn-max-age-0-expires",
            &[("cdn-cache-control", "max-age=0"), ("expires", "+9")],
            NEVER_FRESH,
        ),
        (
            "cdn-max-age-short-cc-max-age",
            &[("cache-control", "max-age=1"), ("cdn-cache-control", "max-age=3600")],
            Fresh(3),
        ),
        (
            "cdn-max-age-long-cc-max-age",
            &[("cache-control", "max-age=3600"), ("cdn-cache-control", "max-age=0")],
            NEVER_FRESH,
        ),
        (
            "cdn-private",
            &[("cdn-cache-control", "private"), ("cache-control", "max-age=10000")],
            Never(Refusal::Private),
        ),
        (
            "cdn-no-store-cc-fresh",
            &[("cache-control", "max-age=10000"), ("cdn-cache-control", "no-store")],
            Never(Refusal::NoStore),
        ),
        (
            "cdn-fresh-cc-nostore",
            &[("cache-control", "no-store"), ("cdn-cache-control", "max-age=10000")],
            Fresh(3),
        ),
        (
            "cdn-cc-invalid-sh-type-unknown (ours is stricter)",
            &[("cdn-cache-control", "max-age=10000, (&&"), ("cache-control", "max-age=9")],
            MALFORMED,
        ),
        (
            "own: it says nothing of freshness",
            &[("cdn-cache-control", "public"), ("expires", "+3600")],
            NEVER_FRESH,
        ),
    ];
    check(&strict(), cases);
    let untargeted = Policy { targeted: None, ..strict() };
    check(&untargeted, &[("own: not ours", &[("cdn-cache-control", "max-age=9")], NEVER_FRESH)]);
}
