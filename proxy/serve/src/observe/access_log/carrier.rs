//! The thread that carries the lines from the buffers to their target.

use std::sync::{Arc, PoisonError};

use super::target::Target;
use super::{CARRY_AT, SWEEP, Shared, lock};

/// Carries the lines.
pub(super) struct Carrier {
    shared: Arc<Shared>,
    target: Target,
    /// An empty buffer, given to a worker in exchange for its own.
    spare: Vec<u8>,
    /// The running spell of failed writes has been logged.
    reported: bool,
}

impl Carrier {
    pub(super) fn new(shared: Arc<Shared>, target: Target) -> Self {
        Self { shared, target, spare: Vec::new(), reported: false }
    }

    /// Carries until it is told to close; then once more, and ends.
    pub(super) fn run(mut self) {
        loop {
            let (next_target, close) = self.wait();
            self.sweep();
            if let Some(target) = next_target {
                self.target = target;
                self.reported = false;
            }
            if close {
                break;
            }
        }
        lock(&self.shared.orders).closed = true;
        self.shared.finished.notify_all();
    }

    /// Waits for an order, a full buffer, or the next sweep, whichever is first.
    fn wait(&self) -> (Option<Target>, bool) {
        let mut orders = lock(&self.shared.orders);
        if orders.next_target.is_none() && !orders.close {
            let waited = self.shared.wake.wait_timeout(orders, SWEEP);
            orders = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        (orders.next_target.take(), orders.close)
    }

    fn sweep(&mut self) {
        for position in 0..self.shared.buffers.len() {
            let Some(buffer) = self.shared.buffers.get(position) else { return };
            let mut buffer = lock(buffer);
            if buffer.is_empty() {
                continue;
            }
            std::mem::swap(&mut *buffer, &mut self.spare);
            drop(buffer);
            self.write_spare();
            self.spare.clear();
            self.spare.shrink_to(2 * CARRY_AT);
        }
    }

    fn write_spare(&mut self) {
        let Err((lines, error)) = self.target.write(&self.spare) else {
            self.reported = false;
            return;
        };
        self.shared.counters.write_errors.inc();
        self.shared.counters.dropped_lines.inc_by(lines);
        if !self.reported {
            self.reported = true;
            tracing::error!(%error, "cannot write the access log");
        }
    }
}
