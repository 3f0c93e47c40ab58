//! From a file to a configuration that can serve.

use std::path::Path;
use std::sync::Arc;

use marchproxy_conf::model::{Config, ListenerTls};
use marchproxy_conf::report;
use marchproxy_decide::snapshot::{Snapshot, compile};
use tokio::runtime::Handle;

use crate::certificate::Certificate;
use crate::generation::Generation;
use crate::observe::Observer;
use crate::resolver::Resolver;
use crate::upstream::Upstream;

/// A configuration that can serve, but for its counters.
pub(super) struct Parts {
    pub(super) config: Config,
    pub(super) snapshot: Snapshot,
    pub(super) upstreams: Vec<Arc<Upstream>>,
}

impl Parts {
    /// With its counters.
    pub(super) fn counted(self, observer: &Observer) -> Arc<Generation> {
        let Self { config, snapshot, upstreams } = self;
        let handles = observer.metrics.for_snapshot(&snapshot);
        Arc::new(Generation { config, snapshot, handles, upstreams })
    }
}

/// Loads the configuration at `path`; upstreams that have not changed are kept from `old`.
pub(super) async fn load(path: &Path, number: u64, old: &[Arc<Upstream>]) -> Result<Parts, String> {
    let loaded = marchproxy_conf::load(path)
        .map_err(|refused| report::render(&refused.problems, &refused.sources))?;
    let digest = loaded.digest.to_string();
    let snapshot = compile(&loaded.config, number, &digest, &mut |path| std::fs::read(path))
        .map_err(|problems| report::render(&problems, &loaded.sources))?;
    let resolver = Arc::new(Resolver::new(&loaded.config.resolver)?);
    let mut upstreams = Vec::with_capacity(loaded.config.upstreams.len());
    for config in &loaded.config.upstreams {
        let kept = old.iter().find(|upstream| upstream.is_still(config));
        if let Some(kept) = kept {
            upstreams.push(Arc::clone(kept));
            continue;
        }
        let mut upstream = Arc::new(
            Upstream::new(config)
                .map_err(|error| format!("upstream `{}`: {error}", config.name))?,
        );
        upstream.resolve_once(&resolver).await;
        upstream.keep_resolving(&resolver, &Handle::current());
        upstreams.push(upstream);
    }
    Ok(Parts { config: loaded.config, snapshot, upstreams })
}

/// Reads the certificates that a listener names, in its order.
pub(super) fn certificates(
    config: &Config,
    tls: &ListenerTls,
) -> Result<Vec<Arc<Certificate>>, String> {
    let wanted = tls.certificates.iter();
    wanted
        .map(|name| {
            let found = config.certificates.iter().find(|certificate| certificate.name == *name);
            let found = found.ok_or_else(|| format!("certificate `{name}` is not configured"))?;
            Certificate::load(found)
                .map(Arc::new)
                .map_err(|error| format!("certificate `{name}`: {error}"))
        })
        .collect()
}
