//! A real haproxy, with a configuration and a folder of its own.

use std::net::SocketAddr;
use std::process::Stdio;

use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::bounded::eventually;
use crate::folder::Folder;
use crate::template::Values;

/// A running haproxy. It is killed when it is dropped.
#[derive(Debug)]
pub struct Haproxy {
    // Holds the file it was started with.
    _folder: Folder,
    values: Values,
    child: Child,
}

impl Haproxy {
    /// Starts haproxy with `sections` after a `defaults` section with short times; `@front-port@`
    /// there is the port it is waited for.
    ///
    /// # Panics
    /// When it is not installed or does not start.
    pub async fn start(mut values: Values, sections: &str) -> Self {
        let folder = Folder::new();
        values.set("dir", folder.path().display());
        let text = values.fill(&format!("{DEFAULTS}\n{sections}\n"));
        let configuration = folder.write("haproxy.cfg", text);
        let child = Command::new("haproxy")
            // In the foreground and without a word.
            .args(["-db", "-q", "-f"])
            .arg(&configuration)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("start haproxy (Debian: haproxy)");
        let mut haproxy = Self { _folder: folder, values, child };
        let address = haproxy.address("front-port");
        eventually("haproxy listens", async || {
            let ended = haproxy.child.try_wait().expect("look after haproxy");
            assert!(ended.is_none(), "haproxy ended: {ended:?}");
            TcpStream::connect(address).await.ok()
        })
        .await;
        haproxy
    }

    /// Where it listens, by the name of the port in the template.
    ///
    /// # Panics
    /// When the template has no such port.
    pub fn address(&mut self, port: &str) -> SocketAddr {
        let port = self.values.get(port).parse().expect("a port");
        SocketAddr::from(([127, 0, 0, 1], port))
    }
}

const DEFAULTS: &str = "global
  maxconn 1000
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s";
