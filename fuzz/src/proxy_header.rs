//! The header of the PROXY protocol, versions 1 and 2.

use marchproxy_decide::wire::proxy_protocol::{
    Client, Fault, Header, MOST, inspect, is_announced, write_v1, write_v2,
};

use crate::cuts;

/// The input is a header, and perhaps what follows it on the connection.
pub fn proxy_header(bytes: &[u8]) {
    let whole = inspect(bytes);
    for ends in cuts::ways(bytes) {
        let pieces = in_pieces(bytes, &ends);
        assert_eq!(pieces, whole, "cut at {ends:?}");
    }
    match whole {
        Ok(Some(header)) => {
            assert!(is_announced(bytes));
            assert!(header.length <= bytes.len().min(MOST));
            check_alone(bytes, header);
            check_written_again(&header.client);
        }
        // All of it is said to belong to the header.
        Ok(None) => assert!(bytes.len() < MOST),
        Err(Fault::Missing) => assert!(!is_announced(bytes)),
        Err(Fault::Malformed | Fault::Oversize | Fault::Checksum) => assert!(is_announced(bytes)),
    }
}

fn in_pieces(bytes: &[u8], ends: &[usize]) -> Result<Option<Header>, Fault> {
    for end in ends {
        match inspect(&bytes[..*end]) {
            Ok(None) => {}
            settled => return settled,
        }
    }
    inspect(bytes)
}

/// What follows a header changes nothing of it, and less of it is not all of it.
fn check_alone(bytes: &[u8], header: Header) {
    assert_eq!(inspect(&bytes[..header.length]), Ok(Some(header)));
    assert_eq!(inspect(&bytes[..header.length - 1]), Ok(None));
}

/// What was understood can be passed on in either version.
fn check_written_again(client: &Client) {
    for (write, knows_all) in [(write_v1 as fn(&Client, &mut Vec<u8>), false), (write_v2, true)] {
        let mut written = Vec::new();
        write(client, &mut written);
        let read = inspect(&written).expect("a header").expect("a whole header");
        assert_eq!(read.length, written.len());
        match (client, read.client) {
            (Client::Address { .. }, Client::Address { .. }) => check_same(client, &read.client),
            (_, read) => assert!(if knows_all { read == *client } else { read == Client::Unknown }),
        }
    }
}

fn check_same(one: &Client, other: &Client) {
    let ends = |client: &Client| match client {
        Client::Address { source, destination } => {
            Some([source, destination].map(|end| (end.ip().to_canonical(), end.port())))
        }
        _ => None,
    };
    assert_eq!(ends(one), ends(other));
}
