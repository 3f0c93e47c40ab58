//! What a client is told of why it is refused: `WWW-Authenticate` (RFC 9110 section 11.6.1).

use crate::jwt::Refused;

/// `Bearer` (RFC 6750 section 3). `scopes` is told when one of them is missing.
pub fn bearer(realm: &str, refused: Refused, scopes: &[Box<str>]) -> String {
    let mut challenge = format!("Bearer realm={}", quoted(realm));
    if let Some(error) = refused.error() {
        challenge.push_str(", error=\"");
        challenge.push_str(error);
        challenge.push('"');
    }
    if refused == Refused::Scope {
        let mut words: Vec<&str> = scopes.iter().map(|scope| &**scope).collect();
        // One that is no word of RFC 6749 section 3.3 would end the list, or the string.
        words.retain(|word| !word.is_empty() && word.bytes().all(is_scope_byte));
        challenge.push_str(", scope=\"");
        challenge.push_str(&words.join(" "));
        challenge.push('"');
    }
    challenge
}

/// `Basic` (RFC 7617 section 2).
pub fn basic(realm: &str) -> String {
    format!("Basic realm={}, charset=\"UTF-8\"", quoted(realm))
}

/// A quoted string (RFC 9110 section 5.6.4), in which what does not belong there is a `?`.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len().saturating_add(2));
    quoted.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            ' '..='~' => quoted.push(char),
            _ => quoted.push('?'),
        }
    }
    quoted.push('"');
    quoted
}

const fn is_scope_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_refusal_has_its_challenge() {
        let scopes = ["read".into(), "write".into()];
        let of = |refused| bearer("shop", refused, &scopes);
        assert_eq!(of(Refused::Missing), r#"Bearer realm="shop""#);
        assert_eq!(of(Refused::Expired), r#"Bearer realm="shop", error="invalid_token""#);
        assert_eq!(of(Refused::Several), r#"Bearer realm="shop", error="invalid_request""#);
        assert_eq!(of(Refused::Claims), r#"Bearer realm="shop", error="insufficient_scope""#);
        let scope = r#"Bearer realm="shop", error="insufficient_scope", scope="read write""#;
        assert_eq!(of(Refused::Scope), scope);
        assert_eq!(basic("shop"), r#"Basic realm="shop", charset="UTF-8""#);
    }

    #[test]
    fn only_claims_and_scopes_are_a_403() {
        let refused = [Refused::Missing, Refused::Several, Refused::Expired, Refused::Audience];
        assert!(refused.iter().all(|refused| refused.status() == 401));
        assert_eq!((Refused::Claims.status(), Refused::Scope.status()), (403, 403));
    }

    #[test]
    fn nothing_gets_out_of_its_quotes() {
        assert_eq!(quoted("a\"b\\c\r\nd\u{e4}"), r#""a\"b\\c??d?""#);
        let scopes = ["a\", b=\"c".into(), "ok".into(), "two words".into()];
        assert!(bearer("r", Refused::Scope, &scopes).ends_with("scope=\"ok\""));
    }

    proptest! {
        #[test]
        fn any_challenge_is_a_field_value(realm: String, scopes: Vec<Box<str>>) {
            let challenge = bearer(&realm, Refused::Scope, &scopes);
            prop_assert!(HeaderValue::from_str(&challenge).is_ok());
            prop_assert!(challenge.is_ascii());
        }
    }
}
