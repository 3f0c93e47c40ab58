//! What a token says: the claims of RFC 7519 section 4.1, and any other by its path.

mod value;

use std::time::Duration;

use serde_json::{Map, Value};

use super::Refused;
use crate::json::{self, Bounds};

const BOUNDS: Bounds = Bounds { depth: 16, values: 2048 };
/// The last second of the year 9999; no time of a token is later.
const LATEST: Duration = Duration::from_secs(253_402_300_799);

/// The claims of a token, to be read only.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    all: Map<String, Value>,
    expires: Option<Duration>,
    not_before: Option<Duration>,
    issued: Option<Duration>,
}

impl Claims {
    /// Reads them, and refuses a registered claim that is not of its type: nothing downstream must
    /// find a number where it looks for a name.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Refused> {
        let all = json::object(text, BOUNDS).ok_or(Refused::Malformed)?;
        let is_text = |name: &str| all.get(name).is_none_or(Value::is_string);
        let is_list = |name: &str| match all.get(name) {
            Some(Value::Array(items)) => items.iter().all(Value::is_string),
            other => other.is_none_or(Value::is_string),
        };
        if !["iss", "sub", "jti"].into_iter().all(is_text)
            || !["aud", "scope", "scp"].into_iter().all(is_list)
        {
            return Err(Refused::Malformed);
        }
        let (expires, not_before, issued) =
            (time(&all, "exp")?, time(&all, "nbf")?, time(&all, "iat")?);
        Ok(Self { all, expires, not_before, issued })
    }

    /// Who issued it (`iss`).
    pub fn issuer(&self) -> Option<&str> {
        self.text_of("iss")
    }

    /// Whom it is about (`sub`).
    pub fn subject(&self) -> Option<&str> {
        self.text_of("sub")
    }

    /// What it is called (`jti`).
    pub fn id(&self) -> Option<&str> {
        self.text_of("jti")
    }

    /// Whom it is for (`aud`).
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        self.list("aud")
    }

    /// What it grants: `scope`, words with spaces between them (RFC 8693 section 4.2) or a list, and
    /// `scp`, which some issuers have instead.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        let words = |text: &'static str| self.list(text).flat_map(|words| words.split(' '));
        words("scope").chain(words("scp")).filter(|word| !word.is_empty())
    }

    /// From when on it must not be accepted (`exp`).
    pub const fn expires(&self) -> Option<Duration> {
        self.expires
    }

    /// Before when it must not be accepted (`nbf`).
    pub const fn not_before(&self) -> Option<Duration> {
        self.not_before
    }

    /// When it was issued (`iat`).
    pub const fn issued(&self) -> Option<Duration> {
        self.issued
    }

    /// The claim of a path such as `realm_access.roles`: one that is called just so, or else what
    /// the names between the dots lead to.
    pub fn get(&self, path: &str) -> Option<&Value> {
        if let Some(value) = self.all.get(path) {
            return Some(value);
        }
        let mut names = path.split('.');
        let first = self.all.get(names.next()?)?;
        names.try_fold(first, |value, name| value.as_object()?.get(name))
    }

    fn text_of(&self, name: &str) -> Option<&str> {
        self.all.get(name).and_then(Value::as_str)
    }

    fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        let value = self.all.get(name);
        let one = value.and_then(Value::as_str);
        let many = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        one.into_iter().chain(many.iter().filter_map(Value::as_str))
    }
}

/// A `NumericDate`: seconds, with fractions if need be (RFC 7519 section 2).
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<Duration>, Refused> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let time = match (value.as_u64(), value.as_f64()) {
        (Some(seconds), _) => Some(Duration::from_secs(seconds)),
        (None, Some(seconds)) => Duration::try_from_secs_f64(seconds).ok(),
        (None, None) => None,
    };
    time.filter(|time| *time <= LATEST).map(Some).ok_or(Refused::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Claims, Refused> {
        Claims::parse(text.as_bytes())
    }

    #[test]
    fn audiences_and_scopes_are_one_or_many() {
        let claims = parse(r#"{"aud":"a","scope":"read  write"}"#).unwrap();
        assert_eq!(claims.audiences().collect::<Vec<_>>(), ["a"]);
        assert_eq!(claims.scopes().collect::<Vec<_>>(), ["read", "write"]);
        let claims = parse(r#"{"aud":["a","b"],"scp":["read","write"]}"#).unwrap();
        assert_eq!(claims.audiences().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(claims.scopes().collect::<Vec<_>>(), ["read", "write"]);
        let claims = parse("{}").unwrap();
        assert_eq!((claims.audiences().count(), claims.scopes().count()), (0, 0));
    }

    #[test]
    fn a_registered_claim_of_another_type_is_refused() {
        for claim in [
            r#""iss":1"#,
            r#""sub":["a"]"#,
            r#""sub":null"#,
            r#""jti":{}"#,
            r#""aud":["a",1]"#,
            r#""aud":{"a":1}"#,
            r#""scope":1"#,
            r#""exp":"1""#,
            r#""exp":null"#,
            r#""exp":-1"#,
            r#""nbf":1e300"#,
            r#""iat":253402300800"#,
            r#""exp":18446744073709551616"#,
        ] {
            assert_eq!(parse(&format!("{{{claim}}}")), Err(Refused::Malformed), "{claim}");
        }
    }

    #[test]
    fn times_may_have_fractions() {
        let claims = parse(r#"{"exp":1.5,"nbf":2e3,"iat":253402300799}"#).unwrap();
        assert_eq!(claims.expires(), Some(Duration::from_millis(1500)));
        assert_eq!(claims.not_before(), Some(Duration::from_secs(2000)));
        assert_eq!(claims.issued(), Some(LATEST));
    }

    #[test]
    fn a_claim_twice_or_too_deep_is_refused() {
        assert_eq!(parse(r#"{"sub":"a","sub":"a"}"#), Err(Refused::Malformed));
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(16), "]".repeat(16));
        assert_eq!(parse(&deep), Err(Refused::Malformed));
    }

    #[test]
    fn a_path_leads_through_objects_and_a_name_with_dots_comes_first() {
        let claims = parse(r#"{"a":{"b":{"c":1},"d":2},"a.d":3,"https://x.example/r":4}"#).unwrap();
        assert_eq!(claims.get("a.b.c"), Some(&Value::from(1)));
        assert_eq!(claims.get("a.d"), Some(&Value::from(3)));
        assert_eq!(claims.get("https://x.example/r"), Some(&Value::from(4)));
        for path in ["", ".", "a.", "a.x", "a.b.c.d", "b"] {
            assert_eq!(claims.get(path), None, "{path}");
        }
    }
}
