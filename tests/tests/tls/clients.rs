//! Client certificates: who is taken, who is not, and what is told of them.

use boring::ssl::SslVersion;
use marchproxy_tests::certs::{Authority, Crl, EXPIRED, Kind, Leaf, VALID};
use marchproxy_tests::client::{Connection, Openssl, Shaken, TlsClient};
use marchproxy_tests::proxy::Setup;
use marchproxy_tests::{Origin, Proxy, eventually};

const TEXT: &str = r#"
listeners:
  - name: web
    address: "127.0.0.1:@web-port@"
    tls: { certificates: [shop], clients: { @clients@ } }
certificates: [{ name: shop, chain: "@dir@/shop.pem", key: { file: "@dir@/shop.key" } }]
routes:
  - name: all
    match: { path: / }
    upstream: app
    request_headers:
      set: { X-Client-Certificate: "{client_certificate}", X-Client-Subject: "{client_subject}" }
upstreams: [{ name: app, endpoints: ["@origin@"] }]
"#;

const REQUIRED: &str = r#"verify: required, ca: "@dir@/ca.pem""#;
const OPTIONAL: &str = r#"verify: optional, ca: "@dir@/ca.pem""#;
const WITH_CRL: &str = r#"verify: required, ca: "@dir@/ca.pem", crl: "@dir@/crl.pem""#;

struct Site {
    origin: Origin,
    proxy: Proxy,
    client: TlsClient,
    /// Who signs clients.
    authority: Authority,
}

async fn start(setup: Setup, authority: Authority, clients: &str) -> Site {
    let servers = Authority::new();
    let origin = Origin::start().await;
    let shop = servers.leaf(&["shop.example.com"], Kind::Ecdsa);
    let setup = setup.set("origin", origin.address()).leaf("shop", &shop);
    let setup = setup.file("ca.pem", authority.pem());
    let proxy = setup.start(&TEXT.replace("@clients@", clients)).await;
    let client = TlsClient::trusting(&servers, "shop.example.com");
    Site { origin, proxy, client, authority }
}

async fn plain(clients: &str) -> Site {
    start(Setup::new(), Authority::new(), clients).await
}

/// Whether a request comes through. With TLS 1.3 a client is done before it is refused.
async fn comes_through(client: &TlsClient, proxy: &Proxy) -> bool {
    let Ok((stream, _)) = client.handshake(proxy.web()).await else { return false };
    let mut connection = Connection::over(stream);
    if connection.try_send(b"GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n").await.is_err() {
        return false;
    }
    connection.try_answer().await.is_ok_and(|answer| answer.status == 200)
}

async fn failures(proxy: &Proxy, cause: &str) -> f64 {
    let name = "marchproxy_handshake_failures_total";
    proxy.metric(name, &[("listener", "web"), ("cause", cause)]).await.unwrap_or(0.0)
}

#[tokio::test]
async fn a_client_must_have_a_certificate_of_the_authority() {
    let site = plain(REQUIRED).await;
    let own = site.authority.leaf(&["client.internal"], Kind::Ecdsa);
    let strange = Authority::new().leaf(&["client.internal"], Kind::Ecdsa);
    let expired = site.authority.leaf_with(&["client.internal"], Kind::Rsa, EXPIRED);
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let client = site.client.clone().only(version);
        assert!(comes_through(&client.clone().showing(&own), &site.proxy).await, "{version:?}");
        assert!(!comes_through(&client, &site.proxy).await, "{version:?}");
        assert!(!comes_through(&client.clone().showing(&strange), &site.proxy).await);
        assert!(!comes_through(&client.clone().showing(&expired), &site.proxy).await);
    }
    assert_eq!(failures(&site.proxy, "no_certificate").await, 2.0);
    assert_eq!(failures(&site.proxy, "bad_certificate").await, 4.0);
    assert_eq!(failures(&site.proxy, "refused").await, 0.0);
    assert_eq!(site.origin.seen().len(), 2);
}

