use super::*;
use crate::testing::headers;

fn variant(request: &[(&str, &str)], vary: &[&str]) -> Result<Variant, Refusal> {
    let vary: Vec<(&str, &str)> = vary.iter().map(|value| ("vary", *value)).collect();
    Variant::of(&headers(request), &headers(&vary))
}

#[test]
fn a_star_anywhere_is_refused() {
    for vary in [&["*"][..], &["*, *"], &["*", "*"], &[", *"], &["", "*"], &["*, foo"], &["foo, *"]]
    {
        assert_eq!(variant(&[], vary), Err(Refusal::Vary), "{vary:?}");
    }
}

#[test]
fn what_is_no_name_or_too_much_is_refused() {
    assert_eq!(variant(&[], &["foo bar"]), Err(Refusal::Malformed));
    assert_eq!(variant(&[], &["a,b,c,d,e,f,g,h,i"]), Err(Refusal::Vary));
    assert!(variant(&[], &["a,b,c,d,e,f,g,h,A,H"]).is_ok());
}

#[test]
fn all_fields_must_be_the_same() {
    let stored = variant(&[("foo", "1"), ("bar", "abc")], &["Foo, Bar, baz"]).unwrap();
    let matches = |request: &[(&str, &str)]| stored.matches(&headers(request));
    assert!(matches(&[("bar", "abc"), ("foo", "1"), ("other", "2")]));
    assert!(!matches(&[("foo", "2"), ("bar", "abc")]));
    assert!(
        !matches(&[("foo", "1"), ("bar", "ABC")]),
        "case means something where nothing is known"
    );
    assert!(!matches(&[("foo", "1")]));
    assert!(!matches(&[("foo", "1"), ("bar", "abc"), ("baz", "")]), "empty is not absent");
}

#[test]
fn lines_of_a_field_are_joined() {
    let stored = variant(&[("foo", "1, 2")], &["foo"]).unwrap();
    assert!(stored.matches(&headers(&[("foo", "1"), ("foo", "2")])));
    assert!(stored.matches(&headers(&[("foo", " 1 "), ("foo", "2\t")])));
    assert!(!stored.matches(&headers(&[("foo", "2"), ("foo", "1")])));
}

#[test]
fn spaces_and_case_are_levelled_where_they_mean_nothing() {
    let stored = variant(
        &[("accept-encoding", "gzip, br;q=0.5"), ("accept-language", "en, de")],
        &["accept-encoding, accept-language"],
    )
    .unwrap();
    let same = [("accept-encoding", "br ; q=0.5,GZIP"), ("accept-language", "EN ,de")];
    assert!(stored.matches(&headers(&same)));
    let other = [("accept-encoding", "gzip, br;q=0.5"), ("accept-language", "de, en")];
    assert!(!stored.matches(&headers(&other)), "the order of languages may mean something");
}

#[test]
fn joining_makes_no_two_values_equal() {
    let stored = variant(&[("accept", "a,\"b, c\"")], &["accept"]).unwrap();
    assert!(!stored.matches(&headers(&[("accept", "a"), ("accept", "\"b,c\"")])));
}
