//! Whether what a route does to bodies makes sense.

use super::item;
use crate::model::{CodedRequests, Config, Route, UpstreamProtocol};
use crate::problem::{Place, Problem};

pub(super) fn validate(config: &Config, problems: &mut Vec<Problem>) {
    for (index, route) in config.routes.iter().enumerate() {
        let place = |key: &str| item("routes", index).key(key);
        if route.upstream.is_none() {
            needs_upstream(route, &place, problems);
        }
        codings(route, &place, problems);
        if route.grpc_web.is_some() {
            calls(config, route, &place, problems);
        }
    }
}

fn needs_upstream(route: &Route, place: &dyn Fn(&str) -> Place, problems: &mut Vec<Problem>) {
    let keys = [("decompress", route.decompress.is_some()), ("grpc_web", route.grpc_web.is_some())];
    for (key, _) in keys.into_iter().filter(|(_, is_there)| *is_there) {
        let message = format!("`{key}` has no effect on what is not forwarded");
        let problem = Problem::new("no-effect", place(key), message);
        let label = "remove it, or forward to an `upstream`";
        problems.push(problem.warning().at_key().label(label));
    }
}

fn codings(route: &Route, place: &dyn Fn(&str) -> Place, problems: &mut Vec<Problem>) {
    let codings = route.compress.iter().flat_map(|compress| &compress.codings);
    let mut seen = Vec::new();
    for (index, coding) in codings.enumerate() {
        if seen.contains(&coding) {
            let message = format!("`{}` is there twice", coding.as_str());
            let place = place("compress").key("codings").index(index);
            problems.push(Problem::new("duplicate-coding", place, message).label("remove it"));
        }
        seen.push(coding);
    }
    if let Some(decompress) = &route.decompress
        && decompress.requests == CodedRequests::Decode
        && route.body_size.is_some_and(|size| size > decompress.limit)
    {
        let message = "`limit` is less than the route's `body_size`";
        let problem = Problem::new("limit-order", place("decompress").key("limit"), message);
        let label = "no request gets as long as `body_size` says once it is decompressed";
        problems.push(problem.warning().label(label));
    }
}

fn calls(
    config: &Config,
    route: &Route,
    place: &dyn Fn(&str) -> Place,
    problems: &mut Vec<Problem>,
) {
    let parts = route.split.iter().map(|part| &part.upstream);
    for name in route.upstream.iter().chain(parts) {
        let upstream = config.upstreams.iter().find(|upstream| upstream.name == *name);
        if upstream.is_some_and(|upstream| upstream.protocol == UpstreamProtocol::Http1) {
            let message = format!("gRPC needs HTTP/2, and upstream `{name}` speaks HTTP/1.1");
            let problem = Problem::new("grpc-protocol", place("grpc_web"), message);
            problems.push(problem.at_key().label("add `protocol: http2` to the upstream"));
        }
    }
    let has = |name: &str| route.matches.methods.iter().any(|method| method.as_str() == name);
    let has_origins = route.grpc_web.as_ref().is_some_and(|web| !web.origins.is_empty());
    if has_origins && !route.matches.methods.is_empty() && !has("OPTIONS") {
        let message = "preflight requests of pages elsewhere do not come to this route";
        let problem = Problem::new("no-preflight", place("match").key("methods"), message);
        problems.push(problem.label("add `OPTIONS`"));
    }
}
