use std::fmt;
use std::net::SocketAddr;
use std::path::{Component, Path};
use std::str::FromStr;

use super::scalar;

/// Where a listener listens: an IP address and a port, or the path of a Unix socket.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ListenAddress {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// The absolute path of a Unix socket, in its one spelling.
    Unix(String),
}
scalar!(
    ListenAddress,
    "listen-address",
    "an IP address and a port, such as `[::]:443`, or a Unix socket, such as `unix:/run/marchproxy/http.sock`"
);

/// What the system takes (unix(7)), without the NUL at its end.
const LONGEST_PATH: usize = 107;

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return is_socket_path(path).map(|()| Self::Unix(path.to_owned()));
        }
        text.parse().map(Self::Ip).map_err(|_| {
            "an address is an IP address and a port, such as `127.0.0.1:8080` or `[::]:443`, or \
             `unix:` and the path of a socket"
                .to_owned()
        })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

/// One path must have one spelling, or one place could be named twice.
pub(super) fn is_socket_path(path: &str) -> Result<(), String> {
    let parts = Path::new(path).components();
    let is_plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
    let plain: std::path::PathBuf = parts.clone().filter(|part| is_plain(*part)).collect();
    if !path.starts_with('/') || path == "/" || plain.as_os_str() != path {
        return Err(
            "the path of a socket begins with `/` and has no `.`, `..`, `//` or `/` at its \
                    end, such as `unix:/run/marchproxy/http.sock`"
                .to_owned(),
        );
    }
    if path.len() > LONGEST_PATH {
        return Err(format!("the path of a socket has at most {LONGEST_PATH} bytes"));
    }
    match path.chars().find(|c| c.is_control()) {
        Some(bad) => Err(format!("the path of a socket cannot hold {bad:?}")),
        None => Ok(()),
    }
}

/// The permissions of a file, in octal digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FileMode(u16);
scalar!(FileMode, "file-mode", "permissions in octal digits, such as `\"0660\"`");

impl FileMode {
    /// Read and write for the owner and the group.
    pub const GROUP: Self = Self(0o660);

    /// The permission bits.
    pub const fn bits(self) -> u16 {
        self.0
    }
}

impl FromStr for FileMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix('0').unwrap_or(text);
        let is_octal = digits.len() == 3 && digits.bytes().all(|c| matches!(c, b'0'..=b'7'));
        let bits = u16::from_str_radix(digits, 8).ok().filter(|_| is_octal);
        bits.map(Self).ok_or_else(|| {
            "permissions are three octal digits, such as `\"0660\"` (with its quotes)".to_owned()
        })
    }
}

impl fmt::Display for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0{:03o}", self.0)
    }
}
