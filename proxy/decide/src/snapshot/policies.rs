//! What is asked of requests, compiled.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderName, Method};
use marchproxy_conf::model::{KeyForwarding, LimitKey};
use marchproxy_conf::values::Network;
use marchproxy_limit::Quota;

/// One policy.
#[derive(Debug)]
pub struct PolicyRules {
    /// Its name.
    pub name: Arc<str>,
    /// What it asks.
    pub asks: Asks,
}

/// What a policy asks.
#[derive(Debug)]
pub enum Asks {
    /// That it is known who it is.
    Identity(IdentityRules),
    /// Who it is, and what it does.
    Access(AccessRules),
    /// That not too many come.
    Limit(LimitRules),
}

/// How it is found out who a client is.
#[derive(Debug)]
pub struct IdentityRules {
    /// The field that it sends its key in.
    pub header: HeaderName,
    /// What the upstream gets of that.
    pub forwarding: KeyForwarding,
}

/// Who may pass.
#[derive(Debug)]
pub struct AccessRules {
    /// Whoever fits one of these; none: everyone.
    pub allow: Vec<AccessRule>,
    /// But for those who fit one of these.
    pub deny: Vec<AccessRule>,
}

/// Which requests are meant; what is empty fits all.
#[derive(Debug)]
pub struct AccessRule {
    /// Where the client is.
    pub networks: Vec<Network>,
    /// What it does.
    pub methods: Vec<Method>,
    /// Who it is.
    pub consumers: Vec<Arc<str>>,
}

/// How many may come.
#[derive(Debug)]
pub struct LimitRules {
    /// How many.
    pub quota: Quota,
    /// What those have in common who count together.
    pub key: Vec<LimitKey>,
    /// The field that is meant by [`LimitKey::Header`].
    pub header: Option<HeaderName>,
    /// Bits of an IPv4 address that are one client.
    pub ipv4: u8,
    /// The same of IPv6.
    pub ipv6: u8,
}

impl AccessRules {
    /// Whether a request may pass.
    pub fn allows(&self, client: IpAddr, method: &Method, consumer: Option<&str>) -> bool {
        let client = client.to_canonical();
        let fits = |rule: &AccessRule| rule.fits(client, method, consumer);
        let is_named = self.allow.is_empty() || self.allow.iter().any(fits);
        is_named && !self.deny.iter().any(fits)
    }
}

impl AccessRule {
    fn fits(&self, client: IpAddr, method: &Method, consumer: Option<&str>) -> bool {
        let is_there = self.networks.iter().any(|network| network.contains(client));
        let does_it = self.methods.contains(method);
        let is_it = self.consumers.iter().any(|name| Some(&**name) == consumer);
        (self.networks.is_empty() || is_there)
            && (self.methods.is_empty() || does_it)
            && (self.consumers.is_empty() || is_it)
    }
}
