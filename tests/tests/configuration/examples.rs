//! Each file of `conf/examples` is started and gets traffic. Ports and paths are replaced in the
//! text; nothing else is.

use std::path::{Path, PathBuf};

use marchproxy_tests::binary;
use marchproxy_tests::certs::{Authority, Crl, Kind, VALID};
use marchproxy_tests::client::{Connection, Http2, TlsClient, WebSocket, get, request};
use marchproxy_tests::folder::Folder;
use marchproxy_tests::ocsp::{Manner, Register, Responder};
use marchproxy_tests::origin::{Nginx, RawOrigin};
use marchproxy_tests::otlp::Collector;
use marchproxy_tests::proxy::Setup;
use marchproxy_tests::template::Values;
use marchproxy_tests::{Origin, Proxy, eventually, ports};

const TESTED: [&str; 27] = [
    "balancing.yaml",
    "cache.yaml",
    "client-certificates.yaml",
    "compression.yaml",
    "dns.yaml",
    "error-pages.yaml",
    "folder",
    "grpc-web.yaml",
    "grpc.yaml",
    "header-edits.yaml",
    "health-checks.yaml",
    "mirror-and-split.yaml",
    "ocsp.yaml",
    "passthrough.yaml",
    "policies.yaml",
    "proxy-protocol-out.yaml",
    "proxy-protocol.yaml",
    "request-buffering.yaml",
    "site.yaml",
    "smallest.yaml",
    "tls-upstream.yaml",
    "traces.yaml",
    "unix-endpoints.yaml",
    "unix-socket.yaml",
    "upstream-mtls.yaml",
    "upstreams.yaml",
    "websocket.yaml",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf/examples")
}

/// The text of an example with names for its ports and its paths.
fn text_of(name: &str) -> String {
    let path = folder().join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let text = text.replace(":8080", ":@web-port@").replace(":8443", ":@tls-port@");
    let text = text.replace("/etc/marchproxy", "@dir@").replace("/run/marchproxy", "@dir@");
    ["3000", "3001", "3002", "3003", "3004", "3005", "3006"].iter().fold(text, |text, port| {
        text.replace(&format!(":{port}"), &format!(":@{port}-port@"))
            .replace(&format!("port: {port}"), &format!("port: @{port}-port@"))
    })
}

/// Starts the origin that an example expects on a port.
async fn origin(setup: &mut Setup, port: &str) -> Origin {
    let number = ports::free();
    setup.values().set(&format!("{port}-port"), number);
    Origin::on_port(port, number).await
}

#[test]
fn every_example_has_its_test() {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, TESTED);
}

#[tokio::test]
async fn every_example_passes_check_as_it_is() {
    for name in TESTED.iter().filter(|name| **name != "error-pages.yaml") {
        let path = folder().join(name);
        let ended = binary::run(&["check".as_ref(), path.as_os_str()]).await;
        assert_eq!(ended.code(), 0, "{name}: {ended:?}");
    }
}

#[tokio::test]
async fn ocsp() {
    let responder = Responder::start(Manner::Hang).await;
    let place = format!("OCSP;URI:{}", responder.url());
    let root = Authority::new();
    let below = root.below("one below");
    let extensions = [("authorityInfoAccess", place.as_str())];
    let site = below.leaf_saying(&["www.example.com"], Kind::Ecdsa, VALID, &extensions);
    responder.behave(Manner::Answer(Register::of(&below, &site)));
    let mut setup = Setup::new()
        .file("tls/site.pem", site.chain_pem())
        .file("tls/site.key", site.key_pem())
        .file("ocsp/README", "Answers are kept here.");
    let _app = origin(&mut setup, "3000").await;
    let proxy = setup.start(&text_of("ocsp.yaml")).await;
    let client = TlsClient::trusting(&root, "www.example.com");
    let staple = eventually("there is a staple", async || {
        client.handshake(proxy.address("tls")).await.unwrap().1.staple
    })
    .await;
    let kept = proxy.folder().path().join("ocsp/site.ocsp");
    eventually("it is kept", async || {
        std::fs::read(&kept).is_ok_and(|kept| kept == staple).then_some(())
    })
    .await;
}

