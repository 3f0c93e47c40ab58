//! Certificates and keys of listeners and upstreams, as they stand in files.

use std::time::SystemTime;

use boring::asn1::{Asn1Time, Asn1TimeRef};
use boring::pkey::{PKey, Private};
use boring::x509::X509;
use marchproxy_conf::model;

use crate::file::{self, LARGEST_PEM};
use crate::secret;

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
        Ok(Self { leaf, intermediates: certificates.collect(), key, names })
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
