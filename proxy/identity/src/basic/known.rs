//! Passwords that were found right before.

use std::time::Duration;

use super::{Credentials, User, Users};
use crate::bounded::{Bounded, Figures, Limits};
use crate::secret::HashKey;

/// Passwords that were found right before, so that the slow hash is made once in a time and not for
/// each request.
///
/// What is kept is a fast hash with a random key, of the name, the password and the user's slow hash:
/// a changed file has its users' passwords verified anew. Who can read the memory of the process
/// gets the key too, and can try passwords faster than with the file; that is the price of it.
#[derive(Debug)]
pub struct Known {
    key: HashKey,
    time: Duration,
    right: Bounded<()>,
}

/// Bytes that one takes, about.
const WEIGHT: usize = 128;

impl Known {
    /// With a random key; a password is known for `time`, and `most` at the same time.
    pub fn new(key: HashKey, time: Duration, most: usize) -> Self {
        let limits = Limits { entries: most, bytes: usize::MAX };
        Self { key, time, right: Bounded::new(limits) }
    }

    /// The user, if just this password was found right not long before `now`. None says nothing of
    /// the password: it has to be verified.
    pub fn recall<'a>(
        &self,
        users: &'a Users,
        credentials: &Credentials,
        now: Duration,
    ) -> Option<&'a User> {
        let user = users.find(credentials.name())?;
        let place = self.place(user, credentials);
        let ((), until) = self.right.find(&place)?;
        // A clock that was set back does not make the time longer.
        if now < until && until <= now.saturating_add(self.time) {
            return Some(user);
        }
        self.right.remove(&place);
        None
    }

    /// Notes that the password was found right, by [`Users::verify`], at `now`.
    pub fn note(&self, user: &User, credentials: &Credentials, now: Duration) {
        let until = now.saturating_add(self.time);
        self.right.insert(self.place(user, credentials), (), until, WEIGHT);
    }

    /// How many are known.
    pub fn figures(&self) -> Figures {
        self.right.figures()
    }

    fn place(&self, user: &User, credentials: &Credentials) -> [u8; 32] {
        let [salt, hash] = user.hash().parts();
        let name = user.name().as_bytes();
        let lengths = [name.len(), salt.len()].map(usize::to_be_bytes);
        self.key.place(&[lengths.as_flattened(), name, salt, hash, credentials.password()])
    }
}
