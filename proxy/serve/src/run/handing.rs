//! Handing the sockets to a successor: the control thread's side of [`crate::handover`].

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::handover::{self, Label, Outcome, Successor};

/// How long to wait after a connection could not be taken: file descriptors may have run out.
const AGAIN: Duration = Duration::from_secs(1);

/// Whether this process can be taken over from, and by whom it is just now.
pub(super) struct Handing {
    offer: Option<UnixListener>,
    running: Option<JoinHandle<Option<Successor>>>,
}

/// What happens to a handover.
pub(super) enum News {
    /// Another process connected and wants the sockets.
    Wanted(UnixStream),
    /// It has ended: with the successor, if there is one now.
    Ended(Option<Successor>),
}

/// A socket, and what it is.
pub(super) type Labelled = (Label, OwnedFd);

impl Handing {
    /// Offers nothing.
    pub(super) fn none() -> Self {
        Self { offer: None, running: None }
    }

    /// Offers the sockets of the process whose status listener is at `status`.
    pub(super) async fn offer(status: SocketAddr) -> Self {
        let name = handover::name(status);
        let offer = match handover::offer(&name).await {
            Ok(offer) => Some(offer),
            Err(error) => {
                tracing::error!(%error, name, "`marchproxy upgrade` will not find this process");
                None
            }
        };
        Self { offer, running: None }
    }

    /// Whether a handover runs: then nothing that it hands over may change.
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Hands `sockets` to whoever has connected, aside.
    pub(super) fn begin(&mut self, stream: UnixStream, sockets: Vec<Labelled>) {
        self.running = Some(tokio::spawn(async move {
            let sockets: Vec<_> =
                sockets.iter().map(|(label, socket)| (label.to_string(), socket.as_fd())).collect();
            match handover::answer(stream, &sockets).await {
                Ok(Outcome::TakenOver(successor)) => Some(successor),
                Ok(Outcome::Refused) => {
                    tracing::warn!("the new process gave up; this one goes on");
                    None
                }
                Err(error) => {
                    tracing::warn!(%error, "the sockets were not taken over; this process goes on");
                    None
                }
            }
        }));
    }

    /// Resolves when somebody wants the sockets, or when handing them over has ended. To be dropped
    /// at any time without loss.
    pub(super) async fn news(&mut self) -> News {
        if let Some(running) = &mut self.running {
            let successor = running.await.ok().flatten();
            self.running = None;
            return News::Ended(successor);
        }
        let Some(offer) = &self.offer else { return std::future::pending().await };
        loop {
            match offer.accept().await {
                Ok((stream, _)) => return News::Wanted(stream),
                Err(error) => {
                    tracing::warn!(%error, "an upgrade has to wait");
                    sleep(AGAIN).await;
                }
            }
        }
    }
}
