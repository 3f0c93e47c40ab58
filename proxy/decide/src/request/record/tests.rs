use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use marchproxy_conf::model::TlsVersion;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::exchange::{Cached, ClientCertificate, Connection, Moment, TlsFacts};
use crate::testing::{Asked, config_of_routes, exchange, try_compile};
use crate::verdict::Reason;

fn full_exchange() -> Exchange {
    let mut exchange = exchange();
    let tls = TlsFacts {
        version: TlsVersion::Tls13,
        cipher: "TLS_AES_128_GCM_SHA256".into(),
        sni: Some("shop.example.com".into()),
        asked: None,
        client: Some(Box::new(ClientCertificate {
            subject: "CN=client.internal".into(),
            fingerprint: "ab".repeat(32).into(),
            serial: "01".into(),
            names: "DNS:client.internal".into(),
        })),
    };
    exchange.connection = Arc::new(Connection::new(
        exchange.connection.client,
        exchange.connection.local,
        "web".into(),
        Some(tls),
    ));
    exchange.set_target("shop.example.com", None, "/a", Some("b=1"));
    exchange.trace_id = Some([b'a'; 32]);
    exchange.consumer = Some("acme".into());
    exchange.policy = Some(0);
    exchange.route = Some(0);
    exchange.upstream = Some(0);
    exchange.endpoint = Some("127.0.0.1:3000".into());
    exchange.reason = Some(Reason::UpstreamReset);
    exchange.cache = Some(Cached::Miss);
    exchange.status = 502;
    let at = |micros: u64| Some(Moment::from_nanos(1_000_000 + micros * 1000));
    exchange.marks.head = at(10);
    exchange.marks.connecting = at(20);
    exchange.marks.connected = at(1_020);
    exchange.marks.first_byte = at(2_025);
    exchange.marks.end = at(12_345);
    exchange
}

fn line_of(format: AccessLogFormat, exchange: &Exchange, headers: &HeaderMap) -> Vec<u8> {
    let routes = json!([{ "name": "shop", "match": { "path": "/" }, "upstream": "app" }]);
    let mut config = config_of_routes(routes);
    let policies = json!([{ "name": "slowly", "limit": { "rate": "1/s" } }]);
    config.policies = serde_json::from_value(policies).unwrap();
    let mut line = Vec::new();
    write(format, &try_compile(&config).unwrap(), exchange, Some(headers), &mut line);
    line
}

#[test]
fn every_field_is_in_the_table_and_in_its_order() {
    let headers = Asked::new("GET", "/", &[("user-agent", "u"), ("referer", "r")]).headers;
    let line = line_of(AccessLogFormat::Json, &full_exchange(), &headers);
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&line).unwrap();
    let names: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
    assert_eq!(object.keys().collect::<Vec<_>>(), names);
    for field in FIELDS {
        let value = &object[field.name];
        assert_eq!(value.is_number(), field.kind == "number", "{}", field.name);
    }
}

#[test]
fn what_is_always_there_is_there_for_a_request_that_was_never_read() {
    let line = line_of(AccessLogFormat::Json, &exchange(), &HeaderMap::new());
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&line).unwrap();
    let names = FIELDS.iter().filter(|field| field.always).map(|field| field.name);
    assert_eq!(object.keys().map(String::as_str).collect::<Vec<_>>(), names.collect::<Vec<_>>());
}

#[test]
fn a_json_line_says_what_happened() {
    let line = line_of(AccessLogFormat::Json, &full_exchange(), &HeaderMap::new());
    let line: serde_json::Value = serde_json::from_slice(&line).unwrap();
    assert_eq!(line["duration_ms"], json!(12.345));
    assert_eq!(line["head_ms"], json!(0.01));
    assert_eq!(line["connect_ms"], json!(1.0));
    assert_eq!(line["first_byte_ms"], json!(1.005));
    assert_eq!(line["reason"], "upstream.reset");
    assert_eq!(line["path"], "/a?b=1");
    assert_eq!(line["peer"], "203.0.113.9:40000");
}

#[test]
fn a_text_line_says_the_same() {
    let headers = Asked::new("GET", "/", &[("user-agent", "curl/8 \"x\"")]).headers;
    let line =
        String::from_utf8(line_of(AccessLogFormat::Text, &full_exchange(), &headers)).unwrap();
    assert!(line.starts_with("time=2026-11-24T04:05:06.789Z request_id="), "{line}");
    assert!(line.contains(" path=/a?b=1 protocol=HTTP/1.1 status=502 "), "{line}");
    assert!(line.ends_with(" user_agent=\"curl/8 \\\"x\\\"\"\n"), "{line}");
}

