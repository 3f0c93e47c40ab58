use std::fmt;
use std::str::FromStr;

use super::listen::is_socket_path;
use super::{HostPort, scalar};

/// Where a server is: a host and a port, or the path of a Unix socket.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ServerAddress {
    /// A host and a port.
    Host(HostPort),
    /// The absolute path of a Unix socket, in its one spelling.
    Unix(String),
}
scalar!(
    ServerAddress,
    "server-address",
    "a host and a port, such as `127.0.0.1:3000` or `app.internal:3000`, or a Unix socket, such as `unix:/run/app.sock`"
);

impl FromStr for ServerAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some(path) => is_socket_path(path).map(|()| Self::Unix(path.to_owned())),
            None => text.parse().map(Self::Host),
        }
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => host.fmt(f),
            Self::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}
