//! Every metric there is: the one place they are named and explained.

/// What a metric is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Grows and shrinks.
    Gauge,
    /// Counts values by size.
    Histogram,
}

/// One metric.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub meaning: &'static str,
}

const fn entry(
    kind: Kind,
    name: &'static str,
    labels: &'static [&'static str],
    meaning: &'static str,
) -> Entry {
    Entry { name, kind, labels, meaning }
}

use Kind::{Counter, Gauge, Histogram};

/// Every metric, in the order of the docs.
#[rustfmt::skip]
pub const METRICS: &[Entry] = &[
    entry(Counter, "marchproxy_requests_total", &["route", "class"], "Requests that have ended, by the class of their status: `1xx` to `5xx`. A client that left before it had an answer counts as `4xx`."),
    entry(Histogram, "marchproxy_request_duration_seconds", &["route"], "From the first byte of a request to the last byte of its answer."),
    entry(Counter, "marchproxy_request_body_bytes_total", &["route"], "Bytes of request bodies received."),
    entry(Counter, "marchproxy_response_body_bytes_total", &["route"], "Bytes of answers' bodies sent."),
    entry(Counter, "marchproxy_refusals_total", &["reason"], "Requests that were not answered by their upstream, by reason."),
    entry(Counter, "marchproxy_policy_refusals_total", &["policy"], "Requests that a policy refused."),
    entry(Counter, "marchproxy_limit_keys_forgotten_total", &[], "Keys of limits that were forgotten before they had everything back: `process.limit_keys` is too small."),
    entry(Counter, "marchproxy_upstream_requests_total", &["upstream", "class"], "Requests that were to be forwarded to an upstream, by the class of the status that the client got."),
    entry(Histogram, "marchproxy_upstream_first_byte_seconds", &["upstream"], "How long an upstream took until its answer began."),
    entry(Gauge, "marchproxy_upstream_endpoints", &["upstream", "state"], "Endpoints by what they are fit for: `serving`, `warming`, `half_open`, `open`, `ejected`, `unhealthy`, `draining` or `disabled`."),
    entry(Gauge, "marchproxy_upstream_panic", &["upstream"], "1 while too few endpoints of an upstream are well, so that all of them are used; else 0."),
    entry(Gauge, "marchproxy_upstream_waiting_requests", &["upstream"], "Requests that wait because an upstream has as many as it may have."),
    entry(Gauge, "marchproxy_upstream_request_limit", &["upstream"], "How many requests an upstream may have at one time; absent where there is no limit."),
    entry(Counter, "marchproxy_upstream_ejections_total", &["upstream", "cause"], "Times that an endpoint was ejected, by cause: `consecutive`, `failures` or `slow`."),
    entry(Counter, "marchproxy_upstream_breaker_openings_total", &["upstream"], "Times that the breaker of an endpoint opened."),
    entry(Counter, "marchproxy_upstream_checks_total", &["upstream", "result"], "Health checks, by result: `ok` or `failed`."),
    entry(Counter, "marchproxy_upstream_retries_total", &["upstream", "result"], "Requests that should have been tried again, by what came of it: `done`, `no_budget` or `no_endpoint`; `hedged`: a second endpoint was asked at the same time."),
    entry(Counter, "marchproxy_mirrored_requests_total", &["upstream", "result"], "Copies of requests for a second upstream, by what came of them: `done`, `failed`, or `dropped` because there were too many."),
    entry(Counter, "marchproxy_cache_answers_total", &["route", "result"], "Requests of routes with `cache`, by what the cache had to do with their answer: the words of `cache` in the access log."),
    entry(Counter, "marchproxy_cache_passes_total", &["reason"], "Requests that went past the cache, by reason."),
    entry(Counter, "marchproxy_cache_refusals_total", &["reason"], "Answers that were not kept, by reason."),
    entry(Counter, "marchproxy_cache_refreshes_total", &["result"], "Stale answers that were to be refreshed while they were used, by what came of it: `stored`, `revalidated`, `uncacheable`, `failed`, or `skipped` when too many were being refreshed."),
    entry(Gauge, "marchproxy_cache_bytes", &[], "Bytes that the cache takes, those of answers on their way among them."),
    entry(Gauge, "marchproxy_cache_entries", &[], "Answers in the cache."),
    entry(Counter, "marchproxy_cache_evictions_total", &[], "Answers that had to go from the cache to make room."),
    entry(Counter, "marchproxy_recoded_bodies_total", &["work", "coding"], "Bodies that were compressed (`encode`) or decompressed (`decode`), by coding: `gzip`, `br` or `zstd`."),
    entry(Counter, "marchproxy_recoded_bytes_total", &["work", "coding", "side"], "Bytes of such bodies before (`in`) and after (`out`)."),
    entry(Gauge, "marchproxy_connections_open", &["listener"], "Connections from clients right now."),
    entry(Counter, "marchproxy_connections_total", &["listener"], "Connections that were admitted."),
    entry(Counter, "marchproxy_connections_refused_total", &["listener"], "Connections that were closed at once because there were too many, in all or from one source."),
    entry(Counter, "marchproxy_handshake_failures_total", &["listener", "cause"], "TLS handshakes that did not succeed, by cause: `no_certificate` (the client has none and must), `bad_certificate` (it has one that does not verify), `timeout`, or `refused` (anything else)."),
    entry(Counter, "marchproxy_passthrough_connections_total", &["listener", "outcome"], "Connections to be passed on as they come, by outcome: `passed`, `no_endpoint`, `unreachable`, or `busy` when the upstream has as many as it may have."),
    entry(Counter, "marchproxy_proxy_protocol_refusals_total", &["listener", "cause"], "Connections that were closed for their header of the PROXY protocol, by cause: `untrusted` (from elsewhere than `from`), `missing`, `malformed`, `oversize`, `checksum`, `doubled`, `truncated` (closed before its end) or `timeout`."),
    entry(Counter, "marchproxy_accept_pauses_total", &["listener"], "Times that accepting paused because file descriptors or memory ran out."),
    entry(Gauge, "marchproxy_listener_failures", &["listener"], "1: the listener is configured and cannot be opened; it is tried again."),
    entry(Gauge, "marchproxy_configuration_generation", &[], "The configuration that new requests are served with, counted from the start of the process."),
    entry(Counter, "marchproxy_configuration_reloads_total", &["result"], "Configurations that were read, by result: `ok` or `failed`."),
    entry(Gauge, "marchproxy_configuration_last_reload_successful", &[], "1: the configuration read last is the one that is served; 0: it was faulty, and the one before is served."),
    entry(Gauge, "marchproxy_certificate_expiry_timestamp_seconds", &["certificate"], "When a certificate expires, in seconds since 1970."),
    entry(Counter, "marchproxy_ocsp_refreshes_total", &["certificate", "outcome"], "Times that an OCSP responder was asked about a certificate, by outcome: `good` (the answer is stapled), `unreachable`, `refused` (the responder gives no answer), `invalid` (an answer that is not to be believed), `revoked` or `unknown` (nothing is stapled any more)."),
    entry(Gauge, "marchproxy_ocsp_staple_expiry_timestamp_seconds", &["certificate"], "When the OCSP answer that is stapled ends, in seconds since 1970; 0: nothing is stapled."),
    entry(Counter, "marchproxy_access_log_dropped_lines_total", &[], "Lines of the access log that were lost because its target was too slow or failed."),
    entry(Counter, "marchproxy_access_log_write_errors_total", &[], "Writes of the access log that failed."),
    entry(Counter, "marchproxy_trace_spans_total", &["outcome"], "Spans of recorded requests, by outcome: `exported` (the collector has taken them), `dropped` (too many were waiting) or `failed` (no collector has taken them)."),
];

/// The metric with this name, which is of this kind.
pub(super) fn find(name: &str, kind: Kind) -> Result<&'static Entry, String> {
    let found = METRICS.iter().find(|entry| entry.name == name && entry.kind == kind);
    found.ok_or_else(|| format!("the metric {name} is not in the table as a {kind:?}"))
}
