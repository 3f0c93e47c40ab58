use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Balance, Breaker, Ejection, Hash, Health, Limits, Retry, Sticky};
use crate::values::{DnsName, Name, Network, ServerAddress, Share, SpkiPin, Time};

/// A group of servers that requests are forwarded to.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-noun" = "an upstream"))]
pub struct Upstream {
    /// Unique among upstreams; a label in metrics and logs.
    pub name: Name,
    /// The servers.
    #[schemars(length(min = 1))]
    pub endpoints: Vec<Endpoint>,
    /// How an endpoint is chosen for a request.
    #[serde(default)]
    pub balance: Balance,
    /// The key of `balance: consistent_hash`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Hash>,
    /// Present: a client comes back to the endpoint that it had before, as long as that serves or
    /// drains. `balance` chooses the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,
    /// Endpoints of the proxy's own zone (`process.zone`) are preferred as long as this share of
    /// them, by weight, may be used; with less the rest of the requests goes to the others. `0%`:
    /// zones make no difference.
    #[serde(default = "most")]
    #[schemars(extend("x-min" = "0%", "x-max" = "100%"))]
    pub local: Share,
    /// Which HTTP version is spoken to the endpoints.
    #[serde(default)]
    pub protocol: UpstreamProtocol,
    /// Present: each connection to an endpoint begins with a header of the PROXY protocol, before
    /// TLS, which says whose requests come on it. Connections are not shared by clients then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<ProxyVersion>,
    /// Networks that no looked-up name may lead to. Such an address is told of as unhealthy and
    /// never connected to. The default has what no server is found at by name, but the metadata of
    /// a cloud, or the proxy's own machine: link-local addresses, `fd00:ec2::254`, `0.0.0.0/8`
    /// and `::`. Addresses that stand in `endpoints` themselves are not looked at.
    #[serde(default = "no_servers")]
    pub forbidden: Vec<Network>,
    /// Present: TLS to the endpoints, always verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<UpstreamTls>,
    /// Time limits; none can be unset.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Connections kept for later requests.
    #[serde(default)]
    pub keep_alive: KeepAlive,
    /// Present: endpoints are asked whether they are well, and those that are not get no requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Endpoints at which requests fail are out for a time.
    #[serde(default)]
    pub ejection: Ejection,
    /// When fewer endpoints than this share may be used, all are, whatever checks and ejection
    /// say: what is left would only break down as well. `0%`: never.
    #[serde(default = "half")]
    #[schemars(extend("x-min" = "0%", "x-max" = "100%"))]
    pub panic: Share,
    /// Present: each endpoint has a circuit breaker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
    /// Over how long an endpoint that is new, or back, comes to its full share; `0s`: at once.
    #[serde(default)]
    #[schemars(extend("x-min" = "0s", "x-max" = "1h"))]
    pub slow_start: Time,
    /// Which requests are tried again, and how often.
    #[serde(default)]
    pub retry: Retry,
    /// How much the endpoints are given at one time.
    #[serde(default)]
    pub limits: Limits,
}

/// A server: `host:port`, `unix:/path`, or a mapping.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Endpoint {
    /// `host:port`, or `unix:` and the path of a socket. A host name is looked up again and again,
    /// and its first address is used.
    Address(ServerAddress),
    /// An address with a weight.
    Static(StaticEndpoint),
    /// Every address of a DNS name.
    Dns(DnsEndpoint),
}

/// An address with a weight.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-noun" = "an endpoint"))]
pub struct StaticEndpoint {
    /// `host:port`, or `unix:` and the path of a socket.
    pub address: ServerAddress,
    /// Its share of requests, relative to the others.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    pub weight: u32,
    /// Where it is. Those without a zone are in no proxy's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Name>,
}

/// Every address of a DNS name; endpoints come and go with its records.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-noun" = "a DNS endpoint"))]
pub struct DnsEndpoint {
    /// The name; its A and AAAA records are used.
    pub dns: DnsName,
    /// The port of each.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// The share of each address, relative to the others.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    pub weight: u32,
    /// Where it is. Those without a zone are in no proxy's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Name>,
}

const fn one() -> u32 {
    1
}

const fn most() -> Share {
    Share::percent(70)
}

