use std::fmt;
use std::str::FromStr;

use super::scalar;

/// Media types that belong together (RFC 9110, section 8.3.1): `text/html`, `text/*` for all of a
/// kind, `application/*+json` for all with a suffix. Kept in lower case.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct MediaRange(String);
scalar!(MediaRange, "media-range", "`text/html`, `text/*` or `application/*+json`");

impl MediaRange {
    /// Whether a media type, given without parameters, belongs to it. Case makes no difference.
    pub fn holds(&self, media_type: &str) -> bool {
        let Some((own_kind, own)) = self.0.split_once('/') else { return false };
        let Some((kind, name)) = media_type.split_once('/') else { return false };
        if !own_kind.eq_ignore_ascii_case(kind) {
            return false;
        }
        let Some(suffix) = own.strip_prefix('*') else { return own.eq_ignore_ascii_case(name) };
        let begins = name.len().checked_sub(suffix.len()).filter(|length| *length > 0);
        let end = begins.and_then(|begins| name.get(begins..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(suffix))
    }
}

impl FromStr for MediaRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&c);
        let fits = |text: &str| !text.is_empty() && text.bytes().all(is_plain);
        let (kind, name) = text.split_once('/').unwrap_or_default();
        let rest = name.strip_prefix('*');
        let is_named = rest.map_or(fits(name), |rest| rest.is_empty() || is_suffix(rest, fits));
        if text.len() <= 256 && fits(kind) && is_named {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err("media types are written like `text/html`, `text/*` or `application/*+json`".to_owned())
    }
}

fn is_suffix(text: &str, fits: impl Fn(&str) -> bool) -> bool {
    text.strip_prefix('+').is_some_and(fits)
}

impl fmt::Display for MediaRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a page comes from, as browsers say it in the field `Origin` (RFC 6454, section 6.2).
/// Kept in lower case.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct WebOrigin(String);
scalar!(WebOrigin, "web-origin", "a scheme and a host such as `https://app.example.com`");

impl WebOrigin {
    /// The origin as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for WebOrigin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted =
            "an origin is written like `https://app.example.com`, with a port if it needs one";
        let lower = text.to_ascii_lowercase();
        let (scheme, host) = lower.split_once("://").ok_or(wanted)?;
        let own_port = if scheme == "https" { ":443" } else { ":80" };
        let is_fine = |c: u8| c.is_ascii_alphanumeric() || b"-._:[]".contains(&c);
        if !["http", "https"].contains(&scheme)
            || host.is_empty()
            || text.len() > 300
            || !host.bytes().all(is_fine)
        {
            return Err(wanted.to_owned());
        }
        if host.ends_with(own_port) {
            return Err(format!("browsers leave `{own_port}` out: remove it"));
        }
        Ok(Self(lower))
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_one_type_a_kind_or_a_suffix() {
        let holds = |range: &str, kind: &str| range.parse::<MediaRange>().unwrap().holds(kind);
        for (range, kind, expected) in [
            ("text/html", "text/html", true),
            ("Text/HTML", "tEXT/html", true),
            ("text/html", "text/htm", false),
            ("text/*", "text/event-stream", true),
            ("text/*", "text/", false),
            ("text/*", "text", false),
            ("text/*", "image/png", false),
            ("application/*+json", "application/problem+JSON", true),
            ("application/*+json", "application/json", false),
            ("application/*+json", "application/+json", false),
        ] {
            assert_eq!(holds(range, kind), expected, "{range} {kind}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "text", "*/*", "text/*x", "text/*+", "text/h tml", "/x", "a/b;c=d", "a/"] {
            assert!(text.parse::<MediaRange>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port_that_browsers_tell() {
        let shown = |text: &str| text.parse::<WebOrigin>().map(|origin| origin.to_string()).ok();
        for text in ["https://app.example.com", "http://localhost:5173", "https://[::1]:8443"] {
            assert_eq!(shown(text).as_deref(), Some(text));
        }
        assert_eq!(shown("HTTPS://App.example").as_deref(), Some("https://app.example"));
        for text in [
            "",
            "*",
            "null",
            "app.example",
            "https://",
            "https://a/",
            "ftp://a",
            "https://a:443",
            "http://a:80",
            "https://a b",
            "https://u@a",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }
}
