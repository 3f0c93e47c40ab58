//! Load balancers in front that say by the PROXY protocol whose connection it is.

use std::time::Duration;

use marchproxy_tests::certs::{Authority, Kind};
use marchproxy_tests::client::{Connection, Http2, TlsClient};
use marchproxy_tests::origin::Seen;
use marchproxy_tests::proxy::{SIMPLE, Setup};
use marchproxy_tests::{Origin, Proxy, eventually, within};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

const V1: &[u8] = b"PROXY TCP4 203.0.113.9 192.0.2.1 40000 443\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// 203.0.113.9:40000 to 192.0.2.1:443.
const ADDRESSES: &[u8] = b"\xcb\x00\x71\x09\xc0\x00\x02\x01\x9c\x40\x01\xbb";
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";

/// A header of version 2 of these parts.
fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, rest].concat()
}

fn v2() -> Vec<u8> {
    binary(0x21, 0x11, ADDRESSES)
}

/// A listener with these settings of `proxy_protocol`, and more of its keys.
async fn start_with(settings: &str, more: &str) -> (Origin, Proxy) {
    let origin = Origin::start().await;
    let address = "address: \"127.0.0.1:@web-port@\"";
    let keys = format!("{address}, proxy_protocol: {{ {settings} }}{more}");
    let setup = Setup::new().set("origin", origin.address());
    let proxy = setup.start(&SIMPLE.replace(address, &keys)).await;
    (origin, proxy)
}

async fn start() -> (Origin, Proxy) {
    start_with("from: [127.0.0.0/8]", "").await
}

/// What the origin sees of a request behind `header`.
async fn seen(proxy: &Proxy, header: &[u8]) -> Seen {
    proxy.request([header, GET].concat()).await.seen()
}

async fn refusals(proxy: &Proxy, cause: &str) -> f64 {
    let labels = [("listener", "web"), ("cause", cause)];
    proxy.metric("marchproxy_proxy_protocol_refusals_total", &labels).await.unwrap_or_default()
}

/// Sends `bytes`; the connection must be closed without a word, and counted for `cause`.
async fn is_refused(proxy: &Proxy, bytes: &[u8], cause: &str) {
    let before = refusals(proxy, cause).await;
    let mut connection = proxy.connect().await;
    let _ = connection.try_send(bytes).await;
    let answered = connection.closed_within(Duration::from_secs(5)).await;
    assert_eq!(answered, b"", "{}", bytes.escape_ascii());
    eventually("it is counted", async || (refusals(proxy, cause).await > before).then_some(()))
        .await;
}

#[tokio::test]
async fn the_client_is_whom_the_header_names() {
    let (_origin, proxy) = start().await;
    let v6 = [[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]; 2].concat();
    for (header, client, peer) in [
        (V1.to_vec(), "203.0.113.9", "203.0.113.9:40000"),
        (v2(), "203.0.113.9", "203.0.113.9:40000"),
        (b"PROXY TCP6 2001:db8::7 ::1 5 6\r\n".to_vec(), "2001:db8::7", "[2001:db8::7]:5"),
        (
            binary(0x21, 0x21, &[&v6, b"\0\x05\0\x06".as_slice()].concat()),
            "2001:db8::7",
            "[2001:db8::7]:5",
        ),
        (b"PROXY TCP6 ::ffff:198.51.100.7 ::1 5 6\r\n".to_vec(), "198.51.100.7", "198.51.100.7:5"),
    ] {
        let seen = seen(&proxy, &header).await;
        assert_eq!(seen.field("x-forwarded-for"), Some(client));
        let line = proxy.access_line(|line| line["peer"] == peer).await;
        assert_eq!(line["client"], client);
    }
}

#[tokio::test]
async fn a_header_without_an_address_leaves_that_of_the_socket() {
    let (_origin, proxy) = start().await;
    for header in [
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY UNKNOWN what ever\r\n".to_vec(),
        binary(0x20, 0, b""),
        binary(0x20, 0x11, ADDRESSES),
        binary(0x21, 0, b""),
        binary(0x21, 0x31, &[0; 216]),
    ] {
        let seen = seen(&proxy, &header).await;
        assert_eq!(seen.field("x-forwarded-for"), Some("127.0.0.1"), "{}", header.escape_ascii());
    }
}

