//! What policies ask of requests: who may pass, and how often.

use marchproxy_tests::client::Http2;
use marchproxy_tests::proxy::Setup;
use marchproxy_tests::{Answer, Origin, Proxy};

/// Routes with these policies, and one without.
fn text(policies: &str, names: &str) -> String {
    format!(
        "listeners: [{{ name: web, address: \"127.0.0.1:@web-port@\" }}]\n\
         trusted_proxies: [127.0.0.1/32]\n\
         policies: [{policies}]\n\
         routes:\n  - {{ name: guarded, match: {{ path: /guarded }}, policies: [{names}], upstream: app }}\n  \
           - {{ name: fixed, match: {{ path: /fixed }}, policies: [{names}], respond: {{ status: 200, body: x }} }}\n  \
           - {{ name: open, upstream: app }}\n\
         upstreams: [{{ name: app, endpoints: [\"@origin@\"] }}]\n"
    )
}

async fn start(policies: &str, names: &str) -> (Origin, Proxy) {
    let origin = Origin::start().await;
    let setup = Setup::new().set("origin", origin.address());
    (origin, setup.start(&text(policies, names)).await)
}

async fn ask(proxy: &Proxy, method: &str, path: &str, client: &str) -> Answer {
    let fields = format!("Host: a\r\nX-Forwarded-For: {client}\r\nContent-Length: 0\r\n");
    proxy.request(format!("{method} {path} HTTP/1.1\r\n{fields}\r\n")).await
}

const PARTNERS: &str = "{ name: partners, access: { allow: [{ networks: [192.0.2.0/24, \"2001:db8::/32\"] }], \
                        deny: [{ networks: [192.0.2.66/32] }, { methods: [DELETE] }] } }";
const SLOWLY: &str = "{ name: slowly, limit: { rate: 2/h } }";

#[tokio::test]
async fn who_may_not_pass_gets_403_and_the_origin_hears_nothing() {
    let (origin, proxy) = start(PARTNERS, "partners").await;
    for (method, client, status) in [
        ("GET", "192.0.2.1", 200),
        ("GET", "2001:db8::7", 200),
        ("GET", "192.0.2.66", 403),
        ("GET", "198.51.100.1", 403),
        ("DELETE", "192.0.2.1", 403),
    ] {
        for path in ["/guarded", "/fixed"] {
            let answer = ask(&proxy, method, path, client).await;
            assert_eq!(answer.status, status, "{method} {path} {client}");
        }
    }
    assert_eq!(origin.seen().len(), 2);
    assert_eq!(
        ask(&proxy, "DELETE", "/", "198.51.100.1").await.status,
        200,
        "no policy, no question"
    );
    let refused = ask(&proxy, "GET", "/guarded?x=1", "198.51.100.1").await;
    assert_eq!(refused.reason(), "access.denied");
    assert!(
        !String::from_utf8_lossy(&refused.body).contains("partners"),
        "a client is not told by what"
    );
    let line = proxy.access_line_of("/guarded?x=1").await;
    assert_eq!((&line["policy"], &line["reason"]), (&"partners".into(), &"access.denied".into()));
    let refusals =
        proxy.metric("marchproxy_policy_refusals_total", &[("policy", "partners")]).await;
    assert_eq!(refusals, Some(7.0));
}

#[tokio::test]
async fn whoever_comes_too_often_gets_429_and_is_told_when_to_come_again() {
    let (origin, proxy) = start(SLOWLY, "slowly").await;
    let first = ask(&proxy, "GET", "/guarded", "192.0.2.1").await;
    assert_eq!(first.field("ratelimit-policy"), Some("\"slowly\";q=2;w=3600"));
    assert!(first.field("ratelimit").is_some_and(|value| value.starts_with("\"slowly\";r=1;t=")));
    assert_eq!((first.status, first.field("retry-after")), (200, None));
    // Both routes count together, and so do both versions.
    assert_eq!(ask(&proxy, "GET", "/fixed", "192.0.2.1").await.status, 200);
    let refused = ask(&proxy, "GET", "/guarded", "192.0.2.1").await;
    assert_eq!((refused.status, refused.reason().as_str()), (429, "limit.rate"));
    let wait: u64 = refused.field("retry-after").expect("a time").parse().expect("seconds");
    assert!((1700..=1800).contains(&wait), "{wait}");
    assert_eq!(refused.field("ratelimit"), Some(format!("\"slowly\";r=0;t={wait}").as_str()));
    let mut http2 = Http2::open(proxy.web()).await;
    let mut request = http2.request("GET", "/guarded");
    request.headers_mut().insert("x-forwarded-for", "192.0.2.1".parse().unwrap());
    assert_eq!(http2.send(request, None, None).await.unwrap().status, 429);
    assert_eq!(ask(&proxy, "GET", "/guarded", "192.0.2.2").await.status, 200, "another client");
    assert_eq!(origin.seen().len(), 2);
    assert_eq!(proxy.access_line(|line| line["status"] == 429).await["policy"], "slowly");
}

