//! The metrics of the process.

mod build;
mod cache;
mod handles;
mod labels;
mod recoded;
mod table;
#[cfg(test)]
mod tests;
mod upstreams;

pub use cache::{Answers as CacheAnswers, Cache, Refreshed};
pub use handles::Handles;
pub use upstreams::{Mirrored, Retried, Upstreams};

use std::sync::{Arc, Mutex, PoisonError};

use marchproxy_decide::snapshot::Snapshot;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder};

use super::access_log::Counters;
use super::trace::Outcomes;
use crate::certificate::ocsp::Fault;
use crate::listen::passthrough::OUTCOMES;
use crate::listen::proxied::Refusal;
use crate::listen::tls::CAUSES;
use build::Builder;
use handles::Families;
use labels::Labels;
use recoded::Recoded;

/// The metrics of the process.
pub struct Metrics {
    /// What is told of upstreams beside their requests.
    pub upstreams: Upstreams,
    /// What is told of the cache.
    pub cache: Cache,
    /// What is told of bodies that are compressed and decompressed.
    pub recoded: Recoded,
    registry: Registry,
    requests: Families,
    listeners: Listeners,
    keys_forgotten: IntCounter,
    generation: IntGauge,
    reloads_ok: IntCounter,
    reloads_failed: IntCounter,
    last_reload_successful: IntGauge,
    certificates: IntGaugeVec,
    ocsp: Ocsp,
    log: Counters,
    traces: Outcomes,
    labels: Mutex<Labels>,
}

/// What is told of OCSP answers.
struct Ocsp {
    refreshes: IntCounterVec,
    expiries: IntGaugeVec,
}

/// What is told of listeners.
struct Listeners {
    open: IntGaugeVec,
    total: IntCounterVec,
    refused: IntCounterVec,
    handshake_failures: IntCounterVec,
    proxy_protocol_refusals: IntCounterVec,
    accept_pauses: IntCounterVec,
    passed_on: IntCounterVec,
    failures: IntGaugeVec,
}

impl Metrics {
    /// All metrics, at their beginning. An error is a fault of the table they are made from.
    pub fn new() -> Result<Self, String> {
        let registry = Registry::new();
        let build = Builder(&registry);
        let reloads = build.counters("marchproxy_configuration_reloads_total")?;
        let spans = build.counters("marchproxy_trace_spans_total")?;
        Ok(Self {
            upstreams: Upstreams::new(&build)?,
            cache: Cache::new(&build)?,
            recoded: Recoded::new(&build)?,
            requests: families(&build)?,
            listeners: Listeners::new(&build)?,
            keys_forgotten: build.counter("marchproxy_limit_keys_forgotten_total")?,
            generation: build.gauge("marchproxy_configuration_generation")?,
            reloads_ok: reloads.with_label_values(&["ok"]),
            reloads_failed: reloads.with_label_values(&["failed"]),
            last_reload_successful: build
                .gauge("marchproxy_configuration_last_reload_successful")?,
            certificates: build.gauges("marchproxy_certificate_expiry_timestamp_seconds")?,
            ocsp: Ocsp {
                refreshes: build.counters("marchproxy_ocsp_refreshes_total")?,
                expiries: build.gauges("marchproxy_ocsp_staple_expiry_timestamp_seconds")?,
            },
            log: Counters {
                dropped_lines: build.counter("marchproxy_access_log_dropped_lines_total")?,
                write_errors: build.counter("marchproxy_access_log_write_errors_total")?,
            },
            traces: Outcomes {
                exported: spans.with_label_values(&["exported"]),
                dropped: spans.with_label_values(&["dropped"]),
                failed: spans.with_label_values(&["failed"]),
            },
            labels: Mutex::default(),
            registry,
        })
    }

    /// What the requests of `snapshot` count with. Afterwards either [`Metrics::reloaded`] says
    /// that it is served, or [`Metrics::reload_failed`] that it is not.
    pub fn for_snapshot(&self, snapshot: &Snapshot) -> Handles {
        let mut labels = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
        labels.propose(snapshot);
        self.requests.handles(snapshot)
    }

    /// What the access log counts with.
    pub fn access_log_counters(&self) -> Counters {
        self.log.clone()
    }

    /// So many keys of limits were forgotten since the limits that are counted now began.
    pub fn keys_forgotten(&self, count: u64) {
        self.keys_forgotten.inc_by(count.saturating_sub(self.keys_forgotten.get()));
    }

    /// What traces count with.
    pub fn trace_outcomes(&self) -> Outcomes {
        self.traces.clone()
    }

    /// A connection was admitted.
    pub fn connection_opened(&self, listener: &str) {
        self.listeners.open.with_label_values(&[listener]).inc();
        self.listeners.total.with_label_values(&[listener]).inc();
    }

    /// A connection that was admitted has ended.
    pub fn connection_closed(&self, listener: &str) {
        self.listeners.open.with_label_values(&[listener]).dec();
    }

    /// A connection was not admitted.
    pub fn connection_refused(&self, listener: &str) {
        self.listeners.refused.with_label_values(&[listener]).inc();
    }

    /// A TLS handshake did not succeed; the cause is one of few words.
    pub fn handshake_failed(&self, listener: &str, cause: &'static str) {
        self.listeners.handshake_failures.with_label_values(&[listener, cause]).inc();
    }

    /// A connection was to be passed on as it came; the outcome is one of few words.
    pub fn passed_on(&self, listener: &str, outcome: &'static str) {
        self.listeners.passed_on.with_label_values(&[listener, outcome]).inc();
    }

