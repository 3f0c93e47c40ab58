use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use marchproxy_balance::{Cause, State};
use marchproxy_decide::exchange::Cached;
use marchproxy_decide::verdict::Reason;

use super::super::tests::{exchange, snapshot};
use super::table::{Entry, Kind, METRICS};
use super::*;

fn text(metrics: &Metrics) -> String {
    String::from_utf8(metrics.render().unwrap()).unwrap()
}

#[track_caller]
fn assert_line(metrics: &Metrics, line: &str) {
    let text = text(metrics);
    assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
}

/// Lets every family have a member.
fn touch_all(metrics: &Metrics) {
    metrics.for_snapshot(&snapshot(&["shop"], 1)).count(&exchange(200));
    metrics.connection_opened("web");
    metrics.connection_refused("web");
    metrics.handshake_failed("web", "timeout");
    metrics.header_refused("web", Refusal::Doubled);
    metrics.accept_paused("web");
    metrics.passed_on("web", "passed");
    metrics.listener_failures(&[String::from("web")]);
    metrics.certificates(&[(String::from("example.com"), 5)]);
    metrics.upstreams.stands("app", true, 1, Some(2));
    metrics.upstreams.states("shop", [State::Serving].into_iter());
    metrics.upstreams.ejected("shop", Cause::Slow);
    metrics.upstreams.tripped("shop");
    metrics.upstreams.checked("shop", true);
    metrics.upstreams.retried("shop", Retried::Done);
    metrics.upstreams.mirrored("shop", Mirrored::Done);
    metrics.recoded.count("encode", "gzip", 2, 1);
    metrics.ocsp_refreshed("example.com", "good", 5);
    metrics.cache.answers("shop").count(Cached::Hit);
    metrics.cache.passed("method");
    metrics.cache.refused("private");
    metrics.cache.refreshed(Refreshed::Stored);
}

#[test]
fn the_table_names_every_family_and_no_other() {
    let metrics = Metrics::new().unwrap();
    touch_all(&metrics);
    let families = metrics.registry.gather();
    let found: BTreeSet<&str> =
        families.iter().map(prometheus::proto::MetricFamily::name).collect();
    let listed: BTreeSet<&str> = METRICS.iter().map(|entry| entry.name).collect();
    assert_eq!(found, listed);
    assert_eq!(listed.len(), METRICS.len(), "a name is listed twice");
}

#[test]
fn names_say_what_they_count_and_in_which_unit() {
    for Entry { name, kind, .. } in METRICS {
        assert!(name.starts_with("marchproxy_"), "{name}");
        assert_eq!(*kind == Kind::Counter, name.ends_with("_total"), "{name}");
        assert!(*kind != Kind::Histogram || name.ends_with("_seconds"), "{name}");
    }
}

