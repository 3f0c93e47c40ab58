//! Endpoints at Unix sockets.

use marchproxy_tests::binary::{self, Ended};
use marchproxy_tests::certs::{Authority, Kind};
use marchproxy_tests::client::TlsClient;
use marchproxy_tests::folder::Folder;
use marchproxy_tests::origin::{Haproxy, Nginx};
use marchproxy_tests::proxy::Setup;
use marchproxy_tests::template::Values;
use marchproxy_tests::{Origin, Proxy, eventually};

/// One server at many sockets; it tells at which, and what is spoken there.
const HAPROXY: &str = "frontend web
  mode http
  bind 127.0.0.1:@front-port@ name port
  bind @sockets@/one.sock name one
  bind @sockets@/two.sock name two
  bind @sockets@/h2.sock name h2 proto h2
  bind @sockets@/tls.sock name tls ssl crt @sockets@/both.pem alpn h2,http/1.1
  bind @sockets@/proxy.sock name proxy accept-proxy
  http-request return status 200 content-type text/plain lf-string \"%[so_name] %[fc_http_major] %[src]\"";

/// `@keys@` are the keys of the upstream.
const TEXT: &str = r#"
listeners: [{ name: web, address: "127.0.0.1:@web-port@" }]
routes: [{ name: all, upstream: app }]
upstreams: [{ name: app, @keys@ }]
process: { workers: 1 }
"#;

struct Site {
    sockets: Folder,
    authority: Authority,
    _haproxy: Haproxy,
}

impl Site {
    async fn new() -> Self {
        let (sockets, authority) = (Folder::new(), Authority::new());
        let leaf = authority.leaf(&["app.internal"], Kind::Ecdsa);
        sockets.write("both.pem", [leaf.chain_pem(), leaf.key_pem()].concat());
        sockets.write("ca.pem", authority.pem());
        let mut values = Values::default();
        values.set("sockets", sockets.path().display());
        let haproxy = Haproxy::start(values, HAPROXY).await;
        Self { sockets, authority, _haproxy: haproxy }
    }

    fn setup(&self, keys: &str) -> Setup {
        Setup::new().set("keys", self.fill(keys))
    }

    fn fill(&self, text: &str) -> String {
        text.replace("@sockets@", &self.sockets.path().display().to_string())
    }

    async fn start(&self, keys: &str) -> Proxy {
        self.setup(keys).start(TEXT).await
    }

    fn label(&self, name: &str) -> String {
        self.fill(&format!("unix:@sockets@/{name}.sock"))
    }
}

async fn command(proxy: &Proxy, words: &[&str]) -> Ended {
    let config = proxy.folder().path().join("marchproxy.yaml");
    let config = config.to_str().unwrap().to_owned();
    let words: Vec<&str> = words.iter().copied().chain(["--config", &config]).collect();
    binary::run(&words).await
}

#[tokio::test]
async fn each_version_is_spoken_and_tls_and_the_proxy_protocol_before_it() {
    let site = Site::new().await;
    let tls = "tls: { verify: app.internal, ca: @sockets@/ca.pem }";
    for (name, keys, told) in [
        ("one", String::new(), "one 1 "),
        ("h2", "protocol: http2".to_owned(), "h2 2 "),
        ("tls", tls.to_owned(), "tls 1 "),
        ("tls", format!("protocol: http2, {tls}"), "tls 2 "),
        ("proxy", "proxy_protocol: v1".to_owned(), "proxy 1 127.0.0.1"),
        ("proxy", "proxy_protocol: v2".to_owned(), "proxy 1 127.0.0.1"),
    ] {
        let health = "health: { http: /, every: 100ms, up: 1 }";
        let endpoint = format!("endpoints: [\"unix:@sockets@/{name}.sock\"], {health}, {keys}");
        let proxy = site.start(&endpoint).await;
        for _ in 0..3 {
            let answer = proxy.get("/a").await;
            assert_eq!(answer.status, 200, "{keys}: {}", answer.text());
            assert!(answer.text().starts_with(told), "{}", answer.text());
        }
        let line = proxy.access_line_of("/a").await;
        assert_eq!(line["endpoint"], site.label(name));
        eventually("it is found to be well", async || {
            let labels = [("upstream", "app"), ("result", "ok")];
            proxy.metric("marchproxy_upstream_checks_total", &labels).await.filter(|n| *n > 1.0)
        })
        .await;
        let labels = [("upstream", "app"), ("result", "failed")];
        let failed = proxy.metric("marchproxy_upstream_checks_total", &labels).await;
        assert_eq!(failed.unwrap_or(0.0), 0.0);
    }
}

#[tokio::test]
async fn endpoints_at_sockets_have_weights_and_cookies_and_stand_beside_others() {
    let site = Site::new().await;
    let origin = Origin::start().await;
    let sockets =
        "{ address: \"unix:@sockets@/one.sock\", weight: 3 }, \"unix:@sockets@/two.sock\"";
    let keys =
        format!("endpoints: [{sockets}, {{ address: \"{}\", weight: 4 }}]", origin.address());
    let proxy = site.start(&keys).await;
    let mut connection = proxy.connect().await;
    let mut counts = [0; 3];
    for _ in 0..40 {
        let text = connection.get("/").await.text();
        let at = ["one ", "two ", "{"].iter().position(|begin| text.starts_with(begin));
        counts[at.unwrap_or_else(|| panic!("{text}"))] += 1;
    }
    assert_eq!(counts, [15, 5, 20]);

    let sticky = "sticky: { cookie: srv, key: { env: STICKY } }";
    let setup = site.setup(&format!("endpoints: [{sockets}], {sticky}"));
    let key = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let proxy = setup.environment("STICKY", key).start(TEXT).await;
    let first = proxy.get("/").await;
    let cookie = first.field("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    for _ in 0..10 {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n");
        assert_eq!(proxy.request(request).await.text(), first.text());
    }
}

