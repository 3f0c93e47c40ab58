//! Who clients are: what takes secrets to find out.

use std::sync::Arc;
use std::time::Duration;

use marchproxy_conf::model::{ApiKeys, Config};
use marchproxy_conf::values::Day;
use marchproxy_decide::request::identity::Identify;
use marchproxy_decide::verdict::Reason;
use marchproxy_identity::api_key::{Entry, Refused, Table};
use marchproxy_identity::{HashKey, Secret};

use crate::secret;

/// What the policies of one configuration know, at their positions.
pub struct Identities(Vec<Option<Table<Arc<str>>>>);

impl Identities {
    /// Reads what the policies of `config` need.
    ///
    /// # Errors
    /// What is wrong with a file or a variable.
    pub fn load(config: &Config) -> Result<Self, String> {
        let table = |policy: &marchproxy_conf::model::Policy| {
            let table = policy.api_keys.as_ref().map(table).transpose();
            table.map_err(|error| format!("policy `{}`: {error}", policy.name))
        };
        config.policies.iter().map(table).collect::<Result<_, _>>().map(Self)
    }
}

impl Identify for Identities {
    fn consumer(&self, policy: usize, key: &[u8], now: Duration) -> Result<Arc<str>, Reason> {
        let table = self.0.get(policy).and_then(Option::as_ref).ok_or(Reason::Internal)?;
        let found = table.find(key, now).map_err(|refused| match refused {
            Refused::Malformed | Refused::Mistyped => Reason::ApiKeyMalformed,
            // Which of the two it is nobody is told who does not have the key.
            Refused::Unknown | Refused::Secret => Reason::ApiKeyUnknown,
            Refused::Expired => Reason::ApiKeyExpired,
        })?;
        Ok(Arc::clone(&found.owner))
    }
}

/// The key that hashes of API keys are made with.
///
/// # Errors
/// It is not there, or too short.
pub fn hash_key(from: &marchproxy_conf::model::Secret) -> Result<HashKey, String> {
    let secret = secret::read(from)?;
    HashKey::new(Secret::new(secret.bytes()))
        .map_err(|error| format!("`hash_key`: {}: {error}", secret.place()))
}

fn table(config: &ApiKeys) -> Result<Table<Arc<str>>, String> {
    let mut consumers: Vec<Arc<str>> = Vec::new();
    let mut entries = Vec::with_capacity(config.keys.len());
    for key in &config.keys {
        let name = key.consumer.as_str();
        let known = consumers.iter().find(|known| &***known == name).cloned();
        let owner = known.unwrap_or_else(|| {
            let new: Arc<str> = name.into();
            consumers.push(Arc::clone(&new));
            new
        });
        entries.push(Entry {
            id: key.id.as_str().into(),
            hash: key.hash.parse().map_err(|error| format!("key `{}`: {error}", key.id))?,
            expires: key.expires.map(Day::begins),
            owner,
        });
    }
    Table::new(hash_key(&config.hash_key)?, entries).map_err(|error| error.to_string())
}
