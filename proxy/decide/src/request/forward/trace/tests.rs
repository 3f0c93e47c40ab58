use http::HeaderMap;
use marchproxy_conf::values::Share;
use serde_json::json;

use super::*;
use crate::exchange::Moment;
use crate::request::{forward, sanity};
use crate::testing::{Asked, exchange_from, snapshot_of_routes};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRUSTED: &str = "10.0.0.1";
const STRANGER: &str = "203.0.113.9";

/// What becomes of a request with this `traceparent` when so many percent are recorded.
fn recorded(percent: u8, parent: Option<&str>, client: &str) -> (HeaderMap, Exchange) {
    let mut snapshot = snapshot_of_routes(json!([{ "name": "all", "upstream": "app" }]));
    snapshot.traces = Some(Share::percent(percent));
    let mut fields = vec![("host", "a"), ("tracestate", "a=b")];
    fields.extend(parent.map(|parent| ("traceparent", parent)));
    let asked = Asked::new("GET", "/", &fields);
    let mut exchange = exchange_from(client);
    sanity::check(&snapshot, &asked.head(), &mut exchange);
    begin(&snapshot, &asked.headers, &mut exchange);
    let mut to = asked.headers.clone();
    forward::prepare(&snapshot, &asked.head(), &mut exchange, &mut to);
    (to, exchange)
}

fn told(fields: &HeaderMap) -> (&str, bool) {
    let parent = fields.get(TRACEPARENT).unwrap().to_str().unwrap();
    (parent, fields.contains_key(TRACESTATE))
}

#[test]
fn a_trace_of_a_trusted_proxy_goes_on_with_another_span() {
    let (fields, exchange) = recorded(0, Some(PARENT), TRUSTED);
    assert_eq!(told(&fields), ("00-0af7651916cd43dd8448eb211c80319c-0000000000000003-01", true));
    let trace = exchange.trace.unwrap();
    assert_eq!(trace.id, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
    assert_eq!((trace.parent, trace.span), (Some(0xb7ad_6b71_6920_3331), 3));
    assert_eq!(exchange.trace_id, Some(*b"0af7651916cd43dd8448eb211c80319c"));
}

#[test]
fn what_a_trusted_proxy_does_not_record_is_passed_on_untouched() {
    let parent = PARENT.replace("-01", "-00");
    let (fields, exchange) = recorded(100, Some(&parent), TRUSTED);
    assert_eq!(told(&fields), (parent.as_str(), true));
    assert!(exchange.trace.is_none());
}

#[test]
fn what_strangers_say_is_replaced() {
    for (percent, flags) in [(100, "01"), (0, "00")] {
        let (fields, exchange) = recorded(percent, Some(PARENT), STRANGER);
        let made = format!("00-00000000000000010000000000000002-0000000000000003-{flags}");
        assert_eq!(told(&fields), (made.as_str(), false));
        assert_eq!(exchange.trace.is_some(), percent == 100);
    }
}

#[test]
fn flags_that_are_known_are_kept_and_others_are_not() {
    for (given, kept) in [("01", "01"), ("03", "03"), ("ff", "03")] {
        let parent = PARENT.replace("-01", &format!("-{given}"));
        let (fields, _) = recorded(0, Some(&parent), TRUSTED);
        assert!(told(&fields).0.ends_with(kept), "{given}");
    }
}

#[test]
fn the_share_is_of_the_trace_ids_that_are_highest() {
    assert!(!is_in(Share::percent(0), u64::MAX));
    assert!(is_in(Share::percent(100), 0));
    let border = (1_u64 << 56) / 4 * 3;
    assert!(is_in(Share::percent(25), border) && !is_in(Share::percent(25), border - 1));
    assert!(is_in(Share::percent(25), border | 0xff << 56), "the first byte is not looked at");
}

#[test]
fn each_attempt_has_another_span_and_knows_its_end() {
    let (_, exchange) = recorded(100, None, STRANGER);
    let mut trace = *exchange.trace.unwrap();
    let moment = Moment::from_nanos;
    let (one, other) = ("192.0.2.1:80".into(), "192.0.2.2:80".into());
    trace.tries(&one, moment(1));
    let first = trace.traceparent_now();
    trace.ends(Some(crate::verdict::Reason::UpstreamReset), moment(2));
    assert_eq!(trace.traceparent_now(), None);
    trace.tries(&one, moment(3));
    trace.tries(&other, moment(4));
    assert_ne!(trace.traceparent_now(), first);
    trace.hears(&one, moment(5));
    trace.answers(200, http::Version::HTTP_2);
    trace.ends(None, moment(6));
    let ends: Vec<_> = trace.attempts.iter().map(|one| one.end.map(Moment::nanos)).collect();
    assert_eq!(ends, [Some(2), Some(6), Some(5)]);
    let unheard: Vec<_> = trace.attempts.iter().map(|one| one.is_unheard).collect();
    assert_eq!(unheard, [false, false, true]);
    let spans: std::collections::BTreeSet<_> =
        trace.attempts.iter().map(|one| one.span).chain([0, trace.span]).collect();
    assert_eq!(spans.len(), 5);
    for time in 7..100 {
        trace.tries(&one, moment(time));
    }
    assert!(trace.attempts.len() < 40, "there is a bound");
}
