//! Where an endpoint is.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpStream, UnixStream};

use crate::listen::Stream;

/// Where an endpoint is. As text it is what logs, metrics and commands call it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Address {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// The path of a Unix socket.
    Unix(Arc<str>),
}

impl Address {
    /// Connects.
    ///
    /// # Errors
    /// What the system says.
    pub async fn connect(&self) -> io::Result<Stream> {
        match self {
            Self::Ip(address) => TcpStream::connect(address).await.map(Stream::Tcp),
            Self::Unix(path) => UnixStream::connect(&**path).await.map(Stream::Unix),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}
