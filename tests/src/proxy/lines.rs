//! Lines that a process writes, kept for as long as the test runs.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::watch;

use crate::bounded::within;

/// All lines of a stream until now.
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    lines: Mutex<Vec<String>>,
    count: watch::Sender<usize>,
}

impl Lines {
    /// Adds the lines of `stream` as they come, to these.
    #[must_use]
    pub fn follow(&self, stream: impl AsyncRead + Send + Unpin + 'static) -> Self {
        let lines = self.clone();
        let inner = Arc::clone(&self.0);
        tokio::spawn(async move {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while let Ok(1..) = reader.read_until(b'\n', &mut line).await {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                inner.lines.lock().expect("no panic with the lines in hand").push(text);
                inner.count.send_modify(|count| *count += 1);
                line.clear();
            }
        });
        lines
    }

    /// All lines until now.
    pub fn all(&self) -> Vec<String> {
        self.0.lines.lock().expect("no panic with the lines in hand").clone()
    }

    /// All lines until now, as one text; the last 200 of them.
    pub fn text(&self) -> String {
        let all = self.all();
        all[all.len().saturating_sub(200)..].join("\n")
    }

    /// The first line, past or to come, that fits.
    ///
    /// # Panics
    /// When none comes in time.
    pub async fn wait_for(&self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        let looking = async {
            let mut count = self.0.count.subscribe();
            let mut looked = 0;
            loop {
                let now = *count.borrow_and_update();
                let found = self.all()[looked..now].iter().find(|line| fits(line)).cloned();
                if let Some(line) = found {
                    return line;
                }
                looked = now;
                if count.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        within(what, looking).await
    }
}
