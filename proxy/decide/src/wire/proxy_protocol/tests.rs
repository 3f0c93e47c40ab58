use proptest::prelude::*;

use super::checksum::Crc32c;
use super::*;

const CLIENT: Client = Client::Address {
    source: SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9)), 40_000),
    destination: SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 443),
};

fn address(source: &str, destination: &str) -> Client {
    let [source, destination] = [source, destination].map(|text| text.parse().unwrap());
    Client::Address { source, destination }
}

fn v1(client: &Client) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_v1(client, &mut bytes);
    bytes
}

fn v2(client: &Client) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_v2(client, &mut bytes);
    bytes
}

/// A header of version 2 of these parts.
fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [v2::SIGNATURE, &[command, family], &length, rest].concat()
}

/// The addresses of [`CLIENT`], as version 2 has them.
const ADDRESSES: [u8; 12] = [203, 0, 113, 9, 192, 0, 2, 1, 0x9c, 0x40, 0x01, 0xbb];

fn value(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
    [&[kind], length.as_slice(), bytes].concat()
}

/// A header with these values and its checksum among them.
fn summed(before: &[u8], after: &[u8]) -> Vec<u8> {
    let rest = [&ADDRESSES, before, &value(3, &[0; 4]), after].concat();
    let mut header = binary(0x21, 0x11, &rest);
    let sum = Crc32c::new().add(&header).sum().to_be_bytes();
    let place = header.len() - after.len() - 4;
    header[place..place + 4].copy_from_slice(&sum);
    header
}

fn client(bytes: &[u8]) -> Result<Option<Client>, Fault> {
    Ok(inspect(bytes)?.map(|header| header.client))
}

#[test]
fn the_example_of_the_specification_is_read() {
    let bytes = b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\nGET / HTTP/1.1\r\n";
    let header = inspect(bytes).unwrap().unwrap();
    assert_eq!(header.client, address("192.168.0.1:56324", "192.168.0.11:443"));
    assert!(bytes[header.length..].starts_with(b"GET /"));
}

#[test]
fn the_longest_lines_are_read() {
    let four = b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n";
    assert_eq!(inspect(four).unwrap().unwrap().length, 56);
    let ip = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let six = format!("PROXY TCP6 {ip} {ip} 65535 65535\r\n");
    assert_eq!(inspect(six.as_bytes()).unwrap().unwrap().length, 104);
    let unknown = format!("PROXY UNKNOWN {ip} {ip} 65535 65535\r\n");
    assert_eq!(inspect(unknown.as_bytes()).unwrap().unwrap().length, 107);
    let more = format!("PROXY UNKNOWN {ip} {ip} 65535 65535 \r\n");
    assert_eq!(inspect(more.as_bytes()), Err(Fault::Oversize));
}

#[test]
fn a_line_that_is_not_exactly_one_is_malformed() {
    for line in [
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
        "PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        "PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY \r\n",
        "PROXY TCP4\t1.2.3.4\t5.6.7.8\t1\t2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\r\n",
    ] {
        assert_eq!(client(line.as_bytes()), Err(Fault::Malformed), "{line:?}");
    }
}

#[test]
fn what_begins_with_something_else_has_no_header() {
    for bytes in [
        b"GET / HTTP/1.1\r\n".as_slice(),
        b"PROXZ",
        b"proxy TCP4",
        b"PROXYTCP4",
        b"\r\n\r\nGET",
        b"\r\n\r\n\0\r\nQUIT\r",
        b"\x16\x03\x01\x02\x00\x01",
        b"PRI * HTTP/2.0\r\n",
    ] {
        assert_eq!(client(bytes), Err(Fault::Missing), "{bytes:?}");
        assert!(!is_announced(bytes));
    }
    assert!(is_announced(&v1(&CLIENT)) && is_announced(&v2(&CLIENT)));
}

