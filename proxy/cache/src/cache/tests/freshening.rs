//! What is stale is asked about, and used again or replaced.

use http::{HeaderMap, HeaderName, Method, StatusCode};

use crate::testing::{World, at, complete, date, fetch, headers, text};
use crate::{Answered, Fetch, Hit, Look, Policy};

const TAG: (&str, &str) = ("etag", "\"a\"");
const SHORT: (&str, &str) = ("cache-control", "max-age=10");

fn world() -> World {
    World::new(Policy { tags: Some(HeaderName::from_static("tags")), ..Policy::default() })
}

fn not_modified(fetch: Fetch, fields: &[(&str, &str)], seconds: u64) -> Hit {
    match fetch.answered(StatusCode::NOT_MODIFIED, &headers(fields), at(seconds)) {
        Answered::Use(hit) => hit,
        other => panic!("it is not used: {other:?}"),
    }
}

fn prepared(fetch: &Fetch, fields: &[(&str, &str)]) -> HeaderMap {
    let mut sent = headers(fields);
    fetch.prepare(&mut sent);
    sent
}

#[test]
fn the_origin_is_asked_with_the_stored_validators() {
    let world = world();
    let modified = date(-100);
    world.store("/", &[SHORT, TAG, ("last-modified", &modified)], "x", at(0));
    let client = [("if-none-match", "\"other\""), ("abc", "123")];
    let fetch = world.fetch("/", &client, at(20));
    let expected =
        headers(&[("if-none-match", "\"a\""), ("if-modified-since", &modified), ("abc", "123")]);
    assert_eq!(prepared(&fetch, &client), expected, "conditional-etag-strong-generate");
    assert_eq!(fetch.why().as_str(), "stale");
}

#[test]
fn what_nothing_is_stored_of_is_asked_as_the_client_does() {
    let world = world();
    let client = [("if-none-match", "\"other\"")];
    let fetch = world.fetch("/", &client, at(0));
    assert_eq!(prepared(&fetch, &client), headers(&client), "conditional-etag-forward");
    let answered = fetch.answered(StatusCode::NOT_MODIFIED, &HeaderMap::new(), at(0));
    assert!(matches!(answered, Answered::Pass(_)));
}

