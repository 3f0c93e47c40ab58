//! What `marchproxy check --online` looks at beyond the text: certificates, keys, authorities, names
//! and endpoints.

use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt;
use marchproxy_conf::model::{self, Config, Endpoint};
use marchproxy_conf::values::{HostPort, Name, ServerAddress};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::certificate::Certificate;
use crate::listen::tls;
use crate::observe::Collector;
use crate::resolver::Resolver;
use crate::upstream::{Address, Found, Surroundings, Upstream, try_connect};

/// A certificate with fewer days left is warned of.
const SOON: i32 = 30;
/// Endpoints that are looked up and connected to at the same time.
const AT_ONCE: usize = 32;

/// How one thing was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Level {
    /// It works.
    Fine,
    /// It works, for now.
    Warning,
    /// It does not.
    Failed,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Finding {
    pub(super) level: Level,
    what: String,
    found: String,
}

impl Finding {
    fn new(level: Level, what: impl Into<String>, found: impl Into<String>) -> Self {
        Self { level, what: what.into(), found: found.into() }
    }

    fn word(&self) -> &'static str {
        match self.level {
            Level::Fine => "ok",
            Level::Warning => "warning",
            Level::Failed => "failed",
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "result": self.word(), "what": self.what, "found": self.found })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.word(), self.what, self.found)
    }
}

/// Looks at everything that `config` speaks of.
pub(super) fn look(config: &Config) -> Vec<Finding> {
    let mut findings: Vec<Finding> = config.certificates.iter().map(certificate).collect();
    findings.extend(config.listeners.iter().flat_map(listener));
    findings.extend(config.upstreams.iter().filter_map(authorities));
    findings.extend(config.certificates.iter().filter_map(staples));
    findings.extend(config.traces.as_ref().map(|traces| collector(config, traces)));
    findings.extend(config.access_log.file.as_deref().map(access_log));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => findings.extend(runtime.block_on(endpoints(config))),
        Err(error) => findings.push(Finding::new(Level::Failed, "endpoints", error.to_string())),
    }
    findings
}

fn certificate(config: &model::Certificate) -> Finding {
    let what = format!("certificate `{}`", config.name);
    match Certificate::load(config) {
        Err(error) => Finding::new(Level::Failed, what, error),
        Ok(certificate) => {
            let (level, found) = validity(certificate.days_left());
            Finding::new(level, what, found)
        }
    }
}

/// Looks whether OCSP answers can be kept where they are to be.
fn staples(config: &model::Certificate) -> Option<Finding> {
    let folder = config.ocsp.as_ref()?.cache.as_ref()?;
    let what = format!("OCSP answers of certificate `{}`", config.name);
    let shown = folder.display();
    Some(if folder.is_dir() {
        Finding::new(Level::Fine, what, format!("are kept in {shown}"))
    } else {
        let found = format!("{shown} is no folder: make it, and let the proxy's user write to it");
        Finding::new(Level::Failed, what, found)
    })
}

/// Reads what sending traces needs.
fn collector(config: &Config, traces: &model::Traces) -> Finding {
    let named = traces.tls.as_ref().and_then(|tls| tls.certificate.as_ref());
    let own = own_certificate(config, named);
    match Collector::load(traces, own.as_ref()) {
        Ok(_) => Finding::new(Level::Fine, "traces", "their files are readable"),
        Err(error) => Finding::new(Level::Failed, "traces", error),
    }
}

/// A certificate by its name. One that cannot be read is told of with the certificates.
fn own_certificate(config: &Config, named: Option<&Name>) -> Option<Arc<Certificate>> {
    let own = config.certificates.iter().find(|certificate| Some(&certificate.name) == named);
    own.and_then(|own| Certificate::load(own).ok()).map(Arc::new)
}

/// What is to be said of a certificate with so many days left.
fn validity(days: i32) -> (Level, String) {
    match days {
        SOON.. => (Level::Fine, format!("expires in {days} days")),
        // Whole days: what expired an hour ago has 0 left too.
        0 => (Level::Warning, "expires today or has just expired; replace it now".to_owned()),
        1.. => (Level::Warning, format!("expires in {days} days; renew it")),
        _ if days == i32::MIN => {
            (Level::Failed, "the end of its validity is unreadable; replace it".to_owned())
        }
        _ => {
            let ago = days.unsigned_abs();
            (Level::Failed, format!("expired {ago} days ago; clients refuse it, replace it"))
        }
    }
}

/// Looks whether the file can be written to, or made. It is not made here.
fn access_log(path: &Path) -> Finding {
    let what = format!("access log {}", path.display());
    let folder = path.parent().unwrap_or(Path::new("/"));
    match OpenOptions::new().append(true).open(path) {
        Ok(_) => Finding::new(Level::Fine, what, "can be written to"),
        Err(error) if error.kind() == io::ErrorKind::NotFound && folder.is_dir() => {
            Finding::new(Level::Fine, what, "will be made")
        }
        Err(error) => Finding::new(Level::Failed, what, format!("cannot be opened: {error}")),
    }
}

