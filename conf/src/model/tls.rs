use std::cmp::Reverse;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Secret;
use crate::values::{HostPattern, Name, Time};

/// TLS of a listener.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-noun" = "a listener's `tls`"))]
pub struct ListenerTls {
    /// Names of entries of `certificates`. The client's SNI chooses among them by the names in
    /// the certificates, wildcards included; the first is presented when none fits.
    #[schemars(length(min = 1))]
    pub certificates: Vec<Name>,
    /// The oldest TLS version that is accepted.
    #[serde(default)]
    pub minimum: TlsVersion,
    /// Present: clients are asked for a certificate. Absent: none is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<ClientCertificates>,
    /// Session tickets (RFC 5077; RFC 8446, section 4.6.1), by which clients that come again save
    /// a full handshake.
    #[serde(default)]
    pub tickets: Tickets,
    /// Other terms for some names. A connection has those of the name in its SNI; a request for a
    /// host whose terms its connection does not meet is refused with 421.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub policies: Vec<TlsPolicy>,
    /// Names whose connections are passed on as they come: their TLS is between client and endpoint,
    /// and nothing else of the listener or of routes holds for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub passthrough: Vec<Passthrough>,
}

/// A version of TLS.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246) with ECDHE and AEAD suites only.
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    #[serde(rename = "1.3")]
    Tls13,
}

/// What is asked of clients' certificates.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-noun" = "`clients`"))]
pub struct ClientCertificates {
    /// Whether a client may come without one. One that does not verify is always refused.
    pub verify: VerifyClients,
    /// PEM file of the authorities that are trusted, and of no others. Read again when it changes;
    /// sessions that began before are not resumed then.
    #[schemars(extend("format" = "file"))]
    pub ca: PathBuf,
    /// PEM file of certificate revocation lists. When given, each authority of a client's chain
    /// needs a list in it that is not out of date, or the client is refused. Read again when it
    /// changes; sessions that began before are not resumed then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "file"))]
    pub crl: Option<PathBuf>,
    /// How many authorities may stand between a client's certificate and one in `ca` that signed
    /// itself.
    #[serde(default = "four")]
    #[schemars(range(min = 0, max = 16))]
    pub depth: u32,
}

const fn four() -> u32 {
    4
}

/// Whether a client may come without a certificate.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VerifyClients {
    /// It may come without one.
    Optional,
    /// It must have one.
    Required,
}

/// Session tickets of a listener.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "`tickets`"))]
pub struct Tickets {
    /// Whether tickets are given and taken.
    pub mode: TicketMode,
    /// How long a key of the listener's own seals tickets. For as long again it opens them; then it
    /// is gone, and what it sealed opens to nobody. Has no effect with `keys`.
    #[schemars(extend("x-min" = "1s", "x-max" = "7d"))]
    pub rotate: Time,
    /// Keys that a fleet shares, instead of the listener's own: one a line, 80 bytes in base64 (16
    /// of a name, 32 for HMAC-SHA-256, 32 for AES-256). The first seals, all open. Read again when
    /// the file changes: rotating is up to whoever writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<Secret>,
}

impl Default for Tickets {
    fn default() -> Self {
        Self { mode: TicketMode::On, rotate: Time::from_secs(12 * 3600), keys: None }
    }
}

/// Whether session tickets are given and taken.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TicketMode {
    /// Clients may resume sessions.
    On,
    /// Each connection takes a full handshake.
    Off,
}

/// Terms for some names of a listener.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-noun" = "a TLS policy"))]
pub struct TlsPolicy {
    /// Hosts, exact or with a wildcard such as `*.example.com`. The most specific one decides,
    /// whatever the order.
    #[schemars(length(min = 1, max = 256))]
    pub names: Vec<HostPattern>,
    /// The oldest TLS version that is accepted, whatever the listener says.
    #[serde(default)]
    pub minimum: TlsVersion,
    /// What is asked of clients' certificates, whatever the listener says. Absent: none is asked
    /// for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<ClientCertificates>,
}

