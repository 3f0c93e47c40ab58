//! One route.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use marchproxy_conf::model::{
    self, HeaderMatch, KeyForwarding, Listener, Match, QueryMatch, Route, Upstream,
};
use marchproxy_conf::problem::{Place, Problem};
use marchproxy_conf::values::{HostPattern, Name, Size, Time};

use super::pages;
use super::template::{Scope, field_name};
use crate::answer::Answer;
use crate::path;
use crate::router::{HeaderCondition, Pattern, QueryCondition, conditions};
use crate::snapshot::{Action, Asks, Part, PolicyRules, Redirect, Rewrite, RouteRules};

/// Where listeners and upstreams stand.
pub(super) struct Names<'a> {
    listeners: HashMap<&'a str, usize>,
    upstreams: HashMap<&'a str, usize>,
    policies: &'a [PolicyRules],
}

impl<'a> Names<'a> {
    pub(super) fn of(
        listeners: &'a [Listener],
        upstreams: &'a [Upstream],
        policies: &'a [PolicyRules],
    ) -> Self {
        let positions = |names: &mut dyn Iterator<Item = &'a Name>| {
            names.enumerate().map(|(position, name)| (name.as_str(), position)).collect()
        };
        Self {
            listeners: positions(&mut listeners.iter().map(|listener| &listener.name)),
            upstreams: positions(&mut upstreams.iter().map(|upstream| &upstream.name)),
            policies,
        }
    }
}

/// What it takes to compile the route at `place`.
pub(super) struct Work<'a> {
    pub(super) place: Place,
    pub(super) names: &'a Names<'a>,
    pub(super) files: &'a mut dyn FnMut(&Path) -> io::Result<Vec<u8>>,
    pub(super) problems: &'a mut Vec<Problem>,
}

/// The fields that the upstream of a route with these policies does not get.
fn credentials(all: &[PolicyRules], named: &[usize]) -> Vec<HeaderName> {
    let identities = named.iter().filter_map(|at| match &all.get(*at)?.asks {
        Asks::Identity(rules) => {
            (rules.forwarding == KeyForwarding::Hide).then(|| rules.header.clone())
        }
        Asks::Access(_) | Asks::Limit(_) => None,
    });
    identities.collect()
}

/// What clients of a route with these policies are told of its limits; `None`: there are none.
fn limit_policy(all: &[PolicyRules], named: &[usize]) -> Option<HeaderValue> {
    let limits = named.iter().filter_map(|at| {
        let policy = all.get(*at)?;
        match &policy.asks {
            Asks::Limit(rules) => Some((&*policy.name, &rules.quota)),
            Asks::Access(_) | Asks::Identity(_) => None,
        }
    });
    let value = marchproxy_limit::fields::policy(limits);
    HeaderValue::try_from(value).ok().filter(|value| !value.is_empty())
}