    /// A connection was closed for its header of the PROXY protocol.
    pub fn header_refused(&self, listener: &str, cause: Refusal) {
        let labels = [listener, cause.as_str()];
        self.listeners.proxy_protocol_refusals.with_label_values(&labels).inc();
    }

    /// Accepting pauses.
    pub fn accept_paused(&self, listener: &str) {
        self.listeners.accept_pauses.with_label_values(&[listener]).inc();
    }

    /// The snapshot that handles were last made for is served now. What earlier ones had and this
    /// one has not is no longer told of.
    pub fn reloaded(&self, generation: u64) {
        self.generation.set(i64::try_from(generation).unwrap_or(i64::MAX));
        self.reloads_ok.inc();
        self.last_reload_successful.set(1);
        let mut labels = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
        labels.accept();
        self.forget(&mut labels);
    }

    /// A configuration was faulty: the one before stays.
    pub fn reload_failed(&self) {
        self.reloads_failed.inc();
        self.last_reload_successful.set(0);
        let mut labels = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
        labels.reject();
        self.forget(&mut labels);
    }

    /// These listeners, and no others, cannot be opened.
    pub fn listener_failures(&self, names: &[String]) {
        self.listeners.failures.reset();
        for name in names {
            self.listeners.failures.with_label_values(&[name.as_str()]).set(1);
        }
    }

    /// The certificates in use, each with the time at which it expires, in Unix seconds.
    pub fn certificates(&self, certificates: &[(String, i64)]) {
        self.certificates.reset();
        for (name, expiry) in certificates {
            self.certificates.with_label_values(&[name.as_str()]).set(*expiry);
        }
    }

    /// A responder was asked about a certificate; `expiry` is when the answer that there is now
    /// ends, in Unix seconds.
    pub fn ocsp_refreshed(&self, certificate: &str, outcome: &'static str, expiry: i64) {
        self.ocsp.refreshes.with_label_values(&[certificate, outcome]).inc();
        self.ocsp.expiries.with_label_values(&[certificate]).set(expiry);
    }

    /// The certificates with OCSP answers, and no others, each with the end of what it has now.
    pub fn staples(&self, certificates: &[(&str, i64)]) {
        self.ocsp.expiries.reset();
        for (name, expiry) in certificates {
            self.ocsp.expiries.with_label_values(&[name]).set(*expiry);
        }
        let mut labels = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
        labels.certificates.replace(certificates.iter().map(|(name, _)| Arc::from(*name)));
        labels.certificates.forget(|name| {
            for outcome in Fault::OUTCOMES {
                let _ = self.ocsp.refreshes.remove_label_values(&[name, outcome]);
            }
            true
        });
    }

    /// All metrics in the text format of Prometheus, version 0.0.4.
    pub fn render(&self) -> Result<Vec<u8>, String> {
        let text = TextEncoder::new().encode_to_string(&self.registry.gather());
        text.map(String::into_bytes).map_err(|error| format!("cannot write the metrics: {error}"))
    }

    fn forget(&self, labels: &mut Labels) {
        labels.routes.forget(|name| {
            self.requests.forget_route(name);
            self.cache.forget(name);
            true
        });
        labels.upstreams.forget(|name| {
            self.requests.forget_upstream(name);
            self.upstreams.forget(name);
            true
        });
        labels.listeners.forget(|name| self.listeners.forget(name));
        labels.policies.forget(|name| {
            self.requests.forget_policy(name);
            true
        });
    }
}

impl Listeners {
    fn new(build: &Builder<'_>) -> Result<Self, String> {
        Ok(Self {
            open: build.gauges("marchproxy_connections_open")?,
            total: build.counters("marchproxy_connections_total")?,
            refused: build.counters("marchproxy_connections_refused_total")?,
            handshake_failures: build.counters("marchproxy_handshake_failures_total")?,
            passed_on: build.counters("marchproxy_passthrough_connections_total")?,
            proxy_protocol_refusals: build.counters("marchproxy_proxy_protocol_refusals_total")?,
            accept_pauses: build.counters("marchproxy_accept_pauses_total")?,
            failures: build.gauges("marchproxy_listener_failures")?,
        })
    }

    /// Forgets a listener, unless it still has connections: then `false`.
    fn forget(&self, name: &str) -> bool {
        if self.open.with_label_values(&[name]).get() != 0 {
            return false;
        }
        let _ = self.open.remove_label_values(&[name]);
        for family in [&self.total, &self.refused, &self.accept_pauses] {
            let _ = family.remove_label_values(&[name]);
        }
        for cause in CAUSES {
            let _ = self.handshake_failures.remove_label_values(&[name, cause]);
        }
        for outcome in OUTCOMES {
            let _ = self.passed_on.remove_label_values(&[name, outcome]);
        }
        for cause in Refusal::ALL.map(Refusal::as_str) {
            let _ = self.proxy_protocol_refusals.remove_label_values(&[name, cause]);
        }
        true
    }
}

fn families(build: &Builder<'_>) -> Result<Families, String> {
    Ok(Families {
        requests: build.counters("marchproxy_requests_total")?,
        durations: build.histograms("marchproxy_request_duration_seconds")?,
        bytes_in: build.counters("marchproxy_request_body_bytes_total")?,
        bytes_out: build.counters("marchproxy_response_body_bytes_total")?,
        refusals: build.counters("marchproxy_refusals_total")?,
        policy_refusals: build.counters("marchproxy_policy_refusals_total")?,
        upstream_requests: build.counters("marchproxy_upstream_requests_total")?,
        first_bytes: build.histograms("marchproxy_upstream_first_byte_seconds")?,
    })
}