#[tokio::test]
async fn an_optional_certificate_is_verified_when_there_is_one() {
    let site = plain(OPTIONAL).await;
    let own = site.authority.leaf(&["client.internal"], Kind::Ecdsa);
    let strange = Authority::new().leaf(&["client.internal"], Kind::Ecdsa);
    assert!(comes_through(&site.client, &site.proxy).await);
    assert!(comes_through(&site.client.clone().showing(&own), &site.proxy).await);
    assert!(!comes_through(&site.client.clone().showing(&strange), &site.proxy).await);
    assert_eq!(failures(&site.proxy, "bad_certificate").await, 1.0);
}

#[tokio::test]
async fn what_a_certificate_says_is_in_the_log_and_in_fields() {
    let site = plain(OPTIONAL).await;
    let own = site.authority.leaf(&["client.internal", "10.1.2.3"], Kind::Ecdsa);
    let print = boring::sha::sha256(&own.certificate.to_der().unwrap());
    let print: String = print.iter().map(|byte| format!("{byte:02x}")).collect();
    let (mut connection, _) = site.client.clone().showing(&own).connect(site.proxy.web()).await;
    let request = "GET /a HTTP/1.1\r\nHost: shop.example.com\r\nx-client-subject: forged\r\n\r\n";
    connection.send(request).await;
    let seen = connection.answer().await.seen();
    assert_eq!(seen.field("x-client-certificate"), Some(print.as_str()));
    assert_eq!(seen.field("x-client-subject"), Some("CN=client.internal"));
    let line = site.proxy.access_line_of("/a").await;
    assert_eq!(line["client_certificate"], print.as_str(), "{line}");
    assert_eq!(line["client_subject"], "CN=client.internal");
    assert_eq!(line["client_names"], "DNS:client.internal IP:10.1.2.3");
    let serial = marchproxy_tests::certs::serial(&own.certificate).to_lowercase();
    assert_eq!(
        line["client_serial"].as_str().unwrap().trim_start_matches('0'),
        serial.trim_start_matches('0')
    );
    // Who comes without one is told apart from all who have one.
    let (mut connection, _) = site.client.connect(site.proxy.web()).await;
    connection
        .send("GET /b HTTP/1.1\r\nHost: shop.example.com\r\nx-client-subject: forged\r\n\r\n")
        .await;
    let seen = connection.answer().await.seen();
    assert_eq!(seen.field("x-client-subject"), Some(""));
    let line = site.proxy.access_line_of("/b").await;
    assert_eq!(line.get("client_certificate"), None, "{line}");
}

#[tokio::test]
async fn a_chain_may_be_as_deep_as_told_and_no_deeper() {
    for (depth, deep, deeper) in [(0, false, false), (1, true, false), (2, true, true)] {
        let site = plain(&format!("{REQUIRED}, depth: {depth}")).await;
        let below = site.authority.below("one below");
        let lowest = below.below("two below");
        let direct = site.authority.leaf(&["client.internal"], Kind::Ecdsa);
        for (authority, is_taken) in [(&below, deep), (&lowest, deeper)] {
            let leaf = authority.leaf(&["client.internal"], Kind::Ecdsa);
            let client = site.client.clone().showing(&leaf);
            assert_eq!(comes_through(&client, &site.proxy).await, is_taken, "depth {depth}");
        }
        assert!(comes_through(&site.client.clone().showing(&direct), &site.proxy).await);
    }
}

#[tokio::test]
async fn a_certificate_is_only_for_what_it_was_made_for() {
    let site = plain(REQUIRED).await;
    let saying = |extensions: &[(&str, &str)]| {
        site.authority.leaf_saying(&["client.internal"], Kind::Ecdsa, VALID, extensions)
    };
    // Only authorities sign others.
    let signed_by_leaf = saying(&[]).as_authority().leaf(&["client.internal"], Kind::Ecdsa);
    for (what, leaf, is_taken) in [
        ("clients", saying(&[("extendedKeyUsage", "clientAuth")]), true),
        ("servers", saying(&[("extendedKeyUsage", "serverAuth")]), false),
        ("an unknown condition", saying(&[("1.2.3.4", "critical,DER:0500")]), false),
        ("signed by a leaf", signed_by_leaf, false),
    ] {
        let client = site.client.clone().showing(&leaf);
        assert_eq!(comes_through(&client, &site.proxy).await, is_taken, "{what}");
    }
}

