//! A name and a password from `Authorization: Basic`.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use marchproxy_boringssl::cleanse;

use super::Refused;
use crate::secret::Secret;

/// Padded or not: clients do either.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// Bytes of a name.
pub(super) const LONGEST_NAME: usize = 255;
/// Bytes of a password. Argon2 would hash gigabytes.
const LONGEST_PASSWORD: usize = 1024;
const LONGEST_FIELD: usize = (LONGEST_NAME + 1 + LONGEST_PASSWORD).div_ceil(3) * 4;

/// A name and a password, as a client sent them.
#[derive(Clone, Debug)]
pub struct Credentials {
    name: Box<str>,
    password: Secret,
}

impl Credentials {
    /// Those of a request.
    ///
    /// # Errors
    /// There are none, more than one, or they are not what they have to be.
    pub fn find(headers: &HeaderMap) -> Result<Self, Refused> {
        let mut found =
            headers.get_all(AUTHORIZATION).iter().filter_map(|value| basic(value.as_bytes()));
        let encoded = found.next().ok_or(Refused::Missing)?;
        if found.next().is_some() { Err(Refused::Several) } else { Self::decode(encoded) }
    }

    fn decode(encoded: &[u8]) -> Result<Self, Refused> {
        if encoded.len() > LONGEST_FIELD {
            return Err(Refused::Malformed);
        }
        let mut bytes = BASE64.decode(encoded).map_err(|_| Refused::Malformed)?;
        let credentials = Self::parse(&bytes);
        cleanse(&mut bytes);
        credentials
    }

    /// RFC 7617 section 2: what is before the first colon is the name; no control characters. Text
    /// is UTF-8, which the challenge asks for, and is not normalised.
    fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        let text = str::from_utf8(bytes).map_err(|_| Refused::Malformed)?;
        let (name, password) = text.split_once(':').ok_or(Refused::Malformed)?;
        let is_short = name.len() <= LONGEST_NAME && password.len() <= LONGEST_PASSWORD;
        if !is_short || name.is_empty() || text.chars().any(char::is_control) {
            return Err(Refused::Malformed);
        }
        Ok(Self { name: name.into(), password: Secret::new(password.as_bytes()) })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn password(&self) -> &[u8] {
        self.password.bytes()
    }
}

fn basic(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(b"basic".len())?;
    let is_basic = scheme.eq_ignore_ascii_case(b"basic");
    (is_basic && rest.first().is_none_or(|byte| *byte == b' ')).then(|| rest.trim_ascii())
}
