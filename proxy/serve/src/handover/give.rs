//! The old process.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net;
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use super::{BATCH, BYE, CARRIER, Hello, LONGEST_LINE, MOST_SOCKETS, NO, READY, SEND};

/// The new process reads its configuration and builds everything anew before it is ready.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// What needs no more than the other process running.
const STEP_WITHIN: Duration = Duration::from_secs(10);

/// What became of a handover.
#[derive(Debug)]
#[must_use]
pub enum Outcome {
    /// The new process accepts connections. This one must stop accepting, drop the listener that
    /// [`offer`] gave, say [`Successor::bye`], drain and end.
    TakenOver(Successor),
    /// The new process gave up or was too late: this one goes on as before.
    Refused,
}

/// The new process, which waits for [`Successor::bye`].
#[derive(Debug)]
pub struct Successor {
    pid: Option<i32>,
    stream: UnixStream,
}

impl Successor {
    /// Its process id, if this process can see it.
    pub fn pid(&self) -> Option<i32> {
        self.pid
    }

    /// Tells it that the name is free. Takes at most 10 s; to fail is no harm, it goes on anyway.
    pub async fn bye(mut self) -> io::Result<()> {
        within(STEP_WITHIN, self.stream.write_all(BYE)).await
    }
}

/// Starts to offer the sockets under `name`. Dropping the listener ends it.
///
/// # Errors
/// The name is taken: [`io::ErrorKind::AddrInUse`].
pub async fn offer(name: &str) -> io::Result<UnixListener> {
    let address = net::SocketAddr::from_abstract_name(name)?;
    let listener = net::UnixListener::bind_addr(&address)?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Hands the sockets to whoever connected; each with its [`super::Label`] as text. Takes at most
/// about a minute and a half.
///
/// # Errors
/// The other process is of another user, does not speak this protocol, or went away before it had
/// the sockets: this one goes on as before.
pub async fn answer(
    stream: UnixStream,
    sockets: &[(String, BorrowedFd<'_>)],
) -> io::Result<Outcome> {
    answer_within(READY_WITHIN, stream, sockets).await
}

pub(super) async fn answer_within(
    bound: Duration,
    mut stream: UnixStream,
    sockets: &[(String, BorrowedFd<'_>)],
) -> io::Result<Outcome> {
    let peer = stream.peer_cred()?;
    super::check_user(peer.uid())?;
    let hello = hello(sockets)?;
    within(STEP_WITHIN, stream.write_all(&hello)).await?;
    within(STEP_WITHIN, expect(&mut stream, SEND)).await?;
    for batch in sockets.chunks(BATCH) {
        let descriptors: Vec<BorrowedFd<'_>> = batch.iter().map(|(_, socket)| *socket).collect();
        within(STEP_WITHIN, send(&stream, &descriptors)).await?;
    }
    let ready = timeout(bound, expect(&mut stream, READY)).await;
    match ready {
        Ok(Ok(())) => return Ok(Outcome::TakenOver(Successor { pid: peer.pid(), stream })),
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {}
        // Its `ready` may be on the way: it must learn that it is not the one that serves.
        Err(_) | Ok(Err(_)) => {
            let _ = within(STEP_WITHIN, stream.write_all(NO)).await;
        }
    }
    Ok(Outcome::Refused)
}

fn hello(sockets: &[(String, BorrowedFd<'_>)]) -> io::Result<Vec<u8>> {
    let labels = sockets.iter().map(|(label, _)| label.clone()).collect();
    let mut line = serde_json::to_vec(&Hello { version: Hello::VERSION, sockets: labels })?;
    line.push(b'\n');
    if sockets.len() > MOST_SOCKETS || line.len() > LONGEST_LINE {
        let message = format!("{} sockets are too many to hand over", sockets.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Ok(line)
}

async fn send(stream: &UnixStream, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    stream.async_io(Interest::WRITABLE, || send_now(stream.as_fd(), descriptors)).await
}

/// Sends a batch, without waiting when `stream` does not block.
pub(super) fn send_now(stream: BorrowedFd<'_>, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    sendmsg(stream, &[IoSlice::new(CARRIER)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Reads exactly `word`.
async fn expect(stream: &mut UnixStream, word: &[u8]) -> io::Result<()> {
    for expected in word {
        if stream.read_u8().await? != *expected {
            return Err(super::invalid("the new process says something else than it should"));
        }
    }
    Ok(())
}

async fn within<T>(bound: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match timeout(bound, work).await {
        Ok(result) => result,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
