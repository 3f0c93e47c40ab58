//! Where the lines go.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// Where the lines go.
pub struct Target {
    writer: Box<dyn Write + Send>,
    /// The last write left a line unfinished.
    torn: bool,
}

impl Target {
    /// A file to append to, created for the owner to write and the group to read; `None` is
    /// standard output. An error says which file and why.
    pub fn open(file: Option<&PathBuf>) -> Result<Self, String> {
        let Some(path) = file else { return Ok(Self::from_writer(Box::new(io::stdout()))) };
        let opened = OpenOptions::new().append(true).create(true).mode(0o640).open(path);
        match opened {
            Ok(file) => Ok(Self::from_writer(Box::new(file))),
            Err(error) => Err(format!("cannot open the access log {}: {error}", path.display())),
        }
    }

    /// Anything that can be written to.
    pub fn from_writer(writer: Box<dyn Write + Send>) -> Self {
        Self { writer, torn: false }
    }

    /// Writes whole lines. An error comes with the number of lines that were not written in full.
    pub fn write(&mut self, lines: &[u8]) -> Result<(), (u64, io::Error)> {
        if self.torn {
            self.write_all(b"\n").map_err(|(_, error)| (count(lines), error))?;
        }
        let result = self.write_all(lines);
        let result = result.and_then(|()| self.writer.flush().map_err(|error| (&[][..], error)));
        result.map_err(|(rest, error)| {
            let at_a_border = rest.len() == lines.len() || written_ends_a_line(lines, rest);
            self.torn = !rest.is_empty() && !at_a_border;
            (count(rest), error)
        })
    }

    /// An error comes with what was not written.
    fn write_all<'a>(&mut self, bytes: &'a [u8]) -> Result<(), (&'a [u8], io::Error)> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.writer.write(rest) {
                Ok(0) => return Err((rest, io::ErrorKind::WriteZero.into())),
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err((rest, error)),
            }
        }
        self.torn = false;
        Ok(())
    }
}

fn written_ends_a_line(lines: &[u8], rest: &[u8]) -> bool {
    let written = lines.len().saturating_sub(rest.len());
    lines.get(..written).is_some_and(|written| written.ends_with(b"\n"))
}

fn count(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}
