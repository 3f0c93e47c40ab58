//! How much was compressed and decompressed.

use std::sync::Arc;

use marchproxy_conf::model::Coding;

use crate::observe::Observer;

/// What is done to a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Work {
    Encode,
    Decode,
}

/// Counts one body, and tells when that is over, however it ends.
pub(super) struct Tally {
    observer: Arc<Observer>,
    work: Work,
    coding: Coding,
    /// Bytes before.
    pub taken: u64,
    /// Bytes after.
    pub given: u64,
}

impl Tally {
    pub(super) fn new(observer: &Arc<Observer>, work: Work, coding: Coding) -> Self {
        Self { observer: Arc::clone(observer), work, coding, taken: 0, given: 0 }
    }

    pub(super) fn takes(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    pub(super) fn gives(&mut self, bytes: usize) {
        self.given = self.given.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let work = match self.work {
            Work::Encode => "encode",
            Work::Decode => "decode",
        };
        let recoded = &self.observer.metrics.recoded;
        recoded.count(work, self.coding.as_str(), self.taken, self.given);
    }
}
