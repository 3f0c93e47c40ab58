//! Where a request came from, as the upstream is told: `X-Forwarded-*`, and `Forwarded` (RFC 7239).

use std::fmt::Write;
use std::net::IpAddr;

use http::header::{FORWARDED, HOST};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO};
use crate::exchange::{Exchange, Scheme};

pub(super) fn set(received: &HeaderMap, exchange: &Exchange, to: &mut HeaderMap) {
    for name in received.keys() {
        if is_a_lie(name.as_str(), exchange.peer_trusted) {
            to.remove(name);
        }
    }
    let own = &exchange.connection.client_value;
    let chain = if exchange.peer_trusted {
        appended(received, &X_FORWARDED_FOR, own.as_bytes())
    } else {
        None
    };
    to.insert(X_FORWARDED_FOR, chain.unwrap_or_else(|| own.clone()));
    to.insert(
        X_FORWARDED_PROTO,
        match exchange.scheme {
            Scheme::Http => HeaderValue::from_static("http"),
            Scheme::Https => HeaderValue::from_static("https"),
        },
    );
    if let Some(host) = host_value(received, exchange) {
        to.insert(X_FORWARDED_HOST, host);
    }
    if received.contains_key(FORWARDED) {
        set_forwarded(received, exchange, to);
    }
}

/// Whether a field says something of where the request came from that is not for its sender to say.
///
/// `_` stands for `-` in the variables of CGI and its heirs (RFC 3875, section 4.1.18), where a field
/// spelled so would take the place of the true one; and `Proxy` would name a proxy to use there.
fn is_a_lie(name: &str, is_trusted: bool) -> bool {
    if name == "proxy" {
        return true;
    }
    let is_spelled_with_underscores = name.contains('_');
    if is_trusted && !is_spelled_with_underscores {
        return false;
    }
    let is = |known: &str| {
        let same = |(a, b): (u8, u8)| a == b || (a == b'_' && b == b'-');
        name.len() == known.len() && name.bytes().zip(known.bytes()).all(same)
    };
    let begins = |known: &str| {
        let same = |(a, b): (u8, u8)| a == b || (a == b'_' && b == b'-');
        name.len() > known.len() && name.bytes().zip(known.bytes()).all(same)
    };
    is("x-real-ip")
        || is("x-client-ip")
        || is("true-client-ip")
        || begins("x-forwarded-")
        || (is_spelled_with_underscores && is("x-request-id"))
}

/// The host the client asked for; shared with the received field when that says the same.
fn host_value(received: &HeaderMap, exchange: &Exchange) -> Option<HeaderValue> {
    let host = exchange.outer_authority();
    match received.get(HOST) {
        Some(value) if value.as_bytes() == host.as_bytes() => Some(value.clone()),
        _ => HeaderValue::from_str(host).ok(),
    }
}

fn set_forwarded(received: &HeaderMap, exchange: &Exchange, to: &mut HeaderMap) {
    let mut element = String::with_capacity(96);
    let scheme = exchange.scheme.as_str();
    let written = match exchange.connection.client_ip {
        IpAddr::V4(ip) => write!(element, "for={ip};"),
        IpAddr::V6(ip) => write!(element, "for=\"[{ip}]\";"),
    };
    let written = written
        .and_then(|()| write!(element, "host=\"{}\";proto={scheme}", exchange.outer_authority()));
    let chain = if exchange.peer_trusted {
        appended(received, &FORWARDED, element.as_bytes())
    } else {
        None
    };
    let value = chain.or_else(|| HeaderValue::from_str(&element).ok());
    match (written, value) {
        (Ok(()), Some(value)) => {
            to.insert(FORWARDED, value);
        }
        _ => {
            to.remove(&FORWARDED);
        }
    }
}

/// All that was received under this name, and `last`, as one list.
fn appended(received: &HeaderMap, name: &HeaderName, last: &[u8]) -> Option<HeaderValue> {
    let mut joined = Vec::with_capacity(64);
    for element in received.get_all(name) {
        joined.extend_from_slice(element.as_bytes());
        joined.extend_from_slice(b", ");
    }
    joined.extend_from_slice(last);
    HeaderValue::from_bytes(&joined).ok()
}
