//! A small WebSocket client (RFC 6455).

use super::answer::{Answer, Broken};
use super::connection::Connection;
use crate::bounded::within;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// One frame of a peer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// 1 text, 2 binary, 8 close, 9 ping, 10 pong.
    pub opcode: u8,
    /// What it holds.
    pub payload: Vec<u8>,
}

/// A connection after the opening handshake.
pub struct WebSocket {
    connection: Connection,
}

/// What `Sec-WebSocket-Accept` must hold for a key (RFC 6455, section 4.2.2).
pub fn accept_value(key: &str) -> String {
    let joined = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    boring::base64::encode_block(&boring::sha::sha1(joined.as_bytes()))
}

impl WebSocket {
    /// Shakes hands for `target`.
    ///
    /// # Panics
    /// When the server does not switch.
    pub async fn open(connection: Connection, target: &str) -> Self {
        let opened = Self::try_open(connection, target).await;
        let (socket, answer) = opened.expect("an answer to the handshake");
        socket.unwrap_or_else(|| panic!("no WebSocket: {answer:?}"))
    }

    /// Shakes hands for `target`; the answer tells why there is no socket.
    ///
    /// # Errors
    /// Why there is no answer.
    ///
    /// # Panics
    /// When the server switches wrongly.
    pub async fn try_open(
        mut connection: Connection,
        target: &str,
    ) -> Result<(Option<Self>, Answer), Broken> {
        let request = format!(
            "GET {target} HTTP/1.1\r\nhost: test.example\r\nconnection: Upgrade\r\n\
             upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\n\r\n"
        );
        connection.try_send(request).await.map_err(|_| Broken::Reset)?;
        let answer = connection.try_head().await?;
        if answer.status != 101 {
            return Ok((None, answer));
        }
        assert_eq!(answer.field("sec-websocket-accept"), Some(accept_value(KEY).as_str()));
        assert!(answer.field("upgrade").is_some_and(|name| name.eq_ignore_ascii_case("websocket")));
        Ok((Some(Self { connection }), answer))
    }

    /// Sends one frame, masked and final.
    ///
    /// # Errors
    /// Why the peer does not take it.
    pub async fn send(&mut self, opcode: u8, payload: &[u8]) -> std::io::Result<()> {
        self.connection.try_send(frame(opcode, payload, Some(MASK))).await
    }

    /// The next frame.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn next(&mut self) -> Result<Message, Broken> {
        read_frame(&mut self.connection).await
    }

    /// Sends a text and waits for it to come back.
    ///
    /// # Errors
    /// Why it did not.
    pub async fn echo(&mut self, text: &str) -> Result<(), Broken> {
        self.send(1, text.as_bytes()).await.map_err(|_| Broken::Reset)?;
        let message = within("an echo", self.next()).await?;
        if message == (Message { opcode: 1, payload: text.as_bytes().to_vec() }) {
            Ok(())
        } else {
            Err(Broken::Malformed(format!("{message:?}")))
        }
    }

    /// Closes in order and waits for the peer to do so.
    ///
    /// # Panics
    /// When the peer does not.
    pub async fn close(self) {
        self.try_close().await.expect("a close frame");
    }

    /// Closes in order and waits for the peer to do so.
    ///
    /// # Errors
    /// Why the peer did not.
    ///
    /// # Panics
    /// When the peer keeps the connection open after it.
    pub async fn try_close(mut self) -> Result<(), Broken> {
        self.send(8, &1000_u16.to_be_bytes()).await.map_err(|_| Broken::Reset)?;
        let message = within("a close frame", self.next()).await?;
        if message.opcode != 8 {
            return Err(Broken::Malformed(format!("{message:?}")));
        }
        self.connection.closed().await;
        Ok(())
    }

    /// The connection below.
    pub fn into_connection(self) -> Connection {
        self.connection
    }
}

/// One final frame on the wire.
pub fn frame(opcode: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut octets = vec![0x80 | opcode];
    let bit = if mask.is_some() { 0x80 } else { 0 };
    if let Some(short) = u8::try_from(payload.len()).ok().filter(|length| *length < 126) {
        octets.push(bit | short);
    } else if let Ok(middle) = u16::try_from(payload.len()) {
        octets.push(bit | 126);
        octets.extend_from_slice(&middle.to_be_bytes());
    } else {
        octets.push(bit | 127);
        octets.extend_from_slice(&(payload.len() as u64).to_be_bytes());
    }
    match mask {
        Some(mask) => {
            octets.extend_from_slice(&mask);
            octets.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
        }
        None => octets.extend_from_slice(payload),
    }
    octets
}

/// Reads one frame, masked or not.
///
/// # Errors
/// Why there is none.
pub async fn read_frame(connection: &mut Connection) -> Result<Message, Broken> {
    let head = connection.bytes(2).await?;
    let length = match head[1] & 0x7f {
        126 => {
            let more = connection.bytes(2).await?;
            usize::from(u16::from_be_bytes([more[0], more[1]]))
        }
        127 => {
            let more = connection.bytes(8).await?;
            let octets: [u8; 8] = more.try_into().expect("8 bytes");
            usize::try_from(u64::from_be_bytes(octets)).expect("64 bits")
        }
        short => usize::from(short),
    };
    let mask = if head[1] & 0x80 == 0 { vec![0; 4] } else { connection.bytes(4).await? };
    let payload = connection.bytes(length).await?;
    let payload = payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    Ok(Message { opcode: head[0] & 0x0f, payload })
}
