use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use super::item;
use crate::model::Config;
use crate::problem::{Place, Problem};

pub(super) fn validate(config: &Config, problems: &mut Vec<Problem>) {
    if config.listeners.is_empty() {
        let message = "there is no listener, so nobody could connect";
        let note = "add one under `listeners`, with a `name` and an `address`";
        let problem = Problem::new("no-listeners", Place::root().key("listeners"), message);
        problems.push(problem.note(note, None));
    }
    let status = config.status.address.get();
    let status_place = Place::root().key("status").key("address");
    if !status.ip().to_canonical().is_loopback() {
        let message = "the status listener is open to others than this machine";
        let problem = Problem::new("status-not-loopback", status_place.clone(), message);
        problems.push(problem.label("use an address such as `127.0.0.1:9901`"));
    }
    let mut taken = Taken::default();
    taken.add(status, "the status listener", status_place);
    for (index, listener) in config.listeners.iter().enumerate() {
        let place = item("listeners", index).key("address");
        let address = listener.address.get();
        if let Some((what, first, other)) = taken.conflict(address) {
            let message = format!("{address} is taken by {what}");
            let mut problem = Problem::new("same-address", place.clone(), message);
            if *other != address {
                problem = problem.label(format!("{other} and {address} overlap"));
            }
            problems.push(problem.note("it is taken here", Some(first.clone())));
        }
        taken.add(address, format!("listener `{}`", listener.name), place);
    }
}

/// Addresses that are listened on, by port.
#[derive(Default)]
struct Taken(HashMap<u16, Vec<(String, Place, SocketAddr)>>);

impl Taken {
    fn add(&mut self, address: SocketAddr, what: impl Into<String>, place: Place) {
        self.0.entry(address.port()).or_default().push((what.into(), place, address));
    }

    fn conflict(&self, address: SocketAddr) -> Option<&(String, Place, SocketAddr)> {
        // The system picks a free port for 0.
        let same_port = self.0.get(&address.port()).filter(|_| address.port() != 0)?;
        same_port.iter().find(|(_, _, other)| overlap(address.ip(), other.ip()))
    }
}

/// Whether two sockets on one port would both take some connection.
fn overlap(one: IpAddr, other: IpAddr) -> bool {
    let (one, other) = (one.to_canonical(), other.to_canonical());
    // `[::]` takes IPv4 as well; `0.0.0.0` takes no IPv6.
    let covers = |wide: IpAddr, narrow: IpAddr| {
        wide.is_unspecified() && (wide.is_ipv6() || narrow.is_ipv4())
    };
    one == other || covers(one, other) || covers(other, one)
}
