//! TLS toward clients: which certificate for which name, and with what.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use boring::error::ErrorStack;
use boring::pkey::Id;
use boring::ssl::{
    AlpnError, ClientHello, ExtensionType, NameType, SelectCertError, SslAcceptor, SslContext,
    SslContextBuilder, SslMethod, SslOptions, SslSessionCacheMode, SslVersion, select_next_proto,
};
use marchproxy_conf::model::{ListenerTls, Protocol, TlsVersion};
use pingora_core::protocols::tls::SslStream;
use pingora_core::protocols::tls::server::handshake;

use super::socket::Socket;
use crate::certificate::Certificate;

/// Forward secret, and authenticated encryption only. TLS 1.3 has no others.
const TLS12_SUITES: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
                            ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
                            ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
/// The post-quantum hybrid first.
const GROUPS: &str = "X25519MLKEM768:X25519:P-256:P-384";

/// TLS of one listener. The session ticket keys live as long as this does, so a change of
/// certificates alone does not end resumption.
pub struct ServerTls {
    acceptor: SslAcceptor,
    settings: Settings,
    certificates: Arc<ArcSwap<Choice>>,
}

/// What of a listener goes into every context.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Settings {
    minimum: TlsVersion,
    protocol: Protocol,
}

/// Certificates in contexts that are ready for use, to choose from by name.
pub struct Choice {
    first: ByKey,
    exact: HashMap<String, ByKey>,
    /// By the parent: the entry for `example.com` is for `*.example.com`.
    wildcard: HashMap<String, ByKey>,
}

/// Contexts for one name: a client that can verify ECDSA gets it, for it costs us a tenth.
#[derive(Clone, Default)]
struct ByKey {
    ecdsa: Option<SslContext>,
    other: Option<SslContext>,
}

impl ServerTls {
    /// TLS as `tls` and `protocol` say, with `certificates` in the order they are listed there.
    ///
    /// # Errors
    /// What `BoringSSL` does not take.
    pub fn new(
        tls: &ListenerTls,
        protocol: Protocol,
        certificates: &[Arc<Certificate>],
    ) -> Result<Self, ErrorStack> {
        let settings = Settings { minimum: tls.minimum, protocol };
        let choice = Arc::new(ArcSwap::from_pointee(Choice::new(settings, certificates)?));
        let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls())?;
        settings.apply(&mut builder)?;
        let choices = Arc::clone(&choice);
        builder.set_select_certificate_callback(move |hello| choices.load().select(hello));
        Ok(Self { acceptor: builder.build(), settings, certificates: choice })
    }

    /// Whether this serves as it is for a changed listener, once its certificates are replaced.
    pub fn fits(&self, tls: &ListenerTls, protocol: Protocol) -> bool {
        self.settings == Settings { minimum: tls.minimum, protocol }
    }

    /// Prepares other certificates, in the order they are listed.
    ///
    /// # Errors
    /// What `BoringSSL` does not take.
    pub fn prepare(&self, certificates: &[Arc<Certificate>]) -> Result<Choice, ErrorStack> {
        Choice::new(self.settings, certificates)
    }

    /// Uses what was prepared for handshakes from now on.
    pub fn replace(&self, choice: Choice) {
        self.certificates.store(Arc::new(choice));
    }

    /// Whether a client that agrees on no protocol is taken to speak HTTP/2.
    pub fn is_http2_only(&self) -> bool {
        self.settings.protocol == Protocol::Http2
    }

    /// Takes the server's side of a handshake.
    ///
    /// # Errors
    /// The handshake failed; the connection is of no use.
    pub async fn handshake(&self, socket: Socket) -> pingora_error::Result<SslStream<Socket>> {
        handshake(&self.acceptor, socket).await
    }
}

impl Settings {
    fn apply(self, builder: &mut SslContextBuilder) -> Result<(), ErrorStack> {
        // Tells a client that its name was used (RFC 6066, section 3); BoringSSL asks this callback.
        builder.set_servername_callback(|_, _| Ok(()));
        builder.set_min_proto_version(Some(match self.minimum {
            TlsVersion::Tls12 => SslVersion::TLS1_2,
            TlsVersion::Tls13 => SslVersion::TLS1_3,
        }))?;
        builder.set_max_proto_version(Some(SslVersion::TLS1_3))?;
        builder.set_strict_cipher_list(TLS12_SUITES)?;
        builder.set_curves_list(GROUPS)?;
        // Tickets only: a cache on our side would cost memory for each client.
        builder.set_session_cache_mode(SslSessionCacheMode::OFF);
        builder.set_options(SslOptions::CIPHER_SERVER_PREFERENCE | SslOptions::NO_RENEGOTIATION);
        let protocols: &[u8] = match self.protocol {
            Protocol::Auto => b"\x02h2\x08http/1.1",
            Protocol::Http1 => b"\x08http/1.1",
            Protocol::Http2 => b"\x02h2",
        };
        // No protocol in common ends the handshake (RFC 7301, section 3.2): a browser must not be
        // led to speak HTTP to what it took for something else.
        builder.set_alpn_select_callback(move |_, offered| {
            select_next_proto(protocols, offered).ok_or(AlpnError::ALERT_FATAL)
        });
        Ok(())
    }

