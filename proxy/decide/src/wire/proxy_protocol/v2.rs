//! Version 2: addresses in binary, and values by type behind them (section 2.2).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::checksum::Crc32c;
use super::{Client, Fault, Header, MOST, Pair};

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and protocol, and the length of the rest.
const FIXED: usize = 16;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

const UNSPECIFIED: u8 = 0x00;
const TCP4: u8 = 0x11;
const UDP4: u8 = 0x12;
const TCP6: u8 = 0x21;
const UDP6: u8 = 0x22;
const UNIX_STREAM: u8 = 0x31;
const UNIX_DATAGRAM: u8 = 0x32;

/// Two Unix paths.
const UNIX_LENGTH: u16 = 216;

/// The type of the one value that is looked at (section 2.2.3).
const CRC32C: u8 = 0x03;

pub(super) fn inspect(bytes: &[u8]) -> Result<Option<Header>, Fault> {
    let Some((fixed, _)) = bytes.split_first_chunk::<FIXED>() else { return Ok(None) };
    let [.., command, family, high, low] = *fixed;
    let is_local = match command {
        LOCAL => true,
        PROXY => false,
        _ => return Err(Fault::Malformed),
    };
    let length = FIXED.saturating_add(u16::from_be_bytes([high, low]).into());
    if length > MOST {
        return Err(Fault::Oversize);
    }
    let Some(header) = bytes.get(..length) else { return Ok(None) };
    let rest = header.get(FIXED..).unwrap_or_default();
    // A receiver must take LOCAL whatever else the header holds.
    let client = if is_local { Client::Sender } else { client_of(family, header, rest)? };
    Ok(Some(Header { length, client }))
}

fn client_of(family: u8, header: &[u8], rest: &[u8]) -> Result<Client, Fault> {
    let (client, values) = match family {
        // What follows cannot be told apart: the length of the addresses is not known.
        UNSPECIFIED => return Ok(Client::Unknown),
        TCP4 | UDP4 => ipv4(rest),
        TCP6 | UDP6 => ipv6(rest),
        UNIX_STREAM | UNIX_DATAGRAM => {
            rest.get(usize::from(UNIX_LENGTH)..).map(|values| (Client::Unix, values))
        }
        _ => None,
    }
    .ok_or(Fault::Malformed)?;
    check(header, values)?;
    // Section 2.2: what is not supported is taken as not specified. Nothing behind a datagram could
    // speak to us.
    let is_stream = matches!(family, TCP4 | TCP6 | UNIX_STREAM);
    Ok(if is_stream { client } else { Client::Unknown })
}

fn ipv4(rest: &[u8]) -> Option<(Client, &[u8])> {
    let (source, rest) = rest.split_first_chunk::<4>()?;
    let (destination, rest) = rest.split_first_chunk::<4>()?;
    let (ports, rest) = ports(rest)?;
    let source = SocketAddr::new(Ipv4Addr::from(*source).into(), ports.0);
    let destination = SocketAddr::new(Ipv4Addr::from(*destination).into(), ports.1);
    Some((Client::Address { source, destination }, rest))
}

fn ipv6(rest: &[u8]) -> Option<(Client, &[u8])> {
    let (source, rest) = rest.split_first_chunk::<16>()?;
    let (destination, rest) = rest.split_first_chunk::<16>()?;
    let (ports, rest) = ports(rest)?;
    let source = SocketAddr::new(Ipv6Addr::from(*source).into(), ports.0);
    let destination = SocketAddr::new(Ipv6Addr::from(*destination).into(), ports.1);
    Some((Client::Address { source, destination }, rest))
}

fn ports(rest: &[u8]) -> Option<((u16, u16), &[u8])> {
    let ([a, b, c, d], rest) = rest.split_first_chunk::<4>()?;
    Some(((u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])), rest))
}

/// Looks whether the values behind the addresses are whole, and whether the checksum fits, if there is
/// one. All other values (ALPN, authority, TLS, and those to come) are passed over.
fn check(header: &[u8], mut values: &[u8]) -> Result<(), Fault> {
    let mut has_checksum = false;
    while let Some(([kind, high, low], rest)) = values.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, rest) = rest.split_at_checked(length).ok_or(Fault::Malformed)?;
        if *kind == CRC32C {
            let told = <[u8; 4]>::try_from(value).map_err(|_| Fault::Malformed)?;
            let before = header.len().saturating_sub(rest.len()).saturating_sub(told.len());
            let before = header.get(..before).unwrap_or_default();
            let sum = Crc32c::new().add(before).add(&[0; 4]).add(rest).sum();
            if sum != u32::from_be_bytes(told) {
                return Err(Fault::Checksum);
            }
            if std::mem::replace(&mut has_checksum, true) {
                return Err(Fault::Malformed);
            }
        }
        values = rest;
    }
    if values.is_empty() { Ok(()) } else { Err(Fault::Malformed) }
}

/// Appends the header for `client`, without further values.
pub fn write(client: &Client, into: &mut Vec<u8>) {
    into.extend_from_slice(SIGNATURE);
    match *client {
        Client::Sender => into.extend_from_slice(&[LOCAL, UNSPECIFIED, 0, 0]),
        Client::Unknown => into.extend_from_slice(&[PROXY, UNSPECIFIED, 0, 0]),
        Client::Unix => {
            into.extend_from_slice(&[PROXY, UNIX_STREAM]);
            into.extend_from_slice(&UNIX_LENGTH.to_be_bytes());
            // Sockets without a name.
            into.extend_from_slice(&[0; UNIX_LENGTH as usize]);
        }
        Client::Address { source, destination } => match Pair::of(source, destination) {
            Pair::V4(from, to) => {
                into.extend_from_slice(&[PROXY, TCP4, 0, 12]);
                into.extend_from_slice(&from.ip().octets());
                into.extend_from_slice(&to.ip().octets());
                write_ports(from.port(), to.port(), into);
            }
            Pair::V6(from, to) => {
                into.extend_from_slice(&[PROXY, TCP6, 0, 36]);
                into.extend_from_slice(&from.ip().octets());
                into.extend_from_slice(&to.ip().octets());
                write_ports(from.port(), to.port(), into);
            }
        },
    }
}

fn write_ports(source: u16, destination: u16, into: &mut Vec<u8>) {
    into.extend_from_slice(&source.to_be_bytes());
    into.extend_from_slice(&destination.to_be_bytes());
}
