//! The listeners that are open right now, and how they come, change and go while others serve.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use futures_util::future::join_all;
use marchproxy_conf::model::{self, Protocol};
use marchproxy_conf::values::{FileMode, ListenAddress};
use marchproxy_decide::wire::head::HeadLimits;
use tokio::sync::watch;
use tokio::time::timeout;

use super::bind::{self, SocketFile};
use super::places::{Places, Source};
use super::tls::ServerTls;
use super::worker::{Order, WorkerHandle};
use crate::drain::{Drain, DrainSender, Phase};
use crate::generation::Generation;
use crate::observe::Observer;

/// What a listener does for connections and requests that begin now.
pub struct View {
    /// What it was configured as.
    pub config: model::Listener,
    /// The configuration that its new requests are served with.
    pub generation: Arc<Generation>,
    /// Its position in that configuration.
    pub index: usize,
    /// Limits on the heads of its requests.
    pub head: HeadLimits,
    /// Present: it speaks TLS.
    pub tls: Option<Arc<ServerTls>>,
}

impl View {
    /// The permissions of its Unix socket.
    fn permissions(&self) -> FileMode {
        self.config.socket_mode.unwrap_or(FileMode::GROUP)
    }

    /// Whether HTTP/1 is spoken.
    pub fn speaks_http1(&self) -> bool {
        self.config.protocol != Protocol::Http2
    }

    /// Whether some connections are passed on as they come.
    pub fn passes_on(&self) -> bool {
        self.config.tls.as_ref().is_some_and(|tls| !tls.passthrough.is_empty())
    }

    /// Whether HTTP/2 is spoken.
    pub fn speaks_http2(&self) -> bool {
        self.config.protocol != Protocol::Http1
    }
}

/// One open listener. Connections hold it, so it must not hold the socket.
pub struct Listener {
    /// Its name.
    pub name: Arc<str>,
    /// Where it listens.
    pub address: ListenAddress,
    view: ArcSwap<View>,
    drain: DrainSender,
    stop: watch::Sender<bool>,
    places: Places,
}

/// Counts as one connection of its listener while it lives.
pub struct Admitted {
    /// The listener.
    pub listener: Arc<Listener>,
    source: Source,
    observer: Arc<Observer>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.observer.metrics.connection_closed(&self.listener.name);
        self.listener.places.give_back(self.source);
    }
}

impl Admitted {
    /// Counts for the client at `address` from now on, and no longer for whom it was admitted for.
    /// `false`: there are too many from there.
    pub fn goes_to(&mut self, address: IpAddr) -> bool {
        let source = Source::of(Some(address));
        let view = self.listener.view();
        let has_room = self.listener.places.pass_on(self.source, source, &view.config.connections);
        if has_room {
            self.source = source;
        }
        has_room
    }
}

impl Listener {
    fn new(address: ListenAddress, view: View) -> Self {
        Self {
            name: view.config.name.as_str().into(),
            address,
            view: ArcSwap::from_pointee(view),
            drain: DrainSender::new(),
            stop: watch::Sender::new(false),
            places: Places::default(),
        }
    }

    /// What it does for what begins now. To be held briefly.
    pub fn view(&self) -> Guard<Arc<View>> {
        self.view.load()
    }

    /// How its connections learn of its end.
    pub fn drain(&self) -> Drain {
        self.drain.subscribe()
    }

    /// Turns `true` when no more connections are to be accepted.
    pub fn stopped(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Connections at this moment.
    pub fn connections(&self) -> u32 {
        self.places.taken()
    }

    /// Admits a connection from `address`, unless there are too many. One without an address counts
    /// only among all.
    pub fn admit(
        self: &Arc<Self>,
        address: Option<IpAddr>,
        observer: &Arc<Observer>,
    ) -> Option<Admitted> {
        let source = Source::of(address);
        if !self.places.take(source, &self.view().config.connections) {
            return None;
        }
        observer.metrics.connection_opened(&self.name);
        Some(Admitted { listener: Arc::clone(self), source, observer: Arc::clone(observer) })
    }

    /// Whether every accept loop has ended, and with it every connection.
    pub fn is_over(&self) -> bool {
        self.stop.is_closed() && self.connections() == 0
    }

    /// Goes to a phase of its end; the first step out of [`Phase::Serve`] also stops accepting.
    pub fn end(&self, phase: Phase) {
        self.stop.send_replace(true);
        self.drain.set(phase);
    }
}

/// A listener and the socket it was bound with.
struct Open {
    listener: Arc<Listener>,
    socket: Bound,
}

/// A socket that listens, with its file if it has one.
struct Bound {
    socket: OwnedFd,
    file: Option<SocketFile>,
}

impl Open {
    /// Changes it where it stands.
    fn change(&self, view: View) -> io::Result<()> {
        let mode = view.permissions();
        let before = self.listener.view.swap(Arc::new(view));
        if mode != before.permissions() {
            bind::set_mode(&self.listener.address, mode)?;
        }
        Ok(())
    }
}

/// A listener that could not be opened, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    /// Its name.
    pub name: String,
    /// Where it should listen.
    pub address: ListenAddress,
    /// What the system says.
    pub error: String,
}

/// All open listeners. Belongs to the control thread.
pub struct Table {
    open: HashMap<String, Open>,
    /// Closed, with connections that still run.
    leaving: Vec<Arc<Listener>>,
    /// Sockets that need not be bound: of another process, or of a listener that is gone.
    spare: HashMap<ListenAddress, Bound>,
    /// What another process may still go on with, and with it its files.
    inherited: Vec<ListenAddress>,
    workers: Vec<WorkerHandle>,
}

