//! Decompressing a body, within bounds.

use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use bytes::{Buf, Bytes};
use flate2::{Decompress, FlushDecompress, Status};
use marchproxy_conf::model::{Coding, Decompress as Bounds};
use zstd::stream::raw::{DParameter, Decoder as ZstdDecoder, Operation};

use super::change::{Broken, Change, Due};
use super::tally::Tally;

/// Pieces in which it comes out.
const PIECE: usize = 16 << 10;
/// What a body may become whatever its ratio.
const UNSUSPECTED: u64 = 1 << 20;
/// The largest window of zstd, as a power of two: 8 MiB, which is all that senders of HTTP may use
/// (RFC 9659). Brotli's is 16 MiB by its format, gzip's 32 KiB.
const ZSTD_WINDOW: u32 = 23;
/// The window of gzip, as a power of two.
const GZIP_WINDOW: u8 = 15;

type Brotli = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

enum Decoder {
    Gzip(Decompress),
    Brotli(Box<Brotli>),
    Zstd(ZstdDecoder<'static>),
}

/// What one step did.
struct Step {
    taken: usize,
    given: usize,
    /// What was begun has ended: nothing has to follow, but may.
    is_whole: bool,
}

/// A body that is decompressed.
pub(super) struct Decoding {
    /// `None`: it could not be made.
    decoder: Option<Decoder>,
    input: Bytes,
    limit: u64,
    ratio: u64,
    tally: Tally,
    /// The last step filled its piece: there may be more without more input.
    is_full: bool,
    /// Nothing is begun that would have to end.
    is_whole: bool,
}

impl Decoding {
    pub(super) fn new(coding: Coding, bounds: &Bounds, tally: Tally) -> Self {
        let decoder = match coding {
            Coding::Gzip => Some(Decoder::Gzip(Decompress::new_gzip(GZIP_WINDOW))),
            Coding::Brotli => Some(Decoder::Brotli(Box::new(brotli()))),
            Coding::Zstd => zstd().map(Decoder::Zstd),
        };
        Self {
            decoder,
            input: Bytes::new(),
            limit: bounds.limit.bytes(),
            ratio: bounds.ratio.into(),
            tally,
            is_full: false,
            // Some say of nothing that it is coded.
            is_whole: true,
        }
    }

    fn check(&self) -> Result<(), Broken> {
        let given = self.tally.given;
        let fair = self.tally.taken.saturating_mul(self.ratio).max(UNSUSPECTED);
        if given > self.limit.min(fair) { Err(Broken::TooLong) } else { Ok(()) }
    }
}

/// Without the large windows that only private formats have.
fn brotli() -> Brotli {
    let (one, two, three) =
        (StandardAlloc::default(), StandardAlloc::default(), StandardAlloc::default());
    BrotliState::new_strict(one, two, three)
}

fn zstd() -> Option<ZstdDecoder<'static>> {
    let mut decoder = ZstdDecoder::new().ok()?;
    decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW)).ok()?;
    Some(decoder)
}

impl Decoder {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Broken> {
        match self {
            Self::Gzip(decoder) => gzip_step(decoder, input, output),
            Self::Brotli(decoder) => brotli_step(decoder, input, output),
            Self::Zstd(decoder) => {
                let status = decoder.run_on_buffers(input, output);
                let status = status.map_err(|_| Broken::Malformed)?;
                let (taken, given) = (status.bytes_read, status.bytes_written);
                Ok(Step { taken, given, is_whole: status.remaining == 0 })
            }
        }
    }
}

fn gzip_step(decoder: &mut Decompress, input: &[u8], output: &mut [u8]) -> Result<Step, Broken> {
    let (before, after) = (decoder.total_in(), decoder.total_out());
    let status = decoder.decompress(input, output, FlushDecompress::None);
    let is_whole = status.map_err(|_| Broken::Malformed)? == Status::StreamEnd;
    let since = |now: u64, then: u64| usize::try_from(now.saturating_sub(then)).unwrap_or(0);
    let step = Step {
        taken: since(decoder.total_in(), before),
        given: since(decoder.total_out(), after),
        is_whole,
    };
    if is_whole {
        // Another member may follow (RFC 1952, section 2.2).
        *decoder = Decompress::new_gzip(GZIP_WINDOW);
    }
    Ok(step)
}

fn brotli_step(decoder: &mut Brotli, input: &[u8], output: &mut [u8]) -> Result<Step, Broken> {
    let (mut left, mut taken) = (input.len(), 0);
    let (mut room, mut given, mut total) = (output.len(), 0, 0);
    let result = BrotliDecompressStream(
        &mut left, &mut taken, input, &mut room, &mut given, output, &mut total, decoder,
    );
    match result {
        BrotliResult::ResultFailure => Err(Broken::Malformed),
        // Nothing may follow.
        BrotliResult::ResultSuccess if left > 0 => Err(Broken::Malformed),
        BrotliResult::ResultSuccess => Ok(Step { taken, given, is_whole: true }),
        BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {
            Ok(Step { taken, given, is_whole: false })
        }
    }
}

impl Change for Decoding {
    fn push(&mut self, bytes: Bytes) {
        self.tally.takes(bytes.len());
        self.input = bytes;
    }

    fn pull(&mut self, due: Due) -> Result<Option<Bytes>, Broken> {
        let decoder = self.decoder.as_mut().ok_or(Broken::Internal)?;
        while !self.input.is_empty() || self.is_full {
            let mut output = vec![0; PIECE];
            let step = decoder.step(&self.input, &mut output)?;
            self.is_full = step.given == output.len();
            // A step without any input says nothing of what was whole before.
            if step.taken > 0 || step.given > 0 {
                self.is_whole = step.is_whole;
            } else if !self.input.is_empty() {
                return Err(Broken::Malformed);
            }
            self.input.advance(step.taken.min(self.input.len()));
            if step.given > 0 {
                output.truncate(step.given);
                self.tally.gives(step.given);
                self.check()?;
                return Ok(Some(output.into()));
            }
        }
        if due == Due::All && !self.is_whole { Err(Broken::Malformed) } else { Ok(None) }
    }
}