#[tokio::test]
async fn smallest() {
    let mut setup = Setup::new();
    let _app = origin(&mut setup, "3000").await;
    let proxy = setup.start(&text_of("smallest.yaml")).await;
    assert_eq!(proxy.get("/a").await.seen().target, "/a");
}

#[tokio::test]
async fn proxy_protocol_out() {
    let origin = RawOrigin::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let setup = Setup::new().set("3000-port", origin.address().port());
    let proxy = setup.start(&text_of("proxy-protocol-out.yaml")).await;
    assert_eq!(proxy.get("/a").await.status, 200);
    let is_there = || origin.received().contains("\r\n\r\n\0\r\nQUIT\n").then_some(());
    eventually("a header has come", async || is_there()).await;
}

#[tokio::test]
async fn unix_endpoints() {
    let sockets = Folder::new();
    let mut values = Values::default();
    values.set("sockets", sockets.path().display());
    let server =
        "server { listen 127.0.0.1:@web-port@; listen unix:@sockets@/one.sock; return 200 one; }
server { listen unix:@sockets@/two.sock; return 200 two; }";
    let _nginx = Nginx::with(values, &[], server).await;
    let place = sockets.path().display().to_string();
    let proxy =
        Setup::new().start(&text_of("unix-endpoints.yaml").replace("/run/app", &place)).await;
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(proxy.get("/").await.text());
    }
    assert_eq!(answers.iter().filter(|answer| *answer == "two").count(), 4, "{answers:?}");
}

#[tokio::test]
async fn client_certificates() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let site = servers.leaf(&["api.example.com", "www.example.com"], Kind::Ecdsa);
    let mut setup = Setup::new()
        .file("tls/site.pem", site.chain_pem())
        .file("tls/site.key", site.key_pem())
        .file("tls/clients-ca.pem", clients.pem())
        .file("tls/clients-crl.pem", Crl::of(&clients, &[]).pem().await);
    let _app = origin(&mut setup, "3000").await;
    let proxy = setup.start(&text_of("client-certificates.yaml")).await;
    let address = proxy.address("tls");
    let get = async |client: TlsClient, host: &str| {
        let (mut connection, _) = client.connect(address).await;
        connection.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        connection.answer().await
    };
    let www = TlsClient::trusting(&servers, "www.example.com");
    let seen = get(www.clone(), "www.example.com").await.seen();
    assert_eq!(seen.field("x-client-subject"), Some(""));
    assert_eq!(get(www, "api.example.com").await.reason(), "sanity.misdirected");
    let api = TlsClient::trusting(&servers, "api.example.com");
    let api = api.showing(&clients.leaf(&["client.internal"], Kind::Ecdsa));
    let seen = get(api, "api.example.com").await.seen();
    assert_eq!(seen.field("x-client-subject"), Some("CN=client.internal"));
}

#[tokio::test]
async fn cache() {
    let mut setup = Setup::new();
    let (shop, prices) = (origin(&mut setup, "3000").await, origin(&mut setup, "3001").await);
    let proxy = setup.start(&text_of("cache.yaml")).await;
    for _ in 0..2 {
        proxy.get("/assets/a.css").await;
        proxy.get("/prices").await;
        proxy.get("/basket").await;
    }
    let counts = (shop.seen().len(), prices.seen().len());
    assert_eq!(counts, (3, 2), "assets are kept by default; prices must say so, the basket never");
}

#[tokio::test]
async fn dns() {
    let mut setup = Setup::new();
    let _one = origin(&mut setup, "3000").await;
    let _other = origin(&mut setup, "3001").await;
    let proxy = setup.start(&text_of("dns.yaml")).await;
    proxy.answers("/", 200, marchproxy_tests::bounded::STEP).await;
}

