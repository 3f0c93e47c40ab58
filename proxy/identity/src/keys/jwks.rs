//! A JSON Web Key Set (RFC 7517, RFC 8037).

mod values;

use std::fmt;

use serde_json::{Map, Value};

use super::key::{Key, KeyFault};
use crate::json::{self, Bounds};
use crate::jwt::Algorithm;
use crate::secret::Secret;

/// Bytes that a set has at most. What is larger is not read.
pub const LARGEST_JWKS: usize = 256 * 1024;
/// Keys that a set has at most.
pub const MOST_KEYS: usize = 100;

const BOUNDS: Bounds = Bounds { depth: 8, values: 8192 };
/// The members that only private keys have (RFC 7518 section 6).
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// Whether shared secrets (`oct`) are taken from a set. From a set that others can read they never
/// should be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Oct {
    /// They are taken.
    Taken,
    /// They are skipped.
    Skipped,
}

/// The keys of a set.
#[derive(Clone, Debug, Default)]
pub struct Jwks {
    /// Those that are used. There may be none: an issuer may withdraw all of them.
    pub keys: Vec<Key>,
    /// Those that are not.
    pub skipped: Vec<Skipped>,
}

/// A key that is skipped: RFC 7517 section 5 has unknown kinds of keys do no harm to the rest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Skipped {
    /// Which of the set it is, from 0 on.
    pub position: usize,
    /// Its identifier.
    pub kid: Option<Box<str>>,
    /// Why it is.
    pub why: Why,
}

/// Why a key of a set is skipped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Why {
    /// Its kind (`kty`, `crv`) is unknown.
    Kind,
    /// It is for something else (`use`, `key_ops`).
    Use,
    /// Its algorithm is unknown.
    Algorithm,
    /// It is a shared secret.
    Oct,
    /// A member is missing or is not what it has to be.
    Member,
    /// It is weak or broken.
    Key(KeyFault),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kind => "its kind is unknown",
            Self::Use => "it is not for signatures",
            Self::Algorithm => "its algorithm is unknown",
            Self::Oct => "a shared secret in a set that others can read",
            Self::Member => "a member is missing or malformed",
            Self::Key(fault) => return fault.fmt(f),
        })
    }
}

/// Why a whole set is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JwksFault {
    /// More than [`LARGEST_JWKS`] bytes.
    TooLarge,
    /// No JSON object with a list of `keys`, or an object in it has a name twice.
    Malformed,
    /// More than [`MOST_KEYS`] keys.
    TooMany,
    /// The key at this position, from 0 on, is a private one: whoever could read the set could make
    /// tokens, so none of it is believed.
    Private(usize),
}

impl fmt::Display for JwksFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(f, "larger than {LARGEST_JWKS} bytes"),
            Self::Malformed => f.write_str("not a set of keys in JSON"),
            Self::TooMany => write!(f, "more than {MOST_KEYS} keys"),
            Self::Private(position) => write!(
                f,
                "key {position} of the set is a private key: whoever has read it can make tokens"
            ),
        }
    }
}

impl std::error::Error for JwksFault {}

/// The keys of a set.
///
/// # Errors
/// It is too large, is no set, or has a private key.
pub fn parse_jwks(text: &[u8], oct: Oct) -> Result<Jwks, JwksFault> {
    if text.len() > LARGEST_JWKS {
        return Err(JwksFault::TooLarge);
    }
    let set = json::object(text, BOUNDS).ok_or(JwksFault::Malformed)?;
    let keys = set.get("keys").and_then(Value::as_array).ok_or(JwksFault::Malformed)?;
    if keys.len() > MOST_KEYS {
        return Err(JwksFault::TooMany);
    }
    let mut jwks = Jwks::default();
    for (position, key) in keys.iter().enumerate() {
        let members = key.as_object().ok_or(JwksFault::Malformed)?;
        if is_private(members) {
            return Err(JwksFault::Private(position));
        }
        match read(members, oct) {
            Ok(key) => jwks.keys.push(key),
            Err(why) => {
                let kid = text_of(members, "kid").ok().flatten().map(Into::into);
                jwks.skipped.push(Skipped { position, kid, why });
            }
        }
    }
    Ok(jwks)
}

fn is_private(members: &Map<String, Value>) -> bool {
    members.get("kty").and_then(Value::as_str) != Some("oct")
        && PRIVATE.iter().any(|name| members.contains_key(*name))
}

fn read(members: &Map<String, Value>, oct: Oct) -> Result<Key, Why> {
    let family = text_of(members, "kty")?.ok_or(Why::Member)?;
    check_use(members)?;
    let kid = text_of(members, "kid")?;
    let algorithm = match text_of(members, "alg")? {
        Some(name) => Some(Algorithm::from_name(name).ok_or(Why::Algorithm)?),
        None => None,
    };
    let key = match family {
        "RSA" => values::rsa(members)?,
        "EC" => values::ec(members)?,
        "OKP" => values::okp(members)?,
        "oct" if oct == Oct::Skipped => return Err(Why::Oct),
        "oct" => {
            let secret = Secret::new(values::bytes(members, "k")?);
            return Key::shared(secret, kid, algorithm).map_err(Why::Key);
        }
        _ => return Err(Why::Kind),
    };
    Key::public(key, kid, algorithm).map_err(Why::Key)
}

/// RFC 7517 sections 4.2 and 4.3: a key that is for something is for nothing else.
fn check_use(members: &Map<String, Value>) -> Result<(), Why> {
    if text_of(members, "use")?.is_some_and(|for_what| for_what != "sig") {
        return Err(Why::Use);
    }
    match members.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(ops)) if ops.iter().any(|op| op == "verify") => Ok(()),
        Some(_) => Err(Why::Use),
    }
}

fn text_of<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Why> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Why::Member),
    }
}
