//! From a file to a configuration that can serve.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use boring::rand::rand_bytes;
use marchproxy_conf::model::{Config, Listener, Secret};
use marchproxy_conf::report;
use marchproxy_decide::limiter::Limiter;
use marchproxy_decide::snapshot::{Snapshot, compile};

use super::staple;
use crate::certificate::Certificate;
use crate::edge::{CacheRules, CacheStore};
use crate::file::{self, LARGEST_PAGE};
use crate::generation::Generation;
use crate::identity::Identities;
use crate::listen::tls::{Prepared, ServerTls};
use crate::observe::{Observer, PreparedTraces};
use crate::resolver::Resolver;
use crate::upstream::{Surroundings, Upstream};

/// Why a configuration cannot serve.
#[derive(Debug)]
pub(super) enum Unfit {
    /// What it says is wrong: a report of all errors, each with its place.
    Wrong(String),
    /// What it speaks of is not there, or is not what it should be.
    Broken(String),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong(report) => f.write_str(report.trim_end()),
            Self::Broken(why) => f.write_str(why),
        }
    }
}

/// A configuration that can serve, once it takes effect.
pub(super) struct Fit {
    pub(super) config: Config,
    snapshot: Snapshot,
    identities: Identities,
    limiter: Arc<Limiter>,
    cache: Option<Arc<CacheStore>>,
    upstreams: Upstreams,
    tls: Vec<Option<Tls>>,
    certificates: Certificates,
    traces: Option<PreparedTraces>,
}

/// The upstreams of a configuration.
struct Upstreams {
    /// All of them, in its order.
    all: Vec<Arc<Upstream>>,
    /// Those that have not begun yet.
    new: Vec<Arc<Upstream>>,
    /// Those that were there and are not any more.
    gone: Vec<Arc<Upstream>>,
    resolver: Arc<Resolver>,
}

/// TLS of one listener.
struct Tls {
    server: Arc<ServerTls>,
    /// What it shows from now on, when it was there before.
    renewed: Option<Prepared>,
}

/// By name, those that listeners and upstreams name.
pub(super) type Certificates = BTreeMap<String, Arc<Certificate>>;

impl Fit {
    /// Gives it its counters and lets kept listeners show its certificates.
    pub(super) fn take_effect(self, observer: &Arc<Observer>) -> Arc<Generation> {
        let Self {
            config,
            snapshot,
            identities,
            limiter,
            cache,
            upstreams,
            tls,
            certificates,
            traces,
        } = self;
        // Those who are replaced must not look after endpoints that others look after now.
        upstreams.gone.iter().for_each(|upstream| upstream.retire());
        upstreams.new.iter().for_each(|upstream| upstream.begin(&upstreams.resolver, observer));
        let tls = tls.into_iter().map(|tls| {
            let Tls { server, renewed } = tls?;
            if let Some(prepared) = renewed {
                server.replace(prepared);
            }
            Some(server)
        });
        let handles = observer.metrics.for_snapshot(&snapshot);
        staple::begin(&config.resolver, &certificates, observer);
        let traces = config
            .traces
            .as_ref()
            .zip(traces)
            .map(|(config, traces)| traces.take_effect(config, &upstreams.resolver, observer));
        Arc::new(Generation {
            tls: tls.collect(),
            certificates: certificates
                .iter()
                .map(|(name, certificate)| (name.clone(), certificate.expiry()))
                .collect(),
            loaded: certificates,
            traces,
            identities,
            limiter,
            cache_rules: CacheRules::of(&config, cache.as_ref(), observer),
            cache,
            config,
            snapshot,
            handles,
            upstreams: upstreams.all,
        })
    }
}

