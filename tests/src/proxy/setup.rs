//! What a proxy is started with.

use std::ffi::OsString;
use std::path::PathBuf;

use super::Proxy;
use crate::binary::{self, Ended};
use crate::certs::Leaf;
use crate::folder::Folder;
use crate::template::Values;

/// A folder, values for the template of the configuration, and an environment.
#[derive(Debug)]
pub struct Setup {
    pub(super) folder: Folder,
    pub(super) values: Values,
    pub(super) environment: Vec<(String, String)>,
    pub(super) last: String,
}

impl Setup {
    /// A new folder; `@dir@` names it.
    pub fn new() -> Self {
        let folder = Folder::new();
        let mut values = Values::default();
        values.set("dir", folder.path().display());
        Self { folder, values, environment: Vec::new(), last: String::new() }
    }

    /// Gives `@name@` a value.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl ToString) -> Self {
        self.values.set(name, value);
        self
    }

    /// Writes a file into the folder.
    #[must_use]
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.folder.write(name, content);
        self
    }

    /// Writes `NAME.pem` and `NAME.key` into the folder.
    #[must_use]
    pub fn leaf(self, name: &str, leaf: &Leaf) -> Self {
        self.file(&format!("{name}.pem"), leaf.chain_pem())
            .file(&format!("{name}.key"), leaf.key_pem())
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts the proxy and waits until it serves.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(mut self, text: &str) -> Proxy {
        let path = self.write(text);
        Proxy::launch(self, &path).await
    }

    /// Runs `marchproxy COMMAND... FILE` with this configuration to its end.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn run(&mut self, command: &[&str], text: &str) -> Ended {
        let path = self.write(text);
        let mut arguments: Vec<OsString> = command.iter().map(OsString::from).collect();
        arguments.push(path.into());
        binary::run_in(self.folder.path(), &arguments).await
    }

    /// The values of the template.
    pub fn values(&mut self) -> &mut Values {
        &mut self.values
    }

    /// The folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("marchproxy.yaml")
    }

    pub(super) fn write(&mut self, text: &str) -> PathBuf {
        let mut text = text.to_owned();
        let begins = |word: &str| text.lines().any(|line| line.starts_with(word));
        let (has_status, has_process) = (begins("status:"), begins("process:"));
        // A list may end without a line end.
        text.push('\n');
        if !has_status {
            text.push_str("status: { address: \"127.0.0.1:@status-port@\" }\n");
        }
        if !has_process {
            text.push_str("process: { workers: 2, drain: 5s }\n");
        }
        self.last = self.values.fill(&text);
        self.folder.write("marchproxy.yaml", &self.last)
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}
