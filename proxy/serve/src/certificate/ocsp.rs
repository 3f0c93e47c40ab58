//! OCSP answers that are stapled to handshakes: fetched, verified, kept, renewed in time.

mod answer;
mod fault;
mod fetch;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use boring::x509::X509;
use marchproxy_conf::model;
use marchproxy_conf::values::HttpUrl;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::file::{self, LARGEST_PEM};
use crate::observe::Observer;
use crate::resolver::Resolver;
use answer::{Good, Subject};
pub use fault::Fault;

/// The shortest and the longest wait from one answer to the question for the next, as long as the
/// answer lasts that long.
const PAUSES: (Duration, Duration) = (Duration::from_secs(30), Duration::from_hours(24));
/// By when it is asked anew for what an earlier process has kept.
const SOON: Duration = Duration::from_mins(1);
/// The longest wait when there is nothing to staple.
const LONGEST_WITHOUT: Duration = Duration::from_mins(5);
/// The wait after the first failure; it doubles with each that follows.
const RETRY: Duration = Duration::from_secs(1);
/// How many times it doubles: to about an hour.
const DOUBLINGS: u32 = 12;
/// The largest file that an answer is read back from, in bytes.
const LARGEST_KEPT: u64 = 64 * 1024;

/// The OCSP answers of one certificate.
pub struct Staple {
    name: String,
    config: model::Ocsp,
    responder: HttpUrl,
    subject: Subject,
    current: ArcSwapOption<Answer>,
    task: OnceLock<AbortHandle>,
}

/// An answer that was verified.
pub struct Answer {
    bytes: Vec<u8>,
    good: Good,
}

impl Answer {
    /// What is stapled, unless it has gone out of date.
    pub fn bytes(&self) -> Option<&[u8]> {
        (SystemTime::now() < self.good.until).then_some(&*self.bytes)
    }
}

impl Staple {
    /// For `leaf`, the certificate `config`.
    ///
    /// # Errors
    /// There is nobody to ask, or nobody to believe.
    pub fn new(
        config: &model::Certificate,
        ocsp: &model::Ocsp,
        leaf: &X509,
        intermediates: &[X509],
    ) -> Result<Self, String> {
        let chain = config.chain.display();
        let issuer = match (&ocsp.issuer, intermediates.first()) {
            (Some(path), _) => {
                let place = path.display();
                let pem = file::read(path, LARGEST_PEM).map_err(|e| format!("{place}: {e}"))?;
                X509::from_pem(&pem).map_err(|_| format!("{place}: not a certificate in PEM"))?
            }
            (None, Some(issuer)) => issuer.clone(),
            (None, None) => {
                return Err(format!("{chain}: name who signed it in `ocsp.issuer`"));
            }
        };
        let responder = match &ocsp.responder {
            Some(responder) => responder.clone(),
            None => responder_of(leaf)
                .ok_or_else(|| format!("{chain}: names no responder; say `ocsp.responder`"))?,
        };
        let subject = Subject::new(leaf, &issuer).map_err(|error| format!("{chain}: {error}"))?;
        Ok(Self {
            name: config.name.to_string(),
            config: ocsp.clone(),
            responder,
            subject,
            current: ArcSwapOption::empty(),
            task: OnceLock::new(),
        })
    }

    /// Whether another is for the same certificate and asks the same responder.
    pub fn is_same(&self, other: &Self) -> bool {
        self.config == other.config && self.subject == other.subject
    }

    /// The answer of this moment.
    pub fn current(&self) -> Option<Arc<Answer>> {
        self.current.load_full()
    }

    /// When the answer of this moment ends, in Unix seconds; 0 without one.
    pub fn expiry(&self) -> i64 {
        let until = self.current().map(|answer| answer.good.until);
        let since = until.and_then(|until| until.duration_since(SystemTime::UNIX_EPOCH).ok());
        since.and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(0)
    }

    /// Goes on asking, on the current runtime, for as long as it lives.
    pub fn keep_fresh(self: &Arc<Self>, resolver: &Arc<Resolver>, observer: &Arc<Observer>) {
        self.task.get_or_init(|| {
            let refreshing =
                refresh(Arc::downgrade(self), Arc::clone(resolver), Arc::clone(observer));
            tokio::spawn(refreshing).abort_handle()
        });
    }

    /// Whether it is being kept fresh.
    pub fn is_kept_fresh(&self) -> bool {
        self.task.get().is_some()
    }

    async fn ask(&self, resolver: &Resolver) -> Result<(), Fault> {
        let question = self.subject.question();
        let question = question.map_err(|_| Fault::Invalid("no question can be made"))?;
        let bytes = fetch::fetch(&self.responder, resolver, &question).await?;
        self.take(bytes)
    }

