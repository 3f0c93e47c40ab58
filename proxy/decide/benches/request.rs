//! What the checkpoints cost a plain GET.
#![expect(clippy::unwrap_used, reason = "a benchmark may stop at once")]

use std::hint::black_box;
use std::io;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use marchproxy_conf::model::AccessLogFormat;
use marchproxy_decide::exchange::{Connection, Exchange, Moment, Start};
use marchproxy_decide::request::{RequestHead, forward, record, respond, route, sanity};
use marchproxy_decide::snapshot::{Snapshot, compile};
use marchproxy_decide::wire::head::{HeadLimits, inspect};
use serde_json::json;

const WIRE: &[u8] = b"GET /orders/17?full=1 HTTP/1.1\r\nHost: shop.example.com\r\n\
    User-Agent: curl/8.5.0\r\nAccept: */*\r\nAccept-Encoding: gzip, br\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef\r\nReferer: https://shop.example.com/\r\n\r\n";

fn snapshot() -> Snapshot {
    let config = serde_json::from_value(json!({
        "listeners": [{ "name": "web", "address": "127.0.0.1:8080" }],
        "upstreams": [{ "name": "app", "endpoints": ["127.0.0.1:3000"] }],
        "routes": [
            { "name": "all", "upstream": "app" },
            { "name": "orders", "upstream": "app",
              "match": { "host": "shop.example.com", "path": "/orders/{id}" } },
        ],
    }))
    .unwrap();
    compile(&config, 1, "", &mut |_| Err(io::Error::from(io::ErrorKind::NotFound))).unwrap()
}

fn fields() -> HeaderMap {
    let fields = [
        ("host", "shop.example.com"),
        ("user-agent", "curl/8.5.0"),
        ("accept", "*/*"),
        ("accept-encoding", "gzip, br"),
        ("cookie", "session=0123456789abcdef0123456789abcdef"),
        ("referer", "https://shop.example.com/"),
    ];
    fields
        .into_iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect()
}

fn start(connection: &Arc<Connection>) -> Start {
    Start {
        connection: Arc::clone(connection),
        listener: 0,
        moment: Moment::from_nanos(1_000),
        unix_millis: 1_795_493_106_789,
        random: [1, 2, 3, 4],
    }
}

fn decide(snapshot: &Snapshot, head: &RequestHead<'_>, connection: &Arc<Connection>) -> Exchange {
    let mut exchange = Exchange::new(start(connection));
    black_box(sanity::check(snapshot, head, &mut exchange));
    black_box(route::check(snapshot, head, &mut exchange));
    black_box(route::act(snapshot, head, &mut exchange));
    exchange
}

fn request(bench: &mut Criterion) {
    let snapshot = snapshot();
    let fields = fields();
    let connection = Arc::new(Connection::new(
        "203.0.113.9:40000".parse().unwrap(),
        "192.0.2.1:8080".parse().unwrap(),
        Arc::from("web"),
        None,
    ));
    let head = RequestHead {
        method: &Method::GET,
        target: b"/orders/17?full=1",
        authority: None,
        version: Version::HTTP_11,
        headers: &fields,
    };
    let limits = HeadLimits { head_size: 32_768, target_size: 8_192, fields: 100 };
    bench.bench_function("wire head", |bench| {
        bench.iter(|| black_box(inspect(black_box(WIRE), &limits)));
    });
    bench.bench_function("exchange", |bench| {
        bench.iter(|| black_box(Exchange::new(start(&connection))));
    });
    bench.bench_function("sanity and route", |bench| {
        bench.iter(|| black_box(decide(&snapshot, black_box(&head), &connection)));
    });
    bench.bench_function("sanity, route, target and forward", |bench| {
        bench.iter_batched_ref(
            || fields.clone(),
            |to| {
                let mut exchange = decide(&snapshot, black_box(&head), &connection);
                black_box(forward::target(&snapshot, &exchange));
                forward::prepare(&snapshot, &head, &mut exchange, to);
            },
            BatchSize::SmallInput,
        );
    });
    let mut exchange = decide(&snapshot, &head, &connection);
    respond_and_record(bench, &snapshot, &mut exchange, &fields);
}

fn respond_and_record(
    bench: &mut Criterion,
    snapshot: &Snapshot,
    exchange: &mut Exchange,
    fields: &HeaderMap,
) {
    let mut answer = HeaderMap::new();
    for (name, value) in
        [("content-length", "1024"), ("content-type", "text/plain"), ("server", "nginx")]
    {
        answer.insert(name, HeaderValue::from_static(value));
    }
    bench.bench_function("respond", |bench| {
        bench.iter_batched_ref(
            || answer.clone(),
            |to| {
                black_box(respond::check(exchange, StatusCode::OK, Version::HTTP_11, to));
                respond::prepare(snapshot, exchange, Version::HTTP_11, to);
            },
            BatchSize::SmallInput,
        );
    });
    exchange.status = 200;
    exchange.endpoint = Some("127.0.0.1:3000".into());
    exchange.marks.head = Some(Moment::from_nanos(20_000));
    exchange.marks.connecting = Some(Moment::from_nanos(21_000));
    exchange.marks.connected = Some(Moment::from_nanos(22_000));
    exchange.marks.first_byte = Some(Moment::from_nanos(400_000));
    exchange.marks.end = Some(Moment::from_nanos(500_000));
    let mut line = Vec::with_capacity(4096);
    for format in [AccessLogFormat::Json, AccessLogFormat::Text] {
        bench.bench_function(&format!("access log line, {format:?}"), |bench| {
            bench.iter(|| {
                line.clear();
                record::write(format, snapshot, exchange, Some(fields), &mut line);
                black_box(line.len())
            });
        });
    }
}

criterion_group!(benches, request);
criterion_main!(benches);
