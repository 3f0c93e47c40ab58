use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ListenerTls;
use crate::values::{FileMode, ListenAddress, Name, Network, Size, Time};

/// A socket that clients connect to.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-noun" = "a listener"))]
pub struct Listener {
    /// Unique among listeners; a label in metrics and logs.
    pub name: Name,
    /// Address and port, such as `0.0.0.0:8080` or `[::]:443`; `[::]` takes IPv4 as well. Or a Unix
    /// socket: `unix:` and its path.
    pub address: ListenAddress,
    /// The permissions of a Unix socket; whoever may write may connect. Absent: `0660`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket_mode: Option<FileMode>,
    /// Which HTTP versions are spoken.
    #[serde(default)]
    pub protocol: Protocol,
    /// Present: the listener speaks TLS only. Absent: plain text only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ListenerTls>,
    /// Present: load balancers in front say by the PROXY protocol whose connection it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Limits on connections, before there is a request.
    #[serde(default)]
    pub connections: ConnectionLimits,
    /// Limits on each request.
    #[serde(default)]
    pub requests: RequestLimits,
}

/// HTTP versions of a listener.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1 and HTTP/2: by ALPN over TLS, by the HTTP/2 preface on plain text.
    #[default]
    Auto,
    /// HTTP/1.1 and HTTP/1.0 only.
    Http1,
    /// HTTP/2 only.
    Http2,
}

/// The PROXY protocol, version 1 or 2, in front of everything else on a connection.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-noun" = "a listener's `proxy_protocol`"))]
pub struct ProxyProtocol {
    /// Networks of the load balancers. Each connection from them must begin with a header, which is
    /// believed. Needed, but for a Unix socket: each connection to it must begin with one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<Network>,
    /// From accept to the end of the header. The connection is closed after it.
    #[serde(default = "header_time")]
    #[schemars(extend("x-min" = "10ms", "x-max" = "10m"))]
    pub timeout: Time,
    /// What becomes of connections from elsewhere.
    #[serde(default)]
    pub others: OtherPeers,
}

fn header_time() -> Time {
    Time::from_secs(5)
}

/// Connections from elsewhere than the load balancers.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OtherPeers {
    /// They are closed at once.
    #[default]
    Refuse,
    /// They are clients of their own, unless they send a header: then they are closed.
    Allow,
}

/// Limits on connections, before there is a request.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "a listener's `connections`"))]
pub struct ConnectionLimits {
    /// Connections at one time. More are closed at once.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub total: u32,
    /// Connections at one time from one address (IPv6: from one /64).
    #[schemars(range(min = 1, max = 10_000_000))]
    pub per_source: u32,
    /// From accept to the end of the TLS handshake.
    #[schemars(extend("x-min" = "10ms", "x-max" = "10m"))]
    pub handshake: Time,
    /// How long an idle connection is kept for a next request.
    #[schemars(extend("x-min" = "10ms", "x-max" = "1d"))]
    pub keep_alive: Time,
    /// HTTP/2 streams at one time on one connection.
    #[schemars(range(min = 1, max = 10_000))]
    pub http2_streams: u32,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            total: 50_000,
            per_source: 1_000,
            handshake: Time::from_secs(10),
            keep_alive: Time::from_secs(75),
            http2_streams: 100,
        }
    }
}

/// Limits on each request.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "a listener's `requests`"))]
pub struct RequestLimits {
    /// From the first byte of a request to the end of its head (408 after it). On HTTP/2 also
    /// from accept to the connection preface and the first request.
    #[schemars(extend("x-min" = "10ms", "x-max" = "10m"))]
    pub head_time: Time,
    /// Request line and fields together (431 above it).
    #[schemars(extend("x-min" = "256B", "x-max" = "1MiB"))]
    pub head_size: Size,
    /// The request target, in bytes (414 above it).
    #[schemars(extend("x-min" = "64B", "x-max" = "64KiB"))]
    pub target_size: Size,
    /// Field lines of a head (431 above it).
    #[schemars(range(min = 1, max = 256))]
    pub fields: u32,
    /// The body, declared or counted as it streams (413 above it).
    #[schemars(extend("x-min" = "0B", "x-max" = "1PiB"))]
    pub body_size: Size,
    /// The longest wait for the next piece of a body (408 after it).
    #[schemars(extend("x-min" = "10ms", "x-max" = "1h"))]
    pub body_idle: Time,
    /// The longest wait for a client to take a piece of an answer; the connection is closed
    /// after it.
    #[schemars(extend("x-min" = "10ms", "x-max" = "1h"))]
    pub answer_idle: Time,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            head_time: Time::from_secs(10),
            head_size: Size::kib(32),
            target_size: Size::kib(8),
            fields: 100,
            body_size: Size::mib(100),
            body_idle: Time::from_secs(30),
            answer_idle: Time::from_secs(60),
        }
    }
}