impl Work<'_> {
    #[expect(clippy::too_many_lines, reason = "each key is taken by its name")]
    pub(super) fn compile<'m>(&mut self, model: &'m Route) -> (Pattern<'m>, RouteRules) {
        let Route {
            name,
            listeners,
            matches,
            policies,
            upstream,
            split,
            mirror,
            hedge,
            request_buffer,
            redirect,
            respond,
            rewrite,
            request_headers,
            response_headers,
            timeout,
            body_size,
            cache: _, // the edge
            compress,
            decompress,
            grpc_web,
            error_pages,
        } = model;
        let variables: Vec<&str> = matches.path.variables().collect();
        let scope = Scope { route: name.as_str(), names: &variables };
        let place = self.place.clone();
        let policies = self.policies(policies);
        let rules = RouteRules {
            name: name.as_str().into(),
            credentials: credentials(self.names.policies, &policies),
            limit_policy: limit_policy(self.names.policies, &policies),
            policies,
            action: self.action(upstream.as_ref(), redirect.as_ref(), respond.as_ref(), scope),
            split: self.split(split),
            mirror: mirror.as_ref().and_then(|mirror| self.mirror(mirror)),
            hedge: hedge.map(Time::duration),
            request_buffer: request_buffer.bytes(),
            rewrite: rewrite.as_ref().and_then(|rewrite| self.rewrite(rewrite, scope)),
            request_edits: scope.edits(
                request_headers,
                &place.key("request_headers"),
                self.problems,
            ),
            response_edits: scope.edits(
                response_headers,
                &place.key("response_headers"),
                self.problems,
            ),
            timeout: timeout.map(Time::duration),
            body_size: body_size.map(Size::bytes),
            compress: compress.clone(),
            decompress: decompress.clone(),
            grpc_web: grpc_web.clone(),
            error_pages: pages::compile(
                error_pages,
                &place.key("error_pages"),
                self.files,
                self.problems,
            ),
        };
        (self.pattern(name, listeners, matches), rules)
    }

    fn problem(&mut self, code: &'static str, place: Place, message: impl Into<String>) {
        self.problems.push(Problem::new(code, place, message));
    }

    fn policies(&mut self, names: &[Name]) -> Vec<usize> {
        let known = self.names.policies;
        let mut positions = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            let position = known.iter().position(|policy| *policy.name == *name.as_str());
            if let Some(position) = position {
                positions.push(position);
            } else {
                let place = self.place.key("policies").index(index);
                self.problem("unknown-policy", place, format!("there is no `{name}`"));
            }
        }
        positions
    }

    fn pattern<'m>(
        &mut self,
        name: &'m Name,
        listeners: &[Name],
        matches: &'m Match,
    ) -> Pattern<'m> {
        let Match { host, path, methods, headers, query } = matches;
        let mut positions = Vec::with_capacity(listeners.len());
        for (index, listener) in listeners.iter().enumerate() {
            if let Some(position) = self.names.listeners.get(listener.as_str()) {
                positions.push(*position);
            } else {
                let place = self.place.key("listeners").index(index);
                self.problem("unknown-listener", place, format!("there is no `{listener}`"));
            }
        }
        positions.sort_unstable();
        positions.dedup();
        let mut methods: Vec<Method> =
            methods.iter().filter_map(|method| method.as_str().parse().ok()).collect();
        methods.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        methods.dedup();
        let headers = headers.iter().filter_map(header_condition).collect();
        let query = query.iter().map(query_condition).collect();
        Pattern {
            name: name.as_str(),
            listeners: positions,
            host: host.as_ref().map(canonical_host),
            path,
            methods,
            conditions: conditions(headers, query),
        }
    }

    fn action(
        &mut self,
        upstream: Option<&Name>,
        redirect: Option<&model::Redirect>,
        respond: Option<&model::Respond>,
        scope: Scope<'_>,
    ) -> Action {
        match (upstream, redirect, respond) {
            (Some(name), None, None) => {
                if let Some(position) = self.upstream(name, self.place.key("upstream")) {
                    return Action::Forward(position);
                }
            }
            (None, Some(redirect), None) => {
                return Action::Redirect(self.redirect(redirect, scope));
            }
            (None, None, Some(respond)) => return Action::Respond(self.respond(respond)),
            _ => self.problem(
                "route-action",
                self.place.clone(),
                "a route has exactly one of `upstream`, `redirect` and `respond`",
            ),
        }
        Action::Forward(0)
    }

    fn split(&mut self, parts: &[model::Split]) -> Vec<Part> {
        let mut compiled = Vec::with_capacity(parts.len());
        for (at, part) in parts.iter().enumerate() {
            let place = self.place.key("split").index(at).key("upstream");
            let upstream = self.upstream(&part.upstream, place);
            compiled.extend(upstream.map(|upstream| Part { upstream, share: part.share }));
        }
        compiled
    }

    fn mirror(&mut self, mirror: &model::Mirror) -> Option<Part> {
        let place = self.place.key("mirror").key("upstream");
        Some(Part { upstream: self.upstream(&mirror.upstream, place)?, share: mirror.share })
    }

    /// The position of the upstream of this name.
    fn upstream(&mut self, name: &Name, place: Place) -> Option<usize> {
        let position = self.names.upstreams.get(name.as_str()).copied();
        if position.is_none() {
            self.problem("unknown-upstream", place, format!("there is no `{name}`"));
        }
        position
    }

    fn redirect(&mut self, model: &model::Redirect, scope: Scope<'_>) -> Redirect {
        let model::Redirect { scheme, host, path, status } = model;
        let place = self.place.key("redirect");
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
            let message = "a redirect is 301, 302, 303, 307 or 308";
            self.problem("redirect-status", place.key("status"), message);
        }
        let host = host.as_ref().map(|host| scope.text(host, &place.key("host"), self.problems));
        let path = path.as_ref().map(|path| scope.text(path, &place.key("path"), self.problems));
        let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::PERMANENT_REDIRECT);
        Redirect { status, scheme: *scheme, host, path }
    }

    fn respond(&mut self, model: &model::Respond) -> Answer {
        let model::Respond { status, body, content_type } = model;
        let place = self.place.key("respond");
        let status = match StatusCode::from_u16(*status) {
            Ok(code) if (200..=599).contains(status) => code,
            _ => {
                self.problem("status", place.key("status"), "a status is 200 to 599");
                StatusCode::OK
            }
        };
        let content_type = HeaderValue::from_str(content_type).unwrap_or_else(|_| {
            self.problem("media-type", place.key("content_type"), "this is no media type");
            HeaderValue::from_static("text/plain")
        });
        let mut answer = Answer::new(status, HeaderMap::with_capacity(4));
        answer.set_body(body.clone().into(), content_type);
        answer
    }

    fn rewrite(&mut self, model: &model::Rewrite, scope: Scope<'_>) -> Option<Rewrite> {
        let model::Rewrite { strip_prefix, add_prefix, path } = model;
        let place = self.place.key("rewrite");
        if let Some(path) = path {
            let template = scope.text(path, &place.key("path"), self.problems);
            return Some(Rewrite::Path(template));
        }
        if strip_prefix.is_none() && add_prefix.is_none() {
            return None;
        }
        let strip = self.prefix(strip_prefix.as_deref(), place.key("strip_prefix"));
        let add = self.prefix(add_prefix.as_deref(), place.key("add_prefix"));
        Some(Rewrite::Prefix { strip, add })
    }

    /// In the spelling that paths of requests have, without a last slash.
    fn prefix(&mut self, text: Option<&str>, place: Place) -> String {
        let Some(text) = text else { return String::new() };
        match path::normalise(text.as_bytes()) {
            Ok(normal) => normal.strip_suffix('/').unwrap_or(&normal).to_owned(),
            Err(reason) => {
                let message = format!("no path begins like this: {}", reason.code());
                self.problem("path-prefix", place, message);
                String::new()
            }
        }
    }
}

fn header_condition(model: &HeaderMatch) -> Option<HeaderCondition> {
    let HeaderMatch { name, value } = model;
    let value = value.as_ref().map(|value| value.as_bytes().into());
    field_name(name).map(|name| (name, value))
}

fn query_condition(model: &QueryMatch) -> QueryCondition {
    let QueryMatch { name, value } = model;
    (name.as_bytes().into(), value.as_ref().map(|value| value.as_bytes().into()))
}

/// In the spelling that hosts of requests have: an IPv6 address has many.
fn canonical_host(host: &HostPattern) -> HostPattern {
    let HostPattern::Exact(text) = host else { return host.clone() };
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    match inner.and_then(|inner| inner.parse::<std::net::Ipv6Addr>().ok()) {
        Some(address) => HostPattern::Exact(format!("[{address}]")),
        None => host.clone(),
    }
}
