//! Closing a connection on which the client is still sending.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::caller::Caller;
use super::transport::Transport;

/// How long the client may go on sending.
pub const TIME: Duration = Duration::from_secs(2);
/// How much of it is read and thrown away.
pub const BYTES: usize = 4 << 20;

/// Sends `last`, closes our direction, and reads on for a while, so that the client sees the
/// answer before the connection is reset (RFC 9112, section 9.6). Bounded in time and bytes; with
/// `caller` it counts as a connection until then.
pub fn close(mut stream: impl Transport + Send + 'static, last: Vec<u8>, caller: Caller) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    runtime.spawn(async move {
        let farewell = async {
            stream.write_all(&last).await?;
            AsyncWriteExt::shutdown(&mut stream).await?;
            let mut scratch = vec![0; 8192];
            let mut seen = 0_usize;
            while seen < BYTES {
                match stream.read(&mut scratch).await? {
                    0 => break,
                    count => seen = seen.saturating_add(count),
                }
            }
            std::io::Result::Ok(())
        };
        let _ = tokio::time::timeout(TIME, farewell).await;
        drop(caller);
    });
}
