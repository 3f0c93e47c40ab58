//! Questions to and answers of OCSP responders (RFC 6960): what is asked, and what is believed.

use std::time::{Duration, SystemTime};

use boring::hash::{MessageDigest, hash};
use boring::pkey::{Id, PKey, PKeyRef, Public};
use boring::sign::Verifier;
use boring::x509::{X509, X509Ref};
use const_oid::AssociatedOid;
use const_oid::db::rfc5912::{
    ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384, ECDSA_WITH_SHA_512, ID_KP_OCSP_SIGNING, ID_SHA_1,
    ID_SHA_256, SHA_256_WITH_RSA_ENCRYPTION, SHA_384_WITH_RSA_ENCRYPTION,
    SHA_512_WITH_RSA_ENCRYPTION,
};
use const_oid::db::rfc6960::ID_PKIX_OCSP_BASIC;
use const_oid::db::rfc8410::ID_ED_25519;
use der::asn1::{Null, ObjectIdentifier, OctetString};
use der::{Any, Decode, Encode};
use x509_cert::Certificate;
use x509_cert::ext::Extensions;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_ocsp::{
    BasicOcspResponse, CertId, CertStatus, OcspGeneralizedTime, OcspRequest, OcspResponse,
    OcspResponseStatus, Request, ResponderId, SingleResponse, TbsRequest, Version,
};

use super::fault::Fault;

/// How far the clocks of responders may be ahead of ours.
const SKEW: Duration = Duration::from_mins(5);

/// A certificate that is asked about, and who signed it.
pub struct Subject {
    serial: SerialNumber,
    issuer: Certificate,
    issuer_name: Vec<u8>,
    key: PKey<Public>,
}

/// Of the same certificate the rest is the same.
impl PartialEq for Subject {
    fn eq(&self, other: &Self) -> bool {
        self.serial == other.serial && self.issuer == other.issuer
    }
}

/// An answer that says `good`, and from when to when.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Good {
    /// When it was said to be so.
    pub from: SystemTime,
    /// From when on it is not to be believed any more.
    pub until: SystemTime,
}

impl Subject {
    /// What to ask about `leaf`, which `issuer` signed.
    ///
    /// # Errors
    /// They do not belong together, or cannot be read.
    pub fn new(leaf: &X509Ref, issuer: &X509Ref) -> Result<Self, String> {
        let unreadable = |_| "cannot be read for OCSP".to_owned();
        let key = issuer.public_key().map_err(unreadable)?;
        if issuer.issued(leaf).is_err() || !leaf.verify(&key).unwrap_or(false) {
            return Err("was not signed by the authority after it".to_owned());
        }
        let parse = |certificate: &X509Ref| {
            let bytes = certificate.to_der().map_err(unreadable)?;
            Certificate::from_der(&bytes).map_err(|_| "cannot be read for OCSP".to_owned())
        };
        let (leaf, issuer) = (parse(leaf)?, parse(issuer)?);
        let issuer_name = issuer.tbs_certificate.subject.to_der();
        let issuer_name = issuer_name.map_err(|_| "cannot be read for OCSP".to_owned())?;
        Ok(Self { serial: leaf.tbs_certificate.serial_number, issuer, issuer_name, key })
    }

    /// The question, in DER. Without a nonce: answers are made ahead and kept (RFC 5019).
    ///
    /// # Errors
    /// The library has no memory.
    pub fn question(&self) -> der::Result<Vec<u8>> {
        // RFC 5019, section 2.1.1: responders that make answers ahead know SHA-1 alone.
        let (name, key) = self.hashes(MessageDigest::sha1()).ok_or(der::ErrorKind::Failed)?;
        let req_cert = CertId {
            hash_algorithm: AlgorithmIdentifierOwned {
                oid: ID_SHA_1,
                parameters: Some(Any::from(Null)),
            },
            issuer_name_hash: OctetString::new(name)?,
            issuer_key_hash: OctetString::new(key)?,
            serial_number: self.serial.clone(),
        };
        let request = Request { req_cert, single_request_extensions: None };
        let tbs_request = TbsRequest {
            version: Version::V1,
            requestor_name: None,
            request_list: vec![request],
            request_extensions: None,
        };
        OcspRequest { tbs_request, optional_signature: None }.to_der()
    }

