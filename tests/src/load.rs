//! Busy connections of several kinds, and a count of everything that goes wrong with them.
//!
//! A client may find that its kept connection was closed before its next request was taken up; it
//! then sends it again on a new one (RFC 9110, section 9.2.2; RFC 9113, section 8.7). That is
//! counted apart, and is no failure. An answer that began and did not end is one.

mod kinds;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;

/// How many connections of each kind are busy.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// HTTP/1.1, one request after the other, some of them server-sent events.
    pub http1: usize,
    /// HTTP/2, several streams at once.
    pub http2: usize,
    /// `WebSockets` that echo for a second, then close in order.
    pub websocket: usize,
    /// Uploads that take half a second.
    pub upload: usize,
}

impl Mix {
    /// 64 connections.
    pub const SIXTY_FOUR: Self = Self { http1: 28, http2: 12, websocket: 12, upload: 12 };
}

/// What came of it all.
#[derive(Debug, Default)]
pub struct Totals {
    /// Requests that were answered as they should.
    pub fine: usize,
    /// Streams (`WebSockets`, uploads, events) that ended in order.
    pub streams: usize,
    /// Requests sent again on a new connection.
    pub again: usize,
    /// Requests that failed.
    pub failed: Vec<String>,
    /// Streams that were cut.
    pub cut: Vec<String>,
}

/// What the connections count while they run.
#[derive(Debug, Default)]
struct Tally {
    fine: AtomicUsize,
    streams: AtomicUsize,
    again: AtomicUsize,
    failed: Mutex<Vec<String>>,
    cut: Mutex<Vec<String>>,
    stop: AtomicBool,
}

/// Running load.
#[derive(Debug)]
pub struct Load {
    tally: Arc<Tally>,
    tasks: JoinSet<()>,
}

impl Load {
    /// Starts the connections of `mix` to a listener on plain text.
    pub fn start(address: SocketAddr, mix: Mix) -> Self {
        let tally = Arc::new(Tally::default());
        let mut tasks = JoinSet::new();
        for _ in 0..mix.http1 {
            tasks.spawn(kinds::http1(address, Arc::clone(&tally)));
        }
        for _ in 0..mix.http2 {
            tasks.spawn(kinds::http2(address, Arc::clone(&tally)));
        }
        for _ in 0..mix.websocket {
            tasks.spawn(kinds::websocket(address, Arc::clone(&tally)));
        }
        for _ in 0..mix.upload {
            tasks.spawn(kinds::upload(address, Arc::clone(&tally)));
        }
        Self { tally, tasks }
    }

    /// Requests and streams that went well until now.
    pub fn done(&self) -> usize {
        self.tally.fine.load(Ordering::SeqCst) + self.tally.streams.load(Ordering::SeqCst)
    }

    /// Lets every connection end what it does, and counts.
    ///
    /// # Panics
    /// When one of them panicked or hangs.
    pub async fn stop(mut self) -> Totals {
        self.tally.stop.store(true, Ordering::SeqCst);
        let ending = async {
            while let Some(ended) = self.tasks.join_next().await {
                ended.expect("a connection of the load does not panic");
            }
        };
        crate::bounded::within_time(std::time::Duration::from_secs(30), "the load ends", ending)
            .await;
        let take = |list: &Mutex<Vec<String>>| std::mem::take(&mut *list.lock().expect("no panic"));
        Totals {
            fine: self.tally.fine.load(Ordering::SeqCst),
            streams: self.tally.streams.load(Ordering::SeqCst),
            again: self.tally.again.load(Ordering::SeqCst),
            failed: take(&self.tally.failed),
            cut: take(&self.tally.cut),
        }
    }
}

impl Tally {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::SeqCst)
    }

    fn fine(&self) {
        self.fine.fetch_add(1, Ordering::SeqCst);
    }

    fn stream(&self) {
        self.streams.fetch_add(1, Ordering::SeqCst);
    }

    fn again(&self) {
        self.again.fetch_add(1, Ordering::SeqCst);
    }

    fn failed(&self, what: String) {
        self.failed.lock().expect("no panic with the list in hand").push(what);
    }

    fn cut(&self, what: String) {
        self.cut.lock().expect("no panic with the list in hand").push(what);
    }
}
