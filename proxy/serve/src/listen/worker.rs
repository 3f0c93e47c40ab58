//! A thread that serves traffic: an event loop and upstream connections of its own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use pingora_core::server::configuration::ServerConf;
use tokio::sync::mpsc;

use super::accept;
use super::memory;
use super::table::Listener;
use crate::edge::{self, Edge, Proxy};
use crate::observe::Observer;

/// Idle upstream connections a worker keeps. A pool smaller than the concurrency costs a
/// handshake for each request.
const UPSTREAM_POOL: usize = 4096;
/// How long a worker may take until it can serve.
const START_TIME: Duration = Duration::from_secs(10);
/// Times that a request is tried again when a kept connection turns out to be dead.
const STALE_RETRIES: usize = 3;

/// What the tasks of one worker share.
pub struct Worker {
    /// Pingora, with the upstream connections of this worker.
    pub proxy: Arc<Proxy>,
    /// Where everything that happens is counted and written.
    pub observer: Arc<Observer>,
    /// Its position among the workers.
    pub index: usize,
    /// Connections that have closed.
    pub closed: AtomicU64,
}

/// The control thread's side of a worker.
pub struct WorkerHandle {
    orders: mpsc::UnboundedSender<Order>,
}

/// A listener to be served, with a socket for this worker to accept from.
pub struct Order {
    /// Whose connections they are.
    pub listener: Arc<Listener>,
    /// A duplicate of the listener's one socket.
    pub socket: std::net::TcpListener,
}

impl WorkerHandle {
    /// Starts a worker and waits until it can serve. Its thread ends some time after the handle is
    /// dropped.
    pub fn start(index: usize, observer: Arc<Observer>) -> io::Result<Self> {
        let (orders, received) = mpsc::unbounded_channel();
        let (tell, told) = std::sync::mpsc::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let body = async move {
            match start(index, observer).await {
                Ok(worker) => {
                    let _ = tell.send(Ok(()));
                    run(worker, received).await;
                }
                Err(error) => {
                    let _ = tell.send(Err(error));
                }
            }
        };
        std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || runtime.block_on(body))?;
        told.recv_timeout(START_TIME).map_err(io::Error::other)??;
        Ok(Self { orders })
    }

    /// Has the worker accept from a socket. `false`: the worker is gone.
    pub fn accept(&self, order: Order) -> bool {
        self.orders.send(order).is_ok()
    }
}

async fn start(index: usize, observer: Arc<Observer>) -> io::Result<Arc<Worker>> {
    let conf = Arc::new(ServerConf {
        threads: 1,
        work_stealing: false,
        upstream_keepalive_pool_size: UPSTREAM_POOL,
        max_retries: STALE_RETRIES,
        ..ServerConf::default()
    });
    let proxy = edge::start(&conf, Edge::new(Arc::clone(&observer), index)).await?;
    Ok(Arc::new(Worker { proxy, observer, index, closed: AtomicU64::new(0) }))
}

async fn run(worker: Arc<Worker>, mut orders: mpsc::UnboundedReceiver<Order>) {
    tokio::spawn(memory::give_back(Arc::clone(&worker)));
    while let Some(Order { listener, socket }) = orders.recv().await {
        tokio::spawn(accept::run(socket, listener, Arc::clone(&worker)));
    }
}
