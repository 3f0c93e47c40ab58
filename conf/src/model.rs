//! The configuration language as plain types: what a file may say, nothing else.
//!
//! Doc comments here become the reference page and the JSON Schema, so they are written for
//! operators. Positions live in the tree the types were read from, never in the types.

mod balance;
mod cache;
mod certificate;
mod coding;
mod health;
mod listener;
mod policy;
mod process;
mod resilience;
mod route;
mod tls;
mod tracing;
mod upstream;

pub use balance::{Balance, Hash, HashBy, Sticky};
pub use cache::{Cache, ClientControl, RouteCache};
pub use certificate::{Certificate, Ocsp, Secret};
pub use coding::{Authenticated, CodedRequests, Coding, Compress, Decompress, GrpcWeb, Level};
pub use health::Health;
pub use listener::{
    ConnectionLimits, Listener, OtherPeers, Protocol, ProxyProtocol, RequestLimits,
};
pub use policy::{Access, AccessRule, ApiKey, ApiKeys, KeyForwarding, Limit, LimitKey, Policy};
pub use process::{AccessLog, AccessLogFormat, LogLevel, Process, Resolver, Status};
pub use resilience::{Adaptive, Breaker, Ejection, Limits, Retry, RetryOn};
pub use route::{
    ErrorPage, HeaderEdits, HeaderMatch, Match, Mirror, QueryMatch, Redirect, RedirectScheme,
    Respond, Rewrite, Route, Split,
};
pub use tls::{
    ClientCertificates, ListenerTls, Passthrough, TicketMode, Tickets, TlsPolicy, TlsTerms,
    TlsVersion, VerifyClients,
};
pub use tracing::{TracedQuery, Traces};
pub use upstream::{
    DnsEndpoint, Endpoint, KeepAlive, ProxyVersion, StaticEndpoint, Timeouts, Upstream,
    UpstreamProtocol, UpstreamTls,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::values::Network;

/// Everything a proxy is told: the whole of one file, or of one folder of files.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "a configuration"))]
pub struct Config {
    /// Sockets that clients connect to.
    pub listeners: Vec<Listener>,
    /// Certificates that listeners present, chosen by the name a client asks for, and that upstreams
    /// present to endpoints.
    pub certificates: Vec<Certificate>,
    /// Networks whose `X-Forwarded-*`, `Forwarded` and `X-Request-Id` fields are believed.
    pub trusted_proxies: Vec<Network>,
    /// What is asked of requests, by the routes that name it.
    pub policies: Vec<Policy>,
    /// Which request goes where. The most specific match wins, whatever the order in the file.
    pub routes: Vec<Route>,
    /// Groups of servers that requests are forwarded to.
    pub upstreams: Vec<Upstream>,
    /// Pages for answers that the proxy itself makes (refusals and failures), instead of
    /// `application/problem+json`.
    pub error_pages: Vec<ErrorPage>,
    /// The memory that answers are kept in. Absent: no route can have `cache`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<Cache>,
    /// How host names of endpoints are looked up.
    pub resolver: Resolver,
    /// One line for each request.
    pub access_log: AccessLog,
    /// Present: requests are told of as spans, to a collector that speaks OTLP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traces: Option<Traces>,
    /// The local listener for health, metrics and state.
    pub status: Status,
    /// Settings of the process as a whole.
    pub process: Process,
}
