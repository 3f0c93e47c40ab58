use std::collections::HashMap;

use super::item;
use crate::model::{Config, Endpoint, Upstream};
use crate::problem::Problem;
use crate::values::HostPort;

pub(super) fn validate(config: &Config, problems: &mut Vec<Problem>) {
    for (index, upstream) in config.upstreams.iter().enumerate() {
        endpoints(index, upstream, problems);
        verifiable(index, upstream, problems);
        pins(index, upstream, problems);
    }
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
        if let HostPort::Address(address) = host {
            let place = item("upstreams", upstream_index).key("endpoints").index(index);
            let message = format!("the certificate of {address} cannot be verified without a name");
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
