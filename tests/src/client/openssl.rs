//! `openssl s_client`: another implementation than ours, and one that keeps sessions in files.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::bounded::within;
use crate::certs::Leaf;
use crate::folder::Folder;

/// A client that keeps its session from one connection to the next.
#[derive(Debug)]
pub struct Openssl {
    address: SocketAddr,
    name: String,
    /// `-tls1_2` or `-tls1_3`.
    version: &'static str,
    certificate: Option<(PathBuf, PathBuf)>,
    keeps_first: bool,
    folder: Folder,
}

/// How a connection went.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Shaken {
    /// A full handshake, and an answer.
    New,
    /// A resumed session, and an answer.
    Reused,
    /// No answer; this was said.
    Failed(String),
}

impl Openssl {
    /// A client that asks for `name` in this version of TLS.
    pub fn new(address: SocketAddr, name: &str, version: &'static str) -> Self {
        let folder = Folder::new();
        Self {
            address,
            name: name.to_owned(),
            version,
            certificate: None,
            keeps_first: false,
            folder,
        }
    }

    /// With a certificate of its own.
    #[must_use]
    pub fn showing(mut self, leaf: &Leaf) -> Self {
        let chain = self.folder.write("client.pem", leaf.chain_pem());
        self.certificate = Some((chain, self.folder.write("client.key", leaf.key_pem())));
        self
    }

    /// That comes with its first session each time, whatever it is given after that.
    #[must_use]
    pub fn keeping_the_first(mut self) -> Self {
        self.keeps_first = true;
        self
    }

    /// Connects to another address from now on, with the session it has.
    pub fn go_to(&mut self, address: SocketAddr) {
        self.address = address;
    }

    /// Asks for another name from now on, with the session it has.
    pub fn ask_for(&mut self, name: &str) {
        name.clone_into(&mut self.name);
    }

    /// Connects anew, gets `/`, and keeps the session it is given.
    pub async fn begin(&self) -> Shaken {
        self.connect(false).await.0
    }

    /// Connects with the session kept last, gets `/`, and keeps the session it is given.
    pub async fn again(&self) -> Shaken {
        self.connect(true).await.0
    }

    /// Connects with the session kept last, in TLS 1.2, and gives the name of the key that the
    /// ticket it then has was sealed with, in hex.
    ///
    /// # Panics
    /// When it has no ticket.
    pub async fn key_of_ticket(&self) -> String {
        let (_, text) = self.connect(true).await;
        let (_, ticket) = text.rsplit_once("TLS session ticket:\n").expect("it has a ticket");
        let line = ticket.trim_start().strip_prefix("0000 - ").expect("the first line of a dump");
        let digits = line.chars().filter(|c| *c != ' ' && *c != '-');
        digits.take(32).collect()
    }

    async fn connect(&self, resumes: bool) -> (Shaken, String) {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-ign_eof", self.version, "-servername", &self.name]);
        command.arg("-connect").arg(self.address.to_string());
        let session = self.folder.path().join("session");
        if resumes {
            command.arg("-sess_in").arg(&session);
        }
        if !resumes || !self.keeps_first {
            command.arg("-sess_out").arg(&session);
        }
        if let Some((chain, key)) = &self.certificate {
            command.arg("-cert").arg(chain).arg("-cert_chain").arg(chain).arg("-key").arg(key);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().expect("run openssl");
        let request = format!("GET / HTTP/1.0\r\nHost: {}\r\n\r\n", self.name);
        let mut input = child.stdin.take().expect("its input is a pipe");
        // One that was refused does not read.
        let _ = input.write_all(request.as_bytes()).await;
        let ended = within("openssl s_client", child.wait_with_output()).await.expect("openssl");
        let text = String::from_utf8_lossy(&ended.stdout).into_owned();
        let shaken = if !text.contains("HTTP/1.1 200") {
            let told = String::from_utf8_lossy(&ended.stderr);
            Shaken::Failed(format!("{text}\n{told}"))
        } else if text.contains("\nReused, ") {
            Shaken::Reused
        } else {
            Shaken::New
        };
        (shaken, text)
    }
}
