//! `marchproxy key`: API keys for consumers.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use boring::rand::rand_bytes;
use clap::Subcommand;
use marchproxy_conf::model::{ApiKeys, Config};
use marchproxy_conf::values::{Day, Name};
use marchproxy_identity::api_key::{NewKey, RANDOM};

use super::{DONE, FAILED, WRONG, check, complain, print};
use crate::identity::hash_key;

/// What is to become of API keys.
#[derive(Debug, Subcommand)]
pub enum KeyOrder {
    /// Make one, and show what to write into the configuration
    New {
        /// The consumer that gets it
        #[arg(long, value_name = "NAME")]
        consumer: Name,
        /// The policy with `api_keys` that is to know it; needed where there are several
        #[arg(long, value_name = "NAME")]
        policy: Option<Name>,
        /// The day from which on it is refused, such as 2027-01-31
        #[arg(long, value_name = "DAY")]
        expires: Option<Day>,
        /// The configuration
        #[arg(long, short, value_name = "PATH")]
        config: PathBuf,
    },
}

impl KeyOrder {
    /// Does it.
    pub fn order(self) -> ExitCode {
        let Self::New { consumer, policy, expires, config } = self;
        match new(&config, &consumer, policy.as_ref(), expires) {
            Ok(told) => print(&told, DONE),
            Err((why, code)) => {
                complain(&why);
                ExitCode::from(code)
            }
        }
    }
}

fn new(
    config: &Path,
    consumer: &Name,
    policy: Option<&Name>,
    expires: Option<Day>,
) -> Result<String, (String, u8)> {
    let loaded = check::load(config).map_err(|refused| {
        (marchproxy_conf::report::render(&refused.problems, &refused.sources), WRONG)
    })?;
    let wrong = |why: String| (format!("error: {why}\n"), WRONG);
    let failed = |why: String| (format!("error: {why}\n"), FAILED);
    let (name, policy) = policy_of(&loaded.config, policy).map_err(wrong)?;
    let hash_key = hash_key(&policy.hash_key).map_err(failed)?;
    let mut random = [0; RANDOM];
    rand_bytes(&mut random).map_err(|error| failed(format!("there is no randomness: {error}")))?;
    let key = NewKey::new(&mut random);
    let hash = key.hash(&hash_key).ok_or_else(|| failed("no hash could be made".to_owned()))?;
    let expires = expires.map(|day| format!(", expires: \"{day}\"")).unwrap_or_default();
    Ok(format!(
        "{}\n\nThe key is shown this once: give it to `{consumer}`, to be sent as `{}`.\n\
         Add to `keys` of policy `{name}`:\n\n  - {{ consumer: {consumer}, id: {}, hash: {hash}{expires} }}\n",
        key.text(),
        policy.header.as_str(),
        key.id(),
    ))
}

/// The policy that is meant.
fn policy_of<'a>(
    config: &'a Config,
    name: Option<&Name>,
) -> Result<(&'a Name, &'a ApiKeys), String> {
    let all = || {
        config.policies.iter().filter_map(|policy| Some((&policy.name, policy.api_keys.as_ref()?)))
    };
    let names = || all().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    match (name, all().count()) {
        (_, 0) => Err("no policy of the configuration has `api_keys`".to_owned()),
        (Some(name), _) => all()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| format!("no policy `{name}` has `api_keys`; these have: {}", names())),
        (None, 1) => all().next().ok_or_else(String::new),
        (None, _) => {
            Err(format!("several policies have `api_keys`; name one with --policy: {}", names()))
        }
    }
}
