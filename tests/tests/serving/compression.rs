//! Answers that are compressed, and what is not. curl is the judge of what comes.

use std::time::{Duration, Instant};

use marchproxy_tests::client::curl::{CurlLines, curl, try_curl};
use marchproxy_tests::client::{Connection, Http2};
use marchproxy_tests::origin::{Behaviour, RawOrigin};
use marchproxy_tests::proxy::{SIMPLE, Setup};
use marchproxy_tests::{Origin, Proxy, eventually};

const CODINGS: [&str; 3] = ["gzip", "br", "zstd"];

/// What one answer that is being coded takes, in KiB.
const MOST_MEMORY: [(&str, &str, u64); 5] = [
    ("gzip", "balanced", 1024),
    ("br", "balanced", 8192),
    ("br", "small", 8192),
    ("zstd", "balanced", 3072),
    ("zstd", "small", 5120),
];

/// A proxy whose route has these keys.
async fn before(origin: &Origin, keys: &str) -> Proxy {
    let text = SIMPLE.replace("upstream: app", &format!("upstream: app, {keys}"));
    Setup::new().set("origin", origin.address()).start(&text).await
}

/// Whatever the scripted origin sends is compressed.
const ALL: &str = "compress: { types: [\"application/*\", \"text/*\"] }";

async fn start() -> (Origin, Proxy) {
    let origin = Origin::start().await;
    let proxy = before(&origin, ALL).await;
    (origin, proxy)
}

fn url(proxy: &Proxy, path: &str) -> String {
    format!("http://{}{path}", proxy.web())
}

fn taking(coding: &str) -> String {
    format!("accept-encoding: {coding}")
}

