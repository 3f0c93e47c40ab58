use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::values::{Share, Size, Time};

/// Taking endpoints out for a time because of what requests meet there.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "an upstream's `ejection`"))]
pub struct Ejection {
    /// Failures in a row that eject an endpoint; 0: none do. A failure is no connection, no
    /// answer in time, a connection that breaks, a malformed answer, 502, 503 and 504. A 500 is
    /// none: clients could provoke it.
    #[schemars(range(min = 0, max = 1000))]
    pub consecutive: u32,
    /// Ejects an endpoint when the share of its answers that fail, 5xx included, is so much
    /// greater than that of all others together, over one `period`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-min" = "1%", "x-max" = "100%"))]
    pub failures: Option<Share>,
    /// Ejects an endpoint when its answers take so many times as long as those of the median
    /// endpoint, over one `period`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 1000))]
    pub slow: Option<u32>,
    /// How long answers are counted for `failures` and `slow`.
    #[schemars(extend("x-min" = "100ms", "x-max" = "10m"))]
    pub period: Time,
    /// An endpoint with fewer answers in a `period` is not compared.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests: u32,
    /// How long an endpoint is out the first time; twice as long each next time.
    #[schemars(extend("x-min" = "100ms", "x-max" = "1h"))]
    pub time: Time,
    /// The longest that an endpoint is out. One that has been good for as long begins anew.
    #[schemars(extend("x-min" = "100ms", "x-max" = "1d"))]
    pub longest: Time,
    /// The share of the endpoints, those that an operator took out aside, that may be out at one time,
    /// rounded down.
    #[schemars(extend("x-min" = "0%", "x-max" = "100%"))]
    pub share: Share,
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            consecutive: 5,
            failures: None,
            slow: None,
            period: Time::from_secs(10),
            requests: 20,
            time: Time::from_secs(10),
            longest: Time::from_secs(300),
            share: Share::percent(50),
        }
    }
}

/// Sending an endpoint nothing while too much of what it is sent fails.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "an upstream's `breaker`"))]
pub struct Breaker {
    /// The share of an endpoint's requests that opens its breaker by failing, 5xx included.
    #[schemars(extend("x-min" = "1%", "x-max" = "100%"))]
    pub failures: Share,
    /// Over how long they are counted.
    #[schemars(extend("x-min" = "100ms", "x-max" = "10m"))]
    pub window: Time,
    /// With fewer requests in the window the breaker stays closed.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests: u32,
    /// How long it is open before the endpoint is probed.
    #[schemars(extend("x-min" = "100ms", "x-max" = "1h"))]
    pub open: Time,
    /// Half open: how many requests are let through. When all of them succeed the breaker closes,
    /// when one fails it opens again.
    #[schemars(range(min = 1, max = 1000))]
    pub probes: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            failures: Share::percent(50),
            window: Time::from_secs(10),
            requests: 20,
            open: Time::from_secs(15),
            probes: 3,
        }
    }
}

/// Trying a request again at an endpoint that has not been tried.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "an upstream's `retry`"))]
pub struct Retry {
    /// How often a request is tried, the first time included; 1: never again.
    #[schemars(range(min = 1, max = 10))]
    pub attempts: u32,
    /// Failures after which a request is tried again.
    pub on: Vec<RetryOn>,
    /// Statuses after which a request is tried again, if its method is idempotent.
    #[schemars(length(max = 32), inner(range(min = 400, max = 599)))]
    pub statuses: Vec<u16>,
    /// Retries as a share of the upstream's requests over the last ten seconds.
    #[schemars(extend("x-min" = "0%", "x-max" = "100%"))]
    pub budget: Share,
    /// Retries per second that are allowed besides, so that there are some when traffic is thin.
    #[schemars(range(min = 0, max = 10_000))]
    pub floor: u32,
    /// How long one attempt may take, from its beginning to the head of the answer. Absent: only
    /// the upstream's `timeouts` hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-min" = "1ms", "x-max" = "1h"))]
    pub attempt_time: Option<Time>,
    /// The longest pause before the first retry; it doubles each time. The pause itself is drawn
    /// at random between half of it and all.
    #[schemars(extend("x-min" = "0ms", "x-max" = "1m"))]
    pub pause: Time,
    /// How much of a request's body is kept to be sent again. A request with more is not retried
    /// once that has been sent.
    #[schemars(extend("x-min" = "0B", "x-max" = "16MiB"))]
    pub buffer: Size,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 2,
            on: vec![RetryOn::Connect, RetryOn::Reset],
            statuses: Vec::new(),
            budget: Share::percent(20),
            floor: 5,
            attempt_time: None,
            pause: Time::from_millis(20),
            buffer: Size::kib(64),
        }
    }
}

/// A failure after which a request may be tried again.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RetryOn {
    /// There is no connection to the endpoint: refused, too slow, or not to be trusted. Nothing
    /// has been sent, so any method is safe.
    Connect,
    /// The connection broke before an answer: only for idempotent methods, unless the endpoint
    /// says that it has not seen the request.
    Reset,
    /// There was no answer in time: only for idempotent methods.
    Timeout,
}

/// Bounds on what an upstream is given at one time.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "an upstream's `limits`"))]
pub struct Limits {
    /// Requests at one time. Absent: as many as come.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub requests: Option<u32>,
    /// Present: instead of `requests` there is a limit that is found out by how long answers take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adaptive: Option<Adaptive>,
    /// Requests at one time at one endpoint. An endpoint that is full is passed over. Absent: as
    /// many as come.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub endpoint_requests: Option<u32>,
    /// Connections to its endpoints at one time, those that idle included; those of health checks
    /// are not counted. Absent: as many as it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub connections: Option<u32>,
    /// Requests that wait for their turn when there are `requests` already, and as many that wait
    /// for a connection when there are `connections` (503 above it).
    #[schemars(range(min = 0, max = 1_000_000))]
    pub waiting: u32,
    /// How long they wait (503 after it).
    #[schemars(extend("x-min" = "1ms", "x-max" = "10m"))]
    pub wait: Time,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests: None,
            adaptive: None,
            endpoint_requests: None,
            connections: None,
            waiting: 100,
            wait: Time::from_secs(1),
        }
    }
}

/// A limit on requests at one time that grows as long as answers take what they usually do, and
/// falls when they take longer.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "`adaptive`"))]
pub struct Adaptive {
    /// The limit falls no lower. It begins here.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub least: u32,
    /// The limit grows no higher.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub most: u32,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self { least: 20, most: 10_000 }
    }
}
