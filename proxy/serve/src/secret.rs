//! Secrets, read from where the configuration says they are.

use std::fmt;

use marchproxy_boringssl::cleanse;
use marchproxy_conf::model;

use crate::file::{self, LARGEST_PEM};

/// A secret. It shows itself to nobody but who asks for its bytes.
pub struct Secret {
    bytes: Vec<u8>,
    place: String,
}

impl Secret {
    /// The secret itself.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where it was found, for messages.
    pub fn place(&self) -> &str {
        &self.place
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        cleanse(&mut self.bytes);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.place)
    }
}

/// Reads a secret.
///
/// # Errors
/// Where it should have been, and why it could not be read.
pub fn read(from: &model::Secret) -> Result<Secret, String> {
    match from {
        model::Secret::File(path) => {
            let place = path.display().to_string();
            let bytes =
                file::read(path, LARGEST_PEM).map_err(|error| format!("{place}: {error}"))?;
            Ok(Secret { bytes, place })
        }
        model::Secret::Env(name) => {
            let place = format!("environment variable {name}");
            let value = std::env::var(name).map_err(|_| format!("{place} is not set"))?;
            Ok(Secret { bytes: value.into_bytes(), place })
        }
    }
}
