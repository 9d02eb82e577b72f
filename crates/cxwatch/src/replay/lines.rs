//! Lines of a file, without copying them.

use cxwatch_event::decode::VALUE_BYTES_MAX;
use std::io::{self, Read};

/// A line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// Its bytes, without the line end and the blanks around.
    Text(&'a [u8]),
    /// It is longer than any event may be, and was passed over.
    TooLong,
}

/// Reads lines; empty ones are passed over.
pub(crate) struct Lines<R> {
    from: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    number: u64,
    ended: bool,
    last: std::ops::Range<usize>,
}

const CHUNK_BYTES: usize = 256 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What [`Lines::find`] found: a range of the buffer, or a line that was too long.
enum Found {
    Range(usize, usize),
    TooLong,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(from: R) -> Self {
        Lines { from, buffer: vec![0; CHUNK_BYTES], start: 0, end: 0, number: 0, ended: false, last: 0..0 }
    }

    /// The next line that is not empty, and its number from 1.
    pub(crate) fn next(&mut self) -> io::Result<Option<(u64, Line<'_>)>> {
        loop {
            let Some(found) = self.find()? else { return Ok(None) };
            self.number += 1;
            let (start, end) = match found {
                Found::TooLong => {
                    self.last = 0..0;
                    return Ok(Some((self.number, Line::TooLong)));
                }
                Found::Range(start, end) => (start, end),
            };
            let mark = self.number == 1 && self.buffer[start..end].starts_with(BYTE_ORDER_MARK);
            let start = if mark { start + BYTE_ORDER_MARK.len() } else { start };
            if !self.buffer[start..end].trim_ascii().is_empty() {
                self.last = start..end;
                return Ok(Some((self.number, Line::Text(self.last()))));
            }
        }
    }

    /// The line that was read last; empty if it was too long.
    pub(crate) fn last(&self) -> &[u8] {
        self.buffer[self.last.clone()].trim_ascii()
    }

    fn find(&mut self) -> io::Result<Option<Found>> {
        // Where the search for the line end goes on.
        let mut from = self.start;
        let mut too_long = false;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[from..self.end]) {
                let range = Found::Range(self.start, from + at);
                self.start = from + at + 1;
                return Ok(Some(if too_long { Found::TooLong } else { range }));
            }
            if self.ended {
                if self.start == self.end && !too_long {
                    return Ok(None);
                }
                let range = Found::Range(self.start, self.end);
                self.start = self.end;
                return Ok(Some(if too_long { Found::TooLong } else { range }));
            }
            if self.end - self.start > VALUE_BYTES_MAX {
                too_long = true;
                self.start = self.end;
            }
            from = self.refill()?;
        }
    }

    /// Reads on; where the new bytes begin.
    fn refill(&mut self) -> io::Result<usize> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let at = self.end;
        let read = loop {
            match self.from.read(&mut self.buffer[at..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.ended = read == 0;
        self.end += read;
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes in small pieces, so that lines cross them.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let take = self.1.min(buffer.len()).min(self.0.len());
            buffer[..take].copy_from_slice(&self.0[..take]);
            self.0 = &self.0[take..];
            Ok(take)
        }
    }

    fn lines(text: &[u8], piece: usize) -> Vec<(u64, Option<String>)> {
        let mut lines = Lines::new(Pieces(text, piece));
        let mut out = Vec::new();
        while let Some((number, line)) = lines.next().expect("memory") {
            out.push((
                number,
                match line {
                    Line::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
                    Line::TooLong => None,
                },
            ));
        }
        out
    }

    #[test]
    fn lines_keep_their_numbers_and_lose_their_ends() {
        let text = b"\xef\xbb\xbfone\r\n\n  two \n\r\nthree";
        let expected = vec![(1, Some("one".to_string())), (3, Some("two".into())), (5, Some("three".into()))];
        for piece in [1, 2, 3, 7, 100] {
            assert_eq!(lines(text, piece), expected, "pieces of {piece}");
        }
    }

    #[test]
    fn nothing_is_no_line() {
        assert_eq!(lines(b"", 10), vec![]);
        assert_eq!(lines(b"\n\n", 10), vec![]);
    }

    #[test]
    fn a_line_without_an_end_is_passed_over_and_the_next_is_read() {
        let mut text = vec![b'x'; 3 * VALUE_BYTES_MAX];
        text.extend_from_slice(b"\nnext\n");
        assert_eq!(lines(&text, 1 << 16), vec![(1, None), (2, Some("next".into()))]);
    }
}
