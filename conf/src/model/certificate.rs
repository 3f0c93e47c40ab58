use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::values::{HttpUrl, Name};

/// A certificate chain and its key, for listeners to present to clients or for upstreams to present
/// to endpoints.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-noun" = "a certificate"))]
pub struct Certificate {
    /// Unique among certificates.
    pub name: Name,
    /// PEM file: the certificate, then its intermediates. Read again when it changes.
    #[schemars(extend("format" = "file"))]
    pub chain: PathBuf,
    /// Where the private key is.
    pub key: Secret,
    /// Present: listeners staple an OCSP answer for it (RFC 6066, section 8).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ocsp: Option<Ocsp>,
}

/// How answers of an OCSP responder (RFC 6960) are had. They are asked for again when half of their
/// time is over, verified, and stapled only while they are current and say `good`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "`ocsp`"))]
pub struct Ocsp {
    /// The responder to ask; absent: the first `http` one that the certificate names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub responder: Option<HttpUrl>,
    /// PEM file of the authority that signed the certificate; absent: it is in `chain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "file"))]
    pub issuer: Option<PathBuf>,
    /// A folder that the last answer is kept in, as `NAME.ocsp`, so that it is there at the next
    /// start. It is verified again then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "file"))]
    pub cache: Option<PathBuf>,
}

/// A secret, by reference only: the configuration never holds the secret itself.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(extend("x-noun" = "a secret"))]
pub enum Secret {
    /// A file that holds it; relative to the file that names it.
    File(#[schemars(extend("format" = "file"))] PathBuf),
    /// An environment variable that holds it.
    Env(#[schemars(extend("format" = "environment-variable"))] String),
}