#[tokio::test]
async fn values_in_a_header_are_passed_over_and_its_checksum_is_verified() {
    let (_origin, proxy) = start().await;
    let values = b"\x01\0\x02h2\x02\0\x0cshop.example\x20\0\x05\x01\0\0\0\0\xee\0\0";
    let header = binary(0x21, 0x11, &[ADDRESSES, values].concat());
    assert_eq!(seen(&proxy, &header).await.field("x-forwarded-for"), Some("203.0.113.9"));
    let wrong = binary(0x21, 0x11, &[ADDRESSES, b"\x03\0\x04\x01\x02\x03\x04"].concat());
    is_refused(&proxy, &wrong, "checksum").await;
}

#[tokio::test]
async fn a_header_may_come_byte_by_byte_and_the_request_goes_on_behind_it() {
    let (_origin, proxy) = start().await;
    for header in [V1.to_vec(), v2()] {
        let mut connection = proxy.connect().await;
        let pieces: Vec<&[u8]> = header.chunks(1).collect();
        connection.send_slowly(&pieces, Duration::from_millis(2)).await;
        connection.send(GET).await;
        let seen = connection.answer().await.seen();
        assert_eq!(seen.field("x-forwarded-for"), Some("203.0.113.9"));
        // And the connection is kept.
        assert_eq!(
            connection.get("/again").await.seen().field("x-forwarded-for"),
            Some("203.0.113.9")
        );
    }
}

#[tokio::test]
async fn a_body_that_came_with_the_header_arrives_whole() {
    let (_origin, proxy) = start().await;
    let body = vec![b'x'; 100_000];
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    let header = binary(0x21, 0x11, &[ADDRESSES, b"\x04\x0e\x10", &[0; 0x0e10]].concat());
    let answer = proxy.request([&header, head.as_bytes(), &body].concat()).await;
    assert_eq!((answer.status, answer.seen().field("x-forwarded-for")), (200, Some("203.0.113.9")));
    let line = proxy.access_line_of("/").await;
    assert_eq!(line["bytes_in"], body.len());
}

#[tokio::test]
async fn a_bad_header_is_closed_and_counted_without_a_word() {
    let (_origin, proxy) = start().await;
    let long = [b"PROXY UNKNOWN ".as_slice(), &[b'a'; 100]].concat();
    let huge = [SIGNATURE, b"\x21\x11\xff\xff"].concat();
    for (bytes, cause) in [
        (GET.to_vec(), "missing"),
        (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(), "missing"),
        (b"PROXY TCP4 203.0.113.9 192.0.2.1 40000 443\n".to_vec(), "malformed"),
        (b"PROXY TCP4 203.0.113.9 192.0.2.1 40000\r\n".to_vec(), "malformed"),
        (binary(0x31, 0x11, ADDRESSES), "malformed"),
        (binary(0x21, 0x11, b"abc"), "malformed"),
        (binary(0x21, 0x11, &[ADDRESSES, b"\x01\0\x09a"].concat()), "malformed"),
        (long, "oversize"),
        (huge, "oversize"),
        ([V1, V1, GET].concat(), "doubled"),
        ([V1, &v2(), GET].concat(), "doubled"),
        ([&v2(), V1, GET].concat(), "doubled"),
    ] {
        is_refused(&proxy, &bytes, cause).await;
    }
    // Nothing of it was taken for a request.
    assert_eq!(proxy.access.text(), "");
    assert_eq!(seen(&proxy, V1).await.field("x-forwarded-for"), Some("203.0.113.9"));
}

#[tokio::test]
async fn a_second_header_that_comes_later_is_doubled_as_well() {
    let (_origin, proxy) = start().await;
    let mut connection = proxy.connect().await;
    connection.send(V1).await;
    assert!(connection.silent_for(Duration::from_millis(200)).await);
    connection.send(V1).await;
    connection.closed().await;
    eventually("it is counted", async || (refusals(&proxy, "doubled").await > 0.0).then_some(()))
        .await;
}

