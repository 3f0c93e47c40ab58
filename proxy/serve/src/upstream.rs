//! Upstreams as they run: their endpoints of this moment, and how each is reached.

mod failure;
mod http1;
mod http2;
mod peer;
mod pool;
mod session;
mod trust;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, Guard};
use marchproxy_balance::RoundRobin;
use marchproxy_conf::model;
use marchproxy_conf::values::HostPort;
use pingora_core::connectors::TransportConnector;
use pingora_core::upstreams::peer::HttpPeer;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::certificate::Certificate;
use crate::resolver::Resolver;
pub use failure::{Failure, Fate};
pub use pool::Pool;
pub use session::Session;
use trust::{Handshake, Refused, Trust};

/// One upstream. A reload that does not change it keeps it, connections and turn and all.
pub struct Upstream {
    /// Its name.
    pub name: Arc<str>,
    /// As configured.
    pub config: model::Upstream,
    trust: Option<Trust>,
    endpoints: ArcSwap<Endpoints>,
    sources: Vec<Source>,
    resolving: OnceLock<Vec<AbortHandle>>,
}

/// The endpoints of this moment, and whose turn it is.
pub struct Endpoints {
    list: Vec<Arc<Endpoint>>,
    turns: RoundRobin,
}

/// A server that requests can be sent to.
pub struct Endpoint {
    /// Where it is.
    pub address: SocketAddr,
    /// The same as text, for logs.
    pub label: Arc<str>,
    /// How Pingora connects to it.
    pub peer: HttpPeer,
    /// What tells it from all others of this process.
    number: u64,
    /// Whether the last connection to it could not be made.
    is_failing: AtomicBool,
    /// The name it was found by, if it was: TLS verifies it.
    name: Option<Box<str>>,
    weight: u32,
}

/// One entry of the configuration's `endpoints`.
struct Source {
    host: HostPort,
    weight: u32,
    /// Whether every address of the name is an endpoint, or only the first.
    every_address: bool,
    addresses: ArcSwap<Vec<IpAddr>>,
    failing: AtomicBool,
}

impl Source {
    fn new(endpoint: &model::Endpoint) -> Self {
        let (host, weight, every_address) = match endpoint {
            model::Endpoint::Address(host) => (host.clone(), 1, false),
            model::Endpoint::Static(one) => (one.address.clone(), one.weight, false),
            model::Endpoint::Dns(all) => {
                (HostPort::Name(all.dns.clone(), all.port), all.weight, true)
            }
        };
        let known = match &host {
            HostPort::Address(address) => vec![address.ip()],
            HostPort::Name(..) => Vec::new(),
        };
        let addresses = ArcSwap::from_pointee(known);
        Self { host, weight, every_address, addresses, failing: AtomicBool::new(false) }
    }

    fn name(&self) -> Option<&str> {
        match &self.host {
            HostPort::Name(name, _) => Some(name.as_str()),
            HostPort::Address(_) => None,
        }
    }

    fn port(&self) -> u16 {
        match &self.host {
            HostPort::Name(_, port) => *port,
            HostPort::Address(address) => address.port(),
        }
    }
}

impl Upstream {
    /// An upstream as `config` says, which presents `certificate` to endpoints. Names are not looked
    /// up yet.
    ///
    /// # Errors
    /// What is wrong with the files it names.
    pub fn new(
        config: &model::Upstream,
        certificate: Option<&Arc<Certificate>>,
    ) -> Result<Self, String> {
        let trust = config.tls.as_ref().map(|tls| Trust::load(tls, certificate)).transpose()?;
        let upstream = Self {
            name: config.name.as_str().into(),
            config: config.clone(),
            trust,
            endpoints: ArcSwap::from_pointee(Endpoints::none()),
            sources: config.endpoints.iter().map(Source::new).collect(),
            resolving: OnceLock::new(),
        };
        upstream.refresh();
        Ok(upstream)
    }

    /// Whether this serves as it is for `config`: nothing it was made of has changed.
    pub fn is_still(
        &self,
        config: &model::Upstream,
        certificate: Option<&Arc<Certificate>>,
    ) -> bool {
        self.config == *config
            && match (&self.trust, &config.tls) {
                (Some(trust), Some(tls)) => trust.is_still(tls, certificate),
                (None, None) => true,
                _ => false,
            }
    }

    /// The endpoint whose turn it is.
    pub fn pick(&self) -> Option<Arc<Endpoint>> {
        let endpoints = self.endpoints.load();
        endpoints.list.get(endpoints.turns.pick()?).cloned()
    }

    /// The endpoints of this moment.
    pub fn endpoints(&self) -> Guard<Arc<Endpoints>> {
        self.endpoints.load()
    }

    /// What a TLS handshake with an endpoint must have settled on.
    ///
    /// # Errors
    /// Which of the upstream's demands is not met.
    pub fn check(&self, handshake: Option<&Handshake>) -> Result<(), Refused> {
        match &self.trust {
            Some(trust) => trust.check(handshake),
            None => Ok(()),
        }
    }

    /// Whether some name could not be looked up when last tried.
    pub fn is_failing_to_resolve(&self) -> bool {
        self.sources.iter().any(|source| source.failing.load(Ordering::Relaxed))
    }

    /// Looks every name up once, all at the same time.
    pub async fn resolve_once(&self, resolver: &Resolver) {
        let lookups = self.sources.iter().filter_map(|source| {
            source.name().map(|name| async move { (source, resolver.look_up(name).await) })
        });
        for (source, found) in futures_util::future::join_all(lookups).await {
            self.found(source, found.map(|lookup| lookup.addresses));
        }
    }

