//! What comes out of the store is what went in.

use std::sync::Arc;

use http::{HeaderName, Method, StatusCode};

use crate::policy::{Bypass, Refusal};
use crate::store::Limits;
use crate::testing::{World, at, complete, date, filling, headers, hit, text};
use crate::{Answered, Figures, Look, Policy};

const FRESH: (&str, &str) = ("cache-control", "max-age=60");

#[test]
fn a_stored_answer_comes_back_whole_with_its_age() {
    let world = World::new(Policy::default());
    let answer = [FRESH, ("content-type", "text/plain"), ("x-a", "1"), ("age", "5")];
    world.store("/a?b", &answer, "hello", at(0));
    let hit = world.hit("/a?b", &[], at(7));
    assert_eq!((hit.status(), text(&hit).as_str()), (StatusCode::OK, "hello"));
    let expected = headers(&[
        FRESH,
        ("content-type", "text/plain"),
        ("x-a", "1"),
        ("date", &date(0)),
        ("content-length", "5"),
        ("age", "12"),
    ]);
    assert_eq!(hit.fields(), expected);
    assert!(!world.has("/a", at(7)), "query-args-different");
    assert!(!world.has("/a?b", at(60)), "it is stale");
}

#[test]
fn the_body_is_shared_and_not_copied() {
    let world = World::new(Policy::default());
    let body = "x".repeat(200_000);
    world.store("/", &[FRESH], &body, at(0));
    let (one, two) = (world.hit("/", &[], at(0)), world.hit("/", &[], at(0)));
    assert_eq!(text(&one), body);
    assert!(one.body().iter().zip(two.body()).all(|(one, two)| one.as_ptr() == two.as_ptr()));
    assert!(one.body().len() > 1);
}

#[test]
fn head_is_answered_from_get_and_stores_nothing() {
    let world = World::new(Policy::default());
    let look = world.ask(&Method::HEAD, "/", &[], at(0));
    assert!(matches!(look, Look::Pass(Bypass::Head)));
    world.store("/", &[FRESH], "hello", at(0));
    let hit = hit(world.ask(&Method::HEAD, "/", &[], at(1)));
    assert!(hit.body().is_empty());
    assert_eq!(hit.fields()["content-length"], "5");
    assert!(matches!(world.ask(&Method::HEAD, "/", &[], at(99)), Look::Pass(Bypass::Head)));
}

#[test]
fn nothing_is_seen_of_an_answer_before_it_is_complete() {
    let world = World::new(Policy::default());
    let fetch = world.fetch("/", &[], at(0));
    let mut filling = filling(fetch.answered(StatusCode::OK, &headers(&[FRESH]), at(0)));
    filling.add(b"hel");
    assert!(!world.has("/", at(0)));
    assert!(world.cache.figures().bytes > 4096);
    drop(filling);
    assert!(!world.has("/", at(0)));
    assert_eq!(world.cache.figures(), Figures::default());
}

#[test]
fn an_answer_of_another_length_than_declared_is_not_stored() {
    let world = World::new(Policy::default());
    let answer = headers(&[FRESH, ("content-length", "5")]);
    for (body, expected) in [
        ("hell", Err(Refusal::Incomplete)),
        ("hello!", Err(Refusal::Incomplete)),
        ("hello", Ok(())),
    ] {
        let fetch = world.fetch("/", &[], at(0));
        let mut filling = filling(fetch.answered(StatusCode::OK, &answer, at(0)));
        filling.add(body.as_bytes());
        assert_eq!(filling.complete(), expected, "{body}");
    }
    assert!(world.has("/", at(0)));
}

#[test]
fn an_answer_that_is_too_large_is_given_up_at_once() {
    let world = World::new(Policy { largest_body: 10, ..Policy::default() });
    let declared = headers(&[FRESH, ("content-length", "11")]);
    let answered = world.fetch("/1", &[], at(0)).answered(StatusCode::OK, &declared, at(0));
    assert!(matches!(answered, Answered::Pass(Refusal::TooLarge)));
    let fetch = world.fetch("/2", &[], at(0));
    let mut filling = filling(fetch.answered(StatusCode::OK, &headers(&[FRESH]), at(0)));
    filling.add(b"0123456789");
    filling.add(b"0");
    assert_eq!(world.cache.figures(), Figures::default());
    filling.add(b"0");
    assert_eq!(filling.complete(), Err(Refusal::TooLarge));
    // Nobody waits for either.
    let one = world.fetch("/2", &[], at(1));
    let two = world.fetch("/2", &[], at(1));
    assert!(!one.is_leading() && !two.is_leading());
    assert!(!world.fetch("/1", &[], at(1)).is_leading());
    assert!(world.fetch("/1", &[], at(11)).is_leading());
}

#[test]
fn an_answer_that_has_no_content_is_told_no_length() {
    let world = World::new(Policy::default());
    let answered =
        world.fetch("/", &[], at(0)).answered(StatusCode::NO_CONTENT, &headers(&[FRESH]), at(0));
    complete(answered, "");
    let hit = world.hit("/", &[], at(0));
    assert_eq!(hit.status(), StatusCode::NO_CONTENT);
    assert!(!hit.fields().contains_key("content-length"));
}

#[test]
fn what_finds_no_room_is_not_stored_but_may_be_later() {
    let world = World::within(Policy::default(), Limits { bytes: 9000, variants: 1 });
    let fetch = world.fetch("/", &[], at(0));
    let mut filling = filling(fetch.answered(StatusCode::OK, &headers(&[FRESH]), at(0)));
    filling.add(&vec![0; 20_000]);
    assert_eq!(filling.complete(), Err(Refusal::NoRoom));
    assert!(world.fetch("/", &[], at(0)).is_leading());
}

