//! Answers that the proxy makes itself.

use marchproxy_tests::proxy::Setup;
use marchproxy_tests::{Origin, ports};

const TEXT: &str = r#"
listeners: [{ name: web, address: "127.0.0.1:@web-port@" }]
routes:
  - name: shop
    match: { path: /shop }
    upstream: away
    error_pages: [{ statuses: [502], file: "@dir@/shop.json", content_type: application/json }]
  - { name: other, match: { path: /other }, upstream: away }
  - { name: app, match: { path: /app }, upstream: app }
error_pages: [{ statuses: [404, 502], file: "@dir@/error.html" }]
upstreams:
  - { name: away, endpoints: ["127.0.0.1:@away@"] }
  - { name: app, endpoints: ["@origin@"] }
"#;

#[tokio::test]
async fn pages_of_the_route_come_before_those_of_all() {
    let origin = Origin::start().await;
    let proxy = Setup::new()
        .set("origin", origin.address())
        .set("away", ports::free())
        .file("shop.json", "{\"shop\":\"closed\"}")
        .file("error.html", "<h1>Sorry</h1>")
        .start(TEXT)
        .await;
    let answer = proxy.get("/shop").await;
    assert_eq!((answer.status, answer.text().as_str()), (502, "{\"shop\":\"closed\"}"));
    assert_eq!(answer.field("content-type"), Some("application/json"));
    let answer = proxy.get("/other").await;
    assert_eq!((answer.status, answer.text().as_str()), (502, "<h1>Sorry</h1>"));
    assert_eq!(answer.field("content-type"), Some("text/html; charset=utf-8"));
    assert!(answer.field("x-request-id").is_some());
    assert_eq!(proxy.get("/nowhere").await.text(), "<h1>Sorry</h1>");
    // What an origin says is its own affair.
    let answer =
        proxy.request("GET /app HTTP/1.1\r\nHost: a\r\nx-script: status 404;size 3\r\n\r\n").await;
    assert_eq!((answer.status, answer.text().as_str()), (404, "xxx"));
}

#[tokio::test]
async fn a_page_that_is_not_there_is_an_error_at_check() {
    let mut setup = Setup::new().set("origin", "127.0.0.1:1").set("away", 1);
    let ended = setup.run(&["check"], TEXT).await;
    assert_eq!(ended.code(), 2, "{ended:?}");
    assert!(ended.output().contains("error.html"), "{ended:?}");
}
