use std::collections::HashMap;

use super::item;
use crate::model::{Config, ListenerTls, TicketMode};
use crate::problem::{Place, Problem};
use crate::values::HostPattern;

pub(super) fn validate(config: &Config, problems: &mut Vec<Problem>) {
    for (index, listener) in config.listeners.iter().enumerate() {
        let Some(tls) = &listener.tls else { continue };
        let place = item("listeners", index).key("tls");
        let lists = tls.policies.iter().map(|policy| &*policy.names);
        names_once(lists, &place.key("policies"), "a policy", problems);
        let lists = tls.passthrough.iter().map(|rule| &*rule.names);
        names_once(lists, &place.key("passthrough"), "a pass-through", problems);
        passthrough(config, tls, &place.key("passthrough"), problems);
        if tls.tickets.mode == TicketMode::Off && tls.tickets.keys.is_some() {
            let message = "there are keys for tickets, and no tickets";
            let place = place.key("tickets").key("keys");
            let problem = Problem::new("unused-ticket-keys", place, message).warning();
            problems.push(problem.label("remove them, or set `mode: on`"));
        }
    }
}

/// A name belongs to one list of names.
fn names_once<'a>(
    lists: impl Iterator<Item = &'a [HostPattern]>,
    place: &Place,
    noun: &str,
    problems: &mut Vec<Problem>,
) {
    let mut seen = HashMap::new();
    for (list_index, names) in lists.enumerate() {
        for (index, name) in names.iter().enumerate() {
            let place = place.index(list_index).key("names").index(index);
            if let Some(first) = seen.get(name) {
                let message = format!("`{name}` is already in {noun} of this listener");
                let problem = Problem::new("duplicate-policy-name", place, message);
                let first = Some(Place::clone(first));
                problems.push(problem.label("remove one").note("it is there", first));
            } else {
                seen.insert(name, place);
            }
        }
    }
}

/// What is passed on is encrypted already.
fn passthrough(config: &Config, tls: &ListenerTls, place: &Place, problems: &mut Vec<Problem>) {
    for (index, rule) in tls.passthrough.iter().enumerate() {
        let upstream = config.upstreams.iter().find(|upstream| upstream.name == rule.upstream);
        if upstream.is_some_and(|upstream| upstream.tls.is_some()) {
            let place = place.index(index).key("upstream");
            let message = format!("upstream `{}` would encrypt once more", rule.upstream);
            let problem = Problem::new("passthrough-tls", place, message);
            problems.push(problem.label("name one without `tls`"));
        }
    }
}
