//! What is demanded of an endpoint's TLS beyond what Pingora verifies.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use boring::hash::MessageDigest;
use boring::ssl::{SslRef, SslVersion};
use boring::x509::X509;
use marchproxy_conf::model::UpstreamTls;
use marchproxy_conf::values::SpkiPin;
use pingora_core::protocols::tls::CaType;
use pingora_core::utils::tls::CertKey;

use crate::certificate::Certificate;
use crate::file::{self, LARGEST_PEM};

/// The terms on which an upstream's endpoints are trusted.
pub struct Trust {
    pem: Vec<u8>,
    authorities: Option<Arc<CaType>>,
    pins: Vec<SpkiPin>,
    own: Option<Own>,
}

/// What is presented to endpoints that ask for it.
struct Own {
    certificate: Arc<Certificate>,
    pair: Arc<CertKey>,
}

/// What a handshake with an endpoint settled on.
#[derive(Clone, Copy, Debug)]
pub struct Handshake {
    key_hash: [u8; 32],
    is_current: bool,
}

/// Why a connection to an endpoint is not used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// None of the pins is its key's.
    Pin,
    /// Older than TLS 1.2, or a key exchange without forward secrecy.
    Outdated,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pin => "its key is none of `pins`",
            Self::Outdated => "it speaks no TLS that is current: 1.2 with forward secrecy, or 1.3",
        })
    }
}

impl Trust {
    /// Reads what `tls` names; `certificate` is what it presents.
    ///
    /// # Errors
    /// Which file, and what is wrong with it.
    pub fn load(tls: &UpstreamTls, certificate: Option<&Arc<Certificate>>) -> Result<Self, String> {
        let pem = read(tls)?;
        let authorities = match &tls.ca {
            None => None,
            Some(path) => {
                let bundle = X509::stack_from_pem(&pem).unwrap_or_default();
                if bundle.is_empty() {
                    return Err(format!("{}: holds no certificate in PEM", path.display()));
                }
                Some(Arc::new(bundle.into_boxed_slice()))
            }
        };
        Ok(Self { pem, authorities, pins: tls.pins.clone(), own: certificate.map(Own::new) })
    }

    /// Whether the files still hold what they held, and what is presented is still the same.
    pub fn is_still(&self, tls: &UpstreamTls, certificate: Option<&Arc<Certificate>>) -> bool {
        let is_same = match (&self.own, certificate) {
            (Some(own), Some(certificate)) => own.certificate.is_same(certificate),
            (None, None) => true,
            _ => false,
        };
        is_same && read(tls).is_ok_and(|pem| pem == self.pem)
    }

    /// What is presented to endpoints that ask for it.
    pub fn own(&self) -> Option<Arc<CertKey>> {
        self.own.as_ref().map(|own| Arc::clone(&own.pair))
    }

    /// The authorities to trust instead of the system's.
    pub fn authorities(&self) -> Option<Arc<CaType>> {
        self.authorities.clone()
    }

    /// Notes what a handshake settled on; Pingora keeps it with the connection.
    pub fn note(ssl: &SslRef) -> Option<Arc<dyn Any + Send + Sync>> {
        let key = ssl.peer_certificate()?.public_key().ok()?.public_key_to_der().ok()?;
        let digest = boring::hash::hash(MessageDigest::sha256(), &key).ok()?;
        let mut key_hash = [0; 32];
        key_hash.copy_from_slice(digest.get(..32)?);
        let suite = ssl.current_cipher()?.name();
        let is_current = match ssl.version2() {
            Some(SslVersion::TLS1_3) => true,
            Some(SslVersion::TLS1_2) => suite.starts_with("ECDHE-"),
            _ => false,
        };
        Some(Arc::new(Handshake { key_hash, is_current }))
    }

    /// Whether a connection may be used. One of which nothing was noted may not.
    pub fn check(&self, handshake: Option<&Handshake>) -> Result<(), Refused> {
        let Some(handshake) = handshake.filter(|handshake| handshake.is_current) else {
            return Err(Refused::Outdated);
        };
        let pinned = |pin: &SpkiPin| *pin.sha256() == handshake.key_hash;
        if self.pins.is_empty() || self.pins.iter().any(pinned) {
            Ok(())
        } else {
            Err(Refused::Pin)
        }
    }
}

impl Own {
    fn new(certificate: &Arc<Certificate>) -> Self {
        let chain = std::iter::once(&certificate.leaf).chain(&certificate.intermediates);
        let pair = CertKey::new(chain.cloned().collect(), certificate.key.clone());
        Self { certificate: Arc::clone(certificate), pair: Arc::new(pair) }
    }
}

fn read(tls: &UpstreamTls) -> Result<Vec<u8>, String> {
    match &tls.ca {
        Some(path) => {
            file::read(path, LARGEST_PEM).map_err(|error| format!("{}: {error}", path.display()))
        }
        None => Ok(Vec::new()),
    }
}
