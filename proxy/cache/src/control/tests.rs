use super::*;
use crate::testing::headers;

fn answer(value: &str) -> Result<AnswerControl, Malformed> {
    AnswerControl::read(&headers(&[("cache-control", value)]), &CACHE_CONTROL)
}

fn request(value: &str) -> Result<RequestControl, Malformed> {
    RequestControl::read(&headers(&[("cache-control", value)]))
}

#[test]
fn directives_are_read_whatever_their_case_and_order() {
    let control = answer(r#"foo, MaX-aGe=60, s-maxage="70", PUBLIC, bar="max-age=1""#).unwrap();
    let expected = AnswerControl {
        max_age: Some(60),
        s_maxage: Some(70),
        public: true,
        ..AnswerControl::default()
    };
    assert_eq!(control, expected);
}

#[test]
fn what_contradicts_itself_is_malformed() {
    assert_eq!(answer("max-age=1, max-age=2"), Err(Malformed));
    assert_eq!(answer("max-age=1, max-age=1").map(|it| it.max_age), Ok(Some(1)));
}

#[test]
fn what_has_not_the_form_of_a_directive_is_malformed() {
    for value in [
        "max-age",
        "max-age=",
        "max-age =1",
        "max-age= 1",
        "max-age=-1",
        "max-age=1.5",
        "max-age=1a",
        "=1",
        "max-age=\"1",
        "a b",
        "a=\"b\"c",
        "stale-if-error=x",
        "no-cache=\"a b\"",
    ] {
        assert_eq!(answer(value), Err(Malformed), "{value}");
    }
    assert_eq!(answer("'max-age'='1'"), Ok(AnswerControl::default()));
    assert_eq!(answer("max-age='3600'"), Err(Malformed));
}

#[test]
fn no_cache_with_names_is_about_these_fields_only() {
    let control = answer(r#"no-cache="Set-Cookie, x-a""#).unwrap();
    assert!(!control.no_cache);
    assert_eq!(control.unstored, ["set-cookie", "x-a"]);
    assert!(answer("no-cache=x-a").unwrap().no_cache, "without quotes it is about everything");
}

#[test]
fn private_with_names_is_about_everything() {
    assert!(answer(r#"private="x-a""#).unwrap().private);
}

#[test]
fn a_request_may_leave_open_how_stale_an_answer_is() {
    assert_eq!(request("max-stale").map(|it| it.max_stale), Ok(Some(MOST_SECONDS)));
    assert_eq!(request("max-stale=5").map(|it| it.max_stale), Ok(Some(5)));
    assert_eq!(request("min-fresh"), Err(Malformed));
}

#[test]
fn pragma_counts_only_without_cache_control() {
    let pragma = ("pragma", "no-cache");
    assert!(RequestControl::read(&headers(&[pragma])).unwrap().no_cache);
    let both = headers(&[pragma, ("cache-control", "max-stale")]);
    assert!(!RequestControl::read(&both).unwrap().no_cache);
}
