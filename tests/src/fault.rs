//! A proxy that does harm on purpose: it stands in front of an origin and passes bytes on, until it
//! is told to do worse.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

/// What happens to connections, those that are open included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// Nothing: bytes pass.
    None,
    /// Connections are accepted and reset, and those that are open are reset.
    Reset,
    /// Bytes vanish in both directions, and connections stay open.
    Frozen,
    /// What the origin says comes so much later.
    Delay(Duration),
    /// What the origin says comes one byte at a time, with this pause before each.
    Drip(Duration),
    /// The origin's side is closed once the request is there, while the other stays open.
    HalfClose,
}

/// A proxy that does harm on purpose. It stops when it is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl FaultProxy {
    /// One in front of `origin`, that does no harm yet.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn before(origin: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (fault, told) = watch::channel(Fault::None);
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            let mut running = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                running.spawn(pass(stream, origin, told.clone()));
                while running.try_join_next().is_some() {}
            }
        });
        Self { address, fault, connections, task }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were accepted until now.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// From now on.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(stream: TcpStream, origin: SocketAddr, mut fault: watch::Receiver<Fault>) {
    let _ = stream.set_nodelay(true);
    let is_reset = *fault.borrow() == Fault::Reset;
    let beyond = if is_reset { None } else { TcpStream::connect(origin).await.ok() };
    let Some(beyond) = beyond else {
        let _ = stream.set_zero_linger();
        return;
    };
    let _ = beyond.set_nodelay(true);
    let (from_client, to_client) = stream.into_split();
    let (from_origin, to_origin) = beyond.into_split();
    let up = copy(from_client, to_origin, fault.clone(), false);
    let down = copy(from_origin, to_client, fault.clone(), true);
    let mut up = tokio::spawn(up);
    let mut down = tokio::spawn(down);
    let was_reset = tokio::select! {
        _ = fault.wait_for(|fault| *fault == Fault::Reset) => true,
        _ = async { let _ = (&mut up).await; let _ = (&mut down).await; } => false,
    };
    if was_reset {
        up.abort();
        down.abort();
    }
}

/// Copies one direction. Faults that concern answers are done to those alone.
async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    fault: watch::Receiver<Fault>,
    is_answer: bool,
) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let length = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(length) => length,
        };
        let current = *fault.borrow();
        let sent = match current {
            Fault::Frozen => continue,
            Fault::Delay(time) if is_answer => {
                sleep(time).await;
                to.write_all(&buffer[..length]).await
            }
            Fault::Drip(pause) if is_answer => drip(&mut to, &buffer[..length], pause).await,
            Fault::HalfClose if is_answer => break,
            _ => to.write_all(&buffer[..length]).await,
        };
        if sent.is_err() {
            break;
        }
    }
    let is_half_closed = is_answer && *fault.borrow() == Fault::HalfClose;
    let _ = to.shutdown().await;
    if is_half_closed {
        // The other half stays open for as long as the peer likes.
        while matches!(from.read(&mut buffer).await, Ok(1..)) {}
    }
}

async fn drip(to: &mut OwnedWriteHalf, bytes: &[u8], pause: Duration) -> std::io::Result<()> {
    for byte in bytes {
        sleep(pause).await;
        to.write_all(&[*byte]).await?;
    }
    Ok(())
}