#[test]
fn every_part_of_a_header_wants_more() {
    let ip = address("[2001:db8::1]:1", "[2001:db8::2]:65535");
    for whole in [v1(&CLIENT), v1(&ip), v2(&CLIENT), v2(&ip), v2(&Client::Unix), summed(b"", b"")] {
        for length in 0..whole.len() {
            assert_eq!(client(&whole[..length]), Ok(None), "{length} bytes");
        }
        assert!(client(&whole).unwrap().is_some());
    }
}

#[test]
fn a_client_that_is_not_named_is_told_from_the_sender_itself() {
    assert_eq!(client(b"PROXY UNKNOWN\r\n"), Ok(Some(Client::Unknown)));
    assert_eq!(client(b"PROXY UNKNOWN what ever\r\n"), Ok(Some(Client::Unknown)));
    assert_eq!(client(&binary(0x21, 0x00, b"what ever")), Ok(Some(Client::Unknown)));
    assert_eq!(client(&binary(0x20, 0x00, b"")), Ok(Some(Client::Sender)));
    // LOCAL counts, whatever else is said.
    assert_eq!(client(&binary(0x20, 0x11, &ADDRESSES)), Ok(Some(Client::Sender)));
    assert_eq!(client(&binary(0x20, 0xff, b"what ever")), Ok(Some(Client::Sender)));
}

#[test]
fn datagrams_have_no_client_for_us() {
    assert_eq!(client(&binary(0x21, 0x12, &ADDRESSES)), Ok(Some(Client::Unknown)));
    assert_eq!(client(&binary(0x21, 0x32, &[0; 216])), Ok(Some(Client::Unknown)));
    assert_eq!(client(&binary(0x21, 0x31, &[0; 216])), Ok(Some(Client::Unix)));
}

#[test]
fn a_binary_header_of_an_unknown_kind_is_malformed() {
    for (command, family) in
        [(0x11, 0x11), (0x31, 0x11), (0x22, 0x11), (0x2f, 0x11), (0x21, 0x41), (0x21, 0x13)]
    {
        let header = binary(command, family, &ADDRESSES);
        assert_eq!(client(&header), Err(Fault::Malformed), "{command:#x} {family:#x}");
    }
    for family in [0x10, 0x01, 0x30] {
        assert_eq!(client(&binary(0x21, family, &[0; 216])), Err(Fault::Malformed), "{family:#x}");
    }
    assert_eq!(client(&binary(0x21, 0x11, &ADDRESSES[..11])), Err(Fault::Malformed));
    assert_eq!(client(&binary(0x21, 0x21, &[0; 35])), Err(Fault::Malformed));
    assert_eq!(client(&binary(0x21, 0x31, &[0; 215])), Err(Fault::Malformed));
}

#[test]
fn a_header_is_oversize_as_soon_as_its_length_is_told() {
    let most = binary(0x20, 0, &vec![0; MOST - 16]);
    assert_eq!(inspect(&most).unwrap().unwrap().length, MOST);
    let more = binary(0x20, 0, &vec![0; MOST - 15]);
    assert_eq!(client(&more[..16]), Err(Fault::Oversize));
    assert_eq!(client(&more[..15]), Ok(None));
}

#[test]
fn values_are_passed_over_and_must_be_whole() {
    let tls = [&[1, 0, 0, 0, 0], value(0x21, b"TLSv1.3").as_slice()].concat();
    let values = [
        value(0x01, b"h2"),
        value(0x02, b"shop.example"),
        value(0x04, &[]),
        value(0x05, &[7; 128]),
        value(0x20, &tls),
        value(0x30, b"blue"),
        value(0xee, b"\0\x01\x02"),
    ];
    let all = [ADDRESSES.to_vec(), values.concat()].concat();
    assert_eq!(client(&binary(0x21, 0x11, &all)), Ok(Some(CLIENT)));
    for rest in [b"\x01".as_slice(), b"\x01\0", b"\x01\0\x01", b"\x02\xff\xffabc"] {
        let cut = [&ADDRESSES, rest].concat();
        assert_eq!(client(&binary(0x21, 0x11, &cut)), Err(Fault::Malformed), "{rest:?}");
    }
}

