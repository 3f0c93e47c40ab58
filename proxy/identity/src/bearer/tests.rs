use http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let field = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    fields.iter().map(field).collect()
}

fn all() -> Vec<Source> {
    vec![
        Source::Authorization,
        Source::Header(HeaderName::from_static("x-token")),
        Source::Cookie("token".into()),
        Source::Query("access_token".into()),
    ]
}

fn found(fields: &[(&'static str, &'static str)], query: Option<&str>) -> Result<String, Refused> {
    let (sources, headers) = (all(), headers(fields));
    let found = find(&sources, &headers, query)?;
    Ok(String::from_utf8(found.token.to_vec()).unwrap())
}

#[test]
fn a_token_is_found_wherever_it_may_be() {
    for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c "] {
        assert_eq!(found(&[("authorization", value)], None).unwrap(), "a.b.c", "{value}");
    }
    assert_eq!(found(&[("x-token", " a.b.c")], None).unwrap(), "a.b.c");
    assert_eq!(found(&[("cookie", "x=1; token=a.b.c; y=2")], None).unwrap(), "a.b.c");
    assert_eq!(found(&[("cookie", "token=\"a.b.c\"")], None).unwrap(), "a.b.c");
    assert_eq!(found(&[], Some("x=1&access_token=a.b.c")).unwrap(), "a.b.c");
}

#[test]
fn it_is_found_nowhere_else() {
    let query = Some("access_token=a.b.c");
    let headers =
        headers(&[("cookie", "token=a.b.c"), ("x-token", "a.b.c"), ("authorization", "Bearer a")]);
    let sources = [Source::Authorization];
    assert_eq!(find(&sources, &headers, query).unwrap().token, b"a");
    assert_eq!(find(&[], &headers, query), Err(Refused::Missing));
    for value in ["Basic a.b.c", "Bearera.b.c", "a.b.c", "", "Bear"] {
        assert_eq!(found(&[("authorization", value)], None), Err(Refused::Missing), "{value}");
    }
    for value in ["xtoken=a", "token", "Token=a", "tokens=a", "x=token=a"] {
        assert_eq!(found(&[("cookie", value)], None), Err(Refused::Missing), "{value}");
    }
}

#[test]
fn more_than_one_is_refused_even_the_same() {
    let several = Err(Refused::Several);
    assert_eq!(
        found(&[("authorization", "Bearer a"), ("authorization", "Bearer a")], None),
        several
    );
    assert_eq!(found(&[("authorization", "Bearer a"), ("x-token", "a")], None), several);
    assert_eq!(found(&[("cookie", "token=a; token=b")], None), several);
    assert_eq!(found(&[("cookie", "token=a"), ("cookie", "token=b")], None), several);
    assert_eq!(found(&[("x-token", "a")], Some("access_token=a")), several);
    assert_eq!(found(&[], Some("access_token=a&access_token=a")), several);
    assert_eq!(found(&[("x-token", ""), ("cookie", "token=a")], None), several);
}

#[test]
fn an_empty_token_is_no_missing_one() {
    for value in ["Bearer", "Bearer "] {
        assert_eq!(found(&[("authorization", value)], None), Err(Refused::Malformed));
    }
    assert_eq!(found(&[("cookie", "token=")], None), Err(Refused::Malformed));
}

#[test]
fn where_it_was_is_told() {
    let (sources, headers) = (all(), HeaderMap::new());
    let found = find(&sources, &headers, Some("access_token=a")).unwrap();
    assert_eq!(*found.source, Source::Query("access_token".into()));
}

proptest! {
    #[test]
    fn no_field_panics(value in prop::collection::vec(any::<u8>(), 0..60), query: String) {
        let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
        let headers = HeaderMap::from_iter([(COOKIE, value.clone()), (AUTHORIZATION, value)]);
        let _ = find(&all(), &headers, Some(&query));
    }
}
