//! A TLS client with chosen versions, names and protocols.

use std::fmt::Debug;
use std::net::SocketAddr;

use boring::pkey::Id;
use boring::ssl::{SslConnector, SslMethod, SslVerifyMode, SslVersion};
use boring::x509::store::X509StoreBuilder;
use tokio::net::TcpStream;
use tokio_boring::SslStream;

use super::Connection;
use super::connection::Stream;
use crate::bounded::within;
use crate::certs::{Authority, Leaf, serial};

/// What a handshake led to.
#[derive(Clone, Debug)]
pub struct Negotiated {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: String,
    /// The suite's name.
    pub cipher: String,
    /// The protocol chosen by ALPN.
    pub alpn: Option<String>,
    /// The serial number of the peer's certificate.
    pub serial: String,
    /// Whether the peer's key is an RSA key.
    pub rsa: bool,
    /// The group of the key exchange.
    pub group: Option<String>,
    /// The OCSP answer that was stapled.
    pub staple: Option<Vec<u8>>,
}

/// A TLS client; every field is a choice, [`TlsClient::trusting`] has the usual ones.
#[derive(Clone, Debug)]
pub struct TlsClient {
    /// Trusted, if any; without one nothing is verified.
    pub authority: Option<Authority>,
    /// The name sent as SNI and verified; none: no SNI and nothing verified.
    pub name: Option<String>,
    /// Protocols offered by ALPN.
    pub alpn: Vec<&'static str>,
    /// The oldest version offered.
    pub oldest: SslVersion,
    /// The newest version offered.
    pub newest: SslVersion,
    /// Suites of TLS 1.2 offered, in OpenSSL's words.
    pub ciphers: Option<&'static str>,
    /// Signature algorithms offered.
    pub signatures: Option<&'static str>,
    /// Groups offered, the first with a key share.
    pub groups: Option<&'static str>,
    /// Shown when the server asks for one.
    pub certificate: Option<Leaf>,
}

impl TlsClient {
    /// A client that trusts `authority` and wants `name`.
    pub fn trusting(authority: &Authority, name: &str) -> Self {
        Self {
            authority: Some(authority.clone()),
            name: Some(name.to_owned()),
            alpn: vec!["http/1.1"],
            oldest: SslVersion::TLS1_2,
            newest: SslVersion::TLS1_3,
            ciphers: None,
            signatures: None,
            groups: None,
            certificate: None,
        }
    }

    /// With these protocols offered.
    #[must_use]
    pub fn alpn(mut self, protocols: &[&'static str]) -> Self {
        self.alpn = protocols.to_vec();
        self
    }

    /// With a certificate of its own.
    #[must_use]
    pub fn showing(mut self, leaf: &Leaf) -> Self {
        self.certificate = Some(leaf.clone());
        self
    }

    /// With this version alone.
    #[must_use]
    pub fn only(mut self, version: SslVersion) -> Self {
        self.oldest = version;
        self.newest = version;
        self
    }

    /// Connects and shakes hands.
    ///
    /// # Panics
    /// When that fails.
    pub async fn connect(&self, address: SocketAddr) -> (Connection, Negotiated) {
        let (stream, negotiated) =
            self.handshake(address).await.unwrap_or_else(|error| panic!("handshake: {error}"));
        (Connection::over(stream), negotiated)
    }

    /// Connects and shakes hands.
    ///
    /// # Errors
    /// What the TLS library says.
    ///
    /// # Panics
    /// When there is no TCP connection.
    pub async fn handshake(
        &self,
        address: SocketAddr,
    ) -> Result<(SslStream<TcpStream>, Negotiated), String> {
        let stream = within("connect", TcpStream::connect(address)).await.expect("connect");
        stream.set_nodelay(true).expect("set TCP_NODELAY");
        self.over(stream).await
    }

    /// Shakes hands over a stream that is there already.
    ///
    /// # Errors
    /// What the TLS library says.
    pub async fn over<S>(&self, stream: S) -> Result<(SslStream<S>, Negotiated), String>
    where
        S: Stream + Debug,
    {
        let connector = self.connector();
        let mut configuration = connector.configure().map_err(|error| error.to_string())?;
        configuration.set_use_server_name_indication(self.name.is_some());
        configuration.set_verify_hostname(self.name.is_some());
        let name = self.name.as_deref().unwrap_or("nobody.example");
        let connecting = tokio_boring::connect(configuration, name, stream);
        let stream =
            within("a handshake", connecting).await.map_err(|error| format!("{error:?}"))?;
        let negotiated = facts(&stream);
        Ok((stream, negotiated))
    }

    /// What a client sees that verifies nothing.
    ///
    /// # Panics
    /// When the handshake fails.
    pub async fn unverified(&self, address: SocketAddr) -> Negotiated {
        let trusting_all = Self { authority: None, ..self.clone() };
        let shaken = trusting_all.handshake(address).await;
        shaken.unwrap_or_else(|error| panic!("handshake: {error}")).1
    }

    fn connector(&self) -> SslConnector {
        let mut builder = SslConnector::builder(SslMethod::tls()).unwrap();
        builder.enable_ocsp_stapling();
        builder.set_min_proto_version(Some(self.oldest)).unwrap();
        builder.set_max_proto_version(Some(self.newest)).unwrap();
        match self.authority.as_ref().filter(|_| self.name.is_some()) {
            Some(authority) => {
                let mut store = X509StoreBuilder::new().unwrap();
                store.add_cert(authority.certificate()).unwrap();
                builder.set_cert_store_builder(store);
            }
            None => builder.set_verify(SslVerifyMode::NONE),
        }
        if let Some(ciphers) = self.ciphers {
            builder.set_cipher_list(ciphers).unwrap();
        }
        if let Some(signatures) = self.signatures {
            builder.set_sigalgs_list(signatures).unwrap();
        }
        if let Some(groups) = self.groups {
            builder.set_curves_list(groups).unwrap();
        }
        if let Some(leaf) = &self.certificate {
            builder.set_certificate(&leaf.certificate).unwrap();
            for authority in &leaf.intermediates {
                builder.add_extra_chain_cert(authority.clone()).unwrap();
            }
            builder.set_private_key(&leaf.key).unwrap();
        }
        if !self.alpn.is_empty() {
            builder.set_alpn_protos(&alpn_list(&self.alpn)).unwrap();
        }
        builder.build()
    }
}

/// Protocol names in the form that goes on the wire.
pub(crate) fn alpn_list(protocols: &[&str]) -> Vec<u8> {
    let mut list = Vec::new();
    for protocol in protocols {
        list.push(u8::try_from(protocol.len()).expect("a protocol name is short"));
        list.extend_from_slice(protocol.as_bytes());
    }
    list
}

fn facts<S>(stream: &SslStream<S>) -> Negotiated {
    let ssl = stream.ssl();
    let certificate = ssl.peer_certificate().expect("a server shows a certificate");
    let key = certificate.public_key().expect("a certificate has a key");
    let alpn = ssl.selected_alpn_protocol();
    Negotiated {
        version: ssl.version_str().to_owned(),
        cipher: ssl.current_cipher().map(|cipher| cipher.name().to_owned()).unwrap_or_default(),
        alpn: alpn.map(|protocol| String::from_utf8_lossy(protocol).into_owned()),
        serial: serial(&certificate),
        rsa: key.id() == Id::RSA,
        group: ssl.curve_name().map(str::to_owned),
        staple: ssl.ocsp_status().map(<[u8]>::to_vec),
    }
}
