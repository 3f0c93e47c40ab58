use proptest::prelude::*;

use super::{json, plain_yaml, scalar, yaml};
use crate::load::{load, parse_str};
use crate::testing::{FINE, loaded};

/// A configuration with every key that can be written.
const EVERYTHING: &str = r#"
listeners:
  - name: a
    address: "[::1]:8443"
    protocol: http2
    tls: { certificates: [c], minimum: 1.3 }
    connections: { total: 5, handshake: 1m }
    requests: { body_size: 0B, fields: 7 }
certificates:
  - { name: c, chain: /tls/c d.pem, key: { env: KEY } }
trusted_proxies: [10.0.0.0/8, "::1"]
routes:
  - name: r
    listeners: [a]
    match:
      host: "*.Example.com"
      path: "/a/{b}/{c...}"
      methods: [GET]
      headers: [{ name: X-A, value: "yes" }, { name: X-B }]
      query: [{ name: "q#", value: " 1" }]
    upstream: u
    rewrite: { path: "/{c}" }
    request_headers: { remove: [X-C], set: { X-D: "{{{b}}}" }, add: { X-E: "off" } }
    timeout: 1500ms
    body_size: 1KiB
    error_pages: [{ statuses: [404], file: /p.html }]
  - name: s
    match: { path: =/s }
    respond: { status: 200, body: "a\nb: \"c\" \u0085\u202e😀\ttab", content_type: text/x }
  - { name: t, match: { path: /t }, redirect: { scheme: https, host: "x:1", path: /y } }
upstreams:
  - name: u
    endpoints: ["a.b:1", { address: "[::1]:2", weight: 3 }, { dns: D.E, port: 4 }]
    protocol: auto
    tls: { verify: x.y, ca: /ca.pem, pins: [] }
access_log: { format: off, file: /log }
"#;

#[test]
fn a_dump_loads_again_to_the_same_digest() {
    for text in [FINE, EVERYTHING] {
        let first = loaded(text);
        assert_eq!(loaded(&yaml(&first)).digest, first.digest);
        assert_eq!(loaded(&plain_yaml(&first.config)).digest, first.digest);
        assert_eq!(loaded(&json(&first)).digest, first.digest);
    }
}

#[test]
fn every_example_is_dumped_and_loads_again() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for entry in std::fs::read_dir(folder).unwrap() {
        let first = load(&entry.unwrap().path()).unwrap();
        assert_eq!(parse_str("again", &yaml(&first)).unwrap().digest, first.digest);
    }
}

#[test]
fn each_line_says_where_its_value_came_from() {
    let dump = yaml(&loaded(FINE));
    let origin = |line: &str| {
        let found = dump.lines().find(|found| found.trim_start().starts_with(line)).unwrap();
        found.rsplit('#').next().unwrap().trim().to_owned()
    };
    assert_eq!(origin("listeners:"), "test.yaml:1");
    assert_eq!(origin("- name: web"), "test.yaml:2");
    assert_eq!(origin("address: \"127.0.0.1:8080\""), "test.yaml:3");
    assert_eq!(origin("- \"127.0.0.1:3000\""), "test.yaml:9");
    assert_eq!(origin("protocol: auto"), "default");
    assert_eq!(origin("requests:"), "default");
    assert_eq!(origin("head_time: 10s"), "default");
    assert_eq!(origin("certificates: []"), "default");
    assert!(dump.lines().all(|line| line.contains("  # ")), "{dump}");
}

#[test]
fn a_header_edit_has_the_line_it_was_written_on_whatever_its_capitals() {
    let edits = "upstream: app\n    request_headers:\n      set:\n        X-Tenant: a\n";
    let dump = yaml(&loaded(&FINE.replace("upstream: app\n", edits)));
    let line = dump.lines().find(|line| line.contains("x-tenant")).unwrap();
    assert!(line.ends_with("# test.yaml:9"), "{line}");
}

#[test]
fn a_file_name_cannot_break_out_of_its_comment() {
    let first = parse_str("a\nstatus: {}\u{202e}", FINE).unwrap();
    assert_eq!(loaded(&yaml(&first)).digest, first.digest);
}

#[test]
fn words_that_others_read_as_numbers_or_truths_are_in_quotes() {
    for text in ["off", "No", "true", "null", "~", "1.2", "1e3", "0x10", "", "-", "12", "a: b", "é"]
    {
        assert!(scalar(text).starts_with('"'), "{text}");
    }
    for text in ["web", "10s", "64KiB", "/a/b.pem", "round_robin"] {
        assert_eq!(scalar(text), text);
    }
}

proptest! {
    #[test]
    fn any_text_survives_a_dump(body in any::<String>(), value in "\\PC{0,20}") {
        let mut config = loaded(EVERYTHING).config;
        config.routes[1].respond.as_mut().unwrap().body = body.clone();
        config.routes[0].matches.query[0].value = Some(value.clone());
        let again = loaded(&plain_yaml(&config)).config;
        prop_assert_eq!(again, config);
    }
}
