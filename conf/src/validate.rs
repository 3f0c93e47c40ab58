//! What types cannot say: references, conflicts, and keys that do not go together.

mod addresses;
mod cache;
mod coding;
mod edits;
mod names;
mod pages;
mod policies;
mod routes;
mod tls;
mod tracing;
mod upstreams;

use crate::model::Config;
use crate::problem::{Place, Problem};
use crate::values::Network;

/// Finds everything that is wrong or odd about a decoded configuration.
pub(crate) fn validate(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    addresses::validate(config, &mut problems);
    names::validate(config, &mut problems);
    routes::validate(config, &mut problems);
    policies::validate(config, &mut problems);
    coding::validate(config, &mut problems);
    tls::validate(config, &mut problems);
    tracing::validate(config, &mut problems);
    upstreams::validate(config, &mut problems);
    cache::validate(config, &mut problems);
    pages::validate(&config.error_pages, &Place::root().key("error_pages"), &mut problems);
    trusts_few(&config.trusted_proxies, &Place::root().key("trusted_proxies"), &mut problems);
    for (index, listener) in config.listeners.iter().enumerate() {
        if let Some(proxy_protocol) = &listener.proxy_protocol {
            let place = item("listeners", index).key("proxy_protocol").key("from");
            trusts_few(&proxy_protocol.from, &place, &mut problems);
        }
    }
    if config.resolver.min_interval > config.resolver.max_interval {
        let place = Place::root().key("resolver").key("min_interval");
        let message = "`min_interval` is longer than `max_interval`";
        let label = format!("`max_interval` is {}", config.resolver.max_interval);
        problems.push(Problem::new("interval-order", place, message).label(label));
    }
    problems
}

/// Networks whose word is taken for who a client is must not be all there are.
fn trusts_few(networks: &[Network], place: &Place, problems: &mut Vec<Problem>) {
    for (index, network) in networks.iter().enumerate() {
        if network.prefix() == 0 {
            let message = "every client may say who it is";
            let problem = Problem::new("trusts-everyone", place.index(index), message);
            problems.push(problem.warning().label("name the networks of your own proxies"));
        }
    }
}

/// The place of an item of a list at the root.
fn item(list: &str, index: usize) -> Place {
    Place::root().key(list).index(index)
}

#[cfg(test)]
mod tests;