#[tokio::test]
async fn an_operator_calls_an_endpoint_by_its_path_and_a_reload_knows_it_again() {
    let site = Site::new().await;
    let endpoints = "endpoints: [\"unix:@sockets@/one.sock\", \"unix:@sockets@/two.sock\"]";
    let mut proxy = site.start(endpoints).await;
    let (one, two) = (site.label("one"), site.label("two"));
    let ended = command(&proxy, &["endpoint", "disable", "app", &one]).await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    proxy.values().set("keys", site.fill(&format!("{endpoints}, retry: {{ attempts: 1 }}")));
    proxy.reload(TEXT).await;
    let shown = command(&proxy, &["upstreams"]).await.output();
    let state = |label: &str| {
        let line = shown.lines().find(|line| line.contains(label));
        line.unwrap_or_else(|| panic!("{shown}")).split_whitespace().nth(1).map(str::to_owned)
    };
    assert_eq!(
        (state(&one).as_deref(), state(&two).as_deref()),
        (Some("disabled"), Some("serving"))
    );
    let status = proxy.status().await;
    assert_eq!(status["upstreams"][0]["endpoints"][1]["address"], two, "{status}");
    for _ in 0..4 {
        assert!(proxy.get("/").await.text().starts_with("two "));
    }
}

#[tokio::test]
async fn a_socket_that_is_not_there_is_passed_over_and_tried_again_when_it_is() {
    let sockets = Folder::new();
    let path = sockets.path().join("late.sock");
    let origin = Origin::start().await;
    let keys = format!(
        "endpoints: [\"unix:{}\", \"{}\"], ejection: {{ consecutive: 0 }}, retry: {{ attempts: 2, budget: 100% }}",
        path.display(),
        origin.address()
    );
    let proxy = Setup::new().set("keys", keys).start(TEXT).await;
    for _ in 0..6 {
        assert_eq!(proxy.get("/").await.seen().origin, "origin");
    }
    proxy.log.wait_for("it is told", |line| line.contains("cannot connect to an endpoint")).await;
    let mut values = Values::default();
    values.set("path", path.display());
    let server = "server { listen 127.0.0.1:@web-port@; listen unix:@path@; return 200 late; }";
    let _nginx = Nginx::with(values, &[], server).await;
    let mut late = 0;
    for _ in 0..6 {
        late += usize::from(proxy.get("/").await.text() == "late");
    }
    assert_eq!(late, 3);
}

#[tokio::test]
async fn connections_are_kept_and_passed_on_as_at_any_endpoint() {
    let site = Site::new().await;
    let proxy = {
        let own = site.authority.leaf(&["own.example.com"], Kind::Ecdsa);
        let tls =
            "tls: { certificates: [own], passthrough: [{ names: [app.internal], upstream: app }] }";
        let text = TEXT.replace("@web-port@\" }]", &format!("@web-port@\", {tls} }}]"))
            + "certificates: [{ name: own, chain: \"@dir@/own.pem\", key: { file: \"@dir@/own.key\" } }]\n";
        let setup = site.setup("endpoints: [\"unix:@sockets@/tls.sock\"]").leaf("own", &own);
        setup.start(&text).await
    };
    let client = TlsClient::trusting(&site.authority, "app.internal");
    let (mut connection, _) = client.connect(proxy.web()).await;
    for _ in 0..2 {
        assert!(connection.get("/").await.text().starts_with("tls 1 "));
    }

    let sockets = Folder::new();
    let mut values = Values::default();
    values.set("path", sockets.path().join("app.sock").display());
    let server =
        "server { listen 127.0.0.1:@web-port@; listen unix:@path@; return 200 $connection; }";
    let nginx = Nginx::with(values, &[], server).await;
    let keys = format!("endpoints: [\"unix:{}/app.sock\"]", sockets.path().display());
    let proxy = Setup::new().set("keys", keys).start(TEXT).await;
    let first = proxy.get("/").await.text();
    for _ in 0..4 {
        assert_eq!(proxy.get("/").await.text(), first);
    }
    drop(nginx);
}

#[tokio::test]
async fn check_online_connects_to_sockets() {
    let site = Site::new().await;
    let tls = "tls: { verify: app.internal, ca: @sockets@/ca.pem }";
    for (name, keys, found) in [
        ("one", "", "one.sock accepts connections"),
        ("tls", tls, "tls.sock accepts connections, and is trusted"),
        ("none", "", "cannot connect to unix:"),
    ] {
        let mut setup = site.setup(&format!("endpoints: [\"unix:@sockets@/{name}.sock\"], {keys}"));
        let ended = setup.run(&["check", "--online"], TEXT).await;
        assert!(ended.output().contains(found), "{ended:?}");
    }
}
