//! A pull scanner for JSON (RFC 8259) that answers with a place instead of building a tree.
//!
//! Three things make it fit for the hot path and for hostile input: what nobody asks for is stepped over without
//! being built, nesting costs a bit instead of a stack frame (so depth cannot overflow anything, and is capped),
//! and strings are borrowed. What is stepped over is still checked: the same texts are JSON here and for a
//! strict parser, but for two things left to the reader of a value: names may repeat, and a number may be too
//! large for anything.

use crate::number::Digits;
use std::borrow::Cow;

/// Objects and arrays may lie in each other this deep, the outermost counted.
pub const DEPTH_MAX: u32 = 64;

/// What should have stood at [`Scanner::pos`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected(pub &'static str);

/// A result, or what should have stood there.
pub type Scan<T> = Result<T, Expected>;

/// A string as it stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Str<'a> {
    raw: &'a str,
    escaped: bool,
}

impl<'a> Str<'a> {
    /// A text that needs no unescaping, from elsewhere than JSON.
    pub fn plain(raw: &'a str) -> Self {
        Str { raw, escaped: false }
    }

    /// What it means. Allocates only where there are escapes.
    pub fn text(self) -> Cow<'a, str> {
        if self.escaped { Cow::Owned(unescape(self.raw)) } else { Cow::Borrowed(self.raw) }
    }
}

/// What a value begins like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
    /// `null`.
    Null,
    /// An object.
    Object,
    /// An array.
    Array,
}

/// Reads one JSON text from left to right.
#[derive(Debug, Clone)]
pub struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    pos: usize,
    /// Where the block of 64 bytes begins that `special` describes.
    block: usize,
    /// Bit *i*: byte `block` + *i* is a quote, a backslash, a control character, or behind the end.
    special: u64,
}

impl<'a> Scanner<'a> {
    /// At the beginning of a text.
    #[inline]
    pub fn new(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        Scanner { text, bytes, pos: 0, block: 0, special: special_bits(bytes, 0) }
    }

    /// The same text at another byte: where a value begins that was stepped over before.
    pub fn at(&self, pos: usize) -> Self {
        let block = pos / BLOCK * BLOCK;
        Scanner { pos, block, special: special_bits(self.bytes, block), ..*self }
    }