#[test]
fn the_checksum_is_that_of_the_rfc() {
    assert_eq!(Crc32c::new().add(b"123456789").sum(), 0xe306_9283);
    // RFC 7143, section 11.3 has these.
    assert_eq!(Crc32c::new().add(&[0; 32]).sum(), 0x8a91_36aa);
    assert_eq!(Crc32c::new().add(&[0xff; 32]).sum(), 0x62a8_ab43);
}

#[test]
fn a_checksum_must_fit_wherever_it_stands() {
    let name = value(0x02, b"shop.example");
    for header in [summed(b"", b""), summed(&name, b""), summed(b"", &name), summed(&name, &name)] {
        assert_eq!(client(&header), Ok(Some(CLIENT)));
        // One bit of the source, and of what is told last.
        for place in [16, header.len() - 1] {
            let mut changed = header.clone();
            changed[place] ^= 1;
            assert_eq!(client(&changed), Err(Fault::Checksum), "byte {place}");
        }
    }
    let short = [&ADDRESSES, value(3, &[0; 3]).as_slice()].concat();
    assert_eq!(client(&binary(0x21, 0x11, &short)), Err(Fault::Malformed));
}

#[test]
fn families_are_made_alike_when_they_are_written() {
    let mixed = address("203.0.113.9:1", "[2001:db8::1]:2");
    let expected = address("[::ffff:203.0.113.9]:1", "[2001:db8::1]:2");
    assert_eq!(v1(&mixed), b"PROXY TCP6 ::ffff:203.0.113.9 2001:db8::1 1 2\r\n");
    assert_eq!(client(&v1(&mixed)), Ok(Some(expected)));
    assert_eq!(client(&v2(&mixed)), Ok(Some(expected)));
    let mapped = address("[::ffff:203.0.113.9]:40000", "[::ffff:192.0.2.1]:443");
    assert_eq!(v1(&mapped), b"PROXY TCP4 203.0.113.9 192.0.2.1 40000 443\r\n");
    assert_eq!(client(&v2(&mapped)), Ok(Some(CLIENT)));
}

#[test]
fn version_1_cannot_say_why_there_is_no_address() {
    for client in [Client::Sender, Client::Unknown, Client::Unix] {
        assert_eq!(v1(&client), b"PROXY UNKNOWN\r\n");
        assert_eq!(self::client(&v2(&client)), Ok(Some(client)));
    }
    assert_eq!(v2(&Client::Sender), binary(0x20, 0, b""));
}

fn any_client() -> impl Strategy<Value = Client> {
    let four = (any::<[u8; 4]>(), any::<[u8; 4]>()).prop_map(|(a, b)| (a.into(), b.into()));
    let six = (any::<[u8; 16]>(), any::<[u8; 16]>()).prop_map(|(a, b)| (a.into(), b.into()));
    (prop_oneof![four, six], any::<(u16, u16)>()).prop_map(|(ips, ports): ((IpAddr, IpAddr), _)| {
        Client::Address {
            source: SocketAddr::new(ips.0.to_canonical(), ports.0),
            destination: SocketAddr::new(ips.1.to_canonical(), ports.1),
        }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(client in any_client(), after in any::<Vec<u8>>()) {
        for header in [v1(&client), v2(&client)] {
            let bytes = [header.as_slice(), &after].concat();
            let read = inspect(&bytes).unwrap().unwrap();
            prop_assert_eq!(read, Header { length: header.len(), client });
        }
    }

    #[test]
    fn no_bytes_behind_a_signature_do_harm(
        is_binary in any::<bool>(),
        rest in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let signature = if is_binary { v2::SIGNATURE } else { v1::SIGNATURE };
        let bytes = [signature, &rest].concat();
        if let Ok(Some(header)) = inspect(&bytes) {
            prop_assert!(header.length <= bytes.len());
            prop_assert_eq!(inspect(&bytes[..header.length]), Ok(Some(header)));
        }
    }
}