#[tokio::test]
async fn upstreams() {
    let mut setup = Setup::new();
    let mut origins = Vec::new();
    for port in ["3000", "3001", "3002", "3003"] {
        origins.push(origin(&mut setup, port).await);
    }
    let proxy = setup.start(&text_of("upstreams.yaml")).await;
    let staff = "GET / HTTP/1.1\r\nHost: a\r\nX-Staff: yes\r\n\r\n";
    assert_eq!(request(proxy.web(), staff).await.seen().origin, "3003");
    for _ in 0..20 {
        let seen = proxy.get("/").await.seen().origin;
        assert_ne!(seen, "3002", "another zone");
    }
    let checked = |origin: &Origin| origin.seen().iter().any(|seen| seen.target == "/healthz");
    eventually("three are checked", async || origins.iter().take(3).all(checked).then_some(()))
        .await;
}

#[tokio::test]
async fn error_pages() {
    let setup = Setup::new()
        .file("pages/shop-closed.html", "shop closed")
        .file("pages/api-away.json", "{\"api\":\"away\"}")
        .file("pages/not-found.html", "not found")
        .file("pages/failure.html", "failure");
    let proxy = setup.start(&text_of("error-pages.yaml")).await;
    assert_eq!(proxy.get("/").await.text(), "shop closed");
    let answer = proxy.get("/api/x").await;
    assert_eq!(answer.json()["api"], "away");
    assert_eq!(answer.status, 502);
}

#[tokio::test]
async fn grpc() {
    let mut setup = Setup::new();
    let (one, other) = (ports::free(), ports::free());
    setup.values().set("3000-port", one);
    setup.values().set("3001-port", other);
    let _origins = (Origin::http2_on_port("a", one).await, Origin::http2_on_port("b", other).await);
    let proxy = setup.start(&text_of("grpc.yaml")).await;
    let mut client = Http2::open(proxy.web()).await;
    let mut call = client.request("POST", "/helloworld.Greeter/SayHello");
    call.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    let answer = client.send(call, Some(b"hello".to_vec()), None).await.unwrap();
    assert_eq!((answer.text().as_str(), answer.trailer("grpc-status")), ("hello", Some("0")));
    assert_eq!(client.get("/other").await.status, 404);
}

#[tokio::test]
async fn compression() {
    let mut setup = Setup::new();
    let _origins = (origin(&mut setup, "3000").await, origin(&mut setup, "3001").await);
    let proxy = setup.start(&text_of("compression.yaml")).await;
    for (path, fields, coding) in [
        ("/a", "", Some("zstd")),
        ("/a", "cookie: a=b\r\n", None),
        ("/assets/a", "cookie: a=b\r\n", Some("br")),
    ] {
        let body = "a".repeat(4000);
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\naccept-encoding: gzip, br, zstd\r\n{fields}\
             content-length: 4000\r\n\r\n{body}"
        );
        let answer = proxy.request(request).await;
        assert_eq!(answer.field("content-encoding"), coding, "{path} {fields}");
    }
    let head = "GET /legacy HTTP/1.1\r\nhost: a\r\nx-reply-content-encoding: gzip\r\n\r\n";
    let mut connection = proxy.connect().await;
    connection.send(head).await;
    assert!(connection.try_answer().await.is_err(), "it is no gzip");
}

#[tokio::test]
async fn grpc_web() {
    let mut setup = Setup::new();
    let port = ports::free();
    setup.values().set("3000-port", port);
    let _origin = Origin::http2_on_port("a", port).await;
    let proxy = setup.start(&text_of("grpc-web.yaml")).await;
    let answer = proxy
        .request(
            "POST /helloworld.Greeter/SayHello HTTP/1.1\r\nhost: a\r\n\
             origin: https://app.example.com\r\ncontent-type: application/grpc-web+proto\r\n\
             content-length: 6\r\n\r\n\0\0\0\0\x01a",
        )
        .await;
    assert!(answer.body.starts_with(b"\0\0\0\0\x01a\x80"), "{answer:?}");
    assert_eq!(answer.field("access-control-allow-origin"), Some("https://app.example.com"));
}

#[tokio::test]
async fn header_edits() {
    let mut setup = Setup::new();
    let _tenants = origin(&mut setup, "3000").await;
    let proxy = setup.start(&text_of("header-edits.yaml")).await;
    let answer = proxy.get("/tenants/acme/a/b").await;
    let seen = answer.seen();
    assert_eq!((seen.target.as_str(), seen.field("x-tenant")), ("/a/b", Some("acme")));
    assert_eq!(seen.field("host"), Some("tenants.internal"));
    assert!(answer.field("strict-transport-security").is_some());
    assert!(proxy.get("/robots.txt").await.text().contains("Disallow"));
}

