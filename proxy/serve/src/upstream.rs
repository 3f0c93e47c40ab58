//! Upstreams as they run: their endpoints of this moment, and how each is reached.

mod address;
mod allowance;
mod announce;
mod check;
mod circle;
mod connect;
mod endpoint;
mod failure;
mod gate;
mod http1;
mod http2;
mod keeper;
mod lookup;
mod peer;
mod pool;
mod session;
mod source;
mod spread;
mod sticky;
mod trust;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use http::HeaderMap;
use marchproxy_balance::{Budget, Member, Policy, Review, Standing, State, review};
use marchproxy_conf::model::{self, Balance, HashBy};
use marchproxy_conf::values::{Name, Time};
use marchproxy_decide::verdict::Reason;
use marchproxy_decide::wire::proxy_protocol::Client;
use pingora_core::connectors::TransportConnector;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::certificate::Certificate;
use crate::clock;
use crate::observe::Observer;
use crate::resolver::Resolver;
pub use address::Address;
use allowance::Allowance;
pub use allowance::Place;
pub use announce::{Announced, header};
pub use endpoint::{Endpoint, Seat};
use endpoint::{Hub, Identity};
pub use failure::{Failure, Fate};
use gate::Gate;
pub use gate::Pass;
pub use pool::Pool;
pub use session::Session;
pub use source::Found;
use source::Source;
use spread::Endpoints;
pub use spread::{Wish, hash};
use sticky::Sticky;
pub use sticky::cookie;
use trust::{Handshake, Refused, Trust};

/// One upstream. A reload that does not change it keeps it, connections and turn and all.
pub struct Upstream {
    /// Its name.
    pub name: Arc<str>,
    /// As configured.
    pub config: model::Upstream,
    /// How many requests it is given at one time.
    pub gate: Arc<Gate>,
    /// How many retries it bears.
    pub budget: Arc<Budget>,
    /// Its cookies, if clients are to come back to the same endpoint.
    sticky: Option<Sticky>,
    allowance: Option<Arc<Allowance>>,
    trust: Option<Trust>,
    own_zone: Option<Name>,
    policy: Policy,
    /// All that are known of.
    listed: ArcSwap<Vec<Arc<Endpoint>>>,
    /// The same as they were last looked at.
    endpoints: ArcSwap<Endpoints>,
    /// What is known of endpoints that are not on the list yet.
    known: Mutex<HashMap<Identity, Arc<Standing>>>,
    sources: Vec<Source>,
    hub: Arc<Hub>,
    tasks: Mutex<Vec<AbortHandle>>,
}

/// What an upstream needs of the rest of a configuration.
#[derive(Clone, Copy, Default)]
pub struct Surroundings<'a> {
    /// The zone that the proxy is in.
    pub own_zone: Option<&'a Name>,
    /// What is presented to endpoints.
    pub certificate: Option<&'a Arc<Certificate>>,
}

impl Upstream {
    /// An upstream as `config` says; what is known of the endpoints of `old` is kept. Names are not
    /// looked up yet, and there are no endpoints until it begins.
    ///
    /// # Errors
    /// What is wrong with the files it names.
    pub fn new(
        config: &model::Upstream,
        around: Surroundings<'_>,
        old: Option<&Self>,
    ) -> Result<Self, String> {
        let sticky = config.sticky.as_ref().map(Sticky::load).transpose();
        let sticky = sticky.map_err(|error| format!("`sticky`: {error}"))?;
        let own = around.certificate;
        let trust = config.tls.as_ref().map(|tls| Trust::load(tls, own)).transpose()?;
        let known = old.map(|old| {
            let known = old.listed.load();
            known.iter().map(|known| (known.identity(), Arc::clone(&known.standing))).collect()
        });
        Ok(Self {
            name: config.name.as_str().into(),
            config: config.clone(),
            gate: Gate::following(old.map(|old| &old.gate), &config.limits),
            budget: old.map(|old| Arc::clone(&old.budget)).unwrap_or_default(),
            sticky,
            allowance: Allowance::following(
                old.and_then(|old| old.allowance.as_ref()),
                &config.limits,
            ),
            trust,
            own_zone: around.own_zone.cloned(),
            policy: Policy {
                local: config.local,
                ejection: config.ejection.clone(),
                breaker: config.breaker.clone(),
                panic: config.panic,
                slow_start: config.slow_start.duration(),
            },
            listed: ArcSwap::default(),
            endpoints: ArcSwap::from_pointee(Endpoints::none()),
            known: Mutex::new(known.unwrap_or_default()),
            sources: config.endpoints.iter().map(Source::new).collect(),
            hub: old.map(|old| Arc::clone(&old.hub)).unwrap_or_default(),
            tasks: Mutex::default(),
        })
    }

