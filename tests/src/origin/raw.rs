//! Origins that misbehave on purpose.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// What an origin does with each of its connections.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Closes after accept.
    CloseAtOnce,
    /// Resets after accept.
    ResetAtOnce,
    /// Reads and never says anything.
    Silent,
    /// Never reads, never writes.
    Deaf,
    /// Reads a head and closes.
    CloseAfterHead,
    /// Reads a head and resets.
    ResetAfterHead,
    /// Reads a head, sends these bytes, closes.
    Answer(Vec<u8>),
    /// Reads heads and sends these bytes after each; never closes.
    AnswerAndStay(Vec<u8>),
    /// Reads a head, sends these bytes, resets.
    AnswerAndReset(Vec<u8>),
    /// Reads a head, sends these pieces with a pause before each, closes.
    Pieces(Vec<Vec<u8>>, Duration),
    /// Answers the first request properly, keeps the connection, and closes when a second comes.
    CloseOnReuse,
}

/// An origin that misbehaves. It stops when it is dropped.
#[derive(Debug)]
pub struct RawOrigin {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    received: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

impl RawOrigin {
    /// Starts one.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("an origin's port");
        let address = listener.local_addr().expect("an origin's address");
        let connections = Arc::new(AtomicUsize::new(0));
        let received = Arc::new(Mutex::new(Vec::new()));
        let (count, bytes) = (Arc::clone(&connections), Arc::clone(&received));
        let task = tokio::spawn(async move {
            let mut running = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                running.spawn(behave(stream, behaviour.clone(), Arc::clone(&bytes)));
            }
        });
        Self { address, connections, received, task }
    }

    /// One that sends `text` for an answer and closes.
    pub async fn answering(text: impl Into<Vec<u8>>) -> Self {
        Self::start(Behaviour::Answer(text.into())).await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were accepted until now.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// All bytes received until now.
    pub fn received(&self) -> String {
        let bytes = self.received.lock().expect("no panic with the bytes in hand");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for RawOrigin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn behave(mut stream: TcpStream, behaviour: Behaviour, received: Arc<Mutex<Vec<u8>>>) {
    let _ = stream.set_nodelay(true);
    let got_head = match behaviour {
        Behaviour::CloseAtOnce => return,
        Behaviour::ResetAtOnce => return reset(stream),
        Behaviour::Deaf => return std::future::pending().await,
        _ => read_head(&mut stream, &received).await,
    };
    if !got_head {
        return;
    }
    // A peer that has gone meanwhile is what some tests want.
    match behaviour {
        Behaviour::Silent => while read_head(&mut stream, &received).await {},
        Behaviour::ResetAfterHead => reset(stream),
        Behaviour::Answer(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
            // Unread bytes would turn the close into a reset, which may overtake the answer.
            while read_head(&mut stream, &received).await {}
        }
        Behaviour::AnswerAndStay(bytes) => loop {
            let _ = stream.write_all(&bytes).await;
            if !read_head(&mut stream, &received).await {
                return;
            }
        },
        Behaviour::AnswerAndReset(bytes) => {
            let _ = stream.write_all(&bytes).await;
            // The reset must not overtake the bytes, which the peer acknowledges in no time here.
            tokio::time::sleep(Duration::from_millis(50)).await;
            reset(stream);
        }
        Behaviour::Pieces(pieces, pause) => {
            for piece in pieces {
                tokio::time::sleep(pause).await;
                if stream.write_all(&piece).await.is_err() {
                    return;
                }
            }
        }
        Behaviour::CloseOnReuse => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            let _ = read_head(&mut stream, &received).await;
        }
        Behaviour::CloseAfterHead
        | Behaviour::CloseAtOnce
        | Behaviour::ResetAtOnce
        | Behaviour::Deaf => {}
    }
}

fn reset(stream: TcpStream) {
    let _ = stream.set_zero_linger();
    drop(stream);
}

/// Reads until the end of a head; whether one came.
async fn read_head(stream: &mut TcpStream, received: &Mutex<Vec<u8>>) -> bool {
    let mut head: Vec<u8> = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        let from = head.len();
        match stream.read_buf(&mut head).await {
            Ok(0) | Err(_) => return false,
            Ok(_) => {
                let mut all = received.lock().expect("no panic with the bytes in hand");
                all.extend_from_slice(&head[from..]);
            }
        }
    }
    true
}
