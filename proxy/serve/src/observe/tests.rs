use std::path::Path;
use std::sync::Arc;

use http::HeaderValue;
use http::header::USER_AGENT;
use marchproxy_conf::model::AccessLogFormat;
use marchproxy_decide::exchange::{Connection, Moment, Start};
use marchproxy_decide::snapshot::compile;

use super::*;

/// One listener `web`, one upstream `app`, and these routes to it.
pub(super) fn snapshot(routes: &[&str], generation: u64) -> Snapshot {
    let routes: Vec<_> = routes
        .iter()
        .map(|name| {
            let path = format!("/{name}");
            serde_json::json!({ "name": name, "match": { "path": path }, "upstream": "app" })
        })
        .collect();
    let config = serde_json::from_value(serde_json::json!({
        "listeners": [{ "name": "web", "address": "127.0.0.1:8080" }],
        "upstreams": [{ "name": "app", "endpoints": ["127.0.0.1:3000"] }],
        "policies": [{ "name": "slowly", "limit": { "rate": "1/s" } }],
        "routes": routes,
    }));
    let mut no_files = |_: &Path| Err(std::io::Error::from(std::io::ErrorKind::NotFound));
    compile(&config.unwrap(), generation, "digest", &mut no_files).unwrap()
}

/// A request that has ended with this status.
pub(super) fn exchange(status: u16) -> Exchange {
    let peer = "192.0.2.9:40000".parse().unwrap();
    let local = "192.0.2.1:8080".parse().unwrap();
    let mut exchange = Exchange::new(Start {
        connection: Arc::new(Connection::new(peer, local, Arc::from("web"), None)),
        listener: 0,
        moment: Moment::from_nanos(1),
        unix_millis: 1_795_493_106_789,
        random: [1, 2, 3, 4],
    });
    exchange.status = status;
    exchange
}

fn record_one(format: AccessLogFormat) -> String {
    let name = format!("marchproxy-observer-{}-{format:?}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let _ = std::fs::remove_file(&path);
    let log = model::AccessLog { format: AccessLogFormat::Json, file: Some(path.clone()) };
    let observer = Observer::new(2, &log).unwrap();
    let mut snapshot = snapshot(&["shop"], 3);
    snapshot.access_log = format;
    let handles = observer.metrics.for_snapshot(&snapshot);
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static("curl/8"));
    observer.record(1, &handles, &snapshot, &exchange(204), Some(&headers));
    observer.access_log.close();
    let metrics = String::from_utf8(observer.metrics.render().unwrap()).unwrap();
    assert!(metrics.contains(r#"marchproxy_requests_total{class="2xx",route="none"} 1"#));
    std::fs::read_to_string(&path).unwrap()
}

#[test]
fn a_request_is_counted_and_written_down() {
    let text = record_one(AccessLogFormat::Json);
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["status"], 204);
    assert_eq!(line["user_agent"], "curl/8");
    assert_eq!(line["generation"], 3);
}

#[test]
fn a_log_that_is_off_gets_no_line_and_the_request_is_counted() {
    assert_eq!(record_one(AccessLogFormat::Off), "");
}