    /// How many bytes have been read.
    pub fn pos(&self) -> usize {
        self.pos
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.pos).copied()
    }

    #[inline]
    fn blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.pos += 1;
        }
    }

    #[inline]
    fn take(&mut self, byte: u8, what: &'static str) -> Scan<()> {
        if self.peek() == Some(byte) {
            self.pos += 1;
            Ok(())
        } else {
            Err(Expected(what))
        }
    }

    /// What the next value begins like.
    #[inline]
    pub fn kind(&mut self) -> Scan<Kind> {
        self.blanks();
        match self.peek() {
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'n') => Ok(Kind::Null),
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            _ => Err(Expected("expected a JSON value")),
        }
    }

    /// Into an object, to its first name. `None`: it is empty, and behind us.
    #[inline]
    pub fn first_name(&mut self) -> Scan<Option<Str<'a>>> {
        self.blanks();
        self.take(b'{', "expected `{`")?;
        self.blanks();
        if self.peek() == Some(b'}') {
            self.pos += 1;
            return Ok(None);
        }
        self.name().map(Some)
    }

    /// After a value in an object, to the next name. `None`: the object is behind us.
    #[inline]
    pub fn next_name(&mut self) -> Scan<Option<Str<'a>>> {
        self.blanks();
        match self.peek() {
            Some(b',') => {
                self.pos += 1;
                self.blanks();
                self.name().map(Some)
            }
            Some(b'}') => {
                self.pos += 1;
                Ok(None)
            }
            _ => Err(Expected("expected `,` or `}`")),
        }
    }

    #[inline]
    fn name(&mut self) -> Scan<Str<'a>> {
        if self.peek() != Some(b'"') {
            return Err(Expected("expected a name in quotes"));
        }
        let name = self.string()?;
        self.blanks();
        self.take(b':', "expected `:`")?;
        Ok(name)
    }

    /// That nothing but blanks follows.
    pub fn end(&mut self) -> Scan<()> {
        self.blanks();
        if self.pos == self.bytes.len() { Ok(()) } else { Err(Expected("expected the end")) }
    }

    /// A string. Every escape in it is checked.
    #[inline(always)]
    pub fn string(&mut self) -> Scan<Str<'a>> {
        self.take(b'"', "expected a string")?;
        let start = self.pos;
        self.plain_text();
        match self.peek() {
            Some(b'"') => {
                self.pos += 1;
                Ok(Str { raw: &self.text[start..self.pos - 1], escaped: false })
            }
            _ => self.string_with_escapes(start),
        }
    }

    #[cold]
    fn string_with_escapes(&mut self, start: usize) -> Scan<Str<'a>> {
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.pos += 1;
                    return Ok(Str { raw: &self.text[start..self.pos - 1], escaped: true });
                }
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(Expected("expected no control character in a string")),
                None => return Err(Expected("expected the string to end")),
            }
            self.plain_text();
        }
    }

    /// To the next byte that can end a run of plain text, or to the end. Short strings of all lengths would make
    /// a loop over bytes or words guess its end wrong each time; a look at the bits of a block does not loop.
    #[inline]
    fn plain_text(&mut self) {
        let into = self.pos - self.block;
        let ahead = if into < BLOCK { self.special >> into } else { 0 };
        if ahead != 0 {
            self.pos += ahead.trailing_zeros() as usize;
        } else {
            self.plain_text_beyond_block();
        }
    }

    #[inline(never)]
    fn plain_text_beyond_block(&mut self) {
        let next = self.block + BLOCK;
        self.block = if self.pos < next { next } else { self.pos / BLOCK * BLOCK };
        self.pos = self.pos.max(self.block);
        loop {
            self.special = special_bits(self.bytes, self.block);
            let ahead = self.special >> (self.pos - self.block);
            if ahead != 0 {
                self.pos += ahead.trailing_zeros() as usize;
                return;
            }
            self.block += BLOCK;
            self.pos = self.block;
        }
    }

    #[cold]
    fn escape(&mut self) -> Scan<()> {
        self.pos += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.pos += 1;
                Ok(())
            }
            Some(b'u') => {
                self.pos += 1;
                match self.hex4()? {
                    0xd800..=0xdbff => {
                        const PAIR: Expected = Expected("expected the second half of a surrogate pair");
                        if !self.bytes[self.pos..].starts_with(b"\\u") {
                            return Err(PAIR);
                        }
                        self.pos += 2;
                        if (0xdc00..=0xdfff).contains(&self.hex4()?) { Ok(()) } else { Err(PAIR) }
                    }
                    0xdc00..=0xdfff => Err(Expected("expected no second half of a surrogate pair")),
                    _ => Ok(()),
                }
            }
            _ => Err(Expected("expected an escape that JSON knows")),
        }
    }

    fn hex4(&mut self) -> Scan<u16> {
        const HEX: Expected = Expected("expected four hexadecimal digits");
        let digits = self.bytes.get(self.pos..self.pos + 4).ok_or(HEX)?;
        let code = hex(digits).ok_or(HEX)?;
        self.pos += 4;
        Ok(code)
    }

    /// A number, taken apart but not yet valued.
    #[inline]
    pub fn number(&mut self) -> Scan<Digits<'a>> {
        let (number, end) = Digits::prefix(self.bytes, self.pos).map_err(|(at, what)| {
            self.pos = at;
            Expected(what)
        })?;
        self.pos = end;
        Ok(number)
    }

    /// `true` or `false`.
    #[inline]
    pub fn truth(&mut self) -> Scan<bool> {
        if self.peek() == Some(b't') {
            self.literal("true").map(|()| true)
        } else {
            self.literal("false").map(|()| false)
        }
    }

    /// `null`.
    #[inline]
    pub fn null(&mut self) -> Scan<()> {
        self.literal("null")
    }

    #[inline]
    fn literal(&mut self, word: &'static str) -> Scan<()> {
        if self.bytes[self.pos..].starts_with(word.as_bytes()) {
            self.pos += word.len();
            Ok(())
        } else {
            Err(Expected("expected `true`, `false` or `null`"))
        }
    }

    /// Over one value of any kind that lies `depth` objects or arrays deep.
    #[inline]
    pub fn skip(&mut self, depth: u32) -> Scan<()> {
        match self.kind()? {
            Kind::Object | Kind::Array => self.skip_nested(DEPTH_MAX.saturating_sub(depth)),
            scalar => self.skip_scalar(scalar),
        }
    }

    #[inline]
    fn skip_scalar(&mut self, kind: Kind) -> Scan<()> {
        match kind {
            Kind::String => self.string().map(|_| ()),
            Kind::Number => self.number().map(|_| ()),
            Kind::Bool => self.truth().map(|_| ()),
            _ => self.null(),
        }
    }

    /// Over an object or array with at most `levels` levels. One bit per level tells objects (1) from arrays (0).
    fn skip_nested(&mut self, levels: u32) -> Scan<()> {
        let mut stack = 0u64;
        let mut depth = 0u32;
        loop {
            match self.kind()? {
                kind @ (Kind::Object | Kind::Array) => {
                    if depth == levels {
                        return Err(Expected("expected at most 64 levels of nesting"));
                    }
                    let object = kind == Kind::Object;
                    self.pos += 1;
                    self.blanks();
                    if self.peek() == Some(if object { b'}' } else { b']' }) {
                        self.pos += 1;
                    } else {
                        stack = stack << 1 | u64::from(object);
                        depth += 1;
                        if object {
                            self.name()?;
                        }
                        continue;
                    }
                }
                scalar => self.skip_scalar(scalar)?,
            }
            // A value is behind us: close what ends here, and go on to the next value of what does not.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let object = stack & 1 == 1;
                self.blanks();
                match (self.peek(), object) {
                    (Some(b','), _) => {
                        self.pos += 1;
                        if object {
                            self.blanks();
                            self.name()?;
                        }
                        break;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => {
                        self.pos += 1;
                        stack >>= 1;
                        depth -= 1;
                    }
                    (_, true) => return Err(Expected("expected `,` or `}`")),
                    (_, false) => return Err(Expected("expected `,` or `]`")),
                }
            }
        }
    }
}

