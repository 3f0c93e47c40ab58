//! Starting, and what keeps a proxy from it.

use marchproxy_tests::client::get;
use marchproxy_tests::proxy::{SIMPLE, Setup};
use marchproxy_tests::{Origin, Proxy, eventually, ports};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn a_bad_file_ends_the_start_with_2_and_every_error() {
    let text = SIMPLE.replace("upstream: app", "upsteam: app").replace("address:", "adress:");
    let mut setup = Setup::new().set("origin", "127.0.0.1:9");
    let ended = setup.run(&["run", "--config"], &text).await;
    assert_eq!(ended.code(), 2, "{ended:?}");
    assert!(ended.stderr.contains("upsteam") && ended.stderr.contains("adress"), "{ended:?}");
    let port: u16 = setup.values().get("web-port").parse().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
}

#[tokio::test]
async fn a_port_in_use_is_named_and_tried_again_while_the_others_serve() {
    let origin = Origin::start().await;
    let port = ports::free();
    let taken = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let text = SIMPLE.replace(
        "listeners: [",
        "listeners: [{ name: taken, address: \"127.0.0.1:@taken-port@\" }, ",
    );
    let proxy =
        Setup::new().set("origin", origin.address()).set("taken-port", port).start(&text).await;
    assert_eq!(proxy.get("/").await.status, 200);
    let named = |line: &str| line.contains(&port.to_string()) || line.contains("taken");
    proxy.log.wait_for("the port is named", named).await;
    drop(taken);
    eventually("the listener comes up", async || {
        TcpStream::connect(("127.0.0.1", port)).await.ok()
    })
    .await;
    assert_eq!(get(proxy.address("taken"), "/").await.status, 200);
}

#[tokio::test]
async fn a_folder_is_served() {
    let folder = marchproxy_tests::folder::Folder::new();
    let (web, status) = (ports::free(), ports::free());
    folder.write("a.yaml", format!("listeners: [{{ name: web, address: \"127.0.0.1:{web}\" }}]\n"));
    folder.write("b.yaml", format!("status: {{ address: \"127.0.0.1:{status}\" }}\n"));
    folder.write("c.yaml", "routes: [{ name: all, respond: { status: 200, body: folder } }]\n");
    let mut child = tokio::process::Command::new(marchproxy_tests::binary::path())
        .args(["run", "--config"])
        .arg(folder.path())
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], web));
    let answer = eventually("the proxy serves", async || {
        marchproxy_tests::proxy::try_get(address, "/").await
    })
    .await;
    assert_eq!(answer.text(), "folder");
    child.kill().await.unwrap();
}

#[tokio::test]
async fn sigterm_ends_an_idle_proxy_at_once_with_0() {
    let mut proxy = Proxy::start(
        "listeners: [{ name: web, address: \"127.0.0.1:@web-port@\" }]\n\
         routes: [{ name: all, respond: { status: 200 } }]\n",
    )
    .await;
    let mut idle = proxy.connect().await;
    assert_eq!(idle.get("/").await.status, 200);
    let begin = std::time::Instant::now();
    assert_eq!(proxy.terminate().await.code(), Some(0));
    assert!(begin.elapsed() < std::time::Duration::from_secs(3), "{:?}", begin.elapsed());
}
