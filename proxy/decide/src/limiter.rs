//! What limits count: the one state that they have, for all routes and workers.

use marchproxy_limit::{KeyWriter, Keys, Table};

/// What limits count. A reload keeps it, so that nobody begins anew by waiting for one.
#[derive(Debug)]
pub struct Limiter {
    pub(crate) table: Table,
    keys: Keys,
    size: u32,
}

impl Limiter {
    /// For so many keys at one time. With `secret`, drawn at random, nobody can find keys that push
    /// one another out.
    pub fn new(size: u32, secret: &[u8; 16]) -> Self {
        let table = Table::new(usize::try_from(size).unwrap_or(usize::MAX));
        Self { table, keys: Keys::new(secret), size }
    }

    /// For how many keys it is.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// How many keys were forgotten that had not got everything back: whose limits were too lax.
    pub fn forgotten(&self) -> u64 {
        self.table.forgotten()
    }

    /// Begins a key of the policy with this name: the same key after a reload.
    pub(crate) fn key(&self, policy: &str) -> KeyWriter {
        self.keys.write(0).text(policy.as_bytes())
    }
}
