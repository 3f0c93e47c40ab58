use std::fmt;
use std::str::FromStr;

use super::scalar;

/// A name given in the configuration: 1 to 64 of `a-z`, `0-9`, `-` and `_`, starting with a letter
/// or digit. `none` is not a name: metrics use it where there is nothing to name.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Name(String);
scalar!(Name, "name", "1 to 64 of `a-z`, `0-9`, `-`, `_`, first a letter or digit");

impl Name {
    /// The proxy's own.
    pub(crate) fn own() -> Self {
        Self("marchproxy".to_owned())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Err("`none` stands for what has no name, in metrics".to_owned());
        }
        let allowed =
            |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'_';
        let first_is_fine = text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
        if text.len() <= 64 && first_is_fine && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err("a name is 1 to 64 of `a-z`, `0-9`, `-` and `_`, first a letter or digit"
                .to_owned())
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a header field (RFC 9110, section 5.1). Kept in lower case.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FieldName(String);
scalar!(FieldName, "field-name", "the name of a header field, such as `X-Tenant`");

impl FieldName {
    /// The usual one for API keys.
    pub(crate) fn api_key() -> Self {
        Self("x-api-key".to_owned())
    }

    /// The name in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FieldName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.is_empty() && text.len() <= 256 && text.bytes().all(is_token_byte) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err("a field name is made of letters, digits and !#$%&'*+-.^_`|~".to_owned())
        }
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A request method (RFC 9110, section 9). Case matters.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Method(String);
scalar!(Method, "method", "a request method in capitals, such as `GET`");

impl Method {
    /// The method as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Method {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = |c: u8| is_token_byte(c) && !c.is_ascii_lowercase();
        match text {
            "CONNECT" | "TRACE" => Err(format!("`{text}` is always refused")),
            _ if !text.is_empty() && text.len() <= 32 && text.bytes().all(allowed) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err("a method is written in capitals, such as `GET`".to_owned()),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The SHA-256 hash of a public key (`SubjectPublicKeyInfo`, RFC 7469 section 2.4), in hex.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SpkiPin([u8; 32]);
scalar!(SpkiPin, "spki-pin", "`sha256:` and 64 hex digits");

impl SpkiPin {
    /// The hash.
    pub const fn sha256(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for SpkiPin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = "a pin is `sha256:` and the 64 hex digits of the hash of a public key";
        let digits = text.strip_prefix("sha256:").ok_or(wanted)?.as_bytes();
        let mut hash = [0; 32];
        let (pairs, rest) = digits.as_chunks::<2>();
        if pairs.len() != hash.len() || !rest.is_empty() {
            return Err(wanted.to_owned());
        }
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            *byte = hex_digit(*high).ok_or(wanted)? << 4 | hex_digit(*low).ok_or(wanted)?;
        }
        Ok(Self(hash))
    }
}

impl fmt::Display for SpkiPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// `tchar` of RFC 9110, section 5.6.2.
fn is_token_byte(c: u8) -> bool {
    c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c)
}
