//! Connections to endpoints that speak HTTP/1.1, with a look at what they answer.

use std::any::Any;
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::connectors::http::custom::{self, Connection};
use pingora_core::connectors::{ConnectorOptions, TransportConnector};
use pingora_core::protocols::tls::{ALPN, CustomALPN};
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::{HttpPeer, Peer};
use pingora_error::{Error, ErrorType, Result};

use super::answers::Answers;
use super::life::end_of;

/// Makes the connections of peers that are marked by [`mark`]. Pingora takes them for connections of
/// a protocol that it does not know and that fell back to HTTP/1.1: it speaks HTTP/1.1 on them, and
/// keeps them in its pool, but leaves making them to us.
pub struct Connector {
    transport: TransportConnector,
}

impl Connector {
    /// For one worker.
    pub fn new(conf: &ServerConf) -> Self {
        let options = ConnectorOptions::from_server_conf(conf);
        Self { transport: TransportConnector::new(Some(options)) }
    }
}

/// The protocol of peers whose connections a [`Connector`] makes. It is never said on the wire.
pub fn mark() -> ALPN {
    ALPN::Custom(CustomALPN::new(b"marchproxy".to_vec()))
}

#[async_trait]
impl custom::Connector for Connector {
    type Session = ();

    async fn get_http_session<P: Peer + Send + Sync + 'static>(
        &self,
        peer: &P,
    ) -> Result<(Connection<()>, bool)> {
        let any: &(dyn Any + Send + Sync) = peer;
        let Some(peer) = any.downcast_ref::<HttpPeer>() else {
            return Err(Error::explain(ErrorType::InternalError, "a peer that is not HTTP"));
        };
        let mut peer = peer.clone();
        peer.options.alpn = ALPN::H1;
        let stream = self.transport.new_stream(&peer).await?;
        let stream = Answers::new(stream, end_of(peer.group_key));
        Ok((Connection::Stream(Box::new(stream)), false))
    }

    async fn reused_http_session<P: Peer + Send + Sync + 'static>(&self, _: &P) -> Option<()> {
        None
    }

    async fn release_http_session<P: Peer + Send + Sync + 'static>(
        &self,
        (): (),
        _: &P,
        _: Option<Duration>,
    ) {
    }
}
