//! Asking a responder over HTTP (RFC 6960, appendix A). Plain HTTP will do: answers are signed.

use std::net::SocketAddr;
use std::time::Duration;

use marchproxy_conf::values::{HostPort, HttpUrl};
use marchproxy_decide::wire::answer::{AnswerFraming, AnswerScanner};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::fault::Fault;
use crate::resolver::Resolver;

/// From the lookup of the name to the last byte.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer; real ones have one or two thousand.
const LARGEST_ANSWER: usize = 32 * 1024;
/// Bytes that are read in all, head and answer.
const LARGEST_MESSAGE: usize = 64 * 1024;
/// Addresses of a name that are tried.
const ADDRESSES: usize = 3;

/// Sends a question and gives what comes back, of which nothing is believed yet.
///
/// # Errors
/// Why there is no answer.
pub async fn fetch(url: &HttpUrl, resolver: &Resolver, question: &[u8]) -> Result<Vec<u8>, Fault> {
    match timeout(PATIENCE, ask(url, resolver, question)).await {
        Ok(answer) => answer,
        Err(_) => Err(Fault::Unreachable(format!("no answer within {PATIENCE:?}"))),
    }
}

async fn ask(url: &HttpUrl, resolver: &Resolver, question: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut stream = connect(url, resolver).await?;
    // HTTP/1.0: the answer then ends with its length or with the connection (RFC 9112, section
    // 6.1), and there is none of the kinds before it.
    let mut message = format!(
        "POST {} HTTP/1.0\r\nHost: {}\r\nContent-Type: application/ocsp-request\r\n\
         Accept: application/ocsp-response\r\nContent-Length: {}\r\n\r\n",
        url.target(),
        url.authority(),
        question.len()
    )
    .into_bytes();
    message.extend_from_slice(question);
    let lost = |error: std::io::Error| Fault::Unreachable(error.to_string());
    stream.write_all(&message).await.map_err(lost)?;
    stream.flush().await.map_err(lost)?;
    read(&mut stream).await
}

async fn connect(url: &HttpUrl, resolver: &Resolver) -> Result<TcpStream, Fault> {
    let addresses = match url.host() {
        HostPort::Address(address) => vec![*address],
        HostPort::Name(name, port) => {
            let found = resolver.look_up(name.as_str()).await.map_err(Fault::Unreachable)?;
            let addresses = found.addresses.into_iter().take(ADDRESSES);
            addresses.map(|ip| SocketAddr::new(ip, *port)).collect()
        }
    };
    let mut last = String::new();
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = format!("{address}: {error}"),
        }
    }
    Err(Fault::Unreachable(last))
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, Fault> {
    let mut scanner = AnswerScanner::new();
    let mut message = Vec::new();
    let facts = loop {
        let malformed = |_| Fault::Invalid("not an HTTP answer");
        if let Some(facts) = scanner.inspect(&message).map_err(malformed)? {
            break facts;
        }
        if !more(stream, &mut message).await? {
            return Err(Fault::Invalid("the HTTP answer is cut off"));
        }
    };
    if facts.status != 200 {
        return Err(Fault::Refused(format!("the responder answers with status {}", facts.status)));
    }
    let mut answer = message.split_off(facts.length.min(message.len()));
    let wanted = match facts.framing {
        AnswerFraming::Length(length) => usize::try_from(length).unwrap_or(usize::MAX),
        AnswerFraming::Close => usize::MAX,
        AnswerFraming::Chunked => return Err(Fault::Invalid("chunks in an answer to HTTP/1.0")),
    };
    while answer.len() < wanted && more(stream, &mut answer).await? {}
    let is_whole = wanted == usize::MAX || answer.len() >= wanted;
    answer.truncate(wanted);
    if !is_whole || answer.is_empty() {
        return Err(Fault::Invalid("the HTTP answer is cut off"));
    }
    if answer.len() > LARGEST_ANSWER {
        return Err(Fault::Invalid("the answer is too large"));
    }
    Ok(answer)
}

/// Reads on. `false`: there is no more.
async fn more(stream: &mut (impl AsyncRead + Unpin), into: &mut Vec<u8>) -> Result<bool, Fault> {
    let count = stream.read_buf(into).await;
    let count = count.map_err(|error| Fault::Unreachable(error.to_string()))?;
    if into.len() > LARGEST_MESSAGE {
        return Err(Fault::Invalid("the answer is too large"));
    }
    Ok(count > 0)
}
