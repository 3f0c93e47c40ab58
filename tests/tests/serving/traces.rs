//! Traces: which requests are recorded, what their spans tell, and how they get to a collector.

use std::time::Duration;

use marchproxy_tests::certs::{Authority, Kind};
use marchproxy_tests::client::Http2;
use marchproxy_tests::otlp::{Collector, Manner, SERVER};
use marchproxy_tests::proxy::Setup;
use marchproxy_tests::{Connection, Fault, FaultProxy, Origin, Proxy, eventually, ports};
use serde_json::Value;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

/// One route to the upstream `app` with these keys, and traces with these, all of them recorded
/// unless the keys say otherwise.
fn text(upstream: &str, traces: &str) -> String {
    let sample = if traces.contains("sample:") { "" } else { ", sample: 100%" };
    format!(
        r#"
listeners: [{{ name: web, address: "127.0.0.1:@web-port@" }}]
routes: [{{ name: items, match: {{ path: "/items/{{id}}" }}, upstream: app }}]
upstreams: [{{ name: app, {upstream} }}]
trusted_proxies: ["127.0.0.2/32"]
traces: {{ endpoint: "http://@collector@/v1/traces"{sample}{traces} }}
"#
    )
}

struct Site {
    origin: Origin,
    collector: Collector,
    proxy: Proxy,
}

impl Site {
    /// One origin, and traces with these keys.
    async fn with(traces: &str) -> Self {
        Self::prepared(Setup::new(), traces).await
    }

