//! Certificates and keys of listeners and upstreams, as they stand in files.

pub mod ocsp;

use std::sync::Arc;
use std::time::SystemTime;

use boring::asn1::{Asn1Time, Asn1TimeRef};
use boring::pkey::{PKey, Private};
use boring::x509::X509;
use const_oid::ObjectIdentifier;
use der::Decode;
use marchproxy_conf::model;

use crate::file::{self, LARGEST_PEM};
use crate::secret;
use ocsp::Staple;

/// The certificate extension that names TLS extensions (RFC 7633).
const TLS_FEATURE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.24");
/// The TLS extension by which a client asks for a staple.
const STATUS_REQUEST: u16 = 5;

/// A certificate, its intermediates and its key, found to belong together.
pub struct Certificate {
    /// The certificate itself.
    pub leaf: X509,
    /// What comes after it in the file.
    pub intermediates: Vec<X509>,
    /// Its key.
    pub key: PKey<Private>,
    /// The DNS names it is for, in lower case.
    pub names: Vec<String>,
    /// OCSP answers to staple, if there shall be any.
    pub staple: Option<Arc<Staple>>,
}

impl Certificate {
    /// Reads one from its files.
    ///
    /// # Errors
    /// Which file, and what is wrong with it; never a word of the key.
    pub fn load(config: &model::Certificate) -> Result<Self, String> {
        let chain = config.chain.display();
        let pem =
            file::read(&config.chain, LARGEST_PEM).map_err(|error| format!("{chain}: {error}"))?;
        let mut certificates = X509::stack_from_pem(&pem)
            .map_err(|_| format!("{chain}: not a list of certificates in PEM"))?
            .into_iter();
        let leaf =
            certificates.next().ok_or_else(|| format!("{chain}: holds no certificate in PEM"))?;
        let key = secret::read(&config.key)?;
        let key = PKey::private_key_from_pem(key.bytes()).map_err(|_| {
            format!("{}: not a private key in PEM (without a passphrase)", key.place())
        })?;
        let public =
            leaf.public_key().map_err(|_| format!("{chain}: the key in it is unreadable"))?;
        if !public.public_eq(&key) {
            return Err(format!(
                "{chain}: the private key of `{}` belongs to another certificate",
                config.name
            ));
        }
        let names = names(&leaf);
        let intermediates: Vec<X509> = certificates.collect();
        let staple = config.ocsp.as_ref();
        let staple = staple.map(|ocsp| Staple::new(config, ocsp, &leaf, &intermediates));
        let staple = staple.transpose()?.map(Arc::new);
        Ok(Self { leaf, intermediates, key, names, staple })
    }

    /// Whether another is the same, chain and all. Of the same certificate the key is the same.
    pub fn is_same(&self, other: &Self) -> bool {
        let bytes = |certificate: &X509| certificate.to_der().ok();
        let chain = |one: &Self| {
            std::iter::once(&one.leaf)
                .chain(&one.intermediates)
                .map(bytes)
                .collect::<Option<Vec<_>>>()
        };
        matches!((chain(self), chain(other)), (Some(own), Some(others)) if own == others)
    }

    /// Whether it serves as it is for another that was loaded for the same name.
    pub fn is_still(&self, other: &Self) -> bool {
        let is_same_staple = match (&self.staple, &other.staple) {
            (Some(own), Some(other)) => own.is_same(other),
            (None, None) => true,
            _ => false,
        };
        is_same_staple && self.is_same(other)
    }

    /// Whether clients that know of it refuse the certificate without a staple (RFC 7633).
    pub fn must_staple(&self) -> bool {
        let bytes = self.leaf.to_der().unwrap_or_default();
        let Ok(parsed) = x509_cert::Certificate::from_der(&bytes) else { return false };
        let mut extensions = parsed.tbs_certificate.extensions.iter().flatten();
        let features = extensions.find(|one| one.extn_id == TLS_FEATURE);
        let features =
            features.and_then(|one| Vec::<u16>::from_der(one.extn_value.as_bytes()).ok());
        features.is_some_and(|features| features.contains(&STATUS_REQUEST))
    }

    /// Days until it expires; negative when it has.
    pub fn days_left(&self) -> i32 {
        days_left(self.leaf.not_after()).unwrap_or(i32::MIN)
    }

    /// When it expires, in seconds since 1970; 0 when that is unreadable.
    pub fn expiry(&self) -> i64 {
        unix_seconds(self.leaf.not_after()).unwrap_or(0)
    }
}

fn days_left(end: &Asn1TimeRef) -> Option<i32> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let now = Asn1Time::from_unix(i64::try_from(now.as_secs()).ok()?).ok()?;
    Some(now.diff(end).ok()?.days)
}

fn unix_seconds(time: &Asn1TimeRef) -> Option<i64> {
    let since = Asn1Time::from_unix(0).ok()?.diff(time).ok()?;
    i64::from(since.days).checked_mul(86_400)?.checked_add(i64::from(since.secs))
}

/// Subject alternative names; the common name is not looked at (RFC 9525, section 6.3).
fn names(leaf: &X509) -> Vec<String> {
    let Some(names) = leaf.subject_alt_names() else { return Vec::new() };
    names.iter().filter_map(|name| name.dnsname()).map(str::to_ascii_lowercase).collect()
}
