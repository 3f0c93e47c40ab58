//! The access log.

use marchproxy_tests::client::Http2;
use marchproxy_tests::proxy::{SIMPLE, Setup};
use marchproxy_tests::{Origin, Proxy, eventually, ports};

#[tokio::test]
async fn a_line_tells_all_of_a_request() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    let answer = proxy
        .request(
            "POST /a/b?c=d HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: test \"x\"\r\n\
             Referer: http://r.example/\r\nAuthorization: Bearer hidden\r\nCookie: also=hidden\r\n\
             x-script: size 1000\r\ncontent-length: 5\r\n\r\nhello",
        )
        .await;
    let line = proxy.access_line(|line| line["method"] == "POST").await;
    assert_eq!(line["request_id"].as_str(), answer.field("x-request-id"));
    for (name, value) in [
        ("client", "127.0.0.1"),
        ("listener", "web"),
        ("scheme", "http"),
        ("host", "shop.example"),
        ("path", "/a/b?c=d"),
        ("protocol", "HTTP/1.1"),
        ("route", "everything"),
        ("upstream", "app"),
        ("user_agent", "test \"x\""),
        ("referer", "http://r.example/"),
    ] {
        assert_eq!(line[name], value, "{line}");
    }
    assert_eq!(line["endpoint"], origin.address().to_string(), "{line}");
    assert_eq!(line["status"], 200, "{line}");
    assert!(line["bytes_out"].as_u64().is_some_and(|bytes| bytes >= 1000), "{line}");
    assert!(line["bytes_in"].as_u64().is_some_and(|bytes| bytes >= 5), "{line}");
    assert!(line["duration_ms"].as_f64().is_some(), "{line}");
    let time = line["time"].as_str().unwrap();
    assert!(time.ends_with('Z') && time.contains('T') && time.contains('.'), "{time}");
    assert!(!line.to_string().contains("hidden"), "{line}");
}

#[tokio::test]
async fn a_refusal_is_logged_once_with_its_reason() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    let refused = proxy.request("GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").await;
    let id = refused.field("x-request-id").unwrap().to_owned();
    let line = proxy.access_line(|line| line["request_id"] == id.as_str()).await;
    assert_eq!(
        (line["status"].as_u64(), line["reason"].as_str()),
        (Some(400), Some("sanity.host_repeated"))
    );
    // A later line shows that there is no second one for the first.
    proxy.get("/later").await;
    proxy.access_line_of("/later").await;
    let lines = proxy.access.all().iter().filter(|line| line.contains(&id)).count();
    assert_eq!(lines, 1, "{:?}", proxy.access.all());
    let errors = proxy.log.all().iter().filter(|line| line.contains(&id)).count();
    assert_eq!(errors, 0, "{}", proxy.log.text());
}

#[tokio::test]
async fn refusals_of_the_wire_are_logged_too() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    proxy.request("GET /x HTTP/1.1\nHost: a\n\n").await;
    let line = proxy.access_line(|line| line["reason"] == "sanity.line_ending").await;
    assert_eq!(line["status"], 400, "{line}");
    assert_eq!(line["client"], "127.0.0.1", "{line}");
}

#[tokio::test]
async fn failures_of_an_upstream_are_logged_with_reason_and_endpoint() {
    let away = std::net::SocketAddr::from(([127, 0, 0, 1], ports::free()));
    let proxy = Proxy::before(away).await;
    assert_eq!(proxy.get("/away").await.status, 502);
    let line = proxy.access_line_of("/away").await;
    assert_eq!(
        (line["status"].as_u64(), line["reason"].as_str()),
        (Some(502), Some("upstream.connect_refused"))
    );
    assert_eq!(line["endpoint"], away.to_string(), "{line}");
}

#[tokio::test]
async fn http2_requests_are_logged_as_such() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    Http2::open(proxy.web()).await.get("/two").await;
    let line = proxy.access_line_of("/two").await;
    assert!(line["protocol"].as_str().is_some_and(|name| name.starts_with("HTTP/2")), "{line}");
    assert_eq!(line["host"], "test.example");
}

#[tokio::test]
async fn a_client_that_leaves_is_logged_with_499() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    let mut connection = proxy.connect().await;
    connection.send("GET /gone HTTP/1.1\r\nHost: a\r\nx-script: events 1000 20\r\n\r\n").await;
    connection.try_head().await.unwrap();
    drop(connection);
    let line = proxy.access_line_of("/gone").await;
    assert_eq!(line["reason"], "client.gone", "{line}");
    let mut connection = proxy.connect().await;
    connection.send("GET /before HTTP/1.1\r\nHost: a\r\nx-script: hold\r\n\r\n").await;
    eventually("the origin has it", async || (origin.seen().len() == 2).then_some(())).await;
    drop(connection);
    let line = proxy.access_line_of("/before").await;
    assert_eq!((&line["reason"], line["status"].as_u64()), (&"client.gone".into(), Some(499)));
}

#[tokio::test]
async fn a_hostile_request_cannot_forge_lines() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    let mut request =
        b"GET /forged HTTP/1.1\r\nHost: a\r\nUser-Agent: \"}{\"status\":1\\ \xff\xfe\t".to_vec();
    request.extend_from_slice(b"\r\n\r\n");
    assert_eq!(proxy.request(&request).await.status, 200);
    let line = proxy.access_line_of("/forged").await;
    assert_eq!(line["status"], 200);
    assert!(line["user_agent"].as_str().unwrap().starts_with("\"}{"), "{line}");
}

#[tokio::test]
async fn the_log_may_be_text_in_a_file_or_off() {
    let origin = Origin::start().await;
    let text = format!("{SIMPLE}\naccess_log: {{ format: text, file: \"@dir@/access.log\" }}\n");
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    proxy.get("/in-a-file").await;
    let path = proxy.folder().path().join("access.log");
    let line = eventually("a line in the file", async || {
        let text = std::fs::read_to_string(&path).ok()?;
        text.lines().find(|line| line.contains("/in-a-file")).map(str::to_owned)
    })
    .await;
    assert!(line.contains("200") && line.contains("127.0.0.1") && !line.starts_with('{'), "{line}");
    assert!(proxy.access.all().is_empty());

    let text = format!("{SIMPLE}\naccess_log: {{ format: off }}\n");
    let mut proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    proxy.get("/nowhere").await;
    proxy.terminate().await;
    assert!(proxy.access.all().is_empty(), "{}", proxy.access.text());
}

#[tokio::test]
async fn the_log_file_is_opened_again_on_sighup_and_sigusr1() {
    let origin = Origin::start().await;
    let text = format!("{SIMPLE}\naccess_log: {{ file: \"@dir@/access.log\" }}\n");
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    let path = proxy.folder().path().join("access.log");
    let has = async |mark: &str| {
        eventually("a line in the file", async || {
            std::fs::read_to_string(&path).ok()?.contains(mark).then_some(())
        })
        .await;
    };
    proxy.get("/first").await;
    has("/first").await;
    std::fs::rename(&path, path.with_extension("1")).unwrap();
    proxy.signal(rustix::process::Signal::HUP);
    eventually("the file is there again", async || path.exists().then_some(())).await;
    proxy.get("/second").await;
    has("/second").await;
    assert!(!std::fs::read_to_string(&path).unwrap().contains("/first"));
    std::fs::rename(&path, path.with_extension("2")).unwrap();
    proxy.signal(rustix::process::Signal::USR1);
    eventually("the file is there once more", async || path.exists().then_some(())).await;
    proxy.get("/third").await;
    has("/third").await;
}
