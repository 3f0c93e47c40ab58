//! What must hold for a head that the scanner let pass: a second parser reads the same from it, and
//! what the checkpoints make of it is safe to forward.

use std::sync::{Arc, LazyLock};

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use marchproxy_decide::exchange::{Connection, DeclaredBody, Exchange, Moment, Start};
use marchproxy_decide::path;
use marchproxy_decide::request::{RequestHead, forward, route, sanity};
use marchproxy_decide::snapshot::{Snapshot, compile};
use marchproxy_decide::verdict::Verdict;
use marchproxy_decide::wire::head::{Framing, HeadFacts};

/// One listener, one route for everything, one trusted network.
static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(|| {
    let text = "
listeners: [{ name: web, address: \"127.0.0.1:8080\" }]
trusted_proxies: [10.0.0.0/8]
routes: [{ name: everything, match: { path: / }, upstream: app }]
upstreams: [{ name: app, endpoints: [\"127.0.0.1:3000\"] }]
";
    let loaded = marchproxy_conf::parse_str("fuzz.yaml", text).expect("it is valid");
    let mut no_files = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
    compile(&loaded.config, 1, "digest", &mut no_files).expect("it compiles")
});

/// A client, and a proxy whose word is taken.
const PEERS: [&str; 2] = ["192.0.2.7:40000", "10.0.0.1:40000"];

/// Fields of one connection only (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [&str; 4] =
    ["keep-alive", "proxy-connection", "proxy-authorization", "http2-settings"];

pub fn check(bytes: &[u8], facts: &HeadFacts) {
    let mut room = [httparse::EMPTY_HEADER; 128];
    let mut parsed = httparse::Request::new(&mut room);
    let length = parsed.parse(bytes).expect("another parser refuses what passed");
    assert_eq!(length, httparse::Status::Complete(facts.length), "the head ends elsewhere");
    assert_eq!(parsed.method.map(str::as_bytes), bytes.get(facts.method.clone()));
    assert_eq!(parsed.path.map(str::as_bytes), bytes.get(facts.target.clone()));
    assert_eq!(parsed.version, Some(u8::from(facts.version == http::Version::HTTP_11)));
    assert_eq!(parsed.headers.len(), facts.fields);

    let mut headers = HeaderMap::new();
    for field in parsed.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).expect("a name");
        headers.append(name, HeaderValue::from_bytes(field.value).expect("a value"));
    }
    let method = Method::from_bytes(&bytes[facts.method.clone()]).expect("a method");
    let target = &bytes[facts.target.clone()];
    let version = facts.version;
    let head = RequestHead { method: &method, target, authority: None, version, headers: &headers };
    for peer in PEERS {
        pass(&head, facts.framing, peer);
    }
}

/// Takes the head through the checkpoints, as far as they let it.
fn pass(head: &RequestHead<'_>, framing: Framing, peer: &str) {
    let mut exchange = exchange_with(peer);
    if !matches!(sanity::check(&SNAPSHOT, head, &mut exchange), Verdict::Pass) {
        return;
    }
    check_target(&exchange);
    let is_same_body = match (framing, exchange.body) {
        (Framing::None, DeclaredBody::None | DeclaredBody::Length(0)) => true,
        (Framing::Length(wire), DeclaredBody::Length(declared)) => wire == declared,
        (Framing::Chunked, DeclaredBody::Chunked) => true,
        _ => false,
    };
    assert!(is_same_body, "{framing:?} on the wire, {:?} to the checkpoint", exchange.body);
    if matches!(route::check(&SNAPSHOT, head, &mut exchange), Verdict::Pass)
        && matches!(route::act(&SNAPSHOT, head, &mut exchange), Verdict::Pass)
    {
        check_forwarded(head, &mut exchange);
    }
}

fn exchange_with(peer: &str) -> Exchange {
    let peer = peer.parse().expect("an address");
    let local = "192.0.2.1:8080".parse().expect("an address");
    Exchange::new(Start {
        connection: Arc::new(Connection::new(peer, local, Arc::from("web"), None)),
        listener: 0,
        moment: Moment::from_nanos(0),
        unix_millis: 1_700_000_000_000,
        random: [1, 2, 3, 4],
    })
}

/// The path that routes are matched with means the same to every server behind.
fn check_target(exchange: &Exchange) {
    let path = exchange.path();
    assert!(exchange.path_and_query().bytes().all(|c| c.is_ascii_graphic() && c != b'#'));
    assert!(
        !exchange.host().is_empty() && !exchange.host().bytes().any(|c| c.is_ascii_uppercase())
    );
    if path == "*" {
        return;
    }
    assert_eq!(path::normalise(path.as_bytes()).as_deref(), Ok(path), "not in normal form");
    let segments = path.strip_prefix('/').expect("a path begins with a slash").split('/');
    let last = segments.clone().count() - 1;
    for (position, segment) in segments.enumerate() {
        let decoded = decode(segment);
        let before_parameters = decoded.split(|c| *c == b';').next().unwrap_or_default();
        assert!(!matches!(before_parameters, b"." | b".."), "{path} has a segment of dots");
        assert!(!segment.is_empty() || position == last, "{path} has an empty segment");
        assert!(!decoded.iter().any(|c| matches!(c, 0..=0x1f | 0x7f | b'/' | b'\\')), "{path}");
    }
}

fn decode(segment: &str) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut parts = segment.split('%');
    decoded.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        let (digits, rest) = part.split_at(2);
        decoded.push(u8::from_str_radix(digits, 16).expect("two hex digits"));
        decoded.extend(rest.bytes());
    }
    decoded
}

/// Nothing of the client's connection is passed on, and what frames and routes the message is there
/// once.
fn check_forwarded(head: &RequestHead<'_>, exchange: &mut Exchange) {
    let mut to = head.headers.clone();
    forward::prepare(&SNAPSHOT, head, exchange, &mut to);
    let hosts: Vec<&[u8]> = to.get_all(HOST).iter().map(HeaderValue::as_bytes).collect();
    assert_eq!(hosts, [exchange.authority().as_bytes()]);
    for name in HOP_BY_HOP {
        assert!(!to.contains_key(name), "{name} is forwarded");
    }
    let upgrades = if exchange.websocket { 1 } else { 0 };
    assert_eq!(to.get_all(CONNECTION).iter().count(), upgrades);
    assert_eq!(to.get_all(UPGRADE).iter().count(), upgrades);
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING] {
        assert_eq!(to.get(&name), head.headers.get(&name), "{name} was changed");
    }
    let origin = to.get("x-forwarded-for").map(HeaderValue::as_bytes).unwrap_or_default();
    let peer = exchange.connection.client.ip().to_string();
    assert!(origin.ends_with(peer.as_bytes()), "the peer is not the last of {origin:?}");
    assert_eq!(forward::target(&SNAPSHOT, exchange), exchange.path_and_query());
}
