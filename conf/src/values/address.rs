use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use super::scalar;

/// An IP address and a port.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SocketAddress(SocketAddr);
scalar!(
    SocketAddress,
    "socket-address",
    "an IP address and a port, such as `127.0.0.1:8080` or `[::]:443`"
);

impl SocketAddress {
    /// A port on 127.0.0.1.
    pub const fn loopback(port: u16) -> Self {
        Self(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    }

    /// The address as the standard library has it.
    pub const fn get(&self) -> SocketAddr {
        self.0
    }
}

impl FromStr for SocketAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| {
            "an address is an IP address and a port, such as `127.0.0.1:8080` or `[::]:443`"
                .to_owned()
        })
    }
}

impl fmt::Display for SocketAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A network: an IP address and a prefix length, or an address alone.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}
scalar!(Network, "network", "a network such as `10.0.0.0/8`, or one address");

impl Network {
    /// The length of the prefix, in bits.
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether `address` is in the network. An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted =
            || "a network is an IP address and a prefix length, such as `10.0.0.0/8`".to_owned();
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wanted())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| wanted())?,
            None => longest,
        };
        if prefix > longest {
            return Err(format!("the prefix length of this address is at most {longest}"));
        }
        let network = Self { address, prefix };
        let first = network.first();
        if first != address {
            return Err(format!(
                "the address has bits beyond its prefix: write `{first}/{prefix}`"
            ));
        }
        Ok(network)
    }
}

impl Network {
    fn first(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                IpAddr::V4((address.to_bits() & mask).into())
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                IpAddr::V6((address.to_bits() & mask).into())
            }
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// A DNS name (RFC 1123). Kept in lower case, without a last dot.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DnsName(String);
scalar!(DnsName, "dns-name", "a host name, such as `orders.internal`");

impl DnsName {
    /// The name in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DnsName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let last_label = name.rsplit('.').next().unwrap_or_default();
        if last_label.bytes().all(|c| c.is_ascii_digit()) {
            Err("this is not the name of a host".to_owned())
        } else if is_dns_name(&name) {
            Ok(Self(name))
        } else {
            Err("a host name is labels of letters, digits, `-` and `_`, joined by dots".to_owned())
        }
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) fn is_dns_name(name: &str) -> bool {
    let label_is_fine = |label: &str| {
        let allowed =
            |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'_';
        (1..=63).contains(&label.len())
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label_is_fine)
}

/// A host, by address or by name, and a port.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum HostPort {
    /// By address.
    Address(SocketAddr),
    /// By name, to be looked up.
    Name(DnsName, u16),
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || {
            "an endpoint is a host and a port, such as `127.0.0.1:3000` or `app.internal:3000`, or \
             `unix:` and the path of a socket"
                .to_owned()
        };
        let parsed = if let Ok(address) = text.parse() {
            Self::Address(address)
        } else {
            let (host, port) = text.rsplit_once(':').ok_or_else(wanted)?;
            Self::Name(host.parse().map_err(|_| wanted())?, port.parse().map_err(|_| wanted())?)
        };
        let port = match &parsed {
            Self::Address(address) => address.port(),
            Self::Name(_, port) => *port,
        };
        if port == 0 { Err(wanted()) } else { Ok(parsed) }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}
