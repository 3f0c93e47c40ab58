use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};

use super::*;

fn counters() -> Counters {
    Counters {
        dropped_lines: IntCounter::new("dropped", "dropped").unwrap(),
        write_errors: IntCounter::new("errors", "errors").unwrap(),
    }
}

/// A folder of its own for a test.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("marchproxy-log-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn to_file(path: &Path) -> model::AccessLog {
    model::AccessLog { format: AccessLogFormat::Json, file: Some(path.to_path_buf()) }
}

fn append(log: &AccessLog, worker: usize, text: &str) {
    log.append(worker, |line| {
        line.extend_from_slice(text.as_bytes());
        line.push(b'\n');
    });
}

/// Appends this line again and again until the file has some; each time only once the line before
/// has left the buffer.
fn append_until_written(log: &AccessLog, text: &str, path: &Path) {
    while fs::metadata(path).unwrap().len() == 0 {
        if lock(&log.shared.buffers[0]).is_empty() {
            append(log, 0, text);
        }
        thread::yield_now();
    }
}

/// Tells when a write begins, then waits until it is let through; once nobody lets writes through
/// any more, all pass. What it got can be read from `received`.
struct Gate {
    began: Sender<()>,
    pass: Receiver<()>,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.began.send(());
        let _ = self.pass.recv();
        lock(&self.received).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Plays a list of results, then takes everything.
struct Script {
    results: Vec<io::Result<usize>>,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = if self.results.is_empty() { bytes.len() } else { self.results.remove(0)? };
        lock(&self.received).extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn no_line_of_any_worker_is_lost_and_each_is_whole() {
    let path = folder("whole").join("access.log");
    let log = AccessLog::new(4, &to_file(&path), counters()).unwrap();
    thread::scope(|scope| {
        for worker in 0..4 {
            let log = &log;
            scope.spawn(move || {
                for number in 0..2_000 {
                    append(log, worker, &format!("{worker} {number}"));
                }
            });
        }
    });
    log.close();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(log.shared.counters.dropped_lines.get(), 0);
    for worker in 0..4 {
        let prefix = format!("{worker} ");
        let numbers: Vec<usize> = text
            .lines()
            .filter_map(|line| line.strip_prefix(&prefix))
            .map(|number| number.parse().unwrap())
            .collect();
        assert_eq!(numbers, (0..2_000).collect::<Vec<_>>(), "worker {worker}");
    }
    assert_eq!(text.lines().count(), 8_000);
}

#[test]
fn the_file_is_not_for_everybody_to_read() {
    let path = folder("mode").join("access.log");
    let _log = AccessLog::new(1, &to_file(&path), counters()).unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o137, 0, "{mode:o}");
}

#[test]
fn a_file_that_is_there_is_appended_to() {
    let path = folder("append").join("access.log");
    fs::write(&path, "before\n").unwrap();
    let log = AccessLog::new(1, &to_file(&path), counters()).unwrap();
    append(&log, 0, "after");
    log.close();
    assert_eq!(fs::read_to_string(&path).unwrap(), "before\nafter\n");
}

#[test]
fn after_a_rename_and_reopen_lines_go_to_the_new_file_and_none_is_lost() {
    let folder = folder("rename");
    let (path, moved) = (folder.join("access.log"), folder.join("access.log.1"));
    let log = AccessLog::new(1, &to_file(&path), counters()).unwrap();
    append(&log, 0, "one");
    fs::rename(&path, &moved).unwrap();
    append(&log, 0, "two");
    log.reopen().unwrap();
    append_until_written(&log, "three", &path);
    log.close();
    assert_eq!(fs::read_to_string(&moved).unwrap().replace("three\n", ""), "one\ntwo\n");
    assert_eq!(fs::read_to_string(&path).unwrap().replace("three\n", ""), "");
    assert_eq!(log.shared.counters.dropped_lines.get(), 0);
}

#[test]
fn lines_from_before_a_change_of_file_go_to_the_old_one() {
    let folder = folder("change");
    let (old, new) = (folder.join("old.log"), folder.join("new.log"));
    let log = AccessLog::new(1, &to_file(&old), counters()).unwrap();
    append(&log, 0, "before");
    log.go_over(log.prepare(&to_file(&new)).unwrap().unwrap());
    append_until_written(&log, "after", &new);
    log.close();
    assert_eq!(fs::read_to_string(&old).unwrap().replace("after\n", ""), "before\n");
    assert_eq!(fs::read_to_string(&new).unwrap().replace("after\n", ""), "");
}

#[test]
fn a_file_that_cannot_be_opened_leaves_the_old_one_in_place() {
    let folder = folder("keep");
    let path = folder.join("access.log");
    let log = AccessLog::new(1, &to_file(&path), counters()).unwrap();
    let error = log.prepare(&to_file(&folder.join("none/access.log"))).err().unwrap();
    assert!(error.contains("none/access.log"), "{error}");
    append(&log, 0, "still here");
    log.close();
    assert_eq!(fs::read_to_string(&path).unwrap(), "still here\n");
}

#[test]
fn a_full_buffer_drops_lines_and_counts_them_and_the_request_does_not_wait() {
    let (began, beginnings) = mpsc::channel();
    let (pass, passing) = mpsc::channel();
    let received = Arc::new(Mutex::new(Vec::new()));
    let gate = Gate { began, pass: passing, received: Arc::clone(&received) };
    let target = Target::from_writer(Box::new(gate));
    let log = AccessLog::onto(target, None, 1, counters()).unwrap();
    append(&log, 0, "first");
    beginnings.recv().unwrap();
    let line = "x".repeat(1023);
    for _ in 0..1024 + 7 {
        append(&log, 0, &line);
    }
    assert_eq!(log.shared.counters.dropped_lines.get(), 7);
    drop(pass);
    log.close();
    let expected = "first\n".len() + FULL_AT;
    assert_eq!(lock(&received).len(), expected);
}

#[test]
fn a_failed_write_is_counted_with_its_lines_and_later_lines_begin_anew() {
    let received = Arc::new(Mutex::new(Vec::new()));
    let full = || io::Error::from(io::ErrorKind::StorageFull);
    let results = vec![Ok(6), Err(full())];
    let script = Script { results, received: Arc::clone(&received) };
    let mut target = Target::from_writer(Box::new(script));
    let (lines, error) = target.write(b"one\ntwo\nthree\n").unwrap_err();
    assert_eq!((lines, error.kind()), (2, io::ErrorKind::StorageFull));
    target.write(b"four\n").unwrap();
    assert_eq!(&*lock(&received), b"one\ntw\nfour\n");
}

#[test]
fn write_errors_end_neither_the_thread_nor_the_log() {
    let received = Arc::new(Mutex::new(Vec::new()));
    let results = vec![Err(io::Error::from(io::ErrorKind::StorageFull))];
    let script = Script { results, received: Arc::clone(&received) };
    let target = Target::from_writer(Box::new(script));
    let log = AccessLog::onto(target, None, 1, counters()).unwrap();
    append(&log, 0, "lost");
    while log.shared.counters.dropped_lines.get() == 0 {
        thread::yield_now();
    }
    append(&log, 0, "kept");
    log.close();
    assert_eq!(log.shared.counters.write_errors.get(), 1);
    assert_eq!(log.shared.counters.dropped_lines.get(), 1);
    assert_eq!(&*lock(&received), b"kept\n");
}