async fn with_crl(authority: Authority, pem: &[u8]) -> Site {
    start(Setup::new().file("crl.pem", pem), authority, WITH_CRL).await
}

#[tokio::test]
async fn a_revoked_certificate_is_refused() {
    let authority = Authority::new();
    let good = authority.leaf(&["good.internal"], Kind::Ecdsa);
    let bad = authority.leaf(&["bad.internal"], Kind::Ecdsa);
    let pem = Crl::of(&authority, &[&bad]).pem().await;
    let site = with_crl(authority, &pem).await;
    assert!(comes_through(&site.client.clone().showing(&good), &site.proxy).await);
    assert!(!comes_through(&site.client.clone().showing(&bad), &site.proxy).await);
    assert_eq!(failures(&site.proxy, "bad_certificate").await, 1.0);
}

#[tokio::test]
async fn a_list_that_is_out_of_date_or_missing_for_an_authority_refuses_all_of_it() {
    let authority = Authority::new();
    let below = authority.below("one below");
    let direct = authority.leaf(&["client.internal"], Kind::Ecdsa);
    let leaf = below.leaf(&["client.internal"], Kind::Ecdsa);
    let root = Crl::of(&authority, &[]).pem().await;
    let lower = Crl::of(&below, &[]).pem().await;
    let expired = Crl { lasts: 0, ..Crl::of(&authority, &[]) }.pem().await;
    let both = [root.clone(), lower.clone()].concat();
    for (pem, takes_direct, takes_leaf) in
        [(root, true, false), (lower, false, false), (both, true, true), (expired, false, false)]
    {
        let site = with_crl(authority.clone(), &pem).await;
        for (leaf, is_taken) in [(&direct, takes_direct), (&leaf, takes_leaf)] {
            let client = site.client.clone().showing(leaf);
            assert_eq!(comes_through(&client, &site.proxy).await, is_taken);
        }
    }
}

async fn eventually_not_resumed(client: &Openssl, what: &str) -> Shaken {
    eventually(what, async || {
        let shaken = client.again().await;
        (shaken != Shaken::Reused).then_some(shaken)
    })
    .await
}

async fn resumes(site: &Site, leaf: &Leaf, version: &'static str) -> Openssl {
    let client = Openssl::new(site.proxy.web(), "shop.example.com", version).showing(leaf);
    assert_eq!(client.begin().await, Shaken::New);
    assert_eq!(client.again().await, Shaken::Reused, "{version}");
    client
}

#[tokio::test]
async fn a_session_does_not_outlive_the_list_that_revokes_its_certificate() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["client.internal"], Kind::Ecdsa);
    let empty = Crl::of(&authority, &[]).pem().await;
    let revoking = Crl::of(&authority, &[&leaf]).pem().await;
    for version in ["-tls1_2", "-tls1_3"] {
        let site = with_crl(authority.clone(), &empty).await;
        let client = resumes(&site, &leaf, version).await;
        let (mut kept, _) = site.client.clone().showing(&leaf).connect(site.proxy.web()).await;
        site.proxy.folder().write("crl.pem", &revoking);
        let shaken = eventually_not_resumed(&client, "the list is read").await;
        assert!(matches!(shaken, Shaken::Failed(_)), "{version}: {shaken:?}");
        assert_eq!(kept.get("/").await.status, 200, "what was begun goes on");
    }
}

#[tokio::test]
async fn a_session_does_not_outlive_its_authority() {
    for version in ["-tls1_2", "-tls1_3"] {
        let site = plain(REQUIRED).await;
        let leaf = site.authority.leaf(&["client.internal"], Kind::Ecdsa);
        let client = resumes(&site, &leaf, version).await;
        let other = Authority::new().pem();
        site.proxy.folder().write("ca.pem", [site.authority.pem(), other.clone()].concat());
        let shaken = eventually_not_resumed(&client, "another authority is read").await;
        assert_eq!(shaken, Shaken::New, "it is verified anew, and is fine");
        assert_eq!(client.again().await, Shaken::Reused);
        site.proxy.folder().write("ca.pem", other);
        let shaken = eventually_not_resumed(&client, "the authorities are read").await;
        assert!(matches!(shaken, Shaken::Failed(_)), "{version}: {shaken:?}");
    }
}