#[tokio::test]
async fn proxy_protocol() {
    let mut setup = Setup::new();
    let _app = origin(&mut setup, "3000").await;
    let proxy = setup.start(&text_of("proxy-protocol.yaml")).await;
    let request = "PROXY TCP4 203.0.113.9 192.0.2.1 1 2\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n";
    let seen = proxy.request(request).await.seen();
    assert_eq!(seen.field("x-forwarded-for"), Some("203.0.113.9"));
}

#[tokio::test]
async fn unix_socket() {
    let mut setup = Setup::new();
    let _app = origin(&mut setup, "3000").await;
    let proxy = setup.start(&text_of("unix-socket.yaml")).await;
    let path = |name: &str| proxy.folder().path().join(name);
    let mut connection = Connection::unix(&path("http.sock")).await;
    assert_eq!(connection.get("/").await.seen().field("x-forwarded-for"), Some("127.0.0.1"));
    let mut connection = Connection::unix(&path("proxied.sock")).await;
    connection.send("PROXY TCP4 203.0.113.9 192.0.2.1 1 2\r\n").await;
    assert_eq!(connection.get("/").await.seen().field("x-forwarded-for"), Some("203.0.113.9"));
}

#[tokio::test]
async fn site() {
    let authority = Authority::new();
    let mut setup = Setup::new()
        .leaf("tls/shop", &authority.leaf(&["shop.example.com", "*.example.com"], Kind::Ecdsa))
        .leaf("tls/api", &authority.leaf(&["api.example.com"], Kind::Rsa));
    let mut origins = Vec::new();
    for port in ["3000", "3001", "3002", "3003"] {
        origins.push(origin(&mut setup, port).await);
    }
    let proxy = setup.start(&text_of("site.yaml")).await;
    let tls = proxy.address("tls");
    let at = async |host: &str, target: &str| {
        let (mut connection, _) = TlsClient::trusting(&authority, host).connect(tls).await;
        connection.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        connection.answer().await
    };
    assert_eq!(at("shop.example.com", "/assets/a.css").await.seen().target, "/a.css");
    assert!(["3000", "3001"].contains(&at("shop.example.com", "/").await.seen().origin.as_str()));
    assert_eq!(at("api.example.com", "/orders/7").await.seen().target, "/v2/orders/7");
    assert_eq!(at("api.example.com", "/x").await.seen().target, "/v2/x");
    assert_eq!(at("old.example.com", "/x").await.status, 301);
    let plain = "GET /x?y HTTP/1.1\r\nHost: shop.example.com\r\n\r\n";
    let answer = request(proxy.web(), plain).await;
    assert_eq!(answer.status, 308);
    let location = format!("https://shop.example.com:{}/x?y", tls.port());
    assert_eq!(answer.field("location"), Some(location.as_str()));
}

#[tokio::test]
async fn tls_upstream() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["orders.internal"], Kind::Ecdsa);
    let mut setup = Setup::new().file("tls/internal-ca.pem", authority.pem());
    let port = ports::free();
    setup.values().set("3000-port", port);
    let _orders = Origin::tls_on_port(&leaf, &["h2", "http/1.1"], port).await;
    let proxy = setup.start(&text_of("tls-upstream.yaml")).await;
    assert_eq!(proxy.get("/").await.seen().version, "HTTP/2");
}

#[tokio::test]
async fn traces() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["collector.internal"], Kind::Ecdsa);
    let collector = Collector::tls(&leaf).await;
    let mut setup = Setup::new()
        .file("tls/internal-ca.pem", authority.pem())
        .file("secrets/collector-token", "Bearer abc");
    let _app = origin(&mut setup, "3000").await;
    // The name of the example leads nowhere here.
    let (host, address) = ("collector.internal:4318", collector.address().to_string());
    let text = text_of("traces.yaml").replace(host, &address).replace("sample: 5%", "sample: 100%");
    let text = text.replace("tls: {", "tls: { verify: collector.internal,");
    let proxy = setup.start(&text).await;
    proxy.get("/a").await;
    collector.request("/a").await;
    let received = collector.received();
    assert!(received[0].fields.iter().any(|(_, value)| value == "Bearer abc"), "{received:?}");
}

