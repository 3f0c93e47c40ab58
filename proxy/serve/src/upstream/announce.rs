//! What an endpoint is told of a client in front of everything else on a connection, by the PROXY
//! protocol.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use marchproxy_conf::model::ProxyVersion;
use marchproxy_decide::exchange::Connection;
use marchproxy_decide::wire::proxy_protocol::{Client, write_v1, write_v2};
use pingora_core::connectors::L4Connect;
use pingora_core::protocols::l4::socket::SocketAddr as PeerAddress;
use pingora_core::protocols::l4::stream::Stream;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorType, Result};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// Whose request an endpoint is told it is. A connection that begins with this carries nothing of
/// anybody else.
#[derive(Clone, Debug)]
pub struct Announced {
    /// As the header says it.
    pub client: Client,
    /// The connection that the client has to us. `None`: another has it, who speaks for many clients.
    owner: Option<Arc<Connection>>,
}

impl Announced {
    /// The client at `address`, whose request came on `connection`. When that is another's, who is
    /// believed, nobody knows the client's port: it is 0.
    pub fn new(connection: &Arc<Connection>, address: IpAddr) -> Self {
        let is_own = connection.client.ip().to_canonical() == address.to_canonical();
        let port = if is_own { connection.client.port() } else { 0 };
        let source = SocketAddr::new(address, port);
        let client = Client::Address { source, destination: connection.local };
        Self { client, owner: is_own.then(|| Arc::clone(connection)) }
    }

    /// The client's own connection. What was announced for it is kept for requests that come on it,
    /// and for as long as it lasts. Without one, nothing is kept.
    pub fn owner(&self) -> Option<&Arc<Connection>> {
        self.owner.as_ref()
    }
}

/// The header that says whose connection it is.
pub fn header(version: ProxyVersion, client: &Client) -> Vec<u8> {
    let mut header = Vec::new();
    match version {
        ProxyVersion::V1 => write_v1(client, &mut header),
        ProxyVersion::V2 => write_v2(client, &mut header),
    }
    header
}

/// The same peer, connected to with a header in front of everything else.
pub(super) fn announcing(peer: &HttpPeer, version: ProxyVersion, client: &Client) -> HttpPeer {
    let mut peer = peer.clone();
    peer.options.custom_l4 = Some(Arc::new(Announcing(header(version, client))));
    peer
}

/// Makes connections that begin with these bytes.
#[derive(Debug)]
struct Announcing(Vec<u8>);

#[async_trait]
impl L4Connect for Announcing {
    async fn connect(&self, address: &PeerAddress) -> Result<Stream> {
        self.open(address).await.map_err(|error| {
            let kind = match error.kind() {
                ErrorKind::TimedOut => ErrorType::ConnectTimedout,
                _ => ErrorType::ConnectError,
            };
            Error::because(kind, format!("cannot connect to {address}"), error)
        })
    }
}

impl Announcing {
    async fn open(&self, address: &PeerAddress) -> io::Result<Stream> {
        match address {
            PeerAddress::Inet(address) => self.begin(TcpStream::connect(address).await?).await,
            PeerAddress::Unix(address) => {
                let path = address.as_pathname().unwrap_or(Path::new(""));
                self.begin(UnixStream::connect(path).await?).await
            }
        }
    }

    async fn begin<S>(&self, mut stream: S) -> io::Result<Stream>
    where
        S: AsyncWrite + Into<Stream> + Unpin,
    {
        stream.write_all(&self.0).await?;
        Ok(stream.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(client: &str) -> Arc<Connection> {
        let local = "192.0.2.1:443".parse().unwrap();
        Arc::new(Connection::new(client.parse().unwrap(), local, "web".into(), None))
    }

    fn text(client: &str, address: &str) -> (String, bool) {
        let announced = Announced::new(&connection(client), address.parse().unwrap());
        let header = header(ProxyVersion::V1, &announced.client);
        (String::from_utf8(header).unwrap(), announced.owner().is_some())
    }

    #[test]
    fn a_client_is_told_of_with_its_port_when_the_connection_is_its_own() {
        let own = "PROXY TCP4 203.0.113.9 192.0.2.1 40000 443\r\n".to_owned();
        assert_eq!(text("203.0.113.9:40000", "203.0.113.9"), (own.clone(), true));
        assert_eq!(text("[::ffff:203.0.113.9]:40000", "203.0.113.9"), (own, true));
    }

    #[test]
    fn nothing_is_kept_for_a_client_that_another_speaks_for() {
        let other = "PROXY TCP4 198.51.100.7 192.0.2.1 0 443\r\n".to_owned();
        assert_eq!(text("203.0.113.9:40000", "198.51.100.7"), (other, false));
    }
}
