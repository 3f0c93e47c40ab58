use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::task::{JoinHandle, spawn_blocking};

use super::*;

const SHORT: Duration = Duration::from_millis(1);

/// A name that nobody else has.
fn own_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("marchproxy-test/{}/{count}", std::process::id())
}

fn tcp() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn listener(socket: &TcpListener) -> (String, BorrowedFd<'_>) {
    (listens_at(socket.local_addr().unwrap()).to_string(), socket.as_fd())
}

fn listens_at(address: SocketAddr) -> Label {
    Label::Listener(ListenAddress::Ip(address))
}

fn taking(name: &str) -> JoinHandle<io::Result<(Inherited, Handle)>> {
    let name = name.to_owned();
    spawn_blocking(move || take_over(&name))
}

/// Answers the next one who connects.
async fn answer_next(
    offered: &UnixListener,
    sockets: &[(String, BorrowedFd<'_>)],
) -> io::Result<Outcome> {
    let (stream, _) = offered.accept().await?;
    answer(stream, sockets).await
}

/// What the new side makes of an old one that says `line`, waits for an answer, and then does
/// `rest`.
fn taken_from(line: &[u8], rest: impl FnOnce(&mut net::UnixStream)) -> io::Result<()> {
    let name = own_name();
    let address = net::SocketAddr::from_abstract_name(&name).unwrap();
    let offered = net::UnixListener::bind_addr(&address).unwrap();
    let taking = std::thread::spawn(move || take_over(&name));
    let (mut stream, _) = offered.accept().unwrap();
    stream.write_all(line).unwrap();
    let mut word = [0; SEND.len()];
    if stream.read_exact(&mut word).is_ok() {
        rest(&mut stream);
    }
    drop(stream);
    taking.join().unwrap().map(drop)
}

fn line(labels: &[&str]) -> Vec<u8> {
    let sockets = labels.iter().map(|label| (*label).to_owned()).collect();
    let mut line = serde_json::to_vec(&Hello { version: Hello::VERSION, sockets }).unwrap();
    line.push(b'\n');
    line
}

#[test]
fn the_name_is_that_of_the_status_listener() {
    assert_eq!(name("127.0.0.1:9901".parse().unwrap()), "marchproxy/127.0.0.1:9901");
}

#[test]
fn a_label_reads_as_it_is_written() {
    for text in ["listener 127.0.0.1:8080", "status [::1]:9901", "listener unix:/run/a b.sock"] {
        assert_eq!(text.parse::<Label>().unwrap().to_string(), text);
    }
    for text in ["", "listener", "listener x", "other 127.0.0.1:1", "listener  127.0.0.1:1"] {
        assert!(text.parse::<Label>().is_err(), "{text}");
    }
}

#[tokio::test]
async fn the_sockets_are_the_same_in_the_new_process_and_the_name_is_free() {
    let name = own_name();
    let offered = offer(&name).await.unwrap();
    let (web, status) = (tcp(), tcp());
    let status_address = status.local_addr().unwrap();
    let sockets = [listener(&web), (Label::Status(status_address).to_string(), status.as_fd())];
    let taking = taking(&name);
    let answering = async {
        let outcome = answer_next(&offered, &sockets).await.unwrap();
        let Outcome::TakenOver(successor) = outcome else { panic!("{outcome:?}") };
        assert_eq!(successor.pid(), i32::try_from(std::process::id()).ok());
        drop(offered);
        successor.bye().await.unwrap();
    };
    let new = async {
        let (inherited, handle) = taking.await.unwrap().unwrap();
        assert_eq!(u32::try_from(handle.pid()).ok(), Some(std::process::id()));
        spawn_blocking(|| handle.ready()).await.unwrap().unwrap();
        offer(&name).await.expect("the name is free once `ready` returns");
        inherited
    };
    let ((), inherited) = tokio::join!(answering, new);
    assert_eq!(inherited.status.unwrap().local_addr().unwrap(), status_address);
    let address = web.local_addr().unwrap();
    let taken = inherited.listeners.get(&ListenAddress::Ip(address)).unwrap();
    let taken = TcpListener::from(taken.try_clone().unwrap());
    let client = std::net::TcpStream::connect(address).unwrap();
    // A connection that waits at the old process' socket is accepted from the new one's.
    assert_eq!(taken.accept().unwrap().1, client.local_addr().unwrap());
    assert_eq!(taken.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn more_sockets_than_fit_one_message_all_arrive() {
    let name = own_name();
    let offered = offer(&name).await.unwrap();
    let listeners: Vec<TcpListener> = (0..=2 * BATCH).map(|_| tcp()).collect();
    let sockets: Vec<(String, BorrowedFd<'_>)> = listeners.iter().map(listener).collect();
    let taking = taking(&name);
    let new = async {
        let (inherited, handle) = taking.await.unwrap().unwrap();
        drop(handle);
        inherited
    };
    let (outcome, inherited) = tokio::join!(answer_next(&offered, &sockets), new);
    assert!(matches!(outcome.unwrap(), Outcome::Refused));
    assert_eq!(inherited.listeners.len(), listeners.len());
}

#[tokio::test]
async fn a_new_process_that_gives_up_leaves_the_old_one_as_it_was() {
    let name = own_name();
    let offered = offer(&name).await.unwrap();
    let web = tcp();
    for _ in 0..2 {
        let taking = taking(&name);
        let new = async { drop(taking.await.unwrap().unwrap()) };
        let sockets = [listener(&web)];
        let (outcome, ()) = tokio::join!(answer_next(&offered, &sockets), new);
        assert!(matches!(outcome.unwrap(), Outcome::Refused));
    }
    let client = std::net::TcpStream::connect(web.local_addr().unwrap()).unwrap();
    assert_eq!(web.accept().unwrap().1, client.local_addr().unwrap());
}

#[tokio::test]
async fn a_new_process_that_is_ready_too_late_is_told_not_to_serve() {
    let name = own_name();
    let offered = offer(&name).await.unwrap();
    let web = tcp();
    let sockets = [listener(&web)];
    let taking = taking(&name);
    let (stream, _) = offered.accept().await.unwrap();
    let outcome = give::answer_within(SHORT, stream, &sockets).await.unwrap();
    assert!(matches!(outcome, Outcome::Refused));
    let (_inherited, handle) = taking.await.unwrap().unwrap();
    let error = spawn_blocking(|| handle.ready()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
}

#[tokio::test]
async fn an_old_process_that_dies_after_ready_does_not_stop_the_new_one() {
    let name = own_name();
    let offered = offer(&name).await.unwrap();
    let web = tcp();
    let sockets = [listener(&web)];
    let taking = taking(&name);
    let new = async {
        let (_inherited, handle) = taking.await.unwrap().unwrap();
        spawn_blocking(|| handle.ready()).await.unwrap()
    };
    let old = async {
        let outcome = answer_next(&offered, &sockets).await.unwrap();
        assert!(matches!(outcome, Outcome::TakenOver(_)));
        drop(outcome);
    };
    tokio::join!(old, new).1.unwrap();
}

#[tokio::test]
async fn an_old_process_that_dies_before_ready_does_not_stop_the_new_one() {
    let name = own_name();
    let offered = offer(&name).await.unwrap();
    let web = tcp();
    let sockets = [listener(&web)];
    let taking = taking(&name);
    let mut answering = Box::pin(answer_next(&offered, &sockets));
    let (inherited, handle) = tokio::select! {
        _ = &mut answering => panic!("it is not ready yet"),
        taken = taking => taken.unwrap().unwrap(),
    };
    drop(answering);
    handle.ready().unwrap();
    assert_eq!(inherited.listeners.len(), 1);
}

#[test]
fn only_our_own_user_and_root_are_believed() {
    let own = geteuid().as_raw();
    assert!(check_user(own).is_ok() && check_user(0).is_ok());
    let error = check_user(own.max(1) + 1).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
}

#[test]
fn an_upgrade_of_nothing_says_what_to_do() {
    let error = take_over(&own_name()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert!(error.to_string().contains("start one with `marchproxy run`"), "{error}");
}

#[tokio::test]
async fn a_name_can_be_offered_by_one_process_only() {
    let name = own_name();
    let _offered = offer(&name).await.unwrap();
    assert_eq!(offer(&name).await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn a_new_process_that_speaks_otherwise_gets_no_socket() {
    let (old, new) = net::UnixStream::pair().unwrap();
    old.set_nonblocking(true).unwrap();
    let old = tokio::net::UnixStream::from_std(old).unwrap();
    (&new).write_all(b"give!").unwrap();
    let web = tcp();
    let error = answer(old, &[listener(&web)]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[tokio::test]
async fn more_sockets_than_the_new_process_takes_are_not_begun_with() {
    let (old, _new) = net::UnixStream::pair().unwrap();
    old.set_nonblocking(true).unwrap();
    let old = tokio::net::UnixStream::from_std(old).unwrap();
    let web = tcp();
    let sockets = vec![listener(&web); MOST_SOCKETS + 1];
    assert_eq!(answer(old, &sockets).await.unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_line_that_is_not_understood_ends_the_handover() {
    let other_version = br#"{"version":2,"sockets":[]}"#;
    let unknown_key = br#"{"version":1,"sockets":[],"more":1}"#;
    let endless = vec![b' '; LONGEST_LINE];
    for said in [&b"nonsense"[..], &other_version[..], &unknown_key[..], &endless, b"\n{}"] {
        let error = taken_from(&[said, b"\n"].concat(), |_| panic!("it wants more")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
    }
    let error = taken_from(&line(&["socket 127.0.0.1:1"]), |_| panic!("it wants more"));
    assert_eq!(error.unwrap_err().kind(), io::ErrorKind::InvalidData);
    let labels = vec!["status 127.0.0.1:1"; MOST_SOCKETS + 1];
    let error = taken_from(&line(&labels), |_| panic!("it wants more")).unwrap_err();
    assert!(error.to_string().contains("too many"), "{error}");
}

#[test]
fn sockets_that_do_not_come_end_the_handover() {
    let line = line(&["status 127.0.0.1:1"]);
    let error = taken_from(&line, |_| ()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    let error = taken_from(&line, |stream| stream.write_all(CARRIER).unwrap()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[test]
fn a_socket_that_is_not_what_it_is_said_to_be_ends_the_handover() {
    let web = tcp();
    let address = web.local_addr().unwrap();
    let refused = |labels: &[Label], sockets: &[BorrowedFd<'_>], why: &str| {
        let labels: Vec<String> = labels.iter().map(ToString::to_string).collect();
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let error = taken_from(&line(&labels), |stream| {
            give::send_now(stream.as_fd(), sockets).unwrap();
        });
        let error = error.unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    };
    let elsewhere = listens_at(tcp().local_addr().unwrap());
    refused(&[elsewhere], &[web.as_fd()], "listens on");
    let client = std::net::TcpStream::connect(address).unwrap();
    let connected = listens_at(client.local_addr().unwrap());
    refused(&[connected], &[client.as_fd()], "does not listen");
    let twice = [listens_at(address), listens_at(address)];
    refused(&twice, &[web.as_fd(), web.as_fd()], "came twice");
    let one = [listens_at(address)];
    refused(&one, &[web.as_fd(), web.as_fd()], "something else than sockets");
    let (unix, _) = net::UnixStream::pair().unwrap();
    refused(&one, &[unix.as_fd()], "does not listen");
    let path = std::env::temp_dir().join(format!("marchproxy-test-{}.sock", std::process::id()));
    let unix = net::UnixListener::bind(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let other = [Label::Listener(ListenAddress::Unix("/run/other.sock".to_owned()))];
    refused(&other, &[unix.as_fd()], "listens on");
    refused(&other, &[web.as_fd()], "");
    refused(&one, &[unix.as_fd()], "");
}
