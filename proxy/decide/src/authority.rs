//! Hosts as requests name them, in `Host` and in targets in absolute-form.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::exchange::Scheme;
use crate::verdict::Reason;
use crate::wire::chars;

/// A host and a port, in one spelling: lower case, no last dot, no port that goes without saying.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Authority<'a> {
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    pub(crate) host: Cow<'a, str>,
    /// The port, unless it is the scheme's own.
    pub(crate) port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Reads `uri-host [ ":" port ]` (RFC 9110, section 7.2). Names are letters, digits, `-`, `.`
    /// and `_`: percent escapes and user names are refused, and so is an empty host.
    pub(crate) fn read(bytes: &'a [u8], scheme: Scheme) -> Result<Self, Reason> {
        let text = std::str::from_utf8(bytes).map_err(|_| Reason::HostInvalid)?;
        let (host, port) = if text.starts_with('[') {
            let (host, port) = text.split_once(']').ok_or(Reason::HostInvalid)?;
            (bracketed(host)?, port)
        } else {
            let colon = memchr::memchr(b':', bytes).unwrap_or(text.len());
            let (host, port) = text.split_at_checked(colon).ok_or(Reason::HostInvalid)?;
            (name(host)?, port)
        };
        let port = match port.strip_prefix(':') {
            Some(digits) => port_of(digits)?.filter(|port| *port != scheme.default_port()),
            None if port.is_empty() => None,
            None => return Err(Reason::HostInvalid),
        };
        Ok(Self { host, port })
    }

    /// Whether `bytes` are one, whatever the scheme.
    pub(crate) fn check(bytes: &[u8]) -> Result<(), Reason> {
        Authority::read(bytes, Scheme::Http).map(|_| ())
    }

    /// The host of a request that names none, as HTTP/1.0 allows: the address it came to.
    pub(crate) fn of_address(address: SocketAddr, scheme: Scheme) -> Self {
        let host = match address.ip().to_canonical() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let port = Some(address.port()).filter(|port| *port != scheme.default_port());
        Self { host: Cow::Owned(host), port }
    }
}

/// The two parts of a target in absolute-form: its authority, and what follows it.
pub(crate) type AbsoluteForm<'a> = (&'a [u8], &'a [u8]);

/// Splits a target in absolute-form; `None` for the other forms. The scheme is not believed: whether
/// the request came over TLS is known better.
pub(crate) fn split_target(target: &[u8]) -> Result<Option<AbsoluteForm<'_>>, Reason> {
    if target.first() == Some(&b'/') || target == b"*" {
        return Ok(None);
    }
    let colon = memchr::memchr(b':', target).ok_or(Reason::Target)?;
    let (scheme, rest) = target.split_at_checked(colon).ok_or(Reason::Target)?;
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return Err(Reason::Target);
    }
    let rest = rest.strip_prefix(b"://").ok_or(Reason::Target)?;
    let end = memchr::memchr2(b'/', b'?', rest).unwrap_or(rest.len());
    rest.split_at_checked(end).ok_or(Reason::Target).map(Some)
}

/// One spelling for one address: `[::1]` is also `[0:0:0:0:0:0:0:1]`.
fn bracketed(text: &str) -> Result<Cow<'_, str>, Reason> {
    let inner = text.strip_prefix('[').ok_or(Reason::HostInvalid)?;
    let address: Ipv6Addr = inner.parse().map_err(|_| Reason::HostInvalid)?;
    Ok(Cow::Owned(format!("[{address}]")))
}

fn name(text: &str) -> Result<Cow<'_, str>, Reason> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let mut previous = b'.';
    let mut has_upper = false;
    for c in text.bytes() {
        if !chars::is_host(c) || (c == b'.' && previous == b'.') {
            return Err(Reason::HostInvalid);
        }
        has_upper |= c.is_ascii_uppercase();
        previous = c;
    }
    if text.len() > 253 || previous == b'.' {
        return Err(Reason::HostInvalid);
    }
    Ok(if has_upper { Cow::Owned(text.to_ascii_lowercase()) } else { Cow::Borrowed(text) })
}

fn port_of(digits: &str) -> Result<Option<u16>, Reason> {
    if digits.is_empty() {
        return Ok(None);
    }
    if digits.len() > 5 || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return Err(Reason::HostInvalid);
    }
    match digits.parse() {
        Ok(0) | Err(_) => Err(Reason::HostInvalid),
        Ok(port) => Ok(Some(port)),
    }
}
