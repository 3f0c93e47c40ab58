//! Listeners on Unix sockets.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use marchproxy_tests::bounded::STEP;
use marchproxy_tests::certs::{Authority, Kind};
use marchproxy_tests::client::{Connection, Http2, TlsClient, WebSocket, get};
use marchproxy_tests::folder::Folder;
use marchproxy_tests::origin::Nginx;
use marchproxy_tests::proxy::Setup;
use marchproxy_tests::template::Values;
use marchproxy_tests::{Origin, Proxy, eventually};
use rustix::process::Signal;
use tokio::net::UnixStream;

/// `@keys@` are further keys of the listener.
const TEXT: &str = r#"
listeners:
  - { name: web, address: "unix:@dir@/web.sock"@keys@ }
routes: [{ name: everything, match: { path: / }, upstream: app }]
upstreams: [{ name: app, endpoints: ["@origin@"] }]
"#;

fn with_keys(keys: &str) -> String {
    TEXT.replace("@keys@", keys)
}

async fn start_with(keys: &str) -> (Origin, Proxy) {
    let origin = Origin::start().await;
    let proxy = Setup::new().set("origin", origin.address()).start(&with_keys(keys)).await;
    (origin, proxy)
}

async fn start() -> (Origin, Proxy) {
    start_with("").await
}

fn path(proxy: &Proxy) -> PathBuf {
    proxy.folder().path().join("web.sock")
}

/// Which file it is.
fn identity(path: &Path) -> (u64, u64) {
    let found = fs::symlink_metadata(path).unwrap();
    assert!(found.file_type().is_socket());
    (found.dev(), found.ino())
}

fn permissions(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

async fn is_served(path: &Path) {
    let answer = Connection::unix(path).await.get("/").await;
    assert_eq!(answer.status, 200);
}

async fn is_gone(path: &Path) {
    eventually("the file is gone", async || (!path.exists()).then_some(())).await;
}

#[tokio::test]
async fn every_version_is_spoken_by_a_client_that_is_on_this_machine() {
    let (_origin, proxy) = start().await;
    let mut connection = Connection::unix(&path(&proxy)).await;
    for target in ["/one", "/two"] {
        let seen = connection.get(target).await.seen();
        assert_eq!(seen.field("x-forwarded-for"), Some("127.0.0.1"));
    }
    let line = proxy.access_line_of("/two").await;
    assert_eq!((&line["client"], &line["peer"]), (&"127.0.0.1".into(), &"127.0.0.1:0".into()));

    let stream = UnixStream::connect(path(&proxy)).await.unwrap();
    let seen = Http2::over(stream, "http").await.get("/").await.seen();
    assert_eq!(seen.field("x-forwarded-for"), Some("127.0.0.1"));

    let mut old = Connection::unix(&path(&proxy)).await;
    old.send("GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(old.answer().await.seen().field("host"), Some("127.0.0.1"));

    let mut socket = WebSocket::open(Connection::unix(&path(&proxy)).await, "/").await;
    socket.echo("hello").await.unwrap();
}

#[tokio::test]
async fn a_peer_is_believed_when_this_machine_is_trusted() {
    let origin = Origin::start().await;
    let text = format!("{}\ntrusted_proxies: [127.0.0.1]\n", with_keys(""));
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    let mut connection = Connection::unix(&path(&proxy)).await;
    connection.send("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n").await;
    let seen = connection.answer().await.seen();
    assert_eq!(seen.field("x-forwarded-for"), Some("203.0.113.9, 127.0.0.1"));
}

#[tokio::test]
async fn tls_and_http2_are_spoken_over_it() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["shop.example.com"], Kind::Ecdsa);
    let origin = Origin::start().await;
    let certificates = "certificates: [{ name: shop, chain: \"@dir@/shop.pem\", key: { file: \"@dir@/shop.key\" } }]\n";
    let text = format!("{}{certificates}", with_keys(", tls: { certificates: [shop] }"));
    let setup = Setup::new().set("origin", origin.address()).leaf("shop", &leaf);
    let proxy = setup.start(&text).await;
    let client = TlsClient::trusting(&authority, "shop.example.com");
    let stream = UnixStream::connect(path(&proxy)).await.unwrap();
    let (stream, _) = client.over(stream).await.unwrap();
    assert_eq!(Connection::over(stream).get("/").await.status, 200);
    let stream = UnixStream::connect(path(&proxy)).await.unwrap();
    let (stream, _) = client.alpn(&["h2"]).over(stream).await.unwrap();
    let seen = Http2::over(stream, "https").await.get("/").await.seen();
    assert_eq!(seen.field("x-forwarded-proto"), Some("https"));
}

