//! One configuration as it runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use marchproxy_conf::model::Config;
use marchproxy_decide::limiter::Limiter;
use marchproxy_decide::snapshot::Snapshot;

use crate::certificate::Certificate;
use crate::edge::{CacheRules, CacheStore};
use crate::identity::Identities;
use crate::listen::tls::ServerTls;
use crate::observe::Traces;
use crate::observe::metrics::Handles;
use crate::upstream::Upstream;

/// One configuration as it runs: what is decided by, and what is carried over from the one before.
pub struct Generation {
    /// As configured.
    pub config: Config,
    /// The compiled form.
    pub snapshot: Snapshot,
    /// Its counters, found without a look-up.
    pub handles: Handles,
    /// At the positions that the snapshot gives them.
    pub upstreams: Vec<Arc<Upstream>>,
    /// Who clients are.
    pub identities: Identities,
    /// What limits count.
    pub limiter: Arc<Limiter>,
    /// What answers are kept in, if they are.
    pub cache: Option<Arc<CacheStore>>,
    /// What each route makes of it, at the positions of the snapshot.
    pub cache_rules: Vec<Option<CacheRules>>,
    /// TLS of each listener that speaks it, at the positions of the configuration.
    pub tls: Vec<Option<Arc<ServerTls>>>,
    /// The certificates that listeners name: each name, and when it expires in Unix seconds.
    pub certificates: Vec<(String, i64)>,
    /// The same, loaded.
    pub loaded: BTreeMap<String, Arc<Certificate>>,
    /// Where spans go, if anywhere.
    pub traces: Option<Arc<Traces>>,
}