    /// Uses an answer, if it is to be believed.
    fn take(&self, bytes: Vec<u8>) -> Result<(), Fault> {
        let good = self.subject.believe(&bytes, SystemTime::now())?;
        let former = self.current();
        if former.is_some_and(|former| former.good.from > good.from) {
            return Err(Fault::Invalid("the answer is older than the one before"));
        }
        self.current.store(Some(Arc::new(Answer { bytes, good })));
        Ok(())
    }

    /// Reads back what was kept of an earlier process. It is asked for again when it is not to be believed any more.
    pub fn recall(&self) {
        let Some(path) = self.kept_in() else { return };
        if let Ok(bytes) = file::read(&path, LARGEST_KEPT)
            && let Err(fault) = self.take(bytes)
        {
            let (certificate, path) = (&*self.name, path.display());
            tracing::info!(certificate, %path, why = %fault, "a kept OCSP answer is not used");
        }
    }

    fn keep(&self) {
        let (Some(path), Some(answer)) = (self.kept_in(), self.current()) else { return };
        let draft = path.with_extension("draft");
        let written =
            std::fs::write(&draft, &answer.bytes).and_then(|()| std::fs::rename(&draft, &path));
        if let Err(error) = written {
            let (certificate, path) = (&*self.name, path.display());
            tracing::warn!(certificate, %path, %error, "cannot keep an OCSP answer");
        }
    }

    /// Removes what was kept, lest the next process staple it.
    fn forget_kept(&self) {
        let Some(path) = self.kept_in() else { return };
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            let (certificate, path) = (&*self.name, path.display());
            tracing::error!(certificate, %path, %error, "an OCSP answer that is void cannot be removed");
        }
    }

    fn kept_in(&self) -> Option<PathBuf> {
        Some(self.config.cache.as_ref()?.join(format!("{}.ocsp", self.name)))
    }

    /// Asks once, and tells what came of it.
    async fn renew(&self, resolver: &Resolver, observer: &Observer) -> Result<(), Fault> {
        let certificate = &*self.name;
        let asked = self.ask(resolver).await;
        let outcome = match &asked {
            Ok(()) => {
                self.keep();
                "good"
            }
            Err(fault) => {
                if fault.voids_former() {
                    self.current.store(None);
                    self.forget_kept();
                    tracing::error!(certificate, "{fault}: nothing is stapled");
                } else {
                    let responder = &self.responder;
                    tracing::warn!(certificate, %responder, why = %fault, "no OCSP answer");
                }
                fault.outcome()
            }
        };
        observer.metrics.ocsp_refreshed(certificate, outcome, self.expiry());
        asked
    }

    /// How long the answer of this moment lets us wait.
    fn pause(&self) -> Duration {
        let answer = self.current();
        let left =
            answer.and_then(|answer| answer.good.until.duration_since(SystemTime::now()).ok());
        left.map_or(Duration::ZERO, |left| next_in(left, fastrand::f64()))
    }
}

impl Drop for Staple {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

async fn refresh(staple: Weak<Staple>, resolver: Arc<Resolver>, observer: Arc<Observer>) {
    let Some(mut pause) = staple.upgrade().map(|staple| staple.pause()) else { return };
    // What was read back may be void by now.
    pause = pause.min(SOON.mul_f64(fastrand::f64()));
    let mut failures = 0_u32;
    loop {
        sleep(pause).await;
        let Some(staple) = staple.upgrade() else { return };
        if staple.renew(&resolver, &observer).await.is_ok() {
            failures = 0;
            pause = staple.pause();
        } else {
            failures = failures.saturating_add(1);
            let most = staple.current().map_or(LONGEST_WITHOUT, |_| staple.pause());
            pause = retry_in(failures, fastrand::f64()).min(most);
        }
    }
}

/// Half of what is left, give or take a tenth of it, so that a fleet does not ask all at once.
fn next_in(left: Duration, random: f64) -> Duration {
    let least = PAUSES.0.min(left.mul_f64(0.45)).max(RETRY);
    left.mul_f64(0.45 + 0.1 * random).clamp(least, PAUSES.1)
}

/// Twice as long after each failure, give or take a tenth.
fn retry_in(failures: u32, random: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(DOUBLINGS);
    RETRY.saturating_mul(1 << doublings).mul_f64(0.9 + 0.2 * random)
}

/// The first responder that a certificate names and that can be asked.
fn responder_of(leaf: &X509) -> Option<HttpUrl> {
    let named = leaf.ocsp_responders().ok()?;
    named.iter().find_map(|url| url.parse().ok())
}
