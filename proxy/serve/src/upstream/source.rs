//! Where endpoints come from: one entry of the configuration's `endpoints`.

use std::net::{IpAddr, SocketAddr};

use arc_swap::{ArcSwap, ArcSwapOption};
use marchproxy_conf::model;
use marchproxy_conf::values::{HostPort, Name, Network, ServerAddress};

use super::address::Address;

/// One entry of the configuration's `endpoints`.
pub(super) struct Source {
    pub host: ServerAddress,
    pub weight: u32,
    pub zone: Option<Name>,
    /// Whether every address of the name is an endpoint, or only the first.
    every_address: bool,
    /// What its name leads to.
    pub found: ArcSwap<Found>,
    /// Why the name could not be looked up when last tried.
    pub failing: ArcSwapOption<String>,
}

/// What a name leads to.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Found {
    /// The addresses that may be connected to.
    pub allowed: Vec<IpAddr>,
    /// The others, each with the forbidden network that it is in.
    pub forbidden: Vec<(IpAddr, Network)>,
}

impl Found {
    /// Parts `addresses`.
    pub fn new(addresses: Vec<IpAddr>, networks: &[Network]) -> Self {
        let mut found = Self::default();
        for address in addresses {
            match networks.iter().find(|network| network.contains(address)) {
                Some(network) => found.forbidden.push((address, *network)),
                None => found.allowed.push(address),
            }
        }
        found
    }
}

/// A server that is none of the endpoints, and why.
pub(super) struct Missing {
    pub address: String,
    pub weight: u32,
    pub why: String,
}

impl Source {
    pub fn new(endpoint: &model::Endpoint) -> Self {
        let (host, weight, zone, every_address) = match endpoint {
            model::Endpoint::Address(host) => (host.clone(), 1, None, false),
            model::Endpoint::Static(one) => {
                (one.address.clone(), one.weight, one.zone.clone(), false)
            }
            model::Endpoint::Dns(all) => {
                let host = ServerAddress::Host(HostPort::Name(all.dns.clone(), all.port));
                (host, all.weight, all.zone.clone(), true)
            }
        };
        let (found, failing) = (ArcSwap::default(), ArcSwapOption::empty());
        Self { host, weight, zone, every_address, found, failing }
    }

    pub fn name(&self) -> Option<&str> {
        match &self.host {
            ServerAddress::Host(HostPort::Name(name, _)) => Some(name.as_str()),
            ServerAddress::Host(HostPort::Address(_)) | ServerAddress::Unix(_) => None,
        }
    }

    /// The addresses of its endpoints.
    pub fn addresses(&self) -> Vec<Address> {
        match &self.host {
            ServerAddress::Unix(path) => vec![Address::Unix(path.as_str().into())],
            ServerAddress::Host(HostPort::Address(address)) => vec![Address::Ip(*address)],
            ServerAddress::Host(HostPort::Name(_, port)) => {
                let most = if self.every_address { usize::MAX } else { 1 };
                let found = self.found.load();
                let used = found.allowed.iter().take(most);
                used.map(|ip| Address::Ip(SocketAddr::new(*ip, *port))).collect()
            }
        }
    }

    /// What it should lead to, and does not.
    pub fn missing(&self) -> Vec<Missing> {
        let ServerAddress::Host(HostPort::Name(name, port)) = &self.host else { return Vec::new() };
        let (found, weight) = (self.found.load(), self.weight);
        let mut missing: Vec<Missing> = Vec::new();
        for (ip, network) in &found.forbidden {
            let why = format!("{name} leads to it, and {network} is forbidden");
            let address = SocketAddr::new(*ip, *port).to_string();
            missing.push(Missing { address, weight, why });
        }
        let is_known = !found.allowed.is_empty() || !missing.is_empty();
        if let Some(error) = self.failing.load().as_deref().filter(|_| !is_known) {
            let why = format!("the name cannot be looked up: {error}");
            missing.push(Missing { address: self.host.to_string(), weight, why });
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn source(endpoint: &str) -> Source {
        Source::new(&serde_json::from_str(endpoint).unwrap())
    }

    fn lead(source: &Source, addresses: &[&str]) {
        let networks = ["169.254.0.0/16".parse().unwrap(), "fe80::/10".parse().unwrap()];
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        source.found.store(Arc::new(Found::new(addresses, &networks)));
    }

    fn told(source: &Source) -> (Vec<String>, Vec<String>) {
        let used = source.addresses().iter().map(ToString::to_string).collect();
        let missing = source.missing().into_iter();
        (used, missing.map(|one| format!("{}: {}", one.address, one.why)).collect())
    }

    #[test]
    fn a_name_never_leads_to_a_forbidden_address_however_it_is_written() {
        let all = source(r#"{ "dns": "app.internal", "port": 80 }"#);
        lead(&all, &["10.0.0.1", "169.254.169.254", "::ffff:169.254.0.1", "fe80::1", "::1"]);
        let (used, missing) = told(&all);
        assert_eq!(used, ["10.0.0.1:80", "[::1]:80"]);
        let expected = [
            "169.254.169.254:80: app.internal leads to it, and 169.254.0.0/16 is forbidden",
            "[::ffff:169.254.0.1]:80: app.internal leads to it, and 169.254.0.0/16 is forbidden",
            "[fe80::1]:80: app.internal leads to it, and fe80::/10 is forbidden",
        ];
        assert_eq!(missing, expected);
    }

    #[test]
    fn the_first_address_is_the_first_that_is_allowed() {
        let first = source("\"app.internal:80\"");
        lead(&first, &["169.254.169.254", "10.0.0.1", "10.0.0.2"]);
        let (used, missing) = told(&first);
        assert_eq!((used, missing.len()), (vec!["10.0.0.1:80".to_owned()], 1));
    }

    #[test]
    fn an_address_that_is_no_name_s_is_not_looked_at() {
        let metadata = source("\"169.254.169.254:80\"");
        assert_eq!(told(&metadata), (vec!["169.254.169.254:80".to_owned()], Vec::new()));
        let socket = source("\"unix:/run/app.sock\"");
        assert_eq!(told(&socket), (vec!["unix:/run/app.sock".to_owned()], Vec::new()));
    }

    #[test]
    fn a_name_that_leads_nowhere_is_told_of_until_it_has_once_led_somewhere() {
        let lost = source("\"app.internal:80\"");
        assert_eq!(told(&lost), (Vec::new(), Vec::new()));
        lost.failing.store(Some(Arc::new("no answer".to_owned())));
        let why = "app.internal:80: the name cannot be looked up: no answer".to_owned();
        assert_eq!(told(&lost), (Vec::new(), vec![why]));
        lead(&lost, &["10.0.0.1"]);
        assert_eq!(told(&lost), (vec!["10.0.0.1:80".to_owned()], Vec::new()));
    }
}
