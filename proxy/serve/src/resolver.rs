//! Looking up the host names of endpoints.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use marchproxy_conf::model;
use tokio::time::timeout;

/// Looks names up by DNS, and in `/etc/hosts`, as configured. Must be used on one runtime.
pub struct Resolver {
    dns: TokioResolver,
    timeout: Duration,
    soonest: Duration,
    latest: Duration,
}

/// The addresses of a name.
#[derive(Debug)]
pub struct Lookup {
    /// In a stable order, so that equal answers are equal.
    pub addresses: Vec<IpAddr>,
    /// When to look again.
    pub again_in: Duration,
}

impl Resolver {
    /// A resolver as `config` says.
    ///
    /// # Errors
    /// The system's resolver configuration cannot be read.
    pub fn new(config: &model::Resolver) -> Result<Self, String> {
        let builder = if config.servers.is_empty() {
            TokioResolver::builder_tokio()
        } else {
            let servers = config.servers.iter().map(|server| name_server(server.get())).collect();
            let servers = ResolverConfig::from_name_servers(servers);
            Ok(TokioResolver::builder_with_config(servers, TokioRuntimeProvider::default()))
        };
        let mut builder = builder.map_err(|error| format!("/etc/resolv.conf: {error}"))?;
        let options = builder.options_mut();
        options.timeout = config.timeout.duration();
        options.attempts = 1;
        // We remember answers ourselves, for as long as the configuration wants.
        options.cache_size = 0;
        Ok(Self {
            dns: builder.build().map_err(|error| error.to_string())?,
            timeout: config.timeout.duration(),
            soonest: config.min_interval.duration(),
            latest: config.max_interval.duration(),
        })
    }

    /// Looks `name` up once.
    ///
    /// # Errors
    /// Why there is no address.
    pub async fn look_up(&self, name: &str) -> Result<Lookup, String> {
        // With the last dot, search domains are not tried: the name is meant as it stands.
        let rooted = format!("{name}.");
        let found = timeout(self.timeout, self.dns.lookup_ip(rooted))
            .await
            .map_err(|_| format!("no answer within {:?}", self.timeout))?
            .map_err(|error| error.to_string())?;
        let mut addresses: Vec<IpAddr> = found.iter().collect();
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.is_empty() {
            return Err("the name has no address".to_owned());
        }
        let again_in = found.valid_until().saturating_duration_since(Instant::now());
        Ok(Lookup { addresses, again_in: again_in.clamp(self.soonest, self.latest) })
    }

    /// How long to wait after a lookup that failed.
    pub fn retry_in(&self) -> Duration {
        self.soonest
    }
}

fn name_server(address: std::net::SocketAddr) -> NameServerConfig {
    let on_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let connections = vec![on_port(ConnectionConfig::udp()), on_port(ConnectionConfig::tcp())];
    NameServerConfig::new(address.ip(), true, connections)
}
