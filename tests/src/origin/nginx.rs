//! A real nginx, with a configuration and folders of its own.

use std::net::SocketAddr;
use std::process::Stdio;

use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::bounded::eventually;
use crate::folder::Folder;
use crate::template::Values;

/// A running nginx. It is killed when it is dropped.
#[derive(Debug)]
pub struct Nginx {
    folder: Folder,
    values: Values,
    child: Child,
}

impl Nginx {
    /// Starts nginx with `http` as the inside of its `http` block; `@web-port@` there is the port
    /// it is waited for, `@dir@` its folder.
    ///
    /// # Panics
    /// When it is not installed or does not start.
    pub async fn start(http: &str) -> Self {
        Self::with(Values::default(), &[], http).await
    }

    /// The same with values for the template and files for the folder.
    ///
    /// # Panics
    /// When it is not installed or does not start.
    pub async fn with(values: Values, files: &[(&str, &[u8])], http: &str) -> Self {
        let text = format!("{FRAME}\nhttp {{\n{TEMPORARY}\n{http}\n}}\n");
        Self::launch(values, files, &text).await
    }

    /// Starts nginx with `stream` as the inside of its `stream` block, which passes connections on.
    ///
    /// # Panics
    /// When it, or its module for streams, is not installed or does not start.
    pub async fn stream(values: Values, stream: &str) -> Self {
        let module = "load_module /usr/lib/nginx/modules/ngx_stream_module.so;";
        let text = format!("{module}\n{FRAME}\nstream {{\n{stream}\n}}\n");
        Self::launch(values, &[], &text).await
    }

    async fn launch(mut values: Values, files: &[(&str, &[u8])], text: &str) -> Self {
        let folder = Folder::new();
        for (name, content) in files {
            folder.write(name, content);
        }
        values.set("dir", folder.path().display());
        let configuration = folder.write("nginx.conf", values.fill(text));
        let child = Command::new("nginx")
            .arg("-p")
            .arg(folder.path())
            .arg("-c")
            .arg(&configuration)
            .args(["-e", "stderr"])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("start nginx (Debian: nginx-core, libnginx-mod-stream)");
        let mut nginx = Self { folder, values, child };
        let address = nginx.address("web-port");
        eventually("nginx listens", async || {
            let ended = nginx.child.try_wait().expect("look after nginx");
            assert!(ended.is_none(), "nginx ended: {ended:?}");
            TcpStream::connect(address).await.ok()
        })
        .await;
        nginx
    }

    /// Where it listens, by the name of the port in the template.
    ///
    /// # Panics
    /// When the template has no such port.
    pub fn address(&mut self, port: &str) -> SocketAddr {
        let port = self.values.get(port).parse().expect("a port");
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// Its folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }
}

const FRAME: &str = "daemon off; master_process off; worker_processes 1; pid @dir@/nginx.pid;
error_log stderr warn; events { worker_connections 1024; }";

const TEMPORARY: &str =
    "access_log off; client_body_temp_path @dir@/body; proxy_temp_path @dir@/proxy;
fastcgi_temp_path @dir@/fastcgi; uwsgi_temp_path @dir@/uwsgi; scgi_temp_path @dir@/scgi;";
