//! The proxy under test: the real binary with a configuration of its own.

mod lines;
mod metrics;
mod setup;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::binary;
use crate::bounded::{STEP, eventually, eventually_in, within_time};
use crate::client::{Answer, Connection, connection};
use crate::folder::Folder;
use crate::template::Values;

pub use lines::Lines;
pub use setup::Setup;

/// A running proxy. It is killed when it is dropped; what it said is shown when a test fails.
pub struct Proxy {
    setup: Setup,
    child: Child,
    /// Lines of its standard error.
    pub log: Lines,
    /// Lines of its standard output: the access log.
    pub access: Lines,
    /// A process before an upgrade, until it has ended.
    old: Option<Child>,
    arguments: Vec<(String, String)>,
}

impl Proxy {
    /// Starts with this configuration and waits until it serves. `@NAME-port@` are free ports,
    /// `@dir@` is its folder; a `status` section is added.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(text: &str) -> Self {
        Setup::new().start(text).await
    }

    /// One listener `web`, one route for everything, to one HTTP/1.1 origin.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn before(origin: SocketAddr) -> Self {
        Setup::new().set("origin", origin).start(SIMPLE).await
    }

    /// Starts with the file or folder at `path`; `setup` knows its ports.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn over(setup: Setup, path: &Path) -> Self {
        Self::launch(setup, path).await
    }

    async fn launch(setup: Setup, path: &Path) -> Self {
        let arguments = setup.environment.clone();
        let (child, log, access) =
            spawn("run", path, &arguments, &Lines::default(), &Lines::default());
        let mut proxy = Self { setup, child, log, access, old: None, arguments };
        proxy.ready().await;
        proxy
    }

    async fn ready(&mut self) {
        let address = self.address("status");
        let child = &mut self.child;
        eventually("the proxy is ready", async || {
            let ended = child.try_wait().expect("look after the proxy");
            assert!(ended.is_none(), "the proxy ended at its start: {ended:?}");
            let answer = try_get(address, "/readyz").await?;
            (answer.status == 200).then_some(())
        })
        .await;
    }

    /// Where a listener is, by the name in front of `-port` in the template.
    ///
    /// # Panics
    /// When the template has no such port.
    pub fn address(&self, name: &str) -> SocketAddr {
        let port = self.setup.values.known(&format!("{name}-port"));
        SocketAddr::from(([127, 0, 0, 1], port.parse().expect("a port")))
    }

    /// The address of the listener `web`.
    pub fn web(&self) -> SocketAddr {
        self.address("web")
    }

    /// A new connection to the listener `web`.
    pub async fn connect(&self) -> Connection {
        Connection::open(self.web()).await
    }

    /// One GET on a connection of its own to the listener `web`.
    pub async fn get(&self, target: &str) -> Answer {
        connection::get(self.web(), target).await
    }

    /// One request as it is, on a connection of its own to the listener `web`.
    pub async fn request(&self, bytes: impl AsRef<[u8]>) -> Answer {
        connection::request(self.web(), bytes).await
    }

    /// Its process.
    ///
    /// # Panics
    /// When it has ended.
    pub fn pid(&self) -> Pid {
        let id = self.child.id().expect("the proxy runs");
        Pid::from_raw(i32::try_from(id).expect("a process id")).expect("a process id")
    }

    /// Its folder.
    pub fn folder(&self) -> &Folder {
        &self.setup.folder
    }

    /// Values of the templates, to be changed before a reload.
    pub fn values(&mut self) -> &mut Values {
        &mut self.setup.values
    }

    /// The answer of the status listener to `path`.
    ///
    /// # Panics
    /// When there is none.
    pub async fn ask(&self, path: &str) -> Answer {
        connection::get(self.address("status"), path).await
    }

    /// `/status`.
    ///
    /// # Panics
    /// When there is none.
    pub async fn status(&self) -> Value {
        self.ask("/status").await.json()
    }

    /// The number of the configuration that is served now.
    ///
    /// # Panics
    /// When it is not told.
    pub async fn generation(&self) -> u64 {
        let status = self.status().await;
        status["generation"].as_u64().unwrap_or_else(|| panic!("no generation in {status}"))
    }

    /// The sum of the metric `name` over all series that have these labels; none without a series.
    ///
    /// # Panics
    /// When there are no metrics.
    pub async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        metrics::sum(&self.ask("/metrics").await.text(), name, labels)
    }

    /// Writes a new configuration into its file, and does not wait.
    pub fn write(&mut self, text: &str) {
        self.setup.write(text);
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When it cannot be sent.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("send a signal");
    }

    /// Writes a new configuration and waits until it is served. The change of the file is what
    /// makes the proxy look.
    ///
    /// # Panics
    /// When it is not served in time.
    pub async fn reload(&mut self, text: &str) {
        let before = self.generation().await;
        self.write(text);
        self.generation_after(before).await;
    }

    /// Waits for a generation after `before`.
    ///
    /// # Panics
    /// When it does not come in time.
    pub async fn generation_after(&self, before: u64) -> u64 {
        eventually("a new generation", async || {
            Some(self.generation().await).filter(|now| *now > before)
        })
        .await
    }

    /// Asks for a reload by SIGHUP and waits until it has failed. Gives what `/status` says of it.
    ///
    /// # Panics
    /// When it does not fail in time.
    pub async fn refused_reload(&mut self, text: &str) -> String {
        self.write(text);
        self.signal(Signal::HUP);
        eventually("a refused reload is told", async || {
            let status = self.status().await;
            let error = status.get("last_reload_error").filter(|error| !error.is_null())?;
            Some(error.to_string())
        })
        .await
    }

    /// The first line of the access log, past or to come, that fits.
    ///
    /// # Panics
    /// When none comes in time.
    pub async fn access_line(&self, fits: impl Fn(&Value) -> bool) -> Value {
        let line = self.access.wait_for("a line of the access log", |line| {
            serde_json::from_str(line).is_ok_and(|line| fits(&line))
        });
        serde_json::from_str(&line.await).expect("it was read before")
    }

    /// The line of the access log for this path.
    ///
    /// # Panics
    /// When none comes in time.
    pub async fn access_line_of(&self, path: &str) -> Value {
        self.access_line(|line| line["path"] == path).await
    }

    /// Replaces the process by `marchproxy upgrade`, and waits until the new one serves. The old
    /// one may still drain: see [`Proxy::old_ended`].
    ///
    /// # Panics
    /// When the new one does not come to serve.
    pub async fn upgrade(&mut self) {
        let path = self.setup.path();
        let before = self.status().await["pid"].clone();
        let (child, log, access) =
            spawn("upgrade", &path, &self.arguments, &self.log, &self.access);
        self.old = Some(std::mem::replace(&mut self.child, child));
        (self.log, self.access) = (log, access);
        let address = self.address("status");
        eventually("the new process serves", async || {
            let status = try_get(address, "/status").await?.json();
            (status["pid"] != before).then_some(())
        })
        .await;
        self.ready().await;
    }

    /// Waits until the process before the upgrade has ended.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn old_ended(&mut self, bound: Duration) -> ExitStatus {
        let mut old = self.old.take().expect("there was an upgrade");
        within_time(bound, "the old process ends", old.wait()).await.expect("its end")
    }

    /// Asks it to stop (SIGTERM) and waits for its end.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended(STEP).await
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn ended(&mut self, bound: Duration) -> ExitStatus {
        within_time(bound, "the proxy ends", self.child.wait()).await.expect("its end")
    }

    /// Whether it still runs.
    ///
    /// # Panics
    /// When the system does not tell.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("look after the proxy").is_none()
    }

    /// Memory of the process in KiB that is its own: `RssAnon` of proc(5).
    ///
    /// # Panics
    /// When it has ended.
    pub fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.pid().as_raw_nonzero());
        let text = std::fs::read_to_string(path).expect("the proxy runs");
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.and_then(|number| number.parse().ok()).expect("a number of KiB")
    }

    /// Waits at most `bound` until `path` of the listener `web` is answered with `status`.
    ///
    /// # Panics
    /// When it is not.
    pub async fn answers(&self, path: &str, status: u16, bound: Duration) {
        eventually_in(bound, "an answer with the status", async || {
            let answer = try_get(self.web(), path).await?;
            (answer.status == status).then_some(())
        })
        .await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- configuration\n{}", self.setup.last);
            eprintln!("--- log of the proxy\n{}", self.log.text());
            eprintln!("--- its access log\n{}", self.access.text());
        }
    }
}

/// One listener `web`, one route for everything, to the origin `@origin@`.
pub const SIMPLE: &str = r#"
listeners: [{ name: web, address: "127.0.0.1:@web-port@" }]
routes: [{ name: everything, match: { path: / }, upstream: app }]
upstreams: [{ name: app, endpoints: ["@origin@"] }]
"#;

/// One GET, if the peer is there and answers.
pub async fn try_get(address: SocketAddr, path: &str) -> Option<Answer> {
    let mut connection = Connection::try_open(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: test.example\r\nconnection: close\r\n\r\n");
    connection.try_send(request).await.ok()?;
    connection.try_answer().await.ok()
}

fn spawn(
    command: &str,
    path: &Path,
    environment: &[(String, String)],
    log: &Lines,
    access: &Lines,
) -> (Child, Lines, Lines) {
    let mut child = Command::new(binary::path())
        .arg(command)
        .arg("--config")
        .arg(path)
        .envs(environment.iter().cloned())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("start marchproxy");
    let log = log.follow(child.stderr.take().expect("a pipe"));
    let access = access.follow(child.stdout.take().expect("a pipe"));
    (child, log, access)
}
