//! From the model to a snapshot. Every type of the model is taken apart field by field, without
//! `..`, so that a new key cannot be forgotten: what is not used here is named, with who uses it.

mod pages;
mod policies;
mod route;
mod template;

use std::io;
use std::path::Path;
use std::sync::Arc;

use marchproxy_conf::model::{AccessLog, Config, Listener, RequestLimits, Upstream};
use marchproxy_conf::problem::{Place, Problem};

use super::{ListenerRules, RouteRules, Snapshot, UpstreamRules};
use crate::router::{self, Pattern};
use crate::wire::head::HeadLimits;

/// Compiles a configuration that `conf` has checked. `files` reads the files it names (error
/// pages).
///
/// # Errors
/// Everything that is wrong, with places in the merged configuration.
pub fn compile(
    config: &Config,
    generation: u64,
    digest: &str,
    files: &mut dyn FnMut(&Path) -> io::Result<Vec<u8>>,
) -> Result<Snapshot, Vec<Problem>> {
    let Config {
        listeners,
        certificates: _, // the listeners' TLS
        trusted_proxies,
        policies,
        routes,
        upstreams,
        error_pages,
        cache: _,    // the edge
        resolver: _, // the balancer
        access_log: AccessLog { format, file: _ },
        traces,
        status: _,  // the control listener
        process: _, // the process
    } = config;
    let mut problems = Vec::new();
    let root = Place::root();
    let pages = pages::compile(error_pages, &root.key("error_pages"), files, &mut problems);
    let policies = policies::compile(policies, &mut problems);
    let names = route::Names::of(listeners, upstreams, &policies);
    let mut patterns: Vec<Pattern<'_>> = Vec::with_capacity(routes.len());
    let mut rules: Vec<RouteRules> = Vec::with_capacity(routes.len());
    for (position, model) in routes.iter().enumerate() {
        let place = root.key("routes").index(position);
        let mut work = route::Work { place, names: &names, files, problems: &mut problems };
        let (pattern, route) = work.compile(model);
        patterns.push(pattern);
        rules.push(route);
    }
    let routers = router::build(&patterns, listeners.len(), &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Snapshot {
        generation,
        digest: digest.to_owned(),
        listeners: listeners.iter().map(listener).collect(),
        policies,
        routes: rules,
        upstreams: upstreams.iter().map(upstream).collect(),
        trusted: trusted_proxies.clone(),
        routers,
        error_pages: pages,
        access_log: *format,
        traces: traces.as_ref().map(|traces| traces.sample),
    })
}

fn listener(model: &Listener) -> ListenerRules {
    let Listener {
        name,
        address: _,     // the accept loop
        socket_mode: _, // the accept loop
        protocol: _,    // the accept loop
        tls,
        proxy_protocol: _, // the accept loop
        connections: _,    // the accept loop
        requests,
    } = model;
    let RequestLimits {
        head_time,
        head_size,
        target_size,
        fields,
        body_size,
        body_idle,
        answer_idle,
    } = requests;
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    ListenerRules {
        name: name.as_str().into(),
        head: HeadLimits {
            head_size: size(head_size.bytes()),
            target_size: size(target_size.bytes()),
            fields: size(u64::from(*fields)),
        },
        head_time: head_time.duration(),
        body_size: body_size.bytes(),
        body_idle: body_idle.duration(),
        answer_idle: answer_idle.duration(),
        tls: tls.clone().map(Arc::new),
    }
}

fn upstream(model: &Upstream) -> UpstreamRules {
    UpstreamRules { name: model.name.as_str().into(), model: Arc::new(model.clone()) }
}
