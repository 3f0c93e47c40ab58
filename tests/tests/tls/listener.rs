//! Versions, suites, groups, protocols and the handshake itself.

use std::time::Duration;

use boring::ssl::SslVersion;
use marchproxy_tests::certs::{Authority, Kind};
use marchproxy_tests::client::{Connection, Http2, TlsClient, WebSocket};
use marchproxy_tests::proxy::Setup;
use marchproxy_tests::{Origin, Proxy};
use tokio::io::AsyncWriteExt;

const TEXT: &str = r#"
listeners:
  - { name: web, address: "127.0.0.1:@web-port@", tls: { certificates: [shop], minimum: "@minimum@" }, connections: { handshake: 500ms } }
certificates: [{ name: shop, chain: "@dir@/shop.pem", key: { file: "@dir@/shop.key" } }]
routes: [{ name: everything, match: { path: / }, upstream: app }]
upstreams: [{ name: app, endpoints: ["@origin@"] }]
"#;

struct Site {
    origin: Origin,
    proxy: Proxy,
    client: TlsClient,
}

async fn start(kind: Kind, minimum: &str) -> Site {
    let authority = Authority::new();
    let leaf = authority.leaf(&["shop.example.com"], kind);
    let origin = Origin::start().await;
    let setup = Setup::new().set("origin", origin.address()).set("minimum", minimum);
    let proxy = setup.leaf("shop", &leaf).start(TEXT).await;
    Site { origin, proxy, client: TlsClient::trusting(&authority, "shop.example.com") }
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken() {
    let site = start(Kind::Ecdsa, "1.2").await;
    for (version, name) in [(SslVersion::TLS1_2, "TLSv1.2"), (SslVersion::TLS1_3, "TLSv1.3")] {
        let (mut connection, facts) =
            site.client.clone().only(version).connect(site.proxy.web()).await;
        assert_eq!(facts.version, name);
        let seen = connection.get("/").await.seen();
        assert_eq!(seen.field("x-forwarded-proto"), Some("https"));
    }
    assert_eq!(site.origin.seen().len(), 2);
}

#[tokio::test]
async fn older_versions_are_refused() {
    let site = start(Kind::Rsa, "1.2").await;
    for version in [SslVersion::TLS1, SslVersion::TLS1_1] {
        assert!(site.client.clone().only(version).handshake(site.proxy.web()).await.is_err());
    }
    let site = start(Kind::Rsa, "1.3").await;
    assert!(
        site.client.clone().only(SslVersion::TLS1_2).handshake(site.proxy.web()).await.is_err()
    );
    assert!(site.client.handshake(site.proxy.web()).await.is_ok());
}

#[tokio::test]
async fn only_forward_secret_aead_suites_are_offered() {
    let site = start(Kind::Rsa, "1.2").await;
    let with = |ciphers| {
        let mut client = site.client.clone().only(SslVersion::TLS1_2);
        client.ciphers = Some(ciphers);
        client
    };
    for bad in ["AES128-GCM-SHA256", "AES256-SHA", "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA"] {
        assert!(with(bad).handshake(site.proxy.web()).await.is_err(), "{bad}");
    }
    for good in [
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-RSA-CHACHA20-POLY1305",
    ] {
        let (_, facts) = with(good).handshake(site.proxy.web()).await.unwrap();
        assert_eq!(facts.cipher, good);
    }
}

#[tokio::test]
async fn the_post_quantum_group_is_preferred_and_the_old_ones_stay() {
    let site = start(Kind::Ecdsa, "1.2").await;
    let mut client = site.client.clone();
    client.groups = Some("X25519:X25519MLKEM768");
    let (_, facts) = client.handshake(site.proxy.web()).await.unwrap();
    assert_eq!(facts.group.as_deref(), Some("X25519MLKEM768"));
    for group in ["X25519", "P-256"] {
        client.groups = Some(group);
        assert_eq!(
            client.handshake(site.proxy.web()).await.unwrap().1.group.as_deref(),
            Some(group)
        );
    }
}

#[tokio::test]
async fn alpn_chooses_http2_first_and_http1_for_those_who_offer_no_more() {
    let site = start(Kind::Ecdsa, "1.2").await;
    for (offered, chosen) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let client = site.client.clone().alpn(offered);
        let (stream, facts) = client.handshake(site.proxy.web()).await.unwrap();
        assert_eq!(facts.alpn.as_deref(), chosen);
        if chosen == Some("h2") {
            let seen = Http2::over(stream, "https").await.get("/two").await.seen();
            assert_eq!(seen.field("x-forwarded-proto"), Some("https"));
        } else {
            assert_eq!(Connection::over(stream).get("/one").await.status, 200);
        }
    }
    // RFC 7301, section 3.2: nothing in common is a fatal alert, or no protocol at all.
    let strange = site.client.clone().alpn(&["spdy/1"]);
    if let Ok((_, facts)) = strange.handshake(site.proxy.web()).await {
        assert_eq!(facts.alpn, None);
    }
}