    fn context(self, certificate: &Certificate) -> Result<SslContext, ErrorStack> {
        let mut builder = SslContext::builder(SslMethod::tls())?;
        self.apply(&mut builder)?;
        builder.set_certificate(&certificate.leaf)?;
        for intermediate in &certificate.intermediates {
            builder.add_extra_chain_cert(intermediate.clone())?;
        }
        builder.set_private_key(&certificate.key)?;
        Ok(builder.build())
    }
}

impl Choice {
    fn new(settings: Settings, certificates: &[Arc<Certificate>]) -> Result<Self, ErrorStack> {
        let mut choice =
            Self { first: ByKey::default(), exact: HashMap::new(), wildcard: HashMap::new() };
        let first_names = certificates.first().map(|first| first.names.clone()).unwrap_or_default();
        for (position, certificate) in certificates.iter().enumerate() {
            let context = settings.context(certificate)?;
            let is_ecdsa = certificate.key.id() == Id::EC;
            for name in &certificate.names {
                let by_key = match name.strip_prefix("*.") {
                    Some(parent) => choice.wildcard.entry(parent.to_owned()).or_default(),
                    None => choice.exact.entry(name.clone()).or_default(),
                };
                by_key.add(is_ecdsa, &context);
            }
            // A certificate of the other kind for the same names stands by for unknown names too.
            if position == 0 || certificate.names == first_names {
                choice.first.add(is_ecdsa, &context);
            }
        }
        Ok(choice)
    }

    fn select(&self, mut hello: ClientHello<'_>) -> Result<(), SelectCertError> {
        let name = hello.servername(NameType::HOST_NAME).map(str::to_ascii_lowercase);
        let by_key = name.and_then(|name| self.find(&name)).unwrap_or(&self.first);
        let context = match (&by_key.ecdsa, &by_key.other) {
            (Some(ecdsa), Some(other)) => {
                if verifies_ecdsa(&hello) {
                    ecdsa
                } else {
                    other
                }
            }
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => return Err(SelectCertError::ERROR),
        };
        hello.ssl_mut().set_ssl_context(context).map_err(|_| SelectCertError::ERROR)
    }

    /// The name itself, or the wildcard of its parent (one label, RFC 9525, section 6.3).
    fn find(&self, name: &str) -> Option<&ByKey> {
        let name = name.strip_suffix('.').unwrap_or(name);
        self.exact.get(name).or_else(|| {
            let (_, parent) = name.split_once('.')?;
            self.wildcard.get(parent)
        })
    }
}

impl ByKey {
    /// The first certificate of a kind stays, as everywhere in the list.
    fn add(&mut self, is_ecdsa: bool, context: &SslContext) {
        let slot = if is_ecdsa { &mut self.ecdsa } else { &mut self.other };
        slot.get_or_insert_with(|| context.clone());
    }
}

/// Whether a client says that it can verify ECDSA: by its signature algorithms (RFC 8446, section
/// 4.2.3), and, if it speaks TLS 1.2 only, by its cipher suites.
fn verifies_ecdsa(hello: &ClientHello<'_>) -> bool {
    let Some(algorithms) = hello.get_extension(ExtensionType::SIGNATURE_ALGORITHMS) else {
        return false;
    };
    let listed = algorithms.get(2..).unwrap_or_default();
    let by_algorithm = pairs(listed).any(|pair| matches!(pair, 0x0403 | 0x0503 | 0x0603));
    let speaks_tls13 = hello
        .get_extension(ExtensionType::SUPPORTED_VERSIONS)
        .is_some_and(|versions| pairs(versions.get(1..).unwrap_or_default()).any(|v| v == 0x0304));
    // ECDHE-ECDSA with AES-GCM or ChaCha20 (RFC 5289, RFC 7905).
    let by_suite = || pairs(hello.ciphers()).any(|s| matches!(s, 0xc02b | 0xc02c | 0xcca9));
    by_algorithm && (speaks_tls13 || by_suite())
}

fn pairs(bytes: &[u8]) -> impl Iterator<Item = u16> {
    bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair))
}
