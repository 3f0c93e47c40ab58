use std::collections::{HashMap, HashSet};

use super::item;
use crate::model::Config;
use crate::nearest::nearest;
use crate::problem::{Place, Problem};
use crate::values::Name;

pub(super) fn validate(config: &Config, problems: &mut Vec<Problem>) {
    let listeners = Known::new("listeners", config.listeners.iter().map(|item| &item.name));
    let certificates =
        Known::new("certificates", config.certificates.iter().map(|item| &item.name));
    let routes = Known::new("routes", config.routes.iter().map(|item| &item.name));
    let upstreams = Known::new("upstreams", config.upstreams.iter().map(|item| &item.name));
    for known in [&listeners, &certificates, &routes, &upstreams] {
        problems.extend(known.duplicates());
    }

    let mut used = HashSet::new();
    for (index, listener) in config.listeners.iter().enumerate() {
        let Some(tls) = &listener.tls else { continue };
        used.extend(tls.certificates.iter());
        let place = || item("listeners", index).key("tls").key("certificates");
        references(&certificates, "certificate", &tls.certificates, place, problems);
    }
    for (index, upstream) in config.upstreams.iter().enumerate() {
        let named = upstream.tls.as_ref().and_then(|tls| tls.certificate.as_ref());
        let Some(name) = named else { continue };
        used.insert(name);
        let place = || item("upstreams", index).key("tls").key("certificate");
        problems.extend(certificates.missing("certificate", name, place));
    }
    let traced = config.traces.as_ref().and_then(|traces| traces.tls.as_ref());
    if let Some(name) = traced.and_then(|tls| tls.certificate.as_ref()) {
        used.insert(name);
        let place = || Place::root().key("traces").key("tls").key("certificate");
        problems.extend(certificates.missing("certificate", name, place));
    }
    unused(&certificates, "certificate", "listener or upstream", &used, problems);

    let mut used = HashSet::new();
    for (index, route) in config.routes.iter().enumerate() {
        let place = || item("routes", index).key("listeners");
        references(&listeners, "listener", &route.listeners, place, problems);
        if let Some(name) = &route.upstream {
            used.insert(name);
            let place = || item("routes", index).key("upstream");
            problems.extend(upstreams.missing("upstream", name, place));
        }
        for (at, split) in route.split.iter().enumerate() {
            used.insert(&split.upstream);
            let place = || item("routes", index).key("split").index(at).key("upstream");
            problems.extend(upstreams.missing("upstream", &split.upstream, place));
        }
        if let Some(mirror) = &route.mirror {
            used.insert(&mirror.upstream);
            let place = || item("routes", index).key("mirror").key("upstream");
            problems.extend(upstreams.missing("upstream", &mirror.upstream, place));
        }
    }
    for (index, listener) in config.listeners.iter().enumerate() {
        let rules = listener.tls.iter().flat_map(|tls| &tls.passthrough);
        for (rule_index, rule) in rules.enumerate() {
            used.insert(&rule.upstream);
            let place = item("listeners", index).key("tls").key("passthrough").index(rule_index);
            let place = || place.key("upstream");
            problems.extend(upstreams.missing("upstream", &rule.upstream, place));
        }
    }
    unused(&upstreams, "upstream", "route", &used, problems);
    policies(config, problems);
}

fn policies(config: &Config, problems: &mut Vec<Problem>) {
    let policies = Known::new("policies", config.policies.iter().map(|item| &item.name));
    problems.extend(policies.duplicates());
    let mut used = HashSet::new();
    for (index, route) in config.routes.iter().enumerate() {
        used.extend(route.policies.iter());
        let place = || item("routes", index).key("policies");
        references(&policies, "policy", &route.policies, place, problems);
    }
    unused(&policies, "policy", "route", &used, problems);
}

/// The names of a list of the configuration.
struct Known<'a> {
    list: &'static str,
    names: Vec<&'a Name>,
    first: HashMap<&'a Name, usize>,
}

impl<'a> Known<'a> {
    fn new(list: &'static str, names: impl Iterator<Item = &'a Name>) -> Self {
        let names: Vec<&Name> = names.collect();
        let mut first = HashMap::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            first.entry(*name).or_insert(index);
        }
        Self { list, names, first }
    }

    fn duplicates(&self) -> impl Iterator<Item = Problem> {
        self.names.iter().enumerate().filter_map(|(index, name)| {
            let first = *self.first.get(name).filter(|first| **first != index)?;
            let place = item(self.list, index).key("name");
            let message = format!("the name `{name}` is used twice in `{}`", self.list);
            let problem = Problem::new("duplicate-name", place, message);
            let first = item(self.list, first).key("name");
            Some(problem.label("choose another name").note("it is used first here", Some(first)))
        })
    }

    fn missing(&self, noun: &str, name: &Name, place: impl FnOnce() -> Place) -> Option<Problem> {
        if self.first.contains_key(name) {
            return None;
        }
        let code = match noun {
            "listener" => "unknown-listener",
            "certificate" => "unknown-certificate",
            "policy" => "unknown-policy",
            _ => "unknown-upstream",
        };
        let problem = Problem::new(code, place(), format!("there is no {noun} `{name}`"));
        let known = self.names.iter().map(|name| name.as_str());
        Some(match nearest(name.as_str(), known) {
            Some(known) => problem.label(format!("did you mean `{known}`?")),
            None => problem.label(format!("add it to `{}`", self.list)),
        })
    }
}

fn references(
    known: &Known<'_>,
    noun: &str,
    names: &[Name],
    list: impl Fn() -> Place,
    problems: &mut Vec<Problem>,
) {
    for (index, name) in names.iter().enumerate() {
        problems.extend(known.missing(noun, name, || list().index(index)));
        if names.iter().take(index).any(|other| other == name) {
            let message = format!("{noun} `{name}` is named twice");
            let problem = Problem::new("named-twice", list().index(index), message);
            problems.push(problem.warning().label("remove one"));
        }
    }
}

fn unused(
    known: &Known<'_>,
    noun: &str,
    user: &str,
    used_names: &HashSet<&Name>,
    problems: &mut Vec<Problem>,
) {
    for (index, name) in known.names.iter().enumerate() {
        if !used_names.contains(name) {
            let code = match noun {
                "certificate" => "unused-certificate",
                "policy" => "unused-policy",
                _ => "unused-upstream",
            };
            let message = format!("no {user} uses {noun} `{name}`");
            let place = item(known.list, index).key("name");
            let problem = Problem::new(code, place, message).warning();
            problems.push(problem.label(format!("name it in a {user}, or remove it")));
        }
    }
}
