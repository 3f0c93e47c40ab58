//! A thread that serves traffic: an event loop and upstream connections of its own.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::mpsc;

use super::accept;
use super::memory;
use super::table::Listener;
use crate::edge::Edge;
use crate::observe::Observer;
use crate::upstream::Pool;

/// What the tasks of one worker share.
pub struct Worker {
    /// How it serves requests.
    pub edge: Edge,
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
    pub socket: OwnedFd,
}

impl WorkerHandle {
    /// Starts a worker. Its thread ends some time after the handle is
    /// dropped.
    pub fn start(index: usize, observer: Arc<Observer>) -> io::Result<Self> {
        let (orders, received) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let body = async move {
            let edge = Edge {
                observer,
                worker: index,
                pool: Arc::new(Pool::new()),
                mirrors: Arc::default(),
            };
            let worker = Arc::new(Worker { edge, closed: AtomicU64::new(0) });
            run(worker, received).await;
        };
        std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || runtime.block_on(body))?;
        Ok(Self { orders })
    }

    /// Has the worker accept from a socket. `false`: the worker is gone.
    pub fn accept(&self, order: Order) -> bool {
        self.orders.send(order).is_ok()
    }
}

async fn run(worker: Arc<Worker>, mut orders: mpsc::UnboundedReceiver<Order>) {
    tokio::spawn(memory::give_back(Arc::clone(&worker)));
    let sweeper = Arc::clone(&worker);
    tokio::spawn(async move { sweeper.edge.pool.sweep().await });
    while let Some(Order { listener, socket }) = orders.recv().await {
        tokio::spawn(accept::run(socket, listener, Arc::clone(&worker)));
    }
}
