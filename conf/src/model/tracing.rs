use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Secret, UpstreamTls};
use crate::values::{FieldName, Name, Share, Time, WebUrl};

/// Spans for a collector: one for each traced request, and one for each of its attempts at an
/// endpoint. They are sent by OTLP over HTTP, encoded as protobuf. A request never waits for that:
/// what is too much is dropped and counted.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-noun" = "`traces`"))]
pub struct Traces {
    /// Where spans are sent, path included: `/v1/traces` for most collectors.
    pub endpoint: WebUrl,
    /// TLS to a collector with `https`, always verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<UpstreamTls>,
    /// Fields to send with them, such as `Authorization`; each value is a secret. They are read
    /// again when a file changes.
    #[serde(default)]
    #[schemars(extend("x-keys" = "field-name"))]
    pub headers: IndexMap<FieldName, Secret>,
    /// What the proxy is called in traces (`service.name`).
    #[serde(default = "Traces::service")]
    pub service: Name,
    /// How many of the traces that begin here are recorded. What a trusted proxy sends with a
    /// `traceparent` is recorded if, and only if, that says so.
    #[serde(default = "Traces::sample")]
    #[schemars(extend("x-min" = "0%", "x-max" = "100%"))]
    pub sample: Share,
    /// Whether spans tell the query (`url.query`), and whatever secrets clients put there.
    #[serde(default)]
    pub query: TracedQuery,
    /// The longest that one sending may take, from connecting to the end of the answer.
    #[serde(default = "Traces::timeout")]
    #[schemars(extend("x-min" = "10ms", "x-max" = "1m"))]
    pub timeout: Time,
    /// Traced requests that wait to be sent; the spans of more are dropped.
    #[serde(default = "Traces::queue")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub queue: u32,
    /// Traced requests that are sent at once.
    #[serde(default = "Traces::batch")]
    #[schemars(range(min = 1, max = 10_000))]
    pub batch: u32,
}

/// Whether spans tell the query of a request.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TracedQuery {
    /// No.
    #[default]
    Hidden,
    /// Yes.
    Told,
}

impl Traces {
    fn service() -> Name {
        Name::own()
    }

    const fn sample() -> Share {
        Share::percent(5)
    }

    const fn timeout() -> Time {
        Time::from_secs(10)
    }

    const fn queue() -> u32 {
        8192
    }

    const fn batch() -> u32 {
        512
    }
}
