use std::fmt;
use std::str::FromStr;

use super::address::is_dns_name;
use super::scalar;

/// A host, exact or with one wildcard in front. Kept in lower case.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum HostPattern {
    /// Only this host (a name, an IPv4 address, or an IPv6 address in brackets).
    Exact(String),
    /// `*.example.com`: holds `example.com`; one or more labels must stand in front of it.
    Wildcard(String),
}
scalar!(HostPattern, "host-pattern", "a host, or `*.` and a host");

impl FromStr for HostPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.to_ascii_lowercase();
        if let Some(parent) = text.strip_prefix("*.") {
            if is_dns_name(parent) {
                return Ok(Self::Wildcard(parent.to_owned()));
            }
        } else if is_dns_name(&text) {
            return Ok(Self::Exact(text));
        } else if let Some(address) = bracketed_ipv6(&text) {
            return Ok(Self::Exact(format!("[{address}]")));
        }
        Err("a host is a name without a port, such as `shop.example.com` or `*.example.com`"
            .to_owned())
    }
}

fn bracketed_ipv6(text: &str) -> Option<std::net::Ipv6Addr> {
    text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => f.write_str(host),
            Self::Wildcard(parent) => write!(f, "*.{parent}"),
        }
    }
}

/// One segment of a path template.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Segment {
    /// This text.
    Text(String),
    /// `{name}`: any one segment that is not empty.
    One(String),
    /// `{name...}`, last only: all that is left, also nothing.
    Rest(String),
}

/// A pattern of paths, in normalised form.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum PathPattern {
    /// `=/orders`: only this path.
    Exact(String),
    /// `/orders`: this path and all below it, at a segment border. `/` is everything. Kept without
    /// a last slash, so `/` is the empty string.
    Prefix(String),
    /// `/orders/{id}`: segments.
    Template(Vec<Segment>),
}
scalar!(PathPattern, "path-pattern", "`/prefix`, `=/exact`, `/with/{name}` or `/with/{rest...}`");

impl PathPattern {
    /// The prefix of all paths.
    pub const fn everything() -> Self {
        Self::Prefix(String::new())
    }

    /// Names in braces, in order.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        let segments = match self {
            Self::Template(segments) => segments.as_slice(),
            Self::Exact(_) | Self::Prefix(_) => &[],
        };
        segments.iter().filter_map(|segment| match segment {
            Segment::Text(_) => None,
            Segment::One(name) | Segment::Rest(name) => Some(name.as_str()),
        })
    }
}

impl FromStr for PathPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (exact, path) = match text.strip_prefix('=') {
            Some(path) => (true, path),
            None => (false, text),
        };
        if !path.starts_with('/') {
            return Err("a path starts with `/` (or `=/` for that path alone)".to_owned());
        }
        if let Some(bad) = path.chars().find(|c| !c.is_ascii_graphic() || "?#\\\"<>%".contains(*c))
        {
            return Err(format!("a path pattern cannot hold {bad:?}"));
        }
        if path.split('/').any(|segment| segment == "." || segment == "..") {
            return Err("a path pattern cannot hold `.` or `..` segments".to_owned());
        }
        if path.contains("//") {
            return Err("a path pattern cannot hold an empty segment".to_owned());
        }
        if path.split('/').any(|segment| segment == "*" || segment == "**") {
            return Err(
                "`*` is no wildcard here: `/a` takes all below it as well, `/a/{name}` one \
                        segment, `/a/{name...}` the rest"
                    .to_owned(),
            );
        }
        match (exact, path.contains(['{', '}'])) {
            (true, false) => Ok(Self::Exact(path.to_owned())),
            (true, true) => Err("names in braces do not go with `=`".to_owned()),
            (false, false) => Ok(Self::Prefix(path.strip_suffix('/').unwrap_or(path).to_owned())),
            (false, true) => template(path).map(Self::Template),
        }
    }
}

fn template(path: &str) -> Result<Vec<Segment>, String> {
    let texts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let mut segments = Vec::with_capacity(texts.len());
    let mut names: Vec<&str> = Vec::new();
    for (position, text) in texts.iter().enumerate() {
        let Some(name) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) else {
            if text.contains(['{', '}']) {
                return Err("braces hold a whole segment, such as `/orders/{id}`".to_owned());
            }
            segments.push(Segment::Text((*text).to_owned()));
            continue;
        };
        let (name, rest) = match name.strip_suffix("...") {
            Some(name) => (name, true),
            None => (name, false),
        };
        if name.is_empty() || !name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_') {
            return Err("a name in braces is made of letters, digits and `_`".to_owned());
        }
        if names.contains(&name) {
            return Err(format!("the name `{name}` is used twice"));
        }
        if rest && position + 1 != texts.len() {
            return Err("`{name...}` can only be the last segment".to_owned());
        }
        names.push(name);
        segments.push(if rest {
            Segment::Rest(name.to_owned())
        } else {
            Segment::One(name.to_owned())
        });
    }
    Ok(segments)
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => write!(f, "={path}"),
            Self::Prefix(path) if path.is_empty() => f.write_str("/"),
            Self::Prefix(path) => f.write_str(path),
            Self::Template(segments) => segments.iter().try_for_each(|segment| match segment {
                Segment::Text(text) => write!(f, "/{text}"),
                Segment::One(name) => write!(f, "/{{{name}}}"),
                Segment::Rest(name) => write!(f, "/{{{name}...}}"),
            }),
        }
    }
}
