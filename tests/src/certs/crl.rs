//! Revocation lists, made by `openssl`: `BoringSSL` makes none.

use std::fmt::Write;

use super::{Authority, Leaf, serial};
use crate::folder::Folder;

/// A certificate revocation list to be made.
#[derive(Clone, Debug)]
pub struct Crl<'a> {
    /// Who signs it.
    pub authority: &'a Authority,
    /// What it revokes.
    pub revoked: Vec<&'a Leaf>,
    /// For how many seconds from now it is up to date; 0: it is not any more.
    pub lasts: u32,
}

impl<'a> Crl<'a> {
    /// A current list of `authority` that revokes these.
    pub fn of(authority: &'a Authority, revoked: &[&'a Leaf]) -> Self {
        Self { authority, revoked: revoked.to_vec(), lasts: 86_400 }
    }

    /// The list as PEM.
    ///
    /// # Panics
    /// When `openssl` does not make it.
    pub async fn pem(&self) -> Vec<u8> {
        let folder = Folder::new();
        let mut index = String::new();
        for leaf in &self.revoked {
            let serial = serial(&leaf.certificate);
            writeln!(index, "R\t491231235959Z\t250101000000Z\t{serial}\tunknown\t/CN=revoked")
                .unwrap();
        }
        let database = folder.write("index.txt", index);
        let authority = folder.write("ca.pem", self.authority.pem());
        let key = folder.write("ca.key", self.authority.key_pem());
        let config = format!(
            "[ca]\ndefault_ca = own\n[own]\ndatabase = {}\ndefault_md = sha256\n",
            database.display()
        );
        let config = folder.write("ca.cnf", config);
        let mut command = tokio::process::Command::new("openssl");
        command.args(["ca", "-batch", "-gencrl", "-config"]).arg(config);
        command.arg("-keyfile").arg(key).arg("-cert").arg(authority);
        if self.lasts == 0 {
            let times =
                ["-crl_lastupdate", "20250101000000Z", "-crl_nextupdate", "20250201000000Z"];
            command.args(times);
        } else {
            command.arg("-crlsec").arg(self.lasts.to_string());
        }
        command.kill_on_drop(true);
        let ended = crate::within("openssl ca", command.output()).await.expect("run openssl");
        let told = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "openssl makes a revocation list: {told}");
        ended.stdout
    }
}
