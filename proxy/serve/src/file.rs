//! Reading the files that a configuration names. A pipe or a device in the place of one must not
//! hold up a reload, and a huge one must not cost its size in memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// A certificate, a key, or a list of authorities, in bytes.
pub const LARGEST_PEM: u64 = 1 << 20;
/// Certificate revocation lists, in bytes: some half a million entries.
pub const LARGEST_CRL: u64 = 1 << 24;
/// An error page, in bytes. The limit of its own is smaller; this is only what is read for telling.
pub const LARGEST_PAGE: u64 = 1 << 21;

/// Reads a regular file of at most `most` bytes.
///
/// # Errors
/// It cannot be read, is no regular file, or is larger.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // Asked before it is opened: opening a pipe waits for its writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    let count = File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(count).is_ok_and(|count| count > most) {
        return Err(io::Error::other(format!("it is larger than {most} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_regular_files_within_their_bound_are_read() {
        let folder = std::env::temp_dir().join(format!("marchproxy-file-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("file");
        std::fs::write(&file, "four").unwrap();
        let socket = folder.join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        assert_eq!(read(&file, 4).unwrap(), b"four");
        let told = |path: &Path, most| read(path, most).unwrap_err().to_string();
        assert_eq!(told(&file, 3), "it is larger than 3 bytes");
        assert_eq!(told(&folder, 4), "it is not a regular file");
        assert_eq!(told(&socket, 4), "it is not a regular file");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