#[tokio::test]
async fn a_handshake_has_a_deadline() {
    let site = start(Kind::Ecdsa, "1.2").await;
    for begun in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let mut connection = Connection::open(site.proxy.web()).await;
        connection.send(begun).await;
        connection.closed_within(Duration::from_secs(3)).await;
    }
}

#[tokio::test]
async fn plain_text_and_garbage_on_a_tls_port_do_no_harm() {
    let site = start(Kind::Ecdsa, "1.2").await;
    for garbage in [&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], &[0; 100], &[0x16; 5000]] {
        let mut connection = Connection::open(site.proxy.web()).await;
        let _ = connection.try_send(garbage).await;
        connection.closed_within(Duration::from_secs(3)).await;
    }
    assert!(site.client.handshake(site.proxy.web()).await.is_ok());
}

#[tokio::test]
async fn websockets_work_over_tls() {
    let site = start(Kind::Ecdsa, "1.2").await;
    let (connection, _) = site.client.connect(site.proxy.web()).await;
    let mut socket = WebSocket::open(connection, "/").await;
    socket.echo(&"x".repeat(100_000)).await.unwrap();
    socket.close().await;
}

#[tokio::test]
async fn the_log_names_version_and_server_name() {
    let site = start(Kind::Ecdsa, "1.2").await;
    let (mut connection, _) = site.client.connect(site.proxy.web()).await;
    connection.get("/logged").await;
    let line = site.proxy.access_line_of("/logged").await;
    assert_eq!(line["tls_version"], "1.3", "{line}");
    assert_eq!(line["sni"], "shop.example.com", "{line}");
    assert_eq!(line["scheme"], "https");
}

#[tokio::test]
async fn a_client_is_told_that_its_name_was_used() {
    // RFC 6066, section 3. BoringSSL does not show what a server answers; openssl does.
    let site = start(Kind::Ecdsa, "1.2").await;
    for (name, told) in [("-servername", true), ("-noservername", false)] {
        let mut command = tokio::process::Command::new("openssl");
        command.args(["s_client", "-tls1_2", "-tlsextdebug", "-connect"]);
        command.arg(site.proxy.web().to_string()).arg(name);
        if told {
            command.arg("shop.example.com");
        }
        command.stdin(std::process::Stdio::null()).kill_on_drop(true);
        let ended = marchproxy_tests::within("openssl", command.output()).await.unwrap();
        let text = String::from_utf8_lossy(&ended.stdout);
        assert_eq!(text.contains("TLS server extension \"server name\""), told, "{text}");
    }
}

/// Without it, whoever reads until the end cannot tell the end from a cut (RFC 8446, section 6.1).
#[tokio::test]
async fn a_connection_ends_with_a_closing_alert() {
    let site = start(Kind::Ecdsa, "1.2").await;
    let mut child = tokio::process::Command::new("openssl")
        .args(["s_client", "-quiet", "-ign_eof", "-servername", "shop.example.com", "-connect"])
        .arg(site.proxy.web().to_string())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"GET / HTTP/1.0\r\nHost: shop.example.com\r\n\r\n").await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(10), child.wait_with_output());
    let ended = ended.await.unwrap().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    let answer = String::from_utf8_lossy(&ended.stdout);
    assert!(answer.contains("HTTP/1.1 200"), "{answer} {told}");
    assert!(!told.contains("unexpected eof"), "{told}");
}