#[tokio::test]
async fn upstream_mtls() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["orders.internal"], Kind::Ecdsa);
    let own = authority.leaf(&["proxy.internal"], Kind::Ecdsa);
    let mut setup = Setup::new()
        .file("tls/internal-ca.pem", authority.pem())
        .file("tls/proxy.pem", own.chain_pem())
        .file("tls/proxy.key", own.key_pem());
    let port = ports::free();
    setup.values().set("3000-port", port);
    let _orders = Origin::tls_on_port(&leaf, &["http/1.1"], port).await;
    let text = text_of("upstream-mtls.yaml");
    let pin = format!("sha256:{}", "2".repeat(64));
    let proxy = setup.start(&text.replace(&pin, &leaf.pin())).await;
    assert_eq!(proxy.get("/").await.seen().version, "HTTP/1.1");
}

#[tokio::test]
async fn websocket() {
    let mut setup = Setup::new();
    let _pages = origin(&mut setup, "3000").await;
    let _chat = origin(&mut setup, "3001").await;
    let proxy = setup.start(&text_of("websocket.yaml")).await;
    let mut socket = WebSocket::open(proxy.connect().await, "/chat").await;
    socket.echo("hello").await.unwrap();
    assert_eq!(proxy.get("/").await.seen().origin, "3000");
}

#[tokio::test]
async fn a_folder_of_files() {
    let mut setup = Setup::new();
    let _shop = origin(&mut setup, "3000").await;
    let _orders = origin(&mut setup, "3001").await;
    let target = Folder::new();
    for name in ["10-listeners.yaml", "20-shop.yaml", "30-orders.yaml"] {
        let text = setup.values().fill(&text_of(&format!("folder/{name}")));
        target.write(name, text);
    }
    let status = setup.values().fill("status: { address: \"127.0.0.1:@status-port@\" }\n");
    target.write("90-status.yaml", status);
    let proxy = Proxy::over(setup, target.path()).await;
    assert_eq!(get(proxy.web(), "/").await.seen().origin, "3000");
    assert_eq!(get(proxy.web(), "/orders/1").await.seen().origin, "3001");
}

#[tokio::test]
async fn balancing() {
    let mut setup = Setup::new().file("secrets/sticky.key", "0123456789abcdef");
    let mut origins = Vec::new();
    for port in ["3000", "3001", "3002", "3003", "3004", "3005", "3006"] {
        origins.push(origin(&mut setup, port).await);
    }
    let proxy = setup.start(&text_of("balancing.yaml")).await;
    let tenant = "GET /tenants HTTP/1.1\r\nHost: a\r\nX-Tenant: acme\r\n\r\n";
    let theirs = proxy.request(tenant).await.seen().origin;
    assert!(["3003", "3004"].contains(&theirs.as_str()), "{theirs}");
    let first = proxy.get("/").await;
    let cookie = first.field("set-cookie").unwrap().split(';').next().unwrap();
    let again = format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n");
    for _ in 0..10 {
        assert_ne!(proxy.get("/search").await.seen().origin, "3002", "another zone");
        assert_eq!(proxy.request(tenant).await.seen().origin, theirs);
        assert_eq!(proxy.request(&again).await.seen().origin, first.seen().origin);
    }
    let limit = proxy.metric("marchproxy_upstream_request_limit", &[("upstream", "search")]).await;
    assert_eq!(limit, Some(20.0));
}

