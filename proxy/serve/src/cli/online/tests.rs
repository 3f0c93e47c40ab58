use std::net::TcpListener;

use super::*;

fn config(endpoints: &str) -> Config {
    let text = format!(
        "listeners: [{{ name: web, address: \"127.0.0.1:1\" }}]\n\
         routes: [{{ name: all, upstream: app }}]\n\
         upstreams: [{{ name: app, endpoints: [{endpoints}] }}]\n"
    );
    marchproxy_conf::parse_str("test.yaml", &text).unwrap().config
}

#[test]
fn an_endpoint_that_accepts_is_fine_and_one_that_refuses_fails() {
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let (here, away) = (open.local_addr().unwrap(), {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap();
        closed.local_addr().unwrap()
    });
    let findings = look(&config(&format!("\"{here}\", {{ address: \"{away}\", weight: 2 }}")));
    let levels: Vec<Level> = findings.iter().map(|finding| finding.level).collect();
    assert_eq!(levels, [Level::Fine, Level::Failed]);
    let shown = findings.last().unwrap().to_string();
    assert!(shown.starts_with(&format!("failed: endpoint {away} of upstream `app`: ")), "{shown}");
    assert!(shown.ends_with(": Connection refused (os error 111)"), "{shown}");
}

#[test]
fn a_certificate_is_warned_of_before_it_expires_and_fails_after() {
    let level = |days| validity(days).0;
    assert_eq!([level(30), level(29), level(0)], [Level::Fine, Level::Warning, Level::Warning]);
    assert_eq!([level(-1), level(i32::MIN)], [Level::Failed, Level::Failed]);
    assert!(validity(-3).1.starts_with("expired 3 days ago"));
}

#[test]
fn what_traces_and_staples_need_is_looked_at() {
    let text = "listeners: [{ name: web, address: \"127.0.0.1:1\" }]\n\
        routes: [{ name: all, respond: { status: 200, body: a } }]\n\
        certificates: [{ name: c, chain: /nosuch.pem, key: { file: /nosuch.key }, \
        ocsp: { cache: /nosuch } }]\n\
        traces: { endpoint: \"http://127.0.0.1:1/v1/traces\", headers: { a: { file: /nosuch } } }\n";
    let config = marchproxy_conf::parse_str("test.yaml", text).unwrap().config;
    let shown: Vec<String> = look(&config).iter().map(ToString::to_string).collect();
    for what in
        ["failed: OCSP answers of certificate `c`: /nosuch is no folder", "failed: traces: "]
    {
        assert!(shown.iter().any(|line| line.starts_with(what)), "{what}: {shown:?}");
    }
}

#[test]
fn a_finding_in_json_says_what_the_line_says() {
    let finding = Finding::new(Level::Warning, "certificate `a`", "expires in 3 days; renew it");
    let json = finding.to_json();
    assert_eq!(json["result"], "warning");
    assert_eq!(json["what"], "certificate `a`");
    assert_eq!(json["found"], "expires in 3 days; renew it");
}
