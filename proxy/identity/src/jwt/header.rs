//! The header of a token: what it says of its own signature.

use serde_json::{Map, Value};

use super::{Algorithm, Refused};
use crate::json::{self, Bounds};

const BOUNDS: Bounds = Bounds { depth: 4, values: 64 };
/// Bytes of a key's identifier.
const LONGEST_KID: usize = 512;

/// The header of a token.
///
/// What it says of keys beside `kid` (`jku`, `jwk`, `x5u`, `x5c`, `x5t`) is not read: a token does
/// not get to choose who is believed (RFC 8725 section 3.10). Tokens of some issuers have it all the
/// same, so it is no reason to refuse one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Header {
    /// What it claims to be signed with.
    pub algorithm: Algorithm,
    /// The identifier of its key. It is compared with those of known keys, and nothing else.
    pub kid: Option<Box<str>>,
    /// The kind of token.
    pub kind: Option<Box<str>>,
}

impl Header {
    pub(super) fn parse(text: &[u8]) -> Result<Self, Refused> {
        let header = json::object(text, BOUNDS).ok_or(Refused::Malformed)?;
        // RFC 7515 section 4.1.11: what is listed there must be understood, and nothing is. Not even
        // `b64` (RFC 7797), without which the payload would be read in another way than it was meant.
        if header.contains_key("crit") || header.get("b64").is_some_and(|b64| *b64 != true) {
            return Err(Refused::Critical);
        }
        // These are of encrypted and compressed tokens (RFC 7516).
        if header.contains_key("enc") || header.contains_key("zip") {
            return Err(Refused::Malformed);
        }
        let name = header.get("alg").and_then(Value::as_str).ok_or(Refused::Algorithm)?;
        let algorithm = Algorithm::from_name(name).ok_or(Refused::Algorithm)?;
        let kid = text_of(&header, "kid")?;
        if kid.as_ref().is_some_and(|kid| kid.len() > LONGEST_KID) {
            return Err(Refused::Malformed);
        }
        Ok(Self { algorithm, kid, kind: text_of(&header, "typ")? })
    }
}

fn text_of(header: &Map<String, Value>, name: &str) -> Result<Option<Box<str>>, Refused> {
    match header.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str().into())),
        Some(_) => Err(Refused::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Header, Refused> {
        Header::parse(text.as_bytes())
    }

    #[test]
    fn no_algorithm_is_as_bad_as_an_unknown_one() {
        for alg in [r#""none""#, r#""None""#, r#""NONE""#, r#""""#, "null", "0", r#"["ES256"]"#] {
            assert_eq!(parse(&format!(r#"{{"alg":{alg}}}"#)), Err(Refused::Algorithm), "{alg}");
        }
        assert_eq!(parse("{}"), Err(Refused::Algorithm));
    }

    #[test]
    fn no_extension_is_understood() {
        for member in [
            r#""crit":["exp"]"#,
            r#""crit":[]"#,
            r#""crit":["b64"],"b64":false"#,
            r#""crit":["http://example.com/x"],"http://example.com/x":1"#,
            r#""b64":false"#,
            r#""b64":"false""#,
        ] {
            let header = format!(r#"{{"alg":"ES256",{member}}}"#);
            assert_eq!(parse(&header), Err(Refused::Critical), "{member}");
        }
        assert!(parse(r#"{"alg":"ES256","b64":true}"#).is_ok());
    }

    #[test]
    fn encrypted_and_compressed_tokens_and_twofold_headers_are_refused() {
        for header in [
            r#"{"alg":"ES256","enc":"A128GCM"}"#,
            r#"{"alg":"ES256","zip":"DEF"}"#,
            r#"{"alg":"ES256","alg":"ES256"}"#,
            r#"{"alg":"ES256","kid":1}"#,
            r#"{"alg":"ES256","typ":["JWT"]}"#,
            r#"["ES256"]"#,
        ] {
            assert_eq!(parse(header), Err(Refused::Malformed), "{header}");
        }
    }

    #[test]
    fn a_kid_is_taken_as_it_is_unless_it_is_huge() {
        for kid in ["", "../../../../dev/null", "' OR 1=1 --", "a\\u0000b", "|cat /etc/passwd"] {
            let header = parse(&format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#)).unwrap();
            assert_eq!(header.kid.as_deref(), Some(&*kid.replace("\\u0000", "\0")));
        }
        let huge = format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "k".repeat(LONGEST_KID + 1));
        assert_eq!(parse(&huge), Err(Refused::Malformed));
    }
}
