//! Where endpoints come from: one entry of the configuration's `endpoints`.

use std::net::IpAddr;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;
use marchproxy_conf::model;
use marchproxy_conf::values::{HostPort, Name};

/// One entry of the configuration's `endpoints`.
pub(super) struct Source {
    pub host: HostPort,
    pub weight: u32,
    pub zone: Option<Name>,
    /// Whether every address of the name is an endpoint, or only the first.
    pub every_address: bool,
    pub addresses: ArcSwap<Vec<IpAddr>>,
    /// Whether the name could not be looked up when last tried.
    pub failing: AtomicBool,
}

impl Source {
    pub fn new(endpoint: &model::Endpoint) -> Self {
        let (host, weight, zone, every_address) = match endpoint {
            model::Endpoint::Address(host) => (host.clone(), 1, None, false),
            model::Endpoint::Static(one) => {
                (one.address.clone(), one.weight, one.zone.clone(), false)
            }
            model::Endpoint::Dns(all) => {
                let host = HostPort::Name(all.dns.clone(), all.port);
                (host, all.weight, all.zone.clone(), true)
            }
        };
        let known = match &host {
            HostPort::Address(address) => vec![address.ip()],
            HostPort::Name(..) => Vec::new(),
        };
        let addresses = ArcSwap::from_pointee(known);
        Self { host, weight, zone, every_address, addresses, failing: AtomicBool::new(false) }
    }

    pub fn name(&self) -> Option<&str> {
        match &self.host {
            HostPort::Name(name, _) => Some(name.as_str()),
            HostPort::Address(_) => None,
        }
    }

    pub fn port(&self) -> u16 {
        match &self.host {
            HostPort::Name(_, port) => *port,
            HostPort::Address(address) => address.port(),
        }
    }
}
