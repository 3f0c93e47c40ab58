//! What trusted proxies in front of this one say of a request.

use std::net::{IpAddr, SocketAddr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName};

use crate::answer::X_REQUEST_ID;
use crate::authority::Authority;
use crate::exchange::{Exchange, RequestId, Scheme};
use crate::request::forward::{X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO};
use crate::snapshot::Snapshot;
use crate::wire::chars;

/// Takes over what the peer says, if it is trusted.
pub(super) fn believe(snapshot: &Snapshot, headers: &HeaderMap, exchange: &mut Exchange) {
    if !snapshot.is_trusted(exchange.client) {
        return;
    }
    exchange.peer_trusted = true;
    if headers.contains_key(&X_FORWARDED_FOR) {
        for value in headers.get_all(&X_FORWARDED_FOR).iter().rev() {
            let elements = value.as_bytes().rsplit(|c| *c == b',').map(chars::trim);
            if !follow(elements.map(address), snapshot, exchange) {
                break;
            }
        }
    } else {
        for value in headers.get_all(FORWARDED).iter().rev() {
            let elements = value.as_bytes().rsplit(|c| *c == b',').map(chars::trim);
            if !follow(elements.map(forwarded_for), snapshot, exchange) {
                break;
            }
        }
    }
    match last_element(headers, &X_FORWARDED_PROTO) {
        Some(proto) if proto.eq_ignore_ascii_case(b"https") => exchange.scheme = Scheme::Https,
        Some(proto) if proto.eq_ignore_ascii_case(b"http") => exchange.scheme = Scheme::Http,
        _ => {}
    }
    exchange.forwarded_host = last_element(headers, &X_FORWARDED_HOST)
        .filter(|host| Authority::read(host, exchange.scheme).is_ok())
        .and_then(|host| std::str::from_utf8(host).ok())
        .map(|host| host.to_ascii_lowercase().into_boxed_str());
    if let Some(id) = last_element(headers, &X_REQUEST_ID).and_then(RequestId::accept) {
        exchange.request_id = id;
    }
}

/// Walks a chain of addresses, nearest first, up to the first that is not trusted: that is the
/// client. What stands further out was written by someone who is not trusted. Says whether to go
/// on; an element that is no address ends the walk at the last one that was.
fn follow(
    chain: impl Iterator<Item = Option<IpAddr>>,
    snapshot: &Snapshot,
    exchange: &mut Exchange,
) -> bool {
    for address in chain {
        let Some(address) = address else { return false };
        exchange.client = address;
        if !snapshot.is_trusted(address) {
            return false;
        }
    }
    true
}

/// An address, with or without a port; some proxies write one.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let without_brackets = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    if let Some(inner) = without_brackets {
        return inner.parse().ok().filter(IpAddr::is_ipv6);
    }
    let address = text.parse().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|pair| pair.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// The `for` of one element (RFC 7239, section 4). Quoted values with a comma or a semicolon inside
/// end the walk: they hold no address.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let pairs = element.split(|c| *c == b';').map(chars::trim);
    let mut values = pairs.filter_map(|pair| {
        let (name, value) = pair.split_at_checked(4)?;
        name.eq_ignore_ascii_case(b"for=").then_some(value)
    });
    let value = values.next()?;
    let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    address(unquoted.unwrap_or(value))
}

fn last_element<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let value = headers.get_all(name).iter().next_back()?.as_bytes();
    value.rsplit(|c| *c == b',').next().map(chars::trim)
}
