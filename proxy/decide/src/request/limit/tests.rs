use serde_json::{Value, json};

use super::*;
use crate::answer;
use crate::request::{route, sanity};
use crate::testing::{Asked, config_of_routes, exchange, try_compile};

/// Requests on routes with policies, and the time.
struct Bench {
    snapshot: Snapshot,
    limiter: Limiter,
    seconds: u64,
}

impl Bench {
    /// The policies `a` and `b`, and routes that name some of them.
    fn new(policies: Value, routes: Value) -> Self {
        let mut config = config_of_routes(routes);
        config.policies = serde_json::from_value(policies).unwrap();
        let snapshot = try_compile(&config).unwrap();
        Self { snapshot, limiter: Limiter::new(1000, &[1; 16]), seconds: 100 }
    }

    fn ask(&self, path: &str, client: &str, fields: &[(&str, &str)]) -> (Verdict, Exchange) {
        let mut exchange = exchange();
        let fields = [&[("host", "a")][..], fields].concat();
        let asked = Asked::new("GET", path, &fields);
        assert!(matches!(
            sanity::check(&self.snapshot, &asked.head(), &mut exchange),
            Verdict::Pass
        ));
        assert!(matches!(
            route::check(&self.snapshot, &asked.head(), &mut exchange),
            Verdict::Pass
        ));
        exchange.client = client.parse().unwrap();
        let now = Moment::from_nanos(self.seconds * 1_000_000_000);
        let verdict = check(&self.snapshot, &self.limiter, &asked.head(), &mut exchange, now);
        (verdict, exchange)
    }

    fn passes(&self, path: &str, client: &str, fields: &[(&str, &str)]) -> bool {
        match self.ask(path, client, fields).0 {
            Verdict::Pass => true,
            Verdict::Refuse(Reason::LimitRate) => false,
            other => panic!("{other:?}"),
        }
    }

    fn told(&self, exchange: &Exchange) -> Vec<String> {
        let mut headers = HeaderMap::new();
        tell(&self.snapshot, exchange, &mut headers);
        let names = ["ratelimit-policy", "ratelimit", "retry-after"];
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        names.into_iter().filter_map(text).collect()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "tests write the value in place")]
fn one(limit: Value) -> Bench {
    let routes = json!([
        { "name": "x", "match": { "path": "/x" }, "upstream": "app", "policies": ["a"] },
        { "name": "y", "match": { "path": "/y" }, "upstream": "app", "policies": ["a"] },
        { "name": "free", "upstream": "app" },
    ]);
    Bench::new(json!([{ "name": "a", "limit": limit }]), routes)
}

const ME: &str = "192.0.2.1";

#[test]
fn so_many_pass_at_once_and_then_as_they_come_back() {
    let mut bench = one(json!({ "rate": "6/m", "burst": 2 }));
    let passed: Vec<bool> = (0..4).map(|_| bench.passes("/x", ME, &[])).collect();
    assert_eq!(passed, [true, true, false, false]);
    bench.seconds += 10;
    assert!(bench.passes("/x", ME, &[]));
    assert!(!bench.passes("/x", ME, &[]));
    assert!((0..20).all(|_| bench.passes("/free", ME, &[])), "a route without limits has none");
}

#[test]
fn clients_count_apart_and_by_their_network() {
    let bench = one(json!({ "rate": "1/h" }));
    assert!(bench.passes("/x", ME, &[]));
    assert!(!bench.passes("/y", ME, &[]), "on all routes of the policy together");
    assert!(!bench.passes("/x", "::ffff:192.0.2.1", &[]));
    assert!(bench.passes("/x", "192.0.2.2", &[]));
    assert!(bench.passes("/x", "2001:db8::1", &[]));
    assert!(!bench.passes("/x", "2001:db8::2", &[]), "of the same /64");
    assert!(bench.passes("/x", "2001:db8:0:1::1", &[]));
    let wide = one(json!({ "rate": "1/h", "ipv4": 24, "ipv6": 32 }));
    assert!(wide.passes("/x", ME, &[]));
    assert!(!wide.passes("/x", "192.0.2.2", &[]));
}

