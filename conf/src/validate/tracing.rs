use crate::model::{Config, Traces};
use crate::problem::{Place, Problem};
use crate::values::HostPort;

/// Fields that are the sender's own: they say where a message goes, where it ends, and what it is.
const OWN_FIELDS: [&str; 7] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "te",
    "transfer-encoding",
];

pub(super) fn validate(config: &Config, problems: &mut Vec<Problem>) {
    let Some(traces) = &config.traces else { return };
    let place = Place::root().key("traces");
    encryption(traces, &place, problems);
    for name in traces.headers.keys().filter(|name| OWN_FIELDS.contains(&name.as_str())) {
        let message = format!("`{name}` is not yours to set");
        let place = place.key("headers").key(name.as_str());
        problems.push(Problem::new("own-field", place, message).at_key().label("remove it"));
    }
}

/// Whether what is said of TLS goes with the scheme, and whether there is a name to verify.
fn encryption(traces: &Traces, place: &Place, problems: &mut Vec<Problem>) {
    let endpoint = &traces.endpoint;
    if !endpoint.is_https() {
        if traces.tls.is_some() {
            let problem = Problem::new("no-effect", place.key("tls"), "`tls` has no effect");
            let label = "write `endpoint` with `https`, or remove it";
            problems.push(problem.at_key().label(label));
        }
        if !traces.headers.is_empty() && !is_near(endpoint.host()) {
            let message = "secrets go to the collector in plain text";
            let problem = Problem::new("plain-secrets", place.key("endpoint"), message).warning();
            problems.push(problem.label("write it with `https`"));
        }
        return;
    }
    let verify = traces.tls.as_ref().and_then(|tls| tls.verify.as_ref());
    if let (HostPort::Address(address), None) = (endpoint.host(), verify) {
        let message = format!("the certificate of {address} cannot be verified without a name");
        let problem = Problem::new("nothing-to-verify", place.key("endpoint"), message);
        problems.push(problem.label("say in `tls.verify` which name its certificate holds"));
    }
}

/// Whether what is sent there stays on this machine.
fn is_near(host: &HostPort) -> bool {
    match host {
        HostPort::Address(address) => address.ip().to_canonical().is_loopback(),
        HostPort::Name(name, _) => name.as_str() == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{FINE, found, label, loaded};

    fn with(traces: &str) -> String {
        format!("{FINE}traces: {{ {traces} }}\n")
    }

    #[test]
    fn what_goes_together_is_fine() {
        for traces in [
            "endpoint: 'http://127.0.0.1:4318/v1/traces'",
            "endpoint: 'http://localhost:4318/', headers: { x-key: { env: KEY } }",
            "endpoint: 'https://collector/v1/traces', headers: { x-key: { file: key } }",
            "endpoint: 'https://192.0.2.1/', tls: { verify: collector.internal }",
            "endpoint: 'http://collector/', sample: 0%, query: told, queue: 1, batch: 1",
        ] {
            assert_eq!(found(&with(traces)), Vec::<String>::new(), "{traces}");
        }
    }

    #[test]
    fn what_does_not_is_told_where_it_stands() {
        for (traces, problem) in [
            ("endpoint: 'http://a/', tls: {}", "no-effect 10:34"),
            ("endpoint: 'https://192.0.2.1/'", "nothing-to-verify 10:21"),
            ("endpoint: 'http://a/', headers: { Host: { env: A } }", "own-field 10:45"),
            ("endpoint: 'https://a/', tls: { certificate: x }", "unknown-certificate 10:55"),
            ("endpoint: 'ftp://a/'", "bad-value 10:21"),
            ("endpoint: 'http://a/', sample: 101%", "bad-value 10:42"),
            ("endpoint: 'http://a/', timeout: 2m", "out-of-range 10:43"),
            ("endpoint: 'http://a/', queue: 0", "out-of-range 10:41"),
            ("endpoint: 'http://a/', batch: 10001", "out-of-range 10:41"),
            ("sample: 5%", "missing-key 10:9"),
        ] {
            let text = with(traces);
            assert!(found(&text).contains(&problem.to_owned()), "{traces}: {:?}", found(&text));
        }
        assert!(label(&with("endpoint: 'http://a/', tls: {}")).contains("https"));
    }

    #[test]
    fn secrets_in_plain_text_are_warned_of() {
        let text = with("endpoint: 'http://collector/', headers: { x-key: { env: KEY } }");
        let warnings = loaded(&text).warnings;
        assert!(warnings.iter().any(|warning| warning.code == "plain-secrets"), "{warnings:?}");
    }
}
