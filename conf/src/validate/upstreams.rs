use std::collections::HashMap;

use super::item;
use crate::model::{Balance, Config, Endpoint, HashBy, Upstream, UpstreamProtocol};
use crate::problem::Problem;
use crate::values::{HostPort, ServerAddress};

pub(super) fn validate(config: &Config, problems: &mut Vec<Problem>) {
    for (index, upstream) in config.upstreams.iter().enumerate() {
        endpoints(index, upstream, problems);
        verifiable(index, upstream, problems);
        checkable(index, upstream, problems);
        balanced(index, upstream, problems);
        limited(index, upstream, problems);
        if upstream.ejection.time > upstream.ejection.longest {
            let place = item("upstreams", index).key("ejection").key("time");
            let message = "`time` is longer than `longest`";
            let label = format!("`longest` is {}", upstream.ejection.longest);
            problems.push(Problem::new("ejection-order", place, message).label(label));
        }
        pins(index, upstream, problems);
    }
}

/// Whether the health checks of an upstream make sense.
fn checkable(index: usize, upstream: &Upstream, problems: &mut Vec<Problem>) {
    let Some(health) = &upstream.health else { return };
    let place = |key| item("upstreams", index).key("health").key(key);
    match (&health.http, &health.grpc) {
        (Some(_), Some(_)) => {
            let message = "a check asks by `http` or by `grpc`";
            let problem = Problem::new("two-checks", place("grpc"), message);
            problems.push(problem.label("remove one of them"));
        }
        (Some(path), None) if !path.starts_with('/') || !is_visible(path) => {
            let message = "a path begins with `/` and has no blanks";
            let problem = Problem::new("check-path", place("http"), message);
            problems.push(problem.label("write it like `/healthz`"));
        }
        (None, Some(_)) if upstream.protocol == UpstreamProtocol::Http1 => {
            let message = "gRPC needs HTTP/2";
            let problem = Problem::new("check-protocol", place("grpc"), message);
            problems.push(problem.label("add `protocol: http2` to the upstream"));
        }
        _ => {}
    }
    let is_used = health.http.is_some() || health.grpc.is_some();
    if let Some(host) = &health.host
        && (!is_used || !is_visible(host))
    {
        let message = "`host` is a host, for checks by `http` or `grpc`";
        let problem = Problem::new("check-host", place("host"), message);
        problems.push(problem.label("write it like `app.internal`, beside `http` or `grpc`"));
    }
    if health.port.is_some() && upstream.endpoints.iter().any(is_unix) {
        let message = "an endpoint at a Unix socket has no port";
        let problem = Problem::new("check-port", place("port"), message);
        problems.push(problem.label("remove it, or the endpoint"));
    }
    if !health.statuses.is_empty() && health.http.is_none() {
        let message = "`statuses` are for checks by `http`";
        let problem = Problem::new("check-statuses", place("statuses"), message);
        problems.push(problem.label("add `http`, or remove it"));
    }
}

/// Whether the limits of an upstream go together.
fn limited(index: usize, upstream: &Upstream, problems: &mut Vec<Problem>) {
    let Some(adaptive) = &upstream.limits.adaptive else { return };
    let place = item("upstreams", index).key("limits").key("adaptive");
    if upstream.limits.requests.is_some() {
        let problem = Problem::new("two-limits", place.clone(), "`requests` is a limit already");
        problems.push(problem.at_key().label("remove it, or `requests`"));
    }
    if adaptive.least > adaptive.most {
        let message = "`least` is more than `most`";
        let label = format!("`most` is {}", adaptive.most);
        problems.push(Problem::new("limit-order", place.key("least"), message).label(label));
    }
}

fn is_unix(endpoint: &Endpoint) -> bool {
    match endpoint {
        Endpoint::Address(address) => matches!(address, ServerAddress::Unix(_)),
        Endpoint::Static(endpoint) => matches!(endpoint.address, ServerAddress::Unix(_)),
        Endpoint::Dns(_) => false,
    }
}

