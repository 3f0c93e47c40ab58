//! What the keys of `resolver` do, and those of endpoints found by name, before a name server of
//! the test's own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use marchproxy_tests::binary;
use marchproxy_tests::proxy::{SIMPLE, Setup};
use marchproxy_tests::{Origin, Proxy, eventually};
use serde_json::Value;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// Answers every question for an address with 127.0.0.1, if it answers at all.
struct NameServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Instant>>>,
    task: JoinHandle<()>,
}

impl NameServer {
    /// `time_to_live` in seconds; without one it is silent.
    async fn start(time_to_live: Option<u32>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let address = socket.local_addr().expect("its address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let times = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut message = [0; 512];
            while let Ok((length, peer)) = socket.recv_from(&mut message).await {
                let question = Question::read(&message[..length]);
                if question.is_for_ipv4() {
                    times.lock().expect("no panic with the times in hand").push(Instant::now());
                }
                if let Some(time_to_live) = time_to_live {
                    let _ = socket.send_to(&question.answer(time_to_live), peer).await;
                }
            }
        });
        Self { address, asked, task }
    }

    /// When it was asked for an IPv4 address.
    fn asked(&self) -> Vec<Instant> {
        self.asked.lock().expect("no panic with the times in hand").clone()
    }

    /// The pauses between questions, once there are `count` of them. The first two come at the
    /// start: one to begin with, one to go on with.
    async fn pauses(&self, count: usize) -> Vec<Duration> {
        let times = eventually("enough questions", async || {
            let times = self.asked().split_off(1);
            (times.len() > count).then_some(times)
        });
        times.await.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A question (RFC 1035, section 4.1).
struct Question<'a> {
    id: &'a [u8],
    /// Name, type and class.
    section: &'a [u8],
}

impl<'a> Question<'a> {
    fn read(message: &'a [u8]) -> Self {
        let name = message[12..].iter().position(|byte| *byte == 0).expect("a name has an end");
        Self { id: &message[..2], section: &message[12..12 + name + 5] }
    }

    fn is_for_ipv4(&self) -> bool {
        self.section.ends_with(&[0, 1, 0, 1])
    }

    /// One A record, or no record of another type.
    fn answer(&self, time_to_live: u32) -> Vec<u8> {
        let count = u8::from(self.is_for_ipv4());
        let header = [0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0];
        let mut answer = [self.id, &header, self.section].concat();
        if self.is_for_ipv4() {
            // The name is the one at offset 12.
            answer.extend([0xc0, 12, 0, 1, 0, 1]);
            answer.extend(time_to_live.to_be_bytes());
            answer.extend([0, 4, 127, 0, 0, 1]);
        }
        answer
    }
}

/// A proxy whose endpoints are these, by this name server.
async fn start(server: &NameServer, origin: &Origin, endpoints: &str, resolver: &str) -> Proxy {
    let text = SIMPLE.replace("\"@origin@\"", endpoints)
        + "process: { workers: 1 }\n"
        + &format!("resolver: {{ servers: [\"{}\"], {resolver} }}\n", server.address);
    Setup::new().set("port", origin.address().port()).start(&text).await
}

#[tokio::test]
async fn the_servers_that_are_named_are_asked() {
    let (server, origin) = (NameServer::start(Some(60)).await, Origin::start().await);
    let proxy = start(&server, &origin, "\"app.marchproxy.internal:@port@\"", "timeout: 2s").await;
    assert_eq!(proxy.get("/").await.status, 200);
    assert!(!server.asked().is_empty());
}

#[tokio::test]
async fn a_lookup_takes_no_longer_than_told() {
    let (server, origin) = (NameServer::start(None).await, Origin::start().await);
    let begin = Instant::now();
    let endpoint = "\"app.marchproxy.internal:@port@\"";
    let proxy = start(&server, &origin, endpoint, "timeout: 200ms").await;
    proxy.log.wait_for("it is told", |line| line.contains("cannot look up")).await;
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    assert_eq!(proxy.get("/").await.reason(), "upstream.unresolved");
}

#[tokio::test]
async fn a_name_is_looked_up_again_no_sooner_than_told() {
    let (server, origin) = (NameServer::start(Some(0)).await, Origin::start().await);
    let endpoint = "\"app.marchproxy.internal:@port@\"";
    let _proxy = start(&server, &origin, endpoint, "min_interval: 300ms").await;
    for pause in server.pauses(2).await {
        assert!(pause > Duration::from_millis(250) && pause < Duration::from_secs(3), "{pause:?}");
    }
}

