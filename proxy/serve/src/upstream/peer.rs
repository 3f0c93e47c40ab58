//! How Pingora is told to reach an endpoint.

use std::sync::Arc;

use marchproxy_conf::model::{self, UpstreamProtocol};
use marchproxy_conf::values::DnsName;
use pingora_core::protocols::tls::ALPN;
use pingora_core::upstreams::peer::HttpPeer;

use super::address::Address;
use super::trust::Trust;

/// The peer for `address`; `host` is the name it was found by, if it was.
///
/// # Errors
/// The system has no such address.
pub(super) fn build(
    config: &model::Upstream,
    trust: Option<&Trust>,
    host: Option<&str>,
    address: &Address,
) -> Result<HttpPeer, String> {
    let verify = config.tls.as_ref().and_then(|tls| tls.verify.as_ref());
    let name = verify.map(DnsName::as_str).or(host).unwrap_or_default();
    let (is_tls, name) = (config.tls.is_some(), name.to_owned());
    let mut peer = match address {
        Address::Ip(address) => HttpPeer::new(*address, is_tls, name),
        Address::Unix(path) => {
            HttpPeer::new_uds(path, is_tls, name).map_err(|error| error.to_string())?
        }
    };
    peer.client_cert_key = trust.and_then(Trust::own);
    let options = &mut peer.options;
    options.alpn = match config.protocol {
        UpstreamProtocol::Http2 => ALPN::H2,
        UpstreamProtocol::Auto if config.tls.is_some() => ALPN::H2H1,
        UpstreamProtocol::Http1 | UpstreamProtocol::Auto => ALPN::H1,
    };
    if let Some(trust) = trust {
        options.ca = trust.authorities();
        options.upstream_tls_handshake_complete_hook = Some(Arc::new(Trust::note));
    }
    Ok(peer)
}
