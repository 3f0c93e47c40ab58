use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::HeaderValue;
use marchproxy_conf::model::{ClientCertificates, TlsVersion};

/// What TLS says of a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsFacts {
    /// The version.
    pub version: TlsVersion,
    /// The cipher suite, by its IANA or library name.
    pub cipher: Arc<str>,
    /// The server name the client asked for, in lower case.
    pub sni: Option<Arc<str>>,
    /// What was asked of the client's certificate, if it was asked for one.
    pub asked: Option<Arc<ClientCertificates>>,
    /// The client's certificate, verified as was asked.
    pub client: Option<Box<ClientCertificate>>,
}

/// A client's certificate, as it is told of in logs and fields.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientCertificate {
    /// The subject (RFC 4514), printable ASCII.
    pub subject: Box<str>,
    /// SHA-256 of the certificate in DER, in lower-case hex.
    pub fingerprint: Box<str>,
    /// The serial number, in lower-case hex.
    pub serial: Box<str>,
    /// The subject's alternative names: `DNS:`, `URI:`, `email:` and `IP:`, separated by spaces.
    pub names: Box<str>,
}

impl TlsFacts {
    /// The version as it is written in logs.
    pub const fn version_text(&self) -> &'static str {
        match self.version {
            TlsVersion::Tls12 => "1.2",
            TlsVersion::Tls13 => "1.3",
        }
    }
}

/// What is known of a connection, shared by its requests.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The peer's address.
    pub client: SocketAddr,
    /// The address it connected to.
    pub local: SocketAddr,
    /// The name of the listener.
    pub listener: Arc<str>,
    /// Present: it is encrypted.
    pub tls: Option<TlsFacts>,
    /// The peer's IP address; an IPv4 address mapped into IPv6 is an IPv4 address.
    pub(crate) client_ip: IpAddr,
    /// The same as a field value, made once for all requests.
    pub(crate) client_value: HeaderValue,
    /// The peer's address and port as text.
    pub(crate) peer_text: Box<str>,
}

impl Connection {
    /// A connection from `client` to `local` through the listener named `listener`.
    pub fn new(
        client: SocketAddr,
        local: SocketAddr,
        listener: Arc<str>,
        tls: Option<TlsFacts>,
    ) -> Self {
        let client_ip = client.ip().to_canonical();
        let client_value = HeaderValue::try_from(client_ip.to_string())
            .unwrap_or_else(|_| HeaderValue::from_static("unknown"));
        let peer_text = SocketAddr::new(client_ip, client.port()).to_string().into_boxed_str();
        Self { client, local, listener, tls, client_ip, client_value, peer_text }
    }
}
