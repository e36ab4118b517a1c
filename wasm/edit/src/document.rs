//! A file as the text that is edited: UTF-8 whose lines end by LF alone. What was CRLF is noted, so
//! that every line that no edit touches comes back byte for byte.

use std::borrow::Cow;

use common::text::{self, Encoding};
use common::unified;
use memchr::{memchr, memchr_iter, memmem, memrchr};

pub struct Document {
    pub text: Vec<u8>,
    pub encoding: Encoding,
    crs: Vec<usize>, // where in `text` the LFs are that have lost their CR
    mostly_crlf: bool,
}

impl Document {
    /// Read a file's bytes; None for what is no text.
    pub fn read(bytes: Vec<u8>) -> Option<Self> {
        let (text, encoding) = text::decode(bytes)?;
        let mut document = Self { text, encoding, crs: Vec::new(), mostly_crlf: false };
        document.take_crs();
        let lines = memchr_iter(b'\n', &document.text).count();
        document.mostly_crlf = document.crs.len() * 2 > lines;
        Some(document)
    }

    fn take_crs(&mut self) {
        let mut plain = Vec::new();
        let mut done = 0;
        for cr in memmem::find_iter(&self.text, "\r\n") {
            if done == 0 {
                plain.reserve(self.text.len());
            }
            plain.extend_from_slice(&self.text[done..cr]);
            self.crs.push(plain.len());
            done = cr + 1;
        }
        if done > 0 {
            plain.extend_from_slice(&self.text[done..]);
            self.text = plain;
        }
    }

    /// The file's bytes; None where its encoding lacks a character of the text.
    pub fn bytes(&self) -> Option<Cow<'_, [u8]>> {
        if self.crs.is_empty() {
            return self.encoding.encode(&self.text);
        }
        let mut text = Vec::with_capacity(self.text.len() + self.crs.len());
        let mut done = 0;
        for cr in &self.crs {
            text.extend_from_slice(&self.text[done..*cr]);
            text.push(b'\r');
            done = *cr;
        }
        text.extend_from_slice(&self.text[done..]);
        let bytes = self.encoding.encode(&text)?.into_owned();
        Some(Cow::Owned(bytes))
    }

    pub fn has_crlf(&self) -> bool {
        !self.crs.is_empty()
    }

    /// Put `new` where `old` stands: at these places, in order and apart from one another.
    pub fn replace(&mut self, places: &[usize], old: &str, new: &str) {
        let growth = new.len().saturating_sub(old.len()) * places.len();
        let mut text = Vec::with_capacity(self.text.len() + growth);
        let mut crs = Vec::with_capacity(self.crs.len());
        let (mut done, mut rest) = (0, self.crs.as_slice());
        for at in places {
            text.extend_from_slice(&self.text[done..*at]);
            let inside = rest.partition_point(|cr| cr < at);
            crs.extend(rest[..inside].iter().map(|cr| cr + text.len() - at));
            rest = &rest[inside..];
            done = at + old.len();
            let after = rest.partition_point(|cr| *cr < done);
            if self.mostly_crlf || !self.crs.is_empty() {
                crs.extend(self.crs_of(*at, &rest[..after], old, new).map(|cr| cr + text.len()));
            }
            rest = &rest[after..];
            text.extend_from_slice(new.as_bytes());
        }
        text.extend_from_slice(&self.text[done..]);
        crs.extend(rest.iter().map(|cr| cr + text.len() - self.text.len()));
        (self.text, self.crs) = (text, crs);
    }

    /// Where in `new` lines end by CRLF: those that stand for a line of `old` keep its end, others
    /// end as the line does in which the edit begins.
    fn crs_of(
        &self,
        at: usize,
        inside: &[usize],
        old: &str,
        new: &str,
    ) -> impl Iterator<Item = usize> {
        let own = self.line_ends_by_crlf(at);
        let before: Vec<_> = memchr_iter(b'\n', old.as_bytes())
            .map(|lf| inside.binary_search(&(at + lf)).is_ok())
            .collect();
        let lfs: Vec<_> = memchr_iter(b'\n', new.as_bytes()).collect();
        let mut after = vec![own; lfs.len()];
        if before.iter().any(|crlf| *crlf != own) {
            let (old, new): (Vec<_>, Vec<_>) =
                (old.split('\n').collect(), new.split('\n').collect());
            for op in unified::ops(&old, &new) {
                for (old, new) in op.old_range().zip(op.new_range()) {
                    if let (Some(crlf), Some(end)) = (before.get(old), after.get_mut(new)) {
                        *end = *crlf;
                    }
                }
            }
        }
        lfs.into_iter().zip(after).filter_map(|(lf, crlf)| crlf.then_some(lf))
    }

    /// Of a last line that has no end, the one before counts, and without one the whole file.
    fn line_ends_by_crlf(&self, at: usize) -> bool {
        let lf = match memchr(b'\n', &self.text[at..]) {
            Some(lf) => Some(at + lf),
            None => memrchr(b'\n', &self.text[..at]),
        };
        lf.map_or(self.mostly_crlf, |lf| self.crs.binary_search(&lf).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One edit of bytes, as they come back.
    fn edited(file: &str, old: &str, new: &str) -> String {
        let mut document = Document::read(file.into()).unwrap();
        let places: Vec<_> = memmem::find_iter(&document.text, old).collect();
        document.replace(&places, old, new);
        String::from_utf8(document.bytes().unwrap().into_owned()).unwrap()
    }

    #[test]
    fn new_lines_end_as_those_around_them() {
        assert_eq!(edited("a\r\nb\r\nc\r\n", "b\n", "x\ny\n"), "a\r\nx\r\ny\r\nc\r\n");
        assert_eq!(edited("a\nb\n", "b\n", "x\ny\n"), "a\nx\ny\n");
        assert_eq!(edited("a\r\nb", "b", "x\ny"), "a\r\nx\r\ny");
        assert_eq!(edited("b", "b", "x\ny"), "x\ny");
        let mut document = Document::read("a\r\n".into()).unwrap();
        document.replace(&[1], "\n", "");
        document.replace(&[0], "a", "b\n");
        assert_eq!(document.bytes().unwrap(), "b\r\n".as_bytes());
    }

    #[test]
    fn mixed_line_ends_are_kept_line_by_line() {
        assert_eq!(edited("a\r\nb\nc\r\nd\n", "a\nb\nc\n", "a\nB\nc\n"), "a\r\nB\nc\r\nd\n");
        assert_eq!(edited("a\nb\r\nc\n", "b\nc\n", "b\nnew\nc\n"), "a\nb\r\nnew\r\nc\n");
        assert_eq!(edited("a\r\nx\nb\r\nx\n", "x\n", "y\n\n"), "a\r\ny\n\nb\r\ny\n\n");
    }

    #[test]
    fn odd_carriage_returns_come_back() {
        for file in ["a\rb\r\r\nc\r", "\r\n\n\r", "\r", ""] {
            let document = Document::read(file.into()).unwrap();
            assert_eq!(document.bytes().unwrap(), file.as_bytes());
        }
    }
}
