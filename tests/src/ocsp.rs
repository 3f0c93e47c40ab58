//! An OCSP responder: `openssl` makes the answers, and this sends them, or something else.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::bounded::within;
use crate::certs::{Authority, Leaf, serial};
use crate::folder::Folder;

/// What a responder knows of certificates, and who signs what it says.
#[derive(Clone, Debug)]
pub struct Register {
    /// Who signed the certificates.
    pub authority: Authority,
    /// Who signs the answers.
    pub signer: Leaf,
    /// Serial numbers of good ones, in capital letters.
    pub good: Vec<String>,
    /// Serial numbers of revoked ones.
    pub revoked: Vec<String>,
    /// Further arguments of `openssl ocsp`; how long answers are good is among them.
    pub arguments: Vec<&'static str>,
}

impl Register {
    /// A responder of `authority`, which signs its answers itself, that knows this one as good.
    pub fn of(authority: &Authority, leaf: &Leaf) -> Self {
        Self {
            authority: authority.clone(),
            signer: authority.own().clone(),
            good: vec![serial(&leaf.certificate).to_uppercase()],
            revoked: Vec::new(),
            arguments: vec!["-ndays", "1"],
        }
    }

    /// The same with all of it revoked.
    #[must_use]
    pub fn revoking(mut self) -> Self {
        self.revoked.append(&mut self.good);
        self
    }

    /// Writes what `openssl ocsp` reads, and gives the arguments that name it.
    pub fn arguments(&self, folder: &Folder) -> Vec<String> {
        let mut index = String::new();
        for serial in &self.good {
            writeln!(index, "V\t491231235959Z\t\t{serial}\tunknown\t/CN=good").unwrap();
        }
        for serial in &self.revoked {
            let time = "491231235959Z\t250101000000Z";
            writeln!(index, "R\t{time}\t{serial}\tunknown\t/CN=revoked").unwrap();
        }
        let files = [
            ("-index", folder.write("index.txt", index)),
            ("-CA", folder.write("ca.pem", self.authority.pem())),
            ("-rsigner", folder.write("signer.pem", self.signer.certificate.to_pem().unwrap())),
            ("-rkey", folder.write("signer.key", self.signer.key_pem())),
        ];
        let files = files.into_iter().flat_map(|(name, path)| {
            [name.to_owned(), path.into_os_string().into_string().unwrap()]
        });
        files.chain(self.arguments.iter().map(|&argument| argument.to_owned())).collect()
    }

    /// The answer to a question, both in DER.
    ///
    /// # Panics
    /// When `openssl` makes none.
    pub async fn answer(&self, question: &[u8]) -> Vec<u8> {
        let folder = Folder::new();
        let mut command = tokio::process::Command::new("openssl");
        command.arg("ocsp").args(self.arguments(&folder));
        command.arg("-reqin").arg(folder.write("question", question));
        let answer = folder.path().join("answer");
        command.arg("-respout").arg(&answer).kill_on_drop(true);
        let ended = within("openssl ocsp", command.output()).await.expect("run openssl");
        let told = String::from_utf8_lossy(&ended.stderr).into_owned();
        std::fs::read(&answer).unwrap_or_else(|error| panic!("{error}: {told}"))
    }
}

/// What a responder does with a question.
#[derive(Clone, Debug)]
pub enum Manner {
    /// Answers it as it should.
    Answer(Register),
    /// Answers it, with the last bit of the signature turned.
    Forge(Register),
    /// Answers another question.
    AnswerAnother(Register, Vec<u8>),
    /// Sends these bytes as its answer.
    Send(Vec<u8>),
    /// Sends these bytes instead of HTTP, and closes.
    SendRaw(Vec<u8>),
    /// Reads, and is silent.
    Hang,
}

/// A responder. It stops when it is dropped.
#[derive(Debug)]
pub struct Responder {
    address: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    asked: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Responder {
    /// Starts one.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
        let address = listener.local_addr().expect("an address");
        let manner = Arc::new(Mutex::new(manner));
        let asked = Arc::new(AtomicUsize::new(0));
        let (shared, count) = (Arc::clone(&manner), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let manner = shared.lock().unwrap().clone();
                tokio::spawn(serve(stream, manner));
            }
        });
        Self { address, manner, asked, task }
    }

    /// Where it is, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}/ocsp", self.address)
    }

    /// Behaves otherwise from the next question on.
    ///
    /// # Panics
    /// When it has panicked before.
    pub fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// How many times it was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, manner: Manner) {
    let question = question(&mut stream).await;
    let answer = match manner {
        Manner::Answer(register) => register.answer(&question).await,
        Manner::Forge(mut register) => {
            register.arguments.push("-resp_no_certs");
            forged(register.answer(&question).await)
        }
        Manner::AnswerAnother(register, other) => register.answer(&other).await,
        Manner::Send(answer) => answer,
        Manner::SendRaw(bytes) => {
            let _ = stream.write_all(&bytes).await;
            return;
        }
        Manner::Hang => return std::future::pending().await,
    };
    let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len());
    let _ = stream.write_all(&[head.as_bytes(), &answer].concat()).await;
}

/// The question of a request whose head says how long it is.
async fn question(stream: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some(end) = text.find("\r\n\r\n") {
            let length = text.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let length: usize = length.expect("a length").trim().parse().expect("a number");
            // The head is ASCII, so that its length is the same in bytes.
            if read.len() >= end + 4 + length {
                return read.split_off(end + 4);
            }
        }
        if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return Vec::new();
        }
    }
}

/// Without certificates the signature is what comes last.
fn forged(mut answer: Vec<u8>) -> Vec<u8> {
    *answer.last_mut().expect("an answer has bytes") ^= 1;
    answer
}

/// The question about a certificate of this authority, in DER.
///
/// # Panics
/// When `openssl` makes none.
pub async fn question_about(authority: &Authority, leaf: &Leaf) -> Vec<u8> {
    let folder = Folder::new();
    let mut command = tokio::process::Command::new("openssl");
    command.arg("ocsp").arg("-issuer").arg(folder.write("ca.pem", authority.pem()));
    command.arg("-cert").arg(folder.write("leaf.pem", leaf.certificate.to_pem().unwrap()));
    let question = folder.path().join("question");
    command.arg("-no_nonce").arg("-reqout").arg(&question).kill_on_drop(true);
    let ended = within("openssl ocsp", command.output()).await.expect("run openssl");
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    std::fs::read(&question).unwrap_or_else(|error| panic!("{error}: {told}"))
}
