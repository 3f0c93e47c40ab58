//! curl: another implementation of the codings than the proxy's.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::answer::{Answer, parse_head};
use crate::bounded::within;

/// What curl gets with these arguments, decompressed: `--compressed` is among them.
///
/// # Panics
/// When curl cannot be started, or finds fault with the answer.
pub async fn curl(arguments: &[&str]) -> Answer {
    try_curl(arguments).await.unwrap_or_else(|error| panic!("curl {arguments:?}: {error}"))
}

/// What curl gets with these arguments, decompressed.
///
/// # Errors
/// What curl says.
///
/// # Panics
/// When curl cannot be started.
pub async fn try_curl(arguments: &[&str]) -> Result<Answer, String> {
    let mut command = Command::new("curl");
    command.args(["-sSi", "--compressed", "--max-time", "9"]).args(arguments);
    let output = within("curl", command.kill_on_drop(true).output()).await.expect("run curl");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let mut rest = output.stdout;
    let mut answer = Answer::default();
    loop {
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n").ok_or("no head")?;
        let after = rest.split_off(end + 4);
        rest.truncate(end);
        let (start, fields) = parse_head(&rest)?;
        let mut words = start.split(' ');
        answer.version = words.next().unwrap_or_default().to_owned();
        answer.status = words.next().and_then(|word| word.parse().ok()).ok_or("no status")?;
        answer.fields = fields;
        rest = after;
        if answer.status >= 200 {
            answer.body = rest;
            return Ok(answer);
        }
        answer.interim.push(answer.status);
    }
}

/// The lines of an answer as curl gets them.
pub struct CurlLines {
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl CurlLines {
    /// Starts curl with these arguments.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new("curl");
        command.args(["-sSN", "--compressed", "--max-time", "9"]).args(arguments);
        let mut child =
            command.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("start curl");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { lines, _child: child }
    }

    /// The next line that is not empty; none at the end.
    ///
    /// # Panics
    /// When it does not come.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            let line = within("a line", self.lines.next_line()).await.expect("read from curl")?;
            if !line.is_empty() {
                return Some(line);
            }
        }
    }
}
