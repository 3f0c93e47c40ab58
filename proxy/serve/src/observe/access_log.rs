//! The access log: lines go into a buffer of the worker that made them, and one thread carries the
//! buffers to the file. A request never waits for a disk or a pipe; when they cannot keep up, lines
//! are dropped and counted.

mod carrier;
mod target;
#[cfg(test)]
mod tests;

pub use target::Target;

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use marchproxy_conf::model::{self, AccessLogFormat};
use prometheus::IntCounter;

use carrier::Carrier;

/// A buffer that holds this many bytes is carried away at once.
const CARRY_AT: usize = 64 * 1024;
/// A buffer that holds this many bytes takes no more lines.
const FULL_AT: usize = 1024 * 1024;
/// How often all buffers are carried away.
const SWEEP: Duration = Duration::from_millis(100);
/// How long closing waits for a target that does not take what is left.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// What goes wrong with the access log is counted, as nobody can wait for it.
#[derive(Clone)]
pub struct Counters {
    /// Lines that were never written.
    pub dropped_lines: IntCounter,
    /// Writes that failed.
    pub write_errors: IntCounter,
}

/// The access log.
pub struct AccessLog {
    shared: Arc<Shared>,
    /// The file that lines go to; `None` is standard output.
    file: Mutex<Option<PathBuf>>,
}

/// Another target, open.
pub struct Prepared {
    file: Option<PathBuf>,
    target: Target,
}

/// What the workers and the thread share.
struct Shared {
    /// One for each worker: its lock is contended only while the thread takes the buffer away.
    buffers: Vec<Mutex<Vec<u8>>>,
    orders: Mutex<Orders>,
    /// There is something to carry, or to obey.
    wake: Condvar,
    /// The thread is done.
    finished: Condvar,
    counters: Counters,
}

/// What the thread is told.
#[derive(Default)]
struct Orders {
    next_target: Option<Target>,
    close: bool,
    closed: bool,
}

impl AccessLog {
    /// Opens what `log` names and starts the thread. One buffer for each worker.
    pub fn new(workers: usize, log: &model::AccessLog, counters: Counters) -> Result<Self, String> {
        let file = file_of(log).cloned();
        let target = Target::open(file.as_ref())?;
        Self::onto(target, file, workers, counters)
    }

    fn onto(
        target: Target,
        file: Option<PathBuf>,
        workers: usize,
        counters: Counters,
    ) -> Result<Self, String> {
        let shared = Arc::new(Shared {
            buffers: (0..workers.max(1)).map(|_| Mutex::default()).collect(),
            orders: Mutex::default(),
            wake: Condvar::new(),
            finished: Condvar::new(),
            counters,
        });
        let carrier = Carrier::new(Arc::clone(&shared), target);
        thread::Builder::new()
            .name(String::from("access-log"))
            .spawn(move || carrier.run())
            .map_err(|error| format!("cannot start the thread of the access log: {error}"))?;
        Ok(Self { shared, file: Mutex::new(file) })
    }

    /// Lets `write` append one line to the buffer of the worker at this position; when the buffer
    /// is full, the line is dropped and counted.
    pub fn append(&self, worker: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(buffer) = self.shared.buffers.get(worker) else {
            return self.shared.counters.dropped_lines.inc();
        };
        let mut buffer = lock(buffer);
        let before = buffer.len();
        if before >= FULL_AT {
            drop(buffer);
            return self.shared.counters.dropped_lines.inc();
        }
        write(&mut buffer);
        let after = buffer.len();
        drop(buffer);
        // A wake that comes while the thread is not waiting is lost; its next sweep is near.
        if before < CARRY_AT && after >= CARRY_AT {
            self.shared.wake.notify_one();
        }
    }

    /// Opens what `log` names, if that is another file than now. Nothing changes yet.
    pub fn prepare(&self, log: &model::AccessLog) -> Result<Option<Prepared>, String> {
        // Requests that began before may still write lines: they go where they went.
        if log.format == AccessLogFormat::Off || *lock(&self.file) == log.file {
            return Ok(None);
        }
        let target = Target::open(log.file.as_ref())?;
        Ok(Some(Prepared { file: log.file.clone(), target }))
    }

    /// Goes over to what was prepared. Lines made before go to the old target.
    pub fn go_over(&self, Prepared { file, target }: Prepared) {
        *lock(&self.file) = file;
        self.switch(target);
    }

    /// Opens the file by its name again, after something has moved it away. When that fails, the
    /// old one is kept.
    pub fn reopen(&self) -> Result<(), String> {
        let file = lock(&self.file);
        if file.is_some() {
            self.switch(Target::open(file.as_ref())?);
        }
        Ok(())
    }

    /// Writes everything that is left and ends the thread. Waits at most 5 seconds for a target
    /// that takes nothing. Lines appended afterwards are lost.
    pub fn close(&self) {
        let mut orders = lock(&self.shared.orders);
        orders.close = true;
        self.shared.wake.notify_one();
        let waited = self
            .shared
            .finished
            .wait_timeout_while(orders, CLOSE_PATIENCE, |orders| !orders.closed)
            .unwrap_or_else(PoisonError::into_inner);
        if waited.1.timed_out() {
            tracing::warn!("the access log does not take its last lines");
        }
    }

    fn switch(&self, target: Target) {
        lock(&self.shared.orders).next_target = Some(target);
        self.shared.wake.notify_one();
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        lock(&self.shared.orders).close = true;
        self.shared.wake.notify_one();
    }
}

fn file_of(log: &model::AccessLog) -> Option<&PathBuf> {
    log.file.as_ref().filter(|_| log.format != AccessLogFormat::Off)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
