use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::values::{Name, SocketAddress, Time};

/// How host names of endpoints are looked up.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "`resolver`"))]
pub struct Resolver {
    /// DNS servers to ask; empty: those of `/etc/resolv.conf`, after `/etc/hosts`.
    pub servers: Vec<SocketAddress>,
    /// The longest a lookup may take.
    #[schemars(extend("x-min" = "10ms", "x-max" = "1m"))]
    pub timeout: Time,
    /// A name is looked up again when its record's time to live is over, but not sooner than this.
    #[schemars(extend("x-min" = "100ms", "x-max" = "1d"))]
    pub min_interval: Time,
    /// And not later than this.
    #[schemars(extend("x-min" = "100ms", "x-max" = "7d"))]
    pub max_interval: Time,
}

impl Default for Resolver {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            timeout: Time::from_secs(5),
            min_interval: Time::from_secs(5),
            max_interval: Time::from_secs(300),
        }
    }
}

/// One line for each request.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "`access_log`"))]
pub struct AccessLog {
    /// How a line looks.
    pub format: AccessLogFormat,
    /// A file to append to, opened again on SIGHUP; absent: standard output.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "file"))]
    pub file: Option<PathBuf>,
}

/// How a line of the access log looks.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessLogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// One line of text.
    Text,
    /// No access log.
    Off,
}

/// The local listener for `/healthz`, `/readyz`, `/metrics` and `/status`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "`status`"))]
pub struct Status {
    /// A loopback address and port.
    pub address: SocketAddress,
}

impl Default for Status {
    fn default() -> Self {
        Self { address: SocketAddress::loopback(9901) }
    }
}

/// Settings of the process as a whole.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "`process`"))]
pub struct Process {
    /// Threads that serve traffic, each with its own event loop and upstream connections;
    /// 0: one for each processor. Read at start only; a reload that changes it is told so.
    #[schemars(range(min = 0, max = 1024))]
    pub workers: u32,
    /// How long running requests may go on after SIGTERM, an upgrade, or the removal of their
    /// listener, before they are cut.
    #[schemars(extend("x-min" = "0s", "x-max" = "1d"))]
    pub drain: Time,
    /// What the process says of itself on standard error.
    pub log: LogLevel,
    /// The zone that it is in: endpoints of the same zone are preferred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<Name>,
    /// Clients (or what else `limit` counts for) that are counted for at one time, in some 40 bytes
    /// each. When there are more, those are forgotten that have used least. A reload that changes it
    /// begins to count anew.
    #[schemars(range(min = 1000, max = 100_000_000))]
    pub limit_keys: u32,
}

impl Default for Process {
    fn default() -> Self {
        Self {
            workers: 0,
            drain: Time::from_secs(30),
            log: LogLevel::Info,
            zone: None,
            limit_keys: 100_000,
        }
    }
}

/// The least severe message that is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Something failed and needs a person.
    Error,
    /// Something is wrong and was coped with.
    Warn,
    /// What an operator wants to know of a normal day.
    #[default]
    Info,
    /// What a developer wants to know.
    Debug,
}
