//! Which terms and which certificate for which name.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use boring::error::ErrorStack;
use boring::ex_data::Index;
use boring::pkey::Id;
use boring::ssl::{
    ClientHello, ExtensionType, NameType, SelectCertError, Ssl, SslContext, SslVersion,
};
use marchproxy_conf::model::{ClientCertificates, ListenerTls, TlsVersion};

use super::Settings;
use super::clients::Clients;
use crate::certificate::Certificate;
use crate::certificate::ocsp::Staple;

/// Terms and certificates in contexts that are ready for use, to choose from by name.
pub struct Choice {
    config: ListenerTls,
    own: Arc<Terms>,
    /// At the positions of the policies.
    policies: Vec<Arc<Terms>>,
}

/// On which terms a connection is served.
pub struct Terms {
    minimum: SslVersion,
    /// Whom to trust, when clients are asked for a certificate.
    pub clients: Option<Arc<Clients>>,
    contexts: Arc<Contexts>,
}

/// Where the terms of a connection are found from its handshake on.
pub type TermsIndex = Index<Ssl, Arc<Terms>>;

/// The one index of this process: the library keeps each for ever.
///
/// # Errors
/// The library has no memory.
pub fn index() -> Result<TermsIndex, ErrorStack> {
    static INDEX: OnceLock<TermsIndex> = OnceLock::new();
    match INDEX.get() {
        Some(index) => Ok(*index),
        None => Ssl::new_ex_index().map(|index| *INDEX.get_or_init(|| index)),
    }
}

/// Contexts with each certificate, by its names.
#[derive(Default)]
struct Contexts {
    first: ByKey,
    exact: HashMap<String, ByKey>,
    /// By the parent: the entry for `example.com` is for `*.example.com`.
    wildcard: HashMap<String, ByKey>,
}

/// Contexts for one name: a client that can verify ECDSA gets it, for it costs us a tenth.
#[derive(Clone, Default)]
struct ByKey {
    ecdsa: Option<Arc<Shown>>,
    other: Option<Arc<Shown>>,
}

/// A context, and the OCSP answers that go with its certificate.
struct Shown {
    context: SslContext,
    staple: Option<Arc<Staple>>,
}

impl Choice {
    /// What `config` says, with `certificates` in the order they are listed there.
    ///
    /// # Errors
    /// A file that cannot be used, or what `BoringSSL` does not take.
    pub fn new(
        settings: &Settings,
        config: &ListenerTls,
        certificates: &[Arc<Certificate>],
    ) -> Result<Self, String> {
        let mut made = Made { settings, certificates, contexts: Vec::new() };
        let own = made.terms(config.minimum, config.clients.as_ref())?;
        let policies = config.policies.iter();
        let policies = policies.map(|policy| made.terms(policy.minimum, policy.clients.as_ref()));
        let policies = policies.collect::<Result<_, String>>()?;
        Ok(Self { config: config.clone(), own, policies })
    }

    /// Settles terms and certificate for a client that begins.
    ///
    /// # Errors
    /// The handshake cannot go on.
    pub fn select(
        &self,
        mut hello: ClientHello<'_>,
        index: TermsIndex,
    ) -> Result<(), SelectCertError> {
        let name = hello.servername(NameType::HOST_NAME).map(str::to_ascii_lowercase);
        let name = name.as_deref().map(|name| name.strip_suffix('.').unwrap_or(name));
        let policy = name.and_then(|name| self.config.policy_for(name));
        let terms = policy.and_then(|policy| self.policies.get(policy)).unwrap_or(&self.own);
        let found = name.and_then(|name| terms.contexts.find(name));
        let shown = found.unwrap_or(&terms.contexts.first).choose(&hello);
        let shown = shown.ok_or(SelectCertError::ERROR)?;
        let ssl = hello.ssl_mut();
        ssl.set_ssl_context(&shown.context).map_err(|_| SelectCertError::ERROR)?;
        let answer = shown.staple.as_ref().and_then(|staple| staple.current());
        if let Some(bytes) = answer.as_ref().and_then(|answer| answer.bytes()) {
            // The library shows it to those who ask for it.
            ssl.set_ocsp_status(bytes).map_err(|_| SelectCertError::ERROR)?;
        }
        // These do not come with a context.
        ssl.set_min_proto_version(Some(terms.minimum)).map_err(|_| SelectCertError::ERROR)?;
        if let Some(clients) = &terms.clients {
            ssl.set_verify(clients.mode());
        }
        ssl.set_ex_data(index, Arc::clone(terms));
        Ok(())
    }
}

