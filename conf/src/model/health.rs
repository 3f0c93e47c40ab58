use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::values::{Share, Time};

/// Asking endpoints again and again whether they are well. With `http` or `grpc` they have to say
/// so; with neither, a connection (TLS included) is enough.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "an upstream's `health`"))]
pub struct Health {
    /// A path that is asked for with GET.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub http: Option<String>,
    /// The service that is asked for by the gRPC health checking protocol; empty: the server as a
    /// whole. Needs `protocol: http2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub grpc: Option<String>,
    /// The `Host` of `http` and the authority of `grpc`. Absent: the endpoint's host and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub host: Option<String>,
    /// Statuses that are well, for `http`; empty: all from 200 to 299.
    #[schemars(length(max = 32), inner(range(min = 100, max = 599)))]
    pub statuses: Vec<u16>,
    /// Another port than the one that requests are sent to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// The time from one check's beginning to the next.
    #[schemars(extend("x-min" = "100ms", "x-max" = "1d"))]
    pub every: Time,
    /// A share of `every` by which each pause is drawn longer or shorter, so that proxies do not
    /// ask in step.
    #[schemars(extend("x-min" = "0%", "x-max" = "50%"))]
    pub jitter: Share,
    /// How long a check may take, connecting included.
    #[schemars(extend("x-min" = "1ms", "x-max" = "10m"))]
    pub timeout: Time,
    /// Successes in a row that make an endpoint healthy again.
    #[schemars(range(min = 1, max = 100))]
    pub up: u32,
    /// Failures in a row that make it unhealthy.
    #[schemars(range(min = 1, max = 100))]
    pub down: u32,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            http: None,
            grpc: None,
            host: None,
            statuses: Vec::new(),
            port: None,
            every: Time::from_secs(5),
            jitter: Share::percent(10),
            timeout: Time::from_secs(2),
            up: 2,
            down: 3,
        }
    }
}
