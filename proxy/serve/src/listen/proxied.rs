//! Connections that a load balancer passes on: whose they are, by the PROXY protocol.

use std::net::SocketAddr;
use std::time::Duration;

use marchproxy_conf::model::OtherPeers;
use marchproxy_decide::wire::proxy_protocol::{self, Client, Fault};
use tokio::time::timeout;

use super::stream::Stream;
use super::table::{Admitted, Listener};

/// Looked at in one piece. Most headers are shorter than 60 bytes.
const PIECE: usize = 512;
/// The longest signature of a header.
const SIGNATURE: usize = 12;

/// Both ends of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// Where it comes from.
    pub client: SocketAddr,
    /// Where it came to.
    pub local: SocketAddr,
}

/// Why a connection is closed for its header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The peer is not among those whose header is believed.
    Untrusted,
    /// It begins with something else.
    Missing,
    /// The header breaks the rules.
    Malformed,
    /// It is too long.
    Oversize,
    /// Its checksum does not fit.
    Checksum,
    /// Another follows it.
    Doubled,
    /// The connection ended within it.
    Truncated,
    /// It did not come in time.
    Timeout,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Untrusted,
        Self::Missing,
        Self::Malformed,
        Self::Oversize,
        Self::Checksum,
        Self::Doubled,
        Self::Truncated,
        Self::Timeout,
    ];

    /// What metrics call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Untrusted => "untrusted",
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Oversize => "oversize",
            Self::Checksum => "checksum",
            Self::Doubled => "doubled",
            Self::Truncated => "truncated",
            Self::Timeout => "timeout",
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Missing => Self::Missing,
            Fault::Malformed => Self::Malformed,
            Fault::Oversize => Self::Oversize,
            Fault::Checksum => Self::Checksum,
        }
    }
}

/// Why a connection does not go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stop {
    /// For its header.
    Refused(Refusal),
    /// It ended before it had said anything.
    Gone,
    /// Its client said nothing in time.
    Silent,
    /// There are too many of its client.
    Full,
}

/// What a listener asks of a connection.
enum Demand {
    /// A header, within this time.
    Header(Duration),
    /// No header.
    NoHeader,
}

/// Reads the header in front of a connection, if one must be there, and nothing beyond it. From then
/// on the connection counts for the client that it names. Gives the ends that the connection has by
/// it, once something has come behind it.
pub async fn read(stream: &Stream, ends: Ends, place: &mut Admitted) -> Result<Ends, Stop> {
    let Some((demand, patience)) = demand(stream, ends.client, &place.listener)? else {
        return Ok(ends);
    };
    let (told, refusal) = match demand {
        Demand::Header(time) => {
            // In a box, which is gone while the client is waited for.
            let header = Box::pin(timeout(time, header(stream))).await;
            let client = header.map_err(|_| Stop::Refused(Refusal::Timeout))??;
            (ends_by(client, ends), Refusal::Doubled)
        }
        Demand::NoHeader => (ends, Refusal::Untrusted),
    };
    if told.client != ends.client && !place.goes_to(told.client.ip()) {
        return Err(Stop::Full);
    }
    match timeout(patience, begins_with_header(stream)).await {
        Ok(false) => Ok(told),
        Ok(true) => Err(Stop::Refused(refusal)),
        Err(_) => Err(Stop::Silent),
    }
}

/// Without an address in the header, the socket's own hold.
fn ends_by(client: Client, ends: Ends) -> Ends {
    match client {
        Client::Address { source, destination } => Ends { client: source, local: destination },
        Client::Sender | Client::Unknown | Client::Unix => ends,
    }
}

/// What is asked of a connection from `peer`, and how long its first bytes, behind the header, may
/// take. `None`: nothing.
fn demand(
    stream: &Stream,
    peer: SocketAddr,
    listener: &Listener,
) -> Result<Option<(Demand, Duration)>, Stop> {
    let view = listener.view();
    let Some(rules) = &view.config.proxy_protocol else { return Ok(None) };
    let is_named = || rules.from.iter().any(|network| network.contains(peer.ip()));
    let demand = if stream.is_unix() || is_named() {
        Demand::Header(rules.timeout.duration())
    } else if rules.others == OtherPeers::Allow {
        Demand::NoHeader
    } else {
        return Err(Stop::Refused(Refusal::Untrusted));
    };
    let patience = match view.tls {
        Some(_) => view.config.connections.handshake,
        None => view.config.requests.head_time,
    };
    Ok(Some((demand, patience.duration())))
}

/// Takes the header from the connection. What stands behind it is left for those it is meant for.
async fn header(stream: &Stream) -> Result<Client, Stop> {
    let mut came = Vec::new();
    let mut piece = [0; PIECE];
    loop {
        let before = came.len();
        let count = stream.peek(&mut piece).await.unwrap_or(0);
        if count == 0 {
            let is_begun = before > 0;
            return Err(if is_begun { Stop::Refused(Refusal::Truncated) } else { Stop::Gone });
        }
        came.extend_from_slice(piece.get(..count).unwrap_or_default());
        let header = proxy_protocol::inspect(&came);
        let header = header.map_err(|fault| Stop::Refused(fault.into()))?;
        let end = header.map_or(came.len(), |header| header.length);
        let own = piece.get_mut(..end.saturating_sub(before)).unwrap_or_default();
        // It is there: that has just been seen.
        if stream.try_read(own).ok() != Some(own.len()) {
            return Err(Stop::Gone);
        }
        if let Some(header) = header {
            return Ok(header.client);
        }
    }
}

/// Whether what comes next is a header. A signature that comes in pieces is not seen: HTTP and TLS
/// refuse it then.
async fn begins_with_header(stream: &Stream) -> bool {
    let mut first = [0; SIGNATURE];
    let count = stream.peek(&mut first).await.unwrap_or(0);
    proxy_protocol::is_announced(first.get(..count).unwrap_or_default())
}
