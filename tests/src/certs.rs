//! Certificates made while a test runs: an authority and what it signs.

mod crl;

pub use crl::Crl;

use boring::asn1::Asn1Time;
use boring::bn::{BigNum, MsbOption};
use boring::ec::{EcGroup, EcKey};
use boring::hash::MessageDigest;
use boring::nid::Nid;
use boring::pkey::{PKey, Private};
use boring::rsa::Rsa;
use boring::x509::extension::{BasicConstraints, KeyUsage, SubjectAlternativeName};
use boring::x509::{X509, X509Builder, X509Extension, X509NameBuilder, X509Ref};

/// The kind of a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// ECDSA on P-256.
    Ecdsa,
    /// RSA of 2048 bits.
    Rsa,
}

/// From when to when a certificate is valid, in days from now.
#[derive(Clone, Copy, Debug)]
pub struct Validity {
    /// First day; negative: in the past.
    pub from: i64,
    /// Last day.
    pub until: i64,
}

/// What most tests want: valid since yesterday, for 90 days.
pub const VALID: Validity = Validity { from: -1, until: 90 };

/// Over since yesterday.
pub const EXPIRED: Validity = Validity { from: -30, until: -1 };

/// A certificate with its key.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// The certificate.
    pub certificate: X509,
    /// Its key.
    pub key: PKey<Private>,
    /// Authorities between it and the one that signed itself, the nearest first.
    pub intermediates: Vec<X509>,
}

/// A certificate authority.
#[derive(Clone, Debug)]
pub struct Authority(Leaf);

impl Authority {
    /// A new authority with a key of its own.
    pub fn new() -> Self {
        let key = new_key(Kind::Ecdsa);
        let certificate = authority("MarchProxy test authority", &key, None);
        Self(Leaf { certificate, key, intermediates: Vec::new() })
    }

    /// An authority below this one.
    pub fn below(&self, name: &str) -> Self {
        let key = new_key(Kind::Ecdsa);
        let certificate = authority(name, &key, Some(&self.0));
        Self(Leaf { certificate, key, intermediates: self.chain() })
    }

    /// What a leaf of it sends along: itself and those above, but the one that signed itself.
    fn chain(&self) -> Vec<X509> {
        let certificate = &self.0.certificate;
        let is_root = certificate.issued(certificate).is_ok();
        let own = (!is_root).then(|| certificate.clone());
        own.into_iter().chain(self.0.intermediates.iter().cloned()).collect()
    }

    /// Its certificate and its key.
    pub fn own(&self) -> &Leaf {
        &self.0
    }

    /// Its key as PEM.
    pub fn key_pem(&self) -> Vec<u8> {
        self.0.key_pem()
    }

    /// Its certificate as PEM.
    pub fn pem(&self) -> Vec<u8> {
        self.0.certificate.to_pem().unwrap()
    }

    /// Its certificate.
    pub fn certificate(&self) -> &X509 {
        &self.0.certificate
    }

    /// A valid leaf for `names` (DNS names and IP addresses).
    pub fn leaf(&self, names: &[&str], kind: Kind) -> Leaf {
        self.leaf_with(names, kind, VALID)
    }

    /// A leaf for `names` that is valid at a time of your choice.
    pub fn leaf_with(&self, names: &[&str], kind: Kind, validity: Validity) -> Leaf {
        self.leaf_saying(names, kind, validity, &[])
    }

    /// A leaf with further extensions: names and values as OpenSSL writes them.
    pub fn leaf_saying(
        &self,
        names: &[&str],
        kind: Kind,
        validity: Validity,
        extensions: &[(&str, &str)],
    ) -> Leaf {
        let key = new_key(kind);
        let mut builder = begin(names.first().unwrap_or(&"nobody"), &key, validity);
        builder.set_issuer_name(self.0.certificate.subject_name()).unwrap();
        let mut alternatives = SubjectAlternativeName::new();
        for name in names {
            if name.parse::<std::net::IpAddr>().is_ok() {
                alternatives.ip(name);
            } else {
                alternatives.dns(name);
            }
        }
        let context = builder.x509v3_context(Some(&self.0.certificate), None);
        let alternatives = alternatives.build(&context).unwrap();
        builder.append_extension(&alternatives).unwrap();
        for (name, value) in extensions {
            let context = builder.x509v3_context(Some(&self.0.certificate), None);
            let extension = X509Extension::new(None, Some(&context), name, value).unwrap();
            builder.append_extension(&extension).unwrap();
        }
        builder.sign(&self.0.key, MessageDigest::sha256()).unwrap();
        Leaf { certificate: builder.build(), key, intermediates: self.chain() }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Leaf {
    /// An authority that signs with it, though nobody made it one.
    pub fn as_authority(&self) -> Authority {
        Authority(self.clone())
    }

    /// The certificate and the intermediates as PEM.
    pub fn chain_pem(&self) -> Vec<u8> {
        let chain = std::iter::once(&self.certificate).chain(&self.intermediates);
        chain.flat_map(|certificate| certificate.to_pem().unwrap()).collect()
    }

    /// The key as PEM.
    pub fn key_pem(&self) -> Vec<u8> {
        self.key.private_key_to_pem_pkcs8().unwrap()
    }

    /// `sha256:` and the hash of the public key, as the configuration writes pins.
    pub fn pin(&self) -> String {
        let key = self.key.public_key_to_der().unwrap();
        let hash = boring::sha::sha256(&key);
        let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{digits}")
    }
}

/// The serial number of a certificate, as text to compare.
pub fn serial(certificate: &X509Ref) -> String {
    certificate.serial_number().to_bn().unwrap().to_hex_str().unwrap().to_string()
}

/// The certificate of an authority, signed by the one above or by itself.
fn authority(name: &str, key: &PKey<Private>, above: Option<&Leaf>) -> X509 {
    let mut builder = begin(name, key, VALID);
    let own_name = subject(name);
    let issuer = above.map_or(&*own_name, |above| above.certificate.subject_name());
    builder.set_issuer_name(issuer).unwrap();
    let constraints = BasicConstraints::new().critical().ca().build().unwrap();
    builder.append_extension(&constraints).unwrap();
    let usage = KeyUsage::new().critical().key_cert_sign().crl_sign().build().unwrap();
    builder.append_extension(&usage).unwrap();
    builder.sign(above.map_or(key, |above| &above.key), MessageDigest::sha256()).unwrap();
    builder.build()
}

fn new_key(kind: Kind) -> PKey<Private> {
    match kind {
        Kind::Ecdsa => {
            let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
            PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
        }
        Kind::Rsa => PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap(),
    }
}

fn subject(common_name: &str) -> boring::x509::X509Name {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", common_name).unwrap();
    name.build()
}

fn begin(common_name: &str, key: &PKey<Private>, validity: Validity) -> X509Builder {
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let mut serial = BigNum::new().unwrap();
    serial.rand(120, MsbOption::MAYBE_ZERO, false).unwrap();
    builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&subject(common_name)).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&day(validity.from)).unwrap();
    builder.set_not_after(&day(validity.until)).unwrap();
    builder
}

fn day(offset: i64) -> Asn1Time {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seconds = i64::try_from(now.as_secs()).unwrap() + offset * 86_400;
    Asn1Time::from_unix(seconds).unwrap()
}