    /// Whether an answer in DER says at the time `now` that the certificate is good, and may be
    /// believed: it is of this certificate, of this time, and signed by the issuer or by whom the
    /// issuer named for that (RFC 6960, section 3.2).
    ///
    /// # Errors
    /// What speaks against it.
    pub fn believe(&self, answer: &[u8], now: SystemTime) -> Result<Good, Fault> {
        let response =
            OcspResponse::from_der(answer).map_err(|_| Fault::Invalid("not an OCSP answer"))?;
        if response.response_status != OcspResponseStatus::Successful {
            let status = response.response_status;
            return Err(Fault::Refused(format!("the responder says {status:?}")));
        }
        let bytes = response.response_bytes.ok_or(Fault::Invalid("an answer without content"))?;
        if bytes.response_type != ID_PKIX_OCSP_BASIC {
            return Err(Fault::Invalid("an answer of another kind"));
        }
        let basic = BasicOcspResponse::from_der(bytes.response.as_bytes())
            .map_err(|_| Fault::Invalid("the content of the answer is malformed"))?;
        self.check_signature(&basic, now)?;
        let told = &basic.tbs_response_data;
        let mut extensions = told.responses.iter().map(|one| one.single_extensions.as_ref());
        if !all_known(told.response_extensions.as_ref(), &[])
            || !extensions.all(|one| all_known(one, &[]))
        {
            return Err(Fault::Invalid("the answer has conditions that are not known here"));
        }
        let mut own = basic.tbs_response_data.responses.iter().filter(|one| self.is_about(one));
        let (Some(one), None) = (own.next(), own.next()) else {
            return Err(Fault::Invalid("the answer is not about this certificate"));
        };
        let good = times(one, now)?;
        match one.cert_status {
            CertStatus::Good(_) => Ok(good),
            CertStatus::Revoked(_) => Err(Fault::Revoked),
            CertStatus::Unknown(_) => Err(Fault::Unknown),
        }
    }

    fn is_about(&self, one: &SingleResponse) -> bool {
        let id = &one.cert_id;
        let digest = match id.hash_algorithm.oid {
            ID_SHA_1 => MessageDigest::sha1(),
            ID_SHA_256 => MessageDigest::sha256(),
            _ => return false,
        };
        self.hashes(digest).is_some_and(|(name, key)| {
            id.serial_number == self.serial
                && id.issuer_name_hash.as_bytes() == name
                && id.issuer_key_hash.as_bytes() == key
        })
    }

    /// Of the issuer's name and of its key.
    fn hashes(&self, digest: MessageDigest) -> Option<(Vec<u8>, Vec<u8>)> {
        let name = hash(digest, &self.issuer_name).ok()?;
        let key = hash(digest, key_bits(&self.issuer)?).ok()?;
        Some((name.to_vec(), key.to_vec()))
    }

    fn check_signature(&self, basic: &BasicOcspResponse, now: SystemTime) -> Result<(), Fault> {
        let responder = &basic.tbs_response_data.responder_id;
        let delegates = basic.certs.iter().flatten();
        if is_named(responder, &self.issuer) && is_signed(basic, &self.key) {
            return Ok(());
        }
        for delegate in delegates.filter(|delegate| is_named(responder, delegate)) {
            let key = self.delegate_key(delegate, now)?;
            if is_signed(basic, &key) {
                return Ok(());
            }
        }
        Err(Fault::Invalid("the answer is not signed by who may answer"))
    }

