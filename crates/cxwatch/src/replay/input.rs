//! Files as bytes: plain, gzip or zstd by their first bytes, `-` for standard input.

use anyhow::{Context, Result, bail};
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

/// The name that stands for standard input.
pub(crate) const STDIN: &str = "-";

/// Bytes of an input after unpacking.
pub(crate) type Input = Box<dyn Read>;

/// How many bytes of files, as they lie on the disk, have been read.
#[derive(Debug, Clone, Default)]
pub(crate) struct BytesRead(Rc<Cell<u64>>);

impl BytesRead {
    pub(crate) fn get(&self) -> u64 {
        self.0.get()
    }
}

struct Counted<R> {
    from: R,
    bytes: BytesRead,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.bytes.0.set(self.bytes.0.get() + read as u64);
        Ok(read)
    }
}

/// Unpacked bytes; where they end too early, what to do is said.
struct Unpacked<R>(R);

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::new(
                error.kind(),
                "the compressed file is cut off here; copy it again, or unpack what there is of it \
                 (`gzip -dc` or `zstd -dc`, up to the last whole line) and replay that",
            ),
            // The device's own errors have a number.
            kind if error.raw_os_error().is_none() => {
                io::Error::new(kind, format!("the compressed file is damaged, copy it again ({error})"))
            }
            _ => error,
        })
    }
}

const CHUNK_BYTES: usize = 256 * 1024;

/// Opens a file, or standard input.
///
/// # Errors
/// It cannot be read, or is packed in a way that is not unpacked here.
pub(crate) fn open(path: &Path, bytes: &BytesRead) -> Result<Input> {
    let name = path.display();
    let raw: Box<dyn Read> = if path.as_os_str() == STDIN {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
        if file.metadata().with_context(|| format!("cannot read {name}"))?.is_dir() {
            bail!("{name} is a directory; name the files in it");
        }
        Box::new(file)
    };
    let mut raw = BufReader::with_capacity(CHUNK_BYTES, Counted { from: raw, bytes: bytes.clone() });
    let start = raw.fill_buf().with_context(|| format!("cannot read {name}"))?;
    Ok(match start {
        [0x1f, 0x8b, ..] => Box::new(Unpacked(flate2::bufread::MultiGzDecoder::new(raw))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(Unpacked(
            zstd::stream::read::Decoder::with_buffer(raw)
                .with_context(|| format!("cannot read {name} as zstd"))?,
        )),
        [b'P', b'K', 3, 4, ..] => {
            bail!("{name} is a zip archive; unpack it first (or pipe it: unzip -p {name})")
        }
        [0xfd, b'7', b'z', b'X', b'Z', ..] => bail!("{name} is packed with xz; pipe it: xz -dc {name} | ..."),
        [b'B', b'Z', b'h', ..] => bail!("{name} is packed with bzip2; pipe it: bzip2 -dc {name} | ..."),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => bail!("{name} is UTF-16; convert it to UTF-8 first"),
        _ => Box::new(raw),
    })
}

/// The sizes of the files together, if all are files.
pub(crate) fn total_bytes<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Option<u64> {
    paths.into_iter().try_fold(0, |sum, path| {
        let size = std::fs::metadata(path).ok().filter(|m| m.is_file())?.len();
        Some(sum + size)
    })
}
