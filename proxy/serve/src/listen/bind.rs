//! Making the sockets that listen.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use marchproxy_conf::values::{FileMode, ListenAddress};
use rustix::fs::{Mode, chmod};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// Connections that the kernel may complete before they are accepted.
const BACKLOG: u16 = 4096;

/// Listens at `address`, without blocking; `mode` is that of a Unix socket.
///
/// # Errors
/// Those of the system. A Unix socket is made where nothing is, or where a process that is gone left
/// its own; anything else is left alone, and is an error.
pub fn bind(address: &ListenAddress, mode: FileMode) -> io::Result<OwnedFd> {
    match address {
        ListenAddress::Ip(address) => bind_ip(*address),
        ListenAddress::Unix(path) => bind_unix(path, mode),
    }
}

fn bind_ip(address: SocketAddr) -> io::Result<OwnedFd> {
    let socket = match address {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
    };
    if address.is_ipv6() {
        // `[::]` takes IPv4 as well, whatever the system's default is.
        net::sockopt::set_ipv6_v6only(&socket, false)?;
    }
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket.listen(BACKLOG.into())?.into_std()?.into())
}

fn bind_unix(path: &str, mode: FileMode) -> io::Result<OwnedFd> {
    remove_stale(path)?;
    let socket = unix_socket()?;
    net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    // Nobody can connect before it listens, whatever the permissions were until here.
    let listening =
        set_mode_of(path, mode).and_then(|()| Ok(net::listen(&socket, BACKLOG.into())?));
    if let Err(error) = listening {
        let _ = fs::remove_file(path);
        return Err(error);
    }
    Ok(socket)
}

/// One that does not block.
fn unix_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
}

/// Gives the file of a Unix socket its permissions; others have none.
pub fn set_mode(address: &ListenAddress, mode: FileMode) -> io::Result<()> {
    match address {
        ListenAddress::Ip(_) => Ok(()),
        ListenAddress::Unix(path) => set_mode_of(path, mode),
    }
}

fn set_mode_of(path: &str, mode: FileMode) -> io::Result<()> {
    Ok(chmod(path, Mode::from_raw_mode(mode.bits().into()))?)
}

/// Removes a socket that nobody listens on, and nothing else.
fn remove_stale(path: &str) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        let message = "there is a file that is no socket; it is left alone";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    let probe = unix_socket()?;
    match net::connect(&probe, &SocketAddrUnix::new(path)?) {
        Err(Errno::CONNREFUSED) => fs::remove_file(path),
        Err(Errno::NOENT) => Ok(()),
        // Whoever does not let us in, or not now, may be alive.
        Ok(()) | Err(_) => {
            let message = "another process listens there";
            Err(io::Error::new(io::ErrorKind::AddrInUse, message))
        }
    }
}

/// The file of a Unix socket that is ours: it goes when this is dropped, unless another one has taken
/// its place.
#[derive(Debug)]
pub struct SocketFile {
    path: String,
    /// Device and number of the file; `None`: it is no longer ours.
    is: Option<(u64, u64)>,
}

impl SocketFile {
    /// The file at `address`; `None` where there is no file.
    pub fn of(address: &ListenAddress) -> Option<Self> {
        let ListenAddress::Unix(path) = address else { return None };
        Some(Self { path: path.clone(), is: Some(identity(path)?) })
    }

    /// Leaves it where it is.
    pub fn leave(mut self) {
        self.is = None;
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is.is_some() && identity(&self.path) == self.is {
            // What cannot be removed is found stale at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &str) -> Option<(u64, u64)> {
    let found = fs::symlink_metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}