    /// Goes on looking its names up for as long as it lives.
    pub fn keep_resolving(self: &Arc<Self>, resolver: &Arc<Resolver>, runtime: &Handle) {
        // Tasks must not keep alive what ends them.
        let weak = Arc::downgrade(self);
        let names =
            self.sources.iter().enumerate().filter_map(|(position, source)| {
                source.name().map(|name| (position, name.to_owned()))
            });
        let tasks: Vec<AbortHandle> = names
            .map(|(position, name)| {
                let (weak, resolver) = (weak.clone(), Arc::clone(resolver));
                let task = async move {
                    // The first answer is waited for by whoever made the upstream.
                    sleep(resolver.retry_in()).await;
                    loop {
                        let found = resolver.look_up(&name).await;
                        let pause = match &found {
                            Ok(lookup) => lookup.again_in,
                            Err(_) => resolver.retry_in(),
                        };
                        let Some(upstream) = weak.upgrade() else { return };
                        if let Some(source) = upstream.sources.get(position) {
                            upstream.found(source, found.map(|lookup| lookup.addresses));
                        }
                        drop(upstream);
                        sleep(pause).await;
                    }
                };
                runtime.spawn(task).abort_handle()
            })
            .collect();
        let _ = self.resolving.set(tasks);
    }

    fn found(&self, source: &Source, found: Result<Vec<IpAddr>, String>) {
        let host = &source.host;
        match found {
            Ok(addresses) => {
                if source.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!(upstream = &*self.name, %host, "the name is found again");
                }
                if **source.addresses.load() != addresses {
                    source.addresses.store(Arc::new(addresses));
                    self.refresh();
                }
            }
            Err(error) => {
                // The last known addresses stay: a DNS outage must not become ours.
                if !source.failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(upstream = &*self.name, %host, error, "cannot look up a name");
                }
            }
        }
    }

    /// Makes the list of endpoints anew from what is known of each source. Endpoints that stay
    /// are kept.
    fn refresh(&self) {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let old = self.endpoints.load();
        let mut list = Vec::new();
        for source in &self.sources {
            let addresses = source.addresses.load();
            let count = if source.every_address { addresses.len() } else { 1 };
            for ip in addresses.iter().take(count) {
                let address = SocketAddr::new(*ip, source.port());
                let kept = old.list.iter().find(|endpoint| {
                    endpoint.address == address
                        && endpoint.weight == source.weight
                        && endpoint.name.as_deref() == source.name()
                });
                list.push(kept.cloned().unwrap_or_else(|| {
                    let peer =
                        peer::build(&self.config, self.trust.as_ref(), source.name(), address);
                    let label = address.to_string().into();
                    let number = NEXT.fetch_add(1, Ordering::Relaxed);
                    let (name, weight) = (source.name().map(Box::from), source.weight);
                    let is_failing = AtomicBool::new(false);
                    Arc::new(Endpoint { address, label, peer, number, is_failing, name, weight })
                }));
            }
        }
        let weights: Vec<u32> = list.iter().map(|endpoint| endpoint.weight).collect();
        let turns = match self.config.balance {
            model::Balance::RoundRobin => RoundRobin::new(&weights).continuing(&old.turns),
        };
        self.endpoints.store(Arc::new(Endpoints { list, turns }));
    }
}

/// Connects to an endpoint once, TLS and all, as for a request; `host` is the name it was found by.
///
/// # Errors
/// Why there is no connection, or none that may be used.
pub async fn try_connect(
    config: &model::Upstream,
    certificate: Option<&Arc<Certificate>>,
    host: Option<&str>,
    address: SocketAddr,
) -> Result<(), String> {
    let trust = config.tls.as_ref().map(|tls| Trust::load(tls, certificate)).transpose()?;
    let peer = peer::build(config, trust.as_ref(), host, address);
    let connector = TransportConnector::new(None);
    let stream = connector.new_stream(&peer).await.map_err(|error| error.to_string())?;
    let tls = stream.get_ssl_digest();
    let handshake = tls.as_ref().and_then(|tls| tls.extension.get::<Handshake>());
    let checked = trust.map_or(Ok(()), |trust| trust.check(handshake));
    checked.map_err(|refused| refused.to_string())
}

impl Drop for Upstream {
    fn drop(&mut self) {
        for task in self.resolving.get().into_iter().flatten() {
            task.abort();
        }
    }
}

impl Endpoints {
    fn none() -> Self {
        Self { list: Vec::new(), turns: RoundRobin::new(&[]) }
    }

    /// Each endpoint.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.list.iter()
    }
}

impl Endpoint {
    /// Says, once until it works again, why no connection to it can be made.
    fn fails(&self, upstream: &Upstream, why: &str) {
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            let (upstream, endpoint) = (&*upstream.name, &*self.label);
            tracing::warn!(upstream, endpoint, error = why, "cannot connect to an endpoint");
        }
    }

    /// A connection to it has been made.
    fn works(&self, upstream: &Upstream) {
        if self.is_failing.swap(false, Ordering::Relaxed) {
            let (upstream, endpoint) = (&*upstream.name, &*self.label);
            tracing::info!(upstream, endpoint, "connecting to an endpoint works again");
        }
    }

    /// Its share of requests, relative to the others.
    pub fn weight(&self) -> u32 {
        self.weight
    }
}
