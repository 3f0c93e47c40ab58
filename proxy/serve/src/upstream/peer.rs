//! How Pingora is told to reach an endpoint.

use std::net::SocketAddr;
use std::sync::Arc;

use marchproxy_conf::model::{self, UpstreamProtocol};
use marchproxy_conf::values::DnsName;
use pingora_core::protocols::tls::ALPN;
use pingora_core::upstreams::peer::HttpPeer;

use super::connector;
use super::trust::Trust;

/// Requests at one time on one HTTP/2 connection to an endpoint.
const HTTP2_STREAMS: usize = 100;
/// What an endpoint may send on one HTTP/2 stream before the client has taken it.
const HTTP2_STREAM_WINDOW: u32 = 256 << 10;
/// The same for all streams of a connection.
const HTTP2_CONNECTION_WINDOW: u32 = 4 << 20;

/// The peer for `address`; `host` is the name it was found by, if it was.
pub(super) fn build(
    config: &model::Upstream,
    trust: Option<&Trust>,
    host: Option<&str>,
    address: SocketAddr,
) -> HttpPeer {
    let verify = config.tls.as_ref().and_then(|tls| tls.verify.as_ref());
    let name = verify.map(DnsName::as_str).or(host).unwrap_or_default();
    let mut peer = HttpPeer::new(address, config.tls.is_some(), name.to_owned());
    let times = &config.timeouts;
    let options = &mut peer.options;
    options.connection_timeout = Some(times.connect.duration());
    options.total_connection_timeout = Some(times.connect.duration());
    // Pingora has one limit for the first and for every later piece; the tighter of the two is
    // kept by the loop that owns the client's connection.
    options.read_timeout = Some(times.first_byte.duration().max(times.idle.duration()));
    options.write_timeout = Some(times.idle.duration());
    options.idle_timeout = Some(config.keep_alive.idle.duration());
    options.alpn = match config.protocol {
        UpstreamProtocol::Http2 => ALPN::H2,
        UpstreamProtocol::Auto if config.tls.is_some() => ALPN::H2H1,
        UpstreamProtocol::Http1 | UpstreamProtocol::Auto => connector::mark(),
    };
    options.max_h2_streams = HTTP2_STREAMS;
    options.h2_stream_window_size = Some(HTTP2_STREAM_WINDOW);
    options.h2_connection_window_size = Some(HTTP2_CONNECTION_WINDOW);
    if let Some(trust) = trust {
        options.ca = trust.authorities();
        options.upstream_tls_handshake_complete_hook = Some(Arc::new(Trust::note));
    }
    peer
}
