//! What tests of several modules need.

use std::io;
use std::path::Path;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use marchproxy_conf::model::Config;
use marchproxy_conf::problem::Problem;

use crate::exchange::{Connection, Exchange, Moment, Start};
use crate::request::RequestHead;
use crate::snapshot::{Snapshot, compile};

/// A configuration from JSON, which says the same as YAML.
pub(crate) fn config(value: serde_json::Value) -> Config {
    serde_json::from_value(value).unwrap()
}

/// A configuration of one listener, the upstreams `app` and `other`, and these routes.
#[expect(clippy::needless_pass_by_value, reason = "tests write the value in place")]
pub(crate) fn config_of_routes(routes: serde_json::Value) -> Config {
    config(serde_json::json!({
        "listeners": [{ "name": "web", "address": "127.0.0.1:8080" }],
        "upstreams": [
            { "name": "app", "endpoints": ["127.0.0.1:3000"] },
            { "name": "other", "endpoints": ["127.0.0.1:3001"] },
        ],
        "trusted_proxies": ["10.0.0.0/8"],
        "routes": routes,
    }))
}

pub(crate) fn try_compile(config: &Config) -> Result<Snapshot, Vec<Problem>> {
    let mut files = |path: &Path| match path.to_str() {
        Some("missing.html") => Err(io::Error::from(io::ErrorKind::NotFound)),
        _ => Ok(b"<h1>sorry</h1>".to_vec()),
    };
    compile(config, 7, "digest", &mut files)
}

pub(crate) fn snapshot_of_routes(routes: serde_json::Value) -> Snapshot {
    try_compile(&config_of_routes(routes)).unwrap()
}

/// An exchange of a connection from `client`.
pub(crate) fn exchange_from(client: &str) -> Exchange {
    let connection = Connection::new(
        format!("{client}:40000").parse().unwrap(),
        "192.0.2.1:8080".parse().unwrap(),
        Arc::from("web"),
        None,
    );
    Exchange::new(Start {
        connection: Arc::new(connection),
        listener: 0,
        moment: Moment::from_nanos(1_000_000),
        unix_millis: 1_795_493_106_789,
        random: [1, 2, 3, 4],
    })
}

pub(crate) fn exchange() -> Exchange {
    exchange_from("203.0.113.9")
}

/// A request, owned.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) target: Vec<u8>,
    pub(crate) authority: Option<Vec<u8>>,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
}

impl Asked {
    /// An HTTP/1.1 request with these fields only.
    pub(crate) fn new(method: &str, target: &str, fields: &[(&str, &str)]) -> Self {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Self {
            method: method.parse().unwrap(),
            target: target.as_bytes().to_vec(),
            authority: None,
            version: Version::HTTP_11,
            headers,
        }
    }

    /// The same over HTTP/2.
    pub(crate) fn http2(mut self, authority: Option<&str>) -> Self {
        self.version = Version::HTTP_2;
        self.authority = authority.map(|authority| authority.as_bytes().to_vec());
        self
    }

    /// The same in another version.
    pub(crate) fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    pub(crate) fn head(&self) -> RequestHead<'_> {
        RequestHead {
            method: &self.method,
            target: &self.target,
            authority: self.authority.as_deref(),
            version: self.version,
            headers: &self.headers,
        }
    }
}

/// Compares a generated page of `docs/reference/` with the file; writes it when `UPDATE_DOCS` is
/// set.
pub(crate) fn assert_document(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "docs/reference/{name} is out of date: run with UPDATE_DOCS=1");
}