#[test]
fn a_request_counts_for_its_route_its_upstream_and_its_reason() {
    let metrics = Metrics::new().unwrap();
    let handles = metrics.for_snapshot(&snapshot(&["shop"], 1));
    let mut exchange = exchange(502);
    exchange.route = Some(0);
    exchange.upstream = Some(0);
    exchange.attempts = 1;
    exchange.bytes_in = 10;
    exchange.bytes_out = 20;
    exchange.reason = Some(Reason::ConnectRefused);
    handles.count(&exchange);
    assert_line(&metrics, r#"marchproxy_requests_total{class="5xx",route="shop"} 1"#);
    assert_line(&metrics, r#"marchproxy_requests_total{class="5xx",route="none"} 0"#);
    assert_line(&metrics, r#"marchproxy_request_body_bytes_total{route="shop"} 10"#);
    assert_line(&metrics, r#"marchproxy_response_body_bytes_total{route="shop"} 20"#);
    assert_line(&metrics, r#"marchproxy_upstream_requests_total{class="5xx",upstream="app"} 1"#);
    assert_line(&metrics, r#"marchproxy_refusals_total{reason="upstream.connect_refused"} 1"#);
}

#[test]
fn a_request_without_a_route_counts_for_none() {
    let metrics = Metrics::new().unwrap();
    let handles = metrics.for_snapshot(&snapshot(&["shop"], 1));
    handles.count(&exchange(404));
    assert_line(&metrics, r#"marchproxy_requests_total{class="4xx",route="none"} 1"#);
}

#[test]
fn a_client_that_left_without_an_answer_counts_as_4xx() {
    let metrics = Metrics::new().unwrap();
    let handles = metrics.for_snapshot(&snapshot(&["shop"], 1));
    handles.count(&exchange(0));
    assert_line(&metrics, r#"marchproxy_requests_total{class="4xx",route="none"} 1"#);
}

#[test]
fn a_refusal_on_the_way_to_an_upstream_does_not_count_for_the_upstream() {
    let metrics = Metrics::new().unwrap();
    let handles = metrics.for_snapshot(&snapshot(&["shop"], 1));
    let mut exchange = exchange(413);
    exchange.route = Some(0);
    exchange.upstream = Some(0);
    exchange.reason = Some(Reason::BodySize);
    handles.count(&exchange);
    assert_line(&metrics, r#"marchproxy_upstream_requests_total{class="4xx",upstream="app"} 0"#);
}

#[test]
fn every_reason_counts_for_itself() {
    let metrics = Metrics::new().unwrap();
    let handles = metrics.for_snapshot(&snapshot(&["shop"], 1));
    for (position, reason) in Reason::ALL.iter().enumerate() {
        let mut exchange = exchange(400);
        exchange.reason = Some(*reason);
        for _ in 0..=position {
            handles.count(&exchange);
        }
    }
    for (position, reason) in Reason::ALL.iter().enumerate() {
        let count = position + 1;
        let code = reason.code();
        assert_line(&metrics, &format!(r#"marchproxy_refusals_total{{reason="{code}"}} {count}"#));
    }
}

#[test]
fn a_reload_keeps_the_counts_of_what_stays_and_forgets_what_is_gone() {
    let metrics = Metrics::new().unwrap();
    let mut exchange = exchange(200);
    exchange.route = Some(1);
    metrics.for_snapshot(&snapshot(&["shop", "blog"], 1)).count(&exchange);
    metrics.reloaded(1);
    metrics.for_snapshot(&snapshot(&["blog"], 2));
    assert!(text(&metrics).contains(r#"route="shop""#), "the old one is still served");
    metrics.reloaded(2);
    assert!(!text(&metrics).contains(r#"route="shop""#));
    assert_line(&metrics, r#"marchproxy_requests_total{class="2xx",route="blog"} 1"#);
    assert_line(&metrics, "marchproxy_configuration_generation 2");
    assert_line(&metrics, r#"marchproxy_configuration_reloads_total{result="ok"} 2"#);
}

#[test]
fn a_failed_reload_takes_no_count_away_and_leaves_no_label_behind() {
    let metrics = Metrics::new().unwrap();
    metrics.for_snapshot(&snapshot(&["shop"], 1));
    metrics.reloaded(1);
    metrics.for_snapshot(&snapshot(&["blog"], 2));
    metrics.reload_failed();
    let text = text(&metrics);
    assert!(text.contains(r#"route="shop""#) && !text.contains(r#"route="blog""#), "{text}");
    assert_line(&metrics, "marchproxy_configuration_generation 1");
    assert_line(&metrics, "marchproxy_configuration_last_reload_successful 0");
    assert_line(&metrics, r#"marchproxy_configuration_reloads_total{result="failed"} 1"#);
}

#[test]
fn a_listener_that_is_gone_is_told_of_while_it_has_connections() {
    let metrics = Metrics::new().unwrap();
    metrics.for_snapshot(&snapshot(&["shop"], 1));
    metrics.reloaded(1);
    metrics.connection_opened("web");
    for cause in Refusal::ALL {
        metrics.header_refused("web", cause);
    }
    let mut without = snapshot(&["shop"], 2);
    without.listeners.clear();
    metrics.for_snapshot(&without);
    metrics.reloaded(2);
    assert_line(&metrics, r#"marchproxy_connections_open{listener="web"} 1"#);
    metrics.connection_closed("web");
    metrics.for_snapshot(&without);
    metrics.reloaded(3);
    assert!(!text(&metrics).contains(r#"listener="web""#));
}

#[test]
fn a_listener_that_opens_again_no_longer_fails() {
    let metrics = Metrics::new().unwrap();
    metrics.listener_failures(&[String::from("web")]);
    assert_line(&metrics, r#"marchproxy_listener_failures{listener="web"} 1"#);
    metrics.listener_failures(&[]);
    assert!(!text(&metrics).contains("marchproxy_listener_failures{"));
}

#[test]
fn the_reference_page_is_up_to_date() {
    let mut page = String::from(
        "# Metrics\n\nWhat `/metrics` of the status server tells, in the text format of \
         Prometheus. Requests that took no route have the route `none`. What a reload takes out of \
         the configuration is no longer told of; a listener once its last connection is closed \
         and a later reload has come.\n\n\
         This page is generated: `UPDATE_DOCS=1 cargo test -p marchproxy`.\n\n\
         | metric | kind | labels | meaning |\n|---|---|---|---|\n",
    );
    for Entry { name, kind, labels, meaning } in METRICS {
        let kind = format!("{kind:?}").to_lowercase();
        let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        writeln!(page, "| `{name}` | {kind} | {labels} | {meaning} |").unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/metrics.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "docs/reference/metrics.md is out of date: run with UPDATE_DOCS=1");
}
