//! Which request goes where.

use marchproxy_tests::proxy::Setup;
use marchproxy_tests::{Origin, Proxy};

/// Every route answers with its own name.
async fn start(routes: &[(&str, &str)]) -> Proxy {
    let mut text =
        "listeners: [{ name: web, address: \"127.0.0.1:@web-port@\" }]\nroutes:\n".to_owned();
    for (name, matches) in routes {
        text += &format!(
            "  - {{ name: {name}, match: {matches}, respond: {{ status: 200, body: {name} }} }}\n"
        );
    }
    Proxy::start(&text).await
}

async fn route_of(proxy: &Proxy, method: &str, host: &str, target: &str, fields: &str) -> String {
    let request = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
    let answer = proxy.request(request).await;
    if answer.status == 200 { answer.text() } else { answer.status.to_string() }
}

async fn by_path(proxy: &Proxy, target: &str) -> String {
    route_of(proxy, "GET", "a.example", target, "").await
}

#[tokio::test]
async fn the_most_specific_path_wins_whatever_the_order() {
    let proxy = start(&[
        ("all", "{ path: / }"),
        ("orders", "{ path: /orders }"),
        ("one", "{ path: '/orders/{id}' }"),
        ("new", "{ path: /orders/new }"),
        ("exact", "{ path: =/orders }"),
        ("files", "{ path: '/files/{rest...}' }"),
        ("items", "{ path: '/orders/{id}/items' }"),
    ])
    .await;
    for (target, route) in [
        ("/", "all"),
        ("/ordersX", "all"),
        ("/orders", "exact"),
        ("/orders/", "orders"),
        ("/orders/7", "one"),
        ("/orders/7?x=/y", "one"),
        ("/orders/new", "new"),
        ("/orders/new/x", "new"),
        ("/orders/7/items", "items"),
        ("/orders/7/other", "orders"),
        ("/files/a/b/c", "files"),
        ("/Orders", "all"),
    ] {
        assert_eq!(by_path(&proxy, target).await, route, "{target}");
    }
}

#[tokio::test]
async fn hosts_are_exact_then_wildcard_then_any() {
    let proxy = start(&[
        ("any", "{ path: / }"),
        ("wild", "{ host: '*.example.com' }"),
        ("deep", "{ host: '*.shop.example.com' }"),
        ("exact", "{ host: shop.example.com }"),
    ])
    .await;
    for (host, route) in [
        ("shop.example.com", "exact"),
        ("SHOP.Example.COM", "exact"),
        ("shop.example.com:8080", "exact"),
        ("www.example.com", "wild"),
        ("a.b.example.com", "wild"),
        ("a.shop.example.com", "deep"),
        ("example.com", "any"),
        ("other.org", "any"),
        ("127.0.0.1", "any"),
    ] {
        assert_eq!(route_of(&proxy, "GET", host, "/", "").await, route, "{host}");
    }
}

#[tokio::test]
async fn methods_headers_and_queries_choose_among_routes_of_one_path() {
    let proxy = start(&[
        ("all", "{ path: /a }"),
        ("post", "{ path: /a, methods: [POST, PUT] }"),
        ("beta", "{ path: /a, headers: [{ name: x-beta }] }"),
        ("beta2", "{ path: /a, headers: [{ name: x-beta, value: '2' }, { name: x-more }] }"),
        ("query", "{ path: /a, query: [{ name: v, value: 'a b' }] }"),
    ])
    .await;
    for (method, target, fields, route) in [
        ("GET", "/a", "", "all"),
        ("POST", "/a", "", "post"),
        ("DELETE", "/a", "", "all"),
        ("GET", "/a", "X-Beta: 1\r\n", "beta"),
        ("GET", "/a", "X-Beta: 2\r\nx-more: 1\r\n", "beta2"),
        ("GET", "/a?v=a%20b", "", "query"),
        ("GET", "/a?v=a+b", "", "query"),
        ("GET", "/a?v=other", "", "all"),
        ("GET", "/a?x=1&v=a%20b", "", "query"),
    ] {
        assert_eq!(
            route_of(&proxy, method, "a", target, fields).await,
            route,
            "{method} {target} {fields}"
        );
    }
}

