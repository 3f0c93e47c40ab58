//! Making connections to endpoints.

use marchproxy_decide::verdict::Reason;
use marchproxy_decide::wire::proxy_protocol::Client;
use pingora_core::connectors::TransportConnector;
use pingora_core::protocols::Stream;
use pingora_core::protocols::tls::ALPN;
use pingora_core::upstreams::peer::HttpPeer;

use super::Upstream;
use super::allowance::Place;
use super::announce::announcing;
use super::failure;
use super::http2::Shared;
use super::trust::{Handshake, Refused};

/// A connection that was just made.
pub(super) enum Connected {
    /// It speaks HTTP/1.1.
    Http1(Stream, Place),
    /// It speaks HTTP/2.
    Http2(Shared),
}

/// Why there is no connection: for people, and what is to be recorded.
pub(super) struct NotConnected {
    pub why: String,
    pub reason: Reason,
}

/// Makes a connection as `peer` says, TLS and all, and sees to it that it may be used. The endpoint is
/// told that it is `client`'s, if it wants to be told.
pub(super) async fn connect(
    connector: &TransportConnector,
    upstream: &Upstream,
    peer: &HttpPeer,
    client: &Client,
    place: Place,
) -> Result<Connected, NotConnected> {
    let not = |why: &str, reason| NotConnected { why: why.to_owned(), reason };
    let made = match upstream.config.proxy_protocol {
        Some(version) => connector.new_stream(&announcing(peer, version, client)).await,
        None => connector.new_stream(peer).await,
    };
    let stream = made.map_err(|error| not(&failure::explain(&error), failure::reason(&error)))?;
    let tls = stream.get_ssl_digest();
    let handshake = tls.as_ref().and_then(|tls| tls.extension.get::<Handshake>());
    upstream.check(handshake).map_err(|refused| {
        let reason = match refused {
            Refused::Pin => Reason::UpstreamPin,
            Refused::Outdated => Reason::UpstreamTls,
        };
        not(&refused.to_string(), reason)
    })?;
    let wants_http2 = matches!(peer.options.alpn, ALPN::H2);
    let has_agreed = matches!(stream.selected_alpn_proto(), Some(ALPN::H2));
    if wants_http2 && tls.is_some() && !has_agreed {
        return Err(not("it does not agree to HTTP/2 by ALPN", Reason::UpstreamTls));
    }
    if !wants_http2 && !has_agreed {
        return Ok(Connected::Http1(stream, place));
    }
    let shared = Shared::begin(stream, place).await;
    shared.map(Connected::Http2).map_err(|reason| not("it does not speak HTTP/2", reason))
}
