//! What is told about requests and the process: metrics, the access log, and the status server.

pub mod access_log;
pub mod metrics;
pub mod status;
#[cfg(test)]
mod tests;
mod trace;

pub use access_log::AccessLog;
pub use metrics::{Handles, Metrics};
pub use status::StatusSource;
pub use trace::{Collector, Prepared as PreparedTraces, Traces};

use http::HeaderMap;
use marchproxy_conf::model;
use marchproxy_decide::exchange::Exchange;
use marchproxy_decide::request::record;
use marchproxy_decide::snapshot::Snapshot;

/// Counts requests and writes them down.
pub struct Observer {
    /// The counts.
    pub metrics: Metrics,
    /// The lines.
    pub access_log: AccessLog,
}

impl Observer {
    /// For so many workers. Opens the access log; an error says why that, or the set of metrics,
    /// cannot be had.
    pub fn new(workers: usize, log: &model::AccessLog) -> Result<Self, String> {
        let metrics = Metrics::new()?;
        let access_log = AccessLog::new(workers, log, metrics.access_log_counters())?;
        Ok(Self { metrics, access_log })
    }

    /// Counts a request that has ended and writes its line. `worker` is the position of the worker
    /// that served it, `handles` were made for `snapshot`, `headers` are those of the request when
    /// there are any. Takes no lock that another worker takes, and never waits for the log.
    pub fn record(
        &self,
        worker: usize,
        handles: &Handles,
        snapshot: &Snapshot,
        exchange: &Exchange,
        headers: Option<&HeaderMap>,
    ) {
        handles.count(exchange);
        let format = snapshot.access_log;
        if format == model::AccessLogFormat::Off {
            return;
        }
        self.access_log.append(worker, |line| {
            record::write(format, snapshot, exchange, headers, line);
        });
    }
}