    /// Whether this serves as it is for `config`: nothing it was made of has changed.
    pub fn is_still(&self, config: &model::Upstream, around: Surroundings<'_>) -> bool {
        let is_sticky = match (&self.sticky, &config.sticky) {
            (Some(sticky), Some(config)) => sticky.is_still(config),
            _ => true,
        };
        self.config == *config
            && is_sticky
            && self.own_zone.as_ref() == around.own_zone
            && match (&self.trust, &config.tls) {
                (Some(trust), Some(tls)) => trust.is_still(tls, around.certificate),
                (None, None) => true,
                _ => false,
            }
    }

    /// A place at an endpoint, as a request wishes.
    pub fn pick(&self, wish: Wish<'_>) -> Option<Seat> {
        let limit = self.config.limits.endpoint_requests.unwrap_or(u32::MAX);
        self.endpoints.load().pick(wish, limit, &self.hub)
    }

    /// The key of a client's address, if that says which endpoint it goes to.
    pub fn key_of_address(&self, address: IpAddr) -> Option<u64> {
        let by = self.config.hash.as_ref().map_or(HashBy::Address, |hash| hash.by);
        if self.config.balance != Balance::ConsistentHash || by != HashBy::Address {
            return None;
        }
        Some(match address.to_canonical() {
            IpAddr::V4(address) => hash(&address.octets()),
            IpAddr::V6(address) => hash(&address.octets()),
        })
    }

    /// What names the endpoint that a client had before, if its cookie is one of ours.
    pub fn tag(&self, headers: &HeaderMap) -> Option<u64> {
        let cookie = self.sticky.as_ref()?.given(headers)?;
        self.endpoints.load().tag_of(cookie)
    }

    /// A place for a connection that no pool keeps.
    ///
    /// # Errors
    /// There are as many as there may be, and none is closed in time.
    pub async fn place(&self) -> Result<Place, Reason> {
        match &self.allowance {
            Some(allowance) => allowance.get(self.patience()).await,
            None => Ok(None),
        }
    }

    /// How long a place for a connection is waited for: not as long as a connection may take to be
    /// made, or it would be the endpoint that is blamed.
    fn patience(&self) -> Duration {
        let whole = self.config.timeouts.connect.duration();
        let attempt = self.config.retry.attempt_time.map_or(whole, Time::duration);
        self.config.limits.wait.duration().min(whole.min(attempt).mul_f64(0.9))
    }

    /// Why there is no place at any endpoint.
    pub fn why_nobody(&self) -> Reason {
        if !self.endpoints.load().is_empty() && self.config.limits.endpoint_requests.is_some() {
            Reason::UpstreamBusy
        } else if self.listed.load().is_empty() && self.is_failing_to_resolve() {
            Reason::Unresolved
        } else {
            Reason::NoEndpoint
        }
    }

    /// The endpoints of this moment.
    pub fn endpoints(&self) -> Guard<Arc<Endpoints>> {
        self.endpoints.load()
    }

    /// What people are told of it.
    pub fn status(&self) -> Value {
        let endpoints = self.endpoints();
        let known = endpoints.iter().map(|(endpoint, state)| endpoint.status(state));
        let missing = self.missing().into_iter().map(|missing| {
            json!({
                "address": missing.address,
                "weight": missing.weight,
                "state": State::Unhealthy.as_str(),
                "running": 0,
                "check_error": missing.why,
                "ejected": null,
            })
        });
        json!({
            "name": &*self.name,
            "panic": endpoints.is_panic,
            "waiting": self.gate.waiting(),
            "limit": self.gate.limit(),
            "endpoints": known.chain(missing).collect::<Vec<_>>(),
        })
    }

