use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::values::Name;

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
