use proptest::prelude::*;

use super::*;

#[test]
fn a_target_in_absolute_form_is_split() {
    let split = |target: &'static str| split_target(target.as_bytes());
    assert_eq!(split("http://a.example/x?y"), Ok(Some((&b"a.example"[..], &b"/x?y"[..]))));
    assert_eq!(split("HTTPS://a:1?y"), Ok(Some((&b"a:1"[..], &b"?y"[..]))));
    assert_eq!(split("http://a"), Ok(Some((&b"a"[..], &b""[..]))));
    for other in ["/", "/http://a/", "*"] {
        assert_eq!(split(other), Ok(None), "{other}");
    }
    for bad in ["a", "a:443", "ftp://a/", "http:/a", "http:a", "://a/", ""] {
        assert_eq!(split(bad), Err(Reason::Target), "{bad}");
    }
}

proptest! {
    /// The parser that a request meets next refuses without a reason what it does not take.
    #[test]
    fn what_is_an_authority_here_is_one_to_the_http_crate(text in "[a-z0-9.:_@\\[\\]-]{1,8}") {
        if Authority::check(text.as_bytes()).is_ok() {
            prop_assert!(http::uri::Authority::try_from(text.as_bytes()).is_ok(), "{text}");
        }
    }
}
