//! What changes at the origin is removed (RFC 9111, section 4.4), and what is purged is gone.

use http::{Method, StatusCode};

use crate::testing::{World, at, complete, filling, headers, key};
use crate::{Key, Policy};

const FRESH: (&str, &str) = ("cache-control", "max-age=60");

fn as_it_is(path: &str) -> Option<String> {
    path.starts_with('/').then(|| path.to_owned())
}

/// Whether `/a` and `/b` are still stored after an answer to a request to `/a`.
fn left(method: &str, status: u16, answer: &[(&str, &str)]) -> (bool, bool) {
    let world = World::new(Policy::default());
    world.store("/a", &[FRESH], "x", at(0));
    world.store("/b", &[FRESH], "x", at(0));
    let status = StatusCode::from_u16(status).unwrap();
    let method = method.parse().unwrap();
    world.cache.invalidate(&key("/a"), &method, status, &headers(answer), &as_it_is);
    (world.has("/a", at(1)), world.has("/b", at(1)))
}

#[test]
fn an_unsafe_method_removes_what_it_may_have_changed() {
    for method in ["POST", "PUT", "DELETE", "M-SEARCH"] {
        assert_eq!(left(method, 200, &[]), (false, true), "invalidate-{method}");
        assert_eq!(left(method, 303, &[]), (false, true), "invalidate-{method}");
        assert_eq!(left(method, 500, &[]), (true, true), "invalidate-{method}-failed");
        assert_eq!(left(method, 404, &[]), (true, true), "invalidate-{method}-failed");
        let location = [("location", "https://example.com/b")];
        assert_eq!(left(method, 201, &location), (false, false), "invalidate-{method}-location");
        assert_eq!(
            left(method, 200, &[("content-location", "/b")]),
            (false, false),
            "invalidate-{method}-cl"
        );
    }
    for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
        assert_eq!(left(method, 200, &[]), (true, true), "{method}");
    }
}

#[test]
fn other_origins_are_left_alone() {
    for location in ["http://example.com/b", "https://example.com:8443/b", "https://other/b"] {
        assert_eq!(left("POST", 200, &[("location", location)]), (false, true), "{location}");
    }
}

#[test]
fn all_variants_and_spaces_of_a_resource_go() {
    let world = World::new(Policy::default());
    for (value, space) in [("1", "app"), ("2", "app"), ("1", "other")] {
        let look = world.ask_in(&space.into(), &Method::GET, "/", &[("x", value)], at(0));
        let answer = headers(&[FRESH, ("vary", "x")]);
        complete(crate::testing::fetch(look).answered(StatusCode::OK, &answer, at(0)), "x");
    }
    assert_eq!(world.cache.figures().entries, 3);
    let key = Key::of_uri("https://example.com:443/", &as_it_is).unwrap();
    assert_eq!(world.cache.purge_key(&key), 3);
}

#[test]
fn what_was_asked_for_before_a_change_is_not_stored_after_it() {
    let world = World::new(Policy::default());
    let fetch = world.fetch("/a", &[], at(0));
    let mut filling = filling(fetch.answered(StatusCode::OK, &headers(&[FRESH]), at(0)));
    filling.add(b"old");
    let status = StatusCode::NO_CONTENT;
    world.cache.invalidate(&key("/a"), &Method::PUT, status, &headers(&[]), &as_it_is);
    assert!(filling.complete().is_err());
    assert!(!world.has("/a", at(1)));
    world.store("/a", &[FRESH], "new", at(1));
    assert!(world.has("/a", at(1)));
}

#[test]
fn a_validation_from_before_a_purge_stores_nothing() {
    let world = World::new(Policy::default());
    world.store("/", &[FRESH, ("etag", "\"a\"")], "x", at(0));
    let fetch = world.fetch("/", &[], at(99));
    world.cache.purge_all();
    let answered = fetch.answered(StatusCode::NOT_MODIFIED, &headers(&[FRESH]), at(99));
    assert!(matches!(answered, crate::Answered::Use(_)), "it was good when it was asked for");
    assert_eq!(world.cache.figures().entries, 0);
}
