//! The new process. It does this while it starts, before there is a runtime: everything blocks.

use std::collections::HashMap;
use std::io::{self, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{self, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use marchproxy_conf::values::ListenAddress;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg, sockopt,
};

use super::{BATCH, BYE, CARRIER, Hello, LONGEST_LINE, Label, MOST_SOCKETS, NO, READY, SEND};

/// What each step of the old process may take.
const STEP_WITHIN: Duration = Duration::from_secs(10);

/// The sockets of the old process, not blocking.
#[derive(Debug, Default)]
pub struct Inherited {
    /// Those that clients connect to, by the address that the configuration gives them.
    pub listeners: HashMap<ListenAddress, OwnedFd>,
    /// That of the status listener.
    pub status: Option<TcpListener>,
}

/// The old process, which waits for [`Handle::ready`]. Dropping this lets it go on as before.
#[derive(Debug)]
pub struct Handle {
    pid: i32,
    stream: UnixStream,
}

/// Takes the sockets that a running process offers under `name`.
///
/// # Errors
/// Nobody offers them ([`io::ErrorKind::ConnectionRefused`]), or not as it should be. The message
/// says what to do; the old process goes on as before.
pub fn take_over(name: &str) -> io::Result<(Inherited, Handle)> {
    let address = net::SocketAddr::from_abstract_name(name)?;
    let stream = UnixStream::connect_addr(&address).map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            let message =
                format!("no running marchproxy answers at {name}; start one with `marchproxy run`");
            io::Error::new(error.kind(), message)
        }
        _ => explained(name, &error),
    })?;
    take_from(stream).map_err(|error| explained(name, &error))
}

fn take_from(mut stream: UnixStream) -> io::Result<(Inherited, Handle)> {
    let peer = sockopt::socket_peercred(&stream)?;
    super::check_user(peer.uid.as_raw())?;
    stream.set_write_timeout(Some(STEP_WITHIN))?;
    let labels = labels(&mut stream)?;
    stream.write_all(SEND)?;
    let sockets = receive(&stream, labels.len())?;
    let inherited = sort(labels, sockets)?;
    Ok((inherited, Handle { pid: peer.pid.as_raw_nonzero().get(), stream }))
}

fn explained(name: &str, error: &io::Error) -> io::Error {
    let why = match error.kind() {
        io::ErrorKind::UnexpectedEof => "it hung up; its log says why".to_owned(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            format!("it does not answer within {STEP_WITHIN:?}")
        }
        _ => error.to_string(),
    };
    let message = format!("cannot take over from the running marchproxy at {name}: {why}");
    io::Error::new(error.kind(), message)
}

impl Handle {
    /// The process id of the old process.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Tells the old process that this one accepts connections, and waits, at most 10 s, until it has
    /// stopped doing so and freed the name.
    ///
    /// # Errors
    /// The old process goes on, because this was too late: this one must end. That the old one
    /// ended without a word is no error.
    pub fn ready(mut self) -> io::Result<()> {
        // Were the old process gone, its last word would still be there to read.
        let _ = self.stream.write_all(READY);
        match read_line(&mut self.stream, BYE.len().max(NO.len())) {
            Ok(line) if line == NO => {
                let message = "the running marchproxy no longer waits and goes on serving";
                Err(io::Error::new(io::ErrorKind::ConnectionAborted, message))
            }
            Ok(line) if line == BYE => Ok(()),
            Ok(_) => {
                tracing::warn!(pid = self.pid, "the old process takes leave in unknown words");
                Ok(())
            }
            Err(error) => {
                let error = error.to_string();
                tracing::warn!(pid = self.pid, error, "the old process does not take leave");
                Ok(())
            }
        }
    }
}

/// Reads the line of JSON.
fn labels(stream: &mut UnixStream) -> io::Result<Vec<Label>> {
    let line = read_line(stream, LONGEST_LINE)?;
    let hello: Hello = serde_json::from_slice(&line).map_err(|error| {
        super::invalid(format!("the running marchproxy says nonsense: {error}"))
    })?;
    if hello.version != Hello::VERSION {
        let message = format!("hands over by version {}, not {}", hello.version, Hello::VERSION);
        return Err(super::invalid(format!(
            "the running marchproxy {message}; restart it instead"
        )));
    }
    if hello.sockets.len() > MOST_SOCKETS {
        return Err(super::invalid(format!("{} sockets are too many", hello.sockets.len())));
    }
    hello.sockets.iter().map(|label| label.parse()).collect()
}

