//! Looking up the names that an upstream's endpoints are found by.

use std::net::IpAddr;
use std::sync::Arc;

use marchproxy_conf::values::ServerAddress;
use tokio::time::sleep;

use super::Upstream;
use super::source::{Found, Missing, Source};
use crate::resolver::Resolver;

impl Upstream {
    /// Whether some name could not be looked up when last tried.
    pub(super) fn is_failing_to_resolve(&self) -> bool {
        self.sources.iter().any(|source| source.failing.load().is_some())
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

    /// The servers that are none of its endpoints, because of what their names lead to.
    pub(super) fn missing(&self) -> Vec<Missing> {
        self.sources.iter().flat_map(Source::missing).collect()
    }

    /// Goes on looking its names up.
    pub(super) fn keep_resolving(self: &Arc<Self>, resolver: &Arc<Resolver>) {
        for (position, source) in self.sources.iter().enumerate() {
            let Some(name) = source.name().map(str::to_owned) else { continue };
            // Tasks must not keep alive what ends them.
            let (weak, resolver) = (Arc::downgrade(self), Arc::clone(resolver));
            self.spawn(async move {
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
            });
        }
    }

    fn found(&self, source: &Source, found: Result<Vec<IpAddr>, String>) {
        let host = &source.host;
        match found {
            Ok(addresses) => {
                if source.failing.swap(None).is_some() {
                    tracing::info!(upstream = &*self.name, %host, "the name is found again");
                }
                let found = Found::new(addresses, &self.config.forbidden);
                if **source.found.load() != found {
                    self.warn_of(host, &found);
                    source.found.store(Arc::new(found));
                    self.list();
                    self.hub.keeper.notify_one();
                }
            }
            Err(error) => {
                // The last known addresses stay: a DNS outage must not become ours.
                let why = Some(Arc::new(error.clone()));
                if source.failing.swap(why).is_none() {
                    tracing::warn!(upstream = &*self.name, %host, error, "cannot look up a name");
                    self.hub.keeper.notify_one();
                }
            }
        }
    }

    fn warn_of(&self, host: &ServerAddress, found: &Found) {
        let upstream = &*self.name;
        for (address, network) in &found.forbidden {
            let (address, network) = (address.to_string(), network.to_string());
            tracing::warn!(upstream, %host, address, network, "a name leads to a forbidden network");
        }
    }
}
