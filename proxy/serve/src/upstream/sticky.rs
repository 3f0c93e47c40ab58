//! Cookies by which clients come back to the endpoint that they had before.

use std::fmt::Write;

use boring::hash::hmac_sha256;
use boring::memcmp;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use marchproxy_conf::model::{self, Sticky as Config};

use crate::secret;

/// What a key has at least.
const LEAST_KEY: usize = 16;
/// How much of the signature stands in the cookie.
const SIGNATURE: usize = 16;
/// The endpoint's tag and the signature, in hexadecimal digits.
const LENGTH: usize = 2 * (8 + SIGNATURE);

/// The cookies of one upstream.
pub struct Sticky {
    name: String,
    attributes: String,
    key: Vec<u8>,
}

impl Sticky {
    /// Cookies as `config` says.
    ///
    /// # Errors
    /// The key is not there, or too short.
    pub fn load(config: &Config) -> Result<Self, String> {
        let key = secret::read(&config.key)?;
        if key.bytes().len() < LEAST_KEY {
            return Err(format!("{}: a key has at least {LEAST_KEY} bytes", key.place()));
        }
        let age = config.age.map(|age| format!("; Max-Age={}", age.duration().as_secs()));
        Ok(Self {
            name: config.cookie.clone(),
            attributes: format!("; Path=/; HttpOnly; SameSite=Lax{}", age.unwrap_or_default()),
            key: key.bytes().to_vec(),
        })
    }

    /// Whether the key is still what it was.
    pub fn is_still(&self, config: &model::Sticky) -> bool {
        secret::read(&config.key).is_ok_and(|key| key.bytes() == self.key)
    }

    /// The tag of the endpoint that a request's cookie names, if it is signed by us.
    pub fn tag(&self, headers: &HeaderMap) -> Option<u64> {
        let mut cookies = headers.get_all(COOKIE).iter();
        let value = cookies.find_map(|field| cookie(field.as_bytes(), &self.name))?;
        let value = std::str::from_utf8(value).ok().filter(|value| value.len() == LENGTH)?;
        let (tag, signature) = value.split_at_checked(16)?;
        let tag = u64::from_str_radix(tag, 16).ok()?;
        let expected = self.signature(tag)?;
        memcmp::eq(signature.as_bytes(), expected.as_bytes()).then_some(tag)
    }

    /// The field that gives a client the cookie for an endpoint.
    pub fn cookie(&self, tag: u64, is_secure: bool) -> Option<HeaderValue> {
        let secure = if is_secure { "; Secure" } else { "" };
        let (name, signature, attributes) = (&self.name, self.signature(tag)?, &self.attributes);
        HeaderValue::try_from(format!("{name}={tag:016x}{signature}{attributes}{secure}")).ok()
    }

    /// The beginning of the signature, in hexadecimal digits.
    fn signature(&self, tag: u64) -> Option<String> {
        let signed = hmac_sha256(&self.key, &tag.to_be_bytes()).ok()?;
        let mut text = String::with_capacity(2 * SIGNATURE);
        for byte in signed.iter().take(SIGNATURE) {
            let _ = write!(text, "{byte:02x}");
        }
        Some(text)
    }
}

/// The value of the cookie of that name in a `Cookie` field.
pub fn cookie<'a>(field: &'a [u8], name: &str) -> Option<&'a [u8]> {
    field.split(|c| *c == b';').find_map(|pair| {
        let pair = pair.trim_ascii();
        let value = pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sticky(key: &[u8]) -> Sticky {
        Sticky { name: "srv".to_owned(), attributes: String::new(), key: key.to_vec() }
    }

    fn request(cookies: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(cookies).unwrap())])
    }

    #[test]
    fn a_cookie_of_ours_names_its_endpoint() {
        let ours = sticky(b"a key of ours");
        let given = ours.cookie(7, false).unwrap();
        let given = given.to_str().unwrap();
        assert_eq!(ours.tag(&request(&format!("a=b; {given};c=d"))), Some(7));
        assert_eq!(sticky(b"another key").tag(&request(given)), None);
    }

    #[test]
    fn what_was_tampered_with_is_not_believed() {
        let ours = sticky(b"a key of ours");
        let given = ours.cookie(7, true).unwrap();
        let given = given.to_str().unwrap().split(';').next().unwrap().to_owned();
        for at in 4..given.len() {
            let mut other = given.clone().into_bytes();
            other[at] = if other[at] == b'0' { b'1' } else { b'0' };
            let other = String::from_utf8(other).unwrap();
            assert_eq!(ours.tag(&request(&other)), None, "{other}");
        }
        for other in
            ["", "srv", "srv=", "srv=zz", given.get(..20).unwrap(), &format!("{given}0"), "xsrv=1"]
        {
            assert_eq!(ours.tag(&request(other)), None, "{other}");
        }
    }
}