#[tokio::test]
async fn everyone_may_have_as_many_connections_as_there_are_in_all() {
    let (_origin, proxy) = start_with(", connections: { per_source: 1, total: 3 }").await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        let mut connection = Connection::unix(&path(&proxy)).await;
        assert_eq!(connection.get("/").await.status, 200);
        kept.push(connection);
    }
    Connection::unix(&path(&proxy)).await.closed().await;
    assert_eq!(proxy.metric("marchproxy_connections_refused_total", &[]).await, Some(1.0));
}

#[tokio::test]
async fn each_connection_begins_with_a_header_where_one_is_asked_for() {
    let keys = ", proxy_protocol: {}, connections: { per_source: 1 }";
    let (_origin, proxy) = start_with(keys).await;
    let header = b"PROXY TCP4 203.0.113.9 192.0.2.1 40000 443\r\n";
    let mut connection = Connection::unix(&path(&proxy)).await;
    connection.send(header).await;
    let seen = connection.get("/").await.seen();
    assert_eq!(seen.field("x-forwarded-for"), Some("203.0.113.9"));
    // That client has all it may have; another one has not.
    let mut second = Connection::unix(&path(&proxy)).await;
    let _ = second.try_send(header).await;
    second.closed().await;
    let mut other = Connection::unix(&path(&proxy)).await;
    other.send(b"PROXY TCP4 198.51.100.7 192.0.2.1 1 2\r\n").await;
    assert_eq!(other.get("/").await.status, 200);
    let mut without = Connection::unix(&path(&proxy)).await;
    let _ = without.try_send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    without.closed().await;
    let labels = [("cause", "missing")];
    let missing = proxy.metric("marchproxy_proxy_protocol_refusals_total", &labels).await;
    assert_eq!(missing, Some(1.0));
}

fn values(proxy: &Proxy) -> Values {
    let mut values = Values::default();
    values.set("socket", path(proxy).display());
    values
}

