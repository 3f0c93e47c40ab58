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
/// Bytes of the signature that stand in the cookie, after the tag.
const SIGNATURE: usize = 16;
/// The hexadecimal digits of an endpoint's tag, which come first.
const TAG: usize = 16;

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

    /// The value of the cookie of this name that a request has.
    pub fn given<'a>(&self, headers: &'a HeaderMap) -> Option<&'a [u8]> {
        let mut cookies = headers.get_all(COOKIE).iter();
        cookies.find_map(|field| cookie(field.as_bytes(), &self.name))
    }

    /// The cookie of the endpoint with this tag.
    pub fn cookie(&self, tag: u64) -> Option<Cookie> {
        let signature = hmac_sha256(&self.key, &tag.to_be_bytes()).ok()?;
        let mut value = format!("{tag:0TAG$x}");
        for byte in signature.iter().take(SIGNATURE) {
            let _ = write!(value, "{byte:02x}");
        }
        let plain = format!("{}={value}{}", self.name, self.attributes);
        Some(Cookie {
            secure: HeaderValue::try_from(format!("{plain}; Secure")).ok()?,
            plain: HeaderValue::try_from(plain).ok()?,
            value,
        })
    }
}

/// The cookie of one endpoint. It is made once, not for each client.
pub struct Cookie {
    value: String,
    plain: HeaderValue,
    secure: HeaderValue,
}

impl Cookie {
    /// Whether it has this value.
    pub fn is(&self, value: &[u8]) -> bool {
        value.len() == self.value.len() && memcmp::eq(value, self.value.as_bytes())
    }

    /// The field that gives it to a client.
    pub fn field(&self, is_secure: bool) -> HeaderValue {
        if is_secure { self.secure.clone() } else { self.plain.clone() }
    }
}

/// The tag at the beginning of a cookie's value, as it says itself.
pub fn tag_in(value: &[u8]) -> Option<u64> {
    u64::from_str_radix(str::from_utf8(value.get(..TAG)?).ok()?, 16).ok()
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
        let cookie = ours.cookie(7).unwrap();
        let field = cookie.field(false);
        let field = field.to_str().unwrap();
        assert_eq!(cookie.field(true), format!("{field}; Secure"));
        let headers = request(&format!("a=b; {field};c=d"));
        let given = ours.given(&headers).unwrap();
        assert_eq!((tag_in(given), cookie.is(given)), (Some(7), true));
        assert!(!ours.cookie(8).unwrap().is(given));
        assert!(!sticky(b"another key").cookie(7).unwrap().is(given));
    }

    #[test]
    fn what_was_tampered_with_is_not_believed() {
        let ours = sticky(b"a key of ours").cookie(7).unwrap();
        let given = ours.value.clone();
        for at in 0..given.len() {
            let mut other = given.clone().into_bytes();
            other[at] = if other[at] == b'0' { b'1' } else { b'0' };
            assert!(!ours.is(&other), "{other:?}");
        }
        for other in ["", "zz", given.get(..20).unwrap(), &format!("{given}0")] {
            assert!(!ours.is(other.as_bytes()), "{other}");
        }
        for other in ["", "zz", "000000000000000", "00000000000000zz"] {
            assert_eq!(tag_in(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn only_a_cookie_of_the_name_is_looked_at() {
        let ours = sticky(b"a key of ours");
        for other in ["", "srv", "xsrv=1", "a=srv=1"] {
            assert_eq!(ours.given(&request(other)), None, "{other}");
        }
    }
}