    /// Has its endpoints looked at: something has changed.
    pub fn look_now(self: &Arc<Self>, observer: &Arc<Observer>) {
        self.look(observer);
        self.hub.keeper.notify_one();
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

    /// Serves from now on: names are looked up again and again, and endpoints are looked after,
    /// until it is dropped or [`Upstream::retire`]d. To be called once, on the control thread.
    pub fn begin(self: &Arc<Self>, resolver: &Arc<Resolver>, observer: &Arc<Observer>) {
        observer.metrics.upstreams.begin(&self.config);
        self.gate.begin();
        self.list();
        self.look(observer);
        self.spawn(keeper::keep(Arc::downgrade(self), Arc::clone(observer)));
        self.keep_resolving(resolver);
    }

    /// Has something done until it retires.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|task| !task.is_finished());
        tasks.push(Handle::current().spawn(task).abort_handle());
    }

    /// Another has taken its place: nobody looks after its endpoints any more. Requests that run
    /// go on.
    pub fn retire(&self) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.drain(..).for_each(|task| task.abort());
    }

    /// Makes the list of endpoints anew from what is known of each source. Endpoints that stay
    /// are kept. Requests are sent to new ones when they have been looked at.
    fn list(&self) {
        let old = self.listed.load_full();
        let old: HashMap<Identity, &Arc<Endpoint>> =
            old.iter().map(|endpoint| (endpoint.identity(), endpoint)).collect();
        let mut list = Vec::new();
        let mut seen = HashSet::new();
        for source in &self.sources {
            for address in source.addresses() {
                let identity = Identity { address, name: source.name().map(Box::from) };
                // The address and every address of one name: the first entry decides.
                if !seen.insert(identity.clone()) {
                    continue;
                }
                let kept = old.get(&identity).copied();
                match self.endpoint(identity, source, kept) {
                    Ok(endpoint) => list.push(endpoint),
                    Err(error) => {
                        let (upstream, host) = (&*self.name, &source.host);
                        tracing::error!(upstream, %host, error, "this can be no endpoint");
                    }
                }
            }
        }
        self.listed.store(Arc::new(list));
    }

    /// The one that is kept, or else a new one of which is known what was known before.
    fn endpoint(
        &self,
        identity: Identity,
        source: &Source,
        kept: Option<&Arc<Endpoint>>,
    ) -> Result<Arc<Endpoint>, String> {
        let weight = source.weight;
        let is_local = source.zone.is_some() && source.zone == self.own_zone;
        if let Some(kept) = kept.filter(|endpoint| endpoint.weight == weight) {
            return Ok(Arc::clone(kept));
        }
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&identity);
        let standing = kept.map(|kept| Arc::clone(&kept.standing)).or_else(known);
        let (trust, name) = (self.trust.as_ref(), identity.name.as_deref());
        let peer = peer::build(&self.config, trust, name, &identity.address)?;
        let standing = standing.unwrap_or_default();
        let own = (self.sticky.as_ref(), self.allowance.clone());
        Ok(Arc::new(Endpoint::new(identity, (weight, is_local), peer, standing, own)))
    }

    /// Decides which endpoints requests are spread over from now on.
    fn judge(&self) -> Review {
        let list = self.listed.load_full();
        let members: Vec<Member<'_>> = list
            .iter()
            .map(|endpoint| Member {
                standing: &endpoint.standing,
                weight: endpoint.weight,
                is_local: endpoint.is_local,
            })
            .collect();
        let review = review(&members, &self.policy, clock::now());
        let old = self.endpoints.load();
        let (states, roster) = (review.states.clone(), review.roster.clone());
        let endpoints = Endpoints::new(list.clone(), states, roster, &self.config, &old);
        self.endpoints.store(Arc::new(endpoints));
        review
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
    address: &Address,
) -> Result<(), String> {
    let trust = config.tls.as_ref().map(|tls| Trust::load(tls, certificate)).transpose()?;
    let mut peer = peer::build(config, trust.as_ref(), host, address)?;
    if let Some(version) = config.proxy_protocol {
        peer = announce::announcing(&peer, version, &Client::Sender);
    }
    let connector = TransportConnector::new(None);
    let stream = connector.new_stream(&peer).await.map_err(|error| error.to_string())?;
    let tls = stream.get_ssl_digest();
    let handshake = tls.as_ref().and_then(|tls| tls.extension.get::<Handshake>());
    let checked = trust.map_or(Ok(()), |trust| trust.check(handshake));
    checked.map_err(|refused| refused.to_string())
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.retire();
    }
}
