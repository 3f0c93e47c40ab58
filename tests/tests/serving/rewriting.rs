//! Changes to paths and fields, and redirects.

use marchproxy_tests::proxy::Setup;
use marchproxy_tests::{Origin, Proxy};

async fn start(origin: &Origin, routes: &str) -> Proxy {
    let text = format!(
        "listeners: [{{ name: web, address: \"127.0.0.1:@web-port@\" }}]\nroutes:\n{routes}\n\
         upstreams: [{{ name: app, endpoints: [\"@origin@\"] }}]\n"
    );
    Setup::new().set("origin", origin.address()).start(&text).await
}

#[tokio::test]
async fn prefixes_are_stripped_and_added() {
    let origin = Origin::start().await;
    let routes = r#"
  - { name: strip, match: { path: /strip }, rewrite: { strip_prefix: /strip }, upstream: app }
  - { name: add, match: { path: /add }, rewrite: { add_prefix: /v2 }, upstream: app }
  - { name: both, match: { path: /both }, rewrite: { strip_prefix: /both, add_prefix: /v3 }, upstream: app }
  - { name: path, match: { path: "/o/{id}/{rest...}" }, rewrite: { path: "/x/{rest}/{id}" }, upstream: app }
  - { name: fixed, match: { path: =/fixed }, rewrite: { path: /elsewhere }, upstream: app }"#;
    let proxy = start(&origin, routes).await;
    for (sent, forwarded) in [
        ("/strip/a?b=c", "/a?b=c"),
        ("/strip", "/"),
        ("/strip/", "/"),
        ("/add/a", "/v2/add/a"),
        ("/both/a", "/v3/a"),
        ("/both", "/v3"),
        ("/o/7/a/b?q", "/x/a/b/7?q"),
        ("/fixed?q=1", "/elsewhere?q=1"),
    ] {
        assert_eq!(proxy.get(sent).await.seen().target, forwarded, "{sent}");
    }
}

#[tokio::test]
async fn fields_are_removed_then_set_then_added_both_ways() {
    let origin = Origin::start().await;
    let routes = r#"
  - name: tenant
    match: { path: "/t/{tenant}/{rest...}" }
    upstream: app
    request_headers:
      remove: [Cookie]
      set: { X-Tenant: "{tenant}", X-Asked: "{method} {scheme}://{host}{path}?{query}", Host: inside.example, X-Who: "{client} {route} {{x}}" }
      add: { X-List: "two" }
    response_headers:
      remove: [Server]
      set: { X-Frame-Options: DENY, X-Id: "{request_id}" }
      add: { Cache-Control: private }"#;
    let proxy = start(&origin, routes).await;
    let answer = proxy
        .request(
            "GET /t/acme/a/b?q=1 HTTP/1.1\r\nHost: shop.example\r\nCookie: a=b\r\nX-Tenant: evil\r\n\
             X-List: one\r\nx-reply-server: nginx\r\nx-reply-cache-control: max-age=5\r\n\
             x-reply-x-frame-options: ALLOW\r\n\r\n",
        )
        .await;
    let seen = answer.seen();
    assert_eq!(seen.field("cookie"), None);
    assert_eq!(seen.field("x-tenant"), Some("acme"));
    assert_eq!(seen.field("x-asked"), Some("GET http://shop.example/t/acme/a/b?q=1"));
    assert_eq!(seen.field("host"), Some("inside.example"));
    assert_eq!(seen.field("x-who"), Some("127.0.0.1 tenant {x}"));
    assert_eq!(seen.fields_named("x-list"), ["one", "two"]);
    assert_eq!(answer.field("server"), None);
    assert_eq!(answer.field("x-frame-options"), Some("DENY"));
    assert_eq!(answer.fields_named("cache-control"), ["max-age=5", "private"]);
    assert_eq!(answer.field("x-id"), answer.field("x-request-id"));
}

#[tokio::test]
async fn a_variable_cannot_break_out_of_its_field() {
    let origin = Origin::start().await;
    let routes = r#"
  - name: all
    match: { path: "/{name}" }
    upstream: app
    response_headers: { set: { X-Name: "{name}", X-Query: "{query}" } }"#;
    let proxy = start(&origin, routes).await;
    let answer = proxy.get("/a%20b?c%0d%0ad").await;
    assert_eq!(answer.field("x-name"), Some("a%20b"));
    assert_eq!(answer.field("x-query"), Some("c%0d%0ad"));
}

#[tokio::test]
async fn redirects_keep_what_they_do_not_change() {
    let origin = Origin::start().await;
    let routes = r#"
  - { name: tls, match: { path: / }, redirect: { scheme: https } }
  - { name: host, match: { path: /host }, redirect: { host: new.example, status: 301 } }
  - { name: path, match: { path: "/old/{id}" }, redirect: { path: "/new/{id}", status: 302 } }
  - { name: port, match: { path: /port }, redirect: { scheme: https, host: "{host}:8443", status: 307 } }
  - { name: app, match: { path: /app }, upstream: app }"#;
    let proxy = start(&origin, routes).await;
    let port = proxy.web().port();
    for (target, status, location) in [
        ("/a?b=c", 308, "https://test.example/a?b=c".to_owned()),
        ("/host/x?y", 301, "http://new.example/host/x?y".to_owned()),
        ("/port", 307, "https://test.example:8443/port".to_owned()),
    ] {
        let answer = proxy.get(target).await;
        assert_eq!(
            (answer.status, answer.field("location")),
            (status, Some(location.as_str())),
            "{target}"
        );
    }
    let answer =
        proxy.request(format!("GET /old/7?q HTTP/1.1\r\nHost: test.example:{port}\r\n\r\n")).await;
    let location = answer.field("location").unwrap();
    let absolute = format!("http://test.example:{port}/new/7?q");
    assert!(location == absolute || location == "/new/7?q", "{location}");
    assert_eq!(answer.status, 302);
}
