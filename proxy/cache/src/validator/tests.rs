use super::*;
use crate::testing::{date, headers};

fn has(request: &[(&str, &str)], stored: &[(&str, &str)]) -> bool {
    client_has(&headers(request), StatusCode::OK, &headers(stored))
}

#[test]
fn a_tag_is_found_among_others_and_compared_weakly() {
    let stored = [("etag", "\"a,b\"")];
    for line in ["\"a,b\"", "W/\"a,b\"", "\"1\", \"a,b\"", "\"1\",W/\"2\" , \"a,b\", \"3\"", "*"] {
        assert!(has(&[("if-none-match", line)], &stored), "{line}");
    }
    assert!(has(&[("if-none-match", "\"1\""), ("if-none-match", "\"a,b\"")], &stored));
    assert!(has(&[("if-none-match", "\"x\"")], &[("etag", "W/\"x\"")]));
    // Nothing is escaped in a tag.
    assert!(has(&[("if-none-match", "\"a\\\", \"b\"")], &[("etag", "\"b\"")]));
}

#[test]
fn what_is_no_tag_matches_nothing() {
    for line in ["a", "\"a", "w/\"a\"", "W\"a\"", "\"b\" \"a", "", "x, \"a\""] {
        assert!(!has(&[("if-none-match", line)], &[("etag", "\"a\"")]), "{line}");
    }
    assert!(!has(&[("if-none-match", "a")], &[("etag", "a")]));
    assert!(!has(&[("if-none-match", "\"a\"")], &[]));
}

#[test]
fn a_tag_counts_before_a_date() {
    let stored = [("etag", "\"a\""), ("last-modified", &date(-10))];
    let since = date(0);
    assert!(!has(&[("if-none-match", "\"b\""), ("if-modified-since", &since)], &stored));
    assert!(has(&[("if-none-match", "\"a\""), ("if-modified-since", &date(-20))], &stored));
}

#[test]
fn a_date_is_compared_with_that_of_the_change_or_of_the_answer() {
    let (early, late) = (date(-20), date(-10));
    assert!(has(&[("if-modified-since", &late)], &[("last-modified", &early)]));
    assert!(has(&[("if-modified-since", &late)], &[("last-modified", &late)]));
    assert!(!has(&[("if-modified-since", &early)], &[("last-modified", &late)]));
    assert!(has(&[("if-modified-since", &late)], &[("date", &early)]));
    assert!(!has(&[("if-modified-since", "now")], &[("last-modified", &early)]));
    assert!(!has(&[("if-modified-since", &late)], &[("last-modified", "0"), ("date", &early)]));
}

#[test]
fn only_an_answer_of_200_is_replaced() {
    let request = headers(&[("if-none-match", "\"a\"")]);
    assert!(!client_has(&request, StatusCode::NOT_FOUND, &headers(&[("etag", "\"a\"")])));
}

#[test]
fn only_well_formed_validators_are_asked_with() {
    assert_eq!(Validators::of(&headers(&[("etag", "a"), ("last-modified", "0")])), None);
    assert_eq!(Validators::of(&headers(&[("etag", "\"a b\"")])), None);
    let twice = headers(&[("etag", "\"a\""), ("etag", "\"b\"")]);
    assert_eq!(Validators::of(&twice), None);
    let modified = date(-10);
    let both = headers(&[("etag", "W/\"a\""), ("last-modified", &modified)]);
    let mut asked = HeaderMap::new();
    Validators::of(&both).unwrap().ask(&mut asked);
    let expected = headers(&[("if-none-match", "W/\"a\""), ("if-modified-since", &modified)]);
    assert_eq!(asked, expected);
}

#[test]
fn an_answer_about_another_state_does_not_agree() {
    let (early, late) = (date(-20), date(-10));
    let of = |fields: &[(&str, &str)]| Validators::of(&headers(fields)).unwrap();
    let both = of(&[("etag", "\"a\""), ("last-modified", &early)]);
    for fields in
        [&[("etag", "\"a\"")][..], &[("etag", "W/\"a\"")], &[("last-modified", &early)], &[]]
    {
        assert!(both.agree_with(&headers(fields)), "{fields:?}");
    }
    assert!(!both.agree_with(&headers(&[("etag", "\"b\"")])));
    assert!(!both.agree_with(&headers(&[("last-modified", &late)])));
    assert!(!of(&[("last-modified", &early)]).agree_with(&headers(&[("etag", "\"a\"")])));
}