/// Bytes that are looked at together.
const BLOCK: usize = 64;

/// The bits of the block that begins at `at`, at most at the end. What lies behind the end counts as special.
#[inline]
fn special_bits(bytes: &[u8], at: usize) -> u64 {
    let rest = &bytes[at..];
    match rest.first_chunk::<BLOCK>() {
        Some(block) => bits_of(block),
        None => {
            let mut block = [0; BLOCK];
            block[..rest.len()].copy_from_slice(rest);
            bits_of(&block)
        }
    }
}

/// Written so that the compiler makes vector instructions of the first half on every machine.
#[inline]
fn bits_of(block: &[u8; BLOCK]) -> u64 {
    let mut flags = [0u8; BLOCK];
    for (flag, (i, byte)) in flags.iter_mut().zip(block.iter().enumerate()) {
        let special = (*byte == b'"') | (*byte == b'\\') | (*byte < 0x20);
        *flag = if special { 1 << (i % 8) } else { 0 };
    }
    // Eight flags, each a bit of its own, add up to a byte; a product with ones adds them up in its top byte.
    let byte = |word: &[u8; 8]| u64::from_le_bytes(*word).wrapping_mul(u64::from_le_bytes([1; 8])) >> 56;
    flags.as_chunks::<8>().0.iter().enumerate().fold(0, |bits, (i, word)| bits | byte(word) << (8 * i))
}

fn hex(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0u16, |code, digit| Some(code << 4 | char::from(*digit).to_digit(16)? as u16))
}

/// The meaning of a string whose escapes have been checked.
#[cold]
fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let code =
            |from: usize| u32::from(hex(&rest.as_bytes()[from..from + 4]).expect("checked by the scanner"));
        let (meaning, len) = match rest.as_bytes()[at + 1] {
            b'b' => ('\u{8}', 2),
            b'f' => ('\u{c}', 2),
            b'n' => ('\n', 2),
            b'r' => ('\r', 2),
            b't' => ('\t', 2),
            b'u' => {
                let first = code(at + 2);
                if (0xd800..0xdc00).contains(&first) {
                    let second = code(at + 8);
                    (scalar(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)), 12)
                } else {
                    (scalar(first), 6)
                }
            }
            other => (char::from(other), 2),
        };
        text.push(meaning);
        rest = &rest[at + len..];
    }
    text.push_str(rest);
    text
}

fn scalar(code: u32) -> char {
    char::from_u32(code).expect("surrogates come in pairs: checked by the scanner")
}

#[cfg(test)]
mod tests;