    async fn prepared(setup: Setup, traces: &str) -> Self {
        let (origin, collector) = (Origin::start().await, Collector::start().await);
        let setup = setup.set("origin", origin.address()).set("collector", collector.address());
        let proxy = setup.start(&text(r#"endpoints: ["@origin@"]"#, traces)).await;
        Self { origin, collector, proxy }
    }

    /// What is counted of spans with this outcome.
    async fn spans(&self, outcome: &str) -> f64 {
        let labels = [("outcome", outcome)];
        self.proxy.metric("marchproxy_trace_spans_total", &labels).await.unwrap_or(0.0)
    }

    /// Waits until so many spans have that outcome.
    async fn counts(&self, outcome: &str, count: f64) {
        eventually(&format!("{count} spans are {outcome}"), async || {
            (self.spans(outcome).await >= count).then_some(())
        })
        .await;
    }

    /// One request from an address, with these lines in its head.
    async fn from(&self, address: &str, path: &str, lines: &str) {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
        let stream = socket.connect(self.proxy.web()).await.unwrap();
        let mut connection = Connection::over(stream);
        connection.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{lines}\r\n")).await;
        assert_eq!(connection.answer().await.status, 200);
    }

    /// What the origin was told by a field of the last request.
    fn told(&self, field: &str) -> Option<String> {
        self.origin.seen().last().and_then(|seen| seen.field(field).map(str::to_owned))
    }
}

#[tokio::test]
async fn a_request_has_a_span_and_its_attempt_another_which_the_endpoint_is_told_of() {
    let site = Site::with("").await;
    let head =
        "GET /items/7?secret=1 HTTP/1.1\r\nHost: shop.example:8080\r\nCookie: a=hidden\r\n\r\n";
    let answer = site.proxy.request(head).await;
    let (server, clients) = site.collector.request("/items/7").await;
    let [client] = clients.as_slice() else { panic!("one attempt: {clients:?}") };
    assert!(server.parent_span_id.is_empty(), "the trace begins here");
    assert_eq!((server.trace_id.len(), server.span_id.len(), client.span_id.len()), (16, 8, 8));
    assert_eq!(client.trace_id, server.trace_id);
    assert_ne!(client.span_id, server.span_id);
    assert_eq!(site.told("traceparent"), Some(client.traceparent() + "01"));
    let line = site.proxy.access_line_of("/items/7?secret=1").await;
    assert_eq!(server.traceparent()[3..35], *line["trace_id"].as_str().unwrap());
    assert_eq!(server.text("marchproxy.request_id"), answer.field("x-request-id"));
    assert_eq!(server.name, "GET /items/{id}");
    for (key, value) in [
        ("http.request.method", "GET"),
        ("url.scheme", "http"),
        ("url.path", "/items/7"),
        ("http.route", "/items/{id}"),
        ("marchproxy.route", "items"),
        ("marchproxy.upstream", "app"),
        ("marchproxy.listener", "web"),
        ("server.address", "shop.example"),
        ("client.address", "127.0.0.1"),
        ("network.protocol.version", "1.1"),
    ] {
        assert_eq!(server.text(key), Some(value), "{key}");
    }
    assert_eq!(server.number("server.port"), Some(8080));
    assert_eq!(client.name, "GET");
    assert_eq!(client.text("url.full"), Some("http://shop.example:8080/items/7"));
    assert_eq!(client.text("server.address"), Some("127.0.0.1"));
    assert_eq!(client.number("server.port"), Some(site.origin.address().port().into()));
    assert_eq!(client.text("network.protocol.version"), Some("1.1"));
    for span in [&server, client] {
        assert_eq!(span.number("http.response.status_code"), Some(200));
        assert!(!span.is_error() && span.value("error.type").is_none(), "{span:?}");
        assert!(!format!("{span:?}").contains("secret"), "{span:?}");
        assert!(!format!("{span:?}").contains("hidden"), "{span:?}");
    }
    assert!(server.start_time_unix_nano <= client.start_time_unix_nano);
    assert!(client.start_time_unix_nano < client.end_time_unix_nano);
    assert!(client.end_time_unix_nano <= server.end_time_unix_nano);
    let line_millis = server.end_time_unix_nano - server.start_time_unix_nano;
    let told = line["duration_ms"].as_f64().unwrap();
    assert!((line_millis as f64 / 1e6 - told).abs() < 1.0, "{line_millis} ns, {told} ms");
    site.counts("exported", 2.0).await;
}

#[tokio::test]
async fn the_query_is_told_when_asked() {
    let site = Site::with(", query: told").await;
    site.proxy.get("/items/7?a=b").await;
    let (server, clients) = site.collector.request("/items/7").await;
    assert_eq!(server.text("url.query"), Some("a=b"));
    assert!(clients[0].text("url.full").unwrap().ends_with("/items/7?a=b"));
}

#[tokio::test]
async fn the_trace_of_a_trusted_proxy_goes_on_if_it_is_recorded_there() {
    let site = Site::with(", sample: 0%").await;
    let lines = format!("traceparent: {PARENT}\r\ntracestate: a=b\r\n");
    site.from("127.0.0.2", "/items/1", &lines).await;
    let (server, clients) = site.collector.request("/items/1").await;
    assert_eq!(server.traceparent()[..36], PARENT[..36], "the trace is the same");
    assert_eq!(server.parent_span_id, 0xb7ad_6b71_6920_3331_u64.to_be_bytes());
    assert_eq!(server.flags, 0x301, "the parent is another process's, and sampled");
    assert_eq!(site.told("traceparent"), Some(clients[0].traceparent() + "01"));
    assert_eq!(site.told("tracestate").as_deref(), Some("a=b"));

    let lines = format!("traceparent: {UNSAMPLED}\r\ntracestate: a=b\r\n");
    site.from("127.0.0.2", "/items/2", &lines).await;
    assert_eq!(site.told("traceparent").as_deref(), Some(UNSAMPLED), "nothing comes between");
    assert_eq!(site.told("tracestate").as_deref(), Some("a=b"));
    site.proxy.get("/items/3").await;
    site.from("127.0.0.2", "/items/4", &format!("traceparent: {PARENT}\r\n")).await;
    site.collector.request("/items/4").await;
    let paths: Vec<_> = site.collector.spans();
    let paths: Vec<_> = paths.iter().filter_map(|span| span.text("url.path")).collect();
    assert_eq!(paths, ["/items/1", "/items/4"], "what is not sampled is not recorded");
}

#[tokio::test]
async fn what_others_say_of_traces_is_not_believed() {
    let site = Site::with("").await;
    let lines = format!("traceparent: {UNSAMPLED}\r\ntracestate: a=b\r\n");
    site.from("127.0.0.3", "/items/1", &lines).await;
    let (server, clients) = site.collector.request("/items/1").await;
    assert!(server.parent_span_id.is_empty());
    assert_ne!(server.traceparent()[3..35], UNSAMPLED[3..35]);
    assert_eq!(site.told("traceparent"), Some(clients[0].traceparent() + "01"));
    assert_eq!(site.told("tracestate"), None);
}

#[tokio::test]
async fn a_share_of_the_traces_is_recorded() {
    let site = Site::with(", sample: 50%").await;
    let mut connection = site.proxy.connect().await;
    for _ in 0..200 {
        connection.get("/items/1").await;
    }
    let told: Vec<String> =
        site.origin.seen().iter().map(|seen| seen.field("traceparent").unwrap().into()).collect();
    let sampled = told.iter().filter(|told| told.ends_with("-01")).count();
    assert!((60..=140).contains(&sampled), "{sampled} of 200");
    assert!(told.iter().all(|told| told.ends_with("-01") || told.ends_with("-00")));
    #[expect(clippy::cast_precision_loss, reason = "it is at most 200")]
    site.counts("exported", 2.0 * sampled as f64).await;
    let recorded = site.collector.spans();
    assert_eq!(recorded.iter().filter(|span| span.kind == SERVER).count(), sampled);
}

#[tokio::test]
async fn each_attempt_has_a_span_of_its_own() {
    let (one, other, collector) =
        (Origin::start().await, Origin::start().await, Collector::start().await);
    let fault = FaultProxy::before(one.address()).await;
    let setup = Setup::new()
        .set("one", fault.address())
        .set("other", other.address())
        .set("collector", collector.address());
    let keys = r#"endpoints: ["@one@", "@other@"], ejection: { consecutive: 0 },
  retry: { attempts: 2, on: [connect, reset, timeout], statuses: [503], floor: 1000 }"#;
    let proxy = setup.start(&text(keys, "")).await;
    let retried = async |name: &str| {
        for number in 0..4 {
            let path = format!("/items/{name}{number}");
            assert_eq!(proxy.get(&path).await.status, 200);
            let (server, clients) = collector.request(&path).await;
            assert!(!server.is_error(), "the client got its answer: {server:?}");
            if let [first, second] = clients.as_slice() {
                assert_ne!(first.span_id, second.span_id);
                assert_eq!(second.number("http.request.resend_count"), Some(1));
                assert_eq!(second.number("http.response.status_code"), Some(200));
                assert!(first.is_error() && !second.is_error());
                let seen = other.seen().pop().unwrap();
                let told = seen.field("traceparent").map(str::to_owned);
                assert_eq!(told, Some(second.traceparent() + "01"));
                return first.clone();
            }
        }
        panic!("no request was tried twice: {name}");
    };
    one.fail(503, 1);
    let first = retried("status").await;
    assert_eq!(first.number("http.response.status_code"), Some(503));
    assert_eq!(first.text("error.type"), Some("503"));
    one.recover();
    fault.set(Fault::HalfClose);
    let first = retried("reset").await;
    assert_eq!(first.number("http.response.status_code"), None);
    assert_eq!(first.text("error.type"), Some("upstream.reset"));
}

#[tokio::test]
async fn of_two_that_are_asked_at_the_same_time_one_is_unheard() {
    let (one, other, collector) =
        (Origin::start().await, Origin::start().await, Collector::start().await);
    let fault = FaultProxy::before(one.address()).await;
    let setup = Setup::new()
        .set("one", fault.address())
        .set("other", other.address())
        .set("collector", collector.address());
    let keys = r#"endpoints: ["@one@", "@other@"], ejection: { consecutive: 0 },
  retry: { floor: 1000, budget: 100% }"#;
    let text = text(keys, "").replace("upstream: app }", "upstream: app, hedge: 50ms }");
    let proxy = setup.start(&text).await;
    fault.set(Fault::Frozen);
    for number in 0..4 {
        let path = format!("/items/{number}");
        assert_eq!(proxy.get(&path).await.status, 200);
        let (_, clients) = collector.request(&path).await;
        let [first, second] = clients.as_slice() else { continue };
        assert!(first.value("marchproxy.unheard").is_some() && !first.is_error(), "{first:?}");
        assert_eq!(second.number("http.response.status_code"), Some(200));
        let seen = other.seen().pop().unwrap();
        assert_eq!(seen.field("traceparent"), Some((second.traceparent() + "01").as_str()));
        return;
    }
    panic!("no second endpoint was asked");
}

#[tokio::test]
async fn refusals_and_failures_are_told_with_their_reasons() {
    let site = Site::with("").await;
    assert_eq!(site.proxy.get("/nowhere").await.status, 404);
    let (server, clients) = site.collector.request("/nowhere").await;
    assert_eq!(server.name, "GET");
    assert_eq!(server.text("marchproxy.reason"), Some("route.none"));
    assert_eq!(server.number("http.response.status_code"), Some(404));
    assert!(!server.is_error() && clients.is_empty(), "what a client does wrong: {server:?}");
    let line = site.proxy.access_line_of("/nowhere").await;
    assert_eq!(server.traceparent()[3..35], *line["trace_id"].as_str().unwrap());

    let away = ports::free();
    let collector = Collector::start().await;
    let setup = Setup::new().set("collector", collector.address());
    let keys = format!(r#"endpoints: ["127.0.0.1:{away}"]"#);
    let proxy = setup.start(&text(&keys, "")).await;
    assert_eq!(proxy.get("/items/1").await.status, 502);
    let (server, clients) = collector.request("/items/1").await;
    for span in [&server, &clients[0]] {
        assert!(span.is_error(), "{span:?}");
        assert_eq!(span.text("error.type"), Some("upstream.connect_refused"));
    }
    assert_eq!(server.number("http.response.status_code"), Some(502));
}

#[tokio::test]
async fn a_route_may_say_something_else_in_traceparent() {
    let (origin, collector) = (Origin::start().await, Collector::start().await);
    let setup = Setup::new().set("origin", origin.address()).set("collector", collector.address());
    let text = text(r#"endpoints: ["@origin@"]"#, "");
    let edit = "upstream: app, request_headers: { remove: [traceparent] } }";
    let proxy = setup.start(&text.replace("upstream: app }", edit)).await;
    proxy.get("/items/1").await;
    collector.request("/items/1").await;
    assert_eq!(origin.seen()[0].field("traceparent"), None);
}

#[tokio::test]
async fn requests_of_http2_are_told_of_as_well() {
    let site = Site::with("").await;
    let mut client = Http2::open(site.proxy.web()).await;
    assert_eq!(client.get("/items/1").await.status, 200);
    let (server, clients) = site.collector.request("/items/1").await;
    assert_eq!(server.text("network.protocol.version"), Some("2"));
    assert_eq!(clients[0].text("network.protocol.version"), Some("1.1"));
}

#[tokio::test]
async fn fields_with_secrets_and_the_name_of_the_service_are_sent_along() {
    let setup = Setup::new()
        .file("token", "Bearer from-a-file\n")
        .environment("TRACES_KEY", "from-the-environment");
    let keys =
        ", service: edge, headers: { Authorization: { file: token }, x-key: { env: TRACES_KEY } }";
    let mut site = Site::prepared(setup, keys).await;
    site.proxy.get("/items/1").await;
    site.collector.request("/items/1").await;
    let message = site.collector.received().remove(0);
    assert_eq!(message.target, "/v1/traces");
    let field = |name: &str| {
        let found = message.fields.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(field("content-type"), Some("application/x-protobuf"));
    assert_eq!(field("authorization"), Some("Bearer from-a-file"));
    assert_eq!(field("x-key"), Some("from-the-environment"));
    assert_eq!(message.request.resource("service.name"), Some("edge"));
    site.proxy.folder().write("token", "Bearer renewed");
    eventually("the renewed one is sent", async || {
        site.proxy.get("/items/2").await;
        let last = site.collector.received().pop()?;
        last.fields.iter().any(|(_, value)| value == "Bearer renewed").then_some(())
    })
    .await;
    site.proxy.terminate().await;
    assert!(!site.proxy.log.text().contains("from-"), "{}", site.proxy.log.text());
}

#[tokio::test]
async fn what_a_busy_collector_refuses_is_sent_again() {
    let site = Site::with("").await;
    site.collector.behave(Manner::Refuse(503, "retry-after: 1\r\n"));
    site.proxy.get("/items/1").await;
    eventually("it was refused", async || (!site.collector.received().is_empty()).then_some(()))
        .await;
    let refused = std::time::Instant::now();
    site.collector.behave(Manner::Take);
    site.collector.request("/items/1").await;
    let waited = refused.elapsed();
    assert!(waited > Duration::from_millis(900), "{waited:?}: it said to wait for a second");
    site.counts("exported", 2.0).await;
    assert_eq!(site.spans("failed").await.to_bits(), 0.0_f64.to_bits());
}

#[tokio::test]
async fn what_a_collector_will_never_take_is_given_up_and_counted() {
    let site = Site::with("").await;
    site.collector.behave(Manner::Refuse(400, ""));
    site.proxy.get("/items/1").await;
    site.counts("failed", 2.0).await;
    assert_eq!(site.collector.received().len(), 1, "once");
    site.collector.behave(Manner::Reject(1));
    site.proxy.get("/items/2").await;
    site.counts("failed", 3.0).await;
    site.counts("exported", 1.0).await;
    let log = site.proxy.log.text();
    assert!(log.contains("status 400") && log.contains("rejects spans"), "{log}");
}

#[tokio::test]
async fn a_collector_that_hangs_delays_nobody_and_what_is_too_much_is_dropped() {
    let site = Site::with(", queue: 4, batch: 1, timeout: 200ms").await;
    site.collector.behave(Manner::Hang);
    let begin = std::time::Instant::now();
    let mut connection = site.proxy.connect().await;
    for _ in 0..50 {
        assert_eq!(connection.get("/items/1").await.status, 200);
    }
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    site.counts("dropped", 80.0).await;
    eventually("it is sent again after its time", async || {
        (site.collector.received().len() >= 2).then_some(())
    })
    .await;
    site.collector.behave(Manner::Take);
    eventually("what waited is sent", async || (site.collector.spans().len() >= 8).then_some(()))
        .await;
    let sizes = site.collector.received();
    assert!(sizes.iter().all(|message| message.request.spans().count() == 2), "batches of one");
}

#[tokio::test]
async fn what_is_left_is_sent_at_the_end_and_a_dead_collector_delays_it_little() {
    let mut site = Site::with("").await;
    site.proxy.get("/items/1").await;
    site.proxy.terminate().await;
    assert_eq!(site.collector.spans().len(), 2);

    let mut site = Site::with("").await;
    site.collector.behave(Manner::Hang);
    site.proxy.get("/items/1").await;
    let begin = std::time::Instant::now();
    assert!(site.proxy.terminate().await.success());
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_reload_may_change_where_spans_go_and_loses_none() {
    let mut site = Site::with("").await;
    let other = Collector::start().await;
    for number in 0..3 {
        site.proxy.get(&format!("/items/a{number}")).await;
    }
    site.proxy.values().set("collector", other.address());
    let keys = r#"endpoints: ["@origin@"]"#;
    site.proxy.reload(&text(keys, "")).await;
    for number in 0..3 {
        site.proxy.get(&format!("/items/b{number}")).await;
    }
    for number in 0..3 {
        site.collector.request(&format!("/items/a{number}")).await;
        other.request(&format!("/items/b{number}")).await;
    }
    let without = text(keys, "");
    let without: Vec<&str> = without.lines().filter(|line| !line.starts_with("traces:")).collect();
    site.proxy.reload(&without.join("\n")).await;
    let before = other.received().len();
    site.proxy.get("/items/c").await;
    site.proxy.access_line_of("/items/c").await;
    site.proxy.terminate().await;
    assert_eq!(other.received().len(), before);
}

/// A collector with TLS as these keys say; whether spans get there.
async fn tls(authority: &Authority, collector: &Collector, keys: &str) -> bool {
    let origin = Origin::start().await;
    let setup = Setup::new()
        .file("ca.pem", authority.pem())
        .set("origin", origin.address())
        .set("collector", collector.address());
    let text = text(r#"endpoints: ["@origin@"]"#, &format!(", tls: {{ {keys} }}"));
    let proxy = setup.start(&text.replace("http://@collector@", "https://@collector@")).await;
    let before = collector.spans().len();
    proxy.get("/items/1").await;
    eventually("it is sent or cannot be", async || {
        let is_taken = collector.spans().len() > before;
        let is_refused = proxy.log.text().contains("takes no spans");
        (is_taken || is_refused).then_some(is_taken)
    })
    .await
}

#[tokio::test]
async fn a_collector_with_tls_is_verified_as_an_endpoint_is() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let leaf = authority.leaf(&["collector.internal"], Kind::Ecdsa);
    let collector = Collector::tls(&leaf).await;
    let fine = "ca: ca.pem, verify: collector.internal";
    assert!(tls(&authority, &collector, fine).await);
    assert!(!tls(&stranger, &collector, fine).await, "another authority");
    assert!(!tls(&authority, &collector, "ca: ca.pem, verify: other.internal").await);
    let pins = format!("{fine}, pins: [\"sha256:{}\"]", "0".repeat(64));
    assert!(!tls(&authority, &collector, &pins).await, "another key");
}

/// A proxy that demands client certificates, before a collector.
const DEMANDING: &str = r#"
listeners:
  - name: web
    address: "127.0.0.1:@web-port@"
    tls: { certificates: [own], clients: { verify: required, ca: "@dir@/ca.pem" } }
certificates: [{ name: own, chain: "@dir@/own.pem", key: { file: "@dir@/own.key" } }]
routes:
  - name: all
    upstream: collector
    request_headers: { set: { X-Client-Subject: "{client_subject}" } }
upstreams: [{ name: collector, endpoints: ["@collector@"] }]
"#;

#[tokio::test]
async fn a_certificate_is_presented_to_a_collector_that_asks_for_one() {
    let (authority, collector) = (Authority::new(), Collector::start().await);
    let setup = || Setup::new().file("ca.pem", authority.pem());
    let demanding = setup()
        .set("collector", collector.address())
        .leaf("own", &authority.leaf(&["collector.internal"], Kind::Ecdsa))
        .start(DEMANDING)
        .await;
    let origin = Origin::start().await;
    let setup = setup()
        .set("origin", origin.address())
        .set("collector", demanding.web())
        .leaf("own", &authority.leaf(&["edge.internal"], Kind::Ecdsa));
    let keys = ", tls: { ca: ca.pem, verify: collector.internal, certificate: own }";
    let text = text(r#"endpoints: ["@origin@"]"#, keys).replace("http://@", "https://@")
        + r#"certificates: [{ name: own, chain: own.pem, key: { file: own.key } }]"#;
    let proxy = setup.start(&text).await;
    proxy.get("/items/1").await;
    collector.request("/items/1").await;
    let fields = collector.received().remove(0).fields;
    let is_there = |(name, value): &(String, String)| {
        name.eq_ignore_ascii_case("x-client-subject") && value == "CN=edge.internal"
    };
    assert!(fields.iter().any(is_there), "{fields:?}");
}

#[tokio::test]
async fn a_secret_in_the_open_is_refused_and_not_shown() {
    let mut setup = Setup::new().set("origin", "127.0.0.1:1").set("collector", "127.0.0.1:2");
    let keys = ", headers: { authorization: \"Bearer open-secret\" }";
    let ended = setup.run(&["check"], &text(r#"endpoints: ["@origin@"]"#, keys)).await;
    let told = format!("{ended:?}");
    assert_eq!(ended.code(), 2, "{told}");
    assert!(!told.contains("open-secret"), "{told}");
}

#[tokio::test]
async fn without_traces_those_of_others_pass_untouched() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    proxy.request(format!("GET / HTTP/1.1\r\nHost: a\r\ntraceparent: {PARENT}\r\n\r\n")).await;
    assert_eq!(origin.seen()[0].field("traceparent"), Some(PARENT));
    let line: Value = proxy.access_line_of("/").await;
    assert_eq!(line["trace_id"], PARENT[3..35]);
}
