//! Client certificates: whom to trust, and what is told of those who came.

use std::fmt::Write;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use boring::error::ErrorStack;
use boring::hash::MessageDigest;
use boring::sha::Sha256;
use boring::ssl::{SslContextBuilder, SslRef, SslVerifyMode};
use boring::stack::Stack;
use boring::x509::store::{X509Store, X509StoreBuilder};
use boring::x509::verify::X509VerifyFlags;
use boring::x509::{GeneralNameRef, X509, X509Ref, X509StoreContext};
use marchproxy_boringssl::add_crls;
use marchproxy_conf::model::{ClientCertificates, VerifyClients};
use marchproxy_decide::exchange::ClientCertificate;

use crate::file::{self, LARGEST_CRL, LARGEST_PEM};

/// `XN_FLAG_RFC2253`: the form of RFC 4514, escaped to printable ASCII.
const RFC_4514: i32 = 0x0111_0317;

/// Whom to trust among clients, and how far.
pub struct Clients {
    /// As configured.
    pub config: Arc<ClientCertificates>,
    store: X509Store,
    authorities: Vec<X509>,
    /// Of all that a verification depends on.
    digest: [u8; 32],
}

impl Clients {
    /// Reads the files that `config` names.
    ///
    /// # Errors
    /// Which file, and what is wrong with it.
    pub fn load(config: &ClientCertificates) -> Result<Self, String> {
        let place = config.ca.display();
        let pem = read(&config.ca, LARGEST_PEM)?;
        let authorities = X509::stack_from_pem(&pem).unwrap_or_default();
        if authorities.is_empty() {
            return Err(format!("{place}: holds no certificate in PEM"));
        }
        let mut digest = Sha256::new();
        let required = config.verify == VerifyClients::Required;
        digest.update(&[u8::from(required)]);
        digest.update(&config.depth.to_be_bytes());
        digest.update(&boring::sha::sha256(&pem));
        let made = X509StoreBuilder::new().and_then(|mut store| {
            for authority in &authorities {
                store.add_cert(authority)?;
            }
            store.verify_param_mut().set_depth(i32::try_from(config.depth).unwrap_or(0));
            Ok(store)
        });
        let mut store = made.map_err(|error| format!("{place}: {error}"))?;
        if let Some(path) = &config.crl {
            let pem = read(path, LARGEST_CRL)?;
            let place = path.display();
            let unreadable = |_| format!("{place}: a revocation list in it cannot be read");
            if add_crls(&mut store, &pem).map_err(unreadable)? == 0 {
                return Err(format!("{place}: holds no revocation list in PEM"));
            }
            // Of each certificate of the chain, not of the client's alone.
            let flags = X509VerifyFlags::CRL_CHECK | X509VerifyFlags::CRL_CHECK_ALL;
            store.try_set_flags(flags).map_err(|error| format!("{place}: {error}"))?;
            digest.update(&boring::sha::sha256(&pem));
        }
        let (config, digest) = (Arc::new(config.clone()), digest.finish());
        Ok(Self { config, store: store.build(), authorities, digest })
    }

    /// Has the connections of a context verify as is said here. They must also be told
    /// [`Clients::mode`], which does not come with a context that is chosen by name.
    pub fn apply(&self, builder: &mut SslContextBuilder) -> Result<(), ErrorStack> {
        builder.set_verify_cert_store(self.store.clone())?;
        for authority in &self.authorities {
            builder.add_client_ca(authority)?;
        }
        // A session of other terms is not resumed: its certificate might be refused by these.
        builder.set_session_id_context(&self.digest)
    }

    /// Whether a certificate is asked for, and whether there must be one.
    pub fn mode(&self) -> SslVerifyMode {
        match self.config.verify {
            VerifyClients::Optional => SslVerifyMode::PEER,
            VerifyClients::Required => SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
        }
    }

    /// Whether the certificate of a resumed session would still be taken: the handshake did not
    /// look, and since it did, the certificate or a revocation list may have gone out of date.
    pub fn still_hold(&self, ssl: &SslRef) -> bool {
        let Some(certificate) = ssl.peer_certificate() else {
            return self.config.verify == VerifyClients::Optional;
        };
        let verified = || -> Result<bool, ErrorStack> {
            let mut context = X509StoreContext::new()?;
            let verify = |context: &mut boring::x509::X509StoreContextRef| context.verify_cert();
            match ssl.peer_cert_chain() {
                Some(chain) => context.init(&self.store, &certificate, chain, verify),
                None => context.init(&self.store, &certificate, &*Stack::new()?, verify),
            }
        };
        verified().unwrap_or(false)
    }
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    file::read(path, most).map_err(|error| format!("{}: {error}", path.display()))
}

/// What is told of a certificate that was verified.
///
/// # Errors
/// The library has no memory.
pub fn facts(certificate: &X509Ref) -> Result<Box<ClientCertificate>, ErrorStack> {
    let fingerprint = certificate.digest(MessageDigest::sha256())?;
    let serial = certificate.serial_number().to_bn()?.to_vec();
    let names = certificate.subject_alt_names();
    let names: Vec<String> = names.iter().flatten().filter_map(name).collect();
    let subject = certificate.subject_name().print_ex(RFC_4514);
    let subject = subject.filter(|text| text.bytes().all(|c| matches!(c, b' '..=b'~')));
    Ok(Box::new(ClientCertificate {
        subject: subject.unwrap_or_default().into(),
        fingerprint: hex(&fingerprint).into(),
        serial: hex(&serial).into(),
        names: names.join(" ").into(),
    }))
}

/// Names of other kinds are left out, and so are those that could be taken for more than one.
fn name(name: &GeneralNameRef) -> Option<String> {
    let texts = [("DNS", name.dnsname()), ("URI", name.uri()), ("email", name.email())];
    for (kind, text) in texts {
        if let Some(text) = text {
            let is_one = text.bytes().all(|c| c.is_ascii_graphic());
            return is_one.then(|| format!("{kind}:{text}"));
        }
    }
    let bytes = name.ipaddress()?;
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let address = four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()?;
    Some(format!("IP:{address}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