#[tokio::test]
async fn nginx_passes_requests_on_by_the_socket() {
    let (_origin, proxy) = start().await;
    let http = "server { listen 127.0.0.1:@web-port@;
                location / { proxy_pass http://unix:@socket@:; proxy_set_header Host a.example; } }";
    let mut nginx = Nginx::with(values(&proxy), &[], http).await;
    let seen = get(nginx.address("web-port"), "/by-nginx").await.seen();
    assert_eq!((seen.target.as_str(), seen.field("host")), ("/by-nginx", Some("a.example")));
}

#[tokio::test]
async fn its_permissions_are_those_that_are_told_and_change_with_a_reload() {
    let (_origin, mut proxy) = start().await;
    let path = path(&proxy);
    let before = identity(&path);
    assert_eq!(permissions(&path), 0o660);
    proxy.reload(&with_keys(", socket_mode: \"0600\"")).await;
    assert_eq!(permissions(&path), 0o600);
    proxy.reload(&with_keys(", socket_mode: \"0666\"")).await;
    assert_eq!((permissions(&path), identity(&path)), (0o666, before));
    is_served(&path).await;
}

#[tokio::test]
async fn it_goes_when_the_process_ends_or_the_listener_does() {
    let (_origin, mut proxy) = start().await;
    let path = path(&proxy);
    is_served(&path).await;
    let moved = with_keys("").replace("web.sock", "moved.sock");
    proxy.reload(&moved).await;
    is_gone(&path).await;
    let other = proxy.folder().path().join("moved.sock");
    is_served(&other).await;
    assert!(proxy.terminate().await.success());
    assert!(!other.exists());
}

#[tokio::test]
async fn a_reload_keeps_it_and_its_connections() {
    let (_origin, mut proxy) = start().await;
    let path = path(&proxy);
    let before = identity(&path);
    let mut kept = Connection::unix(&path).await;
    assert_eq!(kept.get("/").await.status, 200);
    proxy.reload(&with_keys(", requests: { fields: 50 }")).await;
    assert_eq!(kept.get("/").await.status, 200);
    // Another listener goes on with the socket.
    proxy.reload(&with_keys("").replace("name: web", "name: other")).await;
    assert_eq!(identity(&path), before);
    is_served(&path).await;
}

#[tokio::test]
async fn what_a_killed_process_left_is_replaced() {
    let (origin, mut proxy) = start().await;
    let path = path(&proxy);
    let left = identity(&path);
    proxy.signal(Signal::KILL);
    proxy.ended(STEP).await;
    assert_eq!(identity(&path), left);
    let text = with_keys("").replace("@dir@", &proxy.folder().path().display().to_string());
    let next = Setup::new().set("origin", origin.address()).start(&text).await;
    is_served(&path).await;
    drop(next);
}

#[tokio::test]
async fn the_socket_of_another_process_is_left_alone_and_taken_when_it_is_gone() {
    let (origin, mut first) = start().await;
    let path = path(&first);
    let before = identity(&path);
    let listeners = "listeners:\n  - { name: tcp, address: \"127.0.0.1:@web-port@\" }";
    let text = with_keys("").replace("@dir@", &first.folder().path().display().to_string());
    let text = text.replace("listeners:", listeners);
    let second = Setup::new().set("origin", origin.address()).start(&text).await;
    let labels = [("listener", "web")];
    let failures = async || second.metric("marchproxy_listener_failures", &labels).await;
    assert_eq!(failures().await, Some(1.0));
    second.log.wait_for("why", |line| line.contains("another process listens there")).await;
    assert_eq!(identity(&path), before);
    is_served(&path).await;
    first.terminate().await;
    eventually("it listens", async || {
        UnixStream::connect(&path).await.ok().filter(|_| identity(&path) != before)
    })
    .await;
    is_served(&path).await;
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_never_removed() {
    let origin = Origin::start().await;
    let listeners = "listeners:\n  - { name: tcp, address: \"127.0.0.1:@web-port@\" }";
    let setup = Setup::new().set("origin", origin.address()).file("web.sock", "precious");
    let mut proxy = setup.start(&with_keys("").replace("listeners:", listeners)).await;
    proxy.log.wait_for("why", |line| line.contains("no socket")).await;
    assert_eq!(fs::read(path(&proxy)).unwrap(), b"precious");
    proxy.terminate().await;
    assert_eq!(fs::read(path(&proxy)).unwrap(), b"precious");
}

#[tokio::test]
async fn what_has_taken_its_place_is_not_removed_with_it() {
    let (_origin, mut proxy) = start().await;
    let path = path(&proxy);
    fs::remove_file(&path).unwrap();
    let _other = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let other = identity(&path);
    proxy.terminate().await;
    assert_eq!(identity(&path), other);
}

#[tokio::test]
async fn an_upgrade_hands_it_over_without_a_refused_connection() {
    let (_origin, mut proxy) = start().await;
    let path = path(&proxy);
    let before = identity(&path);
    let mut kept = Connection::unix(&path).await;
    assert_eq!(kept.get("/").await.status, 200);
    let ended = tokio::sync::watch::Sender::new(false);
    let (clients, is_ended) = (path.clone(), ended.subscribe());
    let load = tokio::spawn(async move {
        let mut count = 0;
        while !*is_ended.borrow() {
            is_served(&clients).await;
            count += 1;
        }
        count
    });
    proxy.upgrade().await;
    drop(kept);
    assert!(proxy.old_ended(Duration::from_secs(10)).await.success());
    is_served(&path).await;
    ended.send_replace(true);
    assert!(load.await.unwrap() > 0);
    assert_eq!(identity(&path), before);
    assert!(proxy.terminate().await.success());
    assert!(!path.exists());
}

#[tokio::test]
async fn an_upgrade_to_a_configuration_without_it_removes_it() {
    let (_origin, mut proxy) = start().await;
    let path = path(&proxy);
    proxy.write(&with_keys("").replace("web.sock", "other.sock"));
    proxy.upgrade().await;
    is_gone(&path).await;
    is_served(&proxy.folder().path().join("other.sock")).await;
}

#[tokio::test]
async fn a_path_in_no_folder_is_told() {
    let folder = Folder::new();
    let origin = Origin::start().await;
    let listeners = "listeners:\n  - { name: tcp, address: \"127.0.0.1:@web-port@\" }";
    let away = folder.path().join("away").join("web.sock");
    let text = with_keys("").replace("@dir@/web.sock", &away.display().to_string());
    let text = text.replace("listeners:", listeners);
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    let listeners = proxy.status().await["listeners"].clone();
    let failed = listeners.as_array().unwrap().iter().find(|one| one["name"] == "web").unwrap();
    assert_eq!(failed["address"], format!("unix:{}", away.display()));
    assert!(failed["error"].as_str().unwrap().contains("No such file"), "{failed}");
}