#[test]
fn the_key_may_be_anything_or_nothing() {
    let bench = one(json!({ "rate": "1/h", "key": ["route", "header"], "header": "X-Tenant" }));
    assert!(bench.passes("/x", ME, &[("x-tenant", "a")]));
    assert!(!bench.passes("/x", "192.0.2.2", &[("x-tenant", "a")]));
    assert!(bench.passes("/x", ME, &[("x-tenant", "b")]));
    assert!(bench.passes("/y", ME, &[("x-tenant", "a")]));
    assert!(bench.passes("/x", ME, &[]), "those without it count together");
    assert!(!bench.passes("/x", ME, &[]));
    let bench = one(json!({ "rate": "1/h", "key": [] }));
    assert!(bench.passes("/x", ME, &[]));
    assert!(!bench.passes("/y", "2001:db8::1", &[]));
}

#[test]
fn of_several_limits_the_strictest_answers_and_a_refusal_costs_nothing() {
    let policies = json!([
        { "name": "a", "limit": { "rate": "10/m" } },
        { "name": "b", "limit": { "rate": "2/h", "key": ["route"] } },
    ]);
    let routes = json!([
        { "name": "both", "match": { "path": "/both" }, "upstream": "app", "policies": ["a", "b"] },
        { "name": "one", "upstream": "app", "policies": ["a"] },
    ]);
    let bench = Bench::new(policies, routes);
    let (verdict, exchange) = bench.ask("/both", ME, &[]);
    assert!(matches!(verdict, Verdict::Pass));
    let policy = "\"a\";q=10;w=60, \"b\";q=2;w=3600";
    assert_eq!(bench.told(&exchange), [policy, "\"b\";r=1;t=1800"]);
    assert!(bench.passes("/both", ME, &[]));
    for _ in 0..20 {
        let (verdict, exchange) = bench.ask("/both", ME, &[]);
        assert!(matches!(verdict, Verdict::Refuse(Reason::LimitRate)));
        assert_eq!(exchange.policy, Some(1));
        assert_eq!(bench.told(&exchange), [policy, "\"b\";r=0;t=1800", "1800"]);
    }
    assert_eq!((0..20).filter(|_| bench.passes("/", ME, &[])).count(), 8);
}

#[test]
fn a_refusal_tells_when_to_come_again_and_answers_of_the_proxy_tell_the_limits_too() {
    let routes = json!([{ "name": "r", "respond": { "status": 204 }, "policies": ["a"] }]);
    let bench = Bench::new(json!([{ "name": "a", "limit": { "rate": "1/m" } }]), routes);
    let asked = Asked::new("GET", "/", &[("host", "a")]);
    let (_, mut exchange) = bench.ask("/", ME, &[]);
    let Verdict::Answer(answer) = route::act(&bench.snapshot, &asked.head(), &mut exchange) else {
        panic!("it is answered");
    };
    assert_eq!(answer.headers["ratelimit"], "\"a\";r=0;t=60");
    let (_, exchange) = bench.ask("/", ME, &[]);
    let refused = answer::refusal(&bench.snapshot, &exchange, Reason::LimitRate);
    assert_eq!(refused.status, 429);
    assert_eq!(refused.headers["retry-after"], "60");
    assert_eq!(refused.headers["ratelimit-policy"], "\"a\";q=1;w=60");
}

#[test]
fn a_burst_that_never_comes_back_is_refused() {
    let mut config =
        config_of_routes(json!([{ "name": "r", "upstream": "app", "policies": ["a"] }]));
    let limit = json!([{ "name": "a", "limit": { "rate": "1/d", "burst": 1000 } }]);
    config.policies = serde_json::from_value(limit).unwrap();
    let problems = try_compile(&config).unwrap_err();
    assert_eq!(problems[0].code, "slow-burst");
}