/// Loads the configuration at `path`. What has not changed is kept from `old`: upstreams with their
/// connections, and the TLS of listeners with its ticket keys. Nothing that runs is changed.
///
/// `files` gets every file whose change calls for loading again, also when this fails.
pub(super) async fn load(
    path: &Path,
    number: u64,
    old: Option<&Generation>,
    files: &mut Vec<PathBuf>,
) -> Result<Fit, Unfit> {
    files.push(path.to_owned());
    files.extend(marchproxy_conf::files(path).unwrap_or_default());
    let loaded = marchproxy_conf::load(path)
        .map_err(|refused| Unfit::Wrong(report::render(&refused.problems, &refused.sources)))?;
    for problem in &loaded.warnings {
        let warning = report::render_problems(std::slice::from_ref(problem), &loaded.sources);
        tracing::warn!("{}", warning.trim_end());
    }
    let config = loaded.config;
    files_of(&config, files);
    let digest = loaded.digest.to_string();
    let mut read = |path: &Path| {
        files.push(path.to_owned());
        file::read(path, LARGEST_PAGE)
    };
    let snapshot = compile(&config, number, &digest, &mut read)
        .map_err(|problems| Unfit::Wrong(report::render(&problems, &loaded.sources)))?;
    let certificates = certificates(&config, old).map_err(Unfit::Broken)?;
    let tls = config.listeners.iter().map(|listener| tls(listener, &certificates, old));
    let tls = tls.collect::<Result<_, _>>().map_err(Unfit::Broken)?;
    let traces = traces(&config, &certificates, old).map_err(Unfit::Broken)?;
    let upstreams = upstreams(&config, &certificates, old).await.map_err(Unfit::Broken)?;
    let identities = Identities::load(&config).map_err(Unfit::Broken)?;
    let limiter = limiter(&config, old).map_err(Unfit::Broken)?;
    let cache = CacheStore::of(&config, old.and_then(|old| old.cache.as_ref()));
    Ok(Fit { config, snapshot, identities, limiter, cache, upstreams, tls, certificates, traces })
}

/// What limits count: what has been counted stays, unless there is to be another number of keys.
fn limiter(config: &Config, old: Option<&Generation>) -> Result<Arc<Limiter>, String> {
    let size = config.process.limit_keys;
    if let Some(old) = old.filter(|old| old.limiter.size() == size) {
        return Ok(Arc::clone(&old.limiter));
    }
    let mut secret = [0; 16];
    rand_bytes(&mut secret).map_err(|error| format!("there is no randomness: {error}"))?;
    Ok(Arc::new(Limiter::new(size, &secret)))
}

/// The files that are not text of the configuration but change what it does.
fn files_of(config: &Config, files: &mut Vec<PathBuf>) {
    for certificate in &config.certificates {
        files.push(certificate.chain.clone());
        if let Secret::File(path) = &certificate.key {
            files.push(path.clone());
        }
        files.extend(certificate.ocsp.as_ref().and_then(|ocsp| ocsp.issuer.clone()));
    }
    for tls in config.listeners.iter().filter_map(|listener| listener.tls.as_ref()) {
        for clients in tls.all_clients() {
            files.push(clients.ca.clone());
            files.extend(clients.crl.clone());
        }
        if let Some(Secret::File(path)) = &tls.tickets.keys {
            files.push(path.clone());
        }
    }
    if let Some(traces) = &config.traces {
        files.extend(traces.tls.as_ref().and_then(|tls| tls.ca.clone()));
        files.extend(traces.headers.values().filter_map(|secret| match secret {
            Secret::File(path) => Some(path.clone()),
            Secret::Env(_) => None,
        }));
    }
    let upstreams = config.upstreams.iter();
    files.extend(upstreams.filter_map(|upstream| upstream.tls.as_ref()?.ca.clone()));
    let hash_keys = config.policies.iter().filter_map(|policy| policy.api_keys.as_ref());
    files.extend(hash_keys.filter_map(|known| match &known.hash_key {
        Secret::File(path) => Some(path.clone()),
        Secret::Env(_) => None,
    }));
    let sticky = config.upstreams.iter().filter_map(|upstream| upstream.sticky.as_ref());
    files.extend(sticky.filter_map(|sticky| match &sticky.key {
        Secret::File(path) => Some(path.clone()),
        Secret::Env(_) => None,
    }));
}

