use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::values::Name;

/// A certificate chain and its key.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// Unique among certificates.
    pub name: Name,
    /// PEM file: the certificate, then its intermediates. Read again when it changes.
    pub chain: PathBuf,
    /// Where the private key is.
    pub key: Secret,
}

/// A secret, by reference only: the configuration never holds the secret itself.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Secret {
    /// A file that holds it; relative to the file that names it.
    File(PathBuf),
    /// An environment variable that holds it.
    Env(String),
}