#[tokio::test]
async fn a_less_specific_route_takes_over_when_only_the_method_fails() {
    let proxy =
        start(&[("all", "{ path: / }"), ("post", "{ path: /orders, methods: [POST] }")]).await;
    assert_eq!(route_of(&proxy, "GET", "a", "/orders", "").await, "all");
    assert_eq!(route_of(&proxy, "POST", "a", "/orders", "").await, "post");
}

#[tokio::test]
async fn no_route_is_a_404_with_its_reason() {
    let proxy = start(&[("orders", "{ path: /orders }")]).await;
    let mut connection = proxy.connect().await;
    let answer = connection.get("/other").await;
    assert_eq!((answer.status, answer.reason().as_str()), (404, "route.none"));
    // It is no reason to close.
    assert_eq!(connection.get("/orders").await.status, 200);
}

#[tokio::test]
async fn a_detour_does_not_lead_around_a_route() {
    let proxy = start(&[("all", "{ path: / }"), ("admin", "{ path: /admin }")]).await;
    for target in [
        "/admin",
        "//admin",
        "/./admin",
        "/x/../admin",
        "/%61dmin",
        "/admin/",
        "///admin//x",
        "/admin/%2e",
    ] {
        assert_eq!(by_path(&proxy, target).await, "admin", "{target}");
    }
}

#[tokio::test]
async fn a_route_belongs_to_the_listeners_it_names() {
    let text = r#"
listeners:
  - { name: web, address: "127.0.0.1:@web-port@" }
  - { name: inside, address: "127.0.0.1:@inside-port@" }
routes:
  - { name: both, match: { path: / }, respond: { status: 200, body: both } }
  - { name: own, listeners: [inside], match: { path: /own }, respond: { status: 200, body: own } }
"#;
    let proxy = Proxy::start(text).await;
    assert_eq!(proxy.get("/own").await.text(), "both");
    let inside = proxy.address("inside");
    assert_eq!(marchproxy_tests::client::get(inside, "/own").await.text(), "own");
}

#[tokio::test]
async fn fixed_answers_have_their_status_type_and_body() {
    let text = r#"
listeners: [{ name: web, address: "127.0.0.1:@web-port@" }]
routes:
  - name: robots
    match: { path: =/robots.txt }
    respond: { status: 200, body: "User-agent: *\n" }
  - name: gone
    match: { path: /gone }
    respond: { status: 410, body: '{"gone":true}', content_type: application/json }
    response_headers: { set: { X-Why: "{path} of {host}" } }
"#;
    let proxy = Proxy::start(text).await;
    let mut connection = proxy.connect().await;
    let answer = connection.get("/robots.txt").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "User-agent: *\n"));
    assert_eq!(answer.field("content-type"), Some("text/plain; charset=utf-8"));
    let answer = connection.get("/gone/x").await;
    assert_eq!(answer.status, 410);
    assert_eq!(answer.json()["gone"], true);
    assert_eq!(answer.field("x-why"), Some("/gone/x of test.example"));
    connection.send("HEAD /gone HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = connection.try_answer_to("HEAD").await.unwrap();
    assert_eq!((answer.status, answer.field("content-length")), (410, Some("13")));
    // A body that nobody reads does not disturb what comes after it.
    connection.send("POST /gone HTTP/1.1\r\nHost: a\r\ncontent-length: 5\r\n\r\nhello").await;
    assert_eq!(connection.answer().await.status, 410);
}

#[tokio::test]
async fn a_proxy_for_ipv6_takes_ipv4_as_well() {
    let origin = Origin::start().await;
    let text = marchproxy_tests::proxy::SIMPLE.replace("127.0.0.1:@web-port@", "[::]:@web-port@");
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    assert_eq!(proxy.get("/").await.seen().field("x-forwarded-for"), Some("127.0.0.1"));
    let six = std::net::SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], proxy.web().port()));
    let seen = marchproxy_tests::client::get(six, "/").await.seen();
    assert_eq!(seen.field("x-forwarded-for"), Some("::1"));
}
