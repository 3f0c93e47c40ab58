use std::fmt;
use std::str::FromStr;

use super::{HostPort, scalar};

/// A URL with the scheme `http` (RFC 9110, section 4.2.1), for what needs no encryption.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct HttpUrl {
    host: HostPort,
    /// As it goes in the `Host` field.
    authority: String,
    target: String,
}
scalar!(HttpUrl, "http-url", "a URL such as `http://ocsp.example.com/`");

impl HttpUrl {
    /// The host and the port.
    pub const fn host(&self) -> &HostPort {
        &self.host
    }

    /// The host and, if it was given, the port, as text.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The path and the query.
    pub fn target(&self) -> &str {
        &self.target
    }
}

impl FromStr for HttpUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || "a URL is written like `http://ocsp.example.com/`".to_owned();
        let (scheme, rest) = text.split_once("://").ok_or_else(wanted)?;
        if !scheme.eq_ignore_ascii_case("http") {
            return Err("the scheme of this URL is `http`".to_owned());
        }
        let (authority, target) =
            match rest.find('/').and_then(|slash| rest.split_at_checked(slash)) {
                Some((authority, target)) => (authority, target),
                None => (rest, "/"),
            };
        let is_fine = |c: u8| c.is_ascii_graphic() && c != b'#';
        if target.len() > 1024 || !target.bytes().all(is_fine) {
            return Err(wanted());
        }
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let host = if has_port { authority.parse() } else { format!("{authority}:80").parse() };
        let host = host.map_err(|_: String| wanted())?;
        Ok(Self { host, authority: authority.to_ascii_lowercase(), target: target.to_owned() })
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_host_a_port_and_a_target() {
        for (text, host, authority, target) in [
            ("http://ocsp.example.com", "ocsp.example.com:80", "ocsp.example.com", "/"),
            ("HTTP://O.example.com:8080/a?b", "o.example.com:8080", "o.example.com:8080", "/a?b"),
            ("http://127.0.0.1:9/", "127.0.0.1:9", "127.0.0.1:9", "/"),
            ("http://[::1]/", "[::1]:80", "[::1]", "/"),
            ("http://[::1]:81/", "[::1]:81", "[::1]:81", "/"),
        ] {
            let url: HttpUrl = text.parse().unwrap();
            assert_eq!(url.host().to_string(), host, "{text}");
            assert_eq!((url.authority(), url.target()), (authority, target), "{text}");
        }
    }

    #[test]
    fn what_is_no_plain_url_is_refused() {
        for text in [
            "",
            "ocsp.example.com",
            "https://ocsp.example.com/",
            "http://",
            "http:///a",
            "http://a b/",
            "http://user@host/",
            "http://host:port/",
            "http://host/a b",
            "http://host/\r\nX: y",
            "http://host/#part",
            "http://host?query",
            "ldap://host/",
        ] {
            assert!(text.parse::<HttpUrl>().is_err(), "{text}");
        }
        assert!(format!("http://a/{}", "x".repeat(2000)).parse::<HttpUrl>().is_err());
    }
}
