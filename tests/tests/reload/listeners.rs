//! Listeners that come, change and go while the others go on.

use std::time::Duration;

use marchproxy_tests::certs::{Authority, Kind};
use marchproxy_tests::client::{Connection, TlsClient, get};
use marchproxy_tests::proxy::Setup;
use marchproxy_tests::{Origin, Proxy, eventually, ports};

const BOTH: &str = r#"
listeners:
  - { name: web, address: "127.0.0.1:@web-port@" }
  - { name: extra, address: "127.0.0.1:@extra-port@" }
routes: [{ name: everything, match: { path: / }, upstream: app }]
upstreams: [{ name: app, endpoints: ["@origin@"] }]
"#;

fn without_extra() -> String {
    BOTH.lines().filter(|line| !line.contains("extra")).map(|line| format!("{line}\n")).collect()
}

async fn start(text: &str) -> (Origin, Proxy) {
    let origin = Origin::start().await;
    let proxy = Setup::new().set("origin", origin.address()).start(text).await;
    (origin, proxy)
}

#[tokio::test]
async fn a_listener_is_added_and_serves_at_once() {
    let (_origin, mut proxy) = start(&without_extra()).await;
    let mut kept = proxy.connect().await;
    assert_eq!(kept.get("/").await.status, 200);
    proxy.reload(BOTH).await;
    assert_eq!(get(proxy.address("extra"), "/").await.status, 200);
    assert_eq!(kept.get("/").await.status, 200);
}

#[tokio::test]
async fn a_removed_listener_takes_no_more_and_finishes_what_runs() {
    let (origin, mut proxy) = start(BOTH).await;
    let extra = proxy.address("extra");
    let mut kept = proxy.connect().await;
    assert_eq!(kept.get("/").await.status, 200);
    let mut idle = Connection::open(extra).await;
    assert_eq!(idle.get("/").await.status, 200);
    let mut running = Connection::open(extra).await;
    running.send("GET / HTTP/1.1\r\nHost: a\r\nx-script: hold\r\n\r\n").await;
    eventually("the origin has it", async || (origin.seen().len() == 3).then_some(())).await;
    proxy.reload(&without_extra()).await;
    eventually("the port is closed", async || {
        tokio::net::TcpStream::connect(extra).await.is_err().then_some(())
    })
    .await;
    idle.closed().await;
    origin.release();
    assert_eq!(running.answer().await.status, 200);
    running.closed().await;
    assert_eq!(kept.get("/").await.status, 200);
}

#[tokio::test]
async fn a_removed_listener_is_cut_when_its_drain_is_over() {
    let text = format!("{BOTH}process: {{ drain: 500ms }}\n");
    let (origin, mut proxy) = start(&text).await;
    let mut running = Connection::open(proxy.address("extra")).await;
    running.send("GET / HTTP/1.1\r\nHost: a\r\nx-script: hold\r\n\r\n").await;
    eventually("the origin has it", async || (origin.seen().len() == 1).then_some(())).await;
    proxy.reload(&format!("{}process: {{ drain: 500ms }}\n", without_extra())).await;
    running.closed_within(Duration::from_secs(4)).await;
}

#[tokio::test]
async fn a_listener_that_comes_back_on_its_port_serves_again() {
    let (_origin, mut proxy) = start(BOTH).await;
    let extra = proxy.address("extra");
    for _ in 0..3 {
        proxy.reload(&without_extra()).await;
        proxy.reload(BOTH).await;
        assert_eq!(get(extra, "/").await.status, 200);
    }
}

#[tokio::test]
async fn changed_limits_hold_for_new_requests_without_cutting_connections() {
    let (_origin, mut proxy) = start(BOTH).await;
    let mut kept = proxy.connect().await;
    assert_eq!(kept.get("/").await.status, 200);
    let changed = BOTH.replace("@web-port@\"", "@web-port@\", requests: { target_size: 64B }");
    proxy.reload(&changed).await;
    assert_eq!(kept.get("/").await.status, 200);
    let answer = proxy.get(&format!("/{}", "a".repeat(70))).await;
    assert_eq!(answer.status, 414);
}

#[tokio::test]
async fn a_listener_turns_from_plain_text_to_tls_on_its_port() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["shop.example.com"], Kind::Ecdsa);
    let origin = Origin::start().await;
    let setup = Setup::new().set("origin", origin.address()).leaf("shop", &leaf);
    let mut proxy = setup.start(BOTH).await;
    let extra = proxy.address("extra");
    assert_eq!(get(extra, "/").await.status, 200);
    let tls = BOTH.replace("@extra-port@\"", "@extra-port@\", tls: { certificates: [shop] }")
        + "certificates: [{ name: shop, chain: \"@dir@/shop.pem\", key: { file: \"@dir@/shop.key\" } }]\n";
    proxy.reload(&tls).await;
    let client = TlsClient::trusting(&authority, "shop.example.com");
    let mut connection = eventually("TLS is spoken", async || {
        client.handshake(extra).await.ok().map(|(stream, _)| Connection::over(stream))
    })
    .await;
    assert_eq!(connection.get("/").await.status, 200);
}

#[tokio::test]
async fn two_listeners_swap_their_ports() {
    let (_origin, mut proxy) = start(BOTH).await;
    let (web, extra) = (proxy.address("web"), proxy.address("extra"));
    let swapped = BOTH
        .replace("@web-port@", "@other@")
        .replace("@extra-port@", "@web-port@")
        .replace("@other@", "@extra-port@");
    proxy.reload(&swapped).await;
    for (address, name) in [(web, "extra"), (extra, "web")] {
        let path = format!("/swapped-{name}");
        assert_eq!(get(address, &path).await.status, 200);
        assert_eq!(proxy.access_line_of(&path).await["listener"], name);
    }
}

#[tokio::test]
async fn a_new_port_that_is_taken_is_named_and_the_rest_is_served() {
    let (_origin, mut proxy) = start(&without_extra()).await;
    let port = ports::free();
    let taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    proxy.values().set("extra-port", port);
    proxy.write(BOTH);
    proxy.log.wait_for("the port is named", |line| line.contains(&port.to_string())).await;
    assert_eq!(proxy.get("/").await.status, 200);
    drop(taken);
    proxy.signal(rustix::process::Signal::HUP);
    eventually("the listener comes up", async || {
        let answer = marchproxy_tests::proxy::try_get(proxy.address("extra"), "/").await?;
        (answer.status == 200).then_some(())
    })
    .await;
}