/// Whether the ways to choose an endpoint go together.
fn balanced(index: usize, upstream: &Upstream, problems: &mut Vec<Problem>) {
    let place = |key| item("upstreams", index).key(key);
    match (&upstream.hash, upstream.balance) {
        (Some(_), Balance::ConsistentHash) | (None, _) => {}
        (Some(_), _) => {
            let problem = Problem::new("no-effect", place("hash"), "`hash` has no effect");
            let label = "add `balance: consistent_hash`, or remove it";
            problems.push(problem.at_key().label(label));
        }
    }
    if let Some(hash) = &upstream.hash {
        let has_name = matches!(hash.by, HashBy::Header | HashBy::Cookie);
        let is_token = |name: &String| name.bytes().all(is_token_byte);
        if has_name && !hash.name.as_ref().is_some_and(is_token) {
            let message = "the name of the field or the cookie is not there, or is none";
            let problem = Problem::new("hash-name", place("hash"), message);
            problems.push(problem.label("add `name: X-User`"));
        } else if !has_name && hash.name.is_some() {
            let message = "`name` is for `by: header` and `by: cookie`";
            let problem = Problem::new("hash-name", place("hash").key("name"), message);
            problems.push(problem.label("remove it, or change `by`"));
        }
    }
    if let Some(sticky) = &upstream.sticky
        && !sticky.cookie.bytes().all(is_token_byte)
    {
        let message = "a cookie's name has letters, digits, and a few signs";
        let problem = Problem::new("cookie-name", place("sticky").key("cookie"), message);
        problems.push(problem.label("write it like `srv`"));
    }
}

/// RFC 9110, section 5.6.2.
fn is_token_byte(c: u8) -> bool {
    c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c)
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|c| c.is_ascii_graphic())
}

/// A certificate is verified against a name. An endpoint that is given by its address has none, and
/// without one nothing would be verified at all.
fn verifiable(upstream_index: usize, upstream: &Upstream, problems: &mut Vec<Problem>) {
    if upstream.tls.as_ref().is_none_or(|tls| tls.verify.is_some()) {
        return;
    }
    for (index, endpoint) in upstream.endpoints.iter().enumerate() {
        let host = match endpoint {
            Endpoint::Address(host) => host,
            Endpoint::Static(endpoint) => &endpoint.address,
            Endpoint::Dns(_) => continue,
        };
        if !matches!(host, ServerAddress::Host(HostPort::Name(..))) {
            let place = item("upstreams", upstream_index).key("endpoints").index(index);
            let message = format!("the certificate of {host} cannot be verified without a name");
            let problem = Problem::new("nothing-to-verify", place, message);
            problems.push(problem.label("say in `tls.verify` which name its certificate holds"));
        }
    }
}

/// With one pin alone, a key that is lost or stolen cannot be replaced before every proxy has a new
/// configuration (RFC 7469, section 2.5).
fn pins(upstream_index: usize, upstream: &Upstream, problems: &mut Vec<Problem>) {
    let Some(tls) = &upstream.tls else { return };
    let Some(first) = tls.pins.first() else { return };
    if tls.pins.iter().all(|pin| pin == first) {
        let place = item("upstreams", upstream_index).key("tls").key("pins");
        let problem = Problem::new("no-backup-pin", place, "there is no backup pin").warning();
        problems.push(problem.label("add the pin of a key that is kept elsewhere"));
    }
}

fn endpoints(upstream_index: usize, upstream: &Upstream, problems: &mut Vec<Problem>) {
    let mut seen = HashMap::with_capacity(upstream.endpoints.len());
    for (index, endpoint) in upstream.endpoints.iter().enumerate() {
        let server = match endpoint {
            Endpoint::Address(address) => address.to_string(),
            Endpoint::Static(endpoint) => endpoint.address.to_string(),
            Endpoint::Dns(endpoint) => {
                format!("every address of {}:{}", endpoint.dns, endpoint.port)
            }
        };
        let place = |index| item("upstreams", upstream_index).key("endpoints").index(index);
        if let Some(first) = seen.get(&server).copied() {
            let message = format!("upstream `{}` has {server} twice", upstream.name);
            let problem = Problem::new("duplicate-endpoint", place(index), message);
            let problem = problem.label("remove one; for a larger share give the other a `weight`");
            problems.push(problem.note("the first is here", Some(place(first))));
        } else {
            seen.insert(server, index);
        }
    }
}