    /// The key of a certificate that the issuer made for signing answers (RFC 6960, section
    /// 4.2.2.2).
    fn delegate_key(&self, delegate: &Certificate, now: SystemTime) -> Result<PKey<Public>, Fault> {
        let not_fit =
            Fault::Invalid("the answer is signed with a certificate that is not for that");
        let tbs = &delegate.tbs_certificate;
        let usage = tbs.get::<ExtendedKeyUsage>().ok().flatten();
        let is_for_that = usage.is_some_and(|(_, usage)| usage.0.contains(&ID_KP_OCSP_SIGNING));
        let may_sign = match tbs.get::<KeyUsage>() {
            Ok(usage) => usage.is_none_or(|(_, usage)| usage.digital_signature()),
            Err(_) => false,
        };
        let from = tbs.validity.not_before.to_system_time();
        let until = tbs.validity.not_after.to_system_time();
        let is_current = from <= now && now <= until;
        let known = [KeyUsage::OID, ExtendedKeyUsage::OID, BasicConstraints::OID];
        let is_known = all_known(tbs.extensions.as_ref(), &known);
        if !is_for_that || !may_sign || !is_current || !is_known {
            return Err(not_fit);
        }
        let certificate = delegate.to_der().ok().and_then(|bytes| X509::from_der(&bytes).ok());
        let certificate = certificate.filter(|one| one.verify(&self.key).unwrap_or(false));
        certificate.and_then(|one| one.public_key().ok()).ok_or(not_fit)
    }
}

/// Whether all that must be understood is among what is.
fn all_known(extensions: Option<&Extensions>, known: &[ObjectIdentifier]) -> bool {
    let mut extensions = extensions.into_iter().flatten();
    extensions.all(|one| !one.critical || known.contains(&one.extn_id))
}

fn key_bits(certificate: &Certificate) -> Option<&[u8]> {
    certificate.tbs_certificate.subject_public_key_info.subject_public_key.as_bytes()
}

/// Whether a responder says that it is the one of this certificate.
fn is_named(responder: &ResponderId, certificate: &Certificate) -> bool {
    match responder {
        ResponderId::ByName(name) => *name == certificate.tbs_certificate.subject,
        ResponderId::ByKey(key) => key_bits(certificate)
            .and_then(|bits| hash(MessageDigest::sha1(), bits).ok())
            .is_some_and(|hash| *hash == *key.as_bytes()),
    }
}

fn is_signed(basic: &BasicOcspResponse, key: &PKeyRef<Public>) -> bool {
    let verified = || {
        let told = basic.tbs_response_data.to_der().ok()?;
        let signature = basic.signature.as_bytes()?;
        let mut verifier = verifier(basic.signature_algorithm.oid, key)?;
        verifier.verify_oneshot(signature, &told).ok()
    };
    verified().unwrap_or(false)
}

/// For the algorithm that the answer names, if it is one of today and goes with the key.
fn verifier(algorithm: ObjectIdentifier, key: &PKeyRef<Public>) -> Option<Verifier<'_>> {
    let (kind, digest) = match algorithm {
        SHA_256_WITH_RSA_ENCRYPTION => (Id::RSA, MessageDigest::sha256()),
        SHA_384_WITH_RSA_ENCRYPTION => (Id::RSA, MessageDigest::sha384()),
        SHA_512_WITH_RSA_ENCRYPTION => (Id::RSA, MessageDigest::sha512()),
        ECDSA_WITH_SHA_256 => (Id::EC, MessageDigest::sha256()),
        ECDSA_WITH_SHA_384 => (Id::EC, MessageDigest::sha384()),
        ECDSA_WITH_SHA_512 => (Id::EC, MessageDigest::sha512()),
        ID_ED_25519 if key.id() == Id::ED25519 => return Verifier::new_without_digest(key).ok(),
        _ => return None,
    };
    if key.id() == kind { Verifier::new(digest, key).ok() } else { None }
}

/// An answer without an end could be shown for ever, so it is not believed.
fn times(one: &SingleResponse, now: SystemTime) -> Result<Good, Fault> {
    let time = |time: &OcspGeneralizedTime| SystemTime::from(time.0.to_date_time());
    let from = time(&one.this_update);
    let until = one.next_update.as_ref().map(time);
    let until = until.ok_or(Fault::Invalid("the answer has no end"))?;
    if from > now.checked_add(SKEW).unwrap_or(now) {
        return Err(Fault::Invalid("the answer is of the future"));
    }
    if until <= now || until <= from {
        return Err(Fault::Invalid("the answer is out of date"));
    }
    Ok(Good { from, until })
}