const fn half() -> Share {
    Share::percent(50)
}

fn no_servers() -> Vec<Network> {
    let networks = ["169.254.0.0/16", "fe80::/10", "fd00:ec2::254", "0.0.0.0/8", "::"];
    networks.iter().filter_map(|network| network.parse().ok()).collect()
}

/// Which HTTP version is spoken to the endpoints.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2: by ALPN over TLS, by prior knowledge on plain text. Needed for gRPC.
    Http2,
    /// Over TLS: HTTP/2 if the endpoint offers it, else HTTP/1.1. On plain text: HTTP/1.1.
    Auto,
}

/// The version of a PROXY header.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProxyVersion {
    /// A line of text.
    V1,
    /// Binary. It can also say that a connection is the proxy's own, as health checks do.
    V2,
}

/// TLS to the endpoints.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "an upstream's `tls`"))]
pub struct UpstreamTls {
    /// The name that the endpoint's certificate must hold, also sent as SNI; absent: the
    /// endpoint's host. Needed when an endpoint is given by its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<DnsName>,
    /// PEM file of the authorities to trust; absent: those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "file"))]
    pub ca: Option<PathBuf>,
    /// The name of an entry of `certificates` to present when an endpoint asks for one. Its files
    /// are read again when they change; connections are made anew then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Name>,
    /// SHA-256 hashes of public keys (`sha256:` and 64 hex digits). When given, the endpoint's
    /// certificate must have one of them, besides being valid. List a backup pin too.
    pub pins: Vec<SpkiPin>,
}

/// Time limits toward an upstream; none can be unset.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "an upstream's `timeouts`"))]
pub struct Timeouts {
    /// From the first packet to an established connection, TLS included (504 after it).
    #[schemars(extend("x-min" = "1ms", "x-max" = "10m"))]
    pub connect: Time,
    /// From the end of the request to the first byte of the answer (504 after it).
    #[schemars(extend("x-min" = "1ms", "x-max" = "1d"))]
    pub first_byte: Time,
    /// Between two pieces of an answer or of a request body on its way up.
    #[schemars(extend("x-min" = "1ms", "x-max" = "1d"))]
    pub idle: Time,
    /// From the request's head to the end of the answer. Upgraded connections (WebSocket) are
    /// bound by `idle` alone.
    #[schemars(extend("x-min" = "1ms", "x-max" = "7d"))]
    pub request: Time,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Time::from_secs(5),
            first_byte: Time::from_secs(60),
            idle: Time::from_secs(60),
            request: Time::from_secs(3600),
        }
    }
}

/// Connections kept for later requests.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "an upstream's `keep_alive`"))]
pub struct KeepAlive {
    /// How long an idle connection is kept; `0s`: none is kept.
    #[schemars(extend("x-min" = "0s", "x-max" = "1d"))]
    pub idle: Time,
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self { idle: Time::from_secs(60) }
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(EndpointVisitor)
    }
}

/// Derived code for untagged enums would guess numbers from text and lose its errors.
struct EndpointVisitor;

impl<'de> Visitor<'de> for EndpointVisitor {
    type Value = Endpoint;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`host:port`, `unix:/path`, or a mapping with `address` or `dns`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Endpoint, E> {
        text.parse().map(Endpoint::Address).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Endpoint, A::Error> {
        let any = AnyEndpoint::deserialize(MapAccessDeserializer::new(map))?;
        match (any.address, any.dns, any.port) {
            (Some(address), None, None) => {
                let (weight, zone) = (any.weight, any.zone);
                Ok(Endpoint::Static(StaticEndpoint { address, weight, zone }))
            }
            (None, Some(dns), Some(port)) => {
                let (weight, zone) = (any.weight, any.zone);
                Ok(Endpoint::Dns(DnsEndpoint { dns, port, weight, zone }))
            }
            _ => Err(de::Error::custom("an endpoint has `address`, or `dns` and `port`")),
        }
    }
}

/// The keys of both mappings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnyEndpoint {
    address: Option<ServerAddress>,
    dns: Option<DnsName>,
    port: Option<u16>,
    #[serde(default = "one")]
    weight: u32,
    zone: Option<Name>,
}
