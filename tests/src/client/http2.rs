//! An HTTP/2 client on one connection, for what a well-behaved client does.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::answer::Answer;
use super::connection::Stream;
use crate::bounded::within;

/// One HTTP/2 connection.
pub struct Http2 {
    sender: SendRequest<Bytes>,
    driver: JoinHandle<Result<(), h2::Error>>,
    scheme: &'static str,
}

impl Http2 {
    /// Connects with prior knowledge (RFC 9113, section 3.3).
    ///
    /// # Panics
    /// When that fails.
    pub async fn open(address: SocketAddr) -> Self {
        let stream = within("connect", TcpStream::connect(address)).await.expect("connect");
        stream.set_nodelay(true).expect("set TCP_NODELAY");
        Self::over(stream, "http").await
    }

    /// Speaks over a stream that is there already.
    ///
    /// # Panics
    /// When the peer does not speak HTTP/2.
    pub async fn over(stream: impl Stream + 'static, scheme: &'static str) -> Self {
        Self::try_over(stream, scheme).await.expect("speak HTTP/2")
    }

    /// Speaks over a stream that is there already.
    ///
    /// # Errors
    /// Why the peer does not speak HTTP/2.
    pub async fn try_over(
        stream: impl Stream + 'static,
        scheme: &'static str,
    ) -> Result<Self, h2::Error> {
        let handshake = h2::client::handshake(stream);
        let (sender, connection) = within("the HTTP/2 start", handshake).await?;
        Ok(Self { sender, driver: tokio::spawn(connection), scheme })
    }

    /// A request without a body.
    ///
    /// # Panics
    /// When there is no whole answer.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.try_get(path).await.unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// A request without a body.
    ///
    /// # Errors
    /// Why there is no whole answer.
    pub async fn try_get(&mut self, path: &str) -> Result<Answer, h2::Error> {
        let request = self.request("GET", path);
        self.send(request, None, None).await
    }

    /// A request for `https` or `http` `://test.example` and `path`, to be changed at will.
    pub fn request(&self, method: &str, path: &str) -> Request<()> {
        let uri = format!("{}://test.example{path}", self.scheme);
        Request::builder().method(method).uri(uri).body(()).expect("a request")
    }

    /// Sends a whole request and reads the whole answer.
    ///
    /// # Errors
    /// Why there is no whole answer.
    pub async fn send(
        &mut self,
        request: Request<()>,
        body: Option<Vec<u8>>,
        trailers: Option<HeaderMap>,
    ) -> Result<Answer, h2::Error> {
        let ends_at_once = body.is_none() && trailers.is_none();
        let (answer, mut sending) = self.start(request, ends_at_once).await?;
        let pour = async {
            if let Some(body) = body {
                send_all(&mut sending, body.into(), trailers.is_none()).await?;
            }
            trailers.map_or(Ok(()), |trailers| sending.send_trailers(trailers))
        };
        // An answer may come before all of the body is taken: both go on at once.
        let exchange = async {
            let read = read(answer);
            tokio::pin!(read, pour);
            tokio::select! {
                biased;
                sent = &mut pour, if !ends_at_once => { sent?; (&mut read).await }
                answer = &mut read => answer,
            }
        };
        within("an HTTP/2 answer", exchange).await
    }

    /// Starts a request; the answer and the way up are yours.
    ///
    /// # Errors
    /// Why it could not be started.
    pub async fn start(
        &mut self,
        request: Request<()>,
        end: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        let mut sender = within("a free stream", self.sender.clone().ready()).await?;
        sender.send_request(request, end)
    }

    /// Waits until the connection is over.
    ///
    /// # Errors
    /// How it ended, when not in order.
    pub async fn ended(&mut self) -> Result<(), h2::Error> {
        within("the connection ends", &mut self.driver).await.expect("the driver does not panic")
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Sends all of `data`, as the windows allow.
///
/// # Errors
/// Why the peer does not take it.
pub async fn send_all(
    stream: &mut SendStream<Bytes>,
    mut data: Bytes,
    end: bool,
) -> Result<(), h2::Error> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let granted = std::future::poll_fn(|context| stream.poll_capacity(context)).await;
        let room = match granted {
            Some(room) => room?,
            None => return Ok(()),
        };
        let piece = data.split_to(room.min(data.len()));
        let last = data.is_empty();
        stream.send_data(piece, end && last)?;
        if last {
            return Ok(());
        }
    }
    stream.send_data(Bytes::new(), end)
}

/// Reads a whole answer.
///
/// # Errors
/// Why there is none.
pub async fn read(answer: ResponseFuture) -> Result<Answer, h2::Error> {
    let (head, mut body) = answer.await?.into_parts();
    let mut whole = Answer {
        version: "HTTP/2".to_owned(),
        status: head.status.as_u16(),
        fields: pairs(&head.headers),
        ..Answer::default()
    };
    while let Some(piece) = next_piece(&mut body).await? {
        whole.body.extend_from_slice(&piece);
    }
    if let Some(trailers) = body.trailers().await? {
        whole.trailers = pairs(&trailers);
    }
    Ok(whole)
}

/// The next piece of a body; the window is given back.
///
/// # Errors
/// Why there is none.
pub async fn next_piece(body: &mut RecvStream) -> Result<Option<Bytes>, h2::Error> {
    let Some(piece) = body.data().await.transpose()? else { return Ok(None) };
    body.flow_control().release_capacity(piece.len())?;
    Ok(Some(piece))
}

/// Fields as text.
pub fn pairs(fields: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    fields.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}