#[test]
fn an_answer_that_is_still_good_is_fresh_again_with_the_new_fields() {
    let world = world();
    let stored = [
        SHORT,
        TAG,
        ("test-header", "A"),
        ("x-kept", "1"),
        ("content-type", "text/plain"),
        ("content-encoding", "gzip"),
        ("tags", "t"),
    ];
    world.store("/", &stored, "hello", at(0));
    let update = [
        ("cache-control", "max-age=3600"),
        TAG,
        ("test-header", "B"),
        ("content-type", "text/html"),
        ("content-encoding", "br"),
        ("content-length", "0"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
    ];
    let hit = not_modified(*world.fetch("/", &[], at(20)), &update, 20);
    assert_eq!(hit.status(), StatusCode::OK);
    let again = world.hit("/", &[], at(30));
    for (hit, age) in [(hit, "0"), (again, "10")] {
        assert_eq!(text(&hit), "hello");
        let fields = hit.fields();
        for (name, value) in [
            ("test-header", "B"),
            ("x-kept", "1"),
            ("cache-control", "max-age=3600"),
            ("content-type", "text/plain"),
            ("content-encoding", "gzip"),
            ("content-length", "5"),
            ("date", &date(20)),
            ("age", age),
        ] {
            assert_eq!(fields[name], value, "304-etag-update-response-{name}");
        }
        assert!(!fields.contains_key("x-hop"));
    }
    assert_eq!(world.cache.figures().entries, 1);
    assert_eq!(world.cache.purge_tag(b"t"), 1, "tags are kept");
}

#[test]
fn a_client_that_has_it_gets_304_after_the_validation() {
    let world = world();
    world.store("/", &[SHORT, TAG], "hello", at(0));
    let fetch = world.fetch("/", &[("if-none-match", "\"a\"")], at(20));
    let hit = not_modified(*fetch, &[TAG], 20);
    assert_eq!(hit.status(), StatusCode::NOT_MODIFIED, "conditional-lm-stale");
}

#[test]
fn an_answer_about_something_else_is_not_used() {
    let world = world();
    world.store("/", &[SHORT, TAG], "hello", at(0));
    let fetch = world.fetch("/", &[], at(20));
    let answered = fetch.answered(StatusCode::NOT_MODIFIED, &headers(&[("etag", "\"b\"")]), at(20));
    assert!(matches!(answered, Answered::Contradicts));
    assert_eq!(world.cache.figures().entries, 0);
}

#[test]
fn an_update_that_forbids_storing_is_given_once() {
    let world = world();
    world.store("/", &[SHORT, TAG, ("tags", "t")], "hello", at(0));
    let fetch = world.fetch("/", &[], at(20));
    let hit = not_modified(*fetch, &[TAG, ("set-cookie", "a=b"), ("tags", "t")], 20);
    let fields = hit.fields();
    assert_eq!((&fields["set-cookie"], text(&hit).as_str()), (&"a=b".parse().unwrap(), "hello"));
    assert!(!fields.contains_key("tags"));
    assert_eq!(world.cache.figures().entries, 0);
}

#[test]
fn a_new_answer_takes_the_place_of_the_stale_one() {
    let world = world();
    world.store("/", &[SHORT, TAG], "old", at(0));
    let answered =
        world.fetch("/", &[], at(20)).answered(StatusCode::OK, &headers(&[SHORT]), at(20));
    complete(answered, "new");
    assert_eq!(text(&world.hit("/", &[], at(21))), "new");
    assert_eq!(world.cache.figures().entries, 1);
}

#[test]
fn a_new_answer_that_must_not_be_stored_removes_the_old_one() {
    let world = world();
    world.store("/", &[("cache-control", "max-age=10, stale-if-error=99"), TAG], "old", at(0));
    let private = headers(&[("cache-control", "private")]);
    let answered = world.fetch("/", &[], at(20)).answered(StatusCode::OK, &private, at(20));
    assert!(matches!(answered, Answered::Pass(_)));
    assert!(world.fetch("/", &[], at(21)).failed(at(21)).is_none());
}

#[test]
fn a_failing_origin_is_hidden_as_long_as_it_allowed() {
    let world = world();
    world.store("/", &[("cache-control", "max-age=10, stale-if-error=60")], "x", at(0));
    for status in [500, 502, 503, 504] {
        let status = StatusCode::from_u16(status).unwrap();
        let fetch = world.fetch("/", &[], at(20));
        let answered = fetch.answered(status, &HeaderMap::new(), at(20));
        let Answered::Use(hit) = answered else { panic!("stale-sie-503: {answered:?}") };
        assert_eq!((hit.remaining(), text(&hit).as_str()), (-10, "x"));
    }
    let other = world.fetch("/", &[], at(20)).answered(
        StatusCode::NOT_IMPLEMENTED,
        &HeaderMap::new(),
        at(20),
    );
    assert!(matches!(other, Answered::Pass(_)));
    assert!(world.fetch("/", &[], at(69)).failed(at(69)).is_some(), "stale-sie-close");
    assert!(world.fetch("/", &[], at(70)).failed(at(70)).is_none());
    let fetch = world.fetch("/", &[], at(70));
    let late = fetch.answered(StatusCode::BAD_GATEWAY, &HeaderMap::new(), at(70));
    assert!(matches!(late, Answered::Pass(_)));
}

#[test]
fn a_stale_answer_is_used_while_one_request_asks_the_origin() {
    let world = world();
    let control = ("cache-control", "max-age=10, stale-while-revalidate=60");
    world.store("/", &[control, TAG], "x", at(0));
    let client = [("if-none-match", "\"other\"")];
    let Look::Hit(hit, Some(refresh)) = world.get("/", &client, at(20)) else {
        panic!("no refresh")
    };
    assert_eq!((hit.age(), text(&hit).as_str()), (20, "x"));
    assert_eq!(prepared(&refresh, &client), headers(&[("if-none-match", "\"a\"")]));
    assert!(matches!(world.get("/", &[], at(20)), Look::Hit(_, None)), "one is enough");
    not_modified(*refresh, &[TAG], 20);
    assert_eq!(world.hit("/", &[], at(21)).age(), 1);
}

#[test]
fn only_a_request_that_may_be_repeated_for_the_store_refreshes_it() {
    let world = world();
    let control = ("cache-control", "public, max-age=10, stale-while-revalidate=60");
    world.store("/", &[control, TAG], "x", at(0));
    let refreshes = |method, fields: &[(&str, &str)]| {
        matches!(world.ask(&method, "/", fields, at(20)), Look::Hit(_, Some(_)))
    };
    assert!(!refreshes(Method::HEAD, &[]));
    assert!(!refreshes(Method::GET, &[("cache-control", "only-if-cached")]));
    assert!(!refreshes(Method::GET, &[("authorization", "x")]));
    assert!(refreshes(Method::GET, &[]));
}

#[test]
fn a_refresh_without_validators_does_not_ask_for_the_client() {
    let world = world();
    world.store("/", &[("cache-control", "max-age=10, stale-while-revalidate=60")], "x", at(0));
    let client = [("if-none-match", "\"other\"")];
    let Look::Hit(_, Some(refresh)) = world.get("/", &client, at(20)) else { panic!("no refresh") };
    assert_eq!(prepared(&refresh, &client), HeaderMap::new());
}

#[test]
fn a_clients_own_condition_is_answered_by_the_origin_when_nothing_can_be_validated() {
    let world = world();
    world.store("/", &[SHORT], "x", at(0));
    let client = [("if-none-match", "\"other\"")];
    let fetch = fetch(world.get("/", &client, at(20)));
    assert!(!fetch.is_leading());
    assert_eq!(prepared(&fetch, &client), headers(&client));
    let answered = fetch.answered(StatusCode::NOT_MODIFIED, &HeaderMap::new(), at(20));
    assert!(matches!(answered, Answered::Pass(_)));
}
