//! The side of the process that serves.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::{LONGEST_ORDER, Order, Reply};
use crate::handover::check_user;

/// How long one conversation may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Conversations at one time; more wait in the kernel's queue.
const AT_ONCE: usize = 16;
/// How long to wait after a connection could not be taken.
const PAUSE: Duration = Duration::from_millis(50);

/// The socket; dropping it closes it.
pub struct LocalSocket(Option<AbortHandle>);

impl LocalSocket {
    /// None.
    pub fn none() -> Self {
        Self(None)
    }

    /// Listens under `name`; `follow` does what an order says.
    pub fn open<F>(name: &str, follow: F) -> Self
    where
        F: Fn(Order) -> Reply + Send + Sync + 'static,
    {
        match bind(name) {
            Ok(listener) => {
                Self(Some(tokio::spawn(serve(listener, Arc::new(follow))).abort_handle()))
            }
            Err(error) => {
                tracing::error!(%error, name, "commands will not find this process");
                Self(None)
            }
        }
    }
}

impl Drop for LocalSocket {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

fn bind(name: &str) -> io::Result<UnixListener> {
    let address = net::SocketAddr::from_abstract_name(name)?;
    let listener = net::UnixListener::bind_addr(&address)?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

async fn serve<F>(listener: UnixListener, follow: Arc<F>)
where
    F: Fn(Order) -> Reply + Send + Sync + 'static,
{
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let follow = Arc::clone(&follow);
                tokio::spawn(async move {
                    match timeout(PATIENCE, converse(stream, &*follow)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => tracing::warn!(%error, "a local command failed"),
                        Err(_) => tracing::warn!("a local command took too long"),
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the local socket cannot accept");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn converse(
    mut stream: UnixStream,
    follow: &(dyn Fn(Order) -> Reply + Sync),
) -> io::Result<()> {
    check_user(stream.peer_cred()?.uid())?;
    let (from, mut to) = stream.split();
    let mut line = String::new();
    BufReader::new(from.take(LONGEST_ORDER)).read_line(&mut line).await?;
    let reply = match serde_json::from_str(&line) {
        Ok(order) => follow(order),
        Err(error) => Reply::Refused(format!("the command is not understood: {error}")),
    };
    let mut reply = serde_json::to_vec(&reply)?;
    reply.push(b'\n');
    to.write_all(&reply).await?;
    to.shutdown().await
}