#[tokio::test]
async fn a_name_is_looked_up_again_no_later_than_told() {
    let (server, origin) = (NameServer::start(Some(3600)).await, Origin::start().await);
    let endpoint = "\"app.marchproxy.internal:@port@\"";
    let intervals = "min_interval: 100ms, max_interval: 300ms";
    let _proxy = start(&server, &origin, endpoint, intervals).await;
    for pause in server.pauses(2).await {
        assert!(pause > Duration::from_millis(250) && pause < Duration::from_secs(3), "{pause:?}");
    }
}

#[tokio::test]
async fn an_address_of_a_name_has_the_weight_of_the_name() {
    let (server, origin) = (NameServer::start(Some(60)).await, Origin::named("by name").await);
    let other = Origin::named("by address").await;
    let endpoints = format!(
        "{{ dns: app.marchproxy.internal, port: @port@, weight: 3 }}, \"{}\"",
        other.address()
    );
    let proxy = start(&server, &origin, &endpoints, "timeout: 2s").await;
    let mut connection = proxy.connect().await;
    let mut by_name = 0;
    for _ in 0..20 {
        by_name += usize::from(connection.get("/").await.seen().origin == "by name");
    }
    assert_eq!(by_name, 15);
}

/// What `/status` and `marchproxy upstreams` tell of the only endpoint, in the words of both.
async fn told(proxy: &Proxy) -> (Value, String) {
    let status = proxy.status().await;
    let config = proxy.folder().path().join("marchproxy.yaml");
    let shown = binary::run(&["upstreams".as_ref(), "--config".as_ref(), config.as_os_str()]).await;
    (status["upstreams"][0]["endpoints"].clone(), shown.output())
}

#[tokio::test]
async fn a_name_that_leads_to_a_forbidden_network_is_unhealthy_and_never_connected_to() {
    let (server, origin) = (NameServer::start(Some(60)).await, Origin::start().await);
    for endpoint in ["\"app.internal:@port@\"", "{ dns: app.internal, port: @port@ }"] {
        let keys = "forbidden: [192.0.2.0/24, 127.0.0.0/8], panic: 100%, health: { every: 100ms }";
        let text = SIMPLE.replace("[\"@origin@\"]", &format!("[{endpoint}], {keys}"))
            + &format!("resolver: {{ servers: [\"{}\"], timeout: 2s }}\n", server.address);
        let mut setup = Setup::new().set("port", origin.address().port());
        let ended = setup.run(&["check", "--online"], &text).await;
        let why = "the name leads to 127.0.0.1, and 127.0.0.0/8 is forbidden";
        assert!(ended.output().contains(why), "{ended:?}");
        let proxy = setup.start(&text).await;
        let (endpoints, shown) = told(&proxy).await;
        let why = "app.internal leads to it, and 127.0.0.0/8 is forbidden";
        assert_eq!(endpoints[0]["address"], origin.address().to_string());
        assert_eq!(endpoints[0]["state"], "unhealthy");
        assert_eq!(endpoints[0]["check_error"], why);
        assert_eq!(endpoints.as_array().map(Vec::len), Some(1));
        assert!(shown.contains("unhealthy") && shown.contains(why), "{shown}");
        assert_eq!(proxy.get("/").await.reason(), "upstream.no_endpoint");
        let labels = [("upstream", "app"), ("state", "unhealthy")];
        assert_eq!(proxy.metric("marchproxy_upstream_endpoints", &labels).await, Some(1.0));
        proxy.log.wait_for("it is told", |line| line.contains("a forbidden network")).await;
        assert_eq!(origin.connections(), 0);
    }
}

#[tokio::test]
async fn a_name_that_leads_nowhere_is_unhealthy_with_the_reason() {
    let (server, origin) = (NameServer::start(None).await, Origin::start().await);
    let endpoint = "\"app.internal:@port@\"";
    let proxy = start(&server, &origin, endpoint, "timeout: 200ms").await;
    let (endpoints, shown) = told(&proxy).await;
    let why = "the name cannot be looked up: no answer within 200ms";
    assert_eq!(endpoints[0]["address"], format!("app.internal:{}", origin.address().port()));
    assert_eq!(
        (&endpoints[0]["state"], &endpoints[0]["check_error"]),
        (&"unhealthy".into(), &why.into())
    );
    assert!(shown.contains(why), "{shown}");
    assert_eq!(proxy.get("/").await.reason(), "upstream.unresolved");
}
