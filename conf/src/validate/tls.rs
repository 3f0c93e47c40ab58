use std::collections::HashMap;

use super::item;
use crate::model::{Config, ListenerTls, TicketMode};
use crate::problem::{Place, Problem};

pub(super) fn validate(config: &Config, problems: &mut Vec<Problem>) {
    for (index, listener) in config.listeners.iter().enumerate() {
        let Some(tls) = &listener.tls else { continue };
        let place = item("listeners", index).key("tls");
        policies(tls, &place, problems);
        if tls.tickets.mode == TicketMode::Off && tls.tickets.keys.is_some() {
            let message = "there are keys for tickets, and no tickets";
            let place = place.key("tickets").key("keys");
            let problem = Problem::new("unused-ticket-keys", place, message).warning();
            problems.push(problem.label("remove them, or set `mode: on`"));
        }
    }
}

/// A name belongs to one policy.
fn policies(tls: &ListenerTls, place: &Place, problems: &mut Vec<Problem>) {
    let mut seen = HashMap::new();
    for (policy_index, policy) in tls.policies.iter().enumerate() {
        for (index, name) in policy.names.iter().enumerate() {
            let place = place.key("policies").index(policy_index).key("names").index(index);
            if let Some(first) = seen.get(name) {
                let message = format!("`{name}` is already in a policy of this listener");
                let problem = Problem::new("duplicate-policy-name", place, message);
                problems.push(
                    problem.label("remove one").note("it is there", Some(Place::clone(first))),
                );
            } else {
                seen.insert(name, place);
            }
        }
    }
}
