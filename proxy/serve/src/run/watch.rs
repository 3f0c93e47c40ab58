//! Learning that a file of the configuration has changed.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// The files are looked at this often even when the kernel reports nothing: it does not for network
/// file systems, nor when it is out of watches.
const LOOK: Duration = Duration::from_secs(2);
/// Whoever writes a file is given this long to write on.
const SETTLE: Duration = Duration::from_millis(100);
/// A file that never comes to rest is read after so many pauses all the same.
const MOST_PAUSES: u32 = 20;

/// What tells two states of a file apart, without reading it; `None`: it cannot be looked at.
type Stamp = Option<u64>;

/// The files of the configuration, watched. Files are told apart by their stamps: a report of the
/// kernel is no more than a reason to look.
pub(super) struct Watch {
    watcher: Option<RecommendedWatcher>,
    reports: mpsc::Receiver<()>,
    /// Held so that waiting for reports waits also when nobody makes any.
    report: mpsc::Sender<()>,
    folders: BTreeSet<PathBuf>,
    seen: HashMap<PathBuf, Stamp>,
}

impl Watch {
    /// Watches nothing yet.
    pub(super) fn new() -> Self {
        let mut watch = Self::without_reports();
        let report = watch.report.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // Looking at a folder is reported, too: to look again for that would never end.
            if !event.is_ok_and(|event| is_reading(event.kind)) {
                // One report that waits to be read is as good as many.
                let _ = report.try_send(());
            }
        });
        match watcher {
            Ok(watcher) => watch.watcher = Some(watcher),
            Err(error) => tracing::warn!(%error, "changed files are found every {LOOK:?} only"),
        }
        watch
    }

    /// Looks at the files now and then.
    fn without_reports() -> Self {
        let (report, reports) = mpsc::channel(1);
        let (folders, seen) = (BTreeSet::new(), HashMap::new());
        Self { watcher: None, reports, report, folders, seen }
    }

    /// Takes the files as they are now for known; to be called before they are read.
    pub(super) fn look(&mut self) {
        for (path, stamp) in &mut self.seen {
            *stamp = stamp_of(path);
        }
    }

    /// Watches these files and no others.
    pub(super) fn follow(&mut self, files: Vec<PathBuf>) {
        let mut before = std::mem::take(&mut self.seen);
        for file in files {
            let stamp = before.remove(&file).unwrap_or_else(|| stamp_of(&file));
            self.seen.insert(file, stamp);
        }
        let folders: BTreeSet<PathBuf> =
            self.seen.keys().flat_map(|path| folders_of(path)).collect();
        let Some(watcher) = &mut self.watcher else { return };
        for folder in self.folders.difference(&folders) {
            let _ = watcher.unwatch(folder);
        }
        for folder in folders.difference(&self.folders) {
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                let folder = folder.display();
                tracing::debug!(%folder, %error, "looked at every {LOOK:?} only");
            }
        }
        self.folders = folders;
    }

    /// Resolves when some file is not what it was when it was last looked at. To be dropped at any
    /// time without loss.
    pub(super) async fn changed(&mut self) {
        let mut is_reported = false;
        loop {
            if let Some(mut now) = self.difference() {
                for _ in 0..MOST_PAUSES {
                    sleep(SETTLE).await;
                    let before = std::mem::replace(&mut now, self.stamps());
                    if before == now {
                        break;
                    }
                }
                return;
            }
            // Something else in the folder is being written, perhaps often.
            if is_reported {
                sleep(SETTLE).await;
            }
            is_reported = timeout(LOOK, self.reports.recv()).await.is_ok();
        }
    }

    fn difference(&self) -> Option<HashMap<PathBuf, Stamp>> {
        let now = self.stamps();
        (now != self.seen).then_some(now)
    }

    fn stamps(&self) -> HashMap<PathBuf, Stamp> {
        self.seen.keys().map(|path| (path.clone(), stamp_of(path))).collect()
    }
}

/// Whether nothing is changed by what was reported.
const fn is_reading(kind: EventKind) -> bool {
    let EventKind::Access(access) = kind else { return false };
    !matches!(access, AccessKind::Close(AccessMode::Write))
}

fn stamp_of(path: &Path) -> Stamp {
    let facts = std::fs::metadata(path).ok()?;
    let mut hasher = DefaultHasher::new();
    if facts.is_dir() {
        // Of a folder, only which files are read from it counts.
        marchproxy_conf::files(path).ok()?.hash(&mut hasher);
    } else {
        let written = (facts.mtime(), facts.mtime_nsec());
        (facts.dev(), facts.ino(), facts.size(), written).hash(&mut hasher);
    }
    Some(hasher.finish())
}