#[tokio::test]
async fn health_checks() {
    let mut setup = Setup::new();
    let (one, _other) = (origin(&mut setup, "3000").await, origin(&mut setup, "3001").await);
    let port = ports::free();
    setup.values().set("3002-port", port);
    let greeter = Origin::http2_on_port("3002", port).await;
    let reports = origin(&mut setup, "3003").await;
    let proxy = setup.start(&text_of("health-checks.yaml")).await;
    let check = eventually("a check by HTTP", async || one.seen().first().cloned()).await;
    assert_eq!((check.target.as_str(), check.field("host")), ("/healthz", Some("shop.internal")));
    let check = eventually("a check by gRPC", async || greeter.seen().first().cloned()).await;
    assert_eq!(check.target, "/grpc.health.v1.Health/Check");
    eventually("a connection", async || (reports.connections() > 0).then_some(())).await;
    assert!(reports.seen().is_empty(), "nothing is asked for");
    assert_eq!(proxy.get("/reports").await.seen().origin, "3003");
}

#[tokio::test]
async fn mirror_and_split() {
    let mut setup = Setup::new();
    let _shop = [origin(&mut setup, "3000").await, origin(&mut setup, "3001").await];
    let next = origin(&mut setup, "3002").await;
    let proxy = setup.start(&text_of("mirror-and-split.yaml")).await;
    let tester = "GET / HTTP/1.1\r\nHost: a\r\nX-Version: next\r\n\r\n";
    assert_eq!(proxy.request(tester).await.seen().origin, "3002");
    for _ in 0..200 {
        assert_ne!(proxy.get("/catalogue").await.seen().origin, "3002");
    }
    let is_copy = |seen: &marchproxy_tests::origin::Seen| seen.target == "/catalogue";
    eventually("a copy", async || next.seen().iter().any(is_copy).then_some(())).await;
    let is_next = async || proxy.get("/").await.seen().origin == "3002";
    eventually("a part of the others", async || is_next().await.then_some(())).await;
}

#[tokio::test]
async fn passthrough() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let vault = theirs.leaf(&["vault.example.com"], Kind::Ecdsa);
    let mut setup = Setup::new().leaf("tls/site", &ours.leaf(&["www.example.com"], Kind::Ecdsa));
    let _app = origin(&mut setup, "3000").await;
    let mut vaults = Vec::new();
    for name in ["3001", "3002"] {
        let port = ports::free();
        setup.values().set(&format!("{name}-port"), port);
        vaults.push(Origin::tls_on_port(&vault, &["http/1.1"], port).await);
    }
    let proxy = setup.start(&text_of("passthrough.yaml")).await;
    let address = proxy.address("tls");
    for (authority, host) in [(&ours, "www.example.com"), (&theirs, "vault.example.com")] {
        let (mut connection, _) = TlsClient::trusting(authority, host).connect(address).await;
        connection.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!(connection.answer().await.status, 200, "{host}");
    }
    let connections = vaults.iter().map(Origin::connections).sum::<usize>();
    assert_eq!(connections, 1);
}

#[tokio::test]
async fn request_buffering() {
    let mut setup = Setup::new();
    let app = origin(&mut setup, "3000").await;
    let proxy = setup.start(&text_of("request-buffering.yaml")).await;
    let head = "POST /photographs HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc";
    let mut slow = proxy.connect().await;
    slow.send(head).await;
    assert_eq!(proxy.get("/").await.status, 200);
    let count = app.seen().len();
    assert_eq!((count, app.connections()), (1, 1), "nobody was asked for the photograph yet");
    slow.send("def").await;
    assert_eq!(slow.answer().await.status, 200);
}

#[tokio::test]
async fn policies() {
    let mut setup = Setup::new();
    let shop = origin(&mut setup, "3000").await;
    let setup = setup.file("api-keys.secret", "a secret of thirty-two bytes and some more");
    let proxy = setup.start(&text_of("policies.yaml")).await;
    assert_eq!(proxy.get("/api/1").await.reason(), "identity.missing");
    let log_in = "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    for status in [200, 200, 200, 429] {
        assert_eq!(proxy.request(log_in).await.status, status);
    }
    let answer = proxy.get("/reports/1").await;
    assert_eq!((answer.status, answer.reason().as_str()), (403, "access.denied"));
    let answer = proxy.get("/").await;
    assert_eq!(answer.field("ratelimit-policy"), Some("\"per-client\";q=10;w=1"));
    assert_eq!(shop.seen().len(), 4);
}
