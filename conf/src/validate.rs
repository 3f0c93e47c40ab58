//! What types cannot say: references, conflicts, and keys that do not go together.

mod addresses;
mod edits;
mod names;
mod pages;
mod routes;
mod tls;
mod upstreams;

use crate::model::Config;
use crate::problem::{Place, Problem};

/// Finds everything that is wrong or odd about a decoded configuration.
pub(crate) fn validate(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    addresses::validate(config, &mut problems);
    names::validate(config, &mut problems);
    routes::validate(config, &mut problems);
    tls::validate(config, &mut problems);
    upstreams::validate(config, &mut problems);
    pages::validate(&config.error_pages, &Place::root().key("error_pages"), &mut problems);
    for (index, network) in config.trusted_proxies.iter().enumerate() {
        if network.prefix() == 0 {
            let message = "every client may say who it is";
            let problem = Problem::new("trusts-everyone", item("trusted_proxies", index), message);
            problems.push(problem.warning().label("name the networks of your own proxies"));
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

/// The place of an item of a list at the root.
fn item(list: &str, index: usize) -> Place {
    Place::root().key(list).index(index)
}

#[cfg(test)]
mod tests;