/// A file is replaced by renaming or by turning a link to it, so the folders are watched: that of
/// the name and that of what it leads to. A folder is itself what changes when files come and go.
fn folders_of(path: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if path.is_dir() {
        folders.push(path.to_owned());
    }
    let parent = |path: &Path| match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Some(PathBuf::from(".")),
        parent => parent.map(Path::to_owned),
    };
    folders.extend(parent(path));
    folders.extend(path.canonicalize().ok().as_deref().and_then(parent));
    folders
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir()
                .join(format!("marchproxy-watch-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    async fn is_told(watch: &mut Watch) -> bool {
        timeout(Duration::from_secs(5), watch.changed()).await.is_ok()
    }

    #[tokio::test]
    async fn every_way_of_replacing_a_file_is_noticed() {
        let folder = Folder::new("ways");
        let (file, link, first, second) = (
            folder.0.join("conf.yaml"),
            folder.0.join("link"),
            folder.0.join("first"),
            folder.0.join("second"),
        );
        fs::write(&file, "1").unwrap();
        fs::write(&first, "1").unwrap();
        fs::write(&second, "22").unwrap();
        std::os::unix::fs::symlink(&first, &link).unwrap();
        let mut watch = Watch::new();
        watch.follow(vec![file.clone(), link.clone()]);
        let turn = || {
            let other = folder.0.join("other-link");
            std::os::unix::fs::symlink(&second, &other).unwrap();
            fs::rename(&other, &link).unwrap();
        };
        let rename = || {
            fs::write(folder.0.join("new"), "333").unwrap();
            fs::rename(folder.0.join("new"), &file).unwrap();
        };
        let ways: [(&str, &dyn Fn()); 5] = [
            ("written in place", &|| fs::write(&file, "22").unwrap()),
            ("renamed over", &rename),
            ("removed", &|| fs::remove_file(&file).unwrap()),
            ("made anew", &|| fs::write(&file, "4444").unwrap()),
            ("a turned link", &turn),
        ];
        for (name, way) in ways {
            way();
            assert!(is_told(&mut watch).await, "{name}");
            watch.look();
            let quiet = timeout(Duration::from_millis(100), watch.changed()).await.is_err();
            assert!(quiet, "{name}: told twice");
        }
    }

    #[tokio::test]
    async fn without_reports_of_the_kernel_files_are_looked_at_now_and_then() {
        let folder = Folder::new("quiet");
        let file = folder.0.join("conf.yaml");
        fs::write(&file, "1").unwrap();
        let mut watch = Watch::without_reports();
        watch.follow(vec![file.clone()]);
        // Times out only if it waits: a loop that does not would never let the timer have its turn.
        let waits = timeout(Duration::from_millis(50), watch.changed()).await.is_err();
        assert!(waits);
        fs::write(&file, "22").unwrap();
        assert!(is_told(&mut watch).await);
    }

    #[tokio::test]
    async fn other_files_of_the_folder_are_nobodys_concern() {
        let folder = Folder::new("other");
        let file = folder.0.join("conf.yaml");
        fs::write(&file, "1").unwrap();
        let mut watch = Watch::new();
        watch.follow(vec![file]);
        fs::write(folder.0.join("other"), "1").unwrap();
        assert!(timeout(Duration::from_millis(200), watch.changed()).await.is_err());
    }

    #[tokio::test]
    async fn looking_is_no_reason_to_look_again() {
        let folder = Folder::new("looking");
        // Deeper, as in the folder around it others may make files.
        let watched = folder.0.join("conf");
        fs::create_dir(&watched).unwrap();
        fs::write(watched.join("conf.yaml"), "1").unwrap();
        let mut watch = Watch::new();
        watch.follow(vec![watched.clone()]);
        for _ in 0..10 {
            watch.look();
        }
        assert!(timeout(Duration::from_millis(200), watch.reports.recv()).await.is_err());
        fs::write(watched.join("other.yaml"), "1").unwrap();
        assert!(timeout(Duration::from_secs(5), watch.reports.recv()).await.is_ok());
    }

    #[tokio::test]
    async fn a_change_between_reading_and_following_is_not_lost() {
        let folder = Folder::new("between");
        let file = folder.0.join("conf.yaml");
        fs::write(&file, "1").unwrap();
        let mut watch = Watch::new();
        watch.follow(vec![file.clone()]);
        watch.look();
        fs::write(&file, "22").unwrap();
        watch.follow(vec![file]);
        assert!(is_told(&mut watch).await);
    }
}