#[test]
fn answers_are_chosen_by_what_they_vary_on() {
    let world = World::new(Policy::default());
    for value in ["1", "2"] {
        let fetch = world.fetch("/", &[("foo", value)], at(0));
        let answer = headers(&[FRESH, ("vary", "Foo")]);
        complete(fetch.answered(StatusCode::OK, &answer, at(0)), value);
    }
    let of = |value| text(&world.hit("/", &[("foo", value), ("other", "x")], at(1)));
    assert_eq!((of("1").as_str(), of("2").as_str()), ("1", "2"), "vary-invalidate");
    assert!(!world.has("/", at(1)), "vary-omit");
    let fetch = world.fetch("/", &[("foo", "3")], at(1));
    assert_eq!(fetch.why().as_str(), "vary-miss");
}

#[test]
fn spaces_share_no_answers() {
    let world = World::new(Policy::default());
    world.store("/", &[FRESH], "x", at(0));
    let look = world.ask_in(&Arc::from("other"), &Method::GET, "/", &[], at(0));
    assert!(matches!(look, Look::Fetch(_)));
}

#[test]
fn clients_get_304_for_what_they_have() {
    let world = World::new(Policy::default());
    let modified = date(-3000);
    let answer =
        [FRESH, ("etag", "\"abcdef\""), ("last-modified", &modified), ("x-a", "1"), ("vary", "x")];
    world.store("/", &answer, "hello", at(0));
    for (id, fields) in [
        ("conditional-etag-strong-respond", vec![("if-none-match", "\"abcdef\"")]),
        ("conditional-lm-fresh", vec![("if-modified-since", modified.as_str())]),
        (
            "conditional-etag-precedence",
            vec![("if-none-match", "\"abcdef\""), ("if-modified-since", "x")],
        ),
    ] {
        let hit = world.hit("/", &fields, at(1));
        assert_eq!(hit.status(), StatusCode::NOT_MODIFIED, "{id}");
        assert_eq!(hit.length(), 0, "{id}");
        let found = hit.fields();
        assert_eq!((&found["etag"], &found["age"]), (&answer[1].1.parse().unwrap(), &1.into()));
        assert!(!found.contains_key("x-a") && !found.contains_key("content-length"), "{id}");
    }
    let hit = world.hit("/", &[("if-none-match", "\"other\"")], at(1));
    assert_eq!((hit.status(), text(&hit).as_str()), (StatusCode::OK, "hello"));
}

#[test]
fn what_is_meant_for_the_cache_alone_is_not_sent() {
    let (tags, targeted) = (HeaderName::from_static("tags"), HeaderName::from_static("cdn"));
    let world =
        World::new(Policy { tags: Some(tags), targeted: Some(targeted), ..Policy::default() });
    let answer =
        [("cdn", "max-age=60, no-cache=\"x-b\""), ("tags", "a"), ("x-a", "1"), ("x-b", "2")];
    world.store("/", &answer, "", at(0));
    let fields = world.hit("/", &[], at(0)).fields();
    let names = ["cdn", "tags", "x-a", "x-b"].map(|name| fields.contains_key(name));
    assert_eq!(names, [false, false, true, false]);
    let mut passed = headers(&answer);
    world.policy.strip(&mut passed);
    assert_eq!(passed, headers(&[("x-a", "1"), ("x-b", "2")]));
}

#[test]
fn what_has_more_tags_than_can_be_purged_by_is_not_stored() {
    let policy = Policy { tags: Some(HeaderName::from_static("tags")), ..Policy::default() };
    let world = World::new(policy);
    for (count, expected) in [(128, true), (129, false)] {
        let tags: Vec<String> = (0..count).map(|number| number.to_string()).collect();
        let answer = headers(&[FRESH, ("tags", &tags.join(" "))]);
        let answered = world.fetch("/", &[], at(0)).answered(StatusCode::OK, &answer, at(0));
        assert_eq!(matches!(answered, Answered::Store(_)), expected, "{count}");
    }
}

#[test]
fn nothing_of_someone_known_is_mixed_with_what_others_get() {
    let policy =
        Policy { default_lifetime: Some(std::time::Duration::from_mins(1)), ..Policy::default() };
    let world = World::new(policy);
    world.store("/stated", &[FRESH], "x", at(0));
    world.store("/public", &[("cache-control", "public, max-age=60")], "x", at(0));
    world.store("/guess", &[], "x", at(0));
    let look = |path, field| world.get(path, &[field], at(1));
    let (credentials, cookie) = (("authorization", "x"), ("cookie", "a=b"));
    assert!(matches!(look("/stated", credentials), Look::Pass(Bypass::Credentials)));
    assert!(matches!(look("/public", credentials), Look::Hit(..)));
    assert!(matches!(look("/stated", cookie), Look::Hit(..)), "other-cookie");
    assert!(matches!(look("/guess", cookie), Look::Pass(Bypass::Cookie)));
    assert!(matches!(world.get("/guess", &[], at(1)), Look::Hit(..)));
}

#[test]
fn a_client_that_wants_only_what_is_stored_gets_nothing_else() {
    let world = World::new(Policy::default());
    let only = [("cache-control", "only-if-cached")];
    assert!(matches!(world.get("/", &only, at(0)), Look::OnlyIfCached), "ccreq-oic");
    world.store("/", &[FRESH], "x", at(0));
    assert!(matches!(world.get("/", &only, at(1)), Look::Hit(..)));
    assert!(matches!(world.get("/", &only, at(99)), Look::OnlyIfCached));
}
