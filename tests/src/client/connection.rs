//! An HTTP/1.1 client on one connection, byte for byte.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::answer::{Answer, Broken, parse_head, parse_status_line};
use crate::bounded::{STEP, eventually, within, within_time};

/// Any stream of bytes.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// One connection, with what was read and not yet used.
pub struct Connection {
    stream: Box<dyn Stream>,
    unread: Vec<u8>,
    /// Its own end, if that is known.
    local: Option<SocketAddr>,
}

/// One GET on a connection of its own, closed after it.
///
/// # Panics
/// When there is no proper answer.
pub async fn get(address: SocketAddr, target: &str) -> Answer {
    request(address, &format!("GET {target} HTTP/1.1\r\nhost: test.example\r\n\r\n")).await
}

/// One request, as it is, on a connection of its own, closed after it.
///
/// # Panics
/// When there is no proper answer.
pub async fn request(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Answer {
    let mut connection = Connection::open(address).await;
    connection.send(bytes).await;
    connection.answer().await
}

impl Connection {
    /// Connects, with Nagle's algorithm off.
    ///
    /// # Panics
    /// When that fails.
    pub async fn open(address: SocketAddr) -> Self {
        Self::try_open(address).await.unwrap_or_else(|error| panic!("connect {address}: {error}"))
    }

    /// Connects, with Nagle's algorithm off.
    ///
    /// # Errors
    /// Those of the system.
    pub async fn try_open(address: SocketAddr) -> io::Result<Self> {
        let stream = within("connect", TcpStream::connect(address)).await?;
        stream.set_nodelay(true)?;
        let local = Some(stream.local_addr()?);
        Ok(Self { local, ..Self::over(stream) })
    }

    /// Connects to the Unix socket at `path`.
    ///
    /// # Panics
    /// When that fails.
    pub async fn unix(path: &Path) -> Self {
        let stream = within("connect", UnixStream::connect(path)).await;
        Self::over(stream.unwrap_or_else(|error| panic!("connect {}: {error}", path.display())))
    }

    /// Speaks over a stream that is there already.
    pub fn over(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), unread: Vec::new(), local: None }
    }

    /// Waits until the other end, which is on this machine, has read what was sent.
    ///
    /// # Panics
    /// When it does not, or this connection was not opened by TCP over IPv4.
    pub async fn taken(&self) {
        let Some(SocketAddr::V4(local)) = self.local else { panic!("not a connection of TCP") };
        let [a, b, c, d] = local.ip().octets();
        let ours = format!("{d:02X}{c:02X}{b:02X}{a:02X}:{:04X}", local.port());
        eventually("what was sent is read", async || {
            let sockets = std::fs::read_to_string("/proc/net/tcp").expect("the list of sockets");
            // Position, local and remote address, state, and bytes to be sent and to be read.
            let mut lines = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
            let theirs = lines.find(|words| words.get(2) == Some(&ours.as_str()))?;
            theirs.get(4)?.ends_with(":00000000").then_some(())
        })
        .await;
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    /// When the peer does not take them in time, or has gone.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.expect("send");
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// Those of the system; `TimedOut` when the peer takes nothing for long.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let sending = async {
            self.stream.write_all(bytes.as_ref()).await?;
            self.stream.flush().await
        };
        tokio::time::timeout(STEP, sending).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Sends pieces with a pause after each; gives up silently when the peer has gone.
    pub async fn send_slowly(&mut self, pieces: &[&[u8]], pause: Duration) {
        for piece in pieces {
            if self.try_send(piece).await.is_err() {
                return;
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// A GET with this target.
    pub async fn get(&mut self, target: &str) -> Answer {
        self.send(format!("GET {target} HTTP/1.1\r\nhost: test.example\r\n\r\n")).await;
        self.answer().await
    }

    /// Says that nothing more will be sent.
    pub async fn finish(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// The next final answer, read to its end.
    ///
    /// # Panics
    /// When there is no proper one.
    pub async fn answer(&mut self) -> Answer {
        let read = self.unread.len();
        self.try_answer().await.unwrap_or_else(|broken| {
            let rest = String::from_utf8_lossy(&self.unread);
            panic!("no proper answer: {broken:?} (had {read} bytes, now {rest:?})")
        })
    }

    /// The next final answer, read to its end.
    ///
    /// # Errors
    /// What was wrong with it.
    pub async fn try_answer(&mut self) -> Result<Answer, Broken> {
        self.try_answer_to("GET").await
    }

    /// The next final answer to a request with this method (HEAD has no body).
    ///
    /// # Errors
    /// What was wrong with it.
    pub async fn try_answer_to(&mut self, method: &str) -> Result<Answer, Broken> {
        let mut answer = self.try_head().await?;
        let read = answer.fields.len();
        within("the body", self.body(method, &mut answer)).await.map_err(
            |broken| match broken {
                Broken::ClosedBefore => Broken::ClosedWithin(read),
                other => other,
            },
        )?;
        Ok(answer)
    }

    /// The next final head; its body stays unread.
    ///
    /// # Errors
    /// What was wrong with it.
    pub async fn try_head(&mut self) -> Result<Answer, Broken> {
        let mut interim = Vec::new();
        loop {
            let mut answer = self.one_head().await?;
            if answer.status >= 200 || answer.status == 101 {
                answer.interim = interim;
                return Ok(answer);
            }
            interim.push(answer.status);
        }
    }

    /// The next head, whether final or interim.
    ///
    /// # Errors
    /// What was wrong with it.
    pub async fn one_head(&mut self) -> Result<Answer, Broken> {
        let head = within("an answer", self.until(b"\r\n\r\n")).await?;
        let (start, fields) = parse_head(&head).map_err(Broken::Malformed)?;
        let (version, status) = parse_status_line(&start).map_err(Broken::Malformed)?;
        Ok(Answer { version, status, fields, ..Answer::default() })
    }

    /// Waits until the peer has closed, whatever it sends before.
    ///
    /// # Panics
    /// When it does not, in time.
    pub async fn closed(&mut self) {
        self.closed_within(STEP).await;
    }

    /// Waits at most `bound` until the peer has closed, and gives what it sent before.
    ///
    /// # Panics
    /// When it does not.
    pub async fn closed_within(&mut self, bound: Duration) -> Vec<u8> {
        let reading = async { while self.fill().await.is_ok() {} };
        within_time(bound, "the peer closes", reading).await;
        std::mem::take(&mut self.unread)
    }

    /// Whether the peer says nothing and keeps the connection for so long.
    pub async fn silent_for(&mut self, time: Duration) -> bool {
        self.unread.is_empty() && tokio::time::timeout(time, self.fill()).await.is_err()
    }

    /// Waits until the peer has closed or reset, and keeps what it sends before.
    pub async fn gone(&mut self) {
        while self.fill().await.is_ok() {}
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// Why they did not come.
    pub async fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Broken> {
        while self.unread.len() < count {
            self.fill().await?;
        }
        Ok(self.unread.drain(..count).collect())
    }

    /// Some bytes, at least one and at most `limit`.
    ///
    /// # Errors
    /// Why they did not come.
    pub async fn piece(&mut self, limit: usize) -> Result<Vec<u8>, Broken> {
        if self.unread.is_empty() {
            self.fill().await?;
        }
        let count = self.unread.len().min(limit);
        Ok(self.unread.drain(..count).collect())
    }

    /// What comes before `mark`, which is taken away.
    ///
    /// # Errors
    /// Why it did not come.
    pub async fn until(&mut self, mark: &[u8]) -> Result<Vec<u8>, Broken> {
        let mut looked = 0;
        loop {
            let from = looked.max(mark.len()) - mark.len();
            let found = self.unread[from..].windows(mark.len()).position(|window| window == mark);
            if let Some(position) = found {
                let mut piece: Vec<u8> =
                    self.unread.drain(..from + position + mark.len()).collect();
                piece.truncate(from + position);
                return Ok(piece);
            }
            looked = self.unread.len();
            self.fill().await?;
        }
    }

    /// The next chunk of a chunked body; empty at its end, before the trailers.
    ///
    /// # Errors
    /// Why it did not come.
    pub async fn chunk(&mut self) -> Result<Vec<u8>, Broken> {
        let line = self.until(b"\r\n").await?;
        let line = String::from_utf8_lossy(&line).into_owned();
        let digits = line.split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(digits, 16)
            .map_err(|_| Broken::Malformed(format!("a chunk size {line:?}")))?;
        let data = self.bytes(size).await?;
        if size > 0 && self.bytes(2).await? != b"\r\n" {
            return Err(Broken::Malformed("no line end after a chunk".to_owned()));
        }
        Ok(data)
    }

    async fn body(&mut self, method: &str, answer: &mut Answer) -> Result<(), Broken> {
        let lengths = answer.fields_named("content-length");
        let codings = answer.fields_named("transfer-encoding");
        if lengths.len() + codings.len() > 1 {
            return Err(Broken::Malformed(format!("framing {lengths:?} {codings:?}")));
        }
        if method == "HEAD" || [101, 204, 304].contains(&answer.status) {
            return Ok(());
        }
        if let Some(length) = lengths.first() {
            let length = length.parse::<usize>();
            let length = length.map_err(|error| Broken::Malformed(error.to_string()))?;
            answer.body = self.bytes(length).await?;
            return Ok(());
        }
        match codings.first() {
            Some(&"chunked") => self.chunked_body(answer).await,
            Some(other) => Err(Broken::Malformed(format!("the coding {other:?}"))),
            None => self.body_to_the_end(answer).await,
        }
    }

    async fn chunked_body(&mut self, answer: &mut Answer) -> Result<(), Broken> {
        loop {
            let data = self.chunk().await?;
            if data.is_empty() {
                break;
            }
            answer.body.extend_from_slice(&data);
        }
        loop {
            let line = self.until(b"\r\n").await?;
            if line.is_empty() {
                return Ok(());
            }
            let with_start = [b"trailer\r\n".as_slice(), &line].concat();
            let (_, fields) = parse_head(&with_start).map_err(Broken::Malformed)?;
            answer.trailers.extend(fields);
        }
    }

    async fn body_to_the_end(&mut self, answer: &mut Answer) -> Result<(), Broken> {
        loop {
            match self.fill().await {
                Ok(()) => {}
                Err(Broken::Reset) => return Err(Broken::Reset),
                Err(_) => {
                    answer.body = std::mem::take(&mut self.unread);
                    return Ok(());
                }
            }
        }
    }

    /// Reads some more.
    async fn fill(&mut self) -> Result<(), Broken> {
        match self.stream.read_buf(&mut self.unread).await {
            Ok(0) if self.unread.is_empty() => Err(Broken::ClosedBefore),
            Ok(0) => Err(Broken::ClosedWithin(self.unread.len())),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Err(Broken::Reset),
            Err(error) if self.unread.is_empty() => {
                // BoringSSL says so when a stream ends without close_notify.
                let _ = error;
                Err(Broken::ClosedBefore)
            }
            Err(_) => Err(Broken::ClosedWithin(self.unread.len())),
        }
    }
}
