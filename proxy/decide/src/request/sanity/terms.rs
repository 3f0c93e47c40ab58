//! Whether the connection meets the TLS terms of the request's host. A client that may use one
//! connection for several hosts (RFC 9113, section 9.1.1) must not get around what the host it did
//! not name in its handshake asks for.

use marchproxy_conf::model::{ClientCertificates, VerifyClients};

use crate::exchange::{Exchange, TlsFacts};
use crate::snapshot::Snapshot;
use crate::verdict::Reason;

/// What holds is what is configured now, not what was when the connection began.
pub(super) fn met(snapshot: &Snapshot, exchange: &Exchange) -> Result<(), Reason> {
    let listener = snapshot.listener_of(exchange);
    let Some(tls) = listener.and_then(|listener| listener.tls.as_deref()) else { return Ok(()) };
    let host = exchange.host();
    let host = host.strip_suffix('.').unwrap_or(host);
    if tls.passthrough_for(host).is_some() {
        // It is not served here.
        return Err(Reason::Misdirected);
    }
    let terms = tls.terms(tls.policy_for(host));
    let is_met = match &exchange.connection.tls {
        Some(facts) => {
            facts.version >= terms.minimum
                && terms.clients.is_none_or(|asked| is_answered(asked, facts))
        }
        // The listener spoke plain text when the connection began: it is not cut for that.
        None => terms.clients.is_none(),
    };
    if is_met { Ok(()) } else { Err(Reason::Misdirected) }
}

/// Whether the client was asked for a certificate in the same way, and has one if it must.
fn is_answered(asked: &ClientCertificates, facts: &TlsFacts) -> bool {
    let ClientCertificates { verify, ca, crl, depth } = asked;
    let was_asked = facts
        .asked
        .as_ref()
        .is_some_and(|was| was.ca == *ca && was.crl == *crl && was.depth == *depth);
    was_asked && (*verify == VerifyClients::Optional || facts.client.is_some())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use marchproxy_conf::model::TlsVersion;
    use serde_json::{Value, json};

    use super::*;
    use crate::exchange::{ClientCertificate, Connection};
    use crate::testing::{config, exchange, try_compile};

    fn snapshot(tls: &Value) -> Snapshot {
        let config = config(json!({
            "listeners": [{ "name": "web", "address": "127.0.0.1:8080", "tls": tls }],
            "routes": [{ "name": "all", "match": { "path": "/" }, "respond": { "status": 200 } }],
        }));
        try_compile(&config).unwrap()
    }

    fn asked(verify: &str, ca: &str) -> Value {
        json!({ "verify": verify, "ca": ca })
    }

    /// Of a connection in TLS 1.2.
    fn facts(was_asked: Option<Value>, has_certificate: bool) -> TlsFacts {
        let client = ClientCertificate {
            subject: "".into(),
            fingerprint: "".into(),
            serial: "".into(),
            names: "".into(),
        };
        TlsFacts {
            version: TlsVersion::Tls12,
            cipher: "".into(),
            sni: None,
            asked: was_asked.map(|asked| Arc::new(serde_json::from_value(asked).unwrap())),
            client: has_certificate.then(|| Box::new(client)),
        }
    }

    fn is_met(tls: &Value, facts: Option<TlsFacts>, host: &str) -> bool {
        let mut exchange = exchange();
        let Connection { client, local, listener, .. } = (*exchange.connection).clone();
        exchange.connection = Arc::new(Connection::new(client, local, listener, facts));
        exchange.set_target(host, None, "/", None);
        met(&snapshot(tls), &exchange).is_ok()
    }

    #[test]
    fn a_host_is_served_when_its_terms_are_met() {
        let tls = json!({ "certificates": ["c"], "policies": [
            { "names": ["new.org"], "minimum": "1.3" },
            { "names": ["*.api.org"], "clients": asked("required", "/ca") },
            { "names": ["may.org"], "clients": asked("optional", "/ca") },
        ]});
        let (ca, other) = (|| Some(asked("optional", "/ca")), || Some(asked("required", "/other")));
        for (host, was_asked, has_certificate, expected) in [
            ("open.org", None, false, true),
            ("open.org", ca(), true, true),
            ("new.org", ca(), true, false),
            ("a.api.org", None, false, false),
            ("a.api.org", ca(), false, false),
            ("a.api.org", ca(), true, true),
            ("a.api.org.", ca(), false, false),
            ("a.api.org", other(), true, false),
            ("api.org", None, false, true),
            ("may.org", None, false, false),
            ("may.org", ca(), false, true),
            ("may.org", other(), true, false),
        ] {
            let told = format!("{host} {was_asked:?} {has_certificate}");
            let facts = facts(was_asked, has_certificate);
            assert_eq!(is_met(&tls, Some(facts), host), expected, "{told}");
        }
    }

    #[test]
    fn a_connection_from_before_tls_goes_on_unless_certificates_are_asked_for() {
        let tls = json!({ "certificates": ["c"], "minimum": "1.3" });
        assert!(is_met(&tls, None, "open.org"));
        let tls = json!({ "certificates": ["c"], "clients": asked("optional", "/ca") });
        assert!(!is_met(&tls, None, "open.org"));
    }
}
