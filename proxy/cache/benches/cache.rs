//! What the cache costs a request: one that is answered from it, one that it stores, and one that it
//! has nothing to do with.
#![expect(clippy::unwrap_used, reason = "a benchmark may stop at once")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use marchproxy_cache::{Answered, Asked, Cache, Hit, Key, Limits, Look, Now, Policy};

const NOW: Now = Now { unix: 1_730_882_977, nanos: 1_000_000_000 };

fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let field = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    fields.iter().map(field).collect()
}

fn request() -> HeaderMap {
    headers(&[
        ("host", "shop.example.com"),
        ("user-agent", "curl/8.5.0"),
        ("accept", "*/*"),
        ("accept-encoding", "gzip, br"),
        ("cookie", "session=0123456789abcdef0123456789abcdef"),
        ("referer", "https://shop.example.com/"),
    ])
}

fn answer() -> HeaderMap {
    headers(&[
        ("date", "Wed, 06 Nov 2024 08:49:37 GMT"),
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "public, max-age=3600"),
        ("etag", "\"0123456789abcdef\""),
        ("last-modified", "Wed, 06 Nov 2024 08:00:00 GMT"),
        ("vary", "accept-encoding"),
        ("server", "nginx"),
    ])
}

struct World {
    cache: Cache,
    space: Arc<str>,
    policy: Arc<Policy>,
    request: HeaderMap,
    answer: HeaderMap,
}

impl World {
    fn new() -> Self {
        Self {
            cache: Cache::new(Limits { bytes: 64 << 20, variants: 8 }),
            space: Arc::from("orders"),
            policy: Arc::new(Policy::default()),
            request: request(),
            answer: answer(),
        }
    }

    fn look(&self, method: &Method, path: &str) -> Look {
        let key = Arc::new(Key::new("https", "shop.example.com", path, Some("full=1")).unwrap());
        let asked = Asked {
            key: &key,
            space: &self.space,
            method,
            headers: &self.request,
            has_body: false,
            policy: &self.policy,
            now: NOW,
        };
        self.cache.look(&asked, true)
    }

    fn hit(&self, path: &str) -> (Hit, HeaderMap) {
        match self.look(&Method::GET, path) {
            Look::Hit(hit, None) => {
                let fields = hit.fields();
                (hit, fields)
            }
            other => panic!("it is not stored: {other:?}"),
        }
    }

    fn store(&self, path: &str, body: &[u8]) {
        let Look::Fetch(fetch) = self.look(&Method::GET, path) else { return };
        if let Answered::Store(mut filling) = fetch.answered(StatusCode::OK, &self.answer, NOW) {
            filling.add(body);
            filling.complete().unwrap();
        }
    }
}

fn bench(criterion: &mut Criterion) {
    let world = World::new();
    let body = [b'x'; 2048];
    for number in 0..10_000 {
        world.store(&format!("/orders/{number}"), &body);
    }
    criterion.bench_function("cache: hit", |bencher| {
        bencher.iter(|| black_box(world.hit(black_box("/orders/17"))));
    });
    criterion.bench_function("cache: nothing to do", |bencher| {
        bencher.iter(|| black_box(world.look(&Method::POST, black_box("/orders/17"))));
    });
    let mut number = 10_000;
    criterion.bench_function("cache: store 2 KiB, full", |bencher| {
        bencher.iter(|| {
            number += 1;
            world.store(&format!("/orders/{number}"), &body);
        });
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
