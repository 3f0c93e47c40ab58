//! Lookup among 10,000 routes on 1,000 hosts, and the compilation of as many.
#![expect(clippy::unwrap_used, reason = "a benchmark may stop at once")]

use std::hint::black_box;
use std::io;

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, Method};
use marchproxy_conf::model::Config;
use marchproxy_decide::router::Query;
use marchproxy_decide::snapshot::{Snapshot, compile};
use serde_json::{Value, json};

const PATHS: [&str; 10] = [
    "/",
    "/orders",
    "/orders/{id}",
    "/orders/{id}/lines/{line}",
    "=/health",
    "/static/{rest...}",
    "/api/v1/users",
    "/api/v1/users/{id}",
    "/api/v2/users/{id}/roles",
    "/{tenant}/settings",
];

fn config() -> Config {
    let route = |number: usize| -> Value {
        let (host, path) = (number / 10, PATHS.get(number % 10).unwrap());
        json!({
            "name": format!("r{number}"), "upstream": "app",
            "match": { "host": format!("host{host}.example.com"), "path": path },
        })
    };
    serde_json::from_value(json!({
        "listeners": [{ "name": "web", "address": "127.0.0.1:8080" }],
        "upstreams": [{ "name": "app", "endpoints": ["127.0.0.1:3000"] }],
        "routes": (0..10_000).map(route).collect::<Vec<_>>(),
    }))
    .unwrap()
}

fn compiled(config: &Config) -> Snapshot {
    compile(config, 1, "", &mut |_| Err(io::Error::from(io::ErrorKind::NotFound))).unwrap()
}

fn router(bench: &mut Criterion) {
    let config = config();
    let snapshot = compiled(&config);
    let headers = HeaderMap::new();
    let hosts: Vec<String> =
        (0..1000).map(|number| format!("host{}.example.com", number * 7 % 1000)).collect();
    let cases = [
        ("literal", "/api/v1/users"),
        ("template", "/api/v2/users/17/roles"),
        ("deep template", "/orders/17/lines/3"),
        ("rest", "/static/js/app/main.js"),
        ("backtracking", "/api/settings"),
        ("fallback", "/some/where/else"),
    ];
    for (name, path) in cases {
        let mut next = hosts.iter().cycle();
        bench.bench_function(&format!("10,000 routes, {name}"), |bench| {
            bench.iter(|| {
                let host = next.next().unwrap();
                let query =
                    Query { host, path, query: None, method: &Method::GET, headers: &headers };
                black_box(snapshot.routers.find(0, black_box(&query)))
            });
        });
    }
    bench.bench_function("compile 10,000 routes", |bench| {
        bench.iter(|| black_box(compiled(black_box(&config))));
    });
}

criterion_group!(benches, router);
criterion_main!(benches);
