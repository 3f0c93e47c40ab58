//! Compressing a body.

use std::io::{self, Write};

use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use marchproxy_conf::model::{Coding, Level};
use zstd::stream::raw::CParameter;
use zstd::stream::write::Encoder as ZstdEncoder;

use super::change::{Broken, Change, Due};
use super::tally::Tally;

/// What is worth sending on its own.
const ENOUGH: usize = 4 << 10;
/// The window of zstd and brotli, as a power of two: 256 KiB. More memory for each stream buys
/// little on what web servers send.
const WINDOW: u8 = 18;
/// Pieces in which brotli takes what it is given.
const BROTLI_PIECE: usize = 4 << 10;
/// The longest body that brotli is told of.
const BROTLI_HINT: u64 = 1 << 19;

enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    /// Ends when it is taken apart.
    Brotli(Option<Box<CompressorWriter<Vec<u8>>>>),
    Zstd(ZstdEncoder<'static, Vec<u8>>),
}

/// A body that is compressed. The encoders hold back what they would compress better with what
/// follows, a window at most, until they are flushed.
pub(super) struct Encoding {
    /// `None`: it could not be made.
    encoder: Option<Encoder>,
    tally: Tally,
    has_failed: bool,
    is_unflushed: bool,
    is_over: bool,
}

impl Encoding {
    /// `length` is what is known of the body's length.
    pub(super) fn new(coding: Coding, level: Level, length: Option<u64>, tally: Tally) -> Self {
        let encoder = match coding {
            Coding::Gzip => Ok(Encoder::Gzip(gzip(level))),
            Coding::Brotli => Ok(Encoder::Brotli(Some(Box::new(brotli(level, length))))),
            Coding::Zstd => zstd(level, length).map(Encoder::Zstd),
        };
        let encoder = encoder.ok();
        let has_failed = encoder.is_none();
        Self { encoder, tally, has_failed, is_unflushed: false, is_over: false }
    }
}

fn gzip(level: Level) -> GzEncoder<Vec<u8>> {
    let level = match level {
        Level::Fast => 1,
        Level::Balanced => 6,
        Level::Small => 9,
    };
    GzEncoder::new(Vec::new(), Compression::new(level))
}

fn brotli(level: Level, length: Option<u64>) -> CompressorWriter<Vec<u8>> {
    let quality = match level {
        Level::Fast => 1,
        Level::Balanced => 4,
        Level::Small => 6,
    };
    // Told of more, it takes far larger tables.
    let hint = length.map_or(0, |length| length.min(BROTLI_HINT));
    let params = BrotliEncoderParams {
        quality,
        lgwin: WINDOW.into(),
        size_hint: usize::try_from(hint).unwrap_or(0),
        ..BrotliEncoderParams::default()
    };
    CompressorWriter::with_params(Vec::new(), BROTLI_PIECE, &params)
}

fn zstd(level: Level, length: Option<u64>) -> io::Result<ZstdEncoder<'static, Vec<u8>>> {
    let level = match level {
        Level::Fast => 1,
        Level::Balanced => 3,
        Level::Small => 9,
    };
    let mut encoder = ZstdEncoder::new(Vec::new(), level)?;
    encoder.set_parameter(CParameter::WindowLog(WINDOW.into()))?;
    // A short body needs small tables only.
    encoder.set_pledged_src_size(length)?;
    Ok(encoder)
}

impl Encoder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(bytes),
            Self::Brotli(Some(encoder)) => encoder.write_all(bytes),
            Self::Brotli(None) => Err(io::ErrorKind::WriteZero.into()),
            Self::Zstd(encoder) => encoder.write_all(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.flush(),
            Self::Brotli(Some(encoder)) => encoder.flush(),
            Self::Brotli(None) => Ok(()),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }

    /// Ends, and gives what is left.
    fn finish(&mut self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => {
                encoder.try_finish()?;
                Ok(std::mem::take(encoder.get_mut()))
            }
            Self::Brotli(encoder) => {
                Ok(encoder.take().map(|encoder| encoder.into_inner()).unwrap_or_default())
            }
            Self::Zstd(encoder) => {
                encoder.do_finish()?;
                Ok(std::mem::take(encoder.get_mut()))
            }
        }
    }

    fn made(&mut self) -> Option<&mut Vec<u8>> {
        match self {
            Self::Gzip(encoder) => Some(encoder.get_mut()),
            Self::Brotli(encoder) => encoder.as_mut().map(|encoder| encoder.get_mut()),
            Self::Zstd(encoder) => Some(encoder.get_mut()),
        }
    }
}

impl Change for Encoding {
    fn push(&mut self, bytes: Bytes) {
        self.tally.takes(bytes.len());
        self.is_unflushed = true;
        let written = self.encoder.as_mut().map(|encoder| encoder.write(&bytes));
        self.has_failed |= !matches!(written, Some(Ok(())));
    }

    fn pull(&mut self, due: Due) -> Result<Option<Bytes>, Broken> {
        let encoder = self.encoder.as_mut().filter(|_| !self.has_failed).ok_or(Broken::Internal)?;
        let made = match due {
            _ if self.is_over => return Ok(None),
            Due::All => {
                self.is_over = true;
                encoder.finish()
            }
            Due::Flushed if self.is_unflushed => {
                self.is_unflushed = false;
                encoder.flush().map(|()| encoder.made().map(std::mem::take).unwrap_or_default())
            }
            Due::Flushed | Due::Enough => {
                let least = if due == Due::Enough { ENOUGH } else { 1 };
                let made = encoder.made().filter(|made| made.len() >= least);
                Ok(made.map(std::mem::take).unwrap_or_default())
            }
        };
        let made = made.map_err(|_| Broken::Internal)?;
        self.tally.gives(made.len());
        Ok((!made.is_empty()).then(|| made.into()))
    }
}