/// Reads the files that the TLS of a listener names besides certificates.
fn listener(config: &model::Listener) -> Vec<Finding> {
    let found = config.tls.iter().flat_map(tls::read_files);
    let finding = |(what, found): (&str, Result<(), String>)| {
        let what = format!("{what} of listener `{}`", config.name);
        match found {
            Ok(()) => Finding::new(Level::Fine, what, "readable"),
            Err(error) => Finding::new(Level::Failed, what, error),
        }
    };
    found.map(finding).collect()
}

/// Reads the files of an upstream. Nothing to say of one that names none.
fn authorities(config: &model::Upstream) -> Option<Finding> {
    let what = format!("TLS of upstream `{}`", config.name);
    if let Err(error) = Upstream::new(config, Surroundings::default(), None) {
        return Some(Finding::new(Level::Failed, what, error));
    }
    let ca = config.tls.as_ref()?.ca.as_ref()?;
    Some(Finding::new(Level::Fine, what, format!("{} is readable", ca.display())))
}

/// An endpoint as it is configured.
struct Target<'a> {
    upstream: &'a model::Upstream,
    /// What is presented to it. One that cannot be read is told of with the certificates.
    certificate: Option<Arc<Certificate>>,
    host: ServerAddress,
    every_address: bool,
}

async fn endpoints(config: &Config) -> Vec<Finding> {
    let targets: Vec<Target<'_>> = config
        .upstreams
        .iter()
        .flat_map(|upstream| {
            upstream.endpoints.iter().map(|endpoint| target(config, upstream, endpoint))
        })
        .collect();
    let resolver = Resolver::new(&config.resolver);
    let resolver = resolver.as_ref().map_err(String::as_str);
    let findings: Vec<Vec<Finding>> = futures_util::stream::iter(targets)
        .map(|target| async move { endpoint(&target, resolver).await })
        .buffered(AT_ONCE)
        .collect()
        .await;
    findings.into_iter().flatten().collect()
}

fn target<'a>(config: &Config, upstream: &'a model::Upstream, endpoint: &Endpoint) -> Target<'a> {
    let named = upstream.tls.as_ref().and_then(|tls| tls.certificate.as_ref());
    let certificate = own_certificate(config, named);
    let (host, every_address) = match endpoint {
        Endpoint::Address(host) => (host.clone(), false),
        Endpoint::Static(one) => (one.address.clone(), false),
        Endpoint::Dns(all) => {
            (ServerAddress::Host(HostPort::Name(all.dns.clone(), all.port)), true)
        }
    };
    Target { upstream, certificate, host, every_address }
}

/// Looks the endpoint's name up, if it has one, and connects to each address that would be used.
async fn endpoint(target: &Target<'_>, resolver: Result<&Resolver, &str>) -> Vec<Finding> {
    let what = format!("endpoint {} of upstream `{}`", target.host, target.upstream.name);
    let (name, port) = match &target.host {
        ServerAddress::Host(HostPort::Name(name, port)) => (name.as_str(), *port),
        ServerAddress::Host(HostPort::Address(address)) => {
            return vec![dial(&what, target, None, &Address::Ip(*address)).await];
        }
        ServerAddress::Unix(path) => {
            return vec![dial(&what, target, None, &Address::Unix(path.as_str().into())).await];
        }
    };
    let found = match addresses(target, resolver, name).await {
        Ok(found) => found,
        Err(error) => {
            let found = format!("cannot look up the name: {error}");
            return vec![Finding::new(Level::Failed, what, found)];
        }
    };
    let mut findings = Vec::new();
    for (address, network) in found.forbidden {
        let found = format!("the name leads to {address}, and {network} is forbidden");
        findings.push(Finding::new(Level::Failed, what.as_str(), found));
    }
    let most = if target.every_address { usize::MAX } else { 1 };
    for ip in found.allowed.into_iter().take(most) {
        let address = Address::Ip(SocketAddr::new(ip, port));
        findings.push(dial(&what, target, Some(name), &address).await);
    }
    findings
}

async fn addresses(
    target: &Target<'_>,
    resolver: Result<&Resolver, &str>,
    name: &str,
) -> Result<Found, String> {
    let lookup = resolver?.look_up(name).await?;
    Ok(Found::new(lookup.addresses, &target.upstream.forbidden))
}

async fn dial(what: &str, target: &Target<'_>, host: Option<&str>, address: &Address) -> Finding {
    let config = target.upstream;
    let bound = config.timeouts.connect.duration();
    match timeout(bound, try_connect(config, target.certificate.as_ref(), host, address)).await {
        Ok(Ok(())) => {
            let trusted = if config.tls.is_some() { ", and is trusted" } else { "" };
            Finding::new(Level::Fine, what, format!("{address} accepts connections{trusted}"))
        }
        Ok(Err(error)) => {
            Finding::new(Level::Failed, what, format!("cannot connect to {address}: {error}"))
        }
        Err(_) => {
            let found = format!("cannot connect to {address}: no answer within {bound:?}");
            Finding::new(Level::Failed, what, found)
        }
    }
}

#[cfg(test)]
mod tests;