/// Reads up to a line break, and it. Nothing may come after it before it is answered.
fn read_line(stream: &mut UnixStream, longest: usize) -> io::Result<Vec<u8>> {
    let deadline = Instant::now().checked_add(STEP_WITHIN);
    let mut line = Vec::new();
    let mut piece = [0; 4096];
    while line.last() != Some(&b'\n') {
        wait_until(stream, deadline)?;
        let count = match stream.read(&mut piece) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        line.extend_from_slice(piece.get(..count).unwrap_or_default());
        if line.len() > longest || line.iter().rev().skip(1).any(|byte| *byte == b'\n') {
            return Err(super::invalid("the running marchproxy says too much"));
        }
    }
    Ok(line)
}

/// Lets the next read last until `deadline` at most.
fn wait_until(stream: &UnixStream, deadline: Option<Instant>) -> io::Result<()> {
    let left = deadline.map_or(STEP_WITHIN, |end| end.saturating_duration_since(Instant::now()));
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    stream.set_read_timeout(Some(left))
}

/// Receives exactly `count` file descriptors.
fn receive(stream: &UnixStream, count: usize) -> io::Result<Vec<OwnedFd>> {
    let deadline = Instant::now().checked_add(STEP_WITHIN);
    let mut received = Vec::with_capacity(count);
    while received.len() < count {
        wait_until(stream, deadline)?;
        let before = received.len();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut carrier = [0; CARRIER.len()];
        let mut parts = [IoSliceMut::new(&mut carrier)];
        let message = match recvmsg(stream, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => continue,
            message => message?,
        };
        for part in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = part {
                received.extend(descriptors);
            }
        }
        if message.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if message.flags.contains(ReturnFlags::CTRUNC) {
            let message = "not every socket arrived: is the limit of open files too low?";
            return Err(io::Error::other(message));
        }
        if carrier != CARRIER || received.len() == before || received.len() > count {
            return Err(super::invalid("the running marchproxy sends something else than sockets"));
        }
    }
    Ok(received)
}

/// Puts each socket where it belongs, after a look whether it is what it is said to be.
fn sort(labels: Vec<Label>, sockets: Vec<OwnedFd>) -> io::Result<Inherited> {
    let mut inherited = Inherited::default();
    for (label, socket) in labels.into_iter().zip(sockets) {
        if !sockopt::socket_acceptconn(&socket)? {
            return Err(super::invalid(format!("what came for {label} does not listen")));
        }
        let socket = match &label {
            Label::Listener(ListenAddress::Unix(path)) => unix(socket, path, &label)?,
            Label::Listener(ListenAddress::Ip(address)) | Label::Status(address) => {
                tcp(socket, *address, &label)?.into()
            }
        };
        let shown = label.to_string();
        let twice = match label {
            Label::Listener(address) => inherited.listeners.insert(address, socket).is_some(),
            Label::Status(_) => inherited.status.replace(socket.into()).is_some(),
        };
        if twice {
            return Err(super::invalid(format!("{shown} came twice")));
        }
    }
    Ok(inherited)
}

fn tcp(socket: OwnedFd, address: SocketAddr, label: &Label) -> io::Result<TcpListener> {
    let socket = TcpListener::from(socket);
    let local = socket.local_addr()?;
    // Port 0 in the configuration stands for whichever was free.
    if local.ip() != address.ip() || (address.port() != 0 && local.port() != address.port()) {
        return Err(super::invalid(format!("what came for {label} listens on {local}")));
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn unix(socket: OwnedFd, path: &str, label: &Label) -> io::Result<OwnedFd> {
    let socket = net::UnixListener::from(socket);
    let local = socket.local_addr()?;
    if local.as_pathname() != Some(Path::new(path)) {
        return Err(super::invalid(format!("what came for {label} listens on {local:?}")));
    }
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
