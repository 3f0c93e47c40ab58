use super::*;
use crate::testing::headers;

fn list(line: &str) -> Result<Vec<&str>, Malformed> {
    elements(line.as_bytes()).map(|element| Ok(std::str::from_utf8(element?).unwrap())).collect()
}

#[test]
fn commas_in_quotes_divide_nothing() {
    assert_eq!(list(r#"a, b="1, 2",, "\",",c "#), Ok(vec!["a", r#"b="1, 2""#, r#""\",""#, "c"]));
    assert_eq!(list(" , ,"), Ok(vec![]));
}

#[test]
fn a_quote_without_an_end_is_malformed() {
    assert_eq!(list(r#"a, b="1, 2"#), Err(Malformed));
    assert_eq!(list(r#"b="\""#), Err(Malformed));
}

#[test]
fn seconds_are_digits_and_have_an_upper_bound() {
    assert_eq!(seconds(b"003600"), Ok(3600));
    assert_eq!(seconds(b"99999999999999999999999999"), Ok(MOST_SECONDS));
    for text in ["", "-1", "+1", "1.0", "1a", " 1", "'1'"] {
        assert_eq!(seconds(text.as_bytes()), Err(Malformed), "{text}");
    }
}

#[test]
fn a_date_stands_alone() {
    let of = |fields: &[(&str, &str)]| date(&headers(fields), &http::header::DATE);
    let day = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_eq!(of(&[("date", day)]), Ok(Some(784_111_777)));
    assert_eq!(of(&[]), Ok(None));
    assert_eq!(of(&[("date", day), ("date", day)]), Err(Malformed));
    assert_eq!(of(&[("date", "0")]), Err(Malformed));
}

#[test]
fn what_belongs_to_a_connection_is_not_stored() {
    let received = headers(&[
        ("connection", "x-a, close"),
        ("x-a", "1"),
        ("x-b", "2"),
        ("x-b", "3"),
        ("keep-alive", "timeout=5"),
        ("proxy-authenticate", "Basic"),
        ("transfer-encoding", "chunked"),
        ("age", "7"),
        ("x-c", "4"),
    ]);
    let kept = storable(&received, &[HeaderName::from_static("x-c")]);
    assert_eq!(kept, headers(&[("x-b", "2"), ("x-b", "3")]));
}
