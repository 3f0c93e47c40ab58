use std::collections::HashMap;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};

use super::item;
use crate::model::{Config, Listener};
use crate::problem::{Place, Problem};
use crate::values::ListenAddress;

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
    let mut paths: HashMap<&str, (String, Place)> = HashMap::new();
    for (index, listener) in config.listeners.iter().enumerate() {
        unix_only(index, listener, problems);
        let place = item("listeners", index).key("address");
        let own_name = format!("listener `{}`", listener.name);
        match &listener.address {
            ListenAddress::Ip(address) => {
                if let Some((what, first, other)) = taken.conflict(*address) {
                    let mut problem = same_address(address, what, place.clone());
                    if other != address {
                        problem = problem.label(format!("{other} and {address} overlap"));
                    }
                    problems.push(problem.note("it is taken here", Some(first.clone())));
                }
                taken.add(*address, own_name, place);
            }
            ListenAddress::Unix(path) => {
                if let Some((what, first)) = paths.get(path.as_str()) {
                    let problem = same_address(&listener.address, what, place.clone());
                    problems.push(problem.note("it is taken here", Some(first.clone())));
                }
                paths.insert(path, (own_name, place));
            }
        }
    }
}

fn same_address(address: &impl Display, what: &str, place: Place) -> Problem {
    Problem::new("same-address", place, format!("{address} is taken by {what}"))
}

/// Permissions are those of a Unix socket, and so is having no peers to name.
fn unix_only(index: usize, listener: &Listener, problems: &mut Vec<Problem>) {
    let place = |key| item("listeners", index).key(key);
    let is_unix = matches!(listener.address, ListenAddress::Unix(_));
    if listener.socket_mode.is_some() && !is_unix {
        let message = format!("{} is no Unix socket and has no permissions", listener.address);
        problems.push(Problem::new("no-unix-socket", place("socket_mode"), message));
    }
    let Some(proxy_protocol) = &listener.proxy_protocol else { return };
    if is_unix && !proxy_protocol.from.is_empty() {
        let message = "connections to a Unix socket come from no network";
        let problem = Problem::new("no-networks", place("proxy_protocol").key("from"), message);
        let label = "leave it out: its permissions say who may connect, and all must send a header";
        problems.push(problem.label(label));
    }
    if !is_unix && proxy_protocol.from.is_empty() {
        let message = "nobody is named whose headers are believed";
        let problem = Problem::new("no-networks", place("proxy_protocol"), message);
        problems.push(problem.label("name the networks of your load balancers in `from`"));
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
