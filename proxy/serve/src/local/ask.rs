//! The side of the command.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{self, UnixStream};
use std::time::Duration;

use rustix::net::sockopt;
use serde_json::Value;

use super::{LONGEST_ANSWER, Order, Reply, name};
use crate::handover::check_user;

/// How long the other process may take for a piece of its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Has the process whose status listener is at `status` do something.
///
/// # Errors
/// For people to read.
pub fn ask(status: SocketAddr, order: &Order) -> Result<Value, NotDone> {
    let failed = |why| Err(NotDone::Failed(why));
    match converse(&name(status), order) {
        Ok(Reply::Done(value)) => Ok(value),
        Ok(Reply::Refused(why)) => Err(NotDone::Refused(why)),
        Err(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => failed(format!(
                "no marchproxy runs whose status listener is {status}; start it with `marchproxy run`"
            )),
            io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::UnexpectedEof => failed(format!(
                "the marchproxy at {status} hung up: it takes orders of its own user and of root only"
            )),
            _ => failed(format!("the marchproxy at {status} does not answer: {error}")),
        },
    }
}

/// Why nothing was done, for people to read.
#[derive(Debug, Eq, PartialEq)]
pub enum NotDone {
    /// What was asked for cannot be.
    Refused(String),
    /// It could not be asked.
    Failed(String),
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
    if answer.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_str(&answer)?)
}
