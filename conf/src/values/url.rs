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
        Self::after_scheme(rest, 80).ok_or_else(wanted)
    }
}

impl HttpUrl {
    /// What follows `://`; `port` is meant when none is given.
    fn after_scheme(rest: &str, port: u16) -> Option<Self> {
        let (authority, target) =
            match rest.find('/').and_then(|slash| rest.split_at_checked(slash)) {
                Some((authority, target)) => (authority, target),
                None => (rest, "/"),
            };
        let is_fine = |c: u8| c.is_ascii_graphic() && c != b'#';
        if target.len() > 1024 || !target.bytes().all(is_fine) {
            return None;
        }
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let host = if has_port { authority.parse() } else { format!("{authority}:{port}").parse() };
        let host = host.ok()?;
        Some(Self { host, authority: authority.to_ascii_lowercase(), target: target.to_owned() })
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.target)
    }
}

/// A URL with the scheme `http` or `https` (RFC 9110, section 4.2).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct WebUrl {
    is_https: bool,
    rest: HttpUrl,
}
scalar!(WebUrl, "web-url", "a URL such as `https://collector.example.com:4318/v1/traces`");

impl WebUrl {
    /// Whether its scheme is `https`.
    pub const fn is_https(&self) -> bool {
        self.is_https
    }

    /// The host and the port.
    pub const fn host(&self) -> &HostPort {
        self.rest.host()
    }

    /// The host and, if it was given, the port, as text.
    pub fn authority(&self) -> &str {
        self.rest.authority()
    }

    /// The path and the query.
    pub fn target(&self) -> &str {
        self.rest.target()
    }
}

impl FromStr for WebUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted =
            || "a URL is written like `https://collector.example.com/v1/traces`".to_owned();
        let (scheme, rest) = text.split_once("://").ok_or_else(wanted)?;
        let (is_https, port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (false, 80),
            "https" => (true, 443),
            _ => return Err("the scheme of this URL is `http` or `https`".to_owned()),
        };
        let rest = HttpUrl::after_scheme(rest, port).ok_or_else(wanted)?;
        Ok(Self { is_https, rest })
    }
}

impl fmt::Display for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.target())
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

    #[test]
    fn a_web_url_has_the_port_of_its_scheme_and_one_spelling() {
        for (text, host, shown) in [
            ("http://a", "a:80", "http://a/"),
            ("HTTPS://A/v1/traces", "a:443", "https://a/v1/traces"),
            ("https://a:4318/v1/traces?x", "a:4318", "https://a:4318/v1/traces?x"),
            ("https://[::1]/", "[::1]:443", "https://[::1]/"),
        ] {
            let url: WebUrl = text.parse().unwrap();
            assert_eq!((url.host().to_string().as_str(), url.to_string().as_str()), (host, shown));
            assert_eq!(url.to_string().parse(), Ok(url));
        }
        for text in ["", "a", "ftp://a/", "https://", "https://user:pw@a/", "https://a/ b"] {
            assert!(text.parse::<WebUrl>().is_err(), "{text}");
        }
    }
}
