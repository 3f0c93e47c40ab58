//! The status listener's socket and the task that serves it.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::status::State;
use crate::observe::status;

/// The status listener. It ends when this is dropped.
pub(super) struct StatusListener {
    pub(super) address: SocketAddr,
    /// A second handle on its socket, to be handed over.
    pub(super) socket: std::net::TcpListener,
    task: AbortHandle,
}

impl StatusListener {
    /// Serves `state` at `address`, on a socket that is there already or on a new one.
    ///
    /// # Errors
    /// The address, and why nobody can listen there.
    pub(super) fn open(
        address: SocketAddr,
        inherited: Option<std::net::TcpListener>,
        state: Arc<State>,
    ) -> Result<Self, String> {
        let opened = || {
            let socket = inherited.map_or_else(|| std::net::TcpListener::bind(address), Ok)?;
            socket.set_nonblocking(true)?;
            let listener = TcpListener::from_std(socket.try_clone()?)?;
            Ok((socket, listener))
        };
        let (socket, listener) = opened().map_err(|error: std::io::Error| {
            format!("status listener {address}: {error}; does another marchproxy run with it?")
        })?;
        let task = tokio::spawn(status::serve(listener, state)).abort_handle();
        Ok(Self { address, socket, task })
    }

    /// Accepts no more.
    pub(super) fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for StatusListener {
    fn drop(&mut self) {
        self.stop();
    }
}
