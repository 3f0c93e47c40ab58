//! Keys of session tickets: a listener's own, which rotate, or those of a fleet from a file.

use std::str;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use boring::error::ErrorStack;
use marchproxy_boringssl::{TicketKey, TicketKeys, cleanse};
use marchproxy_conf::model::{self, TicketMode};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::secret;

/// More keys than this in a file are taken for another kind of file.
const MOST_KEYS: usize = 16;

/// Keys, the one that seals first.
pub type Keys = Vec<Arc<TicketKey>>;

/// The ticket keys of a listener.
pub struct Tickets {
    keys: ArcSwap<Keys>,
}

impl TicketKeys for Tickets {
    fn now(&self) -> Arc<Keys> {
        self.keys.load_full()
    }
}

/// Ends the rotation of keys when dropped.
pub struct Rotation(Option<AbortHandle>);

impl Drop for Rotation {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

impl Tickets {
    /// Keys as `config` says. Keys of their own rotate on the current runtime until the rotation is
    /// dropped.
    ///
    /// # Errors
    /// What is wrong with the keys of a fleet; never a word of them.
    pub fn new(config: &model::Tickets) -> Result<(Arc<Self>, Rotation), String> {
        let keys = match (config.mode, &config.keys) {
            (TicketMode::Off, _) => Keys::new(),
            (TicketMode::On, Some(keys)) => load(keys)?,
            (TicketMode::On, None) => Vec::from([fresh().map_err(|error| error.to_string())?]),
        };
        let rotates = config.mode == TicketMode::On && config.keys.is_none();
        let tickets = Arc::new(Self { keys: ArcSwap::from_pointee(keys) });
        let task = rotates.then(|| {
            let rotation = rotate(Arc::downgrade(&tickets), config.rotate.duration());
            tokio::spawn(rotation).abort_handle()
        });
        Ok((tickets, Rotation(task)))
    }

    /// Uses these keys from now on.
    pub fn replace(&self, keys: Keys) {
        self.keys.store(Arc::new(keys));
    }

    /// Seals with a new key. The one before opens what it has sealed; what was before that is gone.
    fn step(&self) -> Result<(), ErrorStack> {
        let mut keys = Vec::from([fresh()?]);
        keys.extend(self.keys.load().first().cloned());
        self.replace(keys);
        Ok(())
    }
}

async fn rotate(tickets: Weak<Tickets>, every: Duration) {
    loop {
        sleep(every).await;
        let Some(tickets) = tickets.upgrade() else { return };
        if let Err(error) = tickets.step() {
            tracing::error!(%error, "cannot make a new key for session tickets; none is given");
            tickets.replace(Keys::new());
        }
    }
}

fn fresh() -> Result<Arc<TicketKey>, ErrorStack> {
    TicketKey::random().map(Arc::new)
}

/// Reads the keys of a fleet.
///
/// # Errors
/// Where they should be, and what is wrong with them; never a word of them.
pub fn load(from: &model::Secret) -> Result<Keys, String> {
    let secret = secret::read(from)?;
    let place = secret.place();
    let text = str::from_utf8(secret.bytes()).map_err(|_| format!("{place}: not text"))?;
    let mut keys = Keys::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let key = decode(line).ok_or_else(|| {
            format!("{place}: line {number} is not {} bytes in base64", TicketKey::SIZE)
        })?;
        if keys.iter().any(|other| other.name() == key.name()) {
            return Err(format!("{place}: line {number} has the name of a key before it"));
        }
        keys.push(Arc::new(key));
    }
    match keys.len() {
        0 => Err(format!("{place}: holds no key")),
        1..=MOST_KEYS => Ok(keys),
        _ => Err(format!("{place}: holds more than {MOST_KEYS} keys")),
    }
}

fn decode(line: &str) -> Option<TicketKey> {
    let mut bytes = boring::base64::decode_block(line).ok()?;
    let key = TicketKey::from_bytes(&bytes);
    cleanse(&mut bytes);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(tickets: &Tickets) -> Vec<[u8; 16]> {
        tickets.now().iter().map(|key| *key.name()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_seals_for_its_time_opens_for_another_and_is_gone() {
        let config = model::Tickets::default();
        let (tickets, rotation) = Tickets::new(&config).unwrap();
        let first = names(&tickets);
        assert_eq!(first.len(), 1);
        // To just after each rotation.
        let step = config.rotate.duration() + Duration::from_millis(1);
        sleep(step).await;
        let second = names(&tickets);
        assert_eq!((second.len(), second[1]), (2, first[0]));
        sleep(step).await;
        let third = names(&tickets);
        assert_eq!((third.len(), third[1]), (2, second[0]));
        assert!(!third.contains(&first[0]));
        drop(rotation);
        sleep(3 * step).await;
        assert_eq!(names(&tickets), third, "what nobody uses does not rotate");
    }

    #[tokio::test]
    async fn a_dropped_key_is_really_dropped() {
        let (tickets, _rotation) = Tickets::new(&model::Tickets::default()).unwrap();
        let first = Arc::downgrade(tickets.now().first().unwrap());
        tickets.step().unwrap();
        assert!(first.upgrade().is_some());
        tickets.step().unwrap();
        assert!(first.upgrade().is_none());
    }

    #[test]
    fn a_line_is_a_whole_key_or_an_error() {
        let line = boring::base64::encode_block(&[7; 80]);
        assert_eq!(decode(&line).unwrap().name(), &[7; 16]);
        for size in [48, 79, 81, 82] {
            assert!(decode(&boring::base64::encode_block(&vec![7; size])).is_none(), "{size}");
        }
        for line in ["%%%", "====", "=", "abc", &line.replace('=', "")] {
            assert!(decode(line).is_none(), "{line}");
        }
    }
}