fn certificates(config: &Config, old: Option<&Generation>) -> Result<Certificates, String> {
    let shown = config.listeners.iter().filter_map(|listener| listener.tls.as_ref());
    let presented = config.upstreams.iter().filter_map(|upstream| upstream.tls.as_ref());
    let traced = config.traces.as_ref().and_then(|traces| traces.tls.as_ref());
    let presented = presented.chain(traced).filter_map(|tls| tls.certificate.as_ref());
    let mut loaded = Certificates::new();
    for name in shown.flat_map(|tls| &tls.certificates).chain(presented) {
        if loaded.contains_key(name.as_str()) {
            continue;
        }
        let found = config.certificates.iter().find(|certificate| certificate.name == *name);
        let found = found.ok_or_else(|| format!("certificate `{name}` is not configured"))?;
        let certificate =
            Certificate::load(found).map_err(|error| format!("certificate `{name}`: {error}"))?;
        let kept = old.and_then(|old| old.loaded.get(name.as_str()));
        let kept = kept.filter(|kept| kept.is_still(&certificate)).cloned();
        loaded.insert(name.to_string(), kept.unwrap_or_else(|| Arc::new(certificate)));
    }
    Ok(loaded)
}

fn tls(
    listener: &Listener,
    certificates: &Certificates,
    old: Option<&Generation>,
) -> Result<Option<Tls>, String> {
    let Some(wanted) = &listener.tls else { return Ok(None) };
    let names = wanted.certificates.iter();
    let shown: Vec<Arc<Certificate>> =
        names.filter_map(|name| certificates.get(name.as_str()).cloned()).collect();
    let kept = old.and_then(|old| {
        let position = old.config.listeners.iter().position(|one| one.name == listener.name)?;
        let was = old.config.listeners.get(position)?.tls.as_ref()?;
        old.tls.get(position)?.as_ref().filter(|kept| kept.fits(was, wanted, listener.protocol))
    });
    let made = match kept {
        Some(kept) => kept
            .prepare(wanted, &shown)
            .map(|prepared| Tls { server: Arc::clone(kept), renewed: Some(prepared) }),
        None => ServerTls::new(wanted, listener.protocol, &shown)
            .map(|server| Tls { server: Arc::new(server), renewed: None }),
    };
    made.map(Some).map_err(|error| format!("listener `{}`: TLS: {error}", listener.name))
}

fn traces(
    config: &Config,
    certificates: &Certificates,
    old: Option<&Generation>,
) -> Result<Option<PreparedTraces>, String> {
    let Some(wanted) = &config.traces else { return Ok(None) };
    let named = wanted.tls.as_ref().and_then(|tls| tls.certificate.as_ref());
    let certificate = named.and_then(|name| certificates.get(name.as_str()));
    let old = old.filter(|old| old.config.resolver == config.resolver);
    PreparedTraces::new(wanted, certificate, old.and_then(|old| old.traces.as_ref()))
        .map(Some)
        .map_err(|error| format!("`traces`: {error}"))
}

/// New upstreams have looked their names up once; that some name has no address yet keeps nobody
/// from serving. What is known of endpoints goes on to the upstream that has the name now.
async fn upstreams(
    config: &Config,
    certificates: &Certificates,
    old: Option<&Generation>,
) -> Result<Upstreams, String> {
    let before = old.map(|old| old.upstreams.as_slice()).unwrap_or_default();
    // An upstream that is kept goes on asking the resolver it was made with.
    let has_resolver = old.is_some_and(|old| old.config.resolver == config.resolver);
    let resolver = Arc::new(Resolver::new(&config.resolver)?);
    let own_zone = config.process.zone.as_ref();
    let mut all = Vec::with_capacity(config.upstreams.len());
    let mut new = Vec::new();
    for wanted in &config.upstreams {
        let named = wanted.tls.as_ref().and_then(|tls| tls.certificate.as_ref());
        let certificate = named.and_then(|name| certificates.get(name.as_str()));
        let around = Surroundings { own_zone, certificate };
        let before = before.iter().find(|upstream| *upstream.name == *wanted.name.as_str());
        if let Some(kept) = before.filter(|before| has_resolver && before.is_still(wanted, around))
        {
            all.push(Arc::clone(kept));
            continue;
        }
        let upstream = Upstream::new(wanted, around, before.map(|before| &**before))
            .map_err(|error| format!("upstream `{}`: {error}", wanted.name))?;
        let upstream = Arc::new(upstream);
        new.push(Arc::clone(&upstream));
        all.push(upstream);
    }
    let is_gone = |old: &&Arc<Upstream>| !all.iter().any(|kept| Arc::ptr_eq(kept, old));
    let gone = before.iter().filter(is_gone).cloned().collect();
    futures_util::future::join_all(new.iter().map(|upstream| upstream.resolve_once(&resolver)))
        .await;
    Ok(Upstreams { all, new, gone, resolver })
}