/// Where the connections of some names go as they come.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-noun" = "a pass-through"))]
pub struct Passthrough {
    /// Hosts, exact or with a wildcard such as `*.example.com`, as the client's SNI has them. The
    /// most specific one decides, whatever the order.
    #[schemars(length(min = 1, max = 256))]
    pub names: Vec<HostPattern>,
    /// The upstream, which has no `tls` of its own. Its `connect` and `idle` times hold.
    pub upstream: Name,
}

/// On which terms clients come for a name.
#[derive(Clone, Copy, Debug)]
pub struct TlsTerms<'a> {
    /// The oldest version.
    pub minimum: TlsVersion,
    /// What is asked of their certificates, if they are asked for one.
    pub clients: Option<&'a ClientCertificates>,
}

impl ListenerTls {
    /// The position of the policy for `host` (lower case, without a port or a last dot): that of the
    /// exact name, else of the longest wildcard. `None`: the listener's own terms hold.
    pub fn policy_for(&self, host: &str) -> Option<usize> {
        most_specific(self.policies.iter().map(|policy| &*policy.names), host)
    }

    /// Where a connection for `host` is passed on to, if it is; found like a policy.
    pub fn passthrough_for(&self, host: &str) -> Option<&Passthrough> {
        let names = self.passthrough.iter().map(|rule| &*rule.names);
        self.passthrough.get(most_specific(names, host)?)
    }

    /// The terms of the policy at `position`, or the listener's own.
    pub fn terms(&self, position: Option<usize>) -> TlsTerms<'_> {
        match position.and_then(|position| self.policies.get(position)) {
            Some(policy) => TlsTerms { minimum: policy.minimum, clients: policy.clients.as_ref() },
            None => TlsTerms { minimum: self.minimum, clients: self.clients.as_ref() },
        }
    }

    /// All that is asked of clients' certificates, for whatever name.
    pub fn all_clients(&self) -> impl Iterator<Item = &ClientCertificates> {
        self.clients.iter().chain(self.policies.iter().filter_map(|policy| policy.clients.as_ref()))
    }
}

/// The position of the list with the name that fits `host` best.
fn most_specific<'a>(lists: impl Iterator<Item = &'a [HostPattern]>, host: &str) -> Option<usize> {
    let best = |names: &[HostPattern]| names.iter().filter_map(|name| fit(name, host)).max();
    let fitting = lists.enumerate().filter_map(|(at, names)| Some((best(names)?, Reverse(at))));
    fitting.max().map(|(_, Reverse(at))| at)
}

/// How specific a pattern is that fits a host: the more, the higher.
fn fit(pattern: &HostPattern, host: &str) -> Option<usize> {
    match pattern {
        HostPattern::Exact(name) => (name == host).then_some(usize::MAX),
        HostPattern::Wildcard(parent) => {
            let labels = host.strip_suffix(parent.as_str())?.strip_suffix('.')?;
            (!labels.is_empty()).then_some(parent.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_name_decides_whatever_the_order() {
        let policy = |names: &[&str]| {
            let names = names.iter().map(|name| name.parse().unwrap()).collect();
            TlsPolicy { names, minimum: TlsVersion::Tls12, clients: None }
        };
        let tls = ListenerTls {
            certificates: Vec::new(),
            minimum: TlsVersion::Tls13,
            clients: None,
            tickets: Tickets::default(),
            passthrough: Vec::new(),
            policies: vec![
                policy(&["*.org"]),
                policy(&["*.example.org", "www.example.com"]),
                policy(&["api.example.org"]),
            ],
        };
        for (host, expected) in [
            ("api.example.org", Some(2)),
            ("a.api.example.org", Some(1)),
            ("b.example.org", Some(1)),
            ("example.org", Some(0)),
            ("www.example.com", Some(1)),
            ("example.com", None),
            ("org", None),
            (".org", None),
            ("notexample.org", Some(0)),
            ("", None),
        ] {
            assert_eq!(tls.policy_for(host), expected, "{host}");
        }
        assert_eq!(tls.terms(Some(0)).minimum, TlsVersion::Tls12);
        assert_eq!(tls.terms(None).minimum, TlsVersion::Tls13);
    }
}
