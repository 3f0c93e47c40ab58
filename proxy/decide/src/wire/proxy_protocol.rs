//! The PROXY protocol, versions 1 and 2: what a load balancer says, in front of everything else, of
//! the connection that it passes on. Section numbers are those of proxy-protocol.txt, which comes
//! with `HAProxy`.

mod checksum;
#[cfg(test)]
mod tests;
mod v1;
mod v2;

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

pub use v1::write as write_v1;
pub use v2::write as write_v2;

/// The largest header that is read, in bytes. Version 1 has a bound of its own (107); version 2 could
/// have 64 KiB.
pub const MOST: usize = 4096;

/// A complete header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// Its length in bytes; what it stands in front of begins there.
    pub length: usize,
    /// Whose connection it says it is.
    pub client: Client,
}

/// Whose connection a header says it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Client {
    /// The sender's own, such as a health check.
    Sender,
    /// Somebody's, whose address the sender does not know or cannot say.
    Unknown,
    /// That of a client that came by a Unix socket, and has no address.
    Unix,
    /// That of a client with an address.
    Address {
        /// Where it comes from.
        source: SocketAddr,
        /// Where it connected to.
        destination: SocketAddr,
    },
}

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// There is none: the first bytes are something else.
    Missing,
    /// It begins like one and is none.
    Malformed,
    /// It is longer than may be.
    Oversize,
    /// Its checksum is that of another header.
    Checksum,
}

/// Looks at `bytes`: all that came of a connection so far, and perhaps more than the header. `None`: it
/// goes on beyond them; to be called again with more. Then all of `bytes` belongs to the header.
///
/// # Errors
/// What is wrong with it.
pub fn inspect(bytes: &[u8]) -> Result<Option<Header>, Fault> {
    if begins_like(bytes, v2::SIGNATURE) {
        v2::inspect(bytes)
    } else if begins_like(bytes, v1::SIGNATURE) {
        v1::inspect(bytes)
    } else {
        Err(Fault::Missing)
    }
}

/// Whether `bytes` begins with the whole signature of a header, of either version.
pub fn is_announced(bytes: &[u8]) -> bool {
    bytes.starts_with(v1::SIGNATURE) || bytes.starts_with(v2::SIGNATURE)
}

/// Whether `bytes` begins with `signature`, or is the beginning of it.
fn begins_like(bytes: &[u8], signature: &[u8]) -> bool {
    bytes.starts_with(signature) || signature.starts_with(bytes)
}

/// Addresses of one family, as a header must have them.
enum Pair {
    V4(SocketAddrV4, SocketAddrV4),
    V6(SocketAddrV6, SocketAddrV6),
}

impl Pair {
    /// IPv4 if both are, however they are written; else IPv6.
    fn of(source: SocketAddr, destination: SocketAddr) -> Self {
        match (source.ip().to_canonical(), destination.ip().to_canonical()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => Self::V4(
                SocketAddrV4::new(from, source.port()),
                SocketAddrV4::new(to, destination.port()),
            ),
            (from, to) => Self::V6(
                SocketAddrV6::new(mapped(from), source.port(), 0, 0),
                SocketAddrV6::new(mapped(to), destination.port(), 0, 0),
            ),
        }
    }
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}
