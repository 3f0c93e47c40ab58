//! Version 1: a line of text (section 2.1).

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::{Client, Fault, Header, Pair};

pub(super) const SIGNATURE: &[u8] = b"PROXY ";
/// The longest line, its end included.
const LONGEST: usize = 107;

pub(super) fn inspect(bytes: &[u8]) -> Result<Option<Header>, Fault> {
    let bounded = bytes.get(..LONGEST).unwrap_or(bytes);
    let Some(end) = memchr::memchr(b'\n', bounded) else {
        return if bounded.len() < LONGEST { Ok(None) } else { Err(Fault::Oversize) };
    };
    let line = bounded.get(..end).and_then(|line| line.strip_suffix(b"\r"));
    let client = line.and_then(|line| line.strip_prefix(SIGNATURE)).and_then(client_of);
    let client = client.ok_or(Fault::Malformed)?;
    Ok(Some(Header { length: end.saturating_add(1), client }))
}

/// What stands between the signature and the end of the line.
fn client_of(line: &[u8]) -> Option<Client> {
    let text = std::str::from_utf8(line).ok()?;
    if text == "UNKNOWN" || text.starts_with("UNKNOWN ") {
        return Some(Client::Unknown);
    }
    let (family, addresses) = text.split_once(' ')?;
    match family {
        "TCP4" => addresses_of::<Ipv4Addr>(addresses),
        "TCP6" => addresses_of::<Ipv6Addr>(addresses),
        _ => None,
    }
}

fn addresses_of<T: FromStr + Into<IpAddr>>(text: &str) -> Option<Client> {
    let mut words = text.split(' ');
    let mut next = || words.next();
    let ips = (next()?.parse::<T>().ok()?.into(), next()?.parse::<T>().ok()?.into());
    let ports = (port(next()?)?, port(next()?)?);
    if next().is_some() {
        return None;
    }
    Some(Client::Address {
        source: SocketAddr::new(ips.0, ports.0),
        destination: SocketAddr::new(ips.1, ports.1),
    })
}

/// Digits, without a zero in front of others.
fn port(text: &str) -> Option<u16> {
    let is_plain = text == "0" || text.starts_with(|c: char| matches!(c, '1'..='9'));
    if is_plain { text.parse().ok() } else { None }
}

/// Appends the header for `client`. Version 1 calls all that has no address `UNKNOWN`.
pub fn write(client: &Client, into: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = match *client {
        Client::Sender | Client::Unknown | Client::Unix => into.write_all(b"PROXY UNKNOWN\r\n"),
        Client::Address { source, destination } => match Pair::of(source, destination) {
            Pair::V4(from, to) => {
                let (source, destination) = (from.ip(), to.ip());
                write!(into, "PROXY TCP4 {source} {destination} {} {}\r\n", from.port(), to.port())
            }
            Pair::V6(from, to) => {
                let (source, destination) = (from.ip(), to.ip());
                write!(into, "PROXY TCP6 {source} {destination} {} {}\r\n", from.port(), to.port())
            }
        },
    };
}