#[tokio::test]
async fn who_may_not_pass_is_not_counted() {
    let (_origin, proxy) = start(&format!("{PARTNERS}, {SLOWLY}"), "slowly, partners").await;
    for _ in 0..5 {
        assert_eq!(ask(&proxy, "DELETE", "/guarded", "192.0.2.1").await.status, 403);
    }
    assert_eq!(ask(&proxy, "GET", "/guarded", "192.0.2.1").await.status, 200);
}

#[tokio::test]
async fn a_reload_forgets_nobody_and_a_connection_is_kept_after_a_refusal() {
    let (origin, mut proxy) = start(SLOWLY, "slowly").await;
    for _ in 0..2 {
        assert_eq!(ask(&proxy, "GET", "/guarded", "192.0.2.1").await.status, 200);
    }
    let more = text(&format!("{SLOWLY}, {PARTNERS}"), "partners, slowly");
    proxy.reload(&more.replace("@origin@", &origin.address().to_string())).await;
    let mut connection = proxy.connect().await;
    for status in [429, 429] {
        connection
            .send("GET /guarded HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")
            .await;
        assert_eq!(connection.answer().await.status, status);
    }
    let text = text(SLOWLY, "slowly").replace("2/h", "2/h, burst: 3");
    proxy.reload(&text.replace("@origin@", &origin.address().to_string())).await;
    assert_eq!(ask(&proxy, "GET", "/guarded", "192.0.2.1").await.status, 200, "one more may come");
    assert_eq!(ask(&proxy, "GET", "/guarded", "192.0.2.1").await.status, 429);
}

#[tokio::test]
async fn fewer_keys_than_clients_are_counted_as_forgotten() {
    let (_origin, proxy) = start(SLOWLY, "slowly").await;
    assert_eq!(proxy.metric("marchproxy_limit_keys_forgotten_total", &[]).await, Some(0.0));
    let small = "process: { limit_keys: 1000 }\n".to_owned() + &text(SLOWLY, "slowly");
    let origin = Origin::start().await;
    let proxy = Setup::new().set("origin", origin.address()).start(&small).await;
    let mut connection = proxy.connect().await;
    for client in 0..4000_u32 {
        let address = std::net::Ipv4Addr::from(0xc633_6400 + client);
        let request =
            format!("GET /fixed HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {address}\r\n\r\n");
        connection.send(request).await;
        assert_eq!(connection.answer().await.status, 200);
    }
    let forgotten = proxy.metric("marchproxy_limit_keys_forgotten_total", &[]).await;
    assert!(forgotten.is_some_and(|count| count > 500.0), "{forgotten:?}");
}

#[tokio::test]
async fn a_rule_is_about_methods_networks_or_both() {
    let policy = "{ name: p, access: { allow: [{ methods: [GET] }, \
                  { methods: [PUT], networks: [192.0.2.0/24] }] } }";
    let (_origin, proxy) = start(policy, "p").await;
    for (method, client, status) in [
        ("GET", "198.51.100.1", 200),
        ("PUT", "192.0.2.1", 200),
        ("PUT", "198.51.100.1", 403),
        ("POST", "192.0.2.1", 403),
    ] {
        assert_eq!(
            ask(&proxy, method, "/guarded", client).await.status,
            status,
            "{method} {client}"
        );
    }
}

#[tokio::test]
async fn a_key_is_what_is_said() {
    let passes = async |limit: &str, asked: &[(&str, &str, &str)]| {
        let (_origin, proxy) = start(&format!("{{ name: l, limit: {{ {limit} }} }}"), "l").await;
        let mut passed = Vec::new();
        for (path, client, tenant) in asked {
            let fields = format!("Host: a\r\nX-Forwarded-For: {client}\r\nX-Tenant: {tenant}\r\n");
            let answer = proxy.request(format!("GET {path} HTTP/1.1\r\n{fields}\r\n")).await;
            passed.push(answer.status == 200);
        }
        passed
    };
    let (one, other) = ("192.0.2.1", "192.0.2.2");
    let asked = [
        ("/fixed", one, "a"),
        ("/guarded", one, "a"),
        ("/fixed", other, "a"),
        ("/fixed", one, "b"),
    ];
    assert_eq!(passes("rate: 1/h", &asked).await, [true, false, true, false]);
    assert_eq!(passes("rate: 1/h, burst: 2", &asked).await, [true, true, true, false]);
    assert_eq!(passes("rate: 1/h, key: []", &asked).await, [true, false, false, false]);
    assert_eq!(passes("rate: 1/h, key: [route]", &asked).await, [true, true, false, false]);
    let tenants = "rate: 1/h, key: [header], header: X-Tenant";
    assert_eq!(passes(tenants, &asked).await, [true, false, false, true]);
    assert_eq!(passes("rate: 1/h, ipv4: 24", &asked).await, [true, false, false, false]);
    let asked = [("/fixed", "2001:db8::1", "a"), ("/fixed", "2001:db8::2", "a")];
    assert_eq!(passes("rate: 1/h", &asked).await, [true, false]);
    assert_eq!(passes("rate: 1/h, ipv6: 128", &asked).await, [true, true]);
}