#[tokio::test]
async fn a_header_that_is_cut_off_or_late_is_counted_and_silence_is_not() {
    let (_origin, proxy) = start_with("from: [127.0.0.1], timeout: 300ms", "").await;
    for bytes in [b"PROXY TCP4 203.0".to_vec(), v2()[..20].to_vec()] {
        let before = refusals(&proxy, "truncated").await;
        let mut connection = proxy.connect().await;
        connection.send(&bytes).await;
        connection.finish().await;
        connection.closed().await;
        eventually("it is counted", async || {
            (refusals(&proxy, "truncated").await > before).then_some(())
        })
        .await;
        is_refused(&proxy, &bytes, "timeout").await;
    }
    is_refused(&proxy, b"", "timeout").await;
    // A load balancer that looks whether the port is open.
    let counted = proxy.metric("marchproxy_proxy_protocol_refusals_total", &[]).await;
    let mut connection = proxy.connect().await;
    connection.finish().await;
    connection.closed().await;
    let mut again = proxy.connect().await;
    again.send([V1, GET].concat()).await;
    assert_eq!(again.answer().await.status, 200);
    assert_eq!(proxy.metric("marchproxy_proxy_protocol_refusals_total", &[]).await, counted);
}

/// A connection to `proxy` from this address.
async fn connect_from(proxy: &Proxy, last_octet: u8) -> Connection {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(std::net::SocketAddr::from(([127, 0, 0, last_octet], 0))).unwrap();
    Connection::over(within("connect", socket.connect(proxy.web())).await.unwrap())
}

#[tokio::test]
async fn connections_from_elsewhere_are_closed_with_and_without_a_header() {
    let (_origin, proxy) = start_with("from: [127.0.0.1]", "").await;
    for (count, bytes) in [(1.0, V1), (2.0, GET), (3.0, b"".as_slice())] {
        let mut connection = connect_from(&proxy, 2).await;
        let _ = connection.try_send(bytes).await;
        assert_eq!(connection.closed_within(Duration::from_secs(5)).await, b"");
        assert_eq!(refusals(&proxy, "untrusted").await, count);
    }
    assert_eq!(seen(&proxy, V1).await.field("x-forwarded-for"), Some("203.0.113.9"));
}

#[tokio::test]
async fn others_may_be_allowed_as_clients_but_not_with_a_header() {
    let (_origin, proxy) = start_with("from: [127.0.0.1], others: allow", "").await;
    let mut connection = connect_from(&proxy, 2).await;
    connection.send(GET).await;
    let seen = connection.answer().await.seen();
    assert_eq!(seen.field("x-forwarded-for"), Some("127.0.0.2"));
    for (count, header) in [(1.0, V1.to_vec()), (2.0, v2())] {
        let mut connection = connect_from(&proxy, 2).await;
        connection.send([&header, GET].concat()).await;
        assert_eq!(connection.closed_within(Duration::from_secs(5)).await, b"");
        assert_eq!(refusals(&proxy, "untrusted").await, count);
    }
    // Those that must send one still must.
    is_refused(&proxy, GET, "missing").await;
}

#[tokio::test]
async fn who_says_nothing_behind_a_header_is_closed_in_the_time_of_a_head() {
    let more = ", requests: { head_time: 300ms }";
    let (_origin, proxy) = start_with("from: [127.0.0.1]", more).await;
    let mut connection = proxy.connect().await;
    connection.send(V1).await;
    assert_eq!(connection.closed_within(Duration::from_secs(5)).await, b"");
}

#[tokio::test]
async fn connections_count_for_the_client_and_not_for_the_load_balancer() {
    let more = ", connections: { per_source: 2 }";
    let (_origin, proxy) = start_with("from: [127.0.0.1]", more).await;
    let header = |last: u32| format!("PROXY TCP4 198.51.100.{last} 192.0.2.1 1 2\r\n");
    let mut kept = Vec::new();
    // More than one source may have, by two clients; and as many that have said nothing yet.
    for last in [1, 2, 1, 2] {
        let mut connection = proxy.connect().await;
        connection.send(header(last)).await;
        connection.send(GET).await;
        assert_eq!(connection.answer().await.status, 200);
        kept.push(connection);
    }
    for last in [3, 4, 3, 4] {
        let mut connection = proxy.connect().await;
        connection.send(header(last)).await;
        kept.push(connection);
        eventually("it counts for its client", async || {
            let open = proxy.metric("marchproxy_connections_open", &[]).await?;
            (open >= kept.len() as f64).then_some(())
        })
        .await;
    }
    for last in [1, 3] {
        let mut connection = proxy.connect().await;
        let _ = connection.try_send([header(last).as_bytes(), GET].concat()).await;
        assert_eq!(connection.closed_within(Duration::from_secs(5)).await, b"");
    }
    let refused = proxy.metric("marchproxy_connections_refused_total", &[]).await;
    assert_eq!(refused, Some(2.0));
    drop(kept);
    eventually("there is room again", async || {
        let mut connection = proxy.connect().await;
        connection.try_send([header(1).as_bytes(), GET].concat()).await.ok()?;
        connection.try_answer().await.ok().filter(|answer| answer.status == 200)
    })
    .await;
}

