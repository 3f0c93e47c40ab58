//! Giving memory back to the system when connections have closed.
//!
//! mimalloc does so in passing, whenever a thread frees a large block. A worker that has nothing to
//! do frees none, and would keep for ever what its connections needed at the busiest moment.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::worker::Worker;

/// How often to look whether connections have closed.
const LOOK: Duration = Duration::from_secs(1);
/// Large enough for mimalloc to look through what it could give back. Never touched, so that it
/// costs no memory itself.
const LARGE_BLOCK: usize = 1 << 20;

/// Gives memory back for as long as it is polled.
pub async fn give_back(worker: Arc<Worker>) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = 0;
    let mut again = false;
    loop {
        looks.tick().await;
        let closed = worker.closed.load(Ordering::Relaxed);
        // What was freed just before a look is given back at the next one only.
        if closed != before || again {
            drop(black_box(Vec::<u8>::with_capacity(black_box(LARGE_BLOCK))));
        }
        again = closed != before;
        before = closed;
    }
}