/// Terms being made. What differs in the oldest version alone shares its contexts.
struct Made<'a> {
    settings: &'a Settings,
    certificates: &'a [Arc<Certificate>],
    contexts: Vec<(Option<Arc<Clients>>, Arc<Contexts>)>,
}

impl Made<'_> {
    fn terms(
        &mut self,
        minimum: TlsVersion,
        asked: Option<&ClientCertificates>,
    ) -> Result<Arc<Terms>, String> {
        let (clients, contexts) = self.contexts(asked)?;
        let minimum = match minimum {
            TlsVersion::Tls12 => SslVersion::TLS1_2,
            TlsVersion::Tls13 => SslVersion::TLS1_3,
        };
        Ok(Arc::new(Terms { minimum, clients, contexts }))
    }

    fn contexts(
        &mut self,
        asked: Option<&ClientCertificates>,
    ) -> Result<(Option<Arc<Clients>>, Arc<Contexts>), String> {
        let is_same = |clients: &Option<Arc<Clients>>| {
            clients.as_ref().map(|clients| &*clients.config) == asked
        };
        if let Some((clients, contexts)) = self.contexts.iter().find(|(made, _)| is_same(made)) {
            return Ok((clients.clone(), Arc::clone(contexts)));
        }
        let clients = asked.map(Clients::load).transpose()?.map(Arc::new);
        let contexts = Contexts::new(self.settings, self.certificates, clients.as_deref());
        let contexts = Arc::new(contexts.map_err(|error| error.to_string())?);
        self.contexts.push((clients.clone(), Arc::clone(&contexts)));
        Ok((clients, contexts))
    }
}

impl Contexts {
    fn new(
        settings: &Settings,
        certificates: &[Arc<Certificate>],
        clients: Option<&Clients>,
    ) -> Result<Self, ErrorStack> {
        let mut contexts = Self::default();
        let first_names = certificates.first().map(|first| first.names.clone()).unwrap_or_default();
        for (position, certificate) in certificates.iter().enumerate() {
            let context = settings.context(certificate, clients)?;
            let shown = Arc::new(Shown { context, staple: certificate.staple.clone() });
            let is_ecdsa = certificate.key.id() == Id::EC;
            for name in &certificate.names {
                let by_key = match name.strip_prefix("*.") {
                    Some(parent) => contexts.wildcard.entry(parent.to_owned()).or_default(),
                    None => contexts.exact.entry(name.clone()).or_default(),
                };
                by_key.add(is_ecdsa, &shown);
            }
            // A certificate of the other kind for the same names stands by for unknown names too.
            if position == 0 || certificate.names == first_names {
                contexts.first.add(is_ecdsa, &shown);
            }
        }
        Ok(contexts)
    }

    /// The name itself, or the wildcard of its parent (one label, RFC 9525, section 6.3).
    fn find(&self, name: &str) -> Option<&ByKey> {
        self.exact.get(name).or_else(|| {
            let (_, parent) = name.split_once('.')?;
            self.wildcard.get(parent)
        })
    }
}

impl ByKey {
    /// The first certificate of a kind stays, as everywhere in the list.
    fn add(&mut self, is_ecdsa: bool, shown: &Arc<Shown>) {
        let slot = if is_ecdsa { &mut self.ecdsa } else { &mut self.other };
        slot.get_or_insert_with(|| Arc::clone(shown));
    }

    fn choose(&self, hello: &ClientHello<'_>) -> Option<&Arc<Shown>> {
        match (&self.ecdsa, &self.other) {
            (Some(ecdsa), Some(other)) => Some(if verifies_ecdsa(hello) { ecdsa } else { other }),
            (ecdsa, other) => ecdsa.as_ref().or(other.as_ref()),
        }
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
