//! A thread that serves traffic: an event loop and upstream connections of its own.

use std::io;
use std::sync::Arc;

use pingora_core::apps::HttpServerOptions;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::{HttpProxy, http_proxy};
use tokio::sync::mpsc;

use super::accept;
use super::table::Listener;
use crate::edge::Edge;
use crate::observe::Observer;

/// Idle upstream connections a worker keeps. A pool smaller than the concurrency costs a
/// handshake for each request.
const UPSTREAM_POOL: usize = 4096;
/// Times that a request is tried again when a kept connection turns out to be dead.
const STALE_RETRIES: usize = 3;

/// What the tasks of one worker share.
pub struct Worker {
    /// Pingora, with the upstream connections of this worker.
    pub proxy: Arc<HttpProxy<Edge>>,
    /// Where everything that happens is counted and written.
    pub observer: Arc<Observer>,
    /// Its position among the workers.
    pub index: usize,
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
    /// Starts a worker. Its thread ends some time after the handle is dropped.
    pub fn start(index: usize, observer: Arc<Observer>) -> io::Result<Self> {
        let (orders, received) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || runtime.block_on(run(index, received, observer)))?;
        Ok(Self { orders })
    }

    /// Has the worker accept from a socket. `false`: the worker is gone.
    pub fn accept(&self, order: Order) -> bool {
        self.orders.send(order).is_ok()
    }
}

async fn run(index: usize, mut orders: mpsc::UnboundedReceiver<Order>, observer: Arc<Observer>) {
    let conf = Arc::new(ServerConf {
        threads: 1,
        work_stealing: false,
        upstream_keepalive_pool_size: UPSTREAM_POOL,
        max_retries: STALE_RETRIES,
        ..ServerConf::default()
    });
    let mut proxy = http_proxy(&conf, Edge::new(Arc::clone(&observer), index));
    let mut options = HttpServerOptions::default();
    // CONNECT comes to our own checkpoints, which refuse it, so that it is recorded like all else.
    options.allow_connect_method_proxying = true;
    proxy.server_options = Some(options);
    let worker = Arc::new(Worker { proxy: Arc::new(proxy), observer, index });
    while let Some(Order { listener, socket }) = orders.recv().await {
        tokio::spawn(accept::run(socket, listener, Arc::clone(&worker)));
    }
}