#[test]
fn nothing_is_written_when_the_log_is_off() {
    assert!(line_of(AccessLogFormat::Off, &full_exchange(), &HeaderMap::new()).is_empty());
}

#[test]
fn a_long_path_and_a_long_agent_are_cut() {
    let mut exchange = full_exchange();
    exchange.set_target("a", None, &format!("/{}", "x".repeat(5000)), None);
    let agent = "y".repeat(5000);
    let headers = Asked::new("GET", "/", &[("user-agent", &agent)]).headers;
    let line = line_of(AccessLogFormat::Json, &exchange, &headers);
    let line: serde_json::Value = serde_json::from_slice(&line).unwrap();
    assert_eq!(line["path"].as_str().map(str::len), Some(MAX_PATH));
    assert_eq!(line["user_agent"].as_str().map(str::len), Some(MAX_FIELD));
}

#[test]
fn secrets_of_the_head_are_not_written() {
    let fields = [("authorization", "Basic c2VjcmV0"), ("cookie", "sid=c2VjcmV0")];
    let headers = Asked::new("GET", "/", &fields).headers;
    for format in [AccessLogFormat::Json, AccessLogFormat::Text] {
        let line = String::from_utf8(line_of(format, &full_exchange(), &headers)).unwrap();
        assert!(!line.contains("c2VjcmV0"));
    }
}

#[test]
fn dates_are_right() {
    let cases = [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (951_868_799_999, "2000-02-29T23:59:59.999Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        (1_709_251_199_001, "2024-02-29T23:59:59.001Z"),
        (1_735_689_599_999, "2024-12-31T23:59:59.999Z"),
        (u64::MAX, "9999-12-31T23:59:59.999Z"),
    ];
    for (millis, text) in cases {
        assert_eq!(std::str::from_utf8(&time::rfc3339(millis)), Ok(text));
    }
}

#[test]
fn each_day_follows_the_one_before() {
    let days = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let (mut year, mut month, mut day) = (1970, 1, 1);
    for number in 0..200_000_u64 {
        let text = time::rfc3339(number * 86_400_000);
        let expected = format!("{year:04}-{month:02}-{day:02}T00:00:00.000Z");
        assert_eq!(std::str::from_utf8(&text), Ok(expected.as_str()));
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = if month == 2 && is_leap { 29 } else { days[month - 1] };
        day += 1;
        if day > length {
            day = 1;
            month += 1;
        }
        if month > 12 {
            month = 1;
            year += 1;
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_stay_in_one_line_of_json(agent in proptest::collection::vec(32..=255_u8, 0..64)) {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(&agent) {
            headers.insert(USER_AGENT, value);
        }
        let line = line_of(AccessLogFormat::Json, &full_exchange(), &headers);
        prop_assert_eq!(line.split(|c| *c == b'\n').count(), 2);
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        if let (true, Ok(text)) = (headers.contains_key(USER_AGENT), std::str::from_utf8(&agent)) {
            prop_assert_eq!(value["user_agent"].as_str(), Some(text));
        }
    }

    #[test]
    fn any_value_is_escaped_so_that_it_reads_back(text in any::<String>()) {
        let mut line = Vec::new();
        let mut writer = Line::json(&mut line);
        writer.bytes("a", text.as_bytes());
        writer.millis("b", Duration::from_micros(1_002));
        writer.end();
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        prop_assert_eq!(value["a"].as_str(), Some(text.as_str()));
        prop_assert_eq!(value["b"].as_f64(), Some(1.002));
        prop_assert!(line.iter().filter(|c| c.is_ascii_control()).eq([&b'\n']));
    }
}

#[test]
fn the_reference_page_is_up_to_date() {
    let mut page = String::from(
        "# Access log\n\nOne line for each request, refused ones included, when it ends. With \
         `format: json` an object, with `format: text` the same fields as `name=value`, quoted as in \
         JSON where a value holds a blank, a quote or anything unprintable. Control characters are \
         escaped, and bytes that are no UTF-8 are written as Latin-1 escapes, so a line is always one \
         line. `Authorization`, cookies and bodies are never written.\n\n\
         This page is generated: `UPDATE_DOCS=1 cargo test -p marchproxy-decide`.\n\n\
         | field | type | in every line | meaning |\n|---|---|---|---|\n",
    );
    for field in FIELDS {
        let always = if field.always { "yes" } else { "" };
        let LogField { name, kind, meaning, .. } = field;
        writeln!(page, "| `{name}` | {kind} | {always} | {meaning} |").unwrap();
    }
    crate::testing::assert_document("access-log.md", &page);
}