/// A GET on HTTP/1.1 with these fields, not decompressed.
async fn get(proxy: &Proxy, fields: &[&str]) -> marchproxy_tests::client::Answer {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    proxy.request(format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n")).await
}

#[tokio::test]
async fn every_coding_comes_out_whole_at_another_implementation() {
    let (_origin, proxy) = start().await;
    let url = url(&proxy, "/");
    let text: String = (0..6000_u32).map(|number| format!("{number:x} ")).collect();
    for coding in CODINGS {
        for version in ["--http1.1", "--http2-prior-knowledge"] {
            let field = taking(coding);
            for script in ["size 3000", "size 3000000", "size 200000;chunked"] {
                let script = format!("x-script: {script}");
                let answer = curl(&[version, "-H", &field, "-H", &script, &url]).await;
                assert_eq!(answer.field("content-encoding"), Some(coding), "{version} {script}");
                assert_eq!(answer.field("content-length"), None);
                let size: usize = script.split([' ', ';']).nth(2).unwrap().parse().unwrap();
                assert!(answer.body.len() == size && answer.body.iter().all(|byte| *byte == b'x'));
            }
            let answer = curl(&[version, "-H", &field, "-d", &text, &url]).await;
            assert_eq!(answer.field("content-encoding"), Some(coding));
            assert_eq!(answer.seen().body, text, "{coding} {version}");
        }
    }
}

#[tokio::test]
async fn every_event_arrives_as_soon_as_it_is_sent() {
    let (_origin, proxy) = start().await;
    let url = url(&proxy, "/");
    for coding in CODINGS {
        for version in ["--http1.1", "--http2-prior-knowledge"] {
            let field = taking(coding);
            let script = "x-script: events 3 400";
            let mut lines = CurlLines::start(&[version, "-H", &field, "-H", script, &url]);
            assert_eq!(lines.next().await.as_deref(), Some("id: 0"), "{coding} {version}");
            let first = Instant::now();
            assert_eq!(lines.next().await.as_deref(), Some("data: event 0"));
            assert!(first.elapsed() < Duration::from_millis(300), "it waited for the next one");
            for number in 1..3 {
                assert_eq!(lines.next().await, Some(format!("id: {number}")));
                assert_eq!(lines.next().await, Some(format!("data: event {number}")));
            }
            assert!(first.elapsed() > Duration::from_millis(600), "they came at once");
            assert_eq!(lines.next().await, None);
        }
    }
}

#[tokio::test]
async fn the_client_chooses_and_the_first_of_what_it_likes_equally_is_used() {
    let origin = Origin::start().await;
    let keys = "compress: { codings: [br, gzip], types: [\"application/*\"] }";
    let proxy = before(&origin, keys).await;
    for (accepted, used) in [
        ("gzip, deflate, br, zstd", Some("br")),
        ("br;q=0.5, gzip", Some("gzip")),
        ("zstd", None),
        ("identity, gzip;q=0", None),
        ("*", Some("br")),
    ] {
        let answer = get(&proxy, &["x-script: size 2000", &taking(accepted)]).await;
        assert_eq!(answer.field("content-encoding"), used, "{accepted}");
        assert_eq!(answer.field("vary"), Some("accept-encoding"));
    }
    assert_eq!(get(&proxy, &["x-script: size 2000"]).await.body, vec![b'x'; 2000]);
}

#[tokio::test]
async fn what_is_short_or_of_another_type_stays_as_it_is() {
    let origin = Origin::start().await;
    let keys = "compress: { least: 2KiB, types: [application/octet-stream] }";
    let proxy = before(&origin, keys).await;
    for (script, used) in [("size 2047", None), ("size 2048", Some("gzip")), ("delay 0", None)] {
        let answer = get(&proxy, &[&format!("x-script: {script}"), "accept-encoding: gzip"]).await;
        assert_eq!(answer.field("content-encoding"), used, "{script}");
        assert_eq!(answer.field("content-length").is_some(), used.is_none());
    }
}

#[tokio::test]
async fn a_head_is_that_of_the_coded_answer_and_a_part_is_left_alone() {
    let (_origin, proxy) = start().await;
    let request = |method: &str, script: &str| {
        format!(
            "{method} / HTTP/1.1\r\nhost: a\r\nx-script: {script}\r\naccept-encoding: gzip\r\n\
             x-reply-etag: \"x\"\r\nx-reply-accept-ranges: bytes\r\n\r\n"
        )
    };
    let mut connection = proxy.connect().await;
    connection.send(request("HEAD", "size 5000")).await;
    let head = connection.try_answer_to("HEAD").await.unwrap();
    connection.send(request("GET", "size 5000")).await;
    let answer = connection.answer().await;
    for name in ["content-encoding", "etag", "vary", "accept-ranges", "content-length"] {
        assert_eq!(head.field(name), answer.field(name), "{name}");
    }
    assert_eq!((answer.field("etag"), answer.field("accept-ranges")), (Some("W/\"x\""), None));
    for script in ["status 206;size 5000", "status 204", "size 0"] {
        connection.send(request("GET", script)).await;
        let answer = connection.answer().await;
        assert_eq!(answer.field("content-encoding"), None, "{script}");
        assert_eq!(answer.field("etag"), Some("\"x\""), "{script}");
    }
}

#[tokio::test]
async fn what_the_origin_has_coded_or_forbids_to_change_is_left_alone() {
    let (_origin, proxy) = start().await;
    for field in ["x-reply-content-encoding: gzip", "x-reply-cache-control: no-transform"] {
        let fields = ["x-script: size 5000", "accept-encoding: br", field, "x-reply-etag: \"x\""];
        let answer = get(&proxy, &fields).await;
        assert_eq!(answer.body, vec![b'x'; 5000], "{field}");
        assert_eq!(answer.field("etag"), Some("\"x\""));
    }
}

#[tokio::test]
async fn what_may_hold_secrets_is_coded_only_where_that_is_allowed() {
    let origin = Origin::start().await;
    let (guarded, allowing) = (
        before(&origin, ALL).await,
        before(&origin, &ALL.replace("{", "{ authenticated: allow,")).await,
    );
    for field in [
        "cookie: session=1",
        "authorization: Basic eDp5",
        "x-reply-set-cookie: session=1",
        "x-reply-cache-control: private",
    ] {
        let fields = ["x-script: size 5000", "accept-encoding: gzip", field];
        let coded = |answer: marchproxy_tests::client::Answer| {
            answer.field("content-encoding") == Some("gzip")
        };
        assert!(!coded(get(&guarded, &fields).await), "{field}");
        assert!(coded(get(&allowing, &fields).await), "{field}");
    }
    let public = [
        "x-script: size 5000",
        "accept-encoding: gzip",
        "cookie: a=1",
        "x-reply-cache-control: public, max-age=60",
    ];
    assert_eq!(get(&guarded, &public).await.field("content-encoding"), Some("gzip"));
}

#[tokio::test]
async fn a_level_trades_time_for_size() {
    let origin = Origin::start().await;
    let text: String =
        (0..9000_u64).map(|number| format!("{} ", number * 2_654_435_761 % 5000)).collect();
    for coding in CODINGS {
        let mut sizes = Vec::new();
        for level in ["fast", "balanced", "small"] {
            let proxy = before(&origin, &ALL.replace("{", &format!("{{ level: {level},"))).await;
            let request = format!(
                "POST / HTTP/1.1\r\nhost: a\r\n{}\r\ncontent-length: {}\r\n\r\n{text}",
                taking(coding),
                text.len()
            );
            sizes.push(proxy.request(request).await.body.len());
        }
        let others = &sizes[1..];
        assert!(others.iter().all(|size| *size < sizes[0]), "{coding}: {sizes:?}");
        assert_ne!(sizes[1], sizes[2], "{coding}");
    }
}

#[tokio::test]
async fn answers_of_the_proxy_itself_are_coded_as_well() {
    let body = "sorry ".repeat(300);
    let text = format!(
        "listeners: [{{ name: web, address: \"127.0.0.1:@web-port@\" }}]\n\
         routes:\n- {{ name: all, respond: {{ status: 200, body: \"{body}\" }}, compress: {{}} }}\n"
    );
    let proxy = Proxy::start(&text).await;
    for coding in CODINGS {
        let answer = curl(&["-H", &taking(coding), &url(&proxy, "/")]).await;
        assert_eq!(answer.field("content-encoding"), Some(coding));
        assert_eq!(answer.text(), body);
    }
}

#[tokio::test]
async fn an_answer_to_http_1_0_ends_with_the_connection() {
    let (_origin, proxy) = start().await;
    let request =
        "GET / HTTP/1.0\r\nhost: a\r\nx-script: size 5000\r\naccept-encoding: gzip\r\n\r\n";
    let answer = proxy.request(request).await;
    assert_eq!(answer.field("content-encoding"), Some("gzip"));
    assert!(answer.body.len() < 200);
    let url = url(&proxy, "/");
    let fields = ["-H", &taking("gzip"), "-H", "x-script: size 5000"];
    let answer = curl(&[&["--http1.0"], &fields[..], &[&url]].concat()).await;
    assert_eq!(answer.body.len(), 5000);
}

#[tokio::test]
async fn an_answer_that_is_broken_off_is_not_made_to_look_whole() {
    let part =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 9000\r\n\r\nfirst".to_vec();
    let origin = RawOrigin::start(Behaviour::Answer(part)).await;
    let text = SIMPLE.replace("upstream: app", "upstream: app, compress: {}");
    let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
    for coding in CODINGS {
        for version in ["--http1.1", "--http2-prior-knowledge"] {
            let got = try_curl(&[version, "-H", &taking(coding), &url(&proxy, "/")]).await;
            assert!(got.is_err(), "{coding} {version}: {got:?}");
        }
    }
}

#[tokio::test]
async fn trailers_follow_what_is_coded() {
    let (_origin, proxy) = start().await;
    let mut client = Http2::open(proxy.web()).await;
    let mut request = client.request("GET", "/");
    for (name, value) in
        [("x-script", "trailers;size 9000"), ("te", "trailers"), ("accept-encoding", "zstd")]
    {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let answer = client.send(request, None, None).await.unwrap();
    assert_eq!(answer.field("content-encoding"), Some("zstd"));
    assert_eq!(answer.trailer("x-checksum"), Some("1"));
}

#[tokio::test]
async fn what_was_sent_is_counted_before_and_after() {
    let (_origin, proxy) = start().await;
    let fields = ["x-script: size 100000", "accept-encoding: br"];
    let answer = get(&proxy, &fields).await;
    let sent = answer.body.len() as f64;
    let labels = [("work", "encode"), ("coding", "br")];
    let side = |side| [labels[0], labels[1], ("side", side)];
    let name = "marchproxy_recoded_bytes_total";
    eventually("it is counted", async || {
        let count = proxy.metric("marchproxy_recoded_bodies_total", &labels).await?;
        (count == 1.0).then_some(())
    })
    .await;
    assert_eq!(proxy.metric(name, &side("in")).await, Some(100_000.0));
    assert_eq!(proxy.metric(name, &side("out")).await, Some(sent));
    let line = proxy.access_line_of("/").await;
    assert_eq!(line["bytes_out"].as_f64(), Some(sent), "{line}");
}

/// Holds the bounds that docs/compression.md states.
#[tokio::test]
async fn a_stream_that_is_being_coded_takes_no_more_memory_than_is_stated() {
    const STREAMS: usize = 10;
    let mut seed = 1_u64;
    let words = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        format!("{:x} ", seed >> 44)
    });
    let text: String = words.take(200_000).collect();
    // The end never comes.
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 9999999\r\n\r\n";
    let answer = [head, &text].concat().into_bytes();
    let origin = RawOrigin::start(Behaviour::AnswerAndStay(answer)).await;
    for (coding, level, most_kib) in MOST_MEMORY {
        let keys = format!("upstream: app, compress: {{ level: {level} }}");
        let text = SIMPLE.replace("upstream: app", &keys);
        let proxy = Setup::new().set("origin", origin.address()).start(&text).await;
        let mut held: Vec<Connection> = Vec::new();
        let mut before = 0;
        for stream in 0..=STREAMS {
            let mut connection = proxy.connect().await;
            let request = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n\r\n", taking(coding));
            connection.send(request).await;
            connection.try_head().await.unwrap();
            while !connection.silent_for(Duration::from_millis(40)).await {
                connection.piece(1 << 20).await.unwrap();
            }
            held.push(connection);
            if stream == 0 {
                before = proxy.memory();
            }
        }
        let each = proxy.memory().saturating_sub(before) / STREAMS as u64;
        println!("{coding} {level}: {each} KiB");
        assert!(each <= most_kib, "{coding} {level}: {each} KiB");
    }
}
