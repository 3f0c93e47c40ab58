//! Fields that belong to one connection (RFC 9110, section 7.6.1).

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName};

use crate::wire::chars;

/// `Keep-Alive`
pub(crate) const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// `Proxy-Connection`
pub(crate) const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
/// `HTTP2-Settings`, which goes with an upgrade to h2c.
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// The others that are removed wherever they stand. `Trailer` is not among them: it goes with the
/// message (RFC 9110, section 6.6.2).
static OTHERS: [HeaderName; 6] =
    [KEEP_ALIVE, PROXY_CONNECTION, TE, UPGRADE, PROXY_AUTHORIZATION, HTTP2_SETTINGS];

/// Removes from `to` what belongs to the connection that `received` came on.
pub(crate) fn strip(received: &HeaderMap, to: &mut HeaderMap) {
    for option in options(received) {
        remove_nominated(option, to);
    }
    for name in received.keys() {
        if *name == CONNECTION || OTHERS.contains(name) {
            to.remove(name);
        }
    }
}

/// Removes from `to` what belongs to the connection that it itself came on.
pub(crate) fn strip_own(to: &mut HeaderMap) {
    let mut found = [false; 6];
    let mut has_connection = false;
    for name in to.keys() {
        has_connection |= *name == CONNECTION;
        for (found, other) in found.iter_mut().zip(&OTHERS) {
            *found |= name == other;
        }
    }
    if has_connection {
        let nominated: Vec<Vec<u8>> = options(to).map(<[u8]>::to_vec).collect();
        for option in nominated {
            remove_nominated(&option, to);
        }
        to.remove(&CONNECTION);
    }
    for (_, other) in found.iter().zip(&OTHERS).filter(|(found, _)| **found) {
        to.remove(other);
    }
}

/// Removes what `Connection` nominates, but never a field that routing or framing hang on: a client
/// could make them vanish on their way up.
fn remove_nominated(option: &[u8], to: &mut HeaderMap) {
    let is_common = option.eq_ignore_ascii_case(b"close")
        || option.eq_ignore_ascii_case(b"keep-alive")
        || option.eq_ignore_ascii_case(b"upgrade");
    if is_common {
        return;
    }
    if let Ok(name) = HeaderName::from_bytes(option)
        && ![HOST, CONTENT_LENGTH, TRANSFER_ENCODING].contains(&name)
    {
        to.remove(&name);
    }
}

/// The connection options of a message.
fn options(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(CONNECTION).iter();
    values.flat_map(|value| value.as_bytes().split(|c| *c == b',').map(chars::trim))
}

/// Whether `Connection` holds this option, given in lower case.
pub(crate) fn nominates(headers: &HeaderMap, option: &[u8]) -> bool {
    options(headers).any(|other| other.eq_ignore_ascii_case(option))
}

/// Whether the sender takes trailers (RFC 9110, section 10.1.4).
pub(crate) fn te_is_trailers(headers: &HeaderMap) -> bool {
    let takes = |option: &[u8]| chars::trim(option).eq_ignore_ascii_case(b"trailers");
    let mut values = headers.get_all(TE).iter();
    values.any(|value| value.as_bytes().split(|c| *c == b',').any(takes))
}