#[tokio::test]
async fn a_session_is_not_resumed_when_the_list_it_began_under_is_out_of_date() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["client.internal"], Kind::Ecdsa);
    let short = Crl { lasts: 3, ..Crl::of(&authority, &[]) }.pem().await;
    let site = with_crl(authority, &short).await;
    let client = Openssl::new(site.proxy.web(), "shop.example.com", "-tls1_3").showing(&leaf);
    assert_eq!(client.begin().await, Shaken::New);
    let shaken = eventually_not_resumed(&client, "the list goes out of date").await;
    assert!(matches!(shaken, Shaken::Failed(_)), "{shaken:?}");
}

#[tokio::test]
async fn sessions_without_certificates_go_on_when_a_list_changes() {
    let authority = Authority::new();
    let empty = Crl::of(&authority, &[]).pem().await;
    let more = [empty.clone(), Crl::of(&Authority::new(), &[]).pem().await].concat();
    let text = format!(
        "{OPTIONAL} }}, policies: [{{ names: [open.example.com] }}, \
         {{ names: [api.example.com], clients: {{ {WITH_CRL} }} }}], tickets: {{"
    );
    let setup = Setup::new().file("crl.pem", &empty);
    let site = start(setup, authority, &text).await;
    let open = Openssl::new(site.proxy.web(), "open.example.com", "-tls1_3");
    assert_eq!(open.begin().await, Shaken::New);
    let before = site.proxy.generation().await;
    site.proxy.folder().write("crl.pem", &more);
    site.proxy.generation_after(before).await;
    assert_eq!(open.again().await, Shaken::Reused);
}

#[tokio::test]
async fn a_file_without_authorities_or_lists_is_an_error() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["shop.example.com"], Kind::Ecdsa);
    for (ca, crl, named) in [
        (&b"nothing"[..], &b""[..], "ca.pem: holds no certificate"),
        (&authority.pem(), b"nothing", "crl.pem: holds no revocation list"),
        (&authority.pem(), b"-----BEGIN X509 CRL-----\n", "crl.pem: a revocation list"),
    ] {
        let setup = Setup::new().leaf("shop", &leaf).file("ca.pem", ca).file("crl.pem", crl);
        let mut setup = setup.set("origin", "127.0.0.1:9");
        let text = TEXT.replace("@clients@", WITH_CRL);
        let ended = setup.run(&["run", "--config"], &text).await;
        assert_ne!(ended.code(), 0);
        assert!(ended.output().contains(named), "{named}: {}", ended.output());
        let ended = setup.run(&["check", "--online"], &text).await;
        assert!(ended.output().contains(named), "{named}: {}", ended.output());
    }
}

#[tokio::test]
async fn what_a_client_with_a_certificate_gets_is_not_compressed_by_default() {
    let (servers, authority) = (Authority::new(), Authority::new());
    let origin = Origin::start().await;
    let shop = servers.leaf(&["shop.example.com"], Kind::Ecdsa);
    let setup = Setup::new().set("origin", origin.address()).leaf("shop", &shop);
    let keys = "upstream: app\n    compress: { types: [\"application/*\", \"text/*\"] }";
    let text = TEXT.replace("@clients@", OPTIONAL).replace("upstream: app", keys);
    let proxy = setup.file("ca.pem", authority.pem()).start(&text).await;
    let client = TlsClient::trusting(&servers, "shop.example.com");
    let own = authority.leaf(&["client.internal"], Kind::Ecdsa);
    let coding = async |client: TlsClient| {
        let (mut connection, _) = client.connect(proxy.web()).await;
        let fields = "Host: shop.example.com\r\nx-script: size 5000\r\naccept-encoding: gzip\r\n";
        connection.send(format!("GET / HTTP/1.1\r\n{fields}\r\n")).await;
        connection.answer().await.field("content-encoding").map(str::to_owned)
    };
    assert_eq!(coding(client.clone()).await.as_deref(), Some("gzip"));
    assert_eq!(coding(client.showing(&own)).await, None);
}
