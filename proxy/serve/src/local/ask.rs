//! The side of the command.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{self, UnixStream};
use std::time::Duration;

use rustix::net::sockopt;
use serde_json::Value;

use super::{LONGEST_ANSWER, Order, Reply};
use crate::handover::check_user;

/// How long the other process may take for a piece of its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Has the process that listens under `name` do something.
///
/// # Errors
/// Nobody listens, or it refuses: for people to read.
pub fn ask(name: &str, order: &Order) -> Result<Value, String> {
    match converse(name, order) {
        Ok(Reply::Done(value)) => Ok(value),
        Ok(Reply::Refused(why)) => Err(why),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Err(format!("no running marchproxy answers at {name}; start one with `marchproxy run`"))
        }
        Err(error) => Err(format!("the running marchproxy at {name} does not answer: {error}")),
    }
}

fn converse(name: &str, order: &Order) -> io::Result<Reply> {
    let address = net::SocketAddr::from_abstract_name(name)?;
    let mut stream = UnixStream::connect_addr(&address)?;
    check_user(sockopt::socket_peercred(&stream)?.uid.as_raw())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(order)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    BufReader::new(stream.take(LONGEST_ANSWER)).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}