impl Table {
    /// A table without listeners; `inherited` are sockets that need not be bound again.
    pub fn new(workers: Vec<WorkerHandle>, inherited: HashMap<ListenAddress, OwnedFd>) -> Self {
        let addresses = inherited.keys().cloned().collect();
        let spare = inherited.into_iter();
        let spare =
            spare.map(|(address, socket)| (address, Bound { socket, file: None })).collect();
        Self { open: HashMap::new(), leaving: Vec::new(), spare, inherited: addresses, workers }
    }

    /// Makes the open listeners those of `views`: what is new is opened, what stays is changed
    /// where it stands, what is gone is given back to be drained. What cannot be opened is
    /// reported and can be tried again by calling this again.
    pub async fn apply(&mut self, views: Vec<View>) -> (Vec<Arc<Listener>>, Vec<Failure>) {
        let removed = self.close_all_but(&views);
        // A port is free once every worker has let go of it.
        let released = join_all(removed.iter().map(|listener| listener.stop.closed()));
        let _ = timeout(RELEASE, released).await;
        let mut failures = Vec::new();
        for view in views {
            let name = view.config.name.to_string();
            let address = view.config.address.clone();
            let opened = match self.open.get(&name) {
                Some(open) => open.change(view),
                None => self.open(&address, view),
            };
            if let Err(error) = opened {
                failures.push(Failure { name, address, error: error.to_string() });
            }
        }
        self.spare.clear();
        self.leaving.retain(|listener| !listener.is_over());
        (removed, failures)
    }

    /// The open listeners, by name.
    pub fn listeners(&self) -> impl Iterator<Item = &Arc<Listener>> {
        self.open.values().map(|open| &open.listener)
    }

    /// The sockets, to be handed to another process.
    pub fn sockets(&self) -> impl Iterator<Item = (ListenAddress, BorrowedFd<'_>)> {
        self.open.values().map(|open| (open.listener.address.clone(), open.socket.socket.as_fd()))
    }

    /// Takes over the files of inherited Unix sockets, which their process has left; those that are
    /// not used are removed.
    pub fn adopt_files(&mut self) {
        for address in std::mem::take(&mut self.inherited) {
            let mut open = self.open.values_mut();
            match open.find(|open| open.listener.address == address) {
                Some(open) if open.socket.file.is_some() => {}
                Some(open) => open.socket.file = SocketFile::of(&address),
                None => drop(SocketFile::of(&address)),
            }
        }
    }

    /// Leaves the files of Unix sockets to another process, which has the sockets.
    pub fn leave_files(&mut self) {
        for file in self.open.values_mut().filter_map(|open| open.socket.file.take()) {
            file.leave();
        }
    }

    /// Closes all sockets. What runs goes on to its end.
    pub fn close(&mut self) {
        self.close_all_but(&[]);
    }

    /// Connections that still run after [`Table::close`].
    pub fn left(&self) -> u32 {
        let counts = self.leaving.iter().map(|listener| listener.connections());
        counts.fold(0, u32::saturating_add)
    }

    /// Whether all that ran before [`Table::close`] has come to its end.
    pub fn is_over(&self) -> bool {
        self.leaving.iter().all(|listener| listener.is_over())
    }

    /// Ends what still runs after [`Table::close`].
    pub fn cut(&self) {
        for listener in &self.leaving {
            listener.end(Phase::Cut);
        }
    }

    fn close_all_but(&mut self, views: &[View]) -> Vec<Arc<Listener>> {
        let stays = |name: &str, open: &Open| {
            views.iter().any(|view| {
                view.config.name.as_str() == name && view.config.address == open.listener.address
            })
        };
        let mut gone = Vec::new();
        for (_, Open { listener, socket }) in self.open.extract_if(|name, open| !stays(name, open))
        {
            listener.end(Phase::Drain);
            // Another listener may go on with the socket: then no client in its queue is refused.
            if views.iter().any(|view| view.config.address == listener.address) {
                self.spare.insert(listener.address.clone(), socket);
            }
            gone.push(listener);
        }
        self.leaving.extend(gone.iter().cloned());
        gone
    }

    fn open(&mut self, address: &ListenAddress, view: View) -> io::Result<()> {
        let mode = view.permissions();
        let socket = match self.spare.remove(address) {
            Some(socket) => {
                bind::set_mode(address, mode)?;
                socket
            }
            None => Bound { socket: bind::bind(address, mode)?, file: SocketFile::of(address) },
        };
        let name = view.config.name.to_string();
        let listener = Arc::new(Listener::new(address.clone(), view));
        // All of them first: a listener that only some workers know could not be closed again.
        let sockets = self.workers.iter().map(|_| socket.socket.try_clone());
        let sockets = sockets.collect::<io::Result<Vec<_>>>()?;
        for (worker, socket) in self.workers.iter().zip(sockets) {
            let order = Order { listener: Arc::clone(&listener), socket };
            if !worker.accept(order) {
                return Err(io::Error::other("a worker thread has ended"));
            }
        }
        self.open.insert(name, Open { listener, socket });
        Ok(())
    }
}

/// How long workers may take to let go of a socket; they do nothing else for less.
const RELEASE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[tokio::test]
    async fn the_file_of_an_inherited_socket_is_left_alone_until_its_process_has_left_it() {
        let path = std::env::temp_dir().join(format!("marchproxy-table-{}", std::process::id()));
        let path = path.to_str().unwrap().to_owned();
        let socket = UnixListener::bind(&path).unwrap();
        let inherited = HashMap::from([(ListenAddress::Unix(path.clone()), socket.into())]);
        let mut table = Table::new(Vec::new(), inherited);
        table.apply(Vec::new()).await;
        assert!(std::fs::exists(&path).unwrap(), "the other process may go on with it");
        table.adopt_files();
        assert!(!std::fs::exists(&path).unwrap(), "nobody goes on with it");
    }
}