#[tokio::test]
async fn whom_the_header_names_is_believed_only_if_trusted() {
    let origin = Origin::start().await;
    let address = "address: \"127.0.0.1:@web-port@\"";
    let keys = format!("{address}, proxy_protocol: {{ from: [127.0.0.1] }}");
    let text = format!("{}\ntrusted_proxies: [203.0.113.0/24]\n", SIMPLE.replace(address, &keys));
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n";
    let trusted = proxy.request([V1, request].concat()).await.seen();
    assert_eq!(trusted.field("x-forwarded-for"), Some("6.6.6.6, 203.0.113.9"));
    let other = b"PROXY TCP4 198.51.100.7 192.0.2.1 1 2\r\n";
    let untrusted = proxy.request([other.as_slice(), request].concat()).await.seen();
    assert_eq!(untrusted.field("x-forwarded-for"), Some("198.51.100.7"));
}

const TLS: &str = r#"
listeners:
  - name: web
    address: "127.0.0.1:@web-port@"
    proxy_protocol: { from: [127.0.0.1] }
    tls: { certificates: [shop] }
    connections: { handshake: 400ms }
certificates: [{ name: shop, chain: "@dir@/shop.pem", key: { file: "@dir@/shop.key" } }]
routes: [{ name: everything, match: { path: / }, upstream: app }]
upstreams: [{ name: app, endpoints: ["@origin@"] }]
"#;

async fn start_tls() -> (Origin, Proxy, TlsClient) {
    let authority = Authority::new();
    let leaf = authority.leaf(&["shop.example.com"], Kind::Ecdsa);
    let origin = Origin::start().await;
    let setup = Setup::new().set("origin", origin.address()).leaf("shop", &leaf);
    let proxy = setup.start(TLS).await;
    (origin, proxy, TlsClient::trusting(&authority, "shop.example.com"))
}

#[tokio::test]
async fn a_header_stands_before_the_handshake_whatever_is_spoken_inside() {
    let (_origin, proxy, client) = start_tls().await;
    for header in [V1.to_vec(), v2()] {
        let mut stream = TcpStream::connect(proxy.web()).await.unwrap();
        stream.write_all(&header).await.unwrap();
        let (stream, _) = client.over(stream).await.unwrap();
        let seen = Connection::over(stream).get("/").await.seen();
        assert_eq!(seen.field("x-forwarded-for"), Some("203.0.113.9"));

        let mut stream = TcpStream::connect(proxy.web()).await.unwrap();
        stream.write_all(&header).await.unwrap();
        let (stream, _) = client.clone().alpn(&["h2"]).over(stream).await.unwrap();
        let seen = Http2::over(stream, "https").await.get("/").await.seen();
        assert_eq!(seen.field("x-forwarded-for"), Some("203.0.113.9"));
    }
}

#[tokio::test]
async fn without_its_header_there_is_no_handshake_and_without_a_handshake_it_ends_in_time() {
    let (_origin, proxy, client) = start_tls().await;
    assert!(client.handshake(proxy.web()).await.is_err());
    assert_eq!(refusals(&proxy, "missing").await, 1.0);
    let mut connection = proxy.connect().await;
    connection.send(V1).await;
    assert_eq!(connection.closed_within(Duration::from_secs(5)).await, b"");
    let labels = [("listener", "web"), ("cause", "timeout")];
    let failures = proxy.metric("marchproxy_handshake_failures_total", &labels).await;
    assert_eq!(failures, Some(1.0));
}

#[tokio::test]
async fn a_reload_turns_it_on_for_new_connections_and_leaves_those_that_run() {
    let origin = Origin::start().await;
    let mut proxy = Setup::new().set("origin", origin.address()).start(SIMPLE).await;
    let mut kept = proxy.connect().await;
    assert_eq!(kept.get("/").await.status, 200);
    let address = "address: \"127.0.0.1:@web-port@\"";
    let keys = format!("{address}, proxy_protocol: {{ from: [127.0.0.1] }}");
    proxy.reload(&SIMPLE.replace(address, &keys)).await;
    assert_eq!(kept.get("/").await.status, 200);
    assert_eq!(seen(&proxy, V1).await.field("x-forwarded-for"), Some("203.0.113.9"));
    is_refused(&proxy, GET, "missing").await;
}
