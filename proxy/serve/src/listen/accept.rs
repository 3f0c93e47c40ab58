//! The accept loop: from a listening socket to tasks that serve its connections.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use marchproxy_conf::values::ListenAddress;
use tokio::net::{TcpListener, UnixListener};
use tokio::time::sleep;

use super::connection;
use super::descriptors;
use super::stream::Stream;
use super::table::Listener;
use super::worker::Worker;

/// How long accepting pauses when the process or the system is out of file descriptors or memory.
const PAUSE: Duration = Duration::from_millis(50);

/// A socket that is accepted from.
enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Acceptor {
    fn new(socket: OwnedFd, address: &ListenAddress) -> io::Result<Self> {
        Ok(match address {
            ListenAddress::Ip(_) => Self::Tcp(TcpListener::from_std(socket.into())?),
            ListenAddress::Unix(_) => {
                Self::Unix(UnixListener::from_std(net::UnixListener::from(socket))?)
            }
        })
    }

    /// A connection, and the address of its other end if it has one.
    async fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        Ok(match self {
            Self::Tcp(socket) => {
                let (stream, peer) = socket.accept().await?;
                (Stream::Tcp(stream), Some(peer))
            }
            Self::Unix(socket) => (Stream::Unix(socket.accept().await?.0), None),
        })
    }
}

/// Accepts until the listener stops, then takes what is still in the queue, so that no client
/// whose connection the kernel has completed is reset.
pub async fn run(socket: OwnedFd, listener: Arc<Listener>, worker: Arc<Worker>) {
    let socket = match Acceptor::new(socket, &listener.address) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::error!(listener = &*listener.name, %error, "cannot watch a listening socket");
            return;
        }
    };
    let mut stop = listener.stopped();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stopped| *stopped) => break,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let was_last = descriptors::is_kept_back(stream.as_raw_fd());
                take(stream, peer, &listener, &worker);
                if was_last {
                    pause(&listener, &worker, "few file descriptors are left").await;
                }
            }
            Err(error) if is_of_one_client(&error) => {}
            Err(error) => pause(&listener, &worker, &error.to_string()).await,
        }
    }
    while let Some(Ok((stream, peer))) = socket.accept().now_or_never() {
        take(stream, peer, &listener, &worker);
    }
}

/// Waits until there are file descriptors for clients again, or the listener stops. It is said and
/// counted once, however long it lasts.
async fn pause(listener: &Listener, worker: &Arc<Worker>, why: &str) {
    tracing::warn!(listener = &*listener.name, why, "accepting pauses");
    worker.edge.observer.metrics.accept_paused(&listener.name);
    loop {
        sleep(PAUSE).await;
        if descriptors::are_there() || *listener.stopped().borrow() {
            break;
        }
    }
    tracing::info!(listener = &*listener.name, "accepting goes on");
}

fn take(stream: Stream, peer: Option<SocketAddr>, listener: &Arc<Listener>, worker: &Arc<Worker>) {
    let Some(place) = listener.admit(peer.map(|peer| peer.ip()), &worker.edge.observer) else {
        worker.edge.observer.metrics.connection_refused(&listener.name);
        return;
    };
    stream.set_nodelay();
    let Ok(ends) = stream.ends(peer, listener.view().tls.is_some()) else { return };
    tokio::spawn(connection::serve(stream, ends, place, Arc::clone(worker)));
}

/// The client went away before it was accepted: nobody else's concern.
fn is_of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::WouldBlock
    )
}
